package store

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestAnEmptyTrayCostsNothing(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 31).open()
	d := w.loops[0].desk
	d.News(func(*News) {})
	if n := testing.AllocsPerRun(100, func() { d.News(func(n *News) { t.Errorf("%+v", n) }); d.Submit(1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOnlyTheLatestDurableTurnIsNews(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 32).open()
	l := w.loops[0]
	for range 50 {
		l.append(l.box(0, 0), 10)
		l.submit()
	}
	must(t, w.k.Settle(testPatience)) // no news is taken meanwhile
	l.takeNews()
	last := uint64(0)
	for _, n := range l.news {
		if n.Kind != NewsDurable || n.Turn <= last {
			t.Errorf("%+v behind turn %d", n, last)
		}
		last = n.Turn
	}
	if last != 50 || len(l.news) != 1 {
		t.Errorf("%d news up to turn %d", len(l.news), last)
	}
}

func TestInMemoryModeEachTurnIsDurableAtOnce(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 33)
	w.o.Ack = AckMemory
	w.open()
	for range 5 {
		l := w.loops[0]
		turn := l.desk.Turn()
		l.append(l.box(0, 0), 10)
		if l.desk.Durable() < turn {
			t.Errorf("turn %d, durable %d", turn, l.desk.Durable())
		}
		l.submit()
		same(t, "next turn", l.desk.Turn(), turn+1)
	}
	if s := w.k.Stats().Journal; s.Bytes > 0 {
		t.Errorf("%+v", s)
	}
}

// TestAFullQueueOfSlicesIsSeen: while the writer can't go on, what waits is bounded by what WriteBack tells.
func TestAFullQueueOfSlicesIsSeen(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 34)
	stuck := make(chan time.Time)
	w.o.after = func(time.Duration) <-chan time.Time { return stuck }
	w.o.JournalBytes = 0
	w.open()
	must(t, w.k.offline.Close()) // nothing can be applied any more
	l := w.loops[0]
	handed := 0
	for !l.desk.Full() {
		b := l.box(0, 0)
		for range 100 {
			l.append(b, 60_001)
		}
		handed += l.writeBack()
		l.submit()
		if handed > 2*SliceWaitingMax {
			t.Fatalf("%d bytes were handed over", handed)
		}
	}
	l.append(l.box(3, 0), 10)
	if n := l.writeBack(); n < SliceWaitingMax {
		t.Errorf("WriteBack returns %d with a full queue", n)
	}
	if s := w.k.Stats(); s.WaitingBytes < SliceWaitingMax || s.OfflineTrouble == "" || s.Trouble != "" {
		t.Errorf("%d bytes, offline trouble %q, trouble %q", s.WaitingBytes, s.OfflineTrouble, s.Trouble)
	}
}

func TestALoopIsWokenOnceUntilItLooks(t *testing.T) {
	woken := 0
	tr := &tray{wake: func() { woken++ }}
	tr.setStopped(true)
	same(t, "before its desk is there", woken, 0)
	tr.attach()
	same(t, "when it comes", woken, 1)
	tr.setWritten(1)
	tr.add(tr.blank())
	same(t, "until it looks", woken, 1)
	tr.some.Store(false)
	list, mood := tr.take(nil)
	same(t, "mood", mood, trayMood{written: 1, stopped: true})
	same(t, "list", len(list), 1)
	tr.back(list)
	same(t, "bytes", tr.bytes.Load(), 0)
	tr.setWritten(2)
	same(t, "after it looked", woken, 2)
}
