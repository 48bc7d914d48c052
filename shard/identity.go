package shard

import "trunkline/codec"

// Identity is what the transport has proved about a connection's client before its HELLO is read.
type Identity struct {
	User   uint64
	Device uint8
	// Gen is the account's generation of the device: a HELLO of another one is refused (CodeGenerationStale), and a HELLO without
	// one begins it. 0: nobody keeps generations but the mailbox.
	Gen uint16
	// Early: only a first flight speaks so far, and it may be a replay. Until Confirm only HELLO and SENDs are taken, and nothing
	// that they ask for may hurt the device's present connection or change what only the device itself may change.
	Early bool
}

// Identify tells who the client is. It comes after Open (again after a move) and before Data; without it a HELLO is refused where
// Config.Proven is set. For a connection that is gone it does nothing.
func (s *Shard) Identify(now int64, conn Conn, id Identity) {
	if s.lookup(conn) == nil {
		return
	}
	s.stepSession(now, conn, &event{kind: evIdentified, identity: id})
	s.drainLocal(now)
}

// Confirm tells that the client of an Early identity is no replay: its first record under the new keys has come. A HELLO that
// had to wait for it is read again; a first flight that was taken at once becomes a login like any other.
func (s *Shard) Confirm(now int64, conn Conn) { s.tell(now, conn, evConfirmed) }

// The 0-RTT rule. Early data may be a replay, so the mailbox takes an early HELLO only when all is ordinary (mailbox.ordinary),
// and otherwise changes nothing and answers hold: the session leaves the HELLO unread until Confirm. What was taken early is
// provisional: it kicks nobody and nobody is told that the user is there, until confirm comes from the session.

// identified keeps who the client is. The generation stands where the mark will, which nobody knows before the login.
func (s *session) identified(id *Identity, w *world) {
	if !validUser(id.User) {
		w.stats.Unexpected++
		return
	}
	s.user, s.device, s.mark = id.User, id.Device, uint64(id.Gen)
	s.flags &^= flagEarly
	if id.Early {
		s.flags |= flagEarly
	}
}

// accountGen is the generation that Identify has named; only before the login.
func (s *session) accountGen() uint16 { return uint16(s.mark) }

// frameMax is how long the next frame may be. Behind the HELLO of a device that has proved its generation come the SENDs of its
// first flight, whoever has answered by then; a stranger's frames are short until SUCCESS.
func (s *session) frameMax() int {
	switch {
	case s.state == sessionHandshaking, s.state == sessionAttaching && s.accountGen() == 0:
		return codec.PreLoginFrameBytesMax
	}
	return codec.FrameBytesMax
}

// mayGreet says with which code a HELLO is refused that says something else than the transport has proved.
func (s *session) mayGreet(hello *codec.Hello, w *world) codec.ErrorCode {
	switch gen := s.accountGen(); {
	case s.user == 0 && w.cfg.Proven:
		return codec.CodeNotAuthorized
	case s.user == 0: // nothing was proved
	case s.user != hello.User || s.device != hello.Device:
		return codec.CodeNotAuthorized
	case gen != 0 && hello.Gen != 0 && hello.Gen != gen:
		return codec.CodeGenerationStale
	}
	return codec.CodeNone
}

// confirmed: whoever speaks has read our answer. In attaching the mailbox's own answer says how it goes on.
func (s *session) confirmed(now int64, w *world, out *effects) {
	switch {
	case s.state == sessionEarly:
		s.becomeConfirmed(now, w, out)
	case s.flags&flagEarly == 0: // it was never in doubt
	default:
		s.flags &^= flagEarly
		if s.state == sessionHandshaking {
			s.readOn(out)
		}
	}
}

// becomeHeld goes back to before the HELLO, which is still unread: it waits for Confirm, or does not when that has come. The
// login timer goes on.
func (s *session) becomeHeld(out *effects) {
	s.state = sessionHandshaking
	s.flags &^= flagUnread
	if s.flags&flagEarly == 0 {
		s.readOn(out)
	}
}

// held says whether the HELLO has to wait for Confirm.
func (s *session) held() bool {
	return s.flags&(flagEarly|flagHeldBack) == flagEarly|flagHeldBack
}

// stepEarly is a session whose first flight was taken at once and may be a replay: it listens to SENDs alone, says what the
// mailbox has, and ends without a word when something else comes or Confirm does not. The login timer goes on.
func (s *session) stepEarly(now int64, ev *event, w *world, out *effects) {
	switch ev.kind {
	case evFrame:
		s.earlyFrame(now, ev, w, out)
	case evMessage:
		s.earlyMessage(now, ev.message, w, out)
	case evConfirmed:
		s.confirmed(now, w, out)
	case evMalformed:
		w.stats.MalformedFrames++
		s.becomeClosing(now, codec.CodeNone, w, out)
	case evTimer:
		w.stats.EarlyUnconfirmed++
		s.becomeClosing(now, codec.CodeLoginTimeout, w, out)
	case evHalfClosed:
		s.becomeClosing(now, codec.CodeNone, w, out)
	case evSlow:
		s.becomeClosing(now, codec.CodeSlowConsumer, w, out)
	case evCrashed:
		s.refuse(now, codec.CodeCrashed, 0, 0, w, out)
	case evDrain: // told when it is open
	default:
		w.stats.Unexpected++
	}
}

func (s *session) earlyFrame(now int64, ev *event, w *world, out *effects) {
	switch kind := ev.frame.Kind; {
	case s.readAgain(ev):
	case kind == codec.KindSend:
		if s.takeSend(now, ev, w, out) != nil {
			w.stats.MalformedFrames++
			s.becomeClosing(now, codec.CodeNone, w, out)
		}
	case kind.Known():
		s.becomeClosing(now, codec.CodeUnexpected, w, out)
	}
}

// earlyMessage is openMessage without what is asked for by frames that are not taken yet.
func (s *session) earlyMessage(now int64, m *message, w *world, out *effects) {
	switch m.kind {
	case msgPush, msgTicked, msgSoft, msgKick, msgFrames: // frames: a notice about what a SEND of the flight knew too little of
		s.openMessage(now, m, w, out)
	default:
		w.stats.Unexpected++
	}
}

// readAgain takes the HELLO that was left unread while the mailbox was asked.
func (s *session) readAgain(ev *event) bool {
	if s.flags&flagUnread == 0 || ev.frame.Kind != codec.KindHello {
		return false
	}
	s.flags &^= flagUnread
	return true
}

// becomeConfirmed makes a login of what was taken early.
func (s *session) becomeConfirmed(now int64, w *world, out *effects) {
	s.state = sessionOpen
	s.flags &^= flagEarly
	s.heardMs = uint32(now)
	if s.unackedMs != 0 {
		s.unackedMs = moment(now) // no ACK was taken before
	}
	s.toMailbox(out, msgConfirm)
	s.checkDeadlines(now, w, out)
	if w.draining {
		s.sayGoAway(w, out)
	}
}

// ordinary says whether an early HELLO may be taken at once: nobody is attached, it speaks of this data and of the present
// generation, and its connection is newer than any that was seen of it. So a flight is taken early once at most, never after
// a later one of its client, and never when the server has forgotten what it would have to know.
func (m *mailbox) ordinary(msg *message, w *world) bool {
	return m.state == mailboxOffline && m.flags&flagDoubt == 0 && msg.gen != 0 && msg.gen == m.gen && msg.peer == w.cfg.Incarnation &&
		uint32(msg.seq) > m.epoch && msg.first <= m.last
}

// becomeEarly answers the session and pushes what waits, and nobody else hears of it.
func (m *mailbox) becomeEarly(ev *mailboxEvent, w *world, out *effects) {
	m.state = mailboxEarly
	w.stats.EarlyTaken++
	m.attachTo(ev, w, out)
}

// becomeConfirmed has the user be there.
func (m *mailbox) becomeConfirmed(w *world, out *effects) {
	m.state = mailboxOnline
	w.stats.Logins++
	w.stats.Resumes++
	m.announce(w, out)
}

// adoptAccount settles which generation of the device this is where the accounts say so. What the account says is the law; a
// mailbox may be behind it (the device was registered anew, or this data is younger than the account), and so may a session
// that was identified before the device was registered anew: that one is stale. The numbers wrap, so the half of them
// that lies ahead is newer.
//
// The account has given this generation to the HELLO's token: a mailbox that is at it already has been asked before, and the
// first SUCCESS was lost, unless it remembers another token. Then the accounts have lost their count, and begin it anew.
func (m *mailbox) adoptAccount(msg *message, same bool, w *world, out *effects) (resumed bool, code codec.ErrorCode) {
	account, token := msg.peerGen, uint32(0)
	if msg.gen == 0 {
		token = foldToken(msg.first)
	}
	switch {
	case m.gen == account && (msg.gen != 0 || m.token == 0 || m.token == token):
		resumed, code = m.welcome(msg, same && msg.gen != 0, w, out)
	case m.flags&flagAccount != 0 && int16(account-m.gen) < 0:
		return false, codec.CodeGenerationStale
	case msg.gen == 0:
		m.begin(account, 0, out)
		m.token = token
	default:
		m.begin(account, msg.last, out)
		m.token = 0
	}
	if code == codec.CodeNone {
		m.registered = account
		m.flags |= flagAccount
	}
	return resumed, code
}

// heldBack answers an early HELLO that has to wait.
func heldBack(msg *message, w *world, out *effects) {
	w.stats.EarlyHeld++
	answerSession(msg, msgHold, out)
}
