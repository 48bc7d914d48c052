package client

import (
	"context"
	"log/slog"
	"time"

	"trunkline/codec"
)

// Option configures Dial.
type Option func(*config)

type config struct{}

func WithUser(user uint64) Option                { panic("contract") }
func WithDevice(device uint8) Option             { panic("contract") }
func WithState(s State) Option                   { panic("contract") } // default: NewMemoryState()
func WithLogger(l *slog.Logger) Option           { panic("contract") }
func WithBackoff(base, max time.Duration) Option { panic("contract") }
func WithEventBuffer(n int) Option               { panic("contract") } // bounded; when full the client stops reading its socket
func WithoutReconnect() Option                   { panic("contract") } // the first lost connection ends the client

// State keeps outbox and marks. OpenState: one file for one device, locked; NewMemoryState: gone with the process.
type State interface{ Close() error }

func OpenState(path string) (State, error) { panic("contract") }
func NewMemoryState() State                { panic("contract") }

// Client is one device's connection, reconnected as long as ctx of Dial... lives.
type Client struct{}

// Dial logs in before it returns; ctx bounds the first login only. Errors: typed, see errors.go.
func Dial(ctx context.Context, addr string, opts ...Option) (*Client, error) { panic("contract") }

// Send returns when the outbox has the message; ticks come as events carrying id. ErrOutboxFull, ErrTooLarge, ErrClosed.
func (c *Client) Send(ctx context.Context, to uint64, payload []byte) (id uint64, err error) {
	panic("contract")
}

// Events delivers everything that happens. The channel closes when the client ends; Err then says why.
func (c *Client) Events() <-chan Event { panic("contract") }
func (c *Client) Err() error           { panic("contract") }

// Ack tells the server that the application has kept m; until then the server keeps it and delivers it again to a
// returning device. Cumulative. Read also tells the sender that it was read.
func (c *Client) Ack(m Message) error                                  { panic("contract") }
func (c *Client) Read(ctx context.Context, m Message) error            { panic("contract") }
func (c *Client) Subscribe(ctx context.Context, users ...uint64) error { panic("contract") }
func (c *Client) Typing(ctx context.Context, to uint64, composing codec.Typing) error {
	panic("contract")
}

// Outstanding is how many messages of the outbox have no first tick.
func (c *Client) Outstanding() int { panic("contract") }

// Close leaves. What the outbox holds stays in State.
func (c *Client) Close() error { panic("contract") }

// Event is one of Message, Tick, Rejected, Presence, Typing, Connected, Disconnected.
type Event interface{ event() }

type Message struct {
	ID      uint64 // the sender's number for it
	From    uint64
	Device  uint8
	Gen     uint16
	Seq     uint64
	Time    time.Time
	Kind    uint8
	Payload []byte
}

// TickLevel is how far a message came.
type TickLevel uint8

const (
	TickServer    TickLevel = 1 // ✓  the server took it
	TickDelivered TickLevel = 2 // ✓✓ the device has it
	TickRead      TickLevel = 3 // blue
	TickPlayed    TickLevel = 4
)

// Tick reports ids First..Last (this client's, to that peer; TickServer: to anybody).
type Tick struct {
	Level       TickLevel
	First, Last uint64
	Peer        uint64
	Time        time.Time
}

type Rejected struct {
	ID   uint64
	Peer uint64
	Code codec.ErrorCode
}
type Presence struct {
	User      uint64
	Available bool
	LastSeen  time.Time
}
type Typing struct {
	User  uint64
	State uint8
}
type Connected struct {
	Resumed    bool
	ServerLost bool // the server has lost its data since (new incarnation)
	Generation uint16
}
type Disconnected struct {
	Err     error
	RetryIn time.Duration
}

func (Message) event()      {}
func (Tick) event()         {}
func (Rejected) event()     {}
func (Presence) event()     {}
func (Typing) event()       {}
func (Connected) event()    {}
func (Disconnected) event() {}
