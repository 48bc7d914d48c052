package shard

// Presence: a session subscribes to users, each user's home loop keeps who watches. Both are lists of small cells. A watcher whose session is
// gone is forgotten when it is told. What a watcher may see is decided at the home of the user that is watched: see shown.

// subscription is one user that a session watches, and what there is to tell of it when somebody looks at the device again: only the
// newest is kept. 16 bytes.
type subscription struct {
	peer    uint64 // the user, shifted by heldBits; below it what is held
	next    uint32
	seenSec uint32 // of what is held
}

// What a subscription holds.
const (
	heldNothing = iota
	heldAway
	heldThere
	heldBits = 2 // a user has 60 bits
)

func newSubscription(peer uint64, next uint32) subscription {
	return subscription{peer: peer << heldBits, next: next}
}

func (c *subscription) user() uint64 { return c.peer >> heldBits }

// held is what is to be told. ok: there is something.
func (c *subscription) held() (code uint8, ok bool) {
	switch c.peer & (1<<heldBits - 1) {
	case heldAway:
		return 0, true
	case heldThere:
		return 1, true
	}
	return 0, false
}

// hold keeps what is to be told, in the place of what was.
func (c *subscription) hold(code uint8, seenSec uint32) {
	c.release()
	c.peer |= heldAway + uint64(code)
	c.seenSec = seenSec
}

func (c *subscription) release() { c.peer = c.peer >> heldBits << heldBits }

// subscribed is a session's subscription to a peer; 0: there is none.
func (w *world) subscribed(first uint32, peer uint64) uint32 {
	for i := first; i != 0; {
		c := w.subs.At(i)
		if c.user() == peer {
			return i
		}
		i = c.next
	}
	return 0
}

func (s *Shard) subscribe(p *session, peer uint64) {
	i, c := s.subs.Alloc()
	if c == nil {
		s.stats.EphemeralDropped++ // the step looked: there was room
		return
	}
	*c = newSubscription(peer, p.subs)
	p.subs = i
}

func (s *Shard) unsubscribe(p *session, peer uint64) {
	for link := &p.subs; *link != 0; {
		i := *link
		c := s.subs.At(i)
		if c.user() != peer {
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
		s.send(s.home(c.user()), &message{kind: msgUnwatch, user: c.user(), conn: conn})
	}
}

// watch is one session that watches a user, and what it was told of it last. 24 bytes.
type watch struct {
	conn    Conn
	watcher uint64 // its user
	next    uint32
	seen    uint16 // the low bits of the time that it was told: as good as the whole to see that it has changed
	loop    uint8
	told    toldKind
}

// toldKind says what a watcher was told last.
type toldKind uint8

const (
	toldNothing toldKind = iota // not even the presence of the moment when it came
	toldHidden                  // away, without a time
	toldAway                    // away, with the time
	toldThere
)

// toldOf is how what is said of a user is remembered.
func toldOf(code uint8, seenSec uint32) (told toldKind, seen uint16) {
	switch {
	case code != 0:
		return toldThere, 0
	case seenSec != 0:
		return toldAway, uint16(seenSec)
	}
	return toldHidden, 0
}

// presence is whether somebody looks at any device of a user, and when one was looked at last that is not now.
func (w *world) presence(user uint64) (there bool, seenSec uint32) {
	for i := w.users.first(user); i != 0; {
		m := w.mailboxes.At(i)
		there = there || m.state == mailboxOnline
		seenSec = max(seenSec, m.seenSec)
		i = m.next
	}
	return there, seenSec
}

// sight is a user as it is, and who may see that.
type sight struct {
	user    uint64
	policy  *Policy // nil: everybody may see everything
	there   bool
	unread  bool // what the user has decided is still to be read from the disk
	seenSec uint32
}

func (w *world) sight(user uint64) (v sight) {
	v.user, v.policy = user, w.policyOf(user)
	v.there, v.seenSec = w.presence(user)
	if i := w.find(user, stateDevice, 0); v.policy == nil && i != 0 {
		v.unread = w.mailboxes.At(i).entries+w.mailboxes.At(i).notices > 0
	}
	return v
}

// shown is what a watcher may see. Who may see when a user was there, but not that it is, hears of it when the user has gone: until then it is
// told what was true before. Its own devices see a user as it is.
func (v *sight) shown(watcher uint64) (code uint8, seenSec uint32) {
	all := v.user == watcher || v.policy == nil
	switch p := v.policy; {
	case v.unread && v.user != watcher:
		return 0, 0
	case v.there && (all || p.shows(p.Presence, watcher)):
		return 1, 0
	case all || p.shows(p.LastSeen, watcher):
		return 0, v.seenSec
	}
	return 0, 0
}

// forgotten says whether a time that a watcher knows is not to be taken back: the user has left memory, or is just coming back, and nobody has
// hidden it.
func (v *sight) forgotten(watcher uint64) bool {
	return v.unread || !v.there && v.seenSec == 0 && (v.policy == nil || v.policy.shows(v.policy.LastSeen, watcher))
}

// flushHeld has sessions write what they hold, at most flushSessionsMax in a turn, in the order in which somebody looked at them again.
func (s *Shard) flushHeld(now int64) {
	for range min(len(s.flushes), flushSessionsMax) {
		conn := s.flushes[0]
		s.flushes = s.flushes[1:] // before the step: one that panics is not done again
		if p := s.lookup(conn); p != nil && p.state == sessionOpen {
			s.stepSession(now, conn, &event{kind: evFlush})
			s.drainLocal(now)
		}
	}
	if len(s.flushes) > 0 {
		s.host.WakeAt(now + starvedRetryMs)
	} else if cap(s.flushes) > 0 {
		s.flushes = nil
	}
}
