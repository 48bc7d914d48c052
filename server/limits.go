package server

import "time"

// Defaults of Config. Each can be changed by the flag of the same name; docs/operations.md says what happens at each limit.
const (
	// ListenDefault and AdminDefault are loopback: a first start must not open a port to the world.
	ListenDefault = "127.0.0.1:5222"
	AdminDefault  = "127.0.0.1:5280"
	// KeepaliveDefault is how often a silent client must say something. 240 s stays below the usual 5 minutes of a NAT
	// entry and costs 8,300 pings/s with 2 M connections. After 1.5 times that the session is closed.
	KeepaliveDefault = 240 * time.Second
	// LoginTimeoutDefault is how long a connection may take to log in: then it is closed without a word.
	LoginTimeoutDefault = 10 * time.Second
	// AckTimeoutDefault is how long a device may leave everything unacknowledged: then the session is closed, the mailbox stays.
	AckTimeoutDefault = 60 * time.Second
	// DrainTimeoutDefault is how long a drain waits for clients to leave by themselves after GOAWAY.
	DrainTimeoutDefault = 5 * time.Second
	// MailboxEntriesDefault and MailboxBytesDefault bound what waits for one device. Full: the sender gets a rejection.
	MailboxEntriesDefault = 10_000
	MailboxBytesDefault   = 16 << 20
	// UsersDefault bounds the users known to the process (96 bytes each and their devices). Full: new logins and
	// messages to new users are refused.
	UsersDefault = 4 << 20
	// StoreBytesDefault bounds the payloads held for all mailboxes. Above it intake stops: SENDs are refused for the time being.
	StoreBytesDefault = 1 << 30
	// SubscriptionsDefault bounds the presence subscriptions of one session. Full: the SUBSCRIBE is refused.
	SubscriptionsDefault = 256
	// PresenceWindowDefault is how long the watchers of a user are told nothing new of it after they were told something; then the newest.
	PresenceWindowDefault = 2 * time.Second
	// PresenceWindowMin is a turn of a loop and a bit; over PresenceWindowMax nobody would take presence for what it says.
	PresenceWindowMin = 10 * time.Millisecond
	PresenceWindowMax = time.Hour
	// GCPercentDefault lets the heap grow by half between two collections. Almost all memory here has no pointers, so a
	// collection is cheap, while each percent is memory that could hold connections.
	GCPercentDefault = 50
)

// Bounds of what Config takes.
const (
	// LoopsMax is what fits the eight bits of a connection's name.
	LoopsMax = 256
	// ConnectionsMax bounds --max-connections: above any machine today, far below the 32 bits of a slot.
	ConnectionsMax = 16 << 20
	// DurationMax bounds every timeout: longer is a typing error.
	DurationMax = 24 * time.Hour
	// KeepaliveMin keeps a small number from turning the keepalive into a flood; KeepaliveMax is what the wire carries.
	KeepaliveMin = time.Second
	KeepaliveMax = 12 * time.Hour
	// ConfigFileBytesMax bounds --config: over it the file is refused.
	ConfigFileBytesMax = 1 << 20
)

// The drain.
const (
	// ReturnsPerSecond is the most clients that are asked to come back in each second, whatever handshakes cost: what follows a
	// handshake costs too, and the kernel's part of a connection.
	ReturnsPerSecond = 10_000
	// RetryAfterMin and RetryAfterMax bound when that is. Over RetryAfterMax clients are spread over the later half of it.
	RetryAfterMin = 2 * time.Second
	RetryAfterMax = 10 * time.Minute
	// DrainPacePart is the part of DrainTimeout over which GOAWAYs are spread at most: the last who are told need time to leave.
	DrainPacePart = 2
	// FlushTimeout is how long the last close waits for bytes that the peer does not take.
	FlushTimeout = 2 * time.Second
	// ParkedTimeout is how long a drain waits for mailboxes that are being read from disk, with messages for them parked. Over it the stop is
	// not a clean one: the next start replays the journal.
	ParkedTimeout = 5 * time.Second
	// drainPoll is how often a drain looks whether everybody has left.
	drainPoll = 20 * time.Millisecond
)

// What a handshake costs.
const (
	// handshakeCostAssumed and loginCostAssumed are what a handshake on the encrypted transport and a login on the plain one are
	// taken to cost until one was measured.
	handshakeCostAssumed = 200 * time.Microsecond
	loginCostAssumed     = 20 * time.Microsecond
	// costSmoothing is how many handshakes the moving average of their cost remembers, about.
	costSmoothing = 64
	// handshakeMicrosMin is the least that one counts: a clock that has not moved says nothing.
	handshakeMicrosMin = 1
)

// Supervision.
const (
	// PanicsMax panics within PanicsWindow are one bad session or message each; more are logged as a failing server.
	PanicsMax    = 10
	PanicsWindow = 10 * time.Second
)

// The admin listener.
const (
	// AdminConnectionsMax bounds its open connections: over it the next one waits.
	AdminConnectionsMax = 16
	// AdminHeaderBytesMax and AdminBodyBytesMax bound a request: over it 431 and 413.
	AdminHeaderBytesMax = 16 << 10
	AdminBodyBytesMax   = 64 << 10
	// AdminReadTimeout bounds reading a request, AdminWriteTimeout answering it (a CPU profile of a minute fits).
	AdminReadTimeout  = 5 * time.Second
	AdminWriteTimeout = 90 * time.Second
	AdminIdleTimeout  = 60 * time.Second
	// StatsTimeout is how long a loop may take to hand out its counters; then the last ones are shown, marked as old.
	StatsTimeout = 500 * time.Millisecond
	// StatsAge is how long gathered counters are shown again, so that a storm of requests does not reach the loops.
	StatsAge = 100 * time.Millisecond
	// SampleInterval is the length of the interval that the rates in /status describe.
	SampleInterval = 5 * time.Second
	// LoopSilenceMax is how long a loop may leave its counters unanswered before /healthz fails.
	LoopSilenceMax = 15 * time.Second
)
