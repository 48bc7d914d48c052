package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// writer brings slices to the offline store: in order for each loop, loops in turn, each when the journal has what it saw. What was
// applied stays in memory until a flush has made it durable. After a flush the journal is cut.
//
// All but the marked fields belong to the writer's goroutine. mu is taken before a tray's lock; nothing is called under it.
type writer struct {
	k       *Keeper
	kick    chan struct{} // something may have become possible; any goroutine
	waiting atomic.Int64  // bytes of slices in queues; any goroutine
	asked   atomic.Int32  // how many wait for ask's answer; any goroutine
	holds   atomic.Int32  // how many want the journal as it is; any goroutine
	urged   atomic.Bool   // the next flush is due; any goroutine
	growth  atomic.Int64  // bytes that went to the journal since its size was looked at; any goroutine

	mu       sync.Mutex // guards what follows, up to the empty line
	queues   [][]*slice // by loop, waiting
	handed   []uint64   // slices of each loop, since the start
	wanted   []*settling
	troubled string // why the offline store takes nothing; "": it does

	next     int      // the loop whose turn it is
	lows     []uint64 // what each loop needs of the journal, once what it has handed over is on the disk
	cut      []uint64 // as the journal was told
	applied  []uint64 // slices of each loop
	flushed  []uint64 // slices of each loop
	kept     []*slice // applied and not flushed, in order
	keptSize int
	lost     bool   // the offline store has lost of kept; until the flush behind it
	redone   int    // of kept, since the loss
	size     int64  // of the journal, as last looked at
	kind     string // of work that failed
	pause    time.Duration
	lastLog  time.Time
}

// settling is somebody who waits until what was handed over before is on the disk.
type settling struct {
	turns  []uint64 // durable, by loop
	slices []uint64 // flushed, by loop
	done   chan struct{}
}

func newWriter(k *Keeper, loops int) *writer {
	return &writer{
		k: k, kick: make(chan struct{}, 1), queues: make([][]*slice, loops), handed: make([]uint64, loops),
		lows: make([]uint64, loops), cut: make([]uint64, loops), applied: make([]uint64, loops), flushed: make([]uint64, loops),
	}
}

// full says whether loops should not write back more for now.
func (w *writer) full() bool { return w.waiting.Load() >= SliceWaitingMax }

// hand takes a slice, and with it the loop's low water, which must not count before the slice is on the disk.
func (w *writer) hand(s *slice) {
	w.waiting.Add(int64(len(s.b)))
	w.mu.Lock()
	w.queues[s.loop] = append(w.queues[s.loop], s)
	w.handed[s.loop]++
	w.k.trays[s.loop].lowWater.Store(s.lowWater)
	w.mu.Unlock()
	w.wake()
}

// grown counts what goes to the journal, so that its size is looked at in time.
func (w *writer) grown(bytes int) {
	every := w.k.o.JournalBytes / journalChecks
	if n := w.growth.Add(int64(bytes)); n >= every && n-int64(bytes) < every {
		w.wake()
	}
}

// durable is told when turns became durable.
func (w *writer) durable() {
	if w.waiting.Load() > 0 || w.asked.Load() > 0 {
		w.wake()
	}
}

// urge has the writer flush soon: somebody can't read before.
func (w *writer) urge() {
	w.urged.Store(true)
	w.wake()
}

func (w *writer) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run works until stop is closed.
func (w *writer) run(stop <-chan struct{}, flush <-chan time.Time) {
	var retry <-chan time.Time
	for due := false; ; {
		more := false
		if retry == nil {
			var ok bool
			if more, ok = w.work(due); ok {
				due, w.pause = false, 0
			} else {
				due, more = true, false
				w.pause = min(max(keeperRetry, 2*w.pause), keeperRetryMax)
				retry = w.k.o.after(w.pause)
			}
		}
		if more { // but first what has come meanwhile
			w.wake()
		}
		select {
		case <-stop:
			return
		case <-w.kick:
		case <-flush:
			due = true
		case <-retry:
			retry = nil
		}
	}
}

// work does what can be done now, at most so many slices. ok false: the disk refused something, and it must be tried again.
func (w *writer) work(due bool) (more, ok bool) {
	due = w.urged.Swap(false) || due
	if w.lost && !w.redo() {
		return false, false
	}
	more, ok = w.applySome()
	if !ok {
		return false, false
	}
	w.measure(due)
	if (due || w.flushWanted() || w.size > w.k.o.JournalBytes/4*3) && !w.flush() {
		return false, false
	}
	w.answer()
	w.fine()
	return more, true
}

// applySome applies the slices that may be applied, but lets others have a turn after some. What is kept until the next flush is bounded.
func (w *writer) applySome() (more, ok bool) {
	for range applyTurn {
		s := w.ready()
		if s == nil {
			return false, true
		}
		if w.keptSize >= 2*FlushBytes && !w.flush() { // a flush was refused already
			return false, false
		}
		if err := w.apply(s); err != nil {
			return false, w.failed("write back", err)
		}
		w.took(s)
		if w.keptSize >= FlushBytes && !w.flush() {
			return false, false
		}
	}
	return true, true
}

// measure looks at the journal's size when it has grown, or anyway.
func (w *writer) measure(anyway bool) {
	if w.k.journal == nil || !anyway && w.growth.Load() < w.k.o.JournalBytes/journalChecks {
		return
	}
	w.growth.Store(0)
	w.size = w.k.journal.Stats().DiskBytes
	w.k.stops.setSize(w.size, w.k.o.JournalBytes)
}

// flushWanted says whether somebody waits for nothing but a flush.
func (w *writer) flushWanted() bool {
	if w.asked.Load() == 0 {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.wanted {
		if !above(s.slices, w.applied) && w.k.allDurable(s.turns) {
			return true
		}
	}
	return false
}

// ready is the next slice that may be applied; nil: none.
func (w *writer) ready() *slice {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range w.queues {
		loop := w.next
		w.next = (w.next + 1) % len(w.queues)
		if q := w.queues[loop]; len(q) > 0 && w.k.isDurable(loop, q[0].needs) {
			return q[0]
		}
	}
	return nil
}

// took moves an applied slice from its queue to what is kept.
func (w *writer) took(s *slice) {
	w.mu.Lock()
	q := w.queues[s.loop]
	q[0] = nil
	if w.queues[s.loop] = q[1:]; len(q) == 1 {
		w.queues[s.loop] = nil
	}
	w.lows[s.loop] = s.lowWater
	w.mu.Unlock()
	w.applied[s.loop]++
	w.waiting.Add(-int64(len(s.b)))
	w.kept = append(w.kept, s)
	w.keptSize += len(s.b)
	w.k.counts.tookSlice(s)
	w.k.trays[s.loop].setWritten(s.turn)
}

// apply brings a slice to the offline store; after an error it may be there in part, and is applied again.
func (w *writer) apply(s *slice) error {
	for rest := s.b; len(rest) > 0; {
		batch := w.k.offline.NewBatch()
		for len(rest) > 0 && batch.Bytes() < ApplyBytesMax {
			rest = s.next(batch, rest)
		}
		if err := w.k.offline.Apply(batch); err != nil {
			return err
		}
	}
	return nil
}

// redo applies again, in order, what the offline store has lost. Until it is flushed nothing can be read.
func (w *writer) redo() bool {
	if w.redone == 0 {
		w.k.offline.Restore()
	}
	for w.redone < len(w.kept) {
		if err := w.apply(w.kept[w.redone]); err != nil {
			return w.failed("write back", err)
		}
		w.redone++
	}
	return w.flush()
}

// flush makes durable what was applied, and cuts the journal. False: the disk refused.
func (w *writer) flush() bool {
	lows := w.lowWaters()
	if w.keptSize > 0 || w.lost {
		if err := w.k.offline.Flush(); err != nil {
			return w.failed("flush", err)
		}
		w.k.counts.flushes.Add(1)
		clear(w.kept)
		w.kept, w.keptSize, w.lost = w.kept[:0], 0, false
		copy(w.flushed, w.applied)
	}
	if w.k.journal == nil || w.holds.Load() > 0 || !above(lows, w.cut) {
		return true
	}
	if err := w.k.journal.Truncate(lows); err != nil {
		return w.failed("cut the journal", err)
	}
	copy(w.cut, lows)
	w.k.counts.truncations.Add(1)
	w.measure(true)
	return true
}

// lowWaters are what the loops will need of the journal once what was applied is on the disk.
func (w *writer) lowWaters() []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for loop, q := range w.queues {
		if len(q) == 0 { // all it has handed over is applied: what it says now counts
			w.lows[loop] = max(w.lows[loop], w.k.trays[loop].lowWater.Load())
		}
	}
	return append([]uint64(nil), w.lows...)
}

// above says whether one of a is higher than in b.
func above(a, b []uint64) bool {
	for i := range a {
		if a[i] > b[i] {
			return true
		}
	}
	return false
}

// failed notes what the disk refuses. Memory and the journal still hold it.
func (w *writer) failed(what string, err error) bool {
	if errors.Is(err, ErrOfflineLost) {
		w.lost, w.redone = true, 0
	}
	w.mu.Lock()
	w.troubled = what + ": " + err.Error()
	w.mu.Unlock()
	w.kind = what
	if now := w.k.o.Now(); now.Sub(w.lastLog) >= troubleLogEvery {
		w.lastLog = now
		w.k.o.Log.Warn("the mailboxes on disk can't be written: memory and the journal hold what is new", "what", what, "err", err)
	}
	return false
}

// fine notes that the disk refuses nothing any more.
func (w *writer) fine() {
	if w.kind == "" {
		return
	}
	w.mu.Lock()
	w.troubled = ""
	w.mu.Unlock()
	w.k.o.Log.Info("the mailboxes on disk are written again", "after", w.kind)
	w.kind, w.lastLog = "", time.Time{}
}

// trouble is why the offline store takes nothing. Any goroutine.
func (w *writer) trouble() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.troubled
}

// answer lets those go whose slices and turns are on the disk.
func (w *writer) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	still := w.wanted[:0]
	for _, s := range w.wanted {
		if above(s.slices, w.flushed) || !w.k.allDurable(s.turns) {
			still = append(still, s)
			continue
		}
		close(s.done)
		w.asked.Add(-1)
	}
	clear(w.wanted[len(still):])
	w.wanted = still
}

// settle waits until what was handed over before the call is on the disk.
func (w *writer) settle(timeout time.Duration, ended <-chan struct{}) error {
	s := w.ask()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	select {
	case <-s.done:
		return nil
	case <-ended:
		return ErrKeeperClosed
	case <-limit.C:
	}
	w.forget(s)
	if why := w.trouble(); why != "" {
		return fmt.Errorf("%w after %v: %s", ErrNotSettled, timeout, why)
	}
	if why := w.k.stops.why(); why != "" {
		return fmt.Errorf("%w after %v: %s", ErrNotSettled, timeout, why)
	}
	return fmt.Errorf("%w after %v", ErrNotSettled, timeout)
}

func (w *writer) ask() *settling {
	s := &settling{turns: make([]uint64, len(w.k.trays)), done: make(chan struct{})}
	w.mu.Lock()
	s.slices = append([]uint64(nil), w.handed...)
	for i, t := range w.k.trays {
		s.turns[i] = t.submitted.Load()
	}
	w.wanted = append(w.wanted, s)
	w.asked.Add(1)
	w.mu.Unlock()
	w.wake()
	return s
}

// forget takes a question back.
func (w *writer) forget(s *settling) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.wanted {
		if other == s {
			w.wanted = append(w.wanted[:i], w.wanted[i+1:]...)
			w.asked.Add(-1)
			return
		}
	}
}
