package shard

// DrainPlan says how a shard sends its clients away.
type DrainPlan struct {
	// PeriodMs is the time over which sessions get their GOAWAY, in the order of their slots. 0: all in this turn.
	PeriodMs int64
	// SpreadMs is what retry-after is spread over by user where Config.RetryAfter says nothing.
	SpreadMs uint32
}

// drainPace is where a drain stands: slots below next are told.
type drainPace struct {
	startMs  int64
	periodMs int64
	first    uint32 // slots from here on are told within the period
	next     uint32
	end      uint32 // one above the last slot that was in use when the drain began
}

// Drain sends GOAWAY (CodeDraining) with a retry-after to every session at the plan's pace, and to every later login at once. A second
// call changes the pace; nobody is told twice.
func (s *Shard) Drain(now int64, plan DrainPlan) {
	s.draining, s.drainMs = true, plan.SpreadMs
	s.pace = drainPace{startMs: now, periodMs: plan.PeriodMs, end: s.slotsMax}
	s.drainOn(now)
}

// drainOn tells the sessions whose turn has come. A clock that steps back starts what is left of the pace anew; one that steps forward
// makes the drain shorter.
func (s *Shard) drainOn(now int64) {
	p := &s.pace
	if p.next >= p.end {
		return
	}
	if now < p.startMs {
		p.startMs, p.first = now, p.next
	}
	due := p.end
	if passed := now - p.startMs; passed < p.periodMs {
		due = p.first + uint32(int64(p.end-p.first)*(passed+1)/p.periodMs)
	}
	for ; p.next < due; p.next++ {
		if session := s.sessions.Peek(p.next); session != nil {
			s.tell(now, session.conn, evDrain)
		}
	}
	if p.next < p.end {
		s.host.WakeAt(now + drainStepMs)
	}
}

// retryAfter is when a client that is sent away may come back, in milliseconds.
func (w *world) retryAfter(user uint64) uint32 {
	if w.cfg.RetryAfter != nil {
		return w.cfg.RetryAfter(user)
	}
	return uint32(spread(user, uint64(w.drainMs)+1))
}
