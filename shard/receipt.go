package shard

import (
	"trunkline/codec"
	"trunkline/store"
)

// takeReceipt keeps what became of messages that this device has sent. A receipt for another generation tells nobody anything.
func (m *mailbox) takeReceipt(msg *message, w *world, out *effects) {
	if msg.seq != 0 {
		answer(msg, msgStored, out)
	}
	w.stats.ReceiptsIn++
	switch {
	case msg.gen != m.gen && (m.gen != 0 || w.stats.Culled == 0): // culled, it does not know its generation until the next login
		w.stats.ReceiptsDropped++
	case m.coalesce(msg, w, out):
	case m.notices-uint32(m.rejections) >= ReceiptEntriesMax:
		w.stats.ReceiptsDropped++
	default:
		e := store.Entry{
			Kind:       store.EntryKind(msg.code),
			Peer:       msg.peer,
			PeerDevice: msg.peerDevice,
			Gen:        msg.gen,
			First:      msg.first,
			Last:       msg.last,
			TimeSec:    msg.timeSec,
			Flags:      uint8(msg.flags & codec.FlagGroup),
		}
		m.add(&e, nil, w, out)
	}
}

// coalesce lets the newest entry grow when it is a receipt of the same stream that this one goes on, and the client has not
// seen it yet.
func (m *mailbox) coalesce(msg *message, w *world, out *effects) bool {
	if m.notices == 0 || m.sent == m.last || m.attached() {
		return false // the newest entry is gone, or some connection was shown it, or may have been
	}
	e, ok := w.cfg.Queue.Last(m.user, m.device)
	if !ok || e.Seq != m.last || e.Kind != store.EntryKind(msg.code) || e.Peer != msg.peer ||
		e.PeerDevice != msg.peerDevice || e.Gen != msg.gen {
		return false
	}
	// Delivered comes in the order of the stream, so what lies between went to others. What a person reads has no order.
	gaps := codec.ReceiptKind(msg.code) == codec.ReceiptDelivered
	if msg.first < e.First || msg.first > e.Last+1 && !gaps {
		return false
	}
	e.Last = max(e.Last, msg.last)
	e.TimeSec = msg.timeSec
	out.queue = append(out.queue, queueEffect{op: queueReplace, entry: e})
	return true
}

// takeRoute appends a message for this device, or with FlagNoStore shows it to whoever is there.
func (m *mailbox) takeRoute(ev *mailboxEvent, w *world, out *effects) {
	msg := ev.message
	if msg.flags&codec.FlagNoStore != 0 {
		m.pushEphemeral(ev, w, out)
		return
	}
	e := store.Entry{
		Kind:       entryMessage,
		Flags:      uint8(msg.flags & codec.FlagUrgent),
		PayloadTag: ev.part.Kind,
		Peer:       msg.peer,
		PeerDevice: msg.peerDevice,
		Gen:        msg.peerGen,
		First:      msg.seq,
		TimeSec:    msg.timeSec,
	}
	m.add(&e, ev.part.Blob, w, out)
}

// pushEphemeral writes a message that is kept nowhere. It is dropped when nobody is there or anything else has to wait.
func (m *mailbox) pushEphemeral(ev *mailboxEvent, w *world, out *effects) {
	msg, blob := ev.message, ev.part.Blob
	if !m.caughtUp() || !m.windowOpen(len(blob)) || w.credit(int(m.loop)) < pushCost(len(blob)) {
		w.stats.EphemeralDropped++
		return
	}
	w.stats.MessagesOut++
	d := codec.Deliver{
		From: msg.peer, Device: msg.peerDevice, Kind: ev.part.Kind, Gen: msg.peerGen, ID: msg.seq,
		TimeSec: msg.timeSec, Flags: msg.flags & (codec.FlagNoStore | codec.FlagUrgent), Blob: blob,
	}
	start := len(out.scratch)
	out.scratch = must(codec.AppendDeliver(out.scratch, &d))
	t := m.toSession(out, msgPush)
	t.payload = out.scratch[start:len(out.scratch):len(out.scratch)]
}

// answer posts the fate of a route or receipt back to where it came from.
func answer(msg *message, kind messageKind, out *effects) *message {
	t := out.post(int(msg.from), kind)
	t.user, t.device, t.gen, t.hint = msg.peer, msg.peerDevice, msg.peerGen, msg.hint
	t.peer, t.seq, t.timeSec = msg.user, msg.seq, msg.timeSec
	return t
}
