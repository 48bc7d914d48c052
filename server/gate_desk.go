package server

import (
	"time"

	"trunkline/netpoll"
)

// handshakeDesk shares a loop's time between handshakes and everybody else. A handshake costs as much as fifty messages, so in a storm
// of returning phones the desk takes them one by one from a queue, for HandshakeShare percent of the time, and
// one in a turn of the loop (HandshakeTurn): whoever is connected waits for one handshake, not for the storm.
//
// The queue is bounded by time: what it holds takes at most HandshakeWaitMax. Behind it clients are told when to come back.
type handshakeDesk struct {
	loop     int
	share    int64 // percent
	capacity *capacity
	now      func() time.Time

	tokens  time.Duration // of handshake time that may be used now; may be below zero by one handshake
	at      time.Time     // when tokens were counted
	costNs  int64         // of a handshake, moving average; a guess until the first is done
	done    bool          // the first is done
	used    time.Duration // in this turn
	waiting []netpoll.ConnID
	head    int
	gone    int // of the waiting: closed meanwhile
}

func newHandshakeDesk(loop, share int, c *capacity, now func() time.Time) *handshakeDesk {
	return &handshakeDesk{loop: loop, share: int64(share), capacity: c, now: now, tokens: HandshakeBurst, at: now(), costNs: handshakeCostGuess}
}

// free says whether a handshake may be done at once: nobody waits, and there is time.
func (d *handshakeDesk) free() bool {
	d.refill()
	return d.length() == 0 && d.tokens > 0 && d.used < HandshakeTurn
}

// refill counts the time that has passed since.
func (d *handshakeDesk) refill() {
	now := d.now()
	if passed := now.Sub(d.at); passed > 0 {
		d.tokens = min(d.tokens+passed*time.Duration(d.share)/100, HandshakeBurst)
	}
	d.at = now
}

// length is how many flights wait.
func (d *handshakeDesk) length() int { return len(d.waiting) - d.head - d.gone }

// queue has a flight wait; false when the wait would be too long.
func (d *handshakeDesk) queue(id netpoll.ConnID) bool {
	if wait := time.Duration(int64(d.length())*d.costNs) * 100 / time.Duration(d.share); wait > HandshakeWaitMax {
		return false
	}
	d.waiting = append(d.waiting, id)
	return true
}

// leave tells that one of the waiting is gone.
func (d *handshakeDesk) leave() { d.gone++ }

// grant calls f for those whose turn has come; f says whether the connection was still there. It returns whether anybody is left.
func (d *handshakeDesk) grant(f func(netpoll.ConnID) bool) (left bool) {
	d.used = 0
	if d.head == len(d.waiting) {
		d.waiting, d.head, d.gone = d.waiting[:0], 0, 0
		if cap(d.waiting) > queueRowsKept {
			d.waiting = nil
		}
		return false
	}
	d.refill()
	promised := time.Duration(0)
	for d.head < len(d.waiting) && d.tokens-promised > 0 && promised < HandshakeTurn {
		id := d.waiting[d.head]
		d.head++
		if f(id) {
			promised += time.Duration(d.costNs)
		} else {
			d.gone--
		}
	}
	if d.head > len(d.waiting)/2 && d.head > queueRowsKept {
		d.waiting = d.waiting[:copy(d.waiting, d.waiting[d.head:])]
		d.head = 0
	}
	return d.length() > 0
}

// begin and end stand around one handshake.
func (d *handshakeDesk) begin() time.Time { return d.now() }

func (d *handshakeDesk) end(began time.Time, resume bool) (took time.Duration) {
	took = d.now().Sub(began)
	if !d.done {
		d.done, d.costNs = true, max(took.Nanoseconds(), 1)
	}
	// One that was interrupted says little about the next: it counts for four times the average at most.
	took = min(took, time.Duration(4*d.costNs))
	d.costNs += (took.Nanoseconds() - d.costNs) / 16
	d.used += took
	d.tokens -= took
	d.capacity.note(d.loop, resume, took)
	return took
}

// retryAfter is when the next client that finds no room should come back.
func (d *handshakeDesk) retryAfter() time.Duration { return d.capacity.retryAfter(d.now()) }
