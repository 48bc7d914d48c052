package model

// entry is one waiting stanza; its frame has the seq.
type entry struct {
	f frame
}

// status is the state of a SEND above the mark.
type status uint8

const (
	inflight status = iota + 1
	done
	doneRejected
	refused // only without IgnoreAfterRefusal or RefuseBeforeRouting
)

// slot is one SEND of a window.
type slot struct {
	st  status
	msg int
}

// mailbox is a device's record at its home: uplink mark, entries, and who is attached.
type mailbox struct {
	w   *world
	dev int

	exists     bool
	gen        uint32
	registered uint32 // the last generation given out on this data; 0: none
	token      int    // of that registration
	mark       uint64
	window     []slot // from mark+1 on, without gaps
	refusedAt  uint64
	tickDue    bool

	counter uint64
	sent    uint64
	entries []entry

	conn  *conn // nil: nobody is attached
	nonce int
}

func (b *mailbox) listensTo(nonce int) bool {
	return !b.w.rules.has(SessionFencing) || b.conn != nil && nonce == b.nonce
}

// toSession sends a frame to whoever is attached.
func (b *mailbox) toSession(kind partKind, f frame) {
	if b.conn == nil {
		return
	}
	b.w.post(home(b.dev), b.conn.s.loop, part{kind: kind, dev: b.dev, c: b.conn, f: f, closeNow: f.kind == fatal})
}

// attach is a login.
func (b *mailbox) attach(p part) {
	if !b.register(p.f) {
		b.w.post(home(b.dev), p.c.s.loop, part{kind: toSession, dev: b.dev, c: p.c, f: frame{kind: fatal, code: codeStale}, closeNow: true})
		return
	}
	if b.conn != nil {
		b.toSession(toSession, frame{kind: fatal, code: codeReplaced})
	}
	b.conn, b.nonce, b.refusedAt = p.c, p.nonce, 0
	if b.w.rules.has(RedeliverWindow) {
		b.sent = 0
	}
	b.toSession(attached, frame{kind: success, gen: b.gen, incarnation: b.w.srv.inc, cseq: b.mark})
	b.push()
}

// register settles generation, mark and what is acknowledged; false: the client is another device by now.
func (b *mailbox) register(h frame) bool {
	same := h.incarnation == b.w.srv.inc
	switch {
	case h.gen == 0 && h.token == b.token && b.gen == b.registered && b.w.rules.has(RegistrationToken):
	case h.gen == 0:
		b.begin(b.newGeneration(), 0)
		b.token = h.token
	case !b.exists:
		b.begin(h.gen, h.cseq)
	case h.gen == b.gen:
		if same {
			b.dropTo(h.seq)
		}
		if h.cseq > b.mark && b.w.rules.has(ServerAdoptsMark) {
			b.window = b.window[min(uint64(len(b.window)), h.cseq-b.mark):]
			b.mark = h.cseq
		}
	case !same && h.gen > b.gen && (b.gen != b.registered || !b.w.rules.has(AdoptOverAdopted)):
		b.begin(h.gen, h.cseq)
	default:
		return false
	}
	b.exists = true
	return true
}

func (b *mailbox) begin(gen uint32, mark uint64) {
	if !b.w.rules.has(ServerAdoptsMark) {
		mark = 0
	}
	b.gen, b.mark, b.window = gen, mark, nil
}

// newGeneration is one that no peer can remember: counted on from the last one given out on this data, the first
// from the data itself. One adopted from a client says nothing about which were given out before.
func (b *mailbox) newGeneration() uint32 {
	base := b.registered
	if !b.w.rules.has(GenerationsRegistered) {
		base = b.gen
	}
	if base == 0 && b.w.rules.has(GenerationByData) {
		base = b.w.firstGen[b.w.srv.inc]
	}
	b.registered = base + 1
	return b.registered
}

// uplink takes a SEND or an ACK. It returns false when the frame is to wait where it is, which a frame that has
// travelled can't.
func (b *mailbox) uplink(nonce int, f frame, travelled bool) bool {
	if !b.listensTo(nonce) {
		return true
	}
	if f.kind == ack {
		b.acked(f.seq)
		return true
	}
	if f.cseq <= b.mark {
		b.tickDue = true
		if !b.w.rules.has(UplinkMark) {
			b.route(f)
		}
		return true
	}
	if i := f.cseq - b.mark - 1; i < uint64(len(b.window)) {
		if b.window[i].st == refused || !b.w.rules.has(UplinkMark) {
			b.window[i].st = inflight
			b.route(f)
		}
		return true
	}
	return b.fresh(f, travelled)
}

// fresh takes a SEND for the first time: as the next one, or not now, or never.
func (b *mailbox) fresh(f frame, travelled bool) bool {
	if b.refusedAt != 0 && f.cseq > b.refusedAt && b.w.rules.has(IgnoreAfterRefusal) {
		return true
	}
	if f.cseq != b.mark+uint64(len(b.window))+1 {
		b.close(codeGap)
		return true
	}
	if len(b.window) >= uplinkWindow {
		b.close(codeWindow)
		return true
	}
	if !b.w.credit(home(b.dev), home(f.peer)) && !travelled {
		return false
	}
	if b.mustWait(f, travelled) {
		b.refusedAt = f.cseq
		if !b.w.rules.has(IgnoreAfterRefusal) {
			b.window = append(b.window, slot{refused, f.msg})
		}
		b.toSession(toSession, frame{kind: refusal, cseq: f.cseq})
		return true
	}
	b.refusedAt = 0
	b.window = append(b.window, slot{inflight, f.msg})
	b.route(f)
	return true
}

// mustWait is a temporary refusal: always at the sender's side and before the SEND is routed.
func (b *mailbox) mustWait(f frame, travelled bool) bool {
	if b.w.rules.has(RejectionReserved) && b.count(reject)+len(b.window) >= rejectionsMax {
		return true
	}
	if travelled && !b.w.credit(home(b.dev), home(f.peer)) {
		return true
	}
	return !b.w.calm && b.w.r.IntN(6) == 0
}

func (b *mailbox) close(why code) {
	b.toSession(toSession, frame{kind: fatal, code: why})
	b.conn = nil
}

func (b *mailbox) route(f frame) {
	b.w.msgs[f.msg].gen = b.gen
	b.w.post(home(b.dev), home(f.peer), part{kind: route, dev: f.peer, from: b.dev, gen: b.gen, first: f.cseq, msg: f.msg})
}

// take is a SEND at its recipient: stored, or rejected for good.
func (b *mailbox) take(p part) {
	answer := part{kind: stored, dev: p.from, gen: p.gen, first: p.first, msg: p.msg}
	m := &b.w.msgs[p.msg]
	switch {
	case !b.w.rules.has(RefuseBeforeRouting) && !b.w.calm && b.w.r.IntN(8) == 0:
		answer.kind = refusedLate
	case b.count(deliver) < b.w.room:
		if m.storedInc == b.w.srv.inc {
			b.w.failf("cseq %d of device %d was stored twice", p.first, p.from)
		}
		m.stored, m.storedInc, m.excused = true, b.w.srv.inc, false
		b.add(frame{kind: deliver, peer: p.from, gen: p.gen, cseq: p.first, msg: p.msg})
	case b.w.rules.has(FullBeforeTick):
		m.refusedForGood = true
		m.mayBeBoth = m.storedInc != 0 && m.storedInc != b.w.srv.inc
		answer.kind = rejected
	}
	b.w.post(home(b.dev), home(p.from), answer)
}

// settled is the recipient's answer to a SEND.
func (b *mailbox) settled(p part) {
	if p.gen != b.gen || p.first <= b.mark || p.first > b.mark+uint64(len(b.window)) {
		return
	}
	s := &b.window[p.first-b.mark-1]
	switch p.kind {
	case refusedLate:
		s.st = refused
		b.toSession(toSession, frame{kind: refusal, cseq: p.first})
		return
	case rejected:
		s.st = doneRejected
		if !b.w.rules.has(RejectionWithMark) {
			b.keepRejection(p.first, p.msg)
			s.st = done
		}
	default:
		s.st = done
	}
	b.moveMark(p.first)
}

// moveMark passes every SEND at its front that is done, each together with its rejection.
func (b *mailbox) moveMark(settled uint64) {
	for len(b.window) > 0 {
		s := b.window[0]
		if s.st == inflight || s.st == refused {
			if b.w.rules.has(ContiguousMark) || b.mark >= settled {
				return
			}
		}
		b.window = b.window[1:]
		b.mark++
		b.tickDue = true
		if s.st == doneRejected {
			b.keepRejection(b.mark, s.msg)
		}
	}
}

func (b *mailbox) keepRejection(cseq uint64, msg int) {
	f := frame{kind: reject, gen: b.gen, cseq: cseq, msg: msg}
	if !b.w.rules.has(StoredRejection) {
		b.counter++
		f.seq = b.counter
		b.toSession(toSession, f)
		return
	}
	b.w.msgs[msg].rejected = true
	b.add(f)
}

// tick sends the cumulative first tick.
func (b *mailbox) tick() bool {
	if !b.tickDue {
		return false
	}
	b.tickDue = false
	b.toSession(toSession, frame{kind: tick, cseq: b.mark})
	return true
}

// add appends an entry and pushes what the window lets through.
func (b *mailbox) add(f frame) {
	b.counter++
	f.seq = b.counter
	b.entries = append(b.entries, entry{f: f})
	if n := b.count(reject); n > rejectionsMax {
		b.w.failf("mailbox of device %d holds %d rejections", b.dev, n)
	}
	if n := b.count(deliver); n > b.w.room {
		b.w.failf("mailbox of device %d holds %d messages", b.dev, n)
	}
	b.push()
}

func (b *mailbox) count(kind frameKind) (n int) {
	for _, e := range b.entries {
		if e.f.kind == kind {
			n++
		}
	}
	return n
}

// push sends entries above `sent` while the window is open.
func (b *mailbox) push() {
	if b.conn == nil {
		return
	}
	for i, e := range b.entries { // i entries lie before it, all sent and not acknowledged
		if e.f.seq <= b.sent {
			continue
		}
		if i >= windowEntries {
			if b.w.rules.has(WindowLimit) {
				return
			}
			b.w.failf("device %d has %d un-acked entries", b.dev, i+1)
		}
		b.sent = e.f.seq
		b.toSession(toSession, e.f)
	}
}

// acked is the client's ACK.
func (b *mailbox) acked(seq uint64) {
	if seq > b.sent {
		b.close(codeAckInvalid)
		return
	}
	b.dropTo(seq)
	b.push()
}

// dropTo removes what the device has and makes the second ticks, neighbours of one stream as one range.
func (b *mailbox) dropTo(seq uint64) {
	var r part
	flush := func() {
		if r.kind != 0 {
			b.w.post(home(b.dev), home(r.dev), r)
		}
	}
	for len(b.entries) > 0 && b.entries[0].f.seq <= seq {
		f := b.entries[0].f
		b.entries = append(b.entries[:0], b.entries[1:]...)
		if f.kind != deliver {
			continue
		}
		if r.kind == 0 || r.dev != f.peer || r.gen != f.gen {
			flush()
			r = part{kind: delivered, dev: f.peer, from: b.dev, gen: f.gen, first: f.cseq}
		}
		r.last = f.cseq
	}
	flush()
	b.sent = max(b.sent, seq)
}

// takeReceipt keeps a second tick for the sender, joined with the newest one when that was not pushed yet.
func (b *mailbox) takeReceipt(p part) {
	if !b.exists || p.gen != b.gen {
		return
	}
	if n := len(b.entries); n > 0 {
		if f := &b.entries[n-1].f; f.kind == receipt && f.seq > b.sent && f.peer == p.from && f.gen == p.gen && p.first > f.last {
			f.last = p.last
			return
		}
	}
	if b.count(receipt) >= receiptsMax {
		return
	}
	b.add(frame{kind: receipt, peer: p.from, gen: p.gen, cseq: p.first, last: p.last})
}
