package shard

import "trunkline/codec"

// sessionState is where a connection's life stands.
//
//	                              +-- hold -+  +---> early ----+
//	                              |         |  | attached      | confirmed
//	        Open                  v  HELLO  |  | early         v
//	free ---------> handshaking ------> attaching ---------> open
//	 ^                |   |  |           |       attached     |
//	 |      HELLO of  |   |  | timeout,  | refused, FIN,      | FIN, kicked, idle, malformed,
//	 |   another loop |   |  | not HELLO | timeout            | ack timeout, slow, crash
//	 |<---------------+   |  v           v                    v
//	 |                    | closing <----+--------------------+
//	 |       Closed       |    |
//	 +--------------------+----+   (Closed also from attaching, early and open, which detach first)
//
// What each state does with each event is the table below; TestSessionTable reads it here and walks it. A cell names the state
// it leads to, where that changes, and after the colon the frame that is written. "wait" leaves the frame unread, "ignore" does
// nothing, "-" does nothing and counts it as unexpected. In free only "opened" is expected. Whoever leaves attaching, early or
// open for closing or free sends "detach" to the mailbox.
//
//	event           handshaking       attaching         early             open              closing
//	identified      ignore            -                 -                 -                 ignore
//	confirmed       ignore            ignore            open              ignore            ignore
//	hello           attaching         wait              closing           closing: ERROR    ignore
//	hello early     attaching         wait              closing           closing: ERROR    ignore
//	hello held      wait              wait              closing           closing: ERROR    ignore
//	hello unread    attaching         wait              ignore            ignore            ignore
//	hello other     closing: ERROR    wait              closing           closing: ERROR    ignore
//	hello stale     closing: ERROR    wait              closing           closing: ERROR    ignore
//	hello unproven  closing: ERROR    wait              closing           closing: ERROR    ignore
//	hello away      free              wait              closing           closing: ERROR    ignore
//	hello bad       closing: ERROR    wait              closing           closing: ERROR    ignore
//	send            closing           wait              ignore            ignore            ignore
//	ping            closing           wait              closing           : PONG            ignore
//	unknown         ignore            wait              ignore            ignore            ignore
//	malformed       closing           closing: ERROR    closing           closing: ERROR    ignore
//	attached        -                 open: SUCCESS     -                 -                 ignore
//	attached early  -                 early: SUCCESS    -                 -                 ignore
//	attached late   -                 open: SUCCESS     -                 -                 ignore
//	hold            -                 handshaking       -                 -                 ignore
//	refused         -                 closing: ERROR    -                 -                 ignore
//	push            -                 -                 : DELIVER         : DELIVER         ignore
//	ticked          -                 -                 : ACK             : ACK             ignore
//	soft            -                 -                 : ERROR           : ERROR           ignore
//	kick            -                 closing: ERROR    closing: ERROR    closing: ERROR    ignore
//	presence        -                 -                 -                 : PRESENCE        ignore
//	presence held   -                 -                 -                 ignore            ignore
//	flush           -                 -                 -                 : PRESENCE        ignore
//	typing          -                 -                 -                 : TYPING          ignore
//	typing stale    -                 -                 -                 ignore            ignore
//	ponged          -                 -                 -                 : PONG            ignore
//	timer           closing           closing           closing           closing: ERROR    ignore
//	half closed     closing           closing           closing           closing           ignore
//	slow            closing           closing           closing           closing           ignore
//	drain           ignore            ignore            ignore            : GOAWAY          ignore
//	crashed         closing: ERROR    closing: ERROR    closing: ERROR    closing: ERROR    ignore
//	closed          free              free              free              free              free
//
// A PING to a mailbox of another loop, or to one that the disk holds up, is answered when ponged comes; until then a second one waits.
//
// hello away: the user lives on another loop, the connection moves there. hello bad: of a version that is not spoken.
// hello other, stale, unproven: not of the user and device, or not of the generation, that the transport has proved, or nothing
// was proved where it must be. hello early: of a first flight that may be a replay (docs/adr/0007-early-data.md): the mailbox is
// asked while the HELLO is left unread. hello held: the mailbox has answered hold, and Confirm has not come. hello unread: the
// same HELLO, read again after the answer. presence held, typing stale: STATE has said that nobody looks. attached late: the answer to an early HELLO comes after Confirm.
// unknown: a kind from 0x80, skipped. timer: in open when a deadline has passed; before that it is armed anew.
type sessionState uint8

const (
	sessionFree sessionState = iota
	sessionHandshaking
	sessionAttaching
	sessionEarly
	sessionOpen
	sessionClosing
	sessionStates
)

// sessionFlags are one-bit facts of a session.
type sessionFlags uint16

const (
	flagSoonTimer sessionFlags = 1 << iota // the timer is armed for the ACK timeout or sooner
	flagHeldBack                           // input waits for the mark to move
	flagToldAway                           // GOAWAY was sent
	flagInactive                           // STATE said that nobody is looking
	flagPinging                            // a PING is on its way to the mailbox and back
	flagEarly                              // what it says may be a replay: Confirm has not come
	flagUnread                             // the mailbox was asked with a HELLO that is still to be read again
	flagThrottled                          // input waits until the rate of controls allows the next frame
	flagHolding                            // some of its subscriptions may hold presence that nobody was shown
	flagFlushing                           // on the list of those that write it
)

// session is one connection's half of a login: who it is, and what stands between its socket and the mailbox. 72 bytes,
// no pointers. It knows the mailbox only by messages.
type session struct {
	conn      Conn
	user      uint64 // of the client, from Identify or HELLO; 0: not known yet
	offset    uint64 // bytes of the stream that were consumed
	mark      uint64 // the mailbox's mark as last told: cseqs up to mark+UplinkEntriesMax may be handed on; before the login the account's generation
	pushed    uint64 // the highest seq given to the client on this connection
	heardMs   uint32 // when bytes last came, unix milliseconds modulo 2^32
	unackedMs uint32 // since when something waits for an ACK without one; 0: nothing waits
	mailbox   uint32 // its index on the home loop
	controls  uint32 // state of the limit of stanzas without a cseq
	subs      uint32 // the first subscription
	subsCount uint16
	flags     sessionFlags
	ahead     uint8 // cseqs handed on above the mark, 0 to UplinkEntriesMax
	device    uint8
	home      uint8
	state     sessionState
}

// eventKind is what happens to a machine beside messages.
type eventKind uint8

const (
	evMessage    eventKind = iota + 1
	evOpened               // session: the connection is new here
	evIdentified           // session: the transport has proved who the client is
	evConfirmed            // session: and that it is no replay
	evFrame                // session: a whole frame came
	evMalformed            // session: what came is no frame
	evHalfClosed           // session: the client has sent its last byte
	evClosed               // session: the connection is gone
	evTimer                // session: its timer expired
	evSlow                 // session: the outbound cap was reached
	evDrain                // session: the server goes down
	evCrashed              // session: its step panicked
	evFlush                // session: some of what it holds may be written
	evTick                 // mailbox: the turn ends, tell the first tick
	evCredit               // mailbox: try again to push
	evDurable              // mailbox: what it promised may be told
	evLoaded               // mailbox: more of it is in memory
	evUnread               // mailbox: more of it could not be read
)

// event is what a machine is told. frame aliases the loop's input, message is valid during the step.
type event struct {
	kind     eventKind
	frame    codec.Frame
	used     int    // bytes of the frame on the wire
	controls uint32 // of a frame that counts among the controls: the state of that limit without it
	message  *message
	identity Identity
}

// Step tells the session what happened. It changes only *s and out.
func (s *session) step(now int64, ev *event, w *world, out *effects) {
	if ev.kind == evClosed {
		s.becomeFree(now, w, out)
		return
	}
	switch s.state {
	case sessionFree:
		s.stepFree(now, ev, w, out)
	case sessionHandshaking:
		s.stepHandshaking(now, ev, w, out)
	case sessionAttaching:
		s.stepAttaching(now, ev, w, out)
	case sessionEarly:
		s.stepEarly(now, ev, w, out)
	case sessionOpen:
		s.stepOpen(now, ev, w, out)
	case sessionClosing: // everything that was still on its way ends here
	}
	s.heard(now, ev, out)
}

// loggedIn is 1 for a session that is open, else 0. Stats.LoggedIn follows it where a record is committed, so that a step which
// panics has not counted.
func (s *session) loggedIn() int64 {
	if s.state == sessionOpen {
		return 1
	}
	return 0
}

// heard counts a frame that was taken. Only whole frames prove that a client lives.
func (s *session) heard(now int64, ev *event, out *effects) {
	if ev.kind == evFrame && !out.leave {
		s.offset += uint64(ev.used)
		s.heardMs = uint32(now)
	}
}

func (s *session) stepFree(now int64, ev *event, w *world, out *effects) {
	if ev.kind != evOpened {
		w.stats.Unexpected++
		return
	}
	s.becomeHandshaking(now, w, out)
}

func (s *session) stepHandshaking(now int64, ev *event, w *world, out *effects) {
	switch ev.kind {
	case evIdentified:
		s.identified(&ev.identity, w)
	case evConfirmed:
		s.confirmed(now, w, out)
	case evFrame:
		s.greet(now, ev, w, out)
	case evMalformed:
		w.stats.MalformedFrames++
		s.becomeClosing(now, codec.CodeNone, w, out)
	case evHalfClosed:
		s.becomeClosing(now, codec.CodeNone, w, out)
	case evTimer:
		s.becomeClosing(now, codec.CodeLoginTimeout, w, out)
	case evSlow:
		s.becomeClosing(now, codec.CodeSlowConsumer, w, out)
	case evCrashed:
		s.refuse(now, codec.CodeCrashed, 0, 0, w, out)
	case evDrain:
	default:
		w.stats.Unexpected++
	}
}

func (s *session) stepAttaching(now int64, ev *event, w *world, out *effects) {
	switch ev.kind {
	case evFrame:
		out.leave = true // Attached has the input given again
		s.flags |= flagHeldBack
	case evConfirmed:
		s.confirmed(now, w, out)
	case evMessage:
		s.attachingMessage(now, ev.message, w, out)
	case evMalformed:
		w.stats.MalformedFrames++
		s.refuse(now, codec.CodeMalformed, s.offset, 0, w, out)
	case evHalfClosed:
		s.becomeClosing(now, codec.CodeNone, w, out)
	case evTimer:
		s.becomeClosing(now, codec.CodeLoginTimeout, w, out)
	case evSlow:
		s.becomeClosing(now, codec.CodeSlowConsumer, w, out)
	case evCrashed:
		s.refuse(now, codec.CodeCrashed, 0, 0, w, out)
	case evDrain: // told when it is open
	default:
		w.stats.Unexpected++
	}
}

func (s *session) attachingMessage(now int64, m *message, w *world, out *effects) {
	switch m.kind {
	case msgAttached:
		s.attached(now, m, w, out)
	case msgHold:
		s.becomeHeld(out)
	case msgFrames: // of a request that an earlier session of this connection has made
	case msgRefused, msgKick:
		s.refuse(now, codec.ErrorCode(m.code), m.first, m.timeSec, w, out)
	default:
		w.stats.Unexpected++
	}
}

func (s *session) stepOpen(now int64, ev *event, w *world, out *effects) {
	switch ev.kind {
	case evFrame:
		if !s.readAgain(ev) {
			s.openFrame(now, ev, w, out)
		}
	case evConfirmed: // it was never in doubt, or the login has shown it
	case evMessage:
		s.openMessage(now, ev.message, w, out)
	case evTimer:
		s.checkDeadlines(now, w, out)
	case evMalformed:
		s.malformed(now, w, out)
	case evHalfClosed:
		s.becomeClosing(now, codec.CodeNone, w, out)
	case evSlow:
		s.becomeClosing(now, codec.CodeSlowConsumer, w, out)
	case evDrain:
		s.sayGoAway(w, out)
	case evFlush:
		s.flush(w, out)
	case evCrashed:
		s.refuse(now, codec.CodeCrashed, 0, 0, w, out)
	default:
		w.stats.Unexpected++
	}
}

// openMessage takes what the mailbox and others say to an open session.
func (s *session) openMessage(now int64, m *message, w *world, out *effects) {
	switch m.kind {
	case msgPush:
		out.write(m.payload)
		s.raiseMark(m.first, out)
		s.delivered(now, m.last, w, out)
	case msgTicked:
		s.ticked(m, out)
	case msgSoft:
		out.writeError(codec.ErrorCode(m.code), m.first, m.timeSec)
	case msgKick:
		s.refuse(now, codec.ErrorCode(m.code), m.first, 0, w, out)
	case msgPresence:
		s.presence(m, w, out)
	case msgTypingIs:
		s.typing(m, w, out)
	case msgPonged:
		s.ponged(out)
	case msgFrames:
		out.write(m.payload)
	default:
		w.stats.Unexpected++
	}
}

// ticked tells the first tick.
func (s *session) ticked(m *message, out *effects) {
	s.raiseMark(m.first, out)
	out.open()
	out.frames = must(codec.AppendTick(out.frames, &codec.Tick{UpHigh: s.mark, TimeSec: m.timeSec}))
}

// raiseMark takes over the mailbox's mark and reads on where the window had closed.
func (s *session) raiseMark(mark uint64, out *effects) {
	if mark <= s.mark {
		return
	}
	s.ahead -= uint8(min(mark-s.mark, uint64(s.ahead)))
	s.mark = mark
	s.readOn(out)
}

// readOn has input that was held back given again.
func (s *session) readOn(out *effects) {
	if s.flags&flagHeldBack != 0 {
		s.flags &^= flagHeldBack
		out.redeliver = true
	}
}

// becomeHandshaking waits for a HELLO until the login timer expires.
func (s *session) becomeHandshaking(now int64, w *world, out *effects) {
	s.state = sessionHandshaking
	s.heardMs = uint32(now)
	out.timerMs = w.cfg.LoginTimeoutMs
}

// becomeAttaching has asked the mailbox; the login timer goes on.
func (s *session) becomeAttaching() { s.state = sessionAttaching }

// attached: the mailbox has taken the HELLO. With one that was asked with early it waits to be told of Confirm.
func (s *session) attached(now int64, m *message, w *world, out *effects) {
	s.mark, s.pushed, s.mailbox = m.first, m.last, m.hint
	s.saySuccess(now, m, w, out)
	switch {
	case s.flags&flagEarly != 0:
		s.state = sessionEarly
	case s.flags&flagUnread != 0:
		s.becomeConfirmed(now, w, out)
	default:
		s.becomeOpen(now, w, out)
	}
	s.readOn(out)
}

// becomeOpen starts to watch the keepalive.
func (s *session) becomeOpen(now int64, w *world, out *effects) {
	s.state = sessionOpen
	s.heardMs = uint32(now)
	out.timerMs = s.idleMs(w)
	if w.draining {
		s.sayGoAway(w, out)
	}
}

// saySuccess answers the HELLO.
func (s *session) saySuccess(now int64, m *message, w *world, out *effects) {
	success := codec.Success{
		Incarnation:   w.cfg.Incarnation,
		Gen:           m.gen,
		UpHigh:        m.first,
		KeepaliveSec:  s.keepaliveSec(w),
		WindowEntries: UplinkEntriesMax,
		WindowBytes:   UplinkBytesMax,
		TimeMs:        uint64(now),
	}
	out.open()
	out.frames = must(codec.AppendSuccess(out.frames, &success))
}

// refuse says why and closes.
func (s *session) refuse(now int64, code codec.ErrorCode, ref uint64, retryAfterMs uint32, w *world, out *effects) {
	out.writeError(code, ref, retryAfterMs)
	s.becomeClosing(now, code, w, out)
}

// becomeClosing lets go of everything but the connection; Closed follows. With CodeNone the peer left or is not worth a word.
func (s *session) becomeClosing(now int64, code codec.ErrorCode, w *world, out *effects) {
	s.letGo(now, out)
	s.state = sessionClosing
	if code != codec.CodeNone {
		w.stats.Closes[code]++
	}
	out.close = true
}

// becomeFree ends the record: the connection is gone, or lives on another loop.
func (s *session) becomeFree(now int64, w *world, out *effects) {
	if s.state == sessionFree {
		w.stats.Unexpected++
	}
	s.letGo(now, out)
	*s = session{}
	out.free = true
}

// letGo tells the mailbox and the watched users that nobody listens any more. In the states that told them already, or have
// told nobody yet, there is nothing to say.
func (s *session) letGo(now int64, out *effects) {
	if s.state != sessionAttaching && s.state != sessionEarly && s.state != sessionOpen {
		return
	}
	m := s.toMailbox(out, msgDetach)
	m.timeSec = uint32(now / 1000)
	out.forget = s.subs
	s.subs, s.subsCount = 0, 0
}

// toMailbox posts a message to the session's mailbox.
func (s *session) toMailbox(out *effects, kind messageKind) *message {
	m := out.post(int(s.home), kind)
	m.user, m.device, m.hint, m.conn = s.user, s.device, s.mailbox, s.conn
	return m
}

// malformed ends a session whose bytes can't be read on.
func (s *session) malformed(now int64, w *world, out *effects) {
	w.stats.MalformedFrames++
	s.refuse(now, codec.CodeMalformed, s.offset, 0, w, out)
}

// sayGoAway asks the client to come back later or elsewhere, once.
func (s *session) sayGoAway(w *world, out *effects) {
	if s.flags&flagToldAway != 0 {
		return
	}
	s.flags |= flagToldAway
	out.open()
	out.frames = must(codec.AppendGoAway(out.frames, &codec.GoAway{Code: codec.CodeDraining, RetryAfterMs: w.retryAfter(s.user)}))
}
