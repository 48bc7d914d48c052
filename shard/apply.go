package shard

import (
	"math"
)

// doing names the machine whose step is running, for Recover.
type doing struct {
	machine machineKind
	conn    Conn
	event   eventKind
}

type machineKind uint8

const (
	doingNothing machineKind = iota
	doingSession
	doingMailbox // with s.current or s.mailboxEv
	doingUser    // a route, or the lists of a user
)

// stepSession steps the copy of a session, commits it and carries out its effects.
func (s *Shard) stepSession(now int64, conn Conn, ev *event) {
	p := s.lookup(conn)
	s.doing = doing{machine: doingSession, conn: conn, event: ev.kind}
	s.session = *p
	s.out.reset()
	s.session.step(now, ev, &s.world, &s.out)
	s.stats.LoggedIn += s.session.loggedIn() - p.loggedIn()
	*p = s.session
	s.doing.machine = doingNothing
	s.applySession(now, conn, p)
}

// applySession carries out what a session asked for. Its record is committed: *p is it.
func (s *Shard) applySession(now int64, conn Conn, p *session) {
	out := &s.out
	for _, peer := range out.subscribe {
		s.subscribe(p, peer)
	}
	for _, peer := range out.unsubscribe {
		s.unsubscribe(p, peer)
	}
	s.applyHeld(conn)
	if out.free {
		s.sessions.Clear(conn.slot())
		s.stats.Sessions--
	}
	s.applyPosts()
	s.forget(conn, out.forget)
	slow := false
	if b := out.output(); len(b) > 0 && !out.free {
		slow = s.host.Send(conn, b) != nil
	}
	switch {
	case out.moveTo >= 0:
		s.host.Move(conn, out.moveTo)
		return
	case out.close:
		s.host.Close(conn)
		return
	}
	if out.timerMs >= 0 {
		s.host.SetTimer(conn, out.timerMs)
	}
	if out.redeliver {
		s.host.Redeliver(conn)
	}
	if slow {
		leave := out.leave
		s.stepSession(now, conn, &event{kind: evSlow})
		out.leave = leave
	}
}

// applyHeld keeps what a session holds back, and what it has written of that.
func (s *Shard) applyHeld(conn Conn) {
	if h := &s.out.held; h.at != 0 {
		s.subs.At(h.at).hold(h.code, h.seenSec)
	}
	for _, i := range s.out.released {
		s.subs.At(i).release()
	}
	if s.out.flush {
		s.flushes = append(s.flushes, conn)
	}
}

// stepMailbox steps the copy of the mailbox that s.mailboxEv names, commits it and carries out its effects.
func (s *Shard) stepMailbox(now int64) {
	ev := &s.mailboxEv
	p := s.mailboxes.At(ev.index)
	s.nowMs = now
	s.doing = doing{machine: doingMailbox, event: ev.kind}
	s.mailbox = *p
	s.out.reset()
	s.mailbox.step(now, ev, &s.world, &s.out)
	s.applyQueue()
	s.commitMailbox(ev.index, p, &s.mailbox)
	s.doing.machine = doingNothing
	s.applyMailbox(ev.index, p)
}

// commitMailbox takes over what a step has made of a record, and has it outlive the process.
func (s *Shard) commitMailbox(index uint32, p, stepped *mailbox) {
	s.stats.MailboxesIdle += stepped.idle() - p.idle()
	if s.cfg.Disk != nil {
		s.keep(index, p, stepped)
	}
	*p = *stepped
}

// applyMailbox carries out what a mailbox asked for. Its record is committed: *p is it.
func (s *Shard) applyMailbox(index uint32, p *mailbox) {
	out := &s.out
	if out.ticking {
		s.ticks = append(s.ticks, index)
	}
	if out.starved {
		s.starving = append(s.starving, index)
	}
	if out.release != 0 {
		s.releaseHeld(p, out.release)
	}
	if out.fetch {
		s.fetchEntries(p)
	}
	if out.hasMet {
		s.pairs.enter(out.met)
	}
	if out.born {
		s.births.enter(s.nowMs, p.user, p.device)
	}
	for i := range out.hold {
		s.holdRejection(p, &out.hold[i])
	}
	s.applyPosts()
	if out.presence {
		s.presenceChanged(p.user)
	}
}

// applyQueue changes the mailbox memory. It runs before the record is committed: when it panics, the record still says
// what was before, and Recover reads the highest seq again.
func (s *Shard) applyQueue() {
	for i := range s.out.queue {
		q := &s.out.queue[i]
		var err error
		switch q.op {
		case queueAppend:
			if err = s.cfg.Queue.Append(&q.entry, q.payload); err == nil {
				s.appended(q)
			}
		case queueReplace:
			err = s.cfg.Queue.Replace(&q.entry)
		case queueDrop, queueDiscard:
			s.dropEntries(q)
		}
		if err != nil {
			panic(err)
		}
		s.noteEntry(q)
	}
}

func (s *Shard) applyPosts() {
	for i := range s.out.posts {
		s.send(s.out.posts[i].to, &s.out.posts[i].message)
	}
}

// send has a message taken on this loop after the current step, or posts it to another.
func (s *Shard) send(to int, m *message) {
	if to == s.cfg.Loop {
		m.from = int32(to)
		s.local = append(s.local, *m)
		return
	}
	s.encoded = appendMessage(s.encoded[:0], m)
	s.leastRoom -= len(s.encoded)
	if s.backlog[to].waiting() || s.host.Post(to, s.encoded) != nil {
		s.keepBack(to, s.encoded)
	}
}

// measureRoom looks at the credit of all other loops. Between ticks every posted byte is taken off the least of them.
func (s *Shard) measureRoom() {
	s.leastRoom = math.MaxInt
	if s.overNoted() {
		s.leastRoom = 0
		return
	}
	for to := range s.cfg.Placement.Loops {
		if to != s.cfg.Loop {
			s.leastRoom = min(s.leastRoom, s.host.Credit(to)-s.backlog[to].bytes())
		}
	}
}

// checkIntake tells all loops when the store of this one is full or its disk refuses, and when it has room again.
func (s *Shard) checkIntake() {
	held := s.held()
	stopped := s.intakeStopped(s.cfg.Loop)
	code := uint8(0)
	switch {
	case !stopped && (s.trouble || held >= s.cfg.StoreBytesMax):
		code = 1
	case stopped && !s.trouble && held <= s.cfg.StoreBytesMax/storeResumeDen*storeResumeNum:
	default:
		return
	}
	s.setIntake(s.cfg.Loop, code)
	for to := range s.cfg.Placement.Loops {
		if to != s.cfg.Loop {
			s.send(to, &message{kind: msgIntake, code: code})
		}
	}
}

// Stats are the counters now.
func (s *Shard) Stats() Stats {
	st := s.stats
	q := s.cfg.Queue.Stats()
	st.Users, st.Mailboxes = int64(s.users.len()), int64(s.mailboxes.Len())
	st.Watches, st.Subscriptions = int64(s.watches.Len()), int64(s.subs.Len())
	st.PresenceWaiting = s.subjectsWaiting()
	st.CullBacklog = s.wheel.due()
	st.QueueEntries, st.QueueBytes = int64(q.Entries), q.PayloadBytes
	st.ParkedUsers, st.ParkedBytes = int64(len(s.parked)), s.parkedBytes
	st.Dirty, st.DirtyBytes, st.Ledgers = int64(s.dirty.count), s.dirtyBytes, int64(s.ledgers.Len())
	st.Crowds = int64(len(s.crowds))
	st.Awaiting = int64(len(s.awaits.l) - s.awaits.head)
	return st
}

// backlog holds messages that a loop had promised room for and refused, each behind its length.
type backlog struct {
	b    []byte
	head int
}

func (l *backlog) waiting() bool { return len(l.b) > l.head }

func (l *backlog) bytes() int { return len(l.b) - l.head }

// keepBack has a message wait for room, in order.
func (s *Shard) keepBack(to int, msg []byte) {
	l := &s.backlog[to]
	if l.bytes()+len(msg) > backlogBytesMax {
		s.stats.MessagesLost++
		return
	}
	n := len(msg)
	l.b = append(l.b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	l.b = append(l.b, msg...)
}

// flushBacklog posts what has waited, as far as it is taken.
func (s *Shard) flushBacklog(now int64) {
	for to := range s.backlog {
		l := &s.backlog[to]
		if !l.waiting() {
			continue
		}
		for l.waiting() {
			h := l.b[l.head:]
			n := int(h[0])<<24 | int(h[1])<<16 | int(h[2])<<8 | int(h[3])
			if s.host.Post(to, h[4:4+n]) != nil {
				s.host.WakeAt(now + starvedRetryMs)
				break
			}
			l.head += 4 + n
		}
		if !l.waiting() {
			*l = backlog{}
		}
	}
}
