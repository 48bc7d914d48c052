package shard

// subject is a user of this loop that somebody watches, registered or not. 32 bytes, no pointers; there are no more of them than watches.
//
// Its watchers are told in rounds, each of them what it may see at that moment, and only if that is another thing than it was told last. A
// round comes at the end of the turn in which the user came or went, but not before Config.PresenceWindowMs have passed since the one
// before: whatever happens meanwhile, the newest is told.
//
//	         came, went, policy             all are told                  the window has passed
//	quiet -----------------------> waiting -------------------> resting -----------------------> quiet, or waiting if stale
//
// Waiting subjects take turns, presenceSliceMax watchers each, as far as Config.PresenceRate lets them: who can't go on stays where it is,
// and the newest is told when there is room. So nothing is lost above the rate, and what is kept for it are these records.
type subject struct {
	user    uint64
	first   uint32 // the first watch; 0: the last watcher has left, and the subject goes when it leaves its list
	next    uint32 // in its list
	cursor  uint32 // the watch that is told next; 0: no round has begun
	sinceMs uint32 // when the last round ended
	state   subjectState
	stale   bool // something may have changed since the last round has begun
}

type subjectState uint8

const (
	subjectQuiet subjectState = iota
	subjectWaiting
	subjectResting
)

// subjectList is a queue of subjects.
type subjectList struct{ head, tail uint32 }

func (s *Shard) pushSubject(l *subjectList, i uint32, c *subject, state subjectState) {
	c.state, c.next = state, 0
	if l.head == 0 {
		l.head, l.tail = i, i
		return
	}
	s.subjects.At(l.tail).next = i
	l.tail = i
}

func (s *Shard) popSubject(l *subjectList) {
	c := s.subjects.At(l.head)
	l.head, c.next = c.next, 0
}

// subjectsWaiting counts those of whom there is something to tell. It walks one list: for Stats only.
func (s *Shard) subjectsWaiting() (n int64) {
	for i := s.waiting.head; i != 0; i = s.subjects.At(i).next {
		n++
	}
	return n + int64(s.restless)
}

// presenceChanged has the watchers of a user told anew.
func (s *Shard) presenceChanged(user uint64) {
	if i := s.watched[user]; i != 0 {
		s.refresh(i, s.subjects.At(i))
	}
}

// policyChanged has them told what they may see now. Who may no longer see what it was told hears that the user is away.
func (s *Shard) policyChanged(now int64, user uint64) {
	s.presenceChanged(user)
	s.host.WakeAt(now) // it may come from outside of a turn
}

// refresh has a round come, when the window of the last one has passed.
func (s *Shard) refresh(i uint32, c *subject) {
	if c.stale {
		s.stats.PresenceMerged++ // the newest is told, once
		return
	}
	c.stale = true
	switch c.state {
	case subjectQuiet:
		s.pushSubject(&s.waiting, i, c, subjectWaiting)
	case subjectResting:
		s.restless++
	}
}

// tellWatchers works off what is to be told of subjects, at most presenceTurnMax watchers in a turn.
func (s *Shard) tellWatchers(now int64) {
	s.rouse(now)
	for left := presenceTurnMax; s.waiting.head != 0; {
		if left <= 0 {
			s.host.WakeAt(now + starvedRetryMs)
			break
		}
		n, wait := s.tellSlice(now, min(left, presenceSliceMax))
		s.drainLocal(now)
		left -= max(n, 1)
		if wait > 0 {
			s.stats.PresenceDelayed++
			s.host.WakeAt(now + wait)
			break
		}
	}
	s.wakeForSubjects(now)
}

// tellSlice goes on with the first waiting subject. wait: the rate is used up for so many milliseconds.
func (s *Shard) tellSlice(now int64, most int) (n int, wait int64) {
	i := s.waiting.head
	c := s.subjects.At(i)
	if c.cursor == 0 {
		c.cursor, c.stale = c.first, false
	}
	sight := s.sight(c.user)
	for ; c.cursor != 0 && n < most; n++ {
		w := s.watches.At(c.cursor)
		next := w.next
		done, wait := s.tellWatch(now, w, &sight)
		if wait > 0 {
			return n, wait
		}
		c.stale = c.stale || !done
		c.cursor = next
	}
	s.popSubject(&s.waiting)
	if c.cursor != 0 {
		s.pushSubject(&s.waiting, i, c, subjectWaiting)
		return n, 0
	}
	if c.sinceMs = uint32(now); c.stale {
		s.restless++
	}
	s.pushSubject(&s.resting, i, c, subjectResting)
	return n, 0
}

// tellWatch tells a watcher what it may see, unless it knows. Not done: the way to it is full, or the rate is used up for `wait` milliseconds.
func (s *Shard) tellWatch(now int64, w *watch, v *sight) (done bool, wait int64) {
	code, seenSec := v.shown(w.watcher)
	told, seen := toldOf(code, seenSec)
	if told == w.told && seen == w.seen {
		return true, 0
	}
	if told == toldHidden && w.told == toldAway && v.forgotten(w.watcher) {
		return true, 0
	}
	if s.credit(int(w.loop)) < controlBytesMax {
		return false, 0
	}
	if wait = s.takePresence(now); wait > 0 {
		return false, wait
	}
	w.told, w.seen = told, seen
	s.sendPresence(int(w.loop), w.conn, v.user, code, seenSec)
	return true, 0
}

// takePresence takes one frame off the rate, or says how long it is used up.
func (s *Shard) takePresence(now int64) (wait int64) {
	s.spent, wait = s.presences.take(s.spent, now, 0)
	return wait
}

func (s *Shard) sendPresence(loop int, conn Conn, user uint64, code uint8, seenSec uint32) {
	s.stats.PresenceTold++
	s.send(loop, &message{kind: msgPresence, conn: conn, peer: user, code: code, timeSec: seenSec})
}

// rouse ends the rest of subjects whose window has passed. They began to rest one after the other.
func (s *Shard) rouse(now int64) {
	for n := 0; s.resting.head != 0 && n < presenceTurnMax; n++ {
		i := s.resting.head
		c := s.subjects.At(i)
		if s.restMs(now, c) > 0 {
			return
		}
		s.popSubject(&s.resting)
		c.state = subjectQuiet
		if c.stale {
			s.restless--
		}
		switch {
		case c.first == 0:
			s.freeSubject(i, c)
		case c.stale:
			s.pushSubject(&s.waiting, i, c, subjectWaiting)
		}
	}
}

// restMs is how long a subject has still to rest. A clock that was set back does not make it longer than a window.
func (s *Shard) restMs(now int64, c *subject) int64 {
	passed := int64(int32(uint32(now) - c.sinceMs))
	if passed < 0 {
		return 0
	}
	return max(s.cfg.PresenceWindowMs-passed, 0)
}

// wakeForSubjects asks for a turn when the next one has rested that something is to be told of.
func (s *Shard) wakeForSubjects(now int64) {
	if s.restless > 0 && s.resting.head != 0 {
		s.host.WakeAt(now + max(s.restMs(now, s.subjects.At(s.resting.head)), starvedRetryMs))
	}
}

// subjectOf is the record of a user that is watched, made when there is none. 0: there is no room.
func (s *Shard) subjectOf(user uint64) (uint32, *subject) {
	if i := s.watched[user]; i != 0 {
		return i, s.subjects.At(i)
	}
	i, c := s.subjects.Alloc()
	if c != nil {
		c.user = user
		s.watched[user] = i
	}
	return i, c
}

func (s *Shard) freeSubject(i uint32, c *subject) {
	delete(s.watched, c.user)
	s.subjects.Free(i)
}

// addWatch remembers a session and tells it the presence of the moment. One that is there already is told again.
func (s *Shard) addWatch(now int64) {
	m := &s.current
	at, c := s.subjectOf(m.user)
	if c == nil {
		s.tellOnce(now)
		return
	}
	n := 0
	for i := c.first; i != 0; n++ {
		w := s.watches.At(i)
		if w.conn == m.conn {
			s.tellFirst(now, at, c, w)
			return
		}
		i = w.next
	}
	i, w := uint32(0), (*watch)(nil)
	if n < WatchersMax {
		i, w = s.watches.Alloc()
	}
	if w == nil {
		if c.first == 0 && c.state == subjectQuiet {
			s.freeSubject(at, c)
		}
		s.tellOnce(now)
		return
	}
	*w = watch{conn: m.conn, watcher: m.peer, loop: uint8(m.from), next: c.first}
	c.first = i
	s.tellFirst(now, at, c, w)
}

// tellFirst tells a watcher the presence of the moment, or has it told in a round when it can't be now.
func (s *Shard) tellFirst(now int64, at uint32, c *subject, w *watch) {
	w.told, w.seen = toldNothing, 0
	sight := s.sight(c.user)
	if done, _ := s.tellWatch(now, w, &sight); done {
		return
	}
	s.stats.PresenceDelayed++
	if !c.stale {
		s.refresh(at, c)
	}
}

// tellOnce tells the presence of the moment to somebody who can't be remembered.
func (s *Shard) tellOnce(now int64) {
	m := &s.current
	s.stats.EphemeralDropped++ // what comes later
	if s.credit(int(m.from)) < controlBytesMax || s.takePresence(now) > 0 {
		return
	}
	sight := s.sight(m.user)
	code, seenSec := sight.shown(m.peer)
	s.sendPresence(int(m.from), m.conn, m.user, code, seenSec)
}

// dropWatch forgets a session. A round that stands at it goes on behind it.
func (s *Shard) dropWatch(m *message) {
	at := s.watched[m.user]
	if at == 0 {
		return
	}
	c := s.subjects.At(at)
	for link := &c.first; *link != 0; {
		i := *link
		w := s.watches.At(i)
		if w.conn != m.conn {
			link = &w.next
			continue
		}
		*link = w.next
		if c.cursor == i {
			c.cursor = w.next
		}
		s.watches.Free(i)
		break
	}
	if c.first == 0 && c.state == subjectQuiet {
		s.freeSubject(at, c)
	}
}

// takeForUser takes a message that is about a user and none of its mailboxes.
func (s *Shard) takeForUser(now int64) {
	switch m := &s.current; m.kind {
	case msgWatch:
		s.addWatch(now)
	case msgUnwatch:
		s.dropWatch(m)
	case msgWriting:
		s.passWriting(now)
	case msgTyping:
		s.tellTyping(now)
	}
}
