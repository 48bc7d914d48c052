package shard

import (
	"math"
	"slices"

	"trunkline/codec"
	"trunkline/store"
)

// Removal of devices. The mailbox of a device that was removed is gone: nothing waits in it, no message finds it, and it remembers of which
// registration it was, so that only a newer one begins it anew. When the disk has that, and the accounts count generations, nothing depends on
// it any more, and it leaves memory and disk.

// RemoveDevice ends a device of a user of this loop: its session is closed (CodeDeviceRemoved), what waits for it is dropped, and messages to it
// are rejected (CodeNoSuchDevice) until it registers again. gen is the generation that the account has since; a mailbox that has reached it was
// registered again meanwhile and stays. 0: nobody keeps generations but the mailbox. When it is durable, then is told; if that is the device's own
// connection, it is closed behind that.
func (s *Shard) RemoveDevice(now int64, user uint64, device uint8, gen uint16, then Reply) {
	s.current = message{
		kind: msgRemove, user: user, device: device, gen: gen, conn: then.Conn, first: uint64(then.Loop), payload: then.Frame, from: int32(s.cfg.Loop),
	}
	s.take(now)
	s.drainLocal(now)
}

// takeRemove ends one device of a user that is in memory.
func (s *Shard) takeRemove(now int64, m *message) {
	then := Reply{Loop: int(m.first), Conn: m.conn, Frame: slices.Clone(m.payload)}
	ends := false
	if index := s.find(m.user, m.device, 0); index != 0 && !ownDevice(m.device) {
		ends = s.endDevice(now, index, *m)
	}
	s.replyLater(then)
	if ends {
		s.endLater(then)
	}
	s.drainLocal(now)
}

// endDevice steps a mailbox with a removal. It returns true when the connection that has asked for it is the device's own, and still there.
func (s *Shard) endDevice(now int64, index uint32, m message) (ends bool) {
	m.kind, m.payload, m.timeSec = msgRemove, nil, uint32(now/1000)
	s.mailboxEv = mailboxEvent{kind: evMessage, index: index, message: &m}
	before := *s.mailboxes.At(index)
	s.stepMailbox(now)
	if s.mailboxes.At(index).state != mailboxGone || before.state == mailboxGone {
		return false
	}
	s.stats.Removed++
	return before.attached() && before.asks(&m)
}

// asks says whether a removal was asked for by the attached session.
func (m *mailbox) asks(msg *message) bool {
	return msg.conn != 0 && m.conn == msg.conn && uint64(m.loop) == msg.first
}

// becomeGone ends the device. Its session is sent away, unless it has asked for this: then it hears the answer first.
func (m *mailbox) becomeGone(msg *message, w *world, out *effects) {
	if msg.gen != 0 && m.flags&flagAccount != 0 && int16(m.gen-msg.gen) >= 0 {
		return
	}
	if m.attached() && !m.asks(msg) {
		m.toSession(out, msgKick).code = uint8(codec.CodeDeviceRemoved)
	}
	if m.state == mailboxOnline {
		m.seenSec = msg.timeSec
		m.announce(w, out)
	}
	if m.entries|m.notices != 0 {
		out.queue = append(out.queue, queueEffect{
			op: queueDiscard, entry: store.Entry{Key: store.Key{User: m.user, Device: m.device, Seq: m.last}},
		})
	}
	if m.held != 0 {
		out.release = math.MaxUint64
	}
	m.state, m.conn, m.loop = mailboxGone, 0, 0
	m.acked, m.sent = m.last, m.last
	m.entries, m.notices, m.rejections, m.bytes, m.window, m.windowBytes = 0, 0, 0, 0, 0, 0
	m.done, m.inflight, m.unticked = 0, 0, 0
	m.flags &= flagTicking | flagStarved | flagAccount
}

// stepGone is a mailbox whose device was removed.
func (m *mailbox) stepGone(now int64, ev *mailboxEvent, w *world, out *effects) {
	switch ev.kind {
	case evTick:
		m.flags &^= flagTicking
		return
	case evCredit:
		m.flags &^= flagStarved
		return
	case evMessage:
	default: // what it waited for is of no use any more
		return
	}
	switch ev.message.kind {
	case msgAttach:
		m.attachGone(now, ev, w, out)
	case msgReceipt:
		w.stats.ReceiptsIn++
		w.stats.ReceiptsDropped++
		if ev.message.seq != 0 {
			answer(ev.message, msgStored, out)
		}
	case msgRoute: // only what is kept nowhere comes here
		w.stats.EphemeralDropped++
	}
}

// attachGone lets a newer registration begin the mailbox anew.
func (m *mailbox) attachGone(now int64, ev *mailboxEvent, w *world, out *effects) {
	msg := ev.message
	switch {
	case msg.code == attachEarly:
		heldBack(msg, w, out)
		return
	case !m.yieldsTo(msg):
		answerSession(msg, msgRefused, out).code = uint8(codec.CodeDeviceRemoved)
		return
	}
	m.state = mailboxOffline
	m.attach(now, ev, w, out)
	if !m.attached() {
		m.state = mailboxGone
	}
}

// yieldsTo says whether a login is of a later registration than the one that was removed. Where nobody keeps generations but the mailbox, who has no
// state registers anew, but for a HELLO that the removed device has sent before.
func (m *mailbox) yieldsTo(msg *message) bool {
	if msg.peerGen != 0 {
		return m.flags&flagAccount == 0 || int16(msg.peerGen-m.gen) > 0
	}
	token := foldToken(msg.first)
	return msg.gen == 0 && (token == 0 || token != m.token)
}

// receiver is the mailbox of a device that messages find. gone: it was removed.
func (s *Shard) receiver(user uint64, device uint8) (index uint32, gone bool) {
	if index = s.find(user, device, 0); index != 0 && s.mailboxes.At(index).state == mailboxGone {
		return 0, true
	}
	return index, false
}

// offerGone has a mailbox leave memory and disk at the end of a turn, when it may.
func (s *Shard) offerGone(index uint32, m *mailbox) {
	if s.mayVanish(m) {
		s.vanishing = append(s.vanishing, index)
	}
}

// mayVanish says whether nothing depends on a mailbox any more: it is gone, the disk has that, and the accounts count its generations; or it is one
// of the server's own of a user, and empty.
func (s *Shard) mayVanish(m *mailbox) bool {
	switch {
	case s.cfg.Disk == nil, m.ledger != 0, m.held != 0, m.flags&(flagTicking|flagStarved) != 0, s.parked[m.user] != nil:
		return false
	case m.state == mailboxGone:
		return m.flags&flagAccount != 0 || m.registered == 0
	}
	return ownDevice(m.device) && !isGroup(m.user) && m.state == mailboxOffline && m.entries|m.notices == 0 &&
		s.states[m.user] == nil && s.deletions[m.user] == nil
}

// vanish has those leave that were offered. What they may have given out as seqs is not given out again: the floor of new mailboxes rises.
func (s *Shard) vanish() {
	for _, index := range s.vanishing {
		if !s.mailboxes.Live(index) {
			continue
		}
		m := s.mailboxes.At(index)
		if m.state == mailboxFree || !s.mayVanish(m) {
			continue
		}
		s.cfg.Disk.WriteBack(&store.Head{User: m.user, Device: m.device, Last: m.last, Acked: m.last, Gone: true}, everything, store.SeqRange{})
		s.wheel.seqFloor = max(s.wheel.seqFloor, m.last)
		s.stats.MailboxesIdle -= m.idle()
		s.stats.Vanished++
		delete(s.crowds, companion{m.user, m.device})
		user := m.user
		s.takeOut(index, m)
		if s.cfg.MailboxIdleMs > 0 {
			*m = mailbox{due: m.due} // freed when its bucket on the wheel is due
		} else {
			s.mailboxes.Free(index)
		}
		if s.users.first(user) == 0 {
			s.leaveMemory(user)
		}
	}
	s.vanishing = s.vanishing[:0]
}

// takeOut takes a mailbox off its user's list; the user goes with the last one.
func (s *Shard) takeOut(index uint32, m *mailbox) {
	switch first := s.users.first(m.user); {
	case first != index:
		s.unlink(first, index, m)
	case m.next != 0:
		s.users.put(m.user, m.next)
		s.handSeen(m.next, m)
	default:
		s.users.remove(m.user)
	}
}
