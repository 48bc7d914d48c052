//go:build linux || freebsd || darwin

package netpoll

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What accept(2) of FreeBSD answers and no kernel answers on command, played to the loop.

func TestAConnectionThatWasAbortedInTheBacklogIsPassedOver(t *testing.T) {
	r := newRecordedRig(t)
	r.sockets.accepts = []answer{{errno: unix.ECONNABORTED}, {}, {errno: unix.ECONNABORTED}, {}}
	if next := r.step(r.knock()); next != PollBlock {
		t.Errorf("the turn ends with %d", next)
	}
	if len(r.opened) != 2 || r.sockets.acceptCalls != 5 {
		t.Errorf("%d connections after %d calls, want 2 after 5: those behind the aborted ones had no event of their own", len(r.opened), r.sockets.acceptCalls)
	}
	if n := r.l.meters[meterAcceptErrors]; n != 2 {
		t.Errorf("%d errors counted, want 2", n)
	}
	if at := r.l.acceptorsDue(); at != never {
		t.Errorf("the listener pauses until %d", at)
	}
}

func TestAFloodOfAbortedConnectionsTakesItsShareOfATurn(t *testing.T) {
	r := newRecordedRig(t)
	for range 10 * AcceptTurnMax {
		r.sockets.accepts = append(r.sockets.accepts, answer{errno: unix.ECONNABORTED})
	}
	r.sockets.accepts = append(r.sockets.accepts, answer{})
	next := r.step(r.knock())
	if r.sockets.acceptCalls > AcceptTurnMax || next != PollAgain {
		t.Errorf("%d calls in a turn, at most %d; then %d", r.sockets.acceptCalls, AcceptTurnMax, next)
	}
	for turns := 0; next == PollAgain; turns++ {
		if turns > 20 {
			t.Fatal("the flood has no end")
		}
		next = r.step()
	}
	if len(r.opened) != 1 {
		t.Error("the connection behind the flood was not accepted")
	}
}

func TestAConnectionThatWasAbortedBeforeTheAcceptIsNoError(t *testing.T) {
	r := newRecordedRig(t)
	if next := r.step(r.knock()); next != PollBlock || r.l.meters[meterAcceptErrors] != 0 { // EAGAIN: it has left the backlog
		t.Errorf("the turn ends with %d, %d errors", next, r.l.meters[meterAcceptErrors])
	}
}

// The edge of a backlog is not repeated, so the loop must come back by itself when accept(2) had no memory.
func TestAnAcceptWithoutBuffersIsRepeatedAfterAPause(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOBUFS, unix.ENOMEM} {
		r := newRecordedRig(t)
		r.sockets.accepts = []answer{{errno: errno}, {errno: errno}, {}, {}}
		for i := range 2 {
			if next := r.step(r.knock()); next != PollBlock || r.sockets.acceptCalls != i+1 {
				t.Errorf("%v: the turn ends with %d after %d calls", errno, next, r.sockets.acceptCalls)
			}
			r.step(r.knock()) // a new connection is no reason to ask before the pause is over
			if r.sockets.acceptCalls != i+1 {
				t.Errorf("%v: asked in the pause", errno)
			}
			if d := r.wait().Milliseconds(); d != int64(acceptBackoffMin<<i) {
				t.Errorf("%v: pause %d is %d ms", errno, i, d)
			}
		}
		r.step()
		if len(r.opened) != 2 || r.l.acceptors[0].backoff != 0 {
			t.Errorf("%v: %d connections, pause %d ms", errno, len(r.opened), r.l.acceptors[0].backoff)
		}
	}
}
