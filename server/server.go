package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/store"
	"trunkline/tuning"
)

// Server is one running server: loops with a shard on each, a listener for clients and one for operators.
type Server struct {
	cfg     Config // with its defaults filled in
	files   tuning.FileLimit
	data    *dataDir
	durable *durable
	started time.Time

	accounts  store.Accounts
	people    store.People // kept with the accounts
	transport *transport   // nil: plain
	clerk     *clerk       // nil until the accounts are open
	reactor   *netpoll.Reactor
	listener  *netpoll.Listener
	proxy     *netpoll.Listener // for load balancers; nil: none
	admission *admission
	gather    *gatherer
	guard     guardDesk
	panics    *panicCounter
	capacity  *capacity
	gc        GCChoice // never changes after New
	admin     *admin   // nil when off

	collecting sync.Mutex // one POST /collect at a time; locked under nothing else

	draining atomic.Bool
	running  atomic.Bool
	rates    atomic.Pointer[Rates]
}

// New checks cfg (ErrConfig: exit status 2), raises the descriptor limit, takes the data directory and opens the listeners
// (exit status 1 when that fails). Clients that connect now wait until Run. Whoever does not call Run calls Close.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg.withDefaults(), started: time.Now()}
	s.rates.Store(&Rates{})
	s.raiseFileLimit()
	data, err := openDataDir(s.cfg.Data)
	if err != nil {
		return nil, err
	}
	s.data = data
	if err := s.openTransport(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.openClerk()
	if err := s.openDurable(); err != nil { // last: with keys that it refuses the server leaves mailboxes as they are
		return nil, errors.Join(err, s.Close())
	}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// raiseFileLimit settles how many connections there may be. A limit that could not be raised is worth a line, no more.
func (s *Server) raiseFileLimit() {
	files, err := tuning.RaiseFileLimit()
	if err != nil {
		s.cfg.Logger.Warn("the descriptor limit stays as it was", "err", err)
	}
	s.files = files
	allowed := min(max(files.Connections(), 1), ConnectionsMax)
	if s.cfg.MaxConnections == 0 || s.cfg.MaxConnections > allowed {
		s.cfg.MaxConnections = allowed
	}
	s.chooseGC()
}

// build makes the reactor and one shard for each loop.
func (s *Server) build() error {
	if err := s.buildAdmission(); err != nil {
		return err
	}
	s.panics = &panicCounter{log: s.cfg.Logger, now: time.Now}
	s.capacity = newCapacity(s.cfg.Loops, s.cfg.HandshakeShare, assumedCost(s.cfg.Transport))
	shards, shared := s.shardConfig(), s.gateShared()
	var handlers []*loopHandler
	var failed error
	var err error
	s.reactor, err = netpoll.New(netpoll.Config{
		Loops: s.cfg.Loops, Poller: s.cfg.Poller, ConnectionsMax: s.cfg.MaxConnections, Logger: s.cfg.Logger,
		Doorkeeper: s.admission,
	}, func(l *netpoll.Loop) netpoll.Handler {
		h, err := newLoopHandler(l, shards, s, shared)
		failed = errors.Join(failed, err)
		handlers = append(handlers, h)
		return h
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("loops: %w", err)
	}
	s.gather = &gatherer{reactor: s.reactor, handlers: handlers, now: time.Now}
	s.gather.last = &snapshot{born: s.started, loops: make([]loopCounters, len(handlers))}
	s.durable.connect(s.reactor)
	return nil
}

// buildAdmission makes what keeps strangers in check. Its seed is its own, drawn for this process: the one that places users is kept on disk.
func (s *Server) buildAdmission() error {
	seed, err := randomUint64()
	if err != nil {
		return err
	}
	s.admission, err = newAdmission(s.cfg, AddressCells, seed, monotonicFrom(s.started))
	return err
}

// placement says which user lives where.
func (s *Server) placement() shard.Placement {
	return shard.Placement{Seed: s.data.seed, Loops: s.cfg.Loops}
}

// shardConfig divides what the process may hold by its loops.
func (s *Server) shardConfig() shard.Config {
	c := s.cfg
	shards := shard.Config{
		Placement:         s.placement(),
		StayPut:           c.Place == PlaceAccept,
		Proven:            c.Transport == TransportNoise,
		Open:              true,
		KeepaliveMs:       time.Duration(c.Keepalive).Milliseconds(),
		LoginTimeoutMs:    time.Duration(c.LoginTimeout).Milliseconds(),
		AckTimeoutMs:      time.Duration(c.AckTimeout).Milliseconds(),
		MailboxEntriesMax: c.MailboxEntries,
		MailboxBytesMax:   int64(c.MailboxBytes),
		UsersMax:          (c.Users + c.Loops - 1) / c.Loops,
		StoreBytesMax:     (int64(c.StoreBytes) + int64(c.Loops) - 1) / int64(c.Loops),
		SubscriptionsMax:  c.Subscriptions,
		PresenceRate:      c.PresenceRate.forShard(),
		PresenceWindowMs:  time.Duration(c.PresenceWindow).Milliseconds(),
		UserSessionsMax:   c.UserSessions,
		GroupMembersMax:   c.GroupMembers,
		MailboxIdleMs:     time.Duration(c.SessionExpiry).Milliseconds(),
		Messages:          c.Messages.forShard(),
		Controls:          c.Controls.forShard(),
		Conversations:     c.Conversations.forShard(),
		RetryAfter:        func(uint64) uint32 { return uint32(s.capacity.retryAfter(time.Now()).Milliseconds()) },
	}
	s.durableShard(&shards)
	return shards
}

// listen opens the listeners. Their order is that of listenerPublic and listenerProxy.
func (s *Server) listen() error {
	ln, err := s.reactor.Listen(netpoll.ListenConfig{Addr: s.cfg.Listen, ReusePort: s.cfg.ReusePort})
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.cfg.Listen, err)
	}
	s.listener = ln
	if s.cfg.ProxyListen != "" {
		if s.proxy, err = s.reactor.Listen(netpoll.ListenConfig{Addr: s.cfg.ProxyListen, ReusePort: s.cfg.ReusePort}); err != nil {
			return fmt.Errorf("listen on %s: %w", s.cfg.ProxyListen, err)
		}
	}
	if s.cfg.Admin == AdminOff {
		return nil
	}
	s.admin, err = openAdmin(s, s.cfg.Admin)
	return err
}

// stopListening takes no more clients, also none from load balancers.
func (s *Server) stopListening() error {
	if s.proxy == nil {
		return s.listener.Close()
	}
	return errors.Join(s.listener.Close(), s.proxy.Close())
}

// ProxyAddr is where load balancers connect; nil without a listener for them.
func (s *Server) ProxyAddr() net.Addr {
	if s.proxy == nil {
		return nil
	}
	return s.proxy.Addr()
}

// Addr is where clients connect. AdminAddr is where operators do; nil without an admin listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// AdminAddr is where operators connect; nil without an admin listener.
func (s *Server) AdminAddr() net.Addr {
	if s.admin == nil {
		return nil
	}
	return s.admin.listener.Addr()
}

func (s *Server) proxyName() string {
	if s.proxy == nil {
		return ""
	}
	return s.proxy.Addr().String()
}

func (s *Server) adminName() string {
	if s.admin == nil {
		return AdminOff
	}
	return s.admin.listener.Addr().String()
}

// Limits are the limits in force.
func (s *Server) Limits() Limits {
	return Limits{
		Connections: s.cfg.MaxConnections, Descriptors: s.files.Soft, DescriptorsWere: s.files.SoftWas,
		MailboxEntries: s.cfg.MailboxEntries, MailboxBytes: int64(s.cfg.MailboxBytes),
		Users: s.cfg.Users, StoreBytes: int64(s.cfg.StoreBytes), Subscriptions: s.cfg.Subscriptions,
		UserSessions: s.cfg.UserSessions, Messages: s.cfg.Messages.String(), Controls: s.cfg.Controls.String(),
		Conversations: s.cfg.Conversations.String(), SessionExpiry: s.cfg.SessionExpiry.String(),
		JournalLinger: s.cfg.JournalLinger.String(), JournalBytes: int64(s.cfg.JournalBytes),
		WriteBack: s.cfg.WriteBack.String(), Retention: s.cfg.Retention.String(),
	}
}

// ConnectionsAllowed is how many connections the descriptor limit allows.
func (s *Server) ConnectionsAllowed() int { return s.files.Connections() }

// Config is what the server runs with, defaults filled in.
func (s *Server) Config() Config { return s.cfg }

// Run serves until ctx ends, then drains: GOAWAY with retry-after, a wait for clients to leave, flush, close. It returns
// nil after a clean drain, and an error when the loops ended by themselves. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	if s.running.Swap(true) {
		return ErrRunTwice
	}
	if err := s.reactor.Start(); err != nil {
		return errors.Join(fmt.Errorf("loops: %w", err), s.release())
	}
	samples, stop := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	helpers.Go(func() { s.sample(samples) }) // ended by stop
	if s.admin != nil {
		helpers.Go(s.admin.serve) // ended by closeAdmin
	}
	ended := make(chan error, 1)
	go func() { ended <- s.reactor.Wait() }() // ends with the loops
	var err error
	asked := false
	select {
	case <-ctx.Done():
		asked = true
		err = s.drain(ended)
	case err = <-ended:
		err = errors.Join(fmt.Errorf("the loops ended: %w", err), s.stopListening())
	}
	stop()
	err = errors.Join(err, s.closeAdmin())
	helpers.Wait()
	return errors.Join(err, s.closeDurable(asked && s.reactor.Wait() == nil), s.closeTransport(), s.data.Close())
}

// closeAdmin ends serving operators.
func (s *Server) closeAdmin() error {
	if s.admin == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), AdminReadTimeout)
	defer cancel()
	return s.admin.close(ctx)
}

// Close gives back what New took, for a server whose Run is not called. After Run there is nothing left to do.
func (s *Server) Close() error {
	if s.running.Swap(true) {
		return nil
	}
	return s.release()
}

// release closes what New opened, in whatever state New left it.
func (s *Server) release() error {
	var errs []error
	if s.admin != nil {
		errs = append(errs, s.admin.listener.Close())
	}
	if s.reactor != nil {
		ctx, cancel := context.WithTimeout(context.Background(), FlushTimeout)
		defer cancel()
		errs = append(errs, s.reactor.Shutdown(ctx))
	}
	return errors.Join(append(errs, s.closeDurable(true), s.closeTransport(), s.data.Close())...)
}
