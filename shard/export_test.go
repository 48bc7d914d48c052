package shard

import "fmt"

// CheckQuiet says what a shard still holds on to when nothing is left to do.
func (s *Shard) CheckQuiet() error {
	switch {
	case len(s.local) != 0 || s.localHead != 0:
		return fmt.Errorf("%d local messages", len(s.local))
	case len(s.out.scratch) != 0:
		return fmt.Errorf("%d bytes of scratch", len(s.out.scratch))
	case len(s.ticks) != 0 || len(s.starving) != 0 || len(s.due) != 0:
		return fmt.Errorf("%d ticks, %d starving, %d due", len(s.ticks), len(s.starving), len(s.due))
	case s.helds.Len() != 0:
		return fmt.Errorf("%d held rejections", s.helds.Len())
	}
	for to := range s.backlog {
		if s.backlog[to].waiting() {
			return fmt.Errorf("a backlog to loop %d", to)
		}
	}
	for i, seen := uint32(1), 0; seen < s.mailboxes.Len(); i++ {
		if !s.mailboxes.Live(i) {
			continue
		}
		seen++
		m := s.mailboxes.At(i)
		if m.inflight|m.done != 0 || m.held != 0 {
			return fmt.Errorf("user %d: in flight %b, done %b, held %d", m.user, m.inflight, m.done, m.held)
		}
		if m.state == mailboxEarly {
			return fmt.Errorf("user %d: a first flight that nobody confirmed", m.user)
		}
		if m.device == stateDevice {
			continue // what is kept of a user is always there
		}
		if m.entries != 0 || m.notices != 0 || m.bytes != 0 || m.window != 0 || m.windowBytes != 0 {
			return fmt.Errorf("user %d: %d messages, %d notices, %d bytes, window %d of %d bytes", m.user, m.entries,
				m.notices, m.bytes, m.window, m.windowBytes)
		}
	}
	if s.wheel.bucketMs > 0 {
		if err := s.checkWheel(); err != nil {
			return err
		}
	}
	if q, kept := s.cfg.Queue.Stats(), s.StateEntries(); q.Entries != kept || kept == 0 && q.PayloadBytes != 0 {
		return fmt.Errorf("%d entries of %d bytes in the queue", q.Entries, q.PayloadBytes)
	}
	return nil
}

// CheckLists counts the cells of presence and says whether each hangs on a session or a user, and whether the sessions are as many
// as Stats says.
func (s *Shard) CheckLists() (subs, watches int, err error) {
	sessions, open := int64(0), int64(0)
	for slot := range s.slotsMax {
		p := s.sessions.Peek(slot)
		if p == nil {
			continue
		}
		sessions++
		open += p.loggedIn()
		n := 0
		for i := p.subs; i != 0; i = s.subs.At(i).next {
			n++
		}
		if n != int(p.subsCount) {
			return 0, 0, fmt.Errorf("session %x counts %d subscriptions and has %d", p.conn, p.subsCount, n)
		}
		subs += n
	}
	if sessions != s.stats.Sessions || open != s.stats.LoggedIn {
		return 0, 0, fmt.Errorf("%d sessions, %d of them open; counted %d and %d", sessions, open, s.stats.Sessions, s.stats.LoggedIn)
	}
	for user, at := range s.watched {
		c := s.subjects.At(at)
		if c.user != user || c.first == 0 && c.state == subjectQuiet {
			return 0, 0, fmt.Errorf("user %d is watched as %+v", user, c)
		}
		for i := c.first; i != 0; i = s.watches.At(i).next {
			watches++
		}
	}
	if len(s.watched) != s.subjects.Len() {
		return 0, 0, fmt.Errorf("%d subjects of %d users", s.subjects.Len(), len(s.watched))
	}
	if subs != s.subs.Len() || watches != s.watches.Len() {
		return 0, 0, fmt.Errorf("%d subscriptions in %d cells, %d watches in %d", subs, s.subs.Len(), watches, s.watches.Len())
	}
	return subs, watches, nil
}

// CheckAttached says whether every open session is the one that its mailbox listens to. Nothing may be on its way.
func CheckAttached(shards []*Shard) error {
	for _, s := range shards {
		for slot := range s.slotsMax {
			p := s.sessions.Peek(slot)
			if p == nil || p.state != sessionOpen {
				continue
			}
			home := shards[p.home]
			i := home.find(p.user, p.device, 0)
			if i == 0 {
				return fmt.Errorf("user %d/%d is logged in and has no mailbox", p.user, p.device)
			}
			if m := home.mailboxes.At(i); m.conn != p.conn || (m.state == mailboxOnline) == (p.flags&flagInactive != 0) || !m.loggedIn() {
				return fmt.Errorf("user %d/%d is logged in over %x, and its mailbox in state %d listens to %x", p.user, p.device, p.conn, m.state, m.conn)
			}
		}
	}
	return nil
}

// CheckParked says who waits for a load, and for what.
func (s *Shard) CheckParked() error {
	for user, p := range s.parked {
		text := fmt.Sprintf("user %d is parked: %d bytes from %d on, for entries %v, damaged %v;", user, len(p.b), p.head, p.entries, p.damaged)
		for i := s.users.first(user); i != 0; i = s.mailboxes.At(i).next {
			m := s.mailboxes.At(i)
			text += fmt.Sprintf(" device %d: acked %d, last %d", m.device, m.acked, m.last)
			if m.ledger != 0 {
				text += fmt.Sprintf(", ledger %+v", *s.ledgers.At(m.ledger))
			}
		}
		return fmt.Errorf("%s; %d retries", text, len(s.retries))
	}
	return nil
}

// WaitingEntries counts what waits for the devices in memory, wherever the entries are, but for what is kept of users and groups.
func (s *Shard) WaitingEntries() (n int) {
	for i, seen := uint32(1), 0; seen < s.mailboxes.Len(); i++ {
		if s.mailboxes.Live(i) {
			seen++
			if s.mailboxes.At(i).device == stateDevice {
				continue
			}
			n += int(s.mailboxes.At(i).entries + s.mailboxes.At(i).notices)
		}
	}
	return n
}

// Decide gives a user of this loop a policy, as if it had come from its settings.
func (s *Shard) Decide(now int64, user uint64, p Policy) {
	if s.states[user] == nil {
		s.states[user] = new(userState)
	}
	s.states[user].policy = p
	s.policyChanged(now, user)
}

// TypingRepeatMs and FlushFramesMax are limits that tests walk up to.
const (
	TypingRepeatMs = typingRepeatMs
	FlushFramesMax = flushFramesMax
)
