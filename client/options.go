package client

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
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
	transport    transport
	serverKey    *secure.ServerKey
	trustFirst   bool
	token        []byte // of the registration; empty: none
	inbox        bool
	inboxEntries int // InboxEntriesMax; tests have less
	dial         func(ctx context.Context, addr string) (net.Conn, error)
	now          func() time.Time
	jitter       func(d time.Duration) time.Duration // uniform in [0, d)
}

// transport is how frames travel.
type transport uint8

const (
	transportEncrypted transport = iota
	transportPlain
)

// WithUser names the user to log in as. Required; 1 to codec.UserMax.
func WithUser(user uint64) Option { return func(c *config) { c.user = user } }

// WithDevice names the user's device, 0 to 253; 0, the primary one, is the default.
func WithDevice(device uint8) Option { return func(c *config) { c.device = device } }

// WithState says where outbox and marks live; the default is NewMemoryState(). The state stays the caller's to close,
// after the client.
func WithState(s State) Option { return func(c *config) { c.state = s } }

// WithServerKey names the server's key. Only who has it is talked to, or who has a certificate of the operator that it
// names; State remembers the key. A key of State that the same operator has certified since stays; any other gives way.
func WithServerKey(k secure.ServerKey) Option { return func(c *config) { c.serverKey = &k } }

// WithTrustFirst pins whatever key the server shows when none is known yet. Whoever answers that one time is trusted from then
// on: for trials, and where nobody stands in between. The operator's key is not learned this way, so a server that
// changes its key later is ErrServerKeyChanged.
func WithTrustFirst() Option { return func(c *config) { c.trustFirst = true } }

// WithPlaintext connects without encryption and without proof of anybody's identity, for a server that listens with
// --transport=plain: in networks that are trusted, and for tests. It does not go with the options of the encrypted transport.
func WithPlaintext() Option { return func(c *config) { c.transport = transportPlain } }

// WithRegistrationToken registers the device: the server's verifier judges the token, 1 to RegistrationTokenBytesMax bytes. It
// is shown while State has no generation, and not looked at once it has one.
func WithRegistrationToken(token []byte) Option {
	return func(c *config) { c.token = append([]byte{}, token...) }
}

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
	case cfg.device > codec.DeviceMax:
		return cfg, fmt.Errorf("%w: device %d is not between 0 and %d", ErrConfig, cfg.device, uint8(codec.DeviceMax))
	case cfg.eventBuffer < 1:
		return cfg, fmt.Errorf("%w: event buffer of %d", ErrConfig, cfg.eventBuffer)
	case cfg.backoffBase <= 0 || cfg.backoffMax < cfg.backoffBase:
		return cfg, fmt.Errorf("%w: backoff from %v to %v", ErrConfig, cfg.backoffBase, cfg.backoffMax)
	case cfg.log == nil || cfg.dial == nil:
		return cfg, fmt.Errorf("%w: nil logger or dialer", ErrConfig)
	}
	if err := cfg.checkTransport(); err != nil {
		return cfg, err
	}
	if cfg.state == nil {
		cfg.state = NewMemoryState()
	}
	return cfg, nil
}

// checkTransport holds the options of the transport against each other.
func (c *config) checkTransport() error {
	switch {
	case c.token != nil && (len(c.token) == 0 || len(c.token) > RegistrationTokenBytesMax):
		return fmt.Errorf("%w: registration token of %d bytes", ErrConfig, len(c.token))
	case c.serverKey != nil && c.serverKey.Static == secure.PublicKey{}:
		return fmt.Errorf("%w: the server's key is zero", ErrConfig)
	case c.transport == transportPlain && (c.serverKey != nil || c.trustFirst || c.token != nil):
		return fmt.Errorf("%w: the plain transport proves nothing: it takes no server key and no registration token", ErrConfig)
	}
	return nil
}
