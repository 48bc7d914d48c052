package shard

import (
	"math"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/internal/slab"
	"trunkline/store"
)

// Shard is all machines of one loop: the tables they live in, the queue of what they tell each other, and the hands that
// carry out their effects. It belongs to one goroutine.
//
// An event runs like this: copy the machine's record, step the copy, commit it, apply the effects, then take the
// messages for machines of this loop one by one in the same way until none is left. So when a call returns, nothing
// refers to the bytes it was given.
type Shard struct {
	world
	host Host

	local     []message // what machines of this loop are still to be told, from localHead on
	localHead int
	current   message // the one that is being taken
	out       effects
	own       effects // of state mailboxes, which change while a step's out is being filled or applied
	chunk     []byte  // one piece of a state
	encoded   []byte  // one message on its way to another loop

	session   session   // the copy that steps
	mailbox   mailbox   // the copy that steps
	fanned    []mailbox // the copies of a route's devices
	fannedAt  []uint32
	sessionEv event
	mailboxEv mailboxEvent
	doing     doing

	ticks    []uint32 // mailboxes that owe a first tick
	starving []uint32 // mailboxes that wait for credit to push
	due      []uint32 // one of the two while it is worked off
	dueKind  eventKind
	backlog  []backlog
	slotsMax uint32 // one above the highest slot seen
	pace     drainPace
	waiting  subjectList // watchers are to be told of them
	resting  subjectList // watchers were told of them a moment ago
	restless int         // of those that rest, with news
	flushes  []Conn      // sessions that may write what they hold, each once
	typings  typingTable
	spent    uint32               // state of the limit of PRESENCE and TYPING
	crowds   map[companion]shares // of mailboxes that fill up; each of them holds a part of StoreBytesMax, or of the disk

	deletions  map[uint64]*deletion // of accounts, by user
	forgetting []uint64             // users of deletions that the accounts have not answered yet
	vanishing  []uint32             // mailboxes that may leave memory and disk

	// Of groups, and of what is kept of users.
	groups                       map[uint64]*groupHome // that are in use
	fanning                      []uint64              // groups with something to give out
	fans                         map[uint64]fan        // messages of groups that some of this loop's members are still to get
	fanNumber, fanRounds         uint64
	items                        []fanItem // of the run that members get
	fanBody, groupBlob, snapshot []byte
	shared                       sharing // the Queue, if it can
	groupTicks                   []groupTick
	markedGroups                 []uint64 // whose marks are to be saved
	change                       groupChange
	request                      iq.Request
	asks                         uint64
	asking                       map[uint64]*asking
	asked                        map[uint64]int // by group
	replies                      replies

	// Of the disk; unused without one.
	note        store.Record // what is being noted
	nowMs       int64        // of the last step
	newsNow     int64
	onNews      func(n *store.News)
	dirty       ledgerList
	dirtyBytes  int64
	slices      sliceList
	awaits      awaitList
	evictables  []uint32 // ledgers, those first that were written first
	loaded      []uint32 // mailboxes that have more in memory than before
	unread      []uint32 // mailboxes that could not be read on
	parked      map[uint64]*parking
	parkedBytes int64
	ready       []uint64 // users whose parking may be taken
	retries     []retry
	trouble     bool   // nothing can be made durable
	notedIn     uint64 // the last turn in which something was noted: one without anything has no end of its own
	diskFullMs  int64  // the disk is too far behind to be given more before
	noted       int    // records since then
}

// New makes the shard of one loop. It panics on a Config that can't work.
func New(cfg Config, host Host) *Shard {
	s := &Shard{host: host}
	s.cfg = cfg.withDefaults()
	s.mesh = host
	s.sessions = slab.NewTable[session](sessionsMax)
	s.mailboxes = slab.NewSlab[mailbox](2 * s.cfg.UsersMax)
	s.users = newUserIndex(s.cfg.Placement, s.mailboxes)
	s.subs = slab.NewSlab[subscription](subscriptionsMax)
	s.watches = slab.NewSlab[watch](watchesMax)
	s.subjects = slab.NewSlab[subject](watchesMax)
	s.watched = make(map[uint64]uint32)
	s.states = make(map[uint64]*userState)
	s.groups, s.fans = make(map[uint64]*groupHome), make(map[uint64]fan)
	s.asking, s.asked = make(map[uint64]*asking), make(map[uint64]int)
	s.shared, _ = s.cfg.Queue.(sharing)
	s.helds = slab.NewSlab[held](heldMax)
	s.ledgers = slab.NewSlab[ledger](2 * s.cfg.UsersMax)
	s.parked = make(map[uint64]*parking)
	s.crowds = make(map[companion]shares)
	s.deletions = make(map[uint64]*deletion)
	s.onNews = s.hear
	s.pushing.f = s.pushing.entry
	s.acking.f = s.acking.entry
	s.messages, s.controls, s.converses = newLimit(s.cfg.Messages), newLimit(s.cfg.Controls), newLimit(s.cfg.Conversations)
	s.presences = newLimit(s.cfg.PresenceRate)
	s.typings.placement = s.cfg.Placement
	s.pairs = newConversations(s.cfg.Placement, s.cfg.Conversations.PerSecond > 0 || s.cfg.Guard != nil)
	s.births = newBirths(&s.cfg)
	s.wheel = newWheel(s.cfg.MailboxIdleMs)
	s.backlog = make([]backlog, s.cfg.Placement.Loops)
	s.leastRoom = math.MaxInt
	if s.cfg.Placement.Loops > 1 {
		s.leastRoom = 0 // the first Tick looks
	}
	return s
}

// Open: the connection is new on this loop, accepted or moved here. now is unix milliseconds in all events; it may step.
func (s *Shard) Open(now int64, conn Conn, _ bool) {
	p := s.sessions.At(conn.slot())
	if p == nil {
		s.stats.Unexpected++
		s.host.Close(conn)
		return
	}
	s.slotsMax = max(s.slotsMax, conn.slot()+1)
	if p.state != sessionFree {
		s.stats.Unexpected++ // its Closed was lost: the old one goes first
		s.Closed(now, p.conn)
		p = s.sessions.At(conn.slot())
	}
	p.conn = conn
	s.stats.Sessions++
	s.stepSession(now, conn, &event{kind: evOpened})
	s.drainLocal(now)
}

// Data gives the connection's unconsumed input. What it does not consume comes again with more, or after Redeliver.
func (s *Shard) Data(now int64, conn Conn, b []byte) (consumed int) {
	for consumed < len(b) {
		p := s.lookup(conn)
		if p == nil || p.state == sessionClosing {
			return len(b)
		}
		frame, used, err := codec.Next(b[consumed:], p.frameMax())
		switch {
		case err != nil:
			s.stepSession(now, conn, &event{kind: evMalformed})
		case used == 0:
			return consumed
		default:
			s.stepSession(now, conn, &event{kind: evFrame, frame: frame, used: used})
			if s.out.leave {
				s.drainLocal(now)
				return consumed
			}
		}
		consumed += used
		s.drainLocal(now)
	}
	return consumed
}

// HalfClosed: the client has sent its last byte.
func (s *Shard) HalfClosed(now int64, conn Conn) { s.tell(now, conn, evHalfClosed) }

// Writable: output that had to wait is gone. Nothing waits for that here: a client that does not read is closed at the
// outbound cap.
func (s *Shard) Writable(int64, Conn) {}

// Closed: the connection is gone.
func (s *Shard) Closed(now int64, conn Conn) { s.tell(now, conn, evClosed) }

// Timer: the connection's timer has expired.
func (s *Shard) Timer(now int64, conn Conn) { s.tell(now, conn, evTimer) }

// tell gives a session an event that carries nothing. For a connection that is gone it is late.
func (s *Shard) tell(now int64, conn Conn, kind eventKind) {
	if s.lookup(conn) == nil {
		return
	}
	s.stepSession(now, conn, &event{kind: kind})
	s.drainLocal(now)
}

// Message takes what another loop's shard has posted, in its order.
func (s *Shard) Message(now int64, from int, msg []byte) {
	if err := parseMessage(&s.current, msg); err != nil {
		s.stats.Unexpected++
		return
	}
	s.current.from = int32(from)
	s.take(now)
	s.drainLocal(now)
}

// Tick ends a turn: first ticks are told, what found no room tries again.
func (s *Shard) Tick(now int64) {
	if s.cfg.Disk != nil {
		s.disk(now)
	}
	s.unpark(now)
	s.fanOn(now)
	s.goOnForgetting(now)
	s.reply()
	s.flushBacklog(now)
	s.measureRoom()
	s.checkIntake()
	s.workOff(now, &s.ticks, evTick)
	s.workOff(now, &s.starving, evCredit)
	if len(s.starving) > 0 {
		s.host.WakeAt(now + starvedRetryMs)
	}
	s.drainOn(now)
	s.flushHeld(now)
	s.tellWatchers(now)
	s.cull(now)
	if s.cfg.Disk != nil {
		s.vanish()
		s.writeBack(now)
		s.evict()
	}
}

// disk hears what the disk has done, and what could not go on without it goes on.
func (s *Shard) disk(now int64) {
	s.takeNews(now)
	s.durable(now, s.cfg.Disk.Durable())
	s.workOff(now, &s.loaded, evLoaded)
	s.workOff(now, &s.unread, evUnread)
	s.retryLoads(now)
}

// workOff tells each mailbox of a list; those that put themselves on it again come next turn.
func (s *Shard) workOff(now int64, list *[]uint32, kind eventKind) {
	s.due, *list = *list, s.due[:0]
	s.dueKind = kind
	s.workDue(now)
}

func (s *Shard) workDue(now int64) {
	for len(s.due) > 0 {
		last := len(s.due) - 1
		index := s.due[last]
		s.due = s.due[:last]
		if !s.mailboxes.Live(index) {
			continue // culled: it was on the list twice
		}
		s.mailboxEv = mailboxEvent{kind: s.dueKind, index: index}
		s.stepMailbox(now)
		s.drainLocal(now)
	}
}

// lookup is the session of a connection, nil when it is gone.
func (s *Shard) lookup(conn Conn) *session {
	if p := s.sessions.Peek(conn.slot()); p != nil && p.conn == conn {
		return p
	}
	return nil
}

// take gives s.current to the machine it is for, or has it wait for the disk.
func (s *Shard) take(now int64) {
	if (s.cfg.Disk != nil || isGroup(s.current.user)) && s.park(now) {
		return
	}
	s.give(now)
}

// give is take for what need not wait any more.
func (s *Shard) give(now int64) {
	m := &s.current
	switch m.kind {
	case msgAttached, msgRefused, msgPush, msgTicked, msgSoft, msgKick, msgPresence, msgTypingIs, msgPonged, msgHold, msgFrames:
		s.takeForSession(now)
	case msgAttach:
		s.takeAttach(now)
	case msgDetach, msgSend, msgRead, msgAck, msgStored, msgRejected, msgReceipt, msgPing, msgConfirm, msgActive, msgTell:
		s.takeForMailbox(now)
	case msgRoute:
		s.takeRoute(now)
	case msgWatch, msgUnwatch, msgWriting, msgTyping:
		s.takeForUser(now)
	case msgFan, msgFanOne, msgFanned, msgMark, msgInvited, msgParted, msgAsk, msgInvite, msgPart, msgPolicy, msgRemove, msgForget:
		s.doing = doing{machine: doingUser}
		s.takeForPlace(now)
		s.doing.machine = doingNothing
	case msgIntake:
		s.setIntake(int(m.from), m.code)
	}
}

// takeForPlace gives s.current to a group, to the members of one, or to what is kept of a user.
func (s *Shard) takeForPlace(now int64) {
	switch s.current.kind {
	case msgFan, msgFanOne:
		s.takeFan(now)
	case msgFanned, msgMark, msgInvited, msgParted:
		s.takeForGroup(now)
	case msgAsk:
		s.takeAsk(now)
	default:
		s.takeForState(now)
	}
}

// drainLocal takes what machines of this loop have told each other until nothing is left.
func (s *Shard) drainLocal(now int64) {
	for s.localHead < len(s.local) {
		s.current = s.local[s.localHead]
		s.local[s.localHead].payload = nil
		s.localHead++
		s.take(now)
	}
	if cap(s.local) > localMessagesMax {
		s.local = nil
	}
	s.local, s.localHead = s.local[:0], 0
	s.out.recycle()
}
