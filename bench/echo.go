package bench

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"trunkline/netpoll"
)

// EchoConfig says how to compare echo servers. The zero value of a field means its default.
type EchoConfig struct {
	Connections int           `json:"connections"`       // of the closed-loop cases; default 50
	Idle        int           `json:"paced_connections"` // of the paced case; default 1,000
	Rate        int           `json:"paced_rate"`        // messages a second of the paced case; default 2,000
	Bytes       int           `json:"bytes"`             // of one message; default 64
	Inflight    []int         `json:"inflight"`          // on each connection, one closed-loop case for each; default 1 and 16
	Rounds      int           `json:"rounds"`            // interleaved; default 5; the median counts
	Duration    time.Duration `json:"duration_ns"`       // of one measurement; default 1 s
	Warmup      time.Duration `json:"warmup_ns"`         // before each; default a fifth of Duration
	Poller      string        `json:"poller"`            // of our reactor: native, gnet, or empty for the default
	Peers       []string      `json:"peers"`             // programs that speak the child protocol (bench/peers)
}

// withDefaults fills zero fields.
func (c EchoConfig) withDefaults() EchoConfig {
	c.Connections = cmp.Or(c.Connections, 50)
	c.Idle = cmp.Or(c.Idle, 1_000)
	c.Rate = cmp.Or(c.Rate, 2_000)
	c.Bytes = cmp.Or(c.Bytes, 64)
	if len(c.Inflight) == 0 {
		c.Inflight = []int{1, 16}
	}
	c.Rounds = cmp.Or(c.Rounds, 5)
	c.Duration = cmp.Or(c.Duration, time.Second)
	c.Warmup = cmp.Or(c.Warmup, c.Duration/5)
	return c
}

// validate reports the first number that is out of its limits.
func (c EchoConfig) validate() error {
	checks := []error{
		within("connections", c.Connections, 1, EchoConnectionsMax),
		within("paced-connections", c.Idle, 1, EchoConnectionsMax),
		within("rate", c.Rate, 1, RateMax),
		within("size", c.Bytes, PayloadBytesMin, EchoBytesMax),
		within("rounds", c.Rounds, 1, RoundsMax),
		withinTime("duration", c.Duration, DurationMin, DurationMax),
		withinTime("warmup", c.Warmup, 0, DurationMax),
		within("number of peers", len(c.Peers), 0, PeersMax),
	}
	for _, n := range c.Inflight {
		checks = append(checks, within("inflight", n, 1, EchoInflightMax))
	}
	return cmp.Or(checks...)
}

// EchoResult is what the echo servers cost.
type EchoResult struct {
	Cases []EchoCase `json:"cases"`
}

// EchoCase is one way of sending, measured on every server.
type EchoCase struct {
	Name        string       `json:"name"`
	Connections int          `json:"connections"`
	Inflight    int          `json:"inflight"` // 0: paced
	Rate        int          `json:"rate"`     // 0: closed loop
	Servers     []EchoServer `json:"servers"`
}

// EchoServer is what one server took in one case: medians over the rounds.
type EchoServer struct {
	Name              string    `json:"name"`
	CPUUsPerMessage   float64   `json:"cpu_us_per_message"`
	MessagesPerSecond float64   `json:"messages_per_second"`
	LatencyMs         *Latency  `json:"latency_ms"` // of the round with the median CPU
	Rounds            []float64 `json:"cpu_us_rounds"`
	// Ratio is the CPU of our server divided by this one's; 1 for our own.
	Ratio float64 `json:"netpoll_ratio"`
}

// The names of the echo servers that come with the project.
const (
	echoNetpoll  = "netpoll"  // our reactor
	echoBare     = "bare"     // a loop over bare system calls that polls before it blocks
	echoBlocking = "blocking" // the same loop, always blocking in Go's wrapper
)

// Echo compares our reactor's echo server with a loop over bare system calls and with foreign ones.
func Echo(ctx context.Context, cfg EchoConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	report, p := env.record(ctx, "echo", cfg)
	servers, err := startEchoServers(ctx, cfg, env)
	defer stopAll(servers)
	if err != nil {
		return report.ended(ctx, err)
	}
	report.Echo = &EchoResult{}
	for _, kind := range cfg.cases() {
		done, err := runEchoCase(ctx, cfg, kind, servers, p)
		if err != nil {
			return report.ended(ctx, err)
		}
		report.Echo.Cases = append(report.Echo.Cases, done)
	}
	first := report.Echo.Cases[0].Servers[0]
	report.CPUUsPerMessage, report.MessagesPerSecond = &first.CPUUsPerMessage, &first.MessagesPerSecond
	report.LatencyMs = first.LatencyMs
	report.Lost, report.Duplicated, report.Reordered = ptr[uint64](0), ptr[uint64](0), ptr[uint64](0) // else the run had failed
	return report.ended(ctx, nil)
}

// startEchoServers starts every server that is compared; ours is the first.
func startEchoServers(ctx context.Context, cfg EchoConfig, env Env) ([]*child, error) {
	self, err := env.selfPath()
	if err != nil {
		return nil, err
	}
	var list []*child
	start := func(name, program string, args ...string) error {
		c, err := startChild(ctx, name, program, args...)
		if err != nil {
			return err
		}
		list = append(list, c)
		return requireLoopback(c.addr)
	}
	for _, name := range []string{echoNetpoll, echoBare, echoBlocking} {
		if err := start(name, self, childArgs(name, cfg.Poller)...); err != nil {
			return list, err
		}
	}
	for _, program := range cfg.Peers {
		if err := start(filepath.Base(program), program); err != nil {
			return list, err
		}
	}
	return list, nil
}

func stopAll(list []*child) {
	for _, c := range list {
		c.stop()
	}
}

// cases lists the ways of sending.
func (c EchoConfig) cases() []EchoCase {
	var list []EchoCase
	for _, n := range c.Inflight {
		list = append(list, EchoCase{Name: fmt.Sprintf("%d in flight", n), Connections: c.Connections, Inflight: n})
	}
	return append(list, EchoCase{Name: fmt.Sprintf("paced %d/s", c.Rate), Connections: c.Idle, Rate: c.Rate})
}

// runEchoCase measures every server in turn, again and again, so that what else happens on the machine meets them all.
func runEchoCase(ctx context.Context, cfg EchoConfig, kind EchoCase, servers []*child, p *progress) (EchoCase, error) {
	rounds := make([][]echoRound, len(servers))
	for round := range cfg.Rounds {
		for i := range servers {
			at := (i + round) % len(servers) // nobody is always first
			r, err := runEchoRound(ctx, cfg, kind, servers[at])
			if err != nil {
				return kind, fmt.Errorf("%s, %s: %w", kind.Name, servers[at].name, err)
			}
			rounds[at] = append(rounds[at], r)
			p.often("echo: %s, round %d of %d", kind.Name, round+1, cfg.Rounds)
		}
	}
	for i, s := range servers {
		kind.Servers = append(kind.Servers, summarize(s.name, rounds[i]))
	}
	for i := range kind.Servers {
		kind.Servers[i].Ratio = round(ratio(kind.Servers[0].CPUUsPerMessage, kind.Servers[i].CPUUsPerMessage), 3)
	}
	return kind, nil
}

// echoRound is one measurement.
type echoRound struct {
	cpuUs, perSecond float64
	latency          *Latency
}

// summarize takes the medians.
func summarize(name string, rounds []echoRound) EchoServer {
	s := EchoServer{Name: name}
	for _, r := range rounds {
		s.Rounds = append(s.Rounds, r.cpuUs)
	}
	slices.SortFunc(rounds, func(a, b echoRound) int { return cmp.Compare(a.cpuUs, b.cpuUs) })
	mid := rounds[len(rounds)/2]
	s.CPUUsPerMessage, s.MessagesPerSecond, s.LatencyMs = mid.cpuUs, mid.perSecond, mid.latency
	return s
}

// runEchoRound connects, warms up, measures and leaves.
func runEchoRound(ctx context.Context, cfg EchoConfig, kind EchoCase, server *child) (r echoRound, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var e *echoLoop
	f, err := newFleet(server.addr, 1, kind.Connections, func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		e = newEchoLoop(f, l, newClock(), cfg.Bytes)
		e.inflight = kind.Inflight
		if kind.Rate > 0 {
			e.interval = time.Second / time.Duration(kind.Rate)
		}
		return e
	})
	if err != nil {
		return r, err
	}
	closed := false
	defer func() {
		if !closed {
			f.close()
		}
	}()
	if err := connectEcho(ctx, f, e, kind.Connections); err != nil {
		return r, err
	}
	if r, err = measureEcho(ctx, cfg, f, e, server); err != nil {
		return r, err
	}
	f.close()
	closed = true
	r.latency = latencyOf(e.latency)
	if text := e.failure.Load(); text != nil {
		return r, fmt.Errorf("%w: %s", ErrServer, *text)
	}
	return r, nil
}

// connectEcho makes the connections and waits until the loop has them all.
func connectEcho(ctx context.Context, f *fleet, e *echoLoop, connections int) error {
	if err := f.connect(ctx, 0, connections, func(int) int { return 0 }); err != nil {
		return err
	}
	all := func() bool { return e.ready.Load() == int64(connections) || e.failure.Load() != nil }
	return waitFor(ctx, stallTimeout, e.ready.Load, all, nil)
}

// measureEcho sends for the warm-up and the measurement and reads the server's CPU around the latter.
func measureEcho(ctx context.Context, cfg EchoConfig, f *fleet, e *echoLoop, server *child) (r echoRound, err error) {
	start := e.clock.now() + int64(paceLead)
	e.start = start // the loop reads it after cmdBegin
	if err := f.tell(ctx, cmdBegin); err != nil {
		return r, err
	}
	if e.interval > 0 {
		// Ends with ctx, which the round cancels.
		go pace(ctx, e.clock, start, e.interval, func() { _ = f.reactor.Post(0, []byte{cmdPace}) })
	}
	if err := sleep(ctx, cfg.Warmup); err != nil {
		return r, err
	}
	before, err := server.ask("stat")
	if err != nil {
		return r, err
	}
	if err := f.tell(ctx, cmdMeasure); err != nil {
		return r, err
	}
	began, had := time.Now(), e.arrived.Load()
	if err := sleep(ctx, cfg.Duration); err != nil {
		return r, err
	}
	after, err := server.ask("stat")
	if err != nil {
		return r, err
	}
	got, took := float64(e.arrived.Load()-had), time.Since(began).Seconds()
	if got == 0 {
		return r, fmt.Errorf("%w: no message came back", ErrServer)
	}
	r.cpuUs = round(float64(after.CPUNanos-before.CPUNanos)/1e3/got, 3)
	r.perSecond = round(got/took, 0)
	if err := f.tell(ctx, cmdStop); err != nil {
		return r, err
	}
	all := func() bool {
		return e.failure.Load() != nil || e.stopped.Load() && e.arrived.Load() == e.sent.Load()
	}
	if err := waitFor(ctx, stallTimeout, e.arrived.Load, all, nil); err != nil {
		return r, fmt.Errorf("%w: of %d messages %d came back: %w", ErrServer, e.sent.Load(), e.arrived.Load(), err)
	}
	return r, nil
}

// rows writes one line for each server and case.
func (e *EchoResult) rows(t *table) {
	t.row("case", "server", "CPU us/message", "messages/s", "p50 ms", "p99 ms", "our CPU / its CPU")
	for _, c := range e.Cases {
		for _, s := range c.Servers {
			p50, p99 := 0.0, 0.0
			if s.LatencyMs != nil {
				p50, p99 = s.LatencyMs.P50, s.LatencyMs.P99
			}
			t.row(fmt.Sprintf("%s, %d connections", c.Name, c.Connections), s.Name, fmt.Sprintf("%.3f", s.CPUUsPerMessage),
				fmt.Sprintf("%.0f", s.MessagesPerSecond), fmt.Sprintf("%.3f", p50), fmt.Sprintf("%.3f", p99), fmt.Sprintf("%.3f", s.Ratio))
		}
	}
}
