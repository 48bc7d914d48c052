package shard

import (
	"trunkline/codec"
	"trunkline/store"
)

// The window: at most WindowEntriesMax entries or WindowBytesMax are with the client without its ACK. What does not fit waits
// in the Queue and is pushed when an ACK makes room.

// windowCost is what an entry takes of the window.
func windowCost(payloadBytes int) uint32 { return uint32(payloadBytes) + windowEntryBytes }

// windowOpen says whether one more entry may go out.
func (m *mailbox) windowOpen(payloadBytes int) bool {
	return m.window < WindowEntriesMax && (m.window == 0 || m.windowBytes+windowCost(payloadBytes) <= WindowBytesMax)
}

// caughtUp says whether nothing waits: what is added now may go out at once.
func (m *mailbox) caughtUp() bool {
	return m.attached() && m.sent == m.last && m.flags&flagUnsettled == 0
}

// add appends an entry; payload must stay valid until the step's effects are applied.
func (m *mailbox) add(e *store.Entry, payload []byte, w *world, out *effects) {
	direct := m.caughtUp() && !(w.cfg.Durable && isGated(e))
	m.last = m.lastEver(w) + 1
	e.Key = store.Key{User: m.user, Device: m.device, Seq: m.last}
	out.queue = append(out.queue, queueEffect{op: queueAppend, entry: *e, payload: payload})
	if e.Kind == entryMessage {
		m.entries++
		m.bytes += uint32(len(payload))
	} else {
		m.notices++
		if e.Kind == entryRejected {
			m.rejections++
		}
	}
	if !direct || !m.windowOpen(len(payload)) {
		if w.cfg.Durable && isGated(e) && m.attached() {
			m.flags |= flagBehind
		}
		return
	}
	if w.credit(int(m.loop)) < pushCost(len(payload)) {
		m.starve(out)
		return
	}
	start := len(out.scratch)
	m.encode(e, payload, w, out)
	m.postPush(start, out)
}

// pushCost is the credit that the push of an entry takes, frame and message.
func pushCost(payloadBytes int) int { return payloadBytes + windowEntryBytes + messageBytes }

// starve has the push tried again when the other loop has taken what waits for it.
func (m *mailbox) starve(out *effects) {
	if m.flags&flagStarved == 0 {
		m.flags |= flagStarved
		out.starved = true
	}
}

// push hands out what waits, oldest first, as far as the window and the way to the session allow.
func (m *mailbox) push(w *world, out *effects) {
	if !m.attached() || m.sent == m.last || m.window >= WindowEntriesMax || m.flags&flagUnsettled != 0 {
		return
	}
	p := &w.pushing
	p.m, p.w, p.out, p.start, p.room = m, w, out, len(out.scratch), w.credit(int(m.loop))
	p.present, p.settled = w.present(m), w.settled(m)
	w.cfg.Queue.Scan(m.user, m.device, m.sent, p.f)
	m.flags &^= flagBehind
	if !p.stopped && p.present != everything {
		out.fetch = true
		m.flags |= flagBehind
	} else if p.gated {
		m.flags |= flagBehind
	}
	if len(out.scratch) > p.start {
		m.postPush(p.start, out)
	}
	*p = pushScan{f: p.f}
}

// pushScan is the callback of push. It is made once for a shard: a closure for each push would be garbage.
type pushScan struct {
	f     func(e *store.Entry, payload []byte) bool
	m     *mailbox
	w     *world
	out   *effects
	start int // of the frames that are not posted yet
	room  int

	present, settled uint64 // as in world
	stopped, gated   bool   // not for want of entries in memory; for one that is gated
}

func (p *pushScan) entry(e *store.Entry, payload []byte) bool {
	if e.Seq > p.present {
		return false
	}
	p.gated = e.Seq > p.settled && isGated(e)
	if p.stopped = p.gated || !p.m.windowOpen(len(payload)); p.stopped {
		return false
	}
	if p.room -= pushCost(len(payload)); p.room < 0 {
		p.m.starve(p.out)
		p.stopped = true
		return false
	}
	if n := len(p.out.scratch) - p.start; n > 0 && n+len(payload) > pushBytesMax {
		p.m.postPush(p.start, p.out)
		p.start = len(p.out.scratch)
	}
	if e.Kind == entryMessage {
		p.w.stats.MessagesWaited++
	}
	p.m.encode(e, payload, p.w, p.out)
	return true
}

// encode adds the frame of an entry to the scratch memory and counts it as sent.
func (m *mailbox) encode(e *store.Entry, payload []byte, w *world, out *effects) {
	if e.Kind == entryMessage {
		w.stats.MessagesOut++
		d := codec.Deliver{
			Seq: e.Seq, From: e.Peer, Device: e.PeerDevice, Kind: e.PayloadTag, Gen: e.Gen, ID: e.First,
			TimeSec: e.TimeSec, Flags: codec.Flags(e.Flags), Blob: payload,
		}
		if d.Flags&codec.FlagGroup != 0 {
			d.Group, d.GroupSeq, d.Blob = splitGroup(payload)
		}
		out.scratch = must(codec.AppendDeliver(out.scratch, &d))
	} else {
		w.stats.ReceiptsOut++
		r := codec.Receipt{
			Seq: e.Seq, Kind: codec.ReceiptKind(e.Kind), Code: e.Code, Device: e.PeerDevice, Gen: e.Gen, Peer: e.Peer,
			First: e.First, Last: e.Last, TimeSec: e.TimeSec,
		}
		if codec.Flags(e.Flags)&codec.FlagGroup != 0 {
			r.Flags, r.Group, r.Peer = codec.FlagGroup, groupID(e.Peer), 0
		}
		out.scratch = must(codec.AppendReceipt(out.scratch, &r))
	}
	m.sent = e.Seq
	m.window++
	m.windowBytes += windowCost(len(payload))
}

// postPush posts the frames of the scratch memory from start on.
func (m *mailbox) postPush(start int, out *effects) {
	t := m.toSession(out, msgPush)
	t.first, t.last = m.ticked(), m.sent
	t.payload = out.scratch[start:len(out.scratch):len(out.scratch)]
}

// acknowledge drops entries up to seq and tells their senders (second tick).
func (m *mailbox) acknowledge(now int64, seq uint64, w *world, out *effects) {
	if seq <= m.acked {
		return
	}
	if m.entries+m.notices > 0 {
		a := &w.acking
		a.m, a.w, a.out, a.upTo, a.timeSec = m, w, out, seq, uint32(now/1000)
		w.cfg.Queue.Scan(m.user, m.device, m.acked, a.f)
		*a = ackScan{f: a.f}
		out.queue = append(out.queue, queueEffect{
			op: queueDrop, entry: store.Entry{Key: store.Key{User: m.user, Device: m.device, Seq: seq}},
		})
	}
	m.acked = seq
	m.sent, m.last = max(m.sent, seq), max(m.last, seq)
}

// lastEver is the highest seq that may have been given out: after a crash, whatever earlier owners have.
func (m *mailbox) lastEver(w *world) uint64 {
	return max(m.last, uint64(w.cfg.OwnerEpoch)<<seqCounterBits)
}

// ackScan is the callback of acknowledge, made once for a shard.
type ackScan struct {
	f       func(e *store.Entry, payload []byte) bool
	m       *mailbox
	w       *world
	out     *effects
	upTo    uint64
	timeSec uint32
}

func (a *ackScan) entry(e *store.Entry, payload []byte) bool {
	m := a.m
	if e.Seq > a.upTo {
		return false
	}
	if m.attached() && e.Seq <= m.sent {
		m.window--
		m.windowBytes -= windowCost(len(payload))
	}
	if e.Kind != entryMessage {
		m.notices--
		if e.Kind == entryRejected {
			m.rejections--
		}
		return true
	}
	m.entries--
	m.bytes -= uint32(len(payload))
	a.w.stats.MessagesAcked++
	if codec.Flags(e.Flags)&codec.FlagGroup != 0 {
		a.groupMark(payload)
	} else {
		a.secondTick(e)
	}
	return true
}

// groupMark tells a group how far its member is.
func (a *ackScan) groupMark(payload []byte) {
	id, gseq, _ := splitGroup(payload)
	place, _ := placeOf(id)
	if n := len(a.out.posts); n > 0 {
		r := &a.out.posts[n-1].message
		if r.kind == msgMark && r.user == place {
			r.first = max(r.first, gseq)
			return
		}
	}
	r := a.out.post(a.w.home(place), msgMark)
	r.user, r.peer, r.first, r.code = place, a.m.user, gseq, uint8(codec.ReceiptDelivered)
}

// secondTick tells a sender that its message is with the device. Neighbours of one stream are told together, whatever cseqs lie
// between them: those went to others, for what went here came in order.
func (a *ackScan) secondTick(e *store.Entry) {
	if n := len(a.out.posts); n > 0 {
		r := &a.out.posts[n-1].message
		if r.kind == msgReceipt && r.user == e.Peer && r.device == e.PeerDevice && r.gen == e.Gen && r.last < e.First {
			r.last = e.First
			return
		}
	}
	r := a.out.post(a.w.home(e.Peer), msgReceipt)
	r.user, r.device, r.gen = e.Peer, e.PeerDevice, e.Gen
	r.peer, r.peerDevice = a.m.user, a.m.device
	r.first, r.last, r.timeSec, r.code = e.First, e.First, a.timeSec, uint8(codec.ReceiptDelivered)
}
