package client

import (
	"time"

	"trunkline/codec"
)

// Event is one of Message, GroupEvent, GroupPlaced, Tick, Rejected, Refused, CaughtUp, Presence, Typing, DevicesRefused, Connected, Disconnected.
type Event interface{ event() }

// Message is something somebody sent to this device. It comes again in a later run until it was acknowledged.
type Message struct {
	ID       uint64 // the sender's number for it; rising for each From, Device, Gen and Group
	From     uint64
	Device   uint8  // of the sender
	Gen      uint16 // the sender's device generation
	Seq      uint64 // place in this device's mailbox; 0: was never stored, needs no Ack
	Group    uint64 // 0: direct
	GroupSeq uint64
	Time     time.Time // when the server took it, to the second
	Kind     uint8     // the clients' business; without codec.PayloadCompressed unless the payload could not be expanded
	Payload  []byte    // the application's own copy
	Own      bool      // another device of this user has sent it, to the user To or to Group. ID is that device's number
	To       uint64    // of an own direct message: to whom it went; else 0

	arrival uint64 // this client's running number; what Ack goes by
	before  uint64 // id of the message before it in the stream, 0 for none: two neighbours share one read receipt
}

// TickLevel is how far a message came.
type TickLevel uint8

// The levels. A later one implies the earlier ones.
const (
	TickNone      TickLevel = 0 // in the outbox
	TickServer    TickLevel = 1 // ✓  the server took it
	TickDelivered TickLevel = 2 // ✓✓ the device has it
	TickRead      TickLevel = 3 // blue
	TickPlayed    TickLevel = 4
)

// String is the level in a word: waiting, server, delivered, read, played.
func (l TickLevel) String() string {
	switch l {
	case TickNone:
		return "waiting"
	case TickServer:
		return "server"
	case TickDelivered:
		return "delivered"
	case TickRead:
		return "read"
	case TickPlayed:
		return "played"
	}
	return "unknown"
}

// Tick reports progress of this client's messages First..Last. Level TickServer covers everything in that range, to
// whomever it went (numbers that are no messages of the application are among them: read receipts, copies for own devices, repetitions),
// and Peer is 0. Above that it covers those of the range that went to Peer, or to Group: then every member has them or has read them. A server has taken a message when it is decided that it will be delivered or rejected: Rejected may come
// before the TickServer that covers it or behind it, but not behind the answer to a CatchUp after that tick.
type Tick struct {
	Level       TickLevel
	First, Last uint64
	Peer        uint64
	Device      uint8  // of the peer, which received or read
	Group       uint64 // not 0: of messages to that group; Peer is 0
	Time        time.Time
}

// Rejected reports that the server refused a message for good. It is not sent again.
type Rejected struct {
	ID    uint64
	Peer  uint64
	Group uint64 // not 0: it went to that group; Peer is 0
	Code  codec.ErrorCode
}

// Refused reports a soft error. With a code that names a message (rate limited, server full) the client waits RetryIn
// and sends it again by itself, in order; other codes are about a subscription or a request.
type Refused struct {
	Code    codec.ErrorCode
	Ref     uint64
	RetryIn time.Duration
	Text    string
}

// CaughtUp answers CatchUp: what was in the mailbox at the calls up to that number has come before it.
type CaughtUp struct {
	No uint64
}

// GroupChange says what happened in a group.
type GroupChange uint8

// The changes.
const (
	GroupCreated GroupChange = iota + 1
	GroupAdded
	GroupRemoved
	GroupPromoted
	GroupDemoted
	GroupLeft
	GroupSubject
	GroupInvite
	GroupJoined
)

// String is the change in a word: created, added, removed, promoted, demoted, left, subject, invite, joined.
func (g GroupChange) String() string {
	if int(g) < len(groupChanges) && groupChanges[g] != "" {
		return groupChanges[g]
	}
	return "unknown"
}

// groupChanges is never written to.
var groupChanges = [...]string{
	GroupCreated: "created", GroupAdded: "added", GroupRemoved: "removed", GroupPromoted: "promoted", GroupDemoted: "demoted",
	GroupLeft: "left", GroupSubject: "subject", GroupInvite: "invite", GroupJoined: "joined",
}

// GroupEvent reports a change of a group, in one order with its messages. It needs no Ack: who misses one in a
// crash asks for the Group. What came to a client WithInbox is handed out once more, by the next client without it.
type GroupEvent struct {
	Group    uint64
	GroupSeq uint64
	Change   GroupChange
	Epoch    uint32
	By       uint64   // who did it
	Users    []uint64 // whom it is about
	Subject  string   // with GroupCreated and GroupSubject
	Time     time.Time
}

// GroupPlaced reports where in a group's order a message of this device stands. It comes once, mostly after the first tick, and before it while the
// server has not taken an earlier number yet; who misses it in a crash does without. It needs no Ack.
type GroupPlaced struct {
	Group    uint64
	ID       uint64 // of the message, as Send returned it
	GroupSeq uint64
}

// DevicesRefused reports that the server showed a list of a user's devices which the user's primary device has not signed, as this client knows it: a
// server that lies, or a user with a new primary. The list is not used; after a person has made sure of the user, TrustDevices takes it.
type DevicesRefused struct {
	User uint64
	Err  error // ErrDeviceList, ErrDeviceKeyChanged
}

// Presence reports a user named to Subscribe.
type Presence struct {
	User      uint64
	Available bool
	LastSeen  time.Time // zero: unknown
}

// Typing reports that User writes (or stopped). When nothing more is heard for TypingLasts, the client reports TypingPaused by itself.
type Typing struct {
	User   uint64
	Device uint8
	State  TypingState
}

// TypingState says what somebody does at the moment.
type TypingState uint8

// The states of typing.
const (
	TypingPaused    TypingState = 0
	TypingComposing TypingState = 1
	TypingRecording TypingState = 2
)

// Connected reports a login.
type Connected struct {
	Resumed    bool // it goes on where this device left: nothing was lost, nothing comes twice
	ServerLost bool // the server has lost its data since (new incarnation); nothing un-ticked is lost
	Generation uint16
}

// Disconnected reports a lost connection, or an attempt to connect that failed. RetryIn is 0 when the client ends.
type Disconnected struct {
	Err     error
	RetryIn time.Duration
}

func (Message) event()        {}
func (GroupEvent) event()     {}
func (GroupPlaced) event()    {}
func (Tick) event()           {}
func (Rejected) event()       {}
func (Refused) event()        {}
func (CaughtUp) event()       {}
func (Presence) event()       {}
func (Typing) event()         {}
func (DevicesRefused) event() {}
func (Connected) event()      {}
func (Disconnected) event()   {}
