package client

// CatchUp asks to hear when everything that is in this device's mailbox by now has come: the event CaughtUp with this
// number, or a later one, follows it. What the server has told before the call is covered, a first tick for example:
// when a message was rejected, that event is out before CaughtUp. It needs the connection, and everything received
// acknowledged: by WithInbox, or by Ack. Errors: ErrClosed.
func (c *Client) CatchUp() (no uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return 0, err
	}
	c.catchUps++
	c.poke()
	return c.catchUps, nil
}

// fence is a PING of one connection behind whose PONG nothing is left of what the mailbox held before.
//
// A PONG comes behind all entries that were in the mailbox when its PING was taken, unless the window was closed. The PING is
// written behind an ACK of everything received. When no entry came between that and the PONG, the client had
// acknowledged all that was delivered, so the window was empty: then nothing waits. Else it is done once more.
type fence struct {
	pings   uint64 // written
	pongs   uint64 // received: answers come in the order of the questions
	entries uint64 // of the mailbox, received
	ping    uint64 // number of the PING that is the fence; 0: none is out
	before  uint64 // entries when it was written
	no      uint64 // the newest call of CatchUp that it answers
}

// entry counts what came from the mailbox.
func (f *fence) entry(seq uint64) {
	if seq != 0 {
		f.entries++
	}
}

// open makes the PING that is written next a fence.
func (f *fence) open(no uint64) { f.ping, f.before, f.no = f.pings+1, f.entries, no }

// pong takes a PONG and returns which call of CatchUp it answers; 0: none.
func (f *fence) pong() (no uint64) {
	f.pongs++
	if f.ping == 0 || f.pongs < f.ping {
		return 0
	}
	f.ping = 0
	if f.entries != f.before {
		return 0
	}
	return f.no
}

// fenceDue says whether a fence is asked for and can be written: the ACK of everything received stands before it. The mutex
// is held.
func (c *Client) fenceDue(l *link) bool {
	return c.catchUps > c.caughtUp && l.fence.ping == 0 && l.away == nil && c.down.idle() && c.down.acked == c.down.received
}

// handlePong answers CatchUp. Any PONG did its work by being heard.
func (c *Client) handlePong(l *link) {
	c.mu.Lock()
	no := l.fence.pong()
	c.caughtUp = max(c.caughtUp, no)
	again := c.catchUps > c.caughtUp
	c.mu.Unlock()
	if again {
		c.poke()
	}
	if no != 0 {
		c.emit(l, CaughtUp{No: no})
	}
}
