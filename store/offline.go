package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Offline holds on disk what waits: heads and entries of mailboxes, written behind by the loops and read when a mailbox comes back.
// It has no log of its own: what was applied since the last Flush is in the journal too.
//
// Keys, numbers big-endian, behind a prefix byte: 'h' fragment u16, user u64, device u8 -> head; 'e' fragment u16, user u64, device u8,
// seq u64 -> entry and payload; 'm' name -> meta; 'p' fragment u16, user u64 -> nothing (see offline_pending.go). The first byte of each value is its version (1).
//
// What the disk refuses is tried again, with everything still in memory. When the engine can't go on, it is fenced off and another one is opened on
// the directory by a later call. Of what had been applied and not flushed the end is gone then, maybe all of it: Apply and Flush say ErrOfflineLost until the
// caller calls Restore. It then applies again, in order, everything since the last Flush that returned nil, and flushes. Until that Flush has succeeded no
// read is served (ErrOfflineFailed): it would show the past.
//
// Locks: write before mu. write is held by one writer at a time; mu is held for moments. Readers are counted at the engine that they read.
type Offline struct {
	opts    OfflineOptions
	log     *slog.Logger
	ballast *ballast
	now     func() time.Time // for pauses

	write    sync.Mutex
	place    *offlinePlace
	applied  uint64 // batches
	kept     uint64 // of them flushed
	flushes  uint64
	told     bool // Restore was called for the last loss
	nextTry  time.Time
	pause    time.Duration
	tryErr   error // of the last try to open an engine
	dropKeys int   // offlineDropKeysMax

	mu     sync.RWMutex
	engine *engine
	closed bool

	lost     atomic.Bool // from a loss to the Flush behind it
	reopened atomic.Uint64
	errors   atomic.Uint64
	lastLog  atomic.Int64 // unix nanoseconds
}

// OfflineOptions say where.
type OfflineOptions struct {
	Dir      string
	FS       vfs.FS // nil: the system's
	Fragment func(user uint64) uint16
	Log      *slog.Logger
	Ballast  int // bytes; 0: offlineBallastBytes
}

// OfflineStats are sizes and counters of an Offline.
type OfflineStats struct {
	DiskBytes int64
	Reopened  uint64 // times that the engine had to be opened anew
	Errors    uint64
	Failed    bool // it can't be used just now
}

// OpenOffline opens or makes the store in a directory. Errors: ErrOfflineDamaged with the place, ErrStoreLocked, ErrStoreVersion, ErrDiskFull, the system's.
func OpenOffline(o OfflineOptions) (*Offline, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ballast == 0 {
		o.Ballast = offlineBallastBytes
	}
	s := &Offline{opts: o, log: o.Log.With("mailboxes", o.Dir), now: time.Now, place: &offlinePlace{fs: o.FS, dir: o.Dir}, dropKeys: offlineDropKeysMax}
	s.ballast = &ballast{fs: o.FS, dir: o.Dir, size: o.Ballast, log: s.log, cost: "mailboxes stay in memory and in the journal until there is room"}
	if err := s.open(); err != nil {
		return nil, s.explain("open", errors.Join(err, s.place.leave()))
	}
	return s, nil
}

func (o *Offline) open() error {
	if err := o.place.take(); err != nil {
		return err
	}
	if o.place.old { // an engine that opens for writing removes what its manifest does not know: look first
		if err := o.look(); err != nil {
			return err
		}
	}
	o.ballast.fill()
	e, err := o.newEngine()
	if err != nil && o.place.clearBeginnings() {
		e, err = o.newEngine()
	}
	if err != nil {
		return o.place.judge(err)
	}
	o.engine = e
	if o.place.old && o.ballast.gone.Load() {
		return nil // no room to write: the old note holds
	}
	if err := o.place.note(o.flushes); err != nil {
		return errors.Join(err, e.close())
	}
	return nil
}

// look opens the store without changing it, and compares it with the note.
func (o *Offline) look() error {
	e, err := openEngine(o, true)
	if err != nil {
		return o.place.judge(err)
	}
	flushes, err := offlineMeta(e.db, metaOfflineFlushes)
	if err == nil {
		err = o.place.check(flushes)
	}
	if err = errors.Join(err, e.close()); err != nil {
		return o.place.judge(err)
	}
	return nil
}

// newEngine opens an engine and reads what the store as a whole says.
func (o *Offline) newEngine() (*engine, error) {
	e, err := openEngine(o, false)
	if err != nil {
		return nil, err
	}
	version, err := offlineMeta(e.db, metaOfflineVersion)
	if err == nil && version > offlineVersion {
		err = fmt.Errorf("%w: version %d, this server reads up to %d", ErrStoreVersion, version, offlineVersion)
	}
	flushes, errFlushes := offlineMeta(e.db, metaOfflineFlushes)
	if err = errors.Join(err, errFlushes); err == nil && version == 0 {
		err = e.run(func() error { // becomes durable with the first flush
			return e.db.Set([]byte{prefixOfflineMeta, metaOfflineVersion}, binary.BigEndian.AppendUint64(nil, offlineVersion), pebble.NoSync)
		})
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	o.flushes = max(o.flushes, flushes)
	return e, nil
}

// offlineMeta reads a number of the store as a whole; 0: it was never set.
func offlineMeta(db *pebble.DB, name byte) (n uint64, err error) {
	v, closer, err := db.Get([]byte{prefixOfflineMeta, name})
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, errors.Join(fmt.Errorf("%w: a number of %d bytes", ErrOfflineDamaged, len(v)), closer.Close())
	}
	n = binary.BigEndian.Uint64(v)
	return n, closer.Close()
}

// Apply makes a batch visible to reads, all of it or nothing. It outlives a crash once Flush has returned. An error is for now: the batch
// can be applied again. After an error that is not ErrOfflineLost nobody knows whether it was applied.
func (o *Offline) Apply(b *OfflineBatch) error {
	o.write.Lock()
	defer o.write.Unlock()
	e, err := o.writable()
	if err != nil {
		return o.explain("write", err)
	}
	batch := e.db.NewBatch()
	if err := e.run(func() error { return b.stage(e.db, batch, o.dropKeys) }); err != nil {
		return o.explain("write", err)
	}
	o.applied++
	if err := e.call(func() error { return e.db.Apply(batch, pebble.NoSync) }); err != nil {
		return o.explain("write", err)
	}
	return batch.Close()
}

// Flush makes durable what was applied before the call. An error is for now, and what was applied stays as it is, but for ErrOfflineLost.
func (o *Offline) Flush() error {
	o.write.Lock()
	defer o.write.Unlock()
	return o.flush()
}

func (o *Offline) flush() error {
	e, err := o.writable()
	if err != nil {
		return o.explain("flush", err)
	}
	if o.applied == o.kept && !o.lost.Load() {
		return nil
	}
	applied, flushes := o.applied, o.flushes+1
	if err := e.flush(applied, flushes); err != nil {
		return o.explain("flush", err)
	}
	o.kept, o.flushes = applied, flushes
	o.lost.Store(false)
	if err := o.place.note(flushes); err != nil {
		e.say(fmt.Errorf("the note beside the tables: %w", err)) // it only says less than is true
	}
	return nil
}

// writable is the engine to write to. write is held.
func (o *Offline) writable() (*engine, error) {
	if o.closed {
		return nil, ErrOfflineClosed
	}
	if !o.engine.alive() {
		if err := o.revive(); err != nil {
			return nil, err
		}
	}
	if o.lost.Load() && !o.told {
		return nil, ErrOfflineLost
	}
	return o.engine, nil
}

// Restore is called after ErrOfflineLost, before everything since the last Flush that returned nil is applied again. At other times it does nothing.
func (o *Offline) Restore() {
	o.write.Lock()
	defer o.write.Unlock()
	o.told = true
}

// revive opens another engine in the place of one that gave up, if it is time to try. write is held.
func (o *Offline) revive() error {
	old := o.engine
	if o.tryErr == nil {
		o.tryErr = old.deadErr
		o.log.Error("the offline store's engine gave up: another one is opened", "err", old.deadErr)
		if o.applied != o.kept || o.lost.Load() {
			o.lost.Store(true)
			o.told = false
		}
	}
	if now := o.now(); now.Before(o.nextTry) {
		return o.tryErr
	} else {
		o.pause = min(max(2*o.pause, offlineReopen), offlineReopenMax)
		o.nextTry = now.Add(o.pause)
	}
	old.fence.sever() // has ended all the old one did when it returns
	e, err := o.tryEngine()
	if err != nil {
		o.tryErr = o.place.judge(err)
		return o.tryErr
	}
	o.mu.Lock()
	o.engine = e
	o.mu.Unlock()
	o.reopened.Add(1)
	o.tryErr, o.pause = nil, 0
	o.log.Info("the offline store is open again")
	return nil
}

// tryEngine opens an engine when the disk takes anything at all: one that gives up while it is opened costs its memory.
func (o *Offline) tryEngine() (*engine, error) {
	if err := o.place.probe(); err != nil {
		return nil, err
	}
	return o.newEngine()
}

// Checkpoint puts a copy of what is durable into dir, which must not exist, by hard links where it can.
func (o *Offline) Checkpoint(dir string) error {
	o.write.Lock()
	defer o.write.Unlock()
	e, err := o.writable()
	if err != nil {
		return o.explain("copy", err)
	}
	if err := e.run(func() error { return checkpoint(e.db, dir) }); err != nil {
		return o.explain("copy", err)
	}
	content := o.place.content(o.place.noted)
	if err := writeWhole(o.opts.FS, dir, o.opts.FS.PathJoin(dir, offlineNoteFile), content); err != nil {
		return o.explain("copy", err)
	}
	return nil
}

// checkpoint has the engine make the copy. When the folder of the copy can't be synced the engine panics, with no lock held: that disk is not ours.
func checkpoint(db *pebble.DB, dir string) (err error) {
	defer func() {
		if why := recover(); why != nil {
			cause, ok := why.(error)
			if !ok {
				panic(why)
			}
			err = cause
		}
	}()
	return db.Checkpoint(dir)
}

// Clear removes everything, durably.
func (o *Offline) Clear() error {
	o.write.Lock()
	defer o.write.Unlock()
	o.told = true // a loss is what is wanted
	e, err := o.writable()
	if err != nil {
		return o.explain("clear", err)
	}
	o.applied++
	if err := e.call(func() error {
		return inOrder(
			func() error {
				return e.db.DeleteRange([]byte{prefixOfflineEntry}, []byte{prefixOfflineHead + 1}, pebble.NoSync)
			},
			func() error {
				return e.db.DeleteRange([]byte{prefixOfflinePending}, []byte{prefixOfflinePending + 1}, pebble.NoSync)
			},
		)
	}); err != nil {
		return o.explain("clear", err)
	}
	return o.flush()
}

// Stats are sizes now.
func (o *Offline) Stats() OfflineStats {
	s := OfflineStats{Reopened: o.reopened.Load(), Errors: o.errors.Load()}
	err := o.read(func(db *pebble.DB) error {
		s.DiskBytes = int64(db.Metrics().DiskSpaceUsage())
		return nil
	})
	o.mu.RLock()
	defer o.mu.RUnlock()
	s.Failed = err != nil || o.engine.trouble() != nil
	return s
}

// Close flushes and closes. After an error what was not flushed is gone.
func (o *Offline) Close() error {
	o.write.Lock()
	defer o.write.Unlock()
	if o.closed {
		return nil
	}
	err := o.flush()
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	if o.engine.alive() {
		o.engine.readers.Wait()
		err = errors.Join(err, o.explain("close", o.engine.close()))
	}
	o.engine.fence.sever()
	return errors.Join(err, o.explain("close", o.place.leave()))
}

// explain makes an error of the engine one of ours, with the directory in it.
func (o *Offline) explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrOfflineDamaged), errors.Is(err, ErrOfflineFailed), errors.Is(err, ErrOfflineLost), errors.Is(err, ErrOfflineClosed):
	case vfs.IsNoSpaceError(err) && !errors.Is(err, ErrDiskFull):
		err = fmt.Errorf("%w: %w", ErrDiskFull, err)
	case isDamage(err) && doing != "open":
		err = explainDamage(o.opts.Dir, "", err)
	case doing != "open":
		err = fmt.Errorf("%w: %w", ErrOfflineFailed, err)
	}
	return fmt.Errorf("mailboxes in %s: %s: %w", o.opts.Dir, doing, err)
}
