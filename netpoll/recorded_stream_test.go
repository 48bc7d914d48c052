//go:build linux || freebsd || darwin

package netpoll

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What read(2) and write(2) of FreeBSD answer, played to the loop.

func TestAWriteWithoutBuffersIsRepeatedAfterAPause(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOBUFS, unix.ENOMEM} {
		r := newRecordedRig(t)
		id := r.connect()
		r.script.tick = func() { r.script.tick = nil; must(t, r.l.Send(id, []byte("hello, world"))) }
		r.sockets.writes = []answer{{n: 5}, {errno: errno}, {errno: errno}, {errno: errno}, {n: 100}}
		for i := range 3 {
			calls := r.sockets.writeCalls
			if next := r.step(); next != PollBlock {
				t.Fatalf("%v: the turn ends with %d: the loop spins", errno, next)
			}
			if r.poller.WantsWrite(r.sockets.accepted[0]) {
				t.Errorf("%v: asks for room, of which there is enough", errno)
			}
			must(t, r.l.Send(id, []byte{'!'})) // more output is no reason to try in the pause
			r.step()
			if n := r.sockets.writeCalls - calls; n != []int{2, 1, 1}[i] {
				t.Errorf("%v: %d writes in round %d", errno, n, i)
			}
			if d := r.wait().Milliseconds(); d != int64(starveBackoffMin<<i) {
				t.Errorf("%v: pause %d is %d ms", errno, i, d)
			}
		}
		r.step()
		if got := string(r.sockets.written); got != "hello, world!!!" || r.roomed != 1 || len(r.ends) != 0 {
			t.Errorf("%v: wrote %q, OnWritable %d times, ends %v", errno, got, r.roomed, r.ends)
		}
		if n := r.l.meters[meterWritesStarved]; n != 3 {
			t.Errorf("%v: counted %d times", errno, n)
		}
		r.step()
		if r.l.famine.backoff != 0 || r.l.famineDue() != never {
			t.Errorf("%v: the next pause begins at %d ms, due %d", errno, r.l.famine.backoff, r.l.famineDue())
		}
	}
}

func TestThePauseOfAWriteWithoutBuffersIsBounded(t *testing.T) {
	r := newRecordedRig(t)
	id := r.connect()
	r.script.tick = func() { r.script.tick = nil; must(t, r.l.Send(id, []byte("x"))) }
	var pauses []time.Duration
	for range 12 {
		r.sockets.writes = []answer{{errno: unix.ENOBUFS}}
		r.step()
		pauses = append(pauses, r.wait())
	}
	if last := pauses[len(pauses)-1]; last != starveBackoffMax*time.Millisecond || !slices.IsSorted(pauses) {
		t.Errorf("pauses %v", pauses)
	}
}

func TestAConnectionThatStarvesCanBeClosed(t *testing.T) {
	r := newRecordedRig(t)
	id := r.connect()
	r.script.tick = func() {
		r.script.tick = nil
		must(t, r.l.Send(id, []byte("never written")))
	}
	r.sockets.writes = []answer{{errno: unix.ENOBUFS}}
	r.step()
	r.script.tick = func() { r.script.tick = nil; r.l.Close(id) }
	r.step()
	r.wait()
	r.sockets.writeCalls = 0
	r.step()
	if len(r.ends) != 1 || r.sockets.writeCalls != 0 {
		t.Errorf("ends %v, %d writes to a connection that is gone", r.ends, r.sockets.writeCalls)
	}
	// The slot and maybe the descriptor come back with the next connection, which does not starve.
	next := r.connect()
	r.script.tick = func() { r.script.tick = nil; must(t, r.l.Send(next, []byte("hello"))) }
	r.sockets.writes = []answer{{n: 5}}
	r.step()
	if got := string(r.sockets.written); got != "hello" {
		t.Errorf("wrote %q", got)
	}
}

func TestWhatIsLeftBeforeAnEndIsReadFirst(t *testing.T) {
	for _, c := range []struct {
		name   string
		ev     Events
		reads  []answer
		got    int
		fins   int
		reason []CloseReason
		calls  int
	}{
		{"data alone: a short read has emptied the buffer", EventRead, []answer{{n: 10}, {n: 99}}, 10, 0, nil, 1},
		{"data and the end in one event: read on after a short read", EventRead | EventHangup, []answer{{n: 10}, {n: 0}}, 10, 1, nil, 2},
		{"the end alone", EventHangup, []answer{{n: 0}}, 0, 1, nil, 1},
		{"an event for nothing", EventRead, nil, 0, 0, nil, 1},
		{"a hangup for nothing is no end", EventHangup, nil, 0, 0, nil, 1},
		{"data before a reset is handed on", EventHangup, []answer{{n: 10}, {errno: unix.ECONNRESET}}, 10, 0, []CloseReason{ReasonPeerClosed}, 2},
		{"a peer that has timed out", EventHangup, []answer{{errno: unix.ETIMEDOUT}}, 0, 0, []CloseReason{ReasonError}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecordedRig(t)
			r.connect()
			r.sockets.reads, r.sockets.readCalls = c.reads, 0
			for next := r.step(FakeEvent{FD: r.sockets.accepted[0], Events: c.ev}); next == PollAgain; next = r.step() {
			}
			if r.got != c.got || r.finned != c.fins || !slices.Equal(r.ends, c.reason) || r.sockets.readCalls != c.calls {
				t.Errorf("%d bytes, %d ends of input, closed %v after %d reads; want %d, %d, %v, %d",
					r.got, r.finned, r.ends, r.sockets.readCalls, c.got, c.fins, c.reason, c.calls)
			}
		})
	}
}

func TestAResetBehindAnEndOfInputIsFound(t *testing.T) {
	r := newRecordedRig(t)
	r.connect()
	r.sockets.reads = []answer{{n: 0}}
	r.step(FakeEvent{FD: r.sockets.accepted[0], Events: EventHangup})
	r.sockets.owed = unix.ECONNRESET
	r.sockets.readCalls = 0
	r.step(FakeEvent{FD: r.sockets.accepted[0], Events: EventHangup})
	if r.finned != 1 || !slices.Equal(r.ends, []CloseReason{ReasonPeerClosed}) || r.sockets.readCalls != 0 {
		t.Errorf("%d ends of input, closed %v, %d more reads", r.finned, r.ends, r.sockets.readCalls)
	}
}

func TestAWriteToAPeerThatIsGoneEndsTheConnection(t *testing.T) {
	for errno, reason := range map[unix.Errno]CloseReason{
		unix.EPIPE: ReasonPeerClosed, unix.ECONNRESET: ReasonPeerClosed, unix.ENOTCONN: ReasonPeerClosed, unix.EHOSTUNREACH: ReasonError,
	} {
		r := newRecordedRig(t)
		id := r.connect()
		r.script.tick = func() { r.script.tick = nil; must(t, r.l.Send(id, []byte("x"))) }
		r.sockets.writes = []answer{{errno: errno}}
		r.step()
		if !slices.Equal(r.ends, []CloseReason{reason}) {
			t.Errorf("%v: closed %v, want %v", errno, r.ends, reason)
		}
	}
}

// Events of a batch are a copy: a connection may be gone, and its slot and descriptor another's, when its event is looked at.
func TestAStaleEventDoesNotTouchTheNextOwner(t *testing.T) {
	r := newRecordedRig(t)
	old := r.connect()
	r.script.tick = func() { r.script.tick = nil; r.l.Close(old) }
	r.step()
	owner := r.connect()
	if old.Slot() != owner.Slot() || old == owner {
		t.Fatalf("slots %d and %d: the slot was to come back with another generation", old.Slot(), owner.Slot())
	}
	r.sockets.readCalls = 0
	r.step(FakeEvent{Tag: uint64(old), Events: EventRead | EventWrite | EventHangup}, FakeEvent{Tag: uint64(old), Events: EventRefused})
	if r.sockets.readCalls != 0 || len(r.ends) != 1 || r.l.meters[meterStaleEvents] != 2 {
		t.Errorf("%d reads, ends %v, %d stale events", r.sockets.readCalls, r.ends, r.l.meters[meterStaleEvents])
	}
}

func TestARefusedConnectionIsClosed(t *testing.T) {
	r := newRecordedRig(t)
	r.connect()
	r.step(FakeEvent{FD: r.sockets.accepted[0], Events: EventRefused})
	if !slices.Equal(r.ends, []CloseReason{ReasonError}) {
		t.Errorf("closed %v", r.ends)
	}
}
