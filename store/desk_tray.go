package store

import (
	"sync"
	"sync/atomic"
)

// tray is where the keeper's goroutines put news for one loop, and where the loop leaves how far it has come. Any goroutine may use it.
// Its lock is the last in any order: nothing else is locked under it.
type tray struct {
	wake func() // the loop; must not block

	some      atomic.Bool // there is news: an empty tray costs one load
	attached  atomic.Bool // the loop has its desk
	lowWater  atomic.Uint64
	submitted atomic.Uint64 // the last turn that went to the journal
	bytes     atomic.Int64  // of the list

	mu   sync.Mutex
	mood trayMood
	list []*News
	free []*News // to be used again
}

// trayMood is the news of which only the latest counts.
type trayMood struct {
	written uint64 // turn
	stopped bool
}

// newsBytes is about what a News takes beside what it points at.
const newsBytes = 160

// attach says that the loop is there. What is in the tray already wakes it.
func (t *tray) attach() {
	t.lowWater.CompareAndSwap(0, 1)
	t.attached.Store(true)
	if t.some.Load() {
		t.wake()
	}
}

// nudge wakes the loop, once until it looks.
func (t *tray) nudge() {
	if t.some.CompareAndSwap(false, true) && t.attached.Load() {
		t.wake()
	}
}

// blank is a News to fill.
func (t *tray) blank() *News {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free); n > 0 {
		b := t.free[n-1]
		t.free = t.free[:n-1]
		return b
	}
	return &News{}
}

// add puts a filled News in.
func (t *tray) add(n *News) {
	t.bytes.Add(n.bytes())
	t.mu.Lock()
	t.list = append(t.list, n)
	t.mu.Unlock()
	t.nudge()
}

// answer puts in that a load has failed.
func (t *tray) answer(l *Load, failed Failure) {
	n := t.blank()
	n.about(l)
	n.Failed = failed
	t.add(n)
}

func (t *tray) setWritten(turn uint64) {
	t.mu.Lock()
	t.mood.written = turn
	t.mu.Unlock()
	t.nudge()
}

func (t *tray) setStopped(stopped bool) {
	t.mu.Lock()
	t.mood.stopped = stopped
	t.mu.Unlock()
	t.nudge()
}

// take moves the list behind dst.
func (t *tray) take(dst []*News) ([]*News, trayMood) {
	t.mu.Lock()
	defer t.mu.Unlock()
	dst = append(dst, t.list...)
	clear(t.list)
	t.list = t.list[:0]
	return dst, t.mood
}

// back takes what take gave, to be used again. It says whether readers may have waited for that.
func (t *tray) back(list []*News) (wasFull bool) {
	if len(list) == 0 {
		return false
	}
	var bytes int64
	for _, n := range list {
		bytes += n.bytes()
	}
	was := t.bytes.Add(-bytes) + bytes
	t.mu.Lock()
	for i, n := range list {
		list[i] = nil
		if len(t.free) < newsKeptMax {
			n.empty()
			t.free = append(t.free, n)
		}
	}
	t.mu.Unlock()
	return was >= InboxBytesMax
}

// full says whether the loop must take what is there before more is read for it.
func (t *tray) full() bool { return t.bytes.Load() >= InboxBytesMax }

// bytes is what n holds, for the limit. It does not change while n is in a tray.
func (n *News) bytes() int64 { return newsBytes + int64(len(n.piece)) + int64(len(n.Heads))*160 }

// empty makes n blank again; it keeps buffers that are not large.
func (n *News) empty() {
	heads, piece := n.Heads[:0], n.piece[:0]
	if cap(piece) > bufferKeptMax/newsKeptMax {
		piece = nil
	}
	*n = News{Heads: heads, piece: piece}
}

// about makes n the answer to a load, so far without content.
func (n *News) about(l *Load) {
	n.Kind, n.User = NewsUser, l.User
	if l.Entries {
		n.Kind, n.Device, n.After, n.UpTo = NewsEntries, l.Device, l.After, l.UpTo
	}
}
