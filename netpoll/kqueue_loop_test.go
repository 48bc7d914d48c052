//go:build linux || ((freebsd || darwin) && (amd64 || arm64))

package netpoll

import (
	"testing"
	"time"
)

// recordedQueue is a kernel's queue that notes what it is asked and answers from a list.
type recordedQueue struct {
	asked   []kevent
	answers [][]kevent
}

func (q *recordedQueue) kevent(changes, events []kevent, _ bool) (int, error) {
	q.asked = append(q.asked, changes...)
	if len(events) == 0 || len(q.answers) == 0 {
		return 0, nil
	}
	a := q.answers[0]
	q.answers = q.answers[1:]
	return copy(events, a), nil
}

func (q *recordedQueue) close() error { return nil }

// newRecordedLoop is one loop over the kqueue backend with a recorded queue, and over recorded sockets.
func newRecordedLoop(t *testing.T) (*Loop, *kqueuePoller, *recordedQueue, *recordedSockets) {
	t.Helper()
	q, sockets := &recordedQueue{}, &recordedSockets{t: t}
	now := time.Now()
	g := newIdleRig(t, Config{Loops: 1, NewPoller: func(int) (Poller, error) { return newKqueuePoller(q) }, Now: func() time.Time { return now }}, nil)
	l := g.r.loops[0]
	l.sockets = sockets
	_, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	return l, l.poller.(*kqueuePoller), q, sockets
}

// kqueueTurn is one turn of Run.
func kqueueTurn(t *testing.T, p *kqueuePoller, l *Loop) Next {
	t.Helper()
	n, err := p.wait(PollAgain)
	must(t, err)
	for i := range p.events[:n] {
		p.deliver(driver{l}, &p.events[i])
	}
	return driver{l}.OnBatch()
}

// A connection that ends in the turn it was accepted in leaves nothing for the kernel: its number may be another loop's by then.
func TestAConnectionThatEndsAtOnceIsNeverWatched(t *testing.T) {
	opened := 0
	l, p, q, sockets := newRecordedLoop(t)
	scriptOf(l).open = func(id ConnID, _ OpenInfo) {
		if opened++; opened == 1 {
			must(t, l.Send(id, []byte("go away")))
			l.Close(id)
		}
	}
	sockets.accepts = []answer{{}, {}}
	kqueueTurn(t, p, l)
	kqueueTurn(t, p, l)
	watched := map[uint64]bool{}
	for _, ch := range q.asked {
		watched[ch.Ident] = true
	}
	if opened != 2 || watched[uint64(sockets.accepted[0])] || !watched[uint64(sockets.accepted[1])] {
		t.Errorf("%d connections %v; the kernel was asked to watch %v", opened, sockets.accepted, watched)
	}
}

// The tag that a connection is watched with is its slot and its generation, and comes back with each event.
func TestTheTagOfAnEventIsSlotAndGeneration(t *testing.T) {
	var ids []ConnID
	l, p, q, sockets := newRecordedLoop(t)
	s := scriptOf(l)
	s.open = func(id ConnID, _ OpenInfo) { ids = append(ids, id) }
	got := map[ConnID]int{}
	s.data = func(id ConnID, b []byte) int { got[id] += len(b); return len(b) }
	sockets.accepts = []answer{{}}
	kqueueTurn(t, p, l)
	fd := uint64(sockets.accepted[0])
	event := kevent{Ident: fd, Filter: filterRead, Flags: evClear, Data: 3, Udata: uint64(ids[0])}
	sockets.reads = []answer{{n: 3}}
	q.answers = [][]kevent{{event}}
	kqueueTurn(t, p, l)
	s.tick = func() { s.tick = nil; l.Close(ids[0]) }
	kqueueTurn(t, p, l)
	sockets.accepts = []answer{{}} // comes into the same slot
	l.acceptors[0].waiting = true
	kqueueTurn(t, p, l)
	event.Ident = uint64(sockets.accepted[1])
	sockets.reads = []answer{{n: 5}}
	q.answers = [][]kevent{{event}} // of the old connection: whatever the number of the descriptor is now
	kqueueTurn(t, p, l)
	if len(ids) != 2 || ids[0].Slot() != ids[1].Slot() || got[ids[0]] != 3 || got[ids[1]] != 0 || l.meters[meterStaleEvents] != 1 {
		t.Fatalf("connections %x have got %v, %d stale events", ids, got, l.meters[meterStaleEvents])
	}
	event.Udata = uint64(ids[1])
	q.answers = [][]kevent{{event}}
	kqueueTurn(t, p, l)
	if got[ids[1]] != 5 {
		t.Errorf("the new connection has got %d bytes, want 5", got[ids[1]])
	}
	for _, ch := range q.asked {
		if ch.Ident == fd && ch.Filter == filterRead && ch.Flags&evAdd != 0 && ch.Udata != uint64(ids[0]) && ch.Udata != uint64(ids[1]) {
			t.Errorf("watched with tag %x", ch.Udata)
		}
	}
}

// scriptOf is the handler of a loop of a test.
func scriptOf(l *Loop) *script { return l.handler.(*script) }
