package shard

import (
	"math/bits"

	"trunkline/codec"
	"trunkline/store"
)

// The uplink rule: cseqs are contiguous in a generation. A SEND or RECEIPT is taken once, in order; the mark passes it when
// its fate is decided, and a rejection is appended to the sender's mailbox in that same step. Refusals for a while happen
// here, before anything was routed, so that what follows can't overtake what was refused.
//
// A cseq above the mark is done, in flight, or, below nextCseq, neither: then its answer was lost to a fault of ours, and it
// is routed again when the client sends it again.

// nextCseq is the one cseq that is new and in order.
func (m *mailbox) nextCseq() uint64 {
	return m.mark + 1 + uint64(bits.Len64(m.done|m.inflight))
}

// uplink takes a SEND or a client's RECEIPT of the attached session.
func (m *mailbox) uplink(now int64, ev *mailboxEvent, w *world, out *effects) {
	msg := ev.message
	next := m.nextCseq()
	if msg.seq <= m.mark {
		m.oweTick(out) // the tick was lost: say it again
		return
	}
	at := msg.seq - m.mark - 1
	switch {
	case at < UplinkEntriesMax && (m.done|m.inflight)&(1<<at) != 0:
		return // on its way, or done and waiting for an earlier one
	case msg.seq > next:
		if m.flags&flagRefused == 0 {
			k := m.toSession(out, msgKick)
			k.code, k.first = uint8(codec.CodeCseqGap), next
		}
		return
	case at >= UplinkEntriesMax:
		w.stats.Unexpected++ // the session leaves such a frame unread
		m.expel(out)
		return
	}
	if code := m.refusal(msg, w); code != codec.CodeNone {
		m.refuse(code, msg.seq, refusalRetryMs+uint32(spread(m.user, refusalRetryMs)), w, out)
		return
	}
	messages, conversations := m.messages, m.conversations
	if retryMs := m.overRate(now, msg, w, out); retryMs > 0 {
		m.refuse(codec.CodeRateLimited, msg.seq, retryMs, w, out)
		return
	}
	v := m.guarded(now, msg, w, out)
	if v.Code == codec.CodeRateLimited {
		m.messages, m.conversations = messages, conversations // it comes again, and costs then
		m.refuse(codec.CodeRateLimited, msg.seq, max(v.RetryMs, 1), w, out)
		return
	}
	m.flags &^= flagRefused
	m.inflight |= 1 << at
	if v.Code != codec.CodeNone {
		m.settle(outcome{cseq: msg.seq, code: uint8(v.Code), peer: msg.peer, timeSec: msg.timeSec, group: isGroup(msg.peer)}, w, out)
	} else if msg.kind == msgRead {
		m.routeReceipt(ev, w, out)
	} else {
		m.routeSend(ev, w, out)
	}
}

// refusal says why a stanza can't be taken just now.
func (m *mailbox) refusal(msg *message, w *world) codec.ErrorCode {
	home := w.home(msg.peer)
	switch {
	case msg.kind == msgSend && int(m.rejections)+bits.OnesCount64(m.done|m.inflight) >= RejectionEntriesMax:
		return codec.CodeRateLimited
	case msg.kind == msgSend && msg.code != 0:
		return codec.CodeNone // it goes nowhere
	case msg.flags&codec.FlagNoStore == 0 && w.intakeStopped(home):
		return codec.CodeServerFull
	case w.credit(home) < messageBytes+len(msg.payload):
		return codec.CodeRateLimited // only when the session is elsewhere: else it has looked
	}
	return codec.CodeNone
}

// refuse names the cseq; until it returns, later ones are ignored.
func (m *mailbox) refuse(code codec.ErrorCode, cseq uint64, retryMs uint32, w *world, out *effects) {
	m.flags |= flagRefused
	w.stats.Refusals++
	t := m.toSession(out, msgSoft)
	t.code, t.first, t.timeSec = uint8(code), cseq, retryMs
}

func (m *mailbox) routeSend(ev *mailboxEvent, w *world, out *effects) {
	msg := ev.message
	if msg.code != 0 {
		m.settle(outcome{cseq: msg.seq, code: msg.code, peer: msg.peer, timeSec: msg.timeSec, group: msg.flags&codec.FlagGroup != 0}, w, out)
		return
	}
	r := out.post(w.home(msg.peer), msgRoute)
	r.user, r.peer, r.peerDevice, r.peerGen, r.hint = msg.peer, m.user, m.device, m.gen, ev.index
	r.seq, r.timeSec, r.flags, r.parts, r.payload = msg.seq, msg.timeSec, msg.flags, msg.parts, msg.payload
	r.first, r.last = msg.first, msg.last
}

func (m *mailbox) routeReceipt(ev *mailboxEvent, w *world, out *effects) {
	msg := ev.message
	if isGroup(msg.peer) {
		r := out.post(w.home(msg.peer), msgMark)
		r.user, r.peer, r.peerDevice, r.peerGen, r.hint = msg.peer, m.user, m.device, m.gen, ev.index
		r.first, r.seq, r.timeSec, r.code = msg.last, msg.seq, msg.timeSec, msg.code
		return
	}
	if !validUser(msg.peer) {
		w.stats.ReceiptsDropped++
		m.settle(outcome{cseq: msg.seq}, w, out)
		return
	}
	r := out.post(w.home(msg.peer), msgReceipt)
	r.user, r.device, r.gen = msg.peer, msg.peerDevice, msg.peerGen
	r.peer, r.peerDevice, r.peerGen, r.hint = m.user, m.device, m.gen, ev.index
	r.first, r.last, r.seq, r.timeSec, r.code = msg.first, msg.last, msg.seq, msg.timeSec, msg.code
}

// outcome is the fate of a cseq: done, or with a code rejected.
type outcome struct {
	cseq       uint64
	peer       uint64
	timeSec    uint32
	peerDevice uint8
	code       uint8
	group      bool // peer is a group's place
}

// takeAnswer takes the fate of something that was routed. An answer for another generation is late.
func (m *mailbox) takeAnswer(msg *message, w *world, out *effects) {
	if msg.gen != m.gen {
		return
	}
	o := outcome{cseq: msg.seq}
	if msg.parts > 0 {
		w.stats.MessagesIn++
	}
	if msg.kind == msgRejected {
		o.code, o.peer, o.peerDevice, o.timeSec, o.group = msg.code, msg.peer, msg.peerDevice, msg.timeSec, isGroup(msg.peer)
	}
	m.settle(o, w, out)
}

// settle notes a fate and lets the mark pass what is contiguous, rejections with it.
func (m *mailbox) settle(o outcome, w *world, out *effects) {
	if o.cseq <= m.mark {
		m.passDone(outcome{}, w, out) // told once more after a crash: the mark may have stopped halfway
		return
	}
	at := o.cseq - m.mark - 1
	if at >= UplinkEntriesMax || m.inflight&(1<<at) == 0 {
		w.stats.Unexpected++
		return
	}
	if o.code != 0 && at > 0 && w.helds.Len() >= heldMax {
		m.giveBack(o.cseq, out)
		return
	}
	m.inflight &^= 1 << at
	m.done |= 1 << at
	if o.code != 0 {
		w.stats.Rejections[o.code]++
	}
	if o.code != 0 && at > 0 {
		out.hold = append(out.hold, o)
		return // bit 0 is not done: the mark stays
	}
	m.passDone(o, w, out)
}

// giveBack forgets that a cseq is in flight. The client is sent away, returns, and sends it again.
func (m *mailbox) giveBack(cseq uint64, out *effects) {
	if at := cseq - m.mark - 1; cseq > m.mark && at < UplinkEntriesMax {
		m.inflight &^= 1 << at
	}
	m.expel(out)
}

// expel ends the attached session; its client comes back.
func (m *mailbox) expel(out *effects) {
	if m.attached() {
		m.toSession(out, msgKick).code = uint8(codec.CodeCrashed)
	}
}

// passDone moves the mark over the cseqs that are done, each together with its rejection. last is the one that was settled just
// now. The mark moves first: what is pushed tells it, for a client takes a rejection as a tick and goes on.
func (m *mailbox) passDone(last outcome, w *world, out *effects) {
	n := bits.TrailingZeros64(^m.done)
	if n == 0 {
		return
	}
	before := m.mark
	m.moveMark(before+uint64(n), out)
	if w.cfg.Durable {
		m.unticked += uint8(n)
	}
	if last.code != 0 {
		m.reject(last, w, out) // the first that passes, or it would be held
	}
	for cseq := before + 1; m.held != 0 && cseq <= m.mark; cseq++ {
		if o, ok := w.heldRejection(m.held, cseq); ok {
			m.reject(o, w, out)
		}
	}
	if m.unticked == 0 {
		m.oweTick(out) // else when it is durable
	}
}

// moveMark sets the mark and lets go of the held rejections below it.
func (m *mailbox) moveMark(mark uint64, out *effects) {
	n := mark - m.mark
	m.mark = mark
	m.done >>= n
	m.inflight >>= n
	if m.held != 0 {
		out.release = mark
	}
}

// raiseMark takes over a mark that the client was promised and this server does not remember.
func (m *mailbox) raiseMark(ticked uint64, w *world, out *effects) {
	if ticked > m.mark {
		m.moveMark(ticked, out)
		m.unticked = 0
	}
	m.tickTo(ticked)
	m.passDone(outcome{}, w, out)
}

// oweTick has the mark told at the end of the turn.
func (m *mailbox) oweTick(out *effects) {
	if m.flags&flagTicking == 0 {
		m.flags |= flagTicking
		out.ticking = true
	}
}

// reject appends what the client must know before it forgets its message.
func (m *mailbox) reject(o outcome, w *world, out *effects) {
	e := store.Entry{
		Kind:       store.EntryKind(codec.ReceiptRejected),
		Code:       o.code,
		Peer:       o.peer,
		PeerDevice: o.peerDevice,
		Gen:        m.gen,
		First:      o.cseq,
		Last:       o.cseq,
		TimeSec:    o.timeSec,
	}
	if o.group {
		e.Flags = uint8(codec.FlagGroup)
	}
	m.add(&e, nil, w, out)
}
