package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// ConnectConfig says how many idle connections to hold. The zero value of a field means its default.
type ConnectConfig struct {
	Target      Target        `json:"target"`
	Raw         RawMode       `json:"raw,omitempty"` // connections of netpoll alone, without sessions
	Poller      string        `json:"poller"`        // with Raw: of our reactor: native, gnet, or empty for the default
	From        int           `json:"from"`          // the lower count; default a third of Connections
	Connections int           `json:"connections"`   // the higher count; default 15,000
	Hold        time.Duration `json:"hold_ns"`       // how long the idle CPU is watched; default 2 s
	Peers       []string      `json:"peers"`         // with Raw: programs that speak the child protocol (bench/peers)
	PerWorker   int           `json:"per_worker"`    // connections of one generator process; default what its limit allows
}

// RawMode says whether connections log in.
type RawMode string

// The modes.
const (
	Sessions RawMode = ""    // every connection logs in
	Raw      RawMode = "raw" // no connection says anything
)

// withDefaults fills zero fields.
func (c ConnectConfig) withDefaults() ConnectConfig {
	c.Target = c.Target.orDefault()
	c.Connections = cmp.Or(c.Connections, 15_000)
	c.From = cmp.Or(c.From, c.Connections/3)
	c.Hold = cmp.Or(c.Hold, 2*time.Second)
	c.PerWorker = cmp.Or(c.PerWorker, descriptorsFor())
	return c
}

// validate reports the first number that is out of its limits.
func (c ConnectConfig) validate() error {
	if c.Raw == Raw && c.Target.Server != "" {
		return fmt.Errorf("%w: raw connections are measured on an echo server of the run's own", ErrInput)
	}
	if c.Raw == Raw && len(c.Target.Args) > 0 {
		return fmt.Errorf("%w: raw connections have no `serve` that flags could go to", ErrInput)
	}
	if c.Raw != Raw && (len(c.Peers) > 0 || c.Poller != "") {
		return fmt.Errorf("%w: peers and a poller belong to raw connections", ErrInput)
	}
	if c.Target.Server != "" && c.Target.Admin == "" {
		return fmt.Errorf("%w: the memory of %s is read at its admin address, which is missing", ErrInput, c.Target.Server)
	}
	return cmp.Or(
		within("connections", c.Connections, 2, ConnectionsMax),
		within("from", c.From, 1, c.Connections-1),
		within("connections of one worker", c.PerWorker, 1, ConnectionsMax),
		within("number of peers", len(c.Peers), 0, PeersMax),
		withinTime("hold", c.Hold, DurationMin, DurationMax),
		c.Target.validate(),
	)
}

// ConnectResult is what a run with idle connections found beyond the common keys of Report.
type ConnectResult struct {
	Unit          string  `json:"unit"` // session or connection
	From          int     `json:"from"`
	To            int     `json:"to"`
	RSSEmptyBytes int64   `json:"rss_empty_bytes"`
	RSSFromBytes  int64   `json:"rss_from_bytes"`
	RSSToBytes    int64   `json:"rss_to_bytes"`
	RSSSource     string  `json:"rss_source"`
	PerSecond     float64 `json:"per_second"` // logins (or connects) a second, from the first to the last
	Workers       int     `json:"workers"`    // generator processes
	// KernelBytesPerConnection is the growth of the kernel's slab memory for each connection, both ends counted, since
	// generator and server are on one machine.
	KernelBytesPerConnection *float64      `json:"kernel_bytes_per_connection"`
	KernelSource             string        `json:"kernel_source,omitempty"`
	SocketMemoryPages        *int64        `json:"socket_memory_pages"`
	ServerCPUPercentIdle     *float64      `json:"server_cpu_percent_idle"`
	Peers                    []ConnectPeer `json:"peers,omitempty"`

	Transport  Transport      `json:"transport,omitempty"`
	Plain      *ConnectResult `json:"plain,omitempty"`       // with Both: the same over the plain transport
	PlainBytes *float64       `json:"plain_bytes,omitempty"` // its slope
	MoreBytes  *float64       `json:"more_bytes,omitempty"`  // what encryption adds to a session
}

// ConnectPeer is what a foreign server takes.
type ConnectPeer struct {
	Name               string  `json:"name"`
	RSSEmptyBytes      int64   `json:"rss_empty_bytes"`
	BytesPerConnection float64 `json:"rss_bytes_per_connection"`
}

// Connect holds idle connections and reports the server's memory for each, as the slope between two counts. With the
// transport Both it does so twice and reports what encryption adds.
func Connect(ctx context.Context, cfg ConnectConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if cfg.Target.Transport == Both {
		return connectBoth(ctx, cfg, env)
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	self, err := env.selfPath()
	if err != nil {
		return nil, err
	}
	report, p := env.record(ctx, "connect", cfg)
	if cfg.Target.Server == "" {
		// What a server keeps for the disk changes by megabytes between two readings, and is no session's.
		cfg.Target.Args = append([]string{"--session-expiry", forgetAfter, "--data", "off"}, cfg.Target.Args...)
	}
	s, err := openConnectServer(ctx, cfg, env, self)
	if err != nil {
		return report.ended(ctx, err)
	}
	r := &connectRun{cfg: cfg, self: self, p: p, report: report, rec: env.rec, first: firstUser()}
	if t, ok := s.(*target); ok && t.own != nil {
		env.rec.phase("warm up")
		err = r.warm(ctx, t)
	}
	if err == nil {
		report.Connect, err = r.measure(ctx, s)
	}
	env.rec.stop() // what ends now is no part of it
	if r.crowd != nil {
		stopAll(r.crowd.list)
	}
	s.close()
	for i := 0; i < len(cfg.Peers) && err == nil; i++ {
		err = r.measurePeer(ctx, cfg.Peers[i])
	}
	return report.ended(ctx, err)
}

// heldServer is a server whose memory is measured: `trunkline serve`, or a child that speaks the child protocol.
type heldServer interface {
	address() string
	// speaks is the transport of its sessions, and its static key where that is encrypted.
	speaks() (Transport, []byte)
	// settled collects garbage on the server and waits until its memory stands still.
	settled(ctx context.Context) (usage, bool, error)
	usage(ctx context.Context) (usage, error)
	close()
}

func (s *target) address() string { return s.addr }

func (s *target) speaks() (Transport, []byte) {
	if s.transport == Noise {
		return Noise, s.key[:]
	}
	return s.transport, nil
}

// childServer is a child as a heldServer.
type childServer struct{ *child }

func (c childServer) address() string { return c.addr }

func (c childServer) speaks() (Transport, []byte) { return "", nil }

func (c childServer) close() { c.stop() }

func (c childServer) usage(context.Context) (usage, error) { return c.asked("stat") }

func (c childServer) asked(command string) (usage, error) {
	st, err := c.ask(command)
	return usage{CPU: time.Duration(st.CPUNanos), RSSBytes: st.RSSBytes, RSSSource: "the process itself"}, err
}

func (c childServer) settled(ctx context.Context) (usage, bool, error) {
	if _, err := c.asked("settle"); err != nil {
		return usage{}, false, err
	}
	_, steady, err := steadyBytes(ctx, func() (int64, error) {
		u, err := c.asked("stat")
		return u.RSSBytes, err
	})
	if err != nil {
		return usage{}, false, err
	}
	u, err := c.asked("stat")
	return u, steady, err
}

// openConnectServer starts (or names) what holds the connections.
func openConnectServer(ctx context.Context, cfg ConnectConfig, env Env, self string) (heldServer, error) {
	if cfg.Raw != Raw {
		return openTarget(ctx, cfg.Target, env, cfg.Connections)
	}
	c, err := startChild(ctx, echoNetpoll, self, childArgs(echoNetpoll, cfg.Poller)...)
	if err != nil {
		return nil, err
	}
	if err := requireLoopback(c.addr); err != nil {
		c.stop()
		return nil, err
	}
	return childServer{c}, nil
}

// connectRun is one run under way.
type connectRun struct {
	cfg    ConnectConfig
	self   string
	p      *progress
	report *Report
	rec    *recorder
	first  uint64 // user id of connection 0

	crowd *workers // that has warmed the server up; nil: it is started when the server's empty memory is known
}

// measure takes the server's memory empty, with From and with Connections.
func (r *connectRun) measure(ctx context.Context, s heldServer) (*ConnectResult, error) {
	out := &ConnectResult{Unit: "session", From: r.cfg.From, To: r.cfg.Connections, Transport: r.cfg.Target.Transport}
	if r.cfg.Raw == Raw {
		out.Unit = "connection"
	}
	empty, err := r.settle(ctx, s, "empty")
	if err != nil {
		return nil, err
	}
	w := r.crowd
	if w == nil {
		w, err = r.startWorkers(ctx, s)
		defer stopAll(w.list)
	}
	if err != nil {
		return nil, err
	}
	out.Workers = len(w.list)
	r.rec.phase("grow to " + strconv.Itoa(r.cfg.From))
	r.rec.follow(w.load)
	took, err := w.grow(ctx, r.cfg.From)
	if err != nil {
		return nil, err
	}
	from, err := r.settle(ctx, s, strconv.Itoa(r.cfg.From))
	if err != nil {
		return nil, err
	}
	_, slabFrom := socketMemory()
	r.rec.phase("grow to " + strconv.Itoa(r.cfg.Connections))
	more, err := w.grow(ctx, r.cfg.Connections)
	if err != nil {
		return nil, err
	}
	to, err := r.settle(ctx, s, strconv.Itoa(r.cfg.Connections))
	if err != nil {
		return nil, err
	}
	pages, slabTo := socketMemory()
	r.rec.phase("hold")
	out.RSSEmptyBytes, out.RSSFromBytes, out.RSSToBytes, out.RSSSource = empty.RSSBytes, from.RSSBytes, to.RSSBytes, to.RSSSource
	out.PerSecond = round(float64(r.cfg.Connections)/(took+more).Seconds(), 0)
	grown := float64(r.cfg.Connections - r.cfg.From)
	r.report.RSSBytesPerSession = ptr(round(float64(to.RSSBytes-from.RSSBytes)/grown, 1))
	if slabTo > 0 {
		out.SocketMemoryPages = &pages
		out.KernelBytesPerConnection = ptr(round(float64(slabTo-slabFrom)/grown, 0))
		r.report.KernelBytesPerConnection = out.KernelBytesPerConnection
		out.KernelSource = "growth of Slab in /proc/meminfo"
	}
	if h := w.logins(); h.TotalCount() > 0 {
		r.report.latency(h)
	}
	return out, r.holdStill(ctx, s, w, out)
}

// settle waits for steady memory and says so when there is none. A server of the run's own has written back what the logins before have changed:
// until then each of those mailboxes has a ledger, of more bytes than the index and the slot together.
func (r *connectRun) settle(ctx context.Context, s heldServer, when string) (usage, error) {
	if t, ok := s.(*target); ok && t.own != nil {
		if err := t.written(ctx); err != nil {
			return usage{}, err
		}
	}
	u, steady, err := s.settled(ctx)
	if err == nil && !steady {
		r.report.note("the memory with %s connections did not stand still within %v", when, settleTimeout)
	}
	r.p.now("connect: %s: %.1f MB of server memory", when, mb(u.RSSBytes))
	return u, err
}

// holdStill watches what idle connections cost in CPU, and that all of them are still there.
func (r *connectRun) holdStill(ctx context.Context, s heldServer, w *workers, out *ConnectResult) error {
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := sleep(ctx, r.cfg.Hold); err != nil {
		return err
	}
	after, err := s.usage(ctx)
	if err != nil {
		return err
	}
	out.ServerCPUPercentIdle = ptr(round(100*(after.CPU-before.CPU).Seconds()/time.Since(began).Seconds(), 2))
	sum, err := w.stat()
	if err != nil {
		return err
	}
	if sum.Failed > 0 || sum.Ready != r.cfg.Connections {
		return fmt.Errorf("%w: %d of %d are left, %d ended%s", ErrServer, sum.Ready, r.cfg.Connections, sum.Failed, w.said())
	}
	return nil
}

// measurePeer does the same with a foreign server and keeps what compares.
func (r *connectRun) measurePeer(ctx context.Context, program string) error {
	c, err := startChild(ctx, filepath.Base(program), program)
	if err != nil {
		return err
	}
	defer c.stop()
	if err := requireLoopback(c.addr); err != nil {
		return err
	}
	beside := &connectRun{cfg: r.cfg, self: r.self, p: r.p, report: &Report{}}
	out, err := beside.measure(ctx, childServer{c})
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	r.report.Connect.Peers = append(r.report.Connect.Peers, ConnectPeer{
		Name: c.name, RSSEmptyBytes: out.RSSEmptyBytes, BytesPerConnection: *beside.report.RSSBytesPerSession,
	})
	return nil
}

// workers are the generator's processes: one may not hold enough descriptors.
type workers struct {
	cfg  ConnectConfig
	p    *progress
	list []*child

	trouble string                    // what a worker saw go wrong
	seen    atomic.Pointer[childStat] // what they held when last asked, for load
	goal    atomic.Int64              // what they are to hold
}

// startWorkers starts as many as the descriptor limit asks for. Worker i makes connections i*PerWorker and up.
func (r *connectRun) startWorkers(ctx context.Context, s heldServer) (*workers, error) {
	w := &workers{cfg: r.cfg, p: r.p}
	for from := 0; from < r.cfg.Connections; from += r.cfg.PerWorker {
		o := workerOrders{Addr: s.address(), From: from, First: r.first, Raw: r.cfg.Raw}
		o.Transport, o.Key = s.speaks()
		c, err := startChild(ctx, "worker "+strconv.Itoa(len(w.list)+1), r.self, childArgs(childWorker, o.String())...)
		if err != nil {
			return w, err
		}
		w.list = append(w.list, c)
	}
	return w, nil
}

// grow makes connections until there are n over all workers, and says how long that took.
func (w *workers) grow(ctx context.Context, n int) (time.Duration, error) {
	began := time.Now()
	w.goal.Store(int64(n))
	left := n
	for _, c := range w.list {
		share := min(left, w.cfg.PerWorker)
		left -= share
		if _, err := c.ask(fmt.Sprintf("grow %d", share)); err != nil {
			return 0, err
		}
	}
	var last childStat
	var failed error
	read := func() int64 {
		if failed == nil {
			if last, failed = w.stat(); failed == nil {
				now := last
				w.seen.Store(&now)
			}
		}
		return int64(last.Ready)
	}
	done := func() bool { return failed != nil || last.Ready >= n || last.Failed > 0 }
	err := waitFor(ctx, stallTimeout, read, done, func() { w.p.often("connect: %d of %d", last.Ready, n) })
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, fmt.Errorf("%w: %d of %d: %w%s", ErrLogin, last.Ready, n, err, w.said())
	case last.Failed > 0:
		return 0, fmt.Errorf("%w: %d of %d, %d ended%s", ErrLogin, last.Ready, n, last.Failed, w.said())
	}
	return time.Since(began), nil
}

// said is what a worker saw go wrong, as the end of an error text.
func (w *workers) said() string {
	if w.trouble == "" {
		return ""
	}
	return ": " + w.trouble
}

// stat adds up what the workers hold.
func (w *workers) stat() (sum childStat, err error) {
	for _, c := range w.list {
		st, err := c.ask("stat")
		if err != nil {
			return sum, err
		}
		if st.Failure != "" {
			w.trouble = st.Failure
		}
		sum.Ready += st.Ready
		sum.Failed += st.Failed
		sum.Connections += st.Connections
		sum.Crowd = sum.Crowd.plus(st.Crowd)
		sum.Talk = sum.Talk.plus(st.Talk)
		sum.Closed = sum.Closed.plus(st.Closed)
		sum.Held += st.Held
	}
	return sum, nil
}

// load is what the recorder reads: what the workers held when they were last asked.
func (w *workers) load() (l load) {
	if st := w.seen.Load(); st != nil {
		l = load{connections: int64(st.Connections), sessions: int64(st.Ready), errors: uint64(st.Failed)}
		l.opened, l.logins = uint64(st.Connections), uint64(st.Ready) // who is there has come
	}
	l.done, l.of = l.sessions, w.goal.Load()
	return l
}

// logins merges the workers' login latencies.
func (w *workers) logins() *hdrhistogram.Histogram {
	all := newHistogram()
	for _, c := range w.list {
		st, err := c.ask("logins")
		if err != nil || len(st.Logins) == 0 {
			continue
		}
		h, err := hdrhistogram.Decode(st.Logins)
		if err != nil {
			continue
		}
		merge(all, h)
	}
	return all
}

// errNotWorker: a command that only workers take.
var errNotWorker = errors.New("bench: only a worker takes this command")
