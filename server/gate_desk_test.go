package server

import (
	"testing"
	"time"

	"trunkline/netpoll"
)

// deskRig is a handshake desk on a clock that only the test moves.
type deskRig struct {
	*handshakeDesk
	at time.Time
}

func newDeskRig(share int) *deskRig {
	r := &deskRig{at: time.Unix(1_000, 0)}
	r.handshakeDesk = newHandshakeDesk(0, share, newCapacity(1, share, time.Millisecond), func() time.Time { return r.at })
	return r
}

// shake spends that much time on one handshake.
func (r *deskRig) shake(cost time.Duration) {
	began := r.begin()
	r.at = r.at.Add(cost)
	r.end(began, true)
}

func TestHandshakesGetTheirShareOfTheTimeAndNoMore(t *testing.T) {
	for _, share := range []int{5, 25, 90} {
		r := newDeskRig(share)
		const cost = 200 * time.Microsecond
		r.shake(cost)
		spent, next := time.Duration(0), netpoll.ConnID(1)
		for end := r.at.Add(10 * time.Second); r.at.Before(end); {
			for r.queue(next) { // there is always somebody waiting
				next++
			}
			turns := 0
			r.grant(func(netpoll.ConnID) bool { turns++; return true })
			for range turns {
				r.shake(cost)
				spent += cost
			}
			r.at = r.at.Add(100 * time.Microsecond) // everything else that the loop does
		}
		if got := float64(spent) / float64(10*time.Second) * 100; got < 0.9*float64(min(share, 60)) || got > 1.02*float64(share)+0.1 {
			t.Errorf("share %d: handshakes took %.1f %%", share, got)
		}
	}
}

func TestTheQueueHoldsWhatCanBeServedWithinItsTime(t *testing.T) {
	r := newDeskRig(10)
	r.shake(time.Millisecond)
	n := 0
	for r.queue(netpoll.ConnID(n + 1)) {
		n++
	}
	if n < 100 || n > 102 { // 1 s at 10 % is 100 ms
		t.Errorf("%d wait", n)
	}
	for range n / 2 {
		r.leave() // closed while they waited
	}
	if !r.queue(netpoll.ConnID(1_000)) {
		t.Error("who has gone takes up room")
	}
	served := 0
	gone := n / 2
	for r.length() > 0 {
		r.grant(func(netpoll.ConnID) bool {
			if gone > 0 {
				gone--
				return false
			}
			served++
			return true
		})
		r.at = r.at.Add(time.Second)
	}
	if served != n-n/2+1 {
		t.Errorf("%d of %d were served", served, n-n/2+1)
	}
	if r.grant(func(netpoll.ConnID) bool { return true }) || len(r.waiting) != 0 {
		t.Error("an empty queue keeps rows")
	}
}

func TestOneInterruptedHandshakeDoesNotCloseTheQueue(t *testing.T) {
	r := newDeskRig(25)
	r.shake(200 * time.Microsecond)
	r.shake(time.Second) // the process was stopped in the middle
	if r.costNs > 400_000 {
		t.Errorf("a handshake is taken to cost %v", time.Duration(r.costNs))
	}
	r.at = r.at.Add(10 * time.Millisecond)
	r.grant(func(netpoll.ConnID) bool { return true })
	if !r.free() {
		t.Error("and the loop owes for time that it did not use")
	}
}

func TestAnIdleLoopAnswersAtOnceAndABusyQueueKeepsItsOrder(t *testing.T) {
	r := newDeskRig(25)
	if !r.free() {
		t.Fatal("nobody waits and no time was used")
	}
	r.shake(HandshakeTurn)
	if r.free() {
		t.Error("a turn has more than its share")
	}
	for i := range 5 {
		r.queue(netpoll.ConnID(i + 1))
	}
	var order []netpoll.ConnID
	for r.length() > 0 {
		r.grant(func(id netpoll.ConnID) bool { order = append(order, id); return true })
		if r.length() > 0 && r.free() {
			t.Error("a newcomer overtakes those who wait")
		}
	}
	for i, id := range order {
		if id != netpoll.ConnID(i+1) {
			t.Fatalf("order %v", order)
		}
	}
}
