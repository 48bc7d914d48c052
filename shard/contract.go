package shard

import "trunkline/store"

// Conn names a connection of this loop. Its low 32 bits are a dense slot index; zero is none. (netpoll.ConnID's shape.)
type Conn uint64

// Host is the loop that a Shard runs on.
type Host interface {
	// Send copies frame behind the connection's waiting output. An error means the outbound cap was reached.
	Send(conn Conn, frame []byte) error
	// Close flushes what waits and closes. Closed follows.
	Close(conn Conn)
	// Move gives the connection and its unconsumed input to another loop when the current call returns; Open follows there
	// with moved set; Closed does not follow here.
	Move(conn Conn, to int)
	// SetTimer arms the connection's one timer; 0 stops it. Timer follows.
	SetTimer(conn Conn, ms int64)
	// Redeliver has Data called again in the next turn with what was not consumed.
	Redeliver(conn Conn)
	Mesh
}

// Mesh is the way to other loops.
type Mesh interface {
	// Post copies msg for the shard of another loop; FIFO for each pair.
	Post(to int, msg []byte) error
	// Credit is how many bytes may be posted before that loop's inbox is full.
	Credit(to int) int
	// WakeAt asks for a Tick no later than that time.
	WakeAt(unixMs int64)
}

// Queue is the mailbox memory as the machines use it; *store.Mailboxes is one.
type Queue interface {
	Append(e *store.Entry, payload []byte) error
	Replace(e *store.Entry) error
	Scan(user uint64, device uint8, after uint64, f func(e *store.Entry, payload []byte) bool)
	Drop(user uint64, device uint8, upTo uint64, f func(e *store.Entry, payloadBytes int)) (dropped int)
	Last(user uint64, device uint8) (e store.Entry, ok bool)
	Stats() store.Stats
}

// Placement maps users to fragments and fragments to loops.
// fragment = xxhash64(seed, user) & (FragmentCount-1). The seed is secret: whoever knows it can aim at one loop.
type Placement struct {
	Seed  uint64
	Loops int
}

func (p Placement) Fragment(user uint64) int { panic("contract") }
func (p Placement) Home(user uint64) int     { panic("contract") }

// Config is what a Shard is built from. Zero fields take the defaults of limits.go.
type Config struct {
	Loop        int
	Placement   Placement
	Incarnation uint64 // of the data this process holds; never zero
	OwnerEpoch  uint32 // 24 bits, the upper part of every seq
	Queue       Queue
	StayPut     bool // sessions stay on the accepting loop (to measure what moving brings)
	Open        bool // --registration=open: a user exists from its first login or first message

	KeepaliveMs       int64
	LoginTimeoutMs    int64
	AckTimeoutMs      int64
	MailboxEntriesMax int
	MailboxBytesMax   int64
	UsersMax          int   // of this loop
	StoreBytesMax     int64 // of this loop; over it intake stops
	SubscriptionsMax  int   // of a session
}

// Stats are one shard's counters, filled by Shard.Stats on the loop.
type Stats struct {
	Sessions        int64
	Users           int64
	Logins          uint64
	Resumes         uint64
	Replaced        uint64
	MessagesIn      uint64 // SENDs taken (ticked)
	MessagesOut     uint64 // DELIVERs written
	MessagesAcked   uint64 // mailbox entries dropped by a device's ACK
	ReceiptsIn      uint64
	ReceiptsOut     uint64
	Rejections      [64]uint64 // by code
	Refusals        uint64     // temporary
	MalformedFrames uint64
	Closes          [128]uint64 // by code
	Unexpected      uint64      // events a state had no use for
	Panics          uint64
	QueueEntries    int64
	QueueBytes      int64
}

// Shard is all machines of one loop.
type Shard struct{}

func New(cfg Config, host Host) *Shard { panic("contract") }

// The events. now is unix milliseconds and never goes back by more than a clock step; the machines survive one.
func (s *Shard) Open(now int64, conn Conn, moved bool)              { panic("contract") }
func (s *Shard) Data(now int64, conn Conn, b []byte) (consumed int) { panic("contract") }
func (s *Shard) HalfClosed(now int64, conn Conn)                    { panic("contract") }
func (s *Shard) Writable(now int64, conn Conn)                      { panic("contract") }
func (s *Shard) Closed(now int64, conn Conn)                        { panic("contract") }
func (s *Shard) Message(now int64, from int, msg []byte)            { panic("contract") }
func (s *Shard) Timer(now int64, conn Conn)                         { panic("contract") }
func (s *Shard) Tick(now int64)                                     { panic("contract") }

// Recover is called after a panic in any of the above. The step that was running has left no trace: its machine still has
// the state from before the event. A session in whose step it happened is closed with CodeCrashed; a SEND that
// crashed its recipient's mailbox becomes a stored rejection (CodeInternal); the rest of the turn's work goes on.
func (s *Shard) Recover(now int64) { panic("contract") }

// Drain sends GOAWAY (CodeDraining) to every session, and to every later login, with retry-after spread over up to retryAfterMs.
func (s *Shard) Drain(now int64, retryAfterMs uint32) { panic("contract") }

func (s *Shard) Stats() Stats { panic("contract") }
