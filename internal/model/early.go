package model

// flight is a first flight with early data, as one who listens has it.
type flight struct {
	dev    int
	frames []frame
	id     int // of the connection that it was made for
}

// fly puts the first SENDs of the outbox behind an early HELLO, and lets somebody overhear it all.
func (c *client) fly() {
	c.sent = c.mem.ticked
	for n := c.w.r.IntN(uplinkWindow); n > 0 && c.sendNext(); n-- {
		c.earlySent = c.sent
	}
	if len(c.w.flights) < flightsMax {
		f := flight{dev: c.dev, id: c.conn.flight, frames: append([]frame(nil), c.conn.up...)}
		c.w.flights = append(c.w.flights, f)
	}
	if c.w.r.IntN(4) == 0 && !c.w.calm {
		c.conn.up = c.conn.up[:0] // it never arrives
		c.drop()
	}
}

// replay says a flight again, over a connection that nobody reads.
func (w *world) replay() {
	if len(w.flights) == 0 {
		return
	}
	f := w.flights[w.r.IntN(len(w.flights))]
	w.replays++
	w.tell("replay: a flight of device %d, epoch %d", f.dev, f.frames[0].epoch)
	c := &conn{s: session{dev: f.dev, loop: w.r.IntN(loops)}, replay: true, flight: f.id, up: append([]frame(nil), f.frames...)}
	w.conns = append(w.conns, c)
}

// endReplays is the login timeout.
func (w *world) endReplays() {
	for _, c := range w.conns {
		if c.replay {
			c.cut = true
		}
	}
}

// greet hands a HELLO to the mailbox; an early one is left unread until it is known whether it has to wait.
func (w *world) greet(c *conn, f frame) {
	s := &c.s
	if f.early && !s.answered {
		s.answered = true
		c.toClient(frame{kind: accepted})
	}
	f.early = f.early && !s.confirmed
	w.srv.nonces++
	s.nonce, s.state, s.unread = w.srv.nonces, attaching, f.early
	w.post(s.loop, home(s.dev), part{kind: attach, dev: s.dev, nonce: s.nonce, c: c, f: f})
}

// readConfirm takes the client's confirm when it has come: the transport reads it, whatever lies unread before it.
func (w *world) readConfirm(c *conn) bool {
	for i, f := range c.up {
		if f.kind != confirm {
			continue
		}
		c.up = append(c.up[:i], c.up[i+1:]...)
		s := &c.s
		s.confirmed = true
		switch s.state {
		case held:
			s.state = handshaking
		case early:
			w.open(c)
			w.settle(s.loop)
		}
		return true
	}
	return false
}

// heldBack is the mailbox's hold: the HELLO stays unread until the confirm.
func (w *world) heldBack(c *conn) {
	s := &c.s
	w.holds++
	s.state, s.unread = held, false
	if s.confirmed {
		s.state = handshaking
	}
	if !w.rules.has(EarlyHeldUnread) && len(c.up) > 0 && c.up[0].kind == hello {
		pop(&c.up)
	}
}

// open is a session that is attached: early, or, when its confirm has come, for all to see.
func (w *world) open(c *conn) {
	s := &c.s
	askedEarly := s.unread || s.state == early
	switch {
	case askedEarly && !s.confirmed:
		s.state = early
		return
	case askedEarly:
		w.post(s.loop, home(s.dev), part{kind: confirmed, dev: s.dev, nonce: s.nonce})
	}
	s.state = logged
}

// ordinary says whether an early HELLO may be taken at once.
func (b *mailbox) ordinary(h frame) bool {
	rules := b.w.rules
	return (b.conn == nil || !rules.has(EarlyWhenOffline)) &&
		(b.owner == b.w.disk.owner || !rules.has(EarlyDoubted)) &&
		(h.epoch > b.epoch || !rules.has(EarlyNewEpoch)) &&
		(b.exists && h.gen == b.gen && h.incarnation == b.w.srv.inc && h.seq <= b.given() || !rules.has(EarlySameData))
}

// confirm has the device be there.
func (b *mailbox) confirm(nonce int) {
	if b.conn != nil && b.listensTo(nonce) && b.early {
		b.early = false
		b.announce()
	}
}

// announce tells everybody that the device is there.
func (b *mailbox) announce() {
	if b.conn.replay {
		b.w.failf("device %d is shown because of a replay", b.dev)
	}
}

// checkEarly holds a login against what early data may do.
func (b *mailbox) checkEarly(p part, before *mailbox) {
	if !p.f.early {
		return
	}
	b.w.taken[p.c.flight]++
	switch {
	case before.conn != nil:
		b.w.failf("a first flight replaced the connection of device %d", b.dev)
	case b.gen != before.gen || b.mark != before.mark:
		b.w.failf("a first flight changed generation or mark of device %d", b.dev)
	case b.w.taken[p.c.flight] > 1:
		b.w.failf("a first flight of device %d was taken twice", b.dev)
	}
}
