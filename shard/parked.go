package shard

import (
	"encoding/binary"
	"slices"

	"trunkline/codec"
)

// parking holds what came for a user while the disk is asked: whole messages in their order, each behind its length and loop.
type parking struct {
	b       []byte
	head    int
	entries bool // the first one is a login that waits for a piece of its mailbox, not for the user
	own     bool // the user is there, but not all of its state
	fresh   bool // all of it has come, and nothing was made of it yet
	tries   int  // to do so
	drain   bool // the first one is a change of a group that waits until nothing goes out any more
	damaged bool // the disk can't read the user
}

const parkedHeaderBytes = 8

// parkedKept bytes of what was taken may lie in front of what waits; over it they go when they are more than that.
const parkedKept = 4 << 10

func (p *parking) waiting() bool { return p.head < len(p.b) }

// front is the first message and the loop that it came from.
func (p *parking) front() (msg []byte, from int32) {
	h := p.b[p.head:]
	n := int(binary.BigEndian.Uint32(h))
	return h[parkedHeaderBytes : parkedHeaderBytes+n : parkedHeaderBytes+n], int32(binary.BigEndian.Uint32(h[4:]))
}

func (p *parking) pop() {
	msg, _ := p.front()
	p.head += parkedHeaderBytes + len(msg)
}

// park keeps s.current when it has to wait for the disk. false: it has not.
func (s *Shard) park(now int64) bool {
	m := &s.current
	p := s.parked[m.user]
	if !m.parks(p) {
		return false
	}
	switch {
	case p != nil && m.kind == msgAsk && m.seq == 0 && len(p.b)-p.head >= parkedAsksBytesMax:
		s.answerAsk(now, m, codec.CodeRateLimited)
		return true
	case p != nil:
	case s.cfg.Disk != nil && s.users.first(m.user) == 0:
		if s.parkingFull(now) {
			return true
		}
		p = s.parkFor(m.user)
		s.fetchUser(now, m.user)
	case s.cfg.Disk != nil && m.kind == msgAttach && s.needsPiece(m):
		if s.parkingFull(now) {
			return true
		}
		p = s.parkFor(m.user)
		p.entries = true
	case s.mustDrain(m):
		p = s.parkFor(m.user)
		p.drain = true
	default:
		return false
	}
	s.keepParked(p, m)
	return true
}

// parks says whether a message waits with others, p, or would have its user read.
func (m *message) parks(p *parking) bool {
	switch m.kind {
	case msgAttach, msgReceipt, msgAsk, msgInvite, msgPart, msgParted, msgFanOne, msgPolicy, msgRemove, msgForget:
		return true
	case msgRoute:
		return m.flags&codec.FlagNoStore == 0 // that is for whoever is there
	case msgMark, msgInvited:
		return p == nil || !p.drain // what goes out meanwhile is acknowledged, and asked for
	case msgDetach:
		return p != nil
	}
	return false
}

// parkFor begins a user's parking.
func (s *Shard) parkFor(user uint64) *parking {
	p := new(parking)
	s.parked[user] = p
	return p
}

func (s *Shard) keepParked(p *parking, m *message) {
	before := cap(p.b)
	if p.head > parkedKept && p.head > len(p.b)/2 {
		p.b, p.head = append(make([]byte, 0, len(p.b)), p.b[p.head:]...), 0 // another one: the message that is being taken lies in it
	}
	s.encoded = appendMessage(s.encoded[:0], m)
	p.b = binary.BigEndian.AppendUint32(p.b, uint32(len(s.encoded)))
	p.b = binary.BigEndian.AppendUint32(p.b, uint32(m.from))
	p.b = append(p.b, s.encoded...)
	s.parkedBytes += int64(cap(p.b) - before)
	s.stats.Parked++
}

// parkingFull refuses what may be refused when too many users are parked: logins come back, receipts are dropped. A message that was
// let in is kept: intake has stopped long before.
func (s *Shard) parkingFull(now int64) bool {
	m := &s.current
	if len(s.parked) < parkedUsersMax {
		return false
	}
	switch m.kind {
	case msgAttach:
		s.refuseLogin(m, codec.CodeBusy, refusalRetryMs+uint32(spread(m.user, refusalRetryMs)))
	case msgReceipt:
		s.stats.ReceiptsDropped++
		s.answerReceipt(m)
	case msgAsk:
		if m.seq != 0 {
			return false // others have agreed to it
		}
		s.answerAsk(now, m, codec.CodeServerFull)
	case msgInvite:
		s.sendInvited(m, codec.CodeServerFull)
	default:
		return false
	}
	s.stats.ParkingFull++
	return true
}

// needsPiece says whether a login acknowledges what is on the disk alone: its senders are to be told, and by whom it was sent is there.
// The piece is asked for.
func (s *Shard) needsPiece(m *message) bool {
	index := s.find(m.user, m.device, 0)
	if index == 0 {
		return false
	}
	b := s.mailboxes.At(index)
	if b.ledger == 0 || m.peer != s.cfg.Incarnation {
		return false
	}
	l := s.ledgers.At(b.ledger)
	if !l.partly() || m.first <= max(l.loaded, b.acked) {
		return false
	}
	s.fetchEntries(b)
	return true
}

// unpark takes what was parked for users that have come.
func (s *Shard) unpark(now int64) {
	for len(s.ready) > 0 {
		user := s.ready[len(s.ready)-1]
		if p := s.parked[user]; p != nil {
			s.replay(now, user, p)
		}
		at := slices.Index(s.ready, user) // what was taken may have added others
		s.ready = slices.Delete(s.ready, at, at+1)
	}
	if cap(s.ready) > localMessagesMax {
		s.ready = nil
	}
}

// replay takes a user's messages one by one. Each leaves the parking before it is taken: one that panics is not taken again.
// It ends when nothing is left, or a login has to wait for a piece of its mailbox, or a change of a group for what goes out.
func (s *Shard) replay(now int64, user uint64, p *parking) {
	if p.fresh && p.tries < loadTriesMax {
		p.tries++ // before: a state that panics each time is gone on without
		s.becomeLoaded(now, user)
		p.fresh = false
	}
	for p.waiting() {
		msg, from := p.front()
		if parseMessage(&s.current, msg) != nil {
			s.stats.Unexpected++
			p.pop()
			continue
		}
		s.current.from = from
		if !p.damaged && s.current.kind == msgAttach && s.needsPiece(&s.current) {
			p.entries = true
			return
		}
		if !p.damaged && s.mustDrain(&s.current) {
			p.drain = true
			return
		}
		p.pop()
		if p.damaged {
			s.refuseDamaged(now)
			continue
		}
		s.give(now)
		s.drainLocal(now)
	}
	s.parkedBytes -= int64(cap(p.b))
	delete(s.parked, user)
}
