package client

import (
	"time"

	"trunkline/codec"
)

// Event is one of Message, Tick, Rejected, Refused, CaughtUp, Presence, Typing, Connected, Disconnected.
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
// whomever it went (numbers of read receipts are among them), and Peer is 0. Above that it covers those of the range
// that went to Peer. A server has taken a message when it is decided that it will be delivered or rejected: Rejected may come
// before the TickServer that covers it or behind it, but not behind the answer to a CatchUp after that tick.
type Tick struct {
	Level       TickLevel
	First, Last uint64
	Peer        uint64
	Device      uint8 // of the peer, which received or read
	Group       uint64
	Time        time.Time
}

// Rejected reports that the server refused a message for good. It is not sent again.
type Rejected struct {
	ID   uint64
	Peer uint64
	Code codec.ErrorCode
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

// Presence reports a user named to Subscribe.
type Presence struct {
	User      uint64
	Available bool
	LastSeen  time.Time // zero: unknown
}

// Typing reports that User writes (or stopped).
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

func (Message) event()      {}
func (Tick) event()         {}
func (Rejected) event()     {}
func (Refused) event()      {}
func (CaughtUp) event()     {}
func (Presence) event()     {}
func (Typing) event()       {}
func (Connected) event()    {}
func (Disconnected) event() {}
