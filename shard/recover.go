package shard

import (
	"trunkline/codec"
	"trunkline/store"
)

// Recover is called after a panic in any of the events. The step that was running has left no trace: its machine still has
// the state from before the event. A session in whose step it happened is closed with CodeCrashed; a SEND that crashed its
// recipient's mailbox becomes a stored rejection (CodeInternal); a mailbox that crashed otherwise loses its session,
// which comes back; the rest of the turn's work goes on.
//
// The caller closes the connection in whose event the panic came, when it was one: its input can't be read on.
func (s *Shard) Recover(now int64) {
	for !s.recoverOnce(now) {
	}
	s.host.WakeAt(now)
}

// recoverOnce deals with one panic and goes on with what was left. false: another one came, and with it a message was used up.
func (s *Shard) recoverOnce(now int64) (done bool) {
	defer func() {
		if !done {
			_ = recover() // the caller has a panic to report already; this one is counted by the next round
		}
	}()
	s.stats.Panics++
	d := s.doing
	s.doing = doing{}
	switch d.machine {
	case doingSession:
		s.crashSession(now, d)
	case doingMailbox:
		s.crashMailbox(d)
	case doingUser:
		s.crashUser(now)
	}
	s.drainLocal(now)
	s.workDue(now)
	return true
}

// crashSession tells the session, in the state from before its panic. One that can't even end is dropped.
func (s *Shard) crashSession(now int64, d doing) {
	p := s.lookup(d.conn)
	if p == nil {
		return
	}
	if d.event == evCrashed || d.event == evClosed {
		s.stats.LoggedIn -= p.loggedIn()
		s.sessions.Clear(d.conn.slot())
		s.stats.Sessions--
		s.host.Close(d.conn)
		return
	}
	s.stepSession(now, d.conn, &event{kind: evCrashed})
}

// crashUser answers a route whose recipients could not take it.
func (s *Shard) crashUser(now int64) {
	s.world.owed = 0
	for _, index := range s.fannedAt {
		s.rebuild(index)
		if m := s.mailboxes.At(index); m.attached() && m.sent != m.last && m.flags&flagStarved == 0 {
			m.flags |= flagStarved // it may have what nobody has pushed
			s.starving = append(s.starving, index)
		}
	}
	s.fanned, s.fannedAt = s.fanned[:0], s.fannedAt[:0]
	for _, device := range [...]uint8{store.DevicePending, store.DeviceState} {
		if index := s.find(s.current.user, device, 0); index != 0 {
			s.rebuild(index)
		}
	}
	if isGroup(s.current.user) && s.current.kind != msgFan {
		delete(s.groups, s.current.user) // it is made anew of what is kept of it
		s.groupAt(now, s.current.user)
	}
	s.out.reset()
	switch m := &s.current; m.kind {
	case msgRoute:
		answer(m, msgRejected, &s.out).code = uint8(codec.CodeInternal)
	case msgFan, msgFanOne:
		s.crashFan(m)
	case msgAsk:
		s.answerAsk(now, m, codec.CodeInternal)
	case msgMark:
		if m.seq != 0 {
			answer(m, msgStored, &s.out)
		}
	}
	s.applyPosts()
}

// crashMailbox answers for a mailbox that could not, so that nobody waits for ever. What others have decided (the fate of a
// cseq, a receipt, a farewell) is told once more before it is given up: the fault may have been the moment's.
func (s *Shard) crashMailbox(d doing) {
	index := s.mailboxEv.index
	m := s.mailboxes.At(index)
	m.flags &^= flagTicking | flagStarved // it may be on a list once more: that does no harm
	s.rebuild(index)
	s.out.reset()
	switch kind := s.current.kind; {
	case d.event == evDurable:
		m.tickTo(s.mailboxEv.promised.of(m)) // what is durable stays so
		m.expel(&s.out)
	case d.event != evMessage:
		m.expel(&s.out)
	case kind == msgAttach:
		answerSession(&s.current, msgRefused, &s.out).code = uint8(codec.CodeCrashed)
	case kind == msgSend, kind == msgRead, kind == msgAck, kind == msgConfirm:
		m.expel(&s.out)
	case s.current.tries == 0:
		s.current.tries++
		s.local = append(s.local, s.current)
	default:
		s.giveUp(m)
	}
	s.applyPosts()
}

// giveUp ends a message that has crashed its mailbox twice.
func (s *Shard) giveUp(m *mailbox) {
	switch s.current.kind {
	case msgDetach:
		if s.current.conn == m.conn {
			n := *m
			n.state, n.conn, n.loop = mailboxOffline, 0, 0
			n.sent, n.window, n.windowBytes = n.last, 0, 0
			s.out.reset()
			s.commitMailbox(s.mailboxEv.index, m, &n)
			s.presenceChanged(m.user)
		}
	case msgStored, msgRejected:
		if s.current.gen == m.gen {
			m.giveBack(s.current.seq, &s.out)
		}
	case msgReceipt:
		s.stats.ReceiptsDropped++
		if s.current.seq != 0 {
			answer(&s.current, msgStored, &s.out)
		}
	}
}

// rebuild makes a mailbox fit what the Queue holds: a panic in the middle of several appends leaves entries that the record does
// not know. A rejection among them is a promise that the mark has passed its cseq and all below.
func (s *Shard) rebuild(index uint32) {
	m := s.mailboxes.At(index)
	n := *m
	n.window, n.windowBytes = 0, 0
	s.out.reset()
	cold := s.coldCounts(m)
	n.entries, n.notices, n.rejections, n.bytes = cold.Messages, cold.Notices, uint16(cold.Rejections), uint32(cold.Bytes)
	rejected := uint64(0)
	s.cfg.Queue.Scan(m.user, m.device, 0, func(e *store.Entry, payload []byte) bool {
		n.count(e, len(payload))
		if e.Kind == entryRejected && e.Gen == n.gen && e.First > n.mark {
			if s.cfg.Durable {
				n.unticked += uint8(e.First - n.mark)
			}
			n.moveMark(e.First, &s.out)
			if rejected == 0 {
				rejected = e.Seq
			}
		}
		return true
	})
	s.commitMailbox(index, m, &n)
	if rejected != 0 && s.cfg.Durable {
		s.await(index, m, rejected)
	}
	if s.out.release != 0 {
		s.releaseHeld(m, s.out.release)
	}
}

// count adds an entry that is there to the counters.
func (m *mailbox) count(e *store.Entry, payloadBytes int) {
	if e.Kind == entryMessage {
		m.entries++
		m.bytes += uint32(payloadBytes)
	} else {
		m.notices++
	}
	if e.Kind == entryRejected {
		m.rejections++
	}
	if m.attached() && e.Seq <= m.sent {
		m.window++
		m.windowBytes += windowCost(payloadBytes)
	}
	m.last = max(m.last, e.Seq)
}
