package store

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// answered waits for the next answer to a load of a loop.
func (l *worldLoop) answered() News {
	l.w.t.Helper()
	var n News
	l.w.until("an answer", func() bool {
		i := slices.IndexFunc(l.news, func(n News) bool { return n.Kind == NewsUser || n.Kind == NewsEntries || n.Kind == NewsExpired })
		if i < 0 {
			return false
		}
		n = l.news[i]
		l.news = slices.Delete(l.news, 0, i+1)
		return true
	})
	return n
}

// filled is a world with one mailbox of many messages on the disk, of loop 0: user 3, device 2.
func filled(t *testing.T, messages, size int) (*keeperWorld, *worldBox) {
	w := newWorld(t, vfs.NewMem(), 11)
	w.o.JournalBytes = 0
	w.open()
	b := w.loops[0].box(3, 2)
	for range messages {
		w.loops[0].append(b, size)
	}
	w.writeAll()
	return w, b
}

func TestAUserIsLoadedWithAllDevices(t *testing.T) {
	w, b := filled(t, 10, 100)
	l := w.loops[0]
	l.append(l.box(3, 7), 50)
	l.append(l.box(6, 0), 50)
	w.writeAll()
	l.desk.Load(&Load{User: 3})
	n := l.answered()
	if n.Kind != NewsUser || n.User != 3 || n.Failed != LoadDone || len(n.Heads) != 2 {
		t.Fatalf("%+v", n)
	}
	same(t, "device 2", n.Heads[0], LoadedHead{Head: b.head})
	same(t, "device 7", n.Heads[1], LoadedHead{Head: l.box(3, 7).head})
	l.desk.Load(&Load{User: 99})
	if n := l.answered(); n.User != 99 || n.Failed != LoadDone || len(n.Heads) != 0 {
		t.Errorf("nobody: %+v", n)
	}
}

func TestPiecesJoinToTheWholeMailbox(t *testing.T) {
	for _, row := range []struct{ messages, size, pieces int }{{300, 10, 3}, {40, 60_001, 5}, {1, 1, 1}} {
		w, b := filled(t, row.messages, row.size)
		l := w.loops[0]
		want := l.model()[boxKey{3, 2}]
		var seqs []uint64
		var sums []string
		pieces := 0
		for after := uint64(0); after < b.head.Last; pieces++ {
			l.desk.Load(&Load{User: 3, Device: 2, Entries: true, After: after, UpTo: b.head.Last})
			n := l.answered()
			if n.Kind != NewsEntries || n.Device != 2 || n.After != after || n.UpTo <= after || n.Failed != LoadDone || len(n.piece) > PieceBytesMax {
				t.Fatalf("piece after %d: %+v", after, n)
			}
			n.Each(func(e *Entry, payload []byte) {
				if e.User != 3 || e.Device != 2 || e.Seq <= after || e.Seq > n.UpTo {
					t.Errorf("entry %+v in a piece from %d to %d", e.Key, after, n.UpTo)
				}
				same(t, "entry", *e, want.Entries[len(seqs)])
				seqs, sums = append(seqs, e.Seq), append(sums, string(payload))
			})
			after = n.UpTo
		}
		if !slices.Equal(sums, want.Sums) || pieces < row.pieces || pieces > 2*row.pieces {
			t.Errorf("%d of %d entries in %d pieces", len(sums), len(want.Sums), pieces)
		}
		l.desk.Load(&Load{User: 3, Device: 2, Entries: true, After: 0, UpTo: want.Entries[0].Seq})
		n := l.answered()
		same(t, "up to the first", n.UpTo, want.Entries[0].Seq)
		count := 0
		n.Each(func(*Entry, []byte) { count++ })
		same(t, "entries up to the first", count, 1)
	}
}

func TestALoadCountsWhatHasExpired(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 12).open()
	l := w.loops[0]
	b := l.box(0, 1)
	for i, sec := range []uint32{10, 20, 30, 25, 40} {
		e := Entry{Key: Key{User: 0, Device: 1, Seq: uint64(i) + 1}, Kind: KindMessage, TimeSec: sec}
		must(t, l.mail.Append(&e, make([]byte, 100)))
		b.head.Last = e.Seq
		b.head.Add(e.Kind, 100)
		l.note(b, Record{Kind: RecordAppend, Entry: e, Payload: make([]byte, 100)})
	}
	w.writeAll()
	for _, row := range []struct {
		before uint32
		to     uint64
	}{{0, 0}, {10, 0}, {11, 1}, {30, 2}, {31, 4}, {100, 5}} {
		l.desk.Load(&Load{User: 0, ExpireBefore: row.before})
		n := l.answered()
		want := LoadedHead{Head: b.head, ExpiredTo: row.to, Expired: Counts{Messages: uint32(row.to), Bytes: 100 * row.to}}
		if len(n.Heads) != 1 || n.Heads[0] != want {
			t.Errorf("older than %d: %+v, want %+v", row.before, n.Heads, want)
		}
	}
}

// TestAPieceOfAStateNeverExpires, whatever its time, and what lies behind one does not either: a drop would take both.
func TestAPieceOfAStateNeverExpires(t *testing.T) {
	look := make(chan time.Time)
	w := newWorld(t, vfs.NewMem(), 17)
	w.o.Retention, w.o.look = time.Second, look
	w.open()
	l := w.loops[0]
	for _, row := range []struct {
		device uint8
		kinds  []EntryKind
	}{{DeviceState, []EntryKind{KindState, KindState}}, {1, []EntryKind{KindState, KindMessage}}, {2, []EntryKind{KindMessage, KindState, KindMessage}}} {
		b := l.box(0, row.device)
		for i, kind := range row.kinds {
			e := Entry{Key: Key{User: 0, Device: row.device, Seq: uint64(i) + 1}, Kind: kind, TimeSec: 5}
			must(t, l.mail.Append(&e, make([]byte, 10)))
			b.head.Last = e.Seq
			b.head.Add(e.Kind, 10)
			l.note(b, Record{Kind: RecordAppend, Entry: e, Payload: make([]byte, 10)})
		}
	}
	w.writeAll()
	l.desk.Load(&Load{User: 0, ExpireBefore: 1 << 30})
	n := l.answered()
	if len(n.Heads) != 3 || n.Heads[0].ExpiredTo != 0 || n.Heads[2].ExpiredTo != 0 || n.Heads[1].ExpiredTo != 1 || n.Heads[1].Expired.Messages != 1 {
		t.Errorf("%+v", n.Heads)
	}
	same(t, "counts of a state", n.Heads[2].Counts, Counts{Notices: 2})
	_, _, err := w.k.sweepSome(nil, 1<<30)
	must(t, err)
	same(t, "told of", l.answered().Kind, NewsExpired) // because of device 2
	l.drop(l.box(0, 2), 1)
	w.writeAll()
	_, _, err = w.k.sweepSome(nil, 1<<30)
	must(t, err)
	l.takeNews()
	if slices.ContainsFunc(l.news, func(n News) bool { return n.Kind == NewsExpired }) {
		t.Error("a state has expired")
	}
}

func TestManyLoadsAreAnsweredOnce(t *testing.T) {
	w, _ := filled(t, 10, 10)
	const loads = 2_000
	for _, l := range w.loops {
		for i := range loads {
			l.desk.Load(&Load{User: uint64(l.loop) + 3*uint64(i)})
		}
	}
	for _, l := range w.loops {
		seen := map[uint64]bool{}
		for range loads {
			n := l.answered()
			if seen[n.User] || int(n.User%3) != l.loop || n.Failed != LoadDone {
				t.Fatalf("%+v", n)
			}
			seen[n.User] = true
		}
	}
	if s := w.k.Stats(); s.Loads != 3*loads || s.LoadErrors > 0 {
		t.Errorf("%d loads, %d errors", s.Loads, s.LoadErrors)
	}
}

// TestALoopThatTakesNoNewsHoldsUpNobody: its answers are bounded, others' come.
func TestALoopThatTakesNoNewsHoldsUpNobody(t *testing.T) {
	w, b := filled(t, 300, 2_000)
	l := w.loops[0]
	const loads = 400
	for range loads {
		l.desk.Load(&Load{User: 3, Device: 2, Entries: true, UpTo: b.head.Last})
	}
	other := w.loops[1]
	w.loops = []*worldLoop{other} // until takes no news of the first
	other.desk.Load(&Load{User: 1})
	other.answered()
	w.until("the first loop's tray is full", func() bool { return l.desk.tray.full() })
	if n := l.desk.tray.bytes.Load(); n > InboxBytesMax+KeeperReaders*(PieceBytesMax+newsBytes) {
		t.Errorf("%d bytes wait for a loop that does not look", n)
	}
	w.loops = []*worldLoop{l}
	for range loads {
		if n := l.answered(); n.Failed != LoadDone {
			t.Fatalf("%+v", n)
		}
	}
}

func TestTooManyLoadsAreToBeTriedAgain(t *testing.T) {
	l := newLoads([]*tray{{}, {}})
	for i := range LoadsWaitingMax {
		if !l.put(0, &Load{User: uint64(i)}) {
			t.Fatalf("load %d", i)
		}
	}
	if l.put(0, &Load{}) || !l.put(1, &Load{User: 5}) {
		t.Error("the limit is not each loop's own")
	}
	for i := range 100 {
		loop, q, _ := l.take()
		if i < 2 && loop != i || loop == 0 && i > 2 && q.User != uint64(i-1) {
			t.Errorf("take %d: loop %d, user %d", i, loop, q.User)
		}
	}
	if !l.put(0, &Load{User: 1}) {
		t.Error("there is room again")
	}
	l.end()
	if _, _, ok := l.take(); ok {
		t.Error("a load after the end")
	}
}

// readFault makes reads of tables fail.
type readFault struct {
	mu  sync.Mutex
	err error
}

func (f *readFault) String() string { return "reads" }

func (f *readFault) MaybeError(op errorfs.Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil && strings.HasSuffix(op.Path, ".sst") && (op.Kind == errorfs.OpFileReadAt || op.Kind == errorfs.OpOpen) {
		return fmt.Errorf("read %s: %w", op.Path, f.err)
	}
	return nil
}

func (f *readFault) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func TestALoadThatCannotBeReadIsToBeTriedAgain(t *testing.T) {
	f := &readFault{}
	w := newWorld(t, errorfs.Wrap(vfs.NewMem(), f), 13)
	lines := &logLines{}
	w.o.Log = slog.New(slog.NewTextHandler(lines, nil))
	w.open()
	l := w.loops[0]
	for range 300 { // blocks of its own
		l.append(l.box(3, 0), 2_000)
	}
	w.writeAll()
	must(t, w.k.Close(true))
	w.open() // with an empty cache
	l = w.loops[0]
	f.set(syscall.EIO)
	for range 3 {
		l.desk.Load(&Load{User: 3, Entries: true, UpTo: 1 << 60})
		if n := l.answered(); n.Kind != NewsEntries || n.User != 3 || n.Failed != LoadRetry || len(n.piece) != 0 {
			t.Fatalf("%+v", n)
		}
	}
	f.set(nil)
	l.desk.Load(&Load{User: 3})
	if n := l.answered(); n.Failed != LoadDone || len(n.Heads) != 1 {
		t.Errorf("%+v", n)
	}
	if lines.count("can't be read now") == 0 || w.k.Stats().LoadErrors != 3 {
		t.Errorf("%d lines, %d errors", lines.count("can't be read now"), w.k.Stats().LoadErrors)
	}
}

func TestADamagedLoadIsNamedAndNotServed(t *testing.T) {
	mem := vfs.NewMem()
	w := newWorld(t, mem, 14)
	lines := &logLines{}
	w.o.Log = slog.New(slog.NewTextHandler(lines, nil))
	w.open()
	l := w.loops[0]
	for range 300 {
		l.append(l.box(3, 2), 2_000)
	}
	w.writeAll()
	must(t, w.k.Close(true))
	names, err := mem.List("data/mailboxes")
	must(t, err)
	for _, name := range names {
		path := "data/mailboxes/" + name
		if info, err := mem.Stat(path); strings.HasSuffix(name, ".sst") && err == nil && info.Size() > 300*2_000 {
			flip(t, mem, path)
		}
	}
	w.open()
	l = w.loops[0]
	l.desk.Load(&Load{User: 3, Device: 2, Entries: true, UpTo: 1 << 60})
	n := l.answered()
	if n.Failed != LoadDamaged || n.Kind != NewsEntries || n.User != 3 || n.Device != 2 || len(n.piece) > 0 {
		t.Fatalf("%+v", n)
	}
	if lines.count("user=3") == 0 || lines.count(".sst") == 0 {
		t.Errorf("the log names neither user nor place: %s", lines.b.String())
	}
}

// flip changes the first block of a file.
func flip(t *testing.T, fs vfs.FS, path string) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	must(t, err)
	b := make([]byte, 64)
	_, err = f.ReadAt(b, 200)
	must(t, err)
	for i := range b {
		b[i] ^= 0xff
	}
	_, err = f.WriteAt(b, 200)
	must(t, errors.Join(err, f.Close()))
}

func TestASweepTellsWhoHasSomethingOlderThanTheRetention(t *testing.T) {
	look := make(chan time.Time)
	var mu sync.Mutex
	now := time.Unix(1_000_000, 0)
	w := newWorld(t, vfs.NewMem(), 15)
	w.o.Retention, w.o.look = 1000*time.Second, look
	w.o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock(); look <- time.Time{} }
	w.open()
	old, young := uint32(1_000_000-500), uint32(1_000_000+3000)
	for user := range uint64(2 * sweepPiece) {
		l := w.loops[user%3]
		e := Entry{Key: Key{User: user, Device: uint8(user % 2), Seq: 1}, Kind: KindMessage, TimeSec: young}
		if user%10 == 0 {
			e.TimeSec = old
		}
		b := l.box(user, e.Device)
		must(t, l.mail.Append(&e, nil))
		b.head.Last, b.head.Messages = 1, 1
		l.note(b, Record{Kind: RecordAppend, Entry: e})
	}
	w.writeAll()
	pass(time.Minute) // too early
	pass(SweepEvery)
	w.until("a sweep", func() bool { return w.k.Stats().Sweeps == 1 })
	told := 0
	for _, l := range w.loops {
		for _, n := range l.news {
			if n.Kind == NewsExpired {
				told++
				if n.User%10 != 0 || int(n.User%3) != l.loop {
					t.Errorf("loop %d was told of user %d", l.loop, n.User)
				}
			}
		}
	}
	same(t, "told", told, 2*sweepPiece/10)
}
