package netpoll

// ConnID names one connection for its whole stay on one loop: loop (8 bits), generation (24 bits), slot (32 bits).
// Each connection gets its loop's next generation, so a late event or call for an old one names nothing; a name could only
// come to life again after 16,777,215 further connections of that loop, the last of them in the same slot.
// Zero is never a connection.
type ConnID uint64

// Loop is the index of the loop that holds the connection.
func (id ConnID) Loop() int { return int(id >> 56) }

// Slot is the index of the connection's slot on its loop: dense, reused, a good index for a table beside it.
func (id ConnID) Slot() uint32 { return uint32(id) }

// Generation is the slot's generation, 1 to 2^24-1.
func (id ConnID) Generation() uint32 { return uint32(id>>32) & 0xFFFFFF }

// Origin says how a connection came to a loop.
type Origin uint8

// The origins of a connection.
const (
	OriginAccepted Origin = iota + 1
	OriginAdopted
	OriginMoved
)

// CloseReason says why a connection ended.
type CloseReason uint8

// The reasons. A connection that was moved away is not closed: OnClose is not called for it.
const (
	ReasonHandler      CloseReason = iota + 1 // Close or CloseFlush was called
	ReasonPeerClosed                          // FIN with nothing left to write, or reset
	ReasonError                               // a socket error
	ReasonFlushTimeout                        // CloseFlush's deadline passed with bytes still waiting
	ReasonPanic                               // a handler panicked on behalf of this connection
	ReasonShutdown                            // the reactor went down
)
