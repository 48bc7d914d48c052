package codec

// The fixed stanzas. Byte layouts are in docs/protocol.md and beside each Append function.
// Slices in a parsed stanza alias the frame's body.

// Hello opens a session on the plain transport.
// Layout: version u8, device u8, user u64, gen u16, incarnation u64, downSeq u64, ticked u64, features u32 = 40 bytes, [ext].
type Hello struct {
	Version     uint8
	Device      uint8
	User        uint64
	Gen         uint16 // 0: no state, register a new generation
	Incarnation uint64 // of the data this client last saw; 0 with Gen 0
	DownSeq     uint64 // last seq kept by the client
	Ticked      uint64 // highest cseq with a first tick
	Features    uint32 // none defined: 0
	Ext         Ext
}

// Success answers Hello.
// Layout: incarnation u64, gen u16, upHigh u64, keepaliveSec u16, windowEntries u16, windowBytes u32, timeMs u64, features u32 = 38 bytes, [ext].
type Success struct {
	Incarnation   uint64
	Gen           uint16
	UpHigh        uint64 // resend what lies above
	KeepaliveSec  uint16 // send something at least this often
	WindowEntries uint16 // most SENDs without a first tick
	WindowBytes   uint32
	TimeMs        uint64 // server's unix time
	Features      uint32
	Ext           Ext
}

// Error reports a refusal (soft) or why the connection closes. Layout: code u16, ref u64, retryAfterMs u32, [ext], text.
type Error struct {
	Code         ErrorCode
	Ref          uint64 // a cseq, a stream offset or a NODE ref, as the code says
	RetryAfterMs uint32
	Ext          Ext
	Text         []byte
}

// GoAway asks the client to leave. Layout: code u16, retryAfterMs u32, [ext], host.
type GoAway struct {
	Code         ErrorCode
	RetryAfterMs uint32
	Ext          Ext
	Host         []byte // "host:port" to go to, or empty
}

// State says whether a person is looking. Layout: active u8 (0 or 1), [ext].
type State struct {
	Active uint8
	Ext    Ext
}

// Part is one device's payload in a SEND. Layout: dev u8, kind u8, len u16, blob.
type Part struct {
	Device uint8
	Kind   uint8 // clients' business; bit 0x80: the payload was compressed by the client
	Blob   []byte
}

// Parts is the encoded part list of a SEND: checked by ParseSend, walked with Next.
type Parts []byte

// Send is a message from a client. Layout: cseq u64, to u64, n u8, [ext], n x Part.
// With FlagGroup `to` is a group and there is one part for everybody, its device 0.
type Send struct {
	Cseq  uint64
	To    uint64
	Flags Flags // FlagGroup, FlagNoStore, FlagUrgent
	N     uint8
	Ext   Ext
	Parts Parts
}

// Deliver hands a message to a device.
// Layout: seq u64, from u64, dev u8, kind u8, gen u16, id u64, ts u32 = 32 bytes, [group u64, gseq u64], [ext], blob.
type Deliver struct {
	Seq      uint64 // 0 with FlagNoStore: not acknowledged
	From     uint64
	Device   uint8
	Kind     uint8
	Gen      uint16
	ID       uint64 // the sender's cseq
	TimeSec  uint32 // when the server took it, unix seconds
	Flags    Flags
	Group    uint64
	GroupSeq uint64
	Ext      Ext
	Blob     []byte
}

// Tick is the server's ACK: every cseq up to UpHigh is taken (first tick). Layout: upHigh u64, ts u32, [ext].
type Tick struct {
	UpHigh  uint64
	TimeSec uint32
	Ext     Ext
}

// Ack is the client's ACK: every seq up to Seq is kept. Layout: seq u64, [ext].
type Ack struct {
	Seq uint64
	Ext Ext
}

// ReceiptKind says what a receipt reports.
type ReceiptKind uint8

// The kinds of receipt. Clients send read and played; delivered and rejected are made by the server.
const (
	ReceiptDelivered ReceiptKind = 1
	ReceiptRead      ReceiptKind = 2
	ReceiptPlayed    ReceiptKind = 3
	ReceiptRejected  ReceiptKind = 4
)

// Receipt reports the fate of messages First..Last of one stream.
// Layout: seq u64, kind u8, code u8, dev u8, gen u16, peer u64, first u64, last u64, ts u32 = 41 bytes, [group u64], [ext].
//
// To a client: Seq is the mailbox seq, Peer and Device who received, Gen the generation of the addressed device
// whose cseqs First..Last are. From a client: Seq is the next cseq, Peer, Device and Gen the stream that was read.
type Receipt struct {
	Seq     uint64
	Kind    ReceiptKind
	Code    uint8 // an ErrorCode below 64 when rejected, else 0
	Device  uint8
	Gen     uint16
	Peer    uint64
	First   uint64
	Last    uint64
	TimeSec uint32
	Flags   Flags
	Group   uint64
	Ext     Ext
}

// Typing says that somebody writes. Layout: peer u64, dev u8, state u8 (0 paused, 1 composing, 2 recording), [ext].
type Typing struct {
	Peer   uint64 // to the server: whom to tell; to a client: who writes
	Device uint8
	State  uint8
	Ext    Ext
}

// Presence reports a subscribed user. Layout: peer u64, state u8 (0 unavailable, 1 available), lastSeen u32 (unix seconds, 0 unknown), [ext].
type Presence struct {
	Peer        uint64
	State       uint8
	LastSeenSec uint32
	Ext         Ext
}

// Peers is the encoded list of a SUBSCRIBE: 8 bytes each.
type Peers []byte

// Subscribe asks for presence of some users or stops it. Layout: op u8 (1 add, 0 remove), n u8, [ext], n x peer u64.
type Subscribe struct {
	Op    uint8
	N     uint8
	Ext   Ext
	Peers Peers
}

// Node is a cold stanza. Layout: ref u32 (the asker's number, repeated in the answer), [ext], node bytes (see Tape).
type Node struct {
	Ref   uint32
	Flags Flags // FlagDeflate
	Ext   Ext
	Body  []byte
}

// Ext is an encoded extension block without its u16 total: checked by the parser, walked with Next.
// Each item is t u8, len u8, value; t >= 0x80 is critical. None is defined in version 1.
type Ext []byte
