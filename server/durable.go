package server

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/store"
)

// durable is what outlives the process of mailboxes: the keeper, and what names this process's numbers. Without a data directory there is no
// keeper, and each process is a new incarnation.
type durable struct {
	keeper      *store.Keeper // nil: nothing is kept
	recovery    store.Recovery
	incarnation uint64
	owner       uint32
	dirs        Paths         // of the journal
	stopWithin  time.Duration // for writing back at the end
	bells       []bell
	reactor     atomic.Pointer[netpoll.Reactor] // nil until the loops are made
	closed      sync.Once
	closeErr    error
}

// bell says whether a loop is rung for already: while it is, further news need no message. It fills a cache line.
type bell struct {
	rung atomic.Bool
	_    [60]byte
}

// openDurable recovers what the last process has left. The data directory is locked.
func (s *Server) openDurable() error {
	d := &durable{bells: make([]bell, s.cfg.Loops), stopWithin: StopTimeout}
	s.durable = d
	var err error
	if s.cfg.Data == "" {
		d.owner = 1
		d.incarnation, err = randomUint64() // this process starts without data: clients must know
		return err
	}
	if d.dirs, err = s.cfg.Journal.absolute(s.cfg.Data); err != nil {
		return err
	}
	if d.keeper, err = store.OpenKeeper(s.keeperOptions()); err != nil {
		d.keeper = nil
		return openingFailed(err)
	}
	d.incarnation, d.owner, d.recovery = d.keeper.Incarnation(), d.keeper.OwnerEpoch(), d.keeper.Recovery()
	s.logRecovery(&d.recovery)
	return nil
}

// openingFailed says what the store's error means to the operator.
func openingFailed(err error) error {
	var damage *store.DamageError
	switch {
	case errors.As(err, &damage), errors.Is(err, store.ErrOfflineDamaged), errors.Is(err, store.ErrJournalDamaged):
		return fmt.Errorf("%w: %w", ErrMailboxesDamaged, err)
	case errors.Is(err, store.ErrJournalMissing):
		return fmt.Errorf("%w: %w", ErrJournalMissing, err)
	case errors.Is(err, store.ErrStoreLocked):
		return fmt.Errorf("%w: %w", ErrDataLocked, err)
	}
	return fmt.Errorf("mailboxes: %w", err)
}

func (s *Server) keeperOptions() store.KeeperOptions {
	placement := s.placement()
	o := store.KeeperOptions{
		Dir: s.cfg.Data, Journals: s.durable.dirs, Ack: ackOf(s.cfg.Ack), Loops: s.cfg.Loops,
		Fragment: fragmentOf(placement), Home: placement.Home, Retention: time.Duration(s.cfg.Retention),
		Linger: time.Duration(s.cfg.JournalLinger), JournalBytes: int64(s.cfg.JournalBytes),
		Log: s.cfg.Logger, Wake: s.durable.ring,
	}
	if s.cfg.hooks != nil {
		o.FS = s.cfg.hooks.fs
		if s.cfg.hooks.keeper != nil {
			s.cfg.hooks.keeper(&o)
		}
	}
	return o
}

// fragmentOf is the placement as package store takes it: it hashes nothing itself.
func fragmentOf(p shard.Placement) func(user uint64) uint16 {
	return func(user uint64) uint16 { return uint16(p.Fragment(user)) }
}

func ackOf(word string) store.Ack {
	if word == AckMemory {
		return store.AckMemory
	}
	return store.AckDisk
}

// journals are the directories of the journal.
func (d *durable) journals(data string) []string {
	if len(d.dirs) > 0 {
		return d.dirs
	}
	return []string{filepath.Join(data, journalFolder)}
}

// connect gives the loops their bell. What was news before it is rung for now.
func (d *durable) connect(r *netpoll.Reactor) {
	d.reactor.Store(r)
	if d.keeper == nil {
		return
	}
	for loop := range d.bells {
		_ = r.Post(loop, []byte{askNews}) // a full inbox brings a turn as well
	}
}

// ring is called from the keeper's goroutines when there is news for a loop. A message that finds no room in the loop's inbox is not
// missed: with a full inbox the loop has turns, and takes news in each.
func (d *durable) ring(loop int) {
	b := &d.bells[loop]
	if b.rung.Swap(true) {
		return
	}
	if r := d.reactor.Load(); r == nil || r.Post(loop, []byte{askNews}) != nil {
		b.rung.Store(false)
	}
}

// heard is called by the loop before it takes its news: what comes later rings again.
func (d *durable) heard(loop int) {
	if b := &d.bells[loop]; b.rung.Load() {
		b.rung.Store(false)
	}
}

// settle makes the end a clean one: everything that is in memory only is written back. The loops have ended, so their shards and desks belong
// to whoever calls.
func (d *durable) settle(handlers []*loopHandler, timeout time.Duration) error {
	for _, h := range handlers {
		if n := h.shard.Stats().ParkedUsers; n > 0 {
			return fmt.Errorf("%w: something is parked for %d users whose mailboxes were not read yet", errNotSettled, n)
		}
	}
	for deadline := time.Now().Add(timeout); ; {
		left := 0
		for _, h := range handlers {
			left += h.shard.WriteBackAll()
			h.submit()
		}
		if left == 0 {
			return nil
		}
		rest := time.Until(deadline)
		if rest <= 0 {
			return fmt.Errorf("%w: %d mailboxes were not written back within %s", errNotSettled, left, Duration(timeout))
		}
		if err := d.keeper.Settle(rest); err != nil {
			return fmt.Errorf("%w: %w", errNotSettled, err)
		}
	}
}

// closeDurable gives the mailboxes back when no loop runs any more. clean: the loops have ended as they should. What can't be written back
// is left as a crash leaves it, and the log says what that means. Safe to call twice.
func (s *Server) closeDurable(clean bool) error {
	d := s.durable
	if d == nil || d.keeper == nil {
		return nil
	}
	d.closed.Do(func() {
		began := time.Now()
		var err error
		if clean && s.gather != nil {
			err = d.settle(s.gather.handlers, d.stopWithin)
		}
		clean = clean && err == nil
		d.closeErr = errors.Join(err, d.keeper.Close(clean))
		if clean && d.closeErr == nil {
			s.cfg.Logger.Info("the mailboxes are written back", "seconds", seconds(time.Since(began)))
			return
		}
		s.cfg.Logger.Error("the mailboxes were not closed cleanly", "err", d.closeErr, "next_start", nextStart(s.cfg.Ack))
	})
	return d.closeErr
}

// nextStart is what the start after an unclean end will do.
func nextStart(ack string) string {
	if ack == AckMemory {
		return "what waits in mailboxes is lost: in memory mode the next start begins with a new incarnation"
	}
	return "replays the journal: nothing that has a first tick is lost"
}
