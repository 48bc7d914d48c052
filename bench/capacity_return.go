package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"trunkline/codec"
	"trunkline/netpoll"
)

// Closed counts sessions of a crowd that the server has closed, neither the run nor the run's end.
type Closed struct {
	Sessions int64            `json:"sessions"`
	Back     int64            `json:"back"`          // logged in again since
	Why      map[string]int64 `json:"why,omitempty"` // by the name of the code that the server gave, or closedSilently
}

// closedSilently stands for the code of a server that closed without an ERROR or a GOAWAY.
const closedSilently = "without a word"

// plus adds another crowd's.
func (c Closed) plus(o Closed) Closed {
	c.Sessions += o.Sessions
	c.Back += o.Back
	if len(o.Why) > 0 {
		why := maps.Clone(c.Why)
		if why == nil {
			why = map[string]int64{}
		}
		for name, n := range o.Why {
			why[name] += n
		}
		c.Why = why
	}
	return c
}

// reasons lists them for people.
func (c Closed) reasons() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.Why)) {
		list = append(list, fmt.Sprintf("%s %d", name, c.Why[name]))
	}
	return strings.Join(list, ", ")
}

// wayBack is what a crowd knows of sessions that the server closes: they come back by ticket as a client does, with a pause that doubles, and send
// again what has no first tick. It belongs to the loop, but for shown.
type wayBack struct {
	farewells map[netpoll.ConnID]farewell // the server has said why, and will close
	devices   map[uint32]comeback         // by the session's index; who was never closed is not in it
	sum       Closed
	shown     atomic.Pointer[Closed] // what other goroutines see; never changed once it is there
}

// farewell is why a server closes a connection.
type farewell struct {
	code         codec.ErrorCode
	retryAfterMs uint32
}

// comeback is a device that the server has sent away.
type comeback struct {
	tries uint8
	away  bool // it had a session, and has none
}

// crowdStayed is how long a session must have lasted for the next pause to be the shortest again.
const crowdStayed = 30 * time.Second

// begin makes room.
func (b *wayBack) begin() {
	b.farewells, b.devices = map[netpoll.ConnID]farewell{}, map[uint32]comeback{}
	b.shown.Store(&Closed{})
}

// publish shows the counters to other goroutines.
func (b *wayBack) publish() {
	c := b.sum
	c.Why = maps.Clone(c.Why)
	b.shown.Store(&c)
}

// refused implements refusalWatch: an ERROR that closes says why, one that concerns a message has its talker wait.
func (cw *crowdWatch) refused(s *session, v *codec.Error, now int64) bool {
	t := cw.talkers[s.index]
	switch {
	case v.Code.Closes() && s.state == sessionLogin && comesBack(v.Code):
		return false // the session's own way back
	case v.Code.Closes():
		cw.back.farewells[s.id] = farewell{v.Code, v.RetryAfterMs}
		return true
	case t != nil && (v.Code == codec.CodeRateLimited || v.Code == codec.CodeServerFull):
		cw.held(t, v, now)
		return true
	}
	return false
}

// closed implements closeWatch. A code that tells a client not to return is a failure, and so is an end without GOAWAY while the server drains.
func (cw *crowdWatch) closed(s *session, now int64) bool {
	b := &cw.back
	last, said := b.farewells[s.id]
	delete(b.farewells, s.id)
	why := closedSilently
	if said {
		why = last.code.String()
	}
	if cw.sl.parting {
		return false
	}
	d := b.devices[s.index]
	if s.state == sessionReady {
		cw.gone(s)
		b.sum = b.sum.plus(Closed{Sessions: 1, Why: map[string]int64{why: 1}})
		b.publish()
		if d.away = true; now-s.opened >= int64(crowdStayed) {
			d.tries = 0
		}
	} else {
		cw.sl.counts.dropped.Add(1)
	}
	cw.sl.fail("the server closed a session: %s", why)
	if said && !last.code.Returns() {
		return false
	}
	pause := min(int64(runRetryMin)<<min(d.tries, 10), int64(runRetryMax))
	pause = pause*int64(50+s.index%101)/100 + int64(last.retryAfterMs)*int64(time.Millisecond)
	d.tries = min(d.tries+1, 255-1)
	b.devices[s.index] = d
	cw.sl.fleet.recall.add(s.index, now+pause)
	return true
}

// returned notes that a session is there again which the server had closed.
func (cw *crowdWatch) returned(s *session) {
	if d, ok := cw.back.devices[s.index]; ok && d.away {
		d.away = false
		cw.back.devices[s.index] = d
		cw.back.sum.Back++
		cw.back.publish()
	}
}
