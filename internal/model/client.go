package model

// streamKey names a stream: who sent. Groups are another stream and come later.
type streamKey struct {
	dev int
	gen uint32
}

// stream is what a client remembers of one: the highest id and which of the seenBelow ids below it were seen.
type stream struct {
	key   streamKey
	last  uint64
	below uint64
}

// outgoing is a message with its number.
type outgoing struct {
	cseq uint64
	msg  int
}

// shown is a line on the screen: a message that came, or the rejection of one that was sent.
type shown struct {
	msg      int
	rejected bool
}

// kept is all that a client persists, as one.
type kept struct {
	gen     uint32
	inc     uint32 // of the data it last saw
	last    uint64 // highest seq of the mailbox
	ticked  uint64 // highest cseq with a first tick
	next    uint64 // highest cseq used
	outbox  []outgoing
	streams []stream
	screen  []shown
}

func (k *kept) copyFrom(o *kept) {
	k.gen, k.inc, k.last, k.ticked, k.next = o.gen, o.inc, o.last, o.ticked, o.next
	k.outbox = append(k.outbox[:0], o.outbox...)
	k.streams = append(k.streams[:0], o.streams...)
	k.screen = append(k.screen[:0], o.screen...)
}

// client is one life of a device's client: it ends when the state is lost.
type client struct {
	w         *world
	dev, life int
	mem, disk kept
	conn      *conn
	open      bool   // SUCCESS has come
	sent      uint64 // highest cseq sent on this connection, or to be taken as sent
	everSent  uint64
	earlySent uint64 // highest cseq in the first flight of this connection
	ackDue    bool
	epoch     uint32 // of the newest connection
	epochKept uint32 // persisted: no connection had a higher one
	token     uint64 // of its registration, persisted when it is drawn
	buffered  uint64 // the highest seq of older data that is in memory and not persisted
	halfKept  bool   // only without RejectionTickTogether: the entries are persisted, the ticks are not
	nap       int    // turns that it still stays away
	greeted   bool   // it has said HELLO
	lost      bool   // its state is gone
	stopped   bool   // told not to come back
}

func (c *client) alive() bool { return !c.lost && !c.stopped }

// write puts a new message into the outbox.
func (c *client) write(to int) {
	c.mem.next++
	m := len(c.w.msgs)
	c.w.msgs = append(c.w.msgs, message{from: c.dev, to: to, life: c.life, cseq: c.mem.next})
	c.mem.outbox = append(c.mem.outbox, outgoing{c.mem.next, m})
	c.w.tell("device %d (%d): writes cseq %d to %d", c.dev, c.life, c.mem.next, to)
}

// persist writes everything; only then may the ACK leave.
func (c *client) persist() {
	c.w.tell("device %d (%d): persists gen %d, last %d, ticked %d", c.dev, c.life, c.mem.gen, c.mem.last, c.mem.ticked)
	if !c.w.rules.has(OldEntriesKeepLast) {
		c.mem.last = max(c.mem.last, c.buffered)
	}
	c.buffered = 0
	if c.halfKept = !c.halfKept && !c.w.rules.has(RejectionTickTogether); c.halfKept {
		uplink := kept{ticked: c.disk.ticked, next: c.disk.next, outbox: append([]outgoing(nil), c.disk.outbox...)}
		c.disk.copyFrom(&c.mem)
		c.disk.ticked, c.disk.next, c.disk.outbox = uplink.ticked, uplink.next, uplink.outbox
	} else {
		c.disk.copyFrom(&c.mem)
	}
	c.acknowledge()
}

func (c *client) acknowledge() {
	if !c.ackDue || !c.open {
		return
	}
	c.ackDue = false
	last := c.disk.last
	if !c.w.rules.has(PersistBeforeAck) {
		last = c.mem.last
	}
	c.conn.toServer(frame{kind: ack, seq: last})
}

// connect opens a connection to some loop and says HELLO: what is persisted, and the ticks that were seen.
// A generation that it was given is persisted first.
func (c *client) connect() {
	if c.disk.gen != c.mem.gen && c.w.rules.has(GenerationKept) {
		c.persist()
	}
	if c.epoch++; c.epoch > c.epochKept {
		c.epochKept = c.epoch + epochBlock - 1
	}
	if c.token == 0 {
		c.w.tokens++
		c.token = c.w.tokens
	}
	c.greeted = true
	c.w.tell("device %d (%d): connects, gen %d, ticked %d, last %d", c.dev, c.life, c.disk.gen, c.mem.ticked, c.disk.last)
	c.w.flown++
	c.conn = &conn{s: session{dev: c.dev, loop: c.w.r.IntN(loops)}, flight: c.w.flown}
	c.open, c.ackDue = false, false
	c.w.conns = append(c.w.conns, c.conn)
	last := c.disk.last
	if !c.w.rules.has(PersistBeforeAck) && c.disk.inc == c.mem.inc {
		last = c.mem.last
	}
	h := frame{kind: hello, gen: c.disk.gen, incarnation: c.disk.inc, seq: last, cseq: c.mem.ticked, epoch: c.epoch}
	if !c.w.rules.has(LastWithItsData) {
		h.incarnation = c.mem.inc
	}
	if h.gen == 0 {
		h.incarnation, h.seq, h.cseq = 0, c.token, 0
	}
	h.early = h.gen != 0 && c.w.early != 0 && c.w.r.IntN(3+c.w.early) < 3
	c.conn.toServer(h)
	c.earlySent = 0
	if h.early {
		c.fly()
	}
}

// drop loses the connection.
func (c *client) drop() {
	if c.conn != nil {
		c.w.cutAt(c.conn)
		c.conn, c.open = nil, false
	}
}

// crash forgets what was not persisted.
func (c *client) crash() {
	c.w.tell("device %d (%d): crashes", c.dev, c.life)
	c.drop()
	for i := range c.w.msgs {
		m := &c.w.msgs[i]
		m.forgotten = m.forgotten || m.life == c.life && m.cseq > c.disk.next
	}
	c.mem.copyFrom(&c.disk)
	c.everSent, c.buffered, c.halfKept = 0, 0, false
	c.epoch = c.epochKept
	if !c.w.rules.has(EpochKept) {
		c.epoch, c.epochKept = 0, 0
	}
	if !c.w.rules.has(TokenKept) && c.disk.gen == 0 {
		c.token = 0
	}
}

// pump sends the next SEND that may leave; it says whether there was one.
func (c *client) pump() bool {
	if !c.open {
		return false
	}
	return c.sendNext()
}

// sendNext sends the first SEND above `sent`, if the window has room.
func (c *client) sendNext() bool {
	from := &c.disk
	if !c.w.rules.has(PersistBeforeSend) {
		from = &c.mem
	}
	if from.gen != c.mem.gen {
		return false // the generation is not persisted yet
	}
	open := c.mem.ticked
	if c.w.rules.has(PersistedTickWindow) {
		open = c.disk.ticked // what is sent again after a crash lies no further below than peers remember
	}
	open += uplinkWindow
	for _, o := range from.outbox {
		if o.cseq <= c.sent || o.cseq <= c.mem.ticked {
			continue
		}
		if o.cseq > open {
			return false
		}
		c.sent, c.everSent = o.cseq, max(c.everSent, o.cseq)
		c.w.tell("device %d (%d): sends cseq %d", c.dev, c.life, o.cseq)
		c.conn.toServer(frame{kind: send, cseq: o.cseq, peer: c.w.msgs[o.msg].to, msg: o.msg})
		return true
	}
	return false
}

// receive takes one frame, or sees that the connection has ended.
func (c *client) receive() {
	if len(c.conn.down) == 0 {
		if c.conn.cut {
			c.conn, c.open = nil, false
		}
		return
	}
	f := pop(&c.conn.down)
	c.w.tell("device %d (%d): gets kind %d code %d seq %d cseq %d last %d of device %d", c.dev, c.life, f.kind, f.code, f.seq, f.cseq, f.last, f.peer)
	switch f.kind {
	case success:
		c.loggedIn(f)
	case tick:
		c.ticks(f.cseq)
	case accepted:
		c.conn.toServer(frame{kind: confirm})
	case refusal:
		c.sent = min(c.sent, f.cseq-1)
	case fatal:
		c.told(f.code)
	default:
		c.entry(f)
		c.ackDue = true
		if !c.w.rules.has(PersistBeforeAck) {
			c.acknowledge()
		}
	}
}

func (c *client) loggedIn(f frame) {
	c.open = true
	c.mem.gen = f.gen
	if c.mem.inc != f.incarnation {
		if c.mem.last != c.disk.last {
			c.buffered = c.mem.last
		}
		if c.w.rules.has(ClientClearsLast) {
			c.mem.last = 0
		}
		c.mem.inc = f.incarnation
	}
	c.ticks(f.cseq)
	c.sent = max(f.cseq, c.earlySent)
	if !c.w.rules.has(ResendAboveUpHigh) {
		c.sent = max(c.sent, c.everSent)
	}
}

// told is why the server closes.
func (c *client) told(why code) {
	c.conn, c.open = nil, false
	switch why {
	case codeStale, codeReplaced:
		c.stopped = true
		c.w.checkStale(c)
	case codeAckInvalid, codeGap, codeWindow: // a client that keeps the rules never sees these
		c.stopped = true
	}
	switch why {
	case codeAckInvalid:
		c.w.failf("device %d was closed for an ACK of entries that it has", c.dev)
	case codeGap, codeWindow:
		c.w.failf("device %d was closed for a gap, or for more SENDs than its window", c.dev)
	}
}

// ticks takes a cumulative first tick.
func (c *client) ticks(upHigh uint64) {
	for len(c.mem.outbox) > 0 && c.mem.outbox[0].cseq <= upHigh {
		m := &c.w.msgs[c.mem.outbox[0].msg]
		c.mem.outbox = append(c.mem.outbox[:0], c.mem.outbox[1:]...)
		m.ticked = true
		if !m.stored && !m.rejected && !m.excused {
			c.w.failf("cseq %d of device %d was ticked and is neither stored nor rejected", m.cseq, c.dev)
		}
	}
	c.mem.ticked = max(c.mem.ticked, upHigh)
}

// entry takes an entry of the mailbox.
func (c *client) entry(f frame) {
	if c.w.rules.has(DedupeBySeq) && f.seq <= c.mem.last {
		return
	}
	c.mem.last = max(c.mem.last, f.seq)
	switch f.kind {
	case deliver:
		if c.isNew(f) {
			c.mem.screen = append(c.mem.screen, shown{msg: f.msg})
		}
	case reject:
		if !c.speaksOf(f.gen) {
			c.w.msgs[f.msg].toldOther = true // of an earlier life
			return
		}
		c.mem.screen = append(c.mem.screen, shown{msg: f.msg, rejected: true})
		if c.w.rules.has(RejectionTicks) {
			c.ticks(f.cseq) // it is kept with the mark: everything below is taken as well
		}
	case receipt:
		if c.speaksOf(f.gen) {
			c.w.checkReceipt(c, f)
		}
	}
}

// speaksOf says whether a receipt or rejection is about this client's own messages.
func (c *client) speaksOf(gen uint32) bool { return gen == c.mem.gen || !c.w.rules.has(OwnGeneration) }

// isNew looks an id up in its stream and remembers it.
func (c *client) isNew(f frame) bool {
	key := streamKey{f.peer, f.gen}
	if !c.w.rules.has(GenerationInStream) {
		key.gen = 0
	}
	for i := range c.mem.streams {
		if s := &c.mem.streams[i]; s.key == key {
			return s.take(f.cseq, c.w.rules)
		}
	}
	c.mem.streams = append(c.mem.streams, stream{key: key, last: f.cseq})
	return true
}

func (s *stream) take(id uint64, rules Rules) bool {
	if id > s.last {
		s.below = s.below<<1 | 1
		s.below <<= id - s.last - 1
		s.last = id
		return true
	}
	seen := id == s.last || s.last-id > seenBelow || s.below&(1<<(s.last-id-1)) != 0
	if id < s.last && s.last-id <= seenBelow {
		s.below |= 1 << (s.last - id - 1)
	}
	if !rules.has(DedupeByStream) {
		return true
	}
	return !seen && rules.has(SeenBelowLast)
}
