package client

import "time"

// State keeps what a device must not forget between connections and, when it is a file, between processes.
// OpenState and NewMemoryState make one; an application may bring its own.
//
// Load is called once, before anything else; then Commit is called by one goroutine at a time. A Change is one unit: it
// is kept whole or not at all, and it is durable when Commit returns nil. The slices of a Change are the caller's
// again after that. Close is the application's, after the client's Close.
type State interface {
	Load() (Snapshot, error)
	Commit(c *Change) error
	Close() error
}

// Marks are the numbers that the delivery rules stand on.
type Marks struct {
	User        uint64 // whose state this is; 0: nobody's yet
	Device      uint8
	Generation  uint16 // 0: not registered
	Incarnation uint64 // of the server's data that LastSeq belongs to
	LastSeq     uint64 // every mailbox entry up to here is kept, by the application or in the inbox
	Ticked      uint64 // every cseq up to here has its first tick
	NextCseq    uint64 // number of the next message or receipt; from 1
	Epoch       uint32 // highest connection epoch that may have been used; they are set aside in blocks
	Token       uint64 // of a registration whose SUCCESS has not come; 0: none
}

// EntryKind says what an outbox entry is.
type EntryKind uint8

// The kinds of outbox entry. Values are kept in files and never change.
const (
	EntrySend    EntryKind = 1
	EntryReceipt EntryKind = 2
)

// Entry is one thing to be sent under its own cseq: a message or a read receipt.
type Entry struct {
	Cseq  uint64
	Kind  EntryKind
	Peer  uint64
	Group uint64 // 0: direct; else Peer of a message is 0
	Time  time.Time

	// Of a message. It goes to Devices of Peer, by the list of that version; by version 0 to the primary.
	Known       uint32
	Devices     []uint8 // never changed in place
	PayloadKind uint8   // as it goes on the wire, codec.PayloadCompressed included
	Payload     []byte

	// Of a receipt.
	ReceiptKind uint8
	Device      uint8
	Gen         uint16
	First, Last uint64
}

// weight is how much payload an entry's frame carries.
func (e *Entry) weight() int { return max(len(e.Devices), 1) * len(e.Payload) }

// StreamKey names what one generation of a device sends to this user directly (Group 0) or to one group.
type StreamKey struct {
	User   uint64
	Device uint8
	Gen    uint16
	Group  uint64
}

// Stream says which ids of a stream were kept: the highest, and bit i of Below for the id i+1 below it. What is further
// below counts as kept.
type Stream struct {
	StreamKey
	ID    uint64
	Below uint64
	Used  uint64 // rises with use; the lowest is forgotten first
}

// Sent is what is known of a message that this device sent. A State keeps all of it.
type Sent struct {
	ID       uint64
	Peer     uint64 // a user, or a group with codec.GroupBit
	Level    TickLevel
	Rejected uint8 // an error code below 64, 0: not rejected
	// Unless is the level that it has unless it is rejected: a range of ticks has gone over it before it had one of its own. Client.Sent returns TickNone
	// here, having counted it where it is true already.
	Unless TickLevel
}

// Received is a message of the inbox: the server was told that this device has it, no application has acknowledged it.
type Received struct {
	No uint64 // place in the inbox; rises
	StreamKey
	ID       uint64
	Before   uint64 // id of the message before it in the stream, 0: none
	Seq      uint64
	GroupSeq uint64
	Time     time.Time // to the second
	Kind     uint8     // as it came on the wire, codec.PayloadCompressed included
	Payload  []byte
}

// Snapshot is everything a State holds. Outbox, Sent and Inbox are in the order of their numbers.
type Snapshot struct {
	Marks    Marks
	Identity Identity // zero until the first commit that has one
	Outbox   []Entry  // above Marks.Ticked
	Streams  []Stream
	Sent     []Sent
	Inbox    []Received
	Groups   []KnownGroup
	Devices  []KnownDevices
	Again    []Again // in the order of ID
}

// Change is what one commit does. Applied in the order of the fields.
type Change struct {
	Marks       Marks       // always the whole
	Identity    *Identity   // nil: stays as it is
	Put         []Entry     // added to the outbox; an entry of the same cseq is replaced. What Marks.Ticked covers leaves
	StreamsGone []StreamKey // forgotten
	Streams     []Stream    // added or replaced
	Sent        []Sent      // added or replaced
	SentGone    uint64      // every Sent up to this id is forgotten
	Inbox       []Received  // added
	InboxGone   uint64      // every Received up to this number leaves
	GroupsGone  []uint64    // forgotten
	Groups      []KnownGroup
	DevicesGone []uint64 // users whose devices are forgotten
	Devices     []KnownDevices
	Again       []Again // added
	AgainGone   uint64  // every Again up to this number is forgotten
}

// reset empties c and keeps its memory.
func (c *Change) reset() {
	clear(c.Put)
	clear(c.Inbox)
	clear(c.Devices)
	clear(c.Again)
	*c = Change{
		Put: c.Put[:0], Streams: c.Streams[:0], StreamsGone: c.StreamsGone[:0], Sent: c.Sent[:0], Inbox: c.Inbox[:0],
		Groups: c.Groups[:0], GroupsGone: c.GroupsGone[:0], Devices: c.Devices[:0], DevicesGone: c.DevicesGone[:0], Again: c.Again[:0],
	}
}
