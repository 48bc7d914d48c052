package shard

import (
	"math"

	"trunkline/codec"
	"trunkline/store"
)

// mailboxState says whether somebody reads the mailbox.
//
//	            first login, first message
//	(no mailbox) -----------> offline --- attach ---> online ---+
//	                           |  ^ ^                  | ^  ^    | attach: the old session is
//	                    attach |  | +----- detach -----+ |  +----+ kicked (replaced)
//	                     early v  | detach               | confirm, or attach: the early session is kicked
//	                          early ---------------------+
//
// gone is a device that was removed (remove.go): from any other state by a removal, and back by a newer registration.
//
// In early somebody reads it who may be a replay: nobody was kicked for that, nobody is told that the user is there, and it
// gives way to any attach that is none.
//
// From online it goes to idle and back as STATE says: a device reads, and nobody looks at it. In idle everything is as in online, but the
// device does not make its user one who is there, and nobody's typing is passed to it.
//
// What each state does with each event is the table below; TestMailboxTable reads it here and walks it. A cell names the
// state it leads to, where that changes, then what is posted and what happens to the queue and the lists: append, replace,
// drop, owe (a first tick is told at the end of the turn). "ignore" does nothing: a message from a connection that is not
// attached is late.
//
//	event           offline             gone                early                 online                idle
//	attach          online attached     refused             online kick attached  online kick attached  online kick attached
//	attach stale    refused             refused             refused               refused               refused
//	attach ghost    online attached     refused             refused               refused               refused
//	attach early    early attached      hold                hold                  hold                  hold
//	early old       hold                hold                hold                  hold                  hold
//	early stale     hold                hold                hold                  hold                  hold
//	confirm         ignore              ignore              online                ignore                ignore
//	confirm late    ignore              ignore              ignore                ignore                ignore
//	detach          ignore              ignore              offline               offline               offline
//	detach late     ignore              ignore              ignore                ignore                ignore
//	active          ignore              ignore              ignore                ignore                online
//	inactive        ignore              ignore              ignore                idle                  ignore
//	active late     ignore              ignore              ignore                ignore                ignore
//	send            ignore              ignore              route                 route                 route
//	send again      ignore              ignore              owe                   owe                   owe
//	send gap        ignore              ignore              kick                  kick                  kick
//	send stopped    ignore              ignore              soft                  soft                  soft
//	send invalid    ignore              ignore              append push owe       append push owe       append push owe
//	read            ignore              ignore              receipt               receipt               receipt
//	ack             ignore              ignore              drop receipt          drop receipt          drop receipt
//	route           append              ignore              append push           append push           append push
//	stored          owe                 ignore              owe                   owe                   owe
//	stored late     ignore              ignore              ignore                ignore                ignore
//	rejected        append owe          ignore              append push owe       append push owe       append push owe
//	receipt         append              ignore              append push           append push           append push
//	receipt next    replace             ignore              append push           append push           append push
//	receipt gap     replace             ignore              append push           append push           append push
//	read gap        append stored       stored              append stored push    append stored push    append stored push
//	receipt late    ignore              ignore              ignore                ignore                ignore
//	read receipt    append stored       stored              append stored push    append stored push    append stored push
//	tick            ignore              ignore              ticked                ticked                ticked
//	credit          ignore              ignore              push                  push                  push
//	ping            ignore              ignore              ponged                ponged                ponged
//	ping starved    ignore              ignore              ignore                ignore                ignore
//	credit pinged   ignore              ignore              push ponged           push ponged           push ponged
//	durable         ignore              ignore              push owe              push owe              push owe
//	durable late    ignore              ignore              ignore                ignore                ignore
//	unsettled       ignore              ignore              attached push         attached push         attached push
//	loaded          ignore              ignore              push                  push                  push
//	loaded pinged   ignore              ignore              push ponged           push ponged           push ponged
//	unread pinged   ignore              ignore              ponged                ponged                ponged
//	ping behind     ignore              ignore              ignore                ignore                ignore
//	attach newer    online attached     online attached     online kick attached  online kick attached  online kick attached
//	remove          gone discard        ignore              gone discard kick     gone discard kick     gone discard kick
//	remove own      gone discard        ignore              gone discard          gone discard          gone discard
//	remove late     ignore              ignore              ignore                ignore                ignore
//
// The end is culling, of those that are gone at once: see wheel and vanish.
type mailboxState uint8

const (
	mailboxFree mailboxState = iota
	mailboxOffline
	mailboxGone
	mailboxEarly
	mailboxOnline
	mailboxIdle
	mailboxStates
)

// mailboxFlags are one-bit facts of a mailbox.
type mailboxFlags uint8

const (
	flagTicking   mailboxFlags = 1 << iota // on the list of those that owe a first tick
	flagStarved                            // on the list of those that could not push for want of credit
	flagRefused                            // the next cseq was refused for a while: later ones are ignored until it returns
	flagPinged                             // the session asks whether all is pushed; told when it neither starves nor is behind
	flagAccount                            // the generation is the account's
	flagDoubt                              // it is what a crash has left: a connection epoch may be missing
	flagBehind                             // more could go out, but for the disk: it has to be read, or written first
	flagUnsettled                          // the journal does not have the generation yet: nobody may learn it, or it could be given out twice
)

// mailbox is one device on its user's home loop: what waits for it, and how far its uplink has come. At most 128 bytes, no
// pointers. The entries themselves are in the Queue.
//
// Downlink, all seqs: acked <= sent <= last. Entries up to acked are gone, up to sent are with the client and count for the
// window, above sent they wait. Uplink, all cseqs: up to mark everything is done. Bit i of done and inflight is
// cseq mark+1+i; bit 0 of done is never set between steps.
type mailbox struct {
	user          uint64
	last          uint64 // the newest seq given out: owner epoch (24 bits) and counter (40 bits)
	acked         uint64
	sent          uint64
	mark          uint64
	done          uint64
	inflight      uint64
	conn          Conn   // of the attached session
	bytes         uint32 // payload of waiting messages
	entries       uint32 // messages that wait
	notices       uint32 // receipts and rejections that wait
	windowBytes   uint32 // what is with the client, payload and windowEntryBytes each
	next          uint32 // the user's next mailbox
	held          uint32 // the first rejection that waits for the mark
	seenSec       uint32 // when the last session left or was looked at no more, unix seconds
	token         uint32 // of the registration that gave `registered`, folded; 0: none
	messages      uint32 // state of the limit of SENDs and read receipts
	conversations uint32 // state of the limit of first messages
	due           uint32 // the next mailbox of its bucket on the wheel
	epoch         uint32 // the highest connection epoch of this generation that was attached
	ledger        uint32 // what the disk does not have, or has alone; 0: neither
	gen           uint16 // 0: nobody has logged in yet
	registered    uint16 // the last generation given out on this data; 0: none. Another gen was adopted from its client
	rejections    uint16 // of the notices
	window        uint8  // entries that are with the client
	unticked      uint8  // so much of the mark waits for the journal
	device        uint8
	loop          uint8 // of the attached session
	state         mailboxState
	flags         mailboxFlags
}

// The kinds of entry. Receipts have their codec.ReceiptKind.
const (
	entryMessage  = store.KindMessage
	entryRejected = store.KindRejected // codec.ReceiptRejected
)

// mailboxEvent is what a mailbox is told. index is its place in the table, part the piece of a route that is for it.
type mailboxEvent struct {
	kind     eventKind
	index    uint32
	message  *message
	part     codec.Part
	promised promised // of evDurable
}

// Step tells the mailbox what happened. It changes only *m and out.
func (m *mailbox) step(now int64, ev *mailboxEvent, w *world, out *effects) {
	switch m.state {
	case mailboxOffline:
		m.stepOffline(now, ev, w, out)
	case mailboxGone:
		m.stepGone(now, ev, w, out)
	case mailboxEarly, mailboxOnline, mailboxIdle:
		m.stepOnline(now, ev, w, out)
	default:
		w.stats.Unexpected++
	}
}

func (m *mailbox) stepOffline(now int64, ev *mailboxEvent, w *world, out *effects) {
	switch ev.kind {
	case evTick:
		m.flags &^= flagTicking // the next SUCCESS tells
	case evCredit:
		m.flags &^= flagStarved
	case evDurable:
		m.becomeDurable(ev, w, out)
	case evLoaded, evUnread: // the client is gone again
	case evMessage:
		switch ev.message.kind {
		case msgDetach, msgSend, msgRead, msgAck, msgPing, msgConfirm, msgActive, msgTell: // late: the client says it again when it is back
		default:
			m.anyMessage(now, ev, w, out)
		}
	default:
		w.stats.Unexpected++
	}
}

func (m *mailbox) stepOnline(now int64, ev *mailboxEvent, w *world, out *effects) {
	switch ev.kind {
	case evTick:
		m.flags &^= flagTicking
		if m.flags&flagUnsettled != 0 {
			return // SUCCESS tells
		}
		t := m.toSession(out, msgTicked)
		t.first, t.timeSec = m.ticked(), uint32(now/1000)
	case evCredit:
		m.flags &^= flagStarved
		m.push(w, out)
		m.pong(out)
	case evDurable:
		m.becomeDurable(ev, w, out)
	case evLoaded:
		m.push(w, out)
		m.pong(out)
	case evUnread:
		m.flags &^= flagBehind
		m.pong(out)
	case evMessage:
		m.onlineMessage(now, ev, w, out)
	default:
		w.stats.Unexpected++
	}
}

func (m *mailbox) onlineMessage(now int64, ev *mailboxEvent, w *world, out *effects) {
	switch ev.message.kind {
	case msgDetach, msgSend, msgRead, msgAck, msgPing, msgConfirm, msgActive:
		if ev.message.conn != m.conn {
			return // late: of a session that was replaced
		}
	}
	switch ev.message.kind {
	case msgDetach:
		m.becomeOffline(ev.message, w, out)
	case msgSend, msgRead:
		m.uplink(now, ev, w, out)
	case msgAck:
		seq := ev.message.first
		switch {
		case seq > m.sent && w.cfg.Disk == nil:
			w.stats.Unexpected++ // the session lets no such ACK through
			return
		case seq > m.lastEver(w):
			k := m.toSession(out, msgKick)
			k.code, k.first = uint8(codec.CodeAckInvalid), m.sent
			return
		}
		// Above what was pushed lies what an earlier connection was pushed, and this one will be when the disk was read, or a crash has taken: the
		// client has kept it since its HELLO.
		m.acknowledge(now, min(seq, max(m.sent, w.present(m))), w, out)
		m.push(w, out)
	case msgPing:
		m.flags |= flagPinged
		m.pong(out)
	case msgTell:
		m.toSession(out, msgFrames).payload = ev.message.payload
	case msgConfirm:
		if m.state == mailboxEarly {
			m.becomeConfirmed(w, out)
		}
	case msgActive:
		m.takeActive(ev.message, w, out)
	default:
		m.anyMessage(now, ev, w, out)
	}
}

// pong answers a PING that the session has handed on, unless something waits for credit or the disk alone.
func (m *mailbox) pong(out *effects) {
	if m.flags&(flagPinged|flagStarved|flagBehind) == flagPinged {
		m.flags &^= flagPinged
		m.toSession(out, msgPonged)
	}
}

// anyMessage takes what comes whether or not somebody is logged in.
func (m *mailbox) anyMessage(now int64, ev *mailboxEvent, w *world, out *effects) {
	switch ev.message.kind {
	case msgAttach:
		m.attach(now, ev, w, out)
	case msgRoute:
		m.takeRoute(ev, w, out)
	case msgStored, msgRejected:
		m.takeAnswer(ev.message, w, out)
	case msgReceipt:
		m.takeReceipt(ev.message, w, out)
	case msgRemove:
		m.becomeGone(ev.message, w, out)
	default:
		w.stats.Unexpected++
	}
}

// attach decides whether a client may speak for the device, and with which marks.
func (m *mailbox) attach(now int64, ev *mailboxEvent, w *world, out *effects) {
	msg := ev.message
	early := msg.code == attachEarly
	if early && !m.ordinary(msg, w) {
		heldBack(msg, w, out)
		return
	}
	before := m.gen
	resumed, code := m.adopt(msg, w, out)
	if code != codec.CodeNone {
		answerSession(msg, msgRefused, out).code = uint8(code)
		return
	}
	if m.gen != before && w.cfg.Durable {
		m.flags |= flagUnsettled
	}
	if resumed {
		m.acknowledge(now, msg.first, w, out)
	}
	if early {
		m.becomeEarly(ev, w, out)
		return
	}
	w.stats.Logins++
	if resumed {
		w.stats.Resumes++
	}
	m.becomeOnline(ev, w, out)
}

// adopt settles which generation of the device this is. resumed: the client knows this incarnation's seqs.
//
// A client without a generation names a token that it has drawn once: when its first SUCCESS was lost, or an older HELLO of
// its own comes late, it gets the generation that it was given. A generation of older data gives way to a higher one of
// older data, never one that was given out on this data: the two would take turns, each time with the mark reset. What a
// mailbox was given before it was culled counts as of older data: it has adopted that.
func (m *mailbox) adopt(msg *message, w *world, out *effects) (resumed bool, code codec.ErrorCode) {
	same := msg.peer == w.cfg.Incarnation
	if msg.peerGen != 0 {
		return m.adoptAccount(msg, same, w, out)
	}
	token := uint32(0)
	if msg.gen == 0 {
		token = foldToken(msg.first)
	}
	again := token != 0 && token == m.token && m.gen == m.registered
	switch {
	case again || msg.gen != 0 && msg.gen == m.gen:
		return m.welcome(msg, same && !again, w, out)
	case msg.gen == 0:
		m.registered, m.token = m.nextGen(w), token
		m.begin(m.registered, 0, out)
		return false, codec.CodeNone
	case m.gen == 0, (!same || w.stats.Culled > 0) && msg.gen > m.gen && m.gen != m.registered:
		m.begin(msg.gen, msg.last, out)
		return false, codec.CodeNone
	}
	return false, codec.CodeGenerationStale
}

// welcome takes back the client of the present generation, unless this is a HELLO that it has given up since.
func (m *mailbox) welcome(msg *message, same bool, w *world, out *effects) (resumed bool, code codec.ErrorCode) {
	switch {
	case m.attached() && m.conn != msg.conn && uint32(msg.seq) < m.epoch:
		return false, codec.CodeReplaced // by the newer one that is attached
	case same && msg.first > m.lastEver(w):
		return false, codec.CodeAckInvalid
	}
	m.raiseMark(msg.last, w, out)
	return same, codec.CodeNone
}

// foldToken makes a client's token small. Zero stays none.
func foldToken(token uint64) uint32 {
	if token == 0 {
		return 0
	}
	return max(uint32(token^token>>32), 1)
}

// begin starts a generation: its cseqs have nothing to do with those before.
func (m *mailbox) begin(gen uint16, mark uint64, out *effects) {
	m.gen, m.mark, m.done, m.inflight, m.unticked = gen, mark, 0, 0, 0
	m.epoch = 0
	m.flags &^= flagAccount
	out.born = mark == 0
	if m.held != 0 {
		out.release = math.MaxUint64
	}
}

// nextGen is the number of a new generation, counted from the last one that was given out on this data: one that was adopted
// says nothing about which were given out before. The first one depends on data and user, so that a device which lost its
// state while the server lost its data does not get a number that its peers remember.
func (m *mailbox) nextGen(w *world) uint16 {
	switch m.registered {
	case 0:
		return m.firstGen(w.wheel.genFloor, w)
	case math.MaxUint16:
		return 1
	}
	return m.registered + 1
}

// firstGen is the first generation that is given to a device, or the one that comes so many later. The numbers are a ring
// without zero.
func (m *mailbox) firstGen(later uint16, w *world) uint16 {
	at := spread(m.user^w.cfg.Incarnation+uint64(m.device), 32_768)
	return uint16(1 + (at+uint64(later))%generations)
}

// generations is how many numbers a generation can have.
const generations = math.MaxUint16

// becomeOnline answers the session and pushes what waits, from the first entry that is not acknowledged.
func (m *mailbox) becomeOnline(ev *mailboxEvent, w *world, out *effects) {
	if m.attached() && m.conn != ev.message.conn {
		m.toSession(out, msgKick).code = uint8(codec.CodeReplaced)
		if m.loggedIn() {
			w.stats.Replaced++
		}
	}
	if m.state != mailboxOnline {
		m.announce(w, out)
	}
	m.state = mailboxOnline
	m.flags &^= flagDoubt
	m.attachTo(ev, w, out)
}

// announce has the watchers told that the user came or went, unless it is there with another device.
func (m *mailbox) announce(w *world, out *effects) {
	if !w.there(m.user, m.device) {
		out.presence = true
	}
}

// attachTo makes the session that asked the one that is listened to, answers it and pushes what waits.
func (m *mailbox) attachTo(ev *mailboxEvent, w *world, out *effects) {
	msg := ev.message
	m.conn, m.loop, m.epoch = msg.conn, uint8(msg.from), max(m.epoch, uint32(msg.seq))
	m.sent, m.window, m.windowBytes = m.acked, 0, 0
	m.flags &^= flagRefused | flagPinged | flagBehind
	if m.flags&flagUnsettled == 0 {
		m.greet(ev.index, w, out)
	}
}

// greet answers the attached session and pushes what waits.
func (m *mailbox) greet(index uint32, w *world, out *effects) {
	a := m.toSession(out, msgAttached)
	a.gen, a.first, a.last, a.hint = m.gen, m.ticked(), m.acked, index
	m.push(w, out)
}

// takeActive: somebody looks at the device, or nobody does any more.
func (m *mailbox) takeActive(msg *message, w *world, out *effects) {
	switch {
	case m.state == mailboxIdle && msg.code != 0:
		m.announce(w, out)
		m.state = mailboxOnline
	case m.state == mailboxOnline && msg.code == 0:
		m.state = mailboxIdle
		m.seenSec = msg.timeSec
		m.announce(w, out)
	}
}

// becomeOffline keeps everything but the session.
func (m *mailbox) becomeOffline(msg *message, w *world, out *effects) {
	looked := m.state == mailboxOnline
	m.state = mailboxOffline
	m.conn, m.loop = 0, 0
	m.sent, m.window, m.windowBytes = m.last, 0, 0 // no receipt joins what a client may have
	m.flags &^= flagRefused | flagPinged | flagBehind
	if !looked {
		return // nobody knew, or it was told already
	}
	m.seenSec = msg.timeSec
	m.announce(w, out)
}

// attached says whether there is a session, be it an early one.
func (m *mailbox) attached() bool { return m.state >= mailboxEarly }

// loggedIn says whether there is a session that is no early one, looked at or not.
func (m *mailbox) loggedIn() bool { return m.state >= mailboxOnline }

// toSession posts a message to the attached session.
func (m *mailbox) toSession(out *effects, kind messageKind) *message {
	t := out.post(int(m.loop), kind)
	t.user, t.device, t.conn = m.user, m.device, m.conn
	return t
}

// answerSession posts a message to the session that msg came from, attached or not.
func answerSession(msg *message, kind messageKind, out *effects) *message {
	t := out.post(int(msg.from), kind)
	t.user, t.device, t.conn = msg.user, msg.device, msg.conn
	return t
}
