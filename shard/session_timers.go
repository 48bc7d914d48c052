package shard

import "trunkline/codec"

// keepaliveSec is how often this client is asked to send something: the configured time, 10 % more or less.
func (s *session) keepaliveSec(w *world) uint16 {
	ms := w.cfg.KeepaliveMs
	ms += ms*int64(spread(s.user, 201))/1_000 - ms/10
	return uint16(min(max(ms/1_000, keepaliveSecMin), keepaliveSecMax))
}

// idleMs is how long a client may be silent.
func (s *session) idleMs(w *world) int64 {
	return int64(s.keepaliveSec(w)) * 1_000 * idleNum / idleDen
}

// elapsed is the time since a moment kept modulo 2^32 ms. A clock that was set back gives zero.
func elapsed(now int64, sinceMs uint32) int64 {
	return int64(max(int32(uint32(now)-sinceMs), 0))
}

// moment is now as it is kept where zero means none.
func moment(now int64) uint32 { return max(uint32(now), 1) }

// delivered notes what the client was given and, for the first thing that waits for an ACK, starts its clock. The timer is
// touched only when it would come too late: a busy session arms it once in an ACK timeout.
func (s *session) delivered(now int64, seq uint64, w *world, out *effects) {
	if seq == 0 {
		return // ephemeral: no ACK
	}
	s.pushed = seq
	if s.unackedMs != 0 {
		return
	}
	s.unackedMs = moment(now)
	if s.flags&flagSoonTimer == 0 && s.state == sessionOpen { // before that the login timer is the sooner one
		s.flags |= flagSoonTimer
		out.timerMs = min(w.cfg.AckTimeoutMs, max(s.idleMs(w)-elapsed(now, s.heardMs), 1))
	}
}

// acknowledged stops the clock of the ACK timeout, or starts it anew when only a part was acknowledged.
func (s *session) acknowledged(now int64, seq uint64) {
	switch {
	case seq >= s.pushed:
		s.unackedMs = 0
	case s.unackedMs != 0:
		s.unackedMs = moment(now)
	}
}

// checkDeadlines is the lazy timer: input never arms it anew, so at its expiry it looks what has come meanwhile.
func (s *session) checkDeadlines(now int64, w *world, out *effects) {
	left := s.idleMs(w) - elapsed(now, s.heardMs)
	if left <= 0 {
		s.refuse(now, codec.CodeIdle, 0, 0, w, out)
		return
	}
	s.flags &^= flagSoonTimer
	if s.unackedMs != 0 {
		ackLeft := w.cfg.AckTimeoutMs - elapsed(now, s.unackedMs)
		if ackLeft <= 0 {
			s.refuse(now, codec.CodeAckTimeout, s.pushed, 0, w, out)
			return
		}
		s.flags |= flagSoonTimer
		left = min(left, ackLeft)
	}
	out.timerMs = left
	if s.flags&flagThrottled != 0 {
		s.flags &^= flagThrottled
		out.redeliver = true
	}
}
