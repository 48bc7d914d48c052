package bench

import (
	"sync/atomic"
	"time"

	"trunkline/codec"
	"trunkline/netpoll"
)

// presenceCrowd are users whose devices are looked at and put away in turn (STATE), and those who watch them. It belongs to one loop. Sessions 0 to
// watchers-1 watch; the others are watched.
type presenceCrowd struct {
	sl       *sessionLoop
	watchers int
	users    int
	each     int // users that one watcher watches
	burst    int // changes of one user that are written at once

	conns  []netpoll.ConnID // of those who are watched
	active []uint8

	// Of one span, set before cmdBegin.
	start    int64
	interval time.Duration // between two bursts

	running       bool
	issued        uint64
	next          int
	flips, told   uint64
	flipped, seen atomic.Int64 // the same for other goroutines
	frames        []byte
}

func newPresenceCrowd(sl *sessionLoop, watchers, users, each, burst int) *presenceCrowd {
	return &presenceCrowd{
		sl: sl, watchers: watchers, users: users, each: each, burst: burst, conns: make([]netpoll.ConnID, users), active: make([]uint8, users),
	}
}

// ready implements sessionWatch.
func (c *presenceCrowd) ready(s *session, _ codec.Success) {
	if int(s.index) >= c.watchers {
		c.conns[int(s.index)-c.watchers] = s.id
		c.active[int(s.index)-c.watchers] = 1
		return
	}
	c.frames = c.frames[:0]
	for k := 0; k < c.each; {
		v := codec.Subscribe{Op: 1}
		for ; k < c.each && v.N < codec.SubscribePeersMax; k, v.N = k+1, v.N+1 {
			user := (int(s.index)*c.each + k) % c.users
			v.Peers = v.Peers.Append(c.sl.first + uint64(c.watchers+user))
		}
		var err error
		if c.frames, err = codec.AppendSubscribe(c.frames, &v); err != nil {
			c.sl.fail("encode a subscription: %v", err)
		}
	}
	c.sl.send(s.id, c.frames)
}

// command implements sessionWatch.
func (c *presenceCrowd) command(msg []byte) {
	switch msg[0] {
	case cmdBegin:
		c.running, c.issued = true, 0
	case cmdStop:
		c.running = false
	case cmdPace:
		c.issue(c.sl.clock.now())
	}
}

// issue writes what is due, at most presenceBurstsMax bursts at once: what a machine can't offer is not made up for, and the report says how much was.
func (c *presenceCrowd) issue(now int64) {
	for n := 0; c.running && n < presenceBurstsMax; n++ {
		if at := c.start + int64(float64(c.issued)*float64(c.interval)); at > now {
			return
		}
		c.issued++
		c.flip()
	}
	c.start, c.issued = now, 0
}

// flip writes the changes of the user whose turn it is.
func (c *presenceCrowd) flip() {
	user := c.next
	c.next = (c.next + 1) % c.users
	c.frames = c.frames[:0]
	for range c.burst {
		c.active[user] ^= 1
		c.frames, _ = codec.AppendState(c.frames, &codec.State{Active: c.active[user]}) // 0 or 1, no extensions
	}
	c.flips += uint64(c.burst)
	c.sl.send(c.conns[user], c.frames)
}

// frame implements sessionWatch.
func (c *presenceCrowd) frame(_ *session, f codec.Frame, _ int64) error {
	if f.Kind != codec.KindPresence {
		return nil
	}
	c.told++
	_, err := codec.ParsePresence(f)
	return err
}

// publish implements sessionWatch.
func (c *presenceCrowd) publish() {
	c.flipped.Store(int64(c.flips))
	c.seen.Store(int64(c.told))
}
