package netpoll

import (
	"log/slog"
	"runtime"
	"time"
)

// Config sizes a reactor. Zero fields take the defaults of limits.go.
type Config struct {
	Loops            int        // default GOMAXPROCS
	Poller           string     // "native" or "gnet"; "" is the default
	ConnectionsMax   int        // over all loops; over it an accepted connection is closed at once and counted
	OutboundBytesMax int        // waiting output of one connection, at most 512 MiB
	InboundBytesMax  int        // unconsumed input of one connection, at most 512 MiB
	InboxBytesMax    int        // what one loop may have waiting at another (Credit counts down from it)
	Doorkeeper       Doorkeeper // says which accepted connections may stay; nil: all
	Logger           *slog.Logger
	NewPoller        func(loop int) (Poller, error) // tests: overrides Poller
	Now              func() time.Time               // tests; default time.Now
}

// waitingBytesMax bounds OutboundBytesMax and InboundBytesMax: both travel in one record, whose length has 30 bits.
const waitingBytesMax = 512 << 20

// withDefaults fills what was left zero.
func (c Config) withDefaults() Config {
	if c.Loops == 0 {
		c.Loops = min(runtime.GOMAXPROCS(0), LoopsMax)
	}
	orDefault(&c.ConnectionsMax, ConnectionsMaxDefault)
	orDefault(&c.OutboundBytesMax, OutboundBytesMaxDefault)
	orDefault(&c.InboundBytesMax, InboundBytesMaxDefault)
	orDefault(&c.InboxBytesMax, InboxBytesMaxDefault)
	c.OutboundBytesMax = min(c.OutboundBytesMax, waitingBytesMax)
	c.InboundBytesMax = min(c.InboundBytesMax, waitingBytesMax)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewPoller == nil {
		kind := c.Poller
		c.NewPoller = func(int) (Poller, error) { return openPoller(kind) }
	}
	return c
}

func orDefault(n *int, d int) {
	if *n <= 0 {
		*n = d
	}
}
