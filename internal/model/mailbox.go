package model

// entry is one waiting stanza; its frame has the seq.
type entry struct {
	f    frame
	turn uint64 // in which it was noted
}

// status is the state of a SEND above the mark.
type status uint8

const (
	inflight status = iota + 1
	done
	doneRejected
	lost    // its answer was: it is taken again when it comes again
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
	token      uint64 // of that registration
	mark       uint64
	window     []slot // from mark+1 on; the last one is not lost
	refused    bool   // the next one was, for a while
	tickDue    bool

	counter uint64
	sent    uint64
	entries []entry

	conn  *conn // nil: nobody is attached
	nonce int
	epoch uint32 // the highest of a connection of this generation that was attached
	early bool   // that connection may be a replay

	shown uint64 // the highest seq that any connection may have seen
	owner uint64 // the owner epoch of the last login; a crash may have taken later ones when it is not the present one

	marks   []markTurn // with a disk: marks that are not known to be durable
	kept    uint64     // the mark that is
	told    uint64     // the mark of the last tick
	gone    uint64     // up to this seq entries were dropped
	genTurn uint64     // in which the generation was noted
	waits   bool       // SUCCESS waits for the generation to be durable
}

func (b *mailbox) listensTo(nonce int) bool {
	return !b.w.rules.has(SessionFencing) || b.conn != nil && nonce == b.nonce
}

// toSession sends a frame to whoever is attached.
func (b *mailbox) toSession(kind partKind, f frame) {
	if b.conn == nil {
		return
	}
	b.w.post(home(b.dev), b.conn.s.loop, part{kind: kind, dev: b.dev, c: b.conn, f: f, mark: b.mark, closeNow: f.kind == fatal})
}

// attach is a login.
func (b *mailbox) attach(p part) {
	if p.f.early && !b.ordinary(p.f) {
		b.w.post(home(b.dev), p.c.s.loop, part{kind: hold, dev: b.dev, c: p.c})
		return
	}
	before := *b
	if why := b.register(p.f); why != 0 {
		b.w.post(home(b.dev), p.c.s.loop, part{kind: toSession, dev: b.dev, c: p.c, f: frame{kind: fatal, code: why}, closeNow: true})
		return
	}
	b.exists = true
	b.checkEarly(p, &before)
	b.w.tell("mailbox %d: attached, gen %d, mark %d, ticked %d", b.dev, b.gen, b.mark, p.f.cseq)
	if b.conn != nil {
		b.toSession(toSession, frame{kind: fatal, code: codeReplaced})
	}
	b.conn, b.nonce, b.epoch, b.refused = p.c, p.nonce, max(b.epoch, p.f.epoch), false
	b.owner = b.w.disk.owner
	if b.early = p.f.early; !b.early || !b.w.rules.has(EarlyUnannounced) {
		b.announce()
	}
	if b.w.rules.has(RedeliverWindow) {
		b.sent = 0
	}
	b.noteHead()
	b.waits = b.genPending()
	b.welcomeNow()
}

// register settles generation, mark and what is acknowledged, or says why not.
func (b *mailbox) register(h frame) code {
	same := h.incarnation == b.w.srv.inc
	again := h.gen == 0 && h.seq == b.token && b.gen == b.registered && b.w.rules.has(RegistrationToken)
	switch {
	case again || h.gen != 0 && b.exists && h.gen == b.gen:
		return b.welcome(h, same && !again)
	case h.gen == 0:
		b.begin(b.newGeneration(), 0)
		b.token = h.seq
	case !b.exists, !same && h.gen > b.gen && (b.gen != b.registered || !b.w.rules.has(AdoptOverAdopted)):
		b.begin(h.gen, h.cseq)
	default:
		return codeStale
	}
	return 0
}

// welcome takes back a client of the present generation, unless it has said HELLO again since and that one is attached.
func (b *mailbox) welcome(h frame, same bool) code {
	switch {
	case b.conn != nil && h.epoch < b.epoch && b.w.rules.has(ConnectionEpoch):
		return codeReplaced
	case b.conn != nil && b.early && !b.w.rules.has(EarlyGivesWay):
		return codeReplaced
	case same && h.seq > b.given():
		return codeAckInvalid
	case same:
		b.dropTo(h.seq)
	}
	if h.cseq > b.mark && b.w.rules.has(ServerAdoptsMark) {
		b.window = b.window[min(uint64(len(b.window)), h.cseq-b.mark):]
		b.mark = h.cseq
		b.adoptMark()
	}
	b.moveMark(b.mark)
	return 0
}

func (b *mailbox) begin(gen uint32, mark uint64) {
	if !b.w.rules.has(ServerAdoptsMark) {
		mark = 0
	}
	b.gen, b.mark, b.window, b.epoch = gen, mark, nil, 0
	b.genTurn = b.turn()
	b.adoptMark()
}

// newGeneration is one that no peer can remember: counted on from the last one given out on this data, the first
// from the data itself. One adopted from a client says nothing about which were given out before.
func (b *mailbox) newGeneration() uint32 {
	base := b.registered
	if !b.w.rules.has(GenerationsRegistered) {
		base = b.gen
	}
	if base == 0 && b.w.rules.has(GenerationByData) {
		base = b.w.firstGen[int(b.w.srv.inc)%len(b.w.firstGen)]
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
	i, next := f.cseq-b.mark-1, uint64(len(b.window))
	switch {
	case i < next && b.window[i].st == lost:
		return b.admit(f, travelled)
	case i < next:
		if b.window[i].st == refused || !b.w.rules.has(UplinkMark) {
			b.window[i].st = inflight
			b.route(f)
		}
	case i > next && b.refused && b.w.rules.has(IgnoreAfterRefusal):
	case i > next:
		b.toSession(toSession, frame{kind: fatal, code: codeGap})
	case i >= uplinkWindow:
		b.toSession(toSession, frame{kind: fatal, code: codeWindow})
	default:
		return b.admit(f, travelled)
	}
	return true
}

// admit takes a SEND that is the next one, or whose answer was lost: now or later.
func (b *mailbox) admit(f frame, travelled bool) bool {
	if !b.w.credit(home(b.dev), home(f.peer)) && !travelled {
		return false
	}
	if b.mustWait(f, travelled) {
		b.refused = true
		if !b.w.rules.has(IgnoreAfterRefusal) {
			b.note(f, refused)
		}
		b.toSession(toSession, frame{kind: refusal, cseq: f.cseq})
		return true
	}
	b.refused = false
	b.note(f, inflight)
	b.route(f)
	return true
}

// note puts a SEND into the window.
func (b *mailbox) note(f frame, st status) {
	i := f.cseq - b.mark - 1
	if i == uint64(len(b.window)) {
		b.window = append(b.window, slot{})
	}
	b.window[i] = slot{st, f.msg}
}

// mustWait is a temporary refusal: always at the sender's side and before the SEND is routed.
func (b *mailbox) mustWait(f frame, travelled bool) bool {
	if b.w.rules.has(RejectionReserved) && b.count(reject)+b.taken() >= rejectionsMax {
		return true
	}
	if travelled && !b.w.credit(home(b.dev), home(f.peer)) {
		return true
	}
	return !b.w.calm && b.w.r.IntN(6) == 0
}

// taken counts the SENDs above the mark that may become rejections.
func (b *mailbox) taken() (n int) {
	for _, s := range b.window {
		if s.st != lost {
			n++
		}
	}
	return n
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
		if m.storedEra == b.w.srv.era && !m.givenBack {
			b.w.failf("cseq %d of device %d was stored twice", p.first, p.from)
		}
		m.twice = m.twice || m.storedEra != 0
		m.stored, m.storedEra, m.excused, m.fetched = true, b.w.srv.era, false, false
		m.storedSeq = b.add(frame{kind: deliver, peer: p.from, gen: p.gen, cseq: p.first, msg: p.msg})
	case b.w.rules.has(FullBeforeTick):
		m.refusedForGood = true
		m.mayBeBoth = m.storedEra != 0 && (m.storedEra != b.w.srv.era || m.givenBack)
		answer.kind = rejected
	}
	b.w.tell("mailbox %d: cseq %d of device %d, answer %d (%d stored, %d rejected)", b.dev, p.first, p.from, answer.kind, stored, rejected)
	b.w.post(home(b.dev), home(p.from), answer)
}

// settled is the recipient's answer to a SEND.
func (b *mailbox) settled(p part) {
	if p.gen != b.gen || p.first <= b.mark || p.first > b.mark+uint64(len(b.window)) {
		return
	}
	s := &b.window[p.first-b.mark-1]
	if s.st != inflight {
		return
	}
	wait := p.kind == rejected && p.first > b.mark+1 && b.w.rules.has(RejectionWithMark)
	if b.w.fault() || wait && b.w.held(home(b.dev)) >= b.w.heldRoom && b.w.rules.has(HeldBounded) {
		b.giveBack(p)
		return
	}
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
	if n := b.w.held(home(b.dev)); n > b.w.heldRoom {
		b.w.failf("%d rejections of a loop wait for their mark", n)
	}
}

// giveBack forgets a SEND whose answer is lost. The client is sent away, returns, and sends it again.
func (b *mailbox) giveBack(p part) {
	m := &b.w.msgs[p.msg]
	m.again, m.givenBack, m.refusedForGood = true, true, false
	b.w.tell("mailbox %d: the answer to cseq %d is lost", b.dev, p.first)
	if b.w.rules.has(LostTakenAgain) {
		b.window[p.first-b.mark-1].st = lost
	}
	for n := len(b.window); n > 0 && b.window[n-1].st == lost; n-- {
		b.window = b.window[:n-1]
	}
	if b.w.rules.has(LostExpels) {
		b.toSession(toSession, frame{kind: fatal, code: codeCrashed})
	}
}

// moveMark passes every SEND at its front that is done, each together with its rejection.
func (b *mailbox) moveMark(settled uint64) {
	before := b.mark
	defer func() { b.noteMark(before) }()
	for len(b.window) > 0 {
		s := b.window[0]
		if s.st == inflight || s.st == lost || s.st == refused {
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
		f.seq = b.nextSeq()
		b.toSession(toSession, f)
		return
	}
	b.w.msgs[msg].rejected = true
	b.w.msgs[msg].rejectedSeq = b.add(f)
}

// tick sends the cumulative first tick.
func (b *mailbox) tick() bool {
	if !b.tickDue {
		return false
	}
	mark := b.promised(TickWhenDurable)
	if mark < b.mark && mark == b.told || b.waits {
		return false // it is told when more is durable
	}
	b.tickDue, b.told = mark < b.mark, mark
	b.toSession(toSession, frame{kind: tick, cseq: mark})
	return true
}

// add appends an entry and pushes what the window lets through.
func (b *mailbox) add(f frame) uint64 {
	f.seq = b.nextSeq()
	b.entries = append(b.entries, entry{f: f, turn: b.turn()})
	b.jot(note{kind: noteAppend, f: f})
	if n := b.count(reject); n > rejectionsMax {
		b.w.failf("mailbox of device %d holds %d rejections", b.dev, n)
	}
	if n := b.count(deliver); n > b.w.room {
		b.w.failf("mailbox of device %d holds %d messages", b.dev, n)
	}
	b.push()
	return f.seq
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
	if b.conn == nil || b.waits {
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
		if e.f.kind == reject && b.pending(e.turn) && b.w.rules.has(RejectionWhenDurable) {
			return // it is a tick
		}
		b.sent, b.shown = e.f.seq, max(b.shown, e.f.seq)
		b.toSession(toSession, e.f)
	}
}

// acked is the client's ACK.
func (b *mailbox) acked(seq uint64) {
	if seq > b.pushed() {
		b.toSession(toSession, frame{kind: fatal, code: codeAckInvalid})
		return
	}
	b.dropTo(seq)
	b.push()
}

// dropTo removes what the device has and makes the second ticks, neighbours of one stream as one range, whatever lies between:
// it went to others, or was rejected.
func (b *mailbox) dropTo(seq uint64) {
	var r part
	if len(b.entries) > 0 && b.entries[0].f.seq <= seq {
		b.gone = seq
		b.jot(note{kind: noteDrop, f: frame{seq: seq}})
	}
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
		b.w.msgs[f.msg].fetched = true
		if r.kind == 0 || r.dev != f.peer || r.gen != f.gen || f.cseq <= r.last && b.w.rules.has(ReceiptForwards) {
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
		b.w.untold(p)
		return
	}
	if n := len(b.entries); n > 0 {
		if f := &b.entries[n-1].f; f.kind == receipt && f.seq > b.seen() && f.peer == p.from && f.gen == p.gen && p.first >= f.cseq {
			f.last = max(f.last, p.last)
			b.jot(note{kind: noteReplace, f: *f})
			return
		}
	}
	if b.count(receipt) >= receiptsMax {
		b.w.untold(p)
		return
	}
	b.add(frame{kind: receipt, peer: p.from, gen: p.gen, cseq: p.first, last: p.last})
}
