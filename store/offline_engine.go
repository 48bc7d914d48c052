package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// engine is one instance of Pebble on the directory of an Offline, from its opening until Close or until it gives up.
//
// What the disk refuses while a table is written, the engine tries again, with everything still in memory; it would do so without a pause, so making
// a table waits here. What it can't go on after, a manifest that can't be written, it reports by a call that must not return: that goroutine
// ends there, and the engine is dead: it can't even be closed. It is its own logger. Locks: mu guards what is below it and is taken last.
type engine struct {
	db      *pebble.DB
	fence   *fence
	ballast *ballast
	log     *slog.Logger
	quit    chan struct{} // closed by close: nothing waits any more
	dead    chan struct{} // closed once the engine has given up
	once    sync.Once
	deadErr error // why; set before dead is closed
	errors  *atomic.Uint64
	lastLog *atomic.Int64 // unix nanoseconds
	readers sync.WaitGroup
	stalled atomic.Bool // changes wait because the engine's memory is full

	mu      sync.Mutex
	busy    chan error      // of a call that nobody waits for any more; nil: none
	flushed <-chan struct{} // of a flush that was asked for; nil: none
	covers  uint64          // what was applied when it was
	shaken  chan struct{}   // closed and made anew when a flush fails
	why     error           // of the last flush that failed
	rest    time.Duration
	restEnd time.Time

	ready sync.Mutex // held while the ballast is looked at
}

// openEngine opens what is in the directory, or makes it.
func openEngine(o *Offline, readOnly bool) (*engine, error) {
	e := &engine{
		ballast: o.ballast, log: o.log, errors: &o.errors, lastLog: &o.lastLog,
		quit: make(chan struct{}), dead: make(chan struct{}), shaken: make(chan struct{}),
	}
	e.fence = newFence(vfs.OnDiskFull(o.opts.FS, o.ballast.release), e.beforeTable)
	e.fence.folder, e.fence.folderFailed = o.opts.Dir, func(err error) { e.Fatalf("sync the folder: %w", err) }
	e.fence.pause = func() {
		if isEngineWork() {
			select {} // it would fail, and then panic over a version that is half made: it stays where it is
		}
		<-time.After(fencedPause)
	}
	opts := e.options()
	opts.ReadOnly = readOnly
	var db *pebble.DB
	err := e.run(func() (err error) { db, err = pebble.Open(o.opts.Dir, opts); return err })
	if err != nil {
		e.fence.sever()
		return nil, err
	}
	e.db = db
	return e, nil
}

// options keeps the engine small: the truth is in the loops' memory, and a mailbox is read once when its user comes back.
func (e *engine) options() *pebble.Options {
	o := &pebble.Options{
		FS:                          e.fence,
		Comparer:                    offlineOrder(),
		FormatMajorVersion:          pebble.FormatValueSeparation, // the newest of v2.1: a later module does not raise it by itself
		DisableWAL:                  true,                         // the journal is its log
		CacheSize:                   offlineCacheBytes,
		MemTableSize:                offlineMemTableBytes,
		MemTableStopWritesThreshold: offlineMemTables,
		L0StopWritesThreshold:       offlineL0Tables,
		MaxOpenFiles:                offlineFilesMax,
		Logger:                      e,
		EventListener: &pebble.EventListener{
			BackgroundError: e.background,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { e.say(fmt.Errorf("%s: %w", info.Path, info.Details)) },
			FlushEnd:        e.flushEnd,
			WriteStallBegin: func(pebble.WriteStallBeginInfo) { e.stalled.Store(true) },
			WriteStallEnd:   func() { e.stalled.Store(false) },
		},
	}
	o.Experimental.FileCacheShards = 1
	o.Experimental.ReadSamplingMultiplier = -1 // reading writes nothing
	o.Experimental.SpanPolicyFunc = func([]byte) (pebble.SpanPolicy, []byte, error) {
		return pebble.SpanPolicy{DisableValueSeparationBySuffix: true}, nil, nil // a mailbox's entries stay beside their keys
	}
	o.TargetFileSizes[0] = offlineTableBytes
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(offlineFilterBits)
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone }) // payloads are ciphertext
	return o
}

// run calls f on a goroutine of its own, for the engine may never return from it.
func (e *engine) run(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }() // ends with the engine's answer, or stays with an engine that gave up
	select {
	case err := <-done:
		return err
	case <-e.dead:
		return e.deadErr
	}
}

// call is run for changes, which wait while the engine's memory is full: it returns when a flush has failed meanwhile. Then nobody knows whether f has
// taken effect, and until it has come to its end further calls are refused.
func (e *engine) call(f func() error) error {
	if busy := e.setBusy(nil); busy != nil {
		select {
		case <-busy:
		default:
			e.setBusy(busy)
			return e.refusal()
		}
	}
	done := make(chan error, 1)
	go func() { done <- f() }() // ends with the engine's answer, or stays with an engine that gave up
	for {
		e.mu.Lock()
		shaken := e.shaken
		e.mu.Unlock()
		select {
		case err := <-done:
			return err
		case <-e.dead:
			return e.deadErr
		case <-shaken:
		}
		if e.stalled.Load() {
			e.setBusy(done)
			return e.refusal()
		}
	}
}

func (e *engine) setBusy(done chan error) (old chan error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old, e.busy = e.busy, done
	return old
}

// isEngineWork says whether a flush or a compaction of the engine calls, and not somebody who reads.
func isEngineWork() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if name, ok := strings.CutPrefix(frame.Function, engineWorkPrefix); ok && (strings.HasPrefix(name, "flush") || strings.HasPrefix(name, "compact")) {
			return true
		}
	}
	return false
}

// engineWorkPrefix begins the names of the engine's methods on the stack.
const engineWorkPrefix = "github.com/cockroachdb/pebble/v2.(*DB)."

// alive says whether the engine has not given up.
func (e *engine) alive() bool {
	select {
	case <-e.dead:
		return false
	default:
		return true
	}
}

// trouble is why the last flush failed; nil: it did not.
func (e *engine) trouble() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.why
}

// refusal is the error of a change that has to wait.
func (e *engine) refusal() error {
	if err := e.trouble(); err != nil {
		return err
	}
	return fmt.Errorf("%w: an earlier change is still under way", ErrOfflineFailed)
}

// flush makes durable what was applied, up to the number applied, and counts it under flushes. It returns at the first failure; the engine tries again by
// itself, and the next call goes on waiting for the same flush.
func (e *engine) flush(applied, flushes uint64) error {
	for {
		e.mu.Lock()
		flushed, covers, shaken := e.flushed, e.covers, e.shaken
		e.mu.Unlock()
		if flushed == nil {
			if err := e.call(func() error { return e.beginFlush(applied, flushes) }); err != nil {
				return err
			}
			continue
		}
		select {
		case <-flushed:
		case <-e.dead:
			return e.deadErr
		case <-shaken:
			return e.refusal()
		}
		e.mu.Lock()
		e.flushed = nil
		e.mu.Unlock()
		if covers >= applied {
			return nil
		}
	}
}

func (e *engine) beginFlush(applied, flushes uint64) error {
	if err := e.db.Set([]byte{prefixOfflineMeta, metaOfflineFlushes}, binary.BigEndian.AppendUint64(nil, flushes), pebble.NoSync); err != nil {
		return err
	}
	flushed, err := e.db.AsyncFlush()
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.flushed, e.covers = flushed, applied
	e.mu.Unlock()
	return nil
}

// close ends the engine. What was not flushed is gone.
func (e *engine) close() error {
	close(e.quit)
	return e.run(e.db.Close)
}

// beforeTable has the engine wait after a failure, and refuses while the ballast is gone: what room is left is for the manifest.
func (e *engine) beforeTable(name string) error {
	e.mu.Lock()
	wait := time.Until(e.restEnd)
	e.mu.Unlock()
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-e.quit:
		case <-e.dead:
		}
	}
	e.ready.Lock()
	defer e.ready.Unlock()
	if !e.ballast.ready() {
		return &os.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	return nil
}

// flushEnd hears of the end of each flush. The engine's locks are held.
func (e *engine) flushEnd(info pebble.FlushInfo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if info.Err == nil {
		e.rest, e.why = 0, nil
		return
	}
	e.why = info.Err
	close(e.shaken)
	e.shaken = make(chan struct{})
}

// background hears of the failure of a flush or of the sorting of tables. The engine's locks are held, and it will try again at once.
func (e *engine) background(err error) {
	e.mu.Lock()
	e.rest = min(max(2*e.rest, offlineRest), offlineRestMax)
	e.restEnd = time.Now().Add(e.rest)
	e.mu.Unlock()
	e.say(err)
}

// say logs what the engine tries again, now and then.
func (e *engine) say(err error) {
	e.errors.Add(1)
	if errors.Is(err, errFenced) {
		return
	}
	now := time.Now().UnixNano()
	last := e.lastLog.Load()
	if now-last >= int64(troubleLogEvery) && e.lastLog.CompareAndSwap(last, now) {
		e.log.Warn("the offline store's engine has trouble", "err", err)
	}
}

// Infof implements pebble.Logger. The engine's diary interests nobody.
func (e *engine) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (e *engine) Errorf(format string, args ...any) { e.say(fmt.Errorf(format, args...)) }

// Fatalf implements pebble.Logger, whose contract is that it does not return. The goroutine ends, and gives back the engine's locks as it unwinds: readers that
// are under way need them to come to an end.
func (e *engine) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			err = cause // which has the errno
		}
	}
	e.fail(err)
	runtime.Goexit()
}

// fail marks the engine as dead. The first reason stays.
func (e *engine) fail(err error) {
	e.once.Do(func() {
		e.deadErr = fmt.Errorf("%w: %w", ErrOfflineFailed, err)
		e.errors.Add(1)
		close(e.dead)
		e.fence.sever()
	})
}
