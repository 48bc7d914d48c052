package client

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"trunkline/codec"
)

// Option configures Dial.
type Option func(*config)

type config struct {
	user         uint64
	device       uint8
	state        State
	log          *slog.Logger
	backoffBase  time.Duration
	backoffMax   time.Duration
	eventBuffer  int
	once         bool
	offline      bool
	inbox        bool
	inboxEntries int // InboxEntriesMax; tests have less
	dial         func(ctx context.Context, addr string) (net.Conn, error)
	now          func() time.Time
	jitter       func(d time.Duration) time.Duration // uniform in [0, d)
}

// WithUser names the user to log in as. Required; 1 to codec.UserMax.
func WithUser(user uint64) Option { return func(c *config) { c.user = user } }

// WithDevice names the user's device; 0, the primary one, is the default.
func WithDevice(device uint8) Option { return func(c *config) { c.device = device } }

// WithState says where outbox and marks live; the default is NewMemoryState(). The state stays the caller's to close,
// after the client.
func WithState(s State) Option { return func(c *config) { c.state = s } }

// WithLogger has reconnects and what the server says logged; the default is silence.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// WithBackoff sets the full-jitter backoff: before attempt n the client waits a random time below min(max, base*2^n),
// after the server's retry-after if it named one. Defaults: BackoffBase, BackoffMax.
func WithBackoff(base, max time.Duration) Option {
	return func(c *config) { c.backoffBase, c.backoffMax = base, max }
}

// WithEventBuffer sets how many events may wait; 1 to EventBufferMax, default EventBufferDefault. When they do, the client
// stops reading its socket; nothing is dropped.
func WithEventBuffer(n int) Option { return func(c *config) { c.eventBuffer = n } }

// WithoutReconnect makes the first lost connection end the client.
func WithoutReconnect() Option { return func(c *config) { c.once = true } }

// WithOfflineStart makes Dial return without a login: the client connects in the background and events tell how
// that goes. Messages may be sent at once; they wait in the outbox.
func WithOfflineStart() Option { return func(c *config) { c.offline = true } }

// WithInbox has received messages kept in State's inbox, and the server told so, without waiting for Ack: whatever else is in
// this device's mailbox (receipts, rejections) then comes to a client that shows no messages. They are handed over as
// always; what was not acknowledged a later client on that State hands over first, whatever its options, until Ack takes
// it out. A full inbox (InboxEntriesMax, InboxBytesMax) has new messages wait for Ack, as without this option.
func WithInbox() Option { return func(c *config) { c.inbox = true } }

// WithDialer replaces how connections are made, for proxies, other networks and tests. The default dials TCP.
func WithDialer(dial func(ctx context.Context, addr string) (net.Conn, error)) Option {
	return func(c *config) { c.dial = dial }
}

// newConfig applies opts to the defaults and checks the result.
func newConfig(opts []Option) (config, error) {
	cfg := config{
		log:          slog.New(slog.DiscardHandler),
		backoffBase:  BackoffBase,
		backoffMax:   BackoffMax,
		eventBuffer:  EventBufferDefault,
		inboxEntries: InboxEntriesMax,
		dial: func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
		now: time.Now,
		jitter: func(d time.Duration) time.Duration {
			if d <= 0 {
				return 0
			}
			return rand.N(d)
		},
	}
	for _, o := range opts {
		o(&cfg)
	}
	cfg.eventBuffer = min(cfg.eventBuffer, EventBufferMax)
	switch {
	case cfg.user == 0 || cfg.user > codec.UserMax:
		return cfg, fmt.Errorf("%w: user %d is not between 1 and %d", ErrConfig, cfg.user, uint64(codec.UserMax))
	case cfg.eventBuffer < 1:
		return cfg, fmt.Errorf("%w: event buffer of %d", ErrConfig, cfg.eventBuffer)
	case cfg.backoffBase <= 0 || cfg.backoffMax < cfg.backoffBase:
		return cfg, fmt.Errorf("%w: backoff from %v to %v", ErrConfig, cfg.backoffBase, cfg.backoffMax)
	case cfg.log == nil || cfg.dial == nil:
		return cfg, fmt.Errorf("%w: nil logger or dialer", ErrConfig)
	}
	if cfg.state == nil {
		cfg.state = NewMemoryState()
	}
	return cfg, nil
}
