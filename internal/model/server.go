package model

// partKind is the kind of a message between loops.
type partKind uint8

const (
	attach partKind = iota + 1
	attached
	toSession
	uplink
	detach
	route
	stored
	rejected
	refusedLate // only without RefuseBeforeRouting
	delivered   // the second tick on its way to the sender
	hold        // to a session: not before its confirm, and nothing has changed
	confirmed   // to a mailbox: who is attached early is no replay
)

// part is any message between loops; each kind uses some of the fields.
type part struct {
	kind     partKind
	dev      int // whose mailbox it goes to; attached, toSession: whose session
	from     int // route, delivered: the other device
	gen      uint32
	first    uint64 // cseq or range
	last     uint64
	msg      int
	nonce    int
	c        *conn
	f        frame
	mark     uint64 // attached, toSession: of the mailbox
	closeNow bool
}

// session is the server's end of a connection.
type session struct {
	dev, loop int
	nonce     int
	state     sessionState
	answered  bool   // its first flight was
	confirmed bool   // and that was read
	unread    bool   // the mailbox was asked with a HELLO that is still to be read again
	mark      uint64 // of the mailbox, as last told
	ahead     uint64 // SENDs handed on above it
}

type sessionState uint8

const (
	handshaking sessionState = iota
	attaching
	held  // the HELLO waits for the confirm
	early // attached with a first flight that is not confirmed
	logged
	closed
)

// server is everything that a loss of data takes away, and the number of the data.
type server struct {
	inc    uint32
	era    uint32 // counts the processes
	nonces int
	queues [loops][loops][]part
	local  []part // of the event that runs; drained before it ends
	boxes  [devices]mailbox
}

func home(dev int) int { return dev % loops }

// post sends a message to a loop: at the end of this event when it is our own, else through the queue.
func (w *world) post(from, to int, p part) {
	if from == to {
		w.srv.local = append(w.srv.local, p)
		return
	}
	w.srv.queues[from][to] = append(w.srv.queues[from][to], p)
}

// settle runs what the event has posted to its own loop.
func (w *world) settle(loop int) {
	for len(w.srv.local) > 0 {
		w.handle(loop, pop(&w.srv.local))
	}
	if w.mode == Disk {
		w.endTurn(loop)
	}
}

// credit says whether one more SEND may travel.
func (w *world) credit(from, to int) bool {
	if from == to {
		return true
	}
	n := 0
	for _, p := range w.srv.queues[from][to] {
		if p.kind == route || p.kind == uplink {
			n++
		}
	}
	return n < creditMax
}

// fault says whether the step that takes an answer is lost.
func (w *world) fault() bool { return w.faults != 0 && !w.calm && w.r.IntN(w.faults) == 0 }

// held counts the rejections of a loop that wait for their mark.
func (w *world) held(loop int) (n int) {
	for i := range w.srv.boxes {
		if home(i) != loop {
			continue
		}
		for _, s := range w.srv.boxes[i].window {
			if s.st == doneRejected {
				n++
			}
		}
	}
	return n
}

// travel moves the first message of a queue.
func (w *world) travel(from, to int) bool {
	if len(w.srv.queues[from][to]) == 0 {
		return false
	}
	w.handle(to, pop(&w.srv.queues[from][to]))
	w.settle(to)
	return true
}

func (w *world) handle(loop int, p part) {
	box := &w.srv.boxes[p.dev]
	switch p.kind {
	case attach:
		box.attach(p)
	case attached, toSession, hold:
		w.sessionTakes(p)
	case uplink:
		box.uplink(p.nonce, p.f, true)
	case detach:
		if box.listensTo(p.nonce) {
			box.conn = nil
		}
	case confirmed:
		box.confirm(p.nonce)
	case route:
		box.take(p)
	case stored, rejected, refusedLate:
		box.settled(p)
	case delivered:
		box.takeReceipt(p)
	}
}

// read lets the session take the next frame of a connection; it says whether something happened.
func (w *world) read(c *conn) bool {
	s := &c.s
	if w.readConfirm(c) {
		return true
	}
	if c.cut && s.state == held {
		c.up = nil // the connection is gone, whatever waits
	}
	if len(c.up) == 0 || s.state == closed {
		if !c.cut || c.eof {
			return false
		}
		c.eof = true
		w.end(c)
		w.settle(s.loop)
		return true
	}
	f := c.up[0]
	switch {
	case f.kind == hello && s.unread && s.state != attaching:
		s.unread = false
	case f.kind == hello && (s.state == attaching || s.state == held):
		return false
	case f.kind == hello:
		w.greet(c, f)
		if s.unread {
			w.settle(s.loop)
			return true
		}
	case s.state != logged && s.state != early:
		return false
	case f.kind == send && f.cseq > s.mark+s.ahead+1:
		w.sessionTakes(part{kind: toSession, c: c, f: frame{kind: fatal, code: codeGap}, closeNow: true})
	case f.kind == send && f.cseq > s.mark+uplinkWindow:
		return false // left unread until the mark moves
	case s.loop == home(s.dev):
		if !w.srv.boxes[s.dev].uplink(s.nonce, f, false) {
			return false // not consumed: it comes again
		}
	case f.kind == send && !w.credit(s.loop, home(s.dev)):
		return false
	default:
		w.post(s.loop, home(s.dev), part{kind: uplink, dev: s.dev, nonce: s.nonce, f: f})
	}
	pop(&c.up)
	if f.kind == send && f.cseq == s.mark+s.ahead+1 {
		s.ahead++
	}
	w.settle(s.loop)
	return true
}

// end closes the session and lets the mailbox know.
func (w *world) end(c *conn) {
	s := &c.s
	if s.state == attaching || s.state == early || s.state == logged {
		w.post(s.loop, home(s.dev), part{kind: detach, dev: s.dev, nonce: s.nonce})
	}
	s.state = closed
}

// sessionTakes is what the mailbox wants written.
func (w *world) sessionTakes(p part) {
	if p.c.s.state == closed {
		return
	}
	s := &p.c.s
	switch p.kind {
	case hold:
		w.heldBack(p.c)
		return
	case attached:
		s.mark, s.ahead = p.mark, 0
		w.open(p.c)
	}
	if p.mark > s.mark && (p.f.kind == tick || w.rules.has(PushTellsMark)) {
		s.ahead -= min(s.ahead, p.mark-s.mark)
		s.mark = p.mark
	}
	p.c.toClient(p.f)
	if p.closeNow {
		w.end(p.c)
		p.c.cut = true
	}
}

// mayRestart says whether the process may end once more.
func (w *world) mayRestart() bool {
	if w.mode == Disk {
		return w.crashes < crashesMax
	}
	return w.restarts < restartsMax
}

// restart loses everything but the number of the data, which becomes another one. With a disk it is a crash.
func (w *world) restart() {
	if w.mode == Disk {
		w.fall()
		return
	}
	w.restarts++
	w.tell("the server loses its data")
	for i := range w.srv.boxes {
		for _, e := range w.srv.boxes[i].entries {
			if e.f.kind != receipt {
				m := &w.msgs[e.f.msg]
				m.excused, m.stored, m.rejected = true, false, false
			}
		}
	}
	for i := range w.msgs {
		m := &w.msgs[i]
		m.again = m.again || m.storedEra != 0 || m.refusedForGood
	}
	w.cutAll()
	w.srv = server{inc: w.srv.inc + 1, era: w.srv.era + 1, nonces: w.srv.nonces}
	for i := range w.srv.boxes {
		w.srv.boxes[i].w, w.srv.boxes[i].dev = w, i
	}
}

// cutAll ends every connection as the end of a process does: what was not read is lost.
func (w *world) cutAll() {
	for _, c := range w.conns {
		w.cutAt(c)
		c.up, c.eof, c.s.state = nil, true, closed
	}
}
