package netpoll

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Config sizes a reactor. Zero fields take the defaults of limits.go.
type Config struct {
	Loops            int    // default GOMAXPROCS
	Poller           string // "native" or "gnet"; "" is the default
	ConnectionsMax   int    // over all loops; over it an accepted connection is closed at once and counted
	OutboundBytesMax int    // waiting output of one connection
	InboundBytesMax  int    // unconsumed input of one connection
	InboxBytesMax    int    // what one loop may have waiting at another (Credit counts down from it)
	Logger           *slog.Logger
	NewPoller        func(loop int) (Poller, error) // tests: overrides Poller
	Now              func() time.Time               // tests; default time.Now
}

// Reactor is a group of loops.
type Reactor struct{}

// Loop is one event loop. Its methods may be called only from its handler's callbacks.
type Loop struct{}

// Listener is one listening address.
type Listener struct{}

// ListenConfig describes a listener.
type ListenConfig struct {
	Addr      string // "127.0.0.1:5222", "[::1]:0"
	Backlog   int
	ReusePort bool         // one socket for each loop with SO_REUSEPORT_LB / SO_REUSEPORT; else one acceptor loop that deals out
	Inherited net.Listener // or an already listening socket (its descriptor is duplicated)
}

// New builds the loops; newHandler is called once for each, on the caller's goroutine.
func New(cfg Config, newHandler func(l *Loop) Handler) (*Reactor, error) { panic("contract") }

func (r *Reactor) Listen(cfg ListenConfig) (*Listener, error) { panic("contract") }
func (r *Reactor) Start() error                               { panic("contract") }

// Shutdown closes listeners, asks each loop to close its connections (flushing what waits until ctx ends) and waits.
func (r *Reactor) Shutdown(ctx context.Context) error { panic("contract") }

// Wait blocks until the loops have ended; the error is why, nil after Shutdown.
func (r *Reactor) Wait() error                   { panic("contract") }
func (r *Reactor) Loops() int                    { panic("contract") }
func (r *Reactor) Post(to int, msg []byte) error { panic("contract") }
func (r *Reactor) Stats() []LoopStats            { panic("contract") }

func (ln *Listener) Addr() net.Addr { panic("contract") }

// Close stops accepting; connections stay.
func (ln *Listener) Close() error { panic("contract") }

// LoopStats are one loop's counters: single-writer atomics (plain load + store by the loop), read by anybody.
type LoopStats struct {
	Connections     int64
	Accepted        uint64
	AcceptErrors    uint64 // EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED
	AcceptRefused   uint64 // over ConnectionsMax
	Closed          uint64
	BytesIn         uint64
	BytesOut        uint64
	Reads           uint64
	Writes          uint64
	Turns           uint64
	Wakes           uint64
	MessagesIn      uint64
	MessagesOut     uint64
	OutboundRefused uint64
	Panics          uint64
	StaleEvents     uint64
	Moved           uint64
	SlotBytes       int64 // memory of the slots
	ArenaBytes      int64 // memory of waiting bytes
}

func (l *Loop) Index() int { panic("contract") }

// Now is the loop's clock in unix milliseconds, read once a turn.
func (l *Loop) Now() int64 { panic("contract") }

// Send copies b behind the connection's waiting output; one write a turn carries it. ErrOutboundFull when it would pass
// OutboundBytesMax: nothing of b is taken. ErrConnUnknown for a connection that is gone or closing.
func (l *Loop) Send(id ConnID, b []byte) error { panic("contract") }

// Pending is the output that waits, in bytes.
func (l *Loop) Pending(id ConnID) int { panic("contract") }

// Close ends the connection at the end of the turn, dropping what waits. CloseFlush writes what waits first, for at most d
// (0: the default of limits.go), taking no more input. Both are safe to call twice; OnClose follows.
func (l *Loop) Close(id ConnID)                       { panic("contract") }
func (l *Loop) CloseFlush(id ConnID, d time.Duration) { panic("contract") }

// Pause stops reading, Resume reads on. Redeliver calls OnData with the unconsumed input in the next turn.
func (l *Loop) Pause(id ConnID)     { panic("contract") }
func (l *Loop) Resume(id ConnID)    { panic("contract") }
func (l *Loop) Redeliver(id ConnID) { panic("contract") }

// SetTimer arms the connection's one timer, replacing an armed one; OnTimer follows once. 0 stops it.
func (l *Loop) SetTimer(id ConnID, d time.Duration) { panic("contract") }

// Post copies msg for another loop (or this one), FIFO for each pair; it leaves at the end of the turn.
// ErrInboxFull only above the hard limit of limits.go; callers who can wait look at Credit first.
func (l *Loop) Post(to int, msg []byte) error { panic("contract") }

// Credit is how many bytes may be posted to a loop before InboxBytesMax is reached; 0 or less: wait for a later turn.
func (l *Loop) Credit(to int) int { panic("contract") }

// WakeAt asks for a turn (and so an OnTick) no later than that unix millisecond, even when nothing happens. The earliest
// of several calls counts; it is forgotten when that turn comes.
func (l *Loop) WakeAt(unixMs int64) { panic("contract") }

// Move gives the connection to another loop when the current callback has returned: its descriptor, unconsumed input,
// waiting output and state travel in order with posted messages. There the connection has a new id and OnOpen comes
// with OriginMoved, then OnData with the input. Here OnClose is not called.
func (l *Loop) Move(id ConnID, to int, state []byte) error { panic("contract") }

// Adopt takes over a connected TCP socket; the loop owns fd from now on, also on error.
func (l *Loop) Adopt(fd int, state, inbound, outbound []byte) (ConnID, error) { panic("contract") }

// Each calls f for every open connection until it returns false.
func (l *Loop) Each(f func(id ConnID) bool) { panic("contract") }
