package store

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// testPatience bounds a wait for something that should come at once.
const testPatience = 20 * time.Second

// keeperWorld is a keeper with loops that do at random what shards do, and remember it. Each mailbox belongs to one loop. The world's goroutine
// plays all loops.
type keeperWorld struct {
	t     *testing.T
	rng   *rand.Rand
	fs    vfs.FS
	o     KeeperOptions
	k     *Keeper
	loops []*worldLoop
	eager int   // of 4: how soon mailboxes are written back
	order []int // the loop of each turn that was submitted, in order
	flush chan time.Time
	rung  chan int
}

// worldLoop is what one loop has done.
type worldLoop struct {
	w       *keeperWorld
	loop    int
	mail    *Mailboxes
	desk    *Desk
	boxes   map[boxKey]*worldBox
	dirty   []*worldBox
	slices  []worldSlice
	history [][]Record // by turn - 1
	now     []Record   // of this turn
	stopped bool
	news    []News
	payload []byte // of the last append that has one
}

type worldBox struct {
	head         Head
	since        uint64 // turn of the first change that is in no slice; 0: clean
	above, freed uint64
	handed       uint64
	kinds        map[uint64]EntryKind
	sizes        map[uint64]int
}

type worldSlice struct{ turn, since uint64 }

func worldFragment(user uint64) uint16 { return uint16(user % 97) }

func newWorld(t *testing.T, fs vfs.FS, seed uint64) *keeperWorld {
	w := &keeperWorld{t: t, rng: rand.New(rand.NewPCG(seed, 1)), fs: fs, flush: make(chan time.Time), rung: make(chan int, 1024)}
	w.o = KeeperOptions{
		Dir: "data", Loops: 3, Fragment: worldFragment, FS: fs, Log: slog.New(slog.DiscardHandler), ballast: testBallastBytes,
		flush: w.flush, after: func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) },
		Home:         func(user uint64) int { return int(user % 3) },
		JournalBytes: 256 << 10, // so that files are small, and many
	}
	w.eager = 1 + int(seed%3)
	w.o.Wake = func(loop int) {
		select {
		case w.rung <- loop:
		default:
		}
	}
	return w
}

// open starts the keeper and takes the loops' state from its offline store, as far as a test looks at it.
func (w *keeperWorld) open() *keeperWorld {
	w.t.Helper()
	k, err := OpenKeeper(w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.k = k
	w.t.Cleanup(func() { _ = k.Close(false) })
	w.loops, w.order = nil, nil
	for i := range w.o.Loops {
		l := &worldLoop{w: w, loop: i, mail: NewMailboxes(), boxes: map[boxKey]*worldBox{}}
		l.desk = k.Desk(i, l.mail)
		w.loops = append(w.loops, l)
	}
	return w
}

// turn has a loop do some things and hand them over.
func (l *worldLoop) turn() {
	rng := l.w.rng
	l.takeNews()
	for range 1 + rng.IntN(4) {
		l.change(uint64(l.loop+3*rng.IntN(4)), []uint8{0, 1, 0, 1, DevicePending}[rng.IntN(5)])
	}
	for len(l.dirty) > 0 && rng.IntN(4) < l.w.eager {
		l.writeBack()
	}
	l.submit()
}

func (l *worldLoop) box(user uint64, device uint8) *worldBox {
	k := boxKey{user, device}
	b := l.boxes[k]
	if b == nil {
		b = &worldBox{head: Head{User: user, Device: device}, kinds: map[uint64]EntryKind{}, sizes: map[uint64]int{}}
		l.boxes[k] = b
	}
	return b
}

func (l *worldLoop) note(b *worldBox, r Record) {
	l.desk.Note(&r)
	r.Payload = slices.Clone(r.Payload)
	l.now = append(l.now, r)
	if b.since == 0 {
		b.since = l.desk.Turn()
		l.dirty = append(l.dirty, b)
	}
}

// change does one thing to a mailbox.
func (l *worldLoop) change(user uint64, device uint8) {
	b, rng := l.box(user, device), l.w.rng
	switch n := rng.IntN(10); {
	case n < 6:
		l.append(b, rng.IntN(300))
	case n < 8 && b.head.Acked < b.head.Last:
		l.drop(b, b.head.Acked+1+rng.Uint64N(b.head.Last-b.head.Acked))
	case n < 9:
		b.head.Mark++
		l.note(b, Record{Kind: RecordMark, Head: Head{User: user, Device: device, Mark: b.head.Mark}})
	default:
		b.head.SeenSec++
		b.head.Owner = l.w.k.OwnerEpoch()
		l.note(b, Record{Kind: RecordHead, Head: b.head})
	}
}

func (l *worldLoop) append(b *worldBox, size int) {
	e := Entry{Key: Key{User: b.head.User, Device: b.head.Device, Seq: b.head.Last + 1 + l.w.rng.Uint64N(3)}, Kind: KindMessage, Peer: 1 << 40, First: 5, TimeSec: 100}
	if size%3 == 0 {
		e.Kind, size = KindRejected, 0
	}
	payload, again := make([]byte, size), size > 0 && l.w.rng.IntN(4) == 0
	for i := range payload {
		payload[i] = byte(e.Seq) + byte(i)
	}
	if again && len(l.payload) > 0 {
		payload = l.payload
		size = len(payload)
	}
	if size > 0 {
		l.payload = payload
	}
	must(l.w.t, l.mail.Append(&e, payload))
	b.head.Last = e.Seq
	b.head.Add(e.Kind, size)
	b.kinds[e.Seq], b.sizes[e.Seq] = e.Kind, size
	l.note(b, Record{Kind: RecordAppend, Entry: e, Payload: payload, Same: again})
}

func (l *worldLoop) drop(b *worldBox, upTo uint64) {
	l.mail.Drop(b.head.User, b.head.Device, upTo, func(e *Entry, n int) { b.head.Sub(e.Kind, n) })
	b.head.Acked = upTo
	l.note(b, Record{Kind: RecordDrop, Entry: Entry{Key: Key{User: b.head.User, Device: b.head.Device, Seq: upTo}}})
}

// writeBack hands the oldest dirty mailbox over, with what changed in this turn too.
func (l *worldLoop) writeBack() int {
	b := l.dirty[0]
	l.dirty = l.dirty[1:]
	l.slices = append(l.slices, worldSlice{l.desk.Turn(), b.since})
	gone := SeqRange{After: b.freed, UpTo: min(b.head.Acked, b.handed)}
	n := l.desk.WriteBack(&b.head, max(b.above, b.head.Acked), gone)
	b.freed, b.handed, b.above, b.since = max(b.freed, gone.UpTo), max(b.handed, b.head.Last), b.head.Last, 0
	return n
}

// lowWater is as the contract has it: slices under way do not count.
func (l *worldLoop) lowWater() uint64 {
	low := l.desk.Turn() + 1
	for _, b := range l.dirty {
		low = min(low, b.since)
	}
	return low
}

func (l *worldLoop) submit() {
	noted := l.desk.Noted()
	turn := l.desk.Turn()
	l.desk.Submit(l.lowWater())
	if !noted {
		return
	}
	l.history = append(l.history, l.now)
	if int(turn) != len(l.history) {
		l.w.t.Fatalf("turn %d is the %dth", turn, len(l.history))
	}
	l.now = nil
	l.w.order = append(l.w.order, l.loop)
}

func (l *worldLoop) takeNews() {
	l.desk.News(func(n *News) {
		c := *n
		c.Heads, c.piece = slices.Clone(n.Heads), slices.Clone(n.piece)
		l.news = append(l.news, c)
		switch n.Kind {
		case NewsWritten:
			l.slices = slices.DeleteFunc(l.slices, func(s worldSlice) bool { return s.turn <= n.Turn })
		case NewsTrouble:
			l.stopped = n.Stopped
		}
	})
}

// until waits for a condition, and has loops take their news meanwhile.
func (w *keeperWorld) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(testPatience)
	for {
		for _, l := range w.loops {
			l.takeNews()
		}
		if ok() {
			return
		}
		select {
		case <-w.rung:
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			w.t.Fatalf("waited too long: %s; stats %+v", what, w.k.Stats())
		}
	}
}

// allDurable waits until everything that was submitted is durable.
func (w *keeperWorld) allDurable() {
	w.t.Helper()
	w.until("durable", func() bool {
		for _, l := range w.loops {
			if l.desk.Durable() < l.desk.tray.submitted.Load() {
				return false
			}
		}
		return true
	})
}

// writeAll makes everything clean.
func (w *keeperWorld) writeAll() {
	w.t.Helper()
	for _, l := range w.loops {
		for len(l.dirty) > 0 {
			l.writeBack()
		}
		l.submit()
	}
	must(w.t, w.k.Settle(testPatience))
	for _, l := range w.loops {
		l.takeNews()
		if len(l.slices) > 0 {
			w.t.Errorf("loop %d: slices are settled and not written: %v", l.loop, l.slices)
		}
		l.submit()
	}
}

// turns plays some.
func (w *keeperWorld) turns(n int) {
	for range n {
		w.loops[w.rng.IntN(len(w.loops))].turn()
		if w.rng.IntN(10) == 0 {
			w.flushed()
		}
	}
}

// tick makes a flush due, if the writer has time for it.
func (w *keeperWorld) tick() {
	select {
	case w.flush <- time.Time{}:
	default:
	}
}

// flushed has a flush done.
func (w *keeperWorld) flushed() {
	w.t.Helper()
	select {
	case w.flush <- time.Time{}:
	case <-time.After(testPatience):
		w.t.Fatal("the writer takes no tick")
	}
}

// modelBox is a mailbox as it should be on the disk.
type modelBox struct {
	Head    Head
	Entries []Entry
	Sums    []string
}

type modelState map[boxKey]modelBox

// apply is a replay in the plainest form.
func (m modelState) apply(r *Record) {
	k := recordBox(r)
	b := m[k]
	b.Head.User, b.Head.Device = k.user, k.device
	drop := func(upTo uint64) {
		n := 0
		for n < len(b.Entries) && b.Entries[n].Seq <= upTo {
			b.Head.Sub(b.Entries[n].Kind, len(b.Sums[n]))
			n++
		}
		b.Entries, b.Sums = b.Entries[n:], b.Sums[n:]
		b.Head.Acked, b.Head.Last = max(b.Head.Acked, upTo), max(b.Head.Last, upTo)
	}
	switch r.Kind {
	case RecordAppend:
		b.Entries, b.Sums = append(slices.Clone(b.Entries), r.Entry), append(slices.Clone(b.Sums), string(r.Payload))
		b.Head.Last = r.Entry.Seq
		b.Head.Add(r.Entry.Kind, len(r.Payload))
	case RecordDrop:
		drop(r.Entry.Seq)
	case RecordMark:
		b.Head.Mark = r.Head.Mark
	case RecordHead:
		last, counts := b.Head.Last, b.Head.Counts
		acked := b.Head.Acked
		b.Head = r.Head
		b.Head.Last, b.Head.Counts, b.Head.Acked = max(last, r.Head.Last), counts, acked
		drop(r.Head.Acked)
	}
	m[k] = b
}

// onDisk reads everything of an offline store, whose index must be right.
func onDisk(t *testing.T, o *Offline) modelState {
	t.Helper()
	rightIndex(t, o)
	m := modelState{}
	must(t, o.Each(nil, func(h *Head) bool { m[boxKey{h.User, h.Device}] = modelBox{Head: *h}; return true }))
	for k, b := range m {
		must(t, o.Entries(k.user, k.device, 0, func(e *Entry, payload []byte) bool {
			b.Entries, b.Sums = append(b.Entries, *e), append(b.Sums, string(payload))
			return true
		}))
		m[k] = b
	}
	return m
}

// of is the part that belongs to a loop.
func (m modelState) of(loop int) modelState {
	part := maps.Clone(m)
	maps.DeleteFunc(part, func(k boxKey, _ modelBox) bool { return int(k.user%3) != loop })
	return part
}

func (m modelState) equal(o modelState) bool {
	if len(m) != len(o) {
		return false
	}
	for k, a := range m {
		b, ok := o[k]
		if !ok || a.Head != b.Head || !slices.Equal(a.Entries, b.Entries) || !slices.Equal(a.Sums, b.Sums) {
			return false
		}
	}
	return true
}

// past is what loops had done when the power went: what must be there, and what may be.
type past struct {
	durable  []uint64
	order    []int
	history  [][][]Record
	base     []modelState // by loop, before the history
	incarnat uint64
	owner    uint32
}

// remember notes what must survive a crash from now on.
func (w *keeperWorld) remember(base []modelState) *past {
	p := &past{base: base, incarnat: w.k.Incarnation(), owner: w.k.OwnerEpoch()}
	for _, l := range w.loops {
		p.durable = append(p.durable, l.desk.Durable())
	}
	return p
}

// complete notes what may have survived.
func (p *past) complete(w *keeperWorld) {
	p.order = slices.Clone(w.order)
	for _, l := range w.loops {
		p.history = append(p.history, slices.Clone(l.history))
	}
}

// check finds the turn of each loop up to which disk is what it did; these must be the beginning of what all loops did together.
func (p *past) check(disk modelState) error {
	kept := make([]int, len(p.history))
	for loop, history := range p.history {
		m := modelState{}
		if p.base != nil {
			m = maps.Clone(p.base[loop])
		}
		want := disk.of(loop)
		found := -1
		if p.durable[loop] == 0 && m.equal(want) {
			found = 0
		}
		for i, turn := range history {
			for r := range turn {
				m.apply(&turn[r])
			}
			if i+1 >= int(p.durable[loop]) && m.equal(want) {
				found = i + 1
			}
		}
		if found < 0 {
			return fmt.Errorf("loop %d: the disk has none of its states from turn %d to %d", loop, p.durable[loop], len(history))
		}
		kept[loop] = found
	}
	seen, gap := make([]int, len(kept)), -1
	for i, loop := range p.order {
		seen[loop]++
		switch missing := seen[loop] > kept[loop] && len(p.history[loop][seen[loop]-1]) > 0; {
		case missing && gap < 0:
			gap = i
		case seen[loop] <= kept[loop] && gap >= 0 && len(p.history[loop][seen[loop]-1]) > 0:
			return fmt.Errorf("turn %d of loop %d is there, and turn %d of all, of loop %d, before it is not", seen[loop], loop, gap, p.order[gap])
		}
	}
	return nil
}

// faults is a disk that refuses what a test wants, by path.
type faults struct {
	journal, offline, manifest, state atomic.Pointer[error]

	paused chan struct{} // journal writes wait until it is closed; nil: they do not
}

func (f *faults) String() string { return "faults" }

func (f *faults) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpRemove || op.Kind == errorfs.OpFileClose {
		return nil
	}
	switch {
	case containsPath(op.Path, "journal"):
		if f.paused != nil && op.Kind == errorfs.OpFileSyncData {
			<-f.paused
		}
		return refused(f.journal.Load(), op.Path)
	case containsPath(op.Path, "MANIFEST"):
		return refused(f.manifest.Load(), op.Path)
	case containsPath(op.Path, "mailboxes"):
		return refused(f.offline.Load(), op.Path)
	case containsPath(op.Path, "state"):
		return refused(f.state.Load(), op.Path)
	}
	return nil
}

func refused(err *error, path string) error {
	if err == nil || *err == nil {
		return nil
	}
	return fmt.Errorf("write %s: %w", path, *err)
}

func containsPath(path, part string) bool {
	return slices.ContainsFunc(splitPath(path), func(s string) bool { return len(s) >= len(part) && s[:len(part)] == part })
}

func splitPath(path string) (parts []string) {
	begin := 0
	for i := range len(path) + 1 {
		if i == len(path) || path[i] == '/' {
			parts = append(parts, path[begin:i])
			begin = i + 1
		}
	}
	return parts
}

func set(p *atomic.Pointer[error], err error) { p.Store(&err) }

func mustBe(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// crashesOf runs something on a disk and cuts the power before each of its writes.
func crashesOf(disk *vfs.MemFS, run func(fs vfs.FS)) (all []*vfs.MemFS) {
	var mu atomic.Pointer[[]*vfs.MemFS]
	list := []*vfs.MemFS{}
	mu.Store(&list)
	run(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		clone := disk.CrashClone(vfs.CrashCloneCfg{})
		for {
			old := mu.Load()
			grown := append(slices.Clone(*old), clone)
			if mu.CompareAndSwap(old, &grown) {
				return nil
			}
		}
	})))
	return *mu.Load()
}
