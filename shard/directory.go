package shard

import (
	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/store"
)

// The directory: which users and devices there are, and the way of a message to the machine it is for.

// takeForSession gives s.current to a session of this loop.
func (s *Shard) takeForSession(now int64) {
	m := &s.current
	if s.lookup(m.conn) == nil {
		s.unheard(m)
		return
	}
	s.sessionEv = event{kind: evMessage, message: m}
	s.stepSession(now, m.conn, &s.sessionEv)
}

// unheard tells those who speak to a session that is gone. Mostly they have been told already and their words crossed.
func (s *Shard) unheard(m *message) {
	switch m.kind {
	case msgPush:
		s.send(int(m.from), &message{kind: msgDetach, user: m.user, device: m.device, conn: m.conn})
	case msgPresence:
		s.send(int(m.from), &message{kind: msgUnwatch, user: m.peer, conn: m.conn})
	}
}

// takeForMailbox gives s.current to a mailbox of this loop.
func (s *Shard) takeForMailbox(now int64) {
	m := &s.current
	if m.kind == msgReceipt && (ownDevice(m.device) || m.seq != 0 && s.policyOf(m.user).blocks(m.peer)) {
		// The device is the server's own, or who is blocked has read something.
		s.stats.ReceiptsIn++
		s.stats.ReceiptsDropped++
		s.answerReceipt(m)
		return
	}
	index := s.find(m.user, m.device, m.hint)
	if index == 0 {
		s.unclaimed(now, m)
		return
	}
	s.mailboxEv = mailboxEvent{kind: evMessage, index: index, message: m}
	s.stepMailbox(now)
}

// unclaimed ends a message for a device that nobody knows: a receipt, or the farewell of a session that was refused.
func (s *Shard) unclaimed(now int64, m *message) {
	switch {
	case m.kind == msgReceipt && s.returns(m.user, m.device) && s.makeMailbox(m.user, m.device) == codec.CodeNone:
		s.takeForMailbox(now)
		return
	case m.kind == msgReceipt:
	case m.kind == msgDetach, s.stats.Culled > 0: // late, as in an offline mailbox
		return
	default:
		s.stats.Unexpected++
		return
	}
	s.stats.ReceiptsIn++
	s.stats.ReceiptsDropped++
	s.answerReceipt(m)
}

// answerReceipt tells a reader's mailbox that its receipt is dealt with.
func (s *Shard) answerReceipt(m *message) {
	if m.seq == 0 {
		return
	}
	s.out.reset()
	answer(m, msgStored, &s.out)
	s.applyPosts()
}

// takeAttach gives s.current to the mailbox of who logs in; a new device gets one.
func (s *Shard) takeAttach(now int64) {
	m := &s.current
	index := s.find(m.user, m.device, 0)
	if s.sessionsFull(m, index) {
		s.stats.SessionLimited++
		s.refuseLogin(m, codec.CodeSessionLimit, sessionLimitRetryMs+uint32(spread(m.user+uint64(m.device), sessionLimitRetryMs)))
		return
	}
	if s.overNoted() {
		s.refuseLogin(m, codec.CodeBusy, refusalRetryMs+uint32(spread(m.user, refusalRetryMs)))
		return
	}
	if index == 0 {
		if m.code == attachEarly {
			s.out.reset()
			heldBack(m, &s.world, &s.out)
			s.applyPosts()
			return
		}
		if code := s.makeMailbox(m.user, m.device); code != codec.CodeNone {
			s.refuseLogin(m, code, refusalRetryMs+uint32(spread(m.user, refusalRetryMs)))
			return
		}
	}
	s.takeForMailbox(now)
}

// refuseLogin answers an attach, and says when to come back.
func (s *Shard) refuseLogin(m *message, code codec.ErrorCode, retryMs uint32) {
	s.out.reset()
	r := answerSession(m, msgRefused, &s.out)
	r.code, r.timeSec = uint8(code), retryMs
	s.applyPosts()
}

// sessionsFull says whether as many other devices of the user are online as may be. Who replaces a session takes its place; an early
// one counts when it is confirmed.
func (s *Shard) sessionsFull(m *message, index uint32) bool {
	if index != 0 && s.mailboxes.At(index).attached() {
		return false
	}
	_, online := s.devices(m.user, m.device)
	return online >= s.cfg.UserSessionsMax
}

// makeMailbox seats a device; the user exists from now on.
func (s *Shard) makeMailbox(user uint64, device uint8) codec.ErrorCode {
	if code := s.seat(user); code != codec.CodeNone {
		return code
	}
	index, m := s.mailboxes.Alloc()
	if m == nil {
		return codec.CodeBusy
	}
	s.initMailbox(index, m, user, device)
	delete(s.wheel.companions, companion{user, device})
	return codec.CodeNone
}

// initMailbox begins a record that was just allocated.
func (s *Shard) initMailbox(index uint32, m *mailbox, user uint64, device uint8) {
	first := uint64(s.cfg.OwnerEpoch) << seqCounterBits
	first = max(first, s.wheel.seqFloor)
	*m = mailbox{user: user, device: device, state: mailboxOffline, last: first, acked: first, sent: first, next: s.users.first(user)}
	s.users.put(user, index)
	if s.cfg.Disk != nil {
		s.note.Kind, s.note.Head = store.RecordHead, m.head(&s.world)
		s.noteRecord()
		s.touch(index, m)
	}
	s.stats.MailboxesIdle++
	s.armWheel(index, m, s.cfg.MailboxIdleMs)
}

// seqCounterBits is the part of a seq that counts; the owner epoch is above it.
const seqCounterBits = 40

// takeRoute appends s.current to every mailbox that it names, or to none.
func (s *Shard) takeRoute(now int64) {
	m := &s.current
	if isGroup(m.user) {
		s.doing = doing{machine: doingUser}
		s.takeGroupSend(now)
		s.doing.machine = doingNothing
		return
	}
	s.nowMs = now
	s.doing = doing{machine: doingUser}
	s.out.reset()
	if s.policyOf(m.user).blocks(m.peer) {
		s.doing.machine = doingNothing
		s.stats.Blocked++
		answer(m, msgStored, &s.out).parts = m.parts // an ordinary first tick, and nothing else
		s.applyPosts()
		return
	}
	if code, device := s.checkRoute(m); code != codec.CodeNone {
		r := answer(m, msgRejected, &s.out)
		r.code, r.peerDevice = uint8(code), device
		s.doing.machine = doingNothing
		s.applyPosts()
		return
	}
	s.fanned, s.fannedAt = s.fanned[:0], s.fannedAt[:0]
	list := codec.Parts(m.payload)
	for part, rest, ok := list.Next(); ok; part, rest, ok = rest.Next() {
		s.fanOut(now, part)
	}
	s.applyQueue()
	for i, index := range s.fannedAt {
		s.commitMailbox(index, s.mailboxes.At(index), &s.fanned[i])
	}
	if m.flags&codec.FlagNoStore == 0 || len(s.fannedAt) > 0 {
		s.pairs.met(m.user, m.peer)
	}
	s.doing.machine = doingNothing
	a := answer(m, msgStored, &s.out)
	a.parts = m.parts
	s.applyPosts()
}

// fanOut steps the copy of one device's mailbox. A device that is not there is passed over: checkRoute lets that through for
// what is kept nowhere.
func (s *Shard) fanOut(now int64, part codec.Part) {
	m := &s.current
	index := s.find(m.user, part.Device, 0)
	if index == 0 {
		s.stats.EphemeralDropped++
		return
	}
	s.mailboxEv = mailboxEvent{kind: evMessage, index: index, message: m, part: part}
	s.fanned = append(s.fanned, *s.mailboxes.At(index))
	s.fannedAt = append(s.fannedAt, index)
	s.fanned[len(s.fanned)-1].step(now, &s.mailboxEv, &s.world, &s.out)
	if s.out.starved {
		s.starving = append(s.starving, index)
		s.out.starved = false
	}
}

// checkRoute looks at all parts before anything is appended. A refusal here is for good: what may pass was held back at the
// sender's side, where it can't be overtaken. The primary device is made on its first message, a culled one on its next.
func (s *Shard) checkRoute(m *message) (code codec.ErrorCode, device uint8) {
	if m.flags&codec.FlagNoStore != 0 {
		return codec.CodeNone, 0
	}
	if p := s.policyOf(m.user); p.devicesStale(m) {
		s.tellDevices(m, &p.Devices)
		return codec.CodeDevicesStale, 0
	}
	create := false
	list := codec.Parts(m.payload)
	for part, rest, ok := list.Next(); ok; part, rest, ok = rest.Next() {
		index, gone := s.receiver(m.user, part.Device)
		switch {
		case index != 0 && !ownDevice(part.Device):
			if b := s.mailboxes.At(index); b.full(len(part.Blob), &s.world) || s.crowded(b, m.peer, len(part.Blob)) {
				return codec.CodeMailboxFull, part.Device
			}
		case gone, ownDevice(part.Device):
			return codec.CodeNoSuchDevice, part.Device
		case part.Device == 0, s.returns(m.user, part.Device):
			create = true
		case s.users.first(m.user) == 0:
			return codec.CodeNoSuchUser, part.Device
		default:
			return codec.CodeNoSuchDevice, part.Device
		}
	}
	if create {
		return s.makeMissing(m.user, codec.Parts(m.payload))
	}
	return codec.CodeNone, 0
}

// tellDevices shows a sender the present list of its receiver's devices.
func (s *Shard) tellDevices(m *message, l *DeviceList) {
	n := iq.Notice{Devices: iq.DeviceList{User: m.user, Version: l.Version, List: l.List, Signature: l.Signature}}
	s.show(m.peer, m.peerDevice, must(iq.AppendNotice(nil, &n)))
}

// makeMissing makes the mailboxes that a message names and that may be made.
func (s *Shard) makeMissing(user uint64, list codec.Parts) (code codec.ErrorCode, device uint8) {
	for part, rest, ok := list.Next(); ok; part, rest, ok = rest.Next() {
		switch {
		case s.find(user, part.Device, 0) != 0, s.makeMailbox(user, part.Device) == codec.CodeNone:
		case s.users.first(user) == 0:
			return codec.CodeNoSuchUser, part.Device
		default:
			return codec.CodeNoSuchDevice, part.Device
		}
	}
	return codec.CodeNone, 0
}

// full says whether one more message is too much for a mailbox.
func (m *mailbox) full(payloadBytes int, w *world) bool {
	return int64(m.entries) >= int64(w.cfg.MailboxEntriesMax) || int64(m.bytes)+int64(payloadBytes) > w.cfg.MailboxBytesMax
}

// held is a rejection that waits until the mark passes its cseq.
type held struct {
	outcome
	next uint32
}

// heldRejection looks for a cseq in a mailbox's list.
func (w *world) heldRejection(first uint32, cseq uint64) (o outcome, ok bool) {
	for i := first; i != 0; {
		h := w.helds.At(i)
		if h.cseq == cseq {
			return h.outcome, true
		}
		i = h.next
	}
	return outcome{}, false
}

func (s *Shard) holdRejection(m *mailbox, o *outcome) {
	i, h := s.helds.Alloc()
	if h == nil {
		s.stats.MessagesLost++ // the step looked: there was room
		return
	}
	*h = held{outcome: *o, next: m.held}
	m.held = i
}

// releaseHeld lets go of rejections up to a cseq.
func (s *Shard) releaseHeld(m *mailbox, upTo uint64) {
	for link := &m.held; *link != 0; {
		i := *link
		h := s.helds.At(i)
		if h.cseq > upTo {
			link = &h.next
			continue
		}
		*link = h.next
		s.helds.Free(i)
	}
}
