package shard

// Presence: a session subscribes to users, each user's home loop keeps who watches. Both are lists of small cells. They are
// hints, not promises: what finds no room is dropped and counted, and a watcher that is gone is forgotten when it is told.

// subscription is one user that a session watches.
type subscription struct {
	peer uint64
	next uint32
}

// watch is one session that watches a user.
type watch struct {
	conn Conn
	next uint32
	loop uint8
}

// subscribed says whether a session's list has a peer.
func (w *world) subscribed(first uint32, peer uint64) bool {
	for i := first; i != 0; {
		c := w.subs.At(i)
		if c.peer == peer {
			return true
		}
		i = c.next
	}
	return false
}

func (s *Shard) subscribe(p *session, peer uint64) {
	i, c := s.subs.Alloc()
	if c == nil {
		s.stats.EphemeralDropped++ // the step looked: there was room
		return
	}
	*c = subscription{peer: peer, next: p.subs}
	p.subs = i
}

func (s *Shard) unsubscribe(p *session, peer uint64) {
	for link := &p.subs; *link != 0; {
		i := *link
		c := s.subs.At(i)
		if c.peer != peer {
			link = &c.next
			continue
		}
		*link = c.next
		s.subs.Free(i)
		return
	}
}

// forget ends all subscriptions of a session.
func (s *Shard) forget(conn Conn, first uint32) {
	for i := first; i != 0; {
		c := *s.subs.At(i)
		s.subs.Free(i)
		i = c.next
		s.send(s.home(c.peer), &message{kind: msgUnwatch, user: c.peer, conn: conn})
	}
}

// takeForUser takes a message that is about a user and none of its mailboxes.
func (s *Shard) takeForUser() {
	m := &s.current
	switch m.kind {
	case msgWatch:
		s.addWatch(m)
		code, seenSec := s.presence(m.user)
		s.tellPresence(int(m.from), m.conn, m.user, code, seenSec)
	case msgUnwatch:
		s.dropWatch(m)
	case msgTyping:
		s.tellTyping(m)
	}
}

// addWatch remembers a session; once is enough.
func (s *Shard) addWatch(m *message) {
	n := 0
	for i := s.watched[m.user]; i != 0; n++ {
		c := s.watches.At(i)
		if c.conn == m.conn {
			return
		}
		i = c.next
	}
	i, c := uint32(0), (*watch)(nil)
	if n < WatchersMax {
		i, c = s.watches.Alloc()
	}
	if c == nil {
		s.stats.EphemeralDropped++
		return
	}
	*c = watch{conn: m.conn, loop: uint8(m.from), next: s.watched[m.user]}
	s.watched[m.user] = i
}

func (s *Shard) dropWatch(m *message) {
	first := s.watched[m.user]
	for link := &first; *link != 0; {
		i := *link
		c := s.watches.At(i)
		if c.conn != m.conn {
			link = &c.next
			continue
		}
		*link = c.next
		s.watches.Free(i)
		break
	}
	if first == 0 {
		delete(s.watched, m.user)
		return
	}
	s.watched[m.user] = first
}

// presence is whether any device of a user is there, and else when the last one left.
func (s *Shard) presence(user uint64) (code uint8, seenSec uint32) {
	for i := s.users.first(user); i != 0; {
		m := s.mailboxes.At(i)
		if m.state == mailboxOnline {
			return 1, 0
		}
		seenSec = max(seenSec, m.seenSec)
		i = m.next
	}
	return 0, seenSec
}

// tellWatchers says that a user came or went.
func (s *Shard) tellWatchers(m *mailbox, change presenceEffect) {
	code, seenSec := uint8(1), uint32(0)
	if change == presenceUnavailable {
		code, seenSec = 0, m.seenSec
	}
	for i := s.watched[m.user]; i != 0; {
		c := s.watches.At(i)
		s.tellPresence(int(c.loop), c.conn, m.user, code, seenSec)
		i = c.next
	}
}

func (s *Shard) tellPresence(loop int, conn Conn, user uint64, code uint8, seenSec uint32) {
	if s.credit(loop) < controlBytesMax {
		s.stats.EphemeralDropped++
		return
	}
	s.send(loop, &message{kind: msgPresence, conn: conn, peer: user, code: code, timeSec: seenSec})
}

// tellTyping passes on to the devices that are there and have nothing else to take.
func (s *Shard) tellTyping(m *message) {
	for i := s.users.first(m.user); i != 0; {
		d := s.mailboxes.At(i)
		i = d.next
		if d.state != mailboxOnline {
			continue
		}
		if !d.caughtUp() || !d.windowOpen(0) || s.credit(int(d.loop)) < controlBytesMax {
			s.stats.EphemeralDropped++
			continue
		}
		s.send(int(d.loop), &message{
			kind: msgTypingIs, conn: d.conn, user: d.user, device: d.device,
			peer: m.peer, peerDevice: m.peerDevice, code: m.code,
		})
	}
}

// policyChanged has the watchers of a user told anew: what they may see may be something else now.
func (s *Shard) policyChanged(_ int64, user uint64) {
	code, seenSec := s.presence(user)
	for i := s.watched[user]; i != 0; {
		c := s.watches.At(i)
		s.tellPresence(int(c.loop), c.conn, user, code, seenSec)
		i = c.next
	}
}
