package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/netpoll"
	"trunkline/tuning"
)

// MessageConfig says how to send messages. The zero value of a field means its default.
type MessageConfig struct {
	Target   Target        `json:"target"`
	Pairs    int           `json:"pairs"`         // one user of each sends to the other; default 500
	Rate     int           `json:"rate"`          // messages a second over all pairs; 0: closed loop
	Inflight int           `json:"inflight"`      // closed loop: messages under way on each pair; default 1
	Bytes    int           `json:"payload_bytes"` // default 20
	Duration time.Duration `json:"duration_ns"`   // of the measurement; default 10 s
	Warmup   time.Duration `json:"warmup_ns"`     // before it; default a fifth of Duration, at most 2 s
	Loops    int           `json:"loops"`         // of the generator; default half the cores
	Ack      AckMode       `json:"ack,omitempty"` // what the first tick of the server's own start means; "": its default
	Rounds   int           `json:"rounds"`        // with AckBoth: interleaved pairs of runs; default 3
	Linger   time.Duration `json:"linger_ns"`     // of the journal, in disk mode; 0: the server's default

	stall time.Duration // how long nothing may move at the end before what is missing counts as lost
}

// withDefaults fills zero fields.
func (c MessageConfig) withDefaults() MessageConfig {
	c.Target = c.Target.orDefault()
	c.Pairs = cmp.Or(c.Pairs, 500)
	c.Inflight = cmp.Or(c.Inflight, 1)
	c.Bytes = cmp.Or(c.Bytes, 20)
	c.Duration = cmp.Or(c.Duration, 10*time.Second)
	c.Warmup = cmp.Or(c.Warmup, min(c.Duration/5, 2*time.Second))
	c.Loops = cmp.Or(c.Loops, defaultLoops())
	c.Loops = min(c.Loops, c.Pairs)
	c.Rounds = cmp.Or(c.Rounds, 3)
	c.stall = cmp.Or(c.stall, stallTimeout)
	return c
}

// defaultLoops leaves half of the cores to the server.
func defaultLoops() int { return max(runtime.NumCPU()/2, 1) }

// validate reports the first number that is out of its limits.
func (c MessageConfig) validate() error {
	return cmp.Or(
		within("pairs", c.Pairs, 1, PairsMax),
		within("rate", c.Rate, 0, RateMax),
		within("inflight", c.Inflight, 1, InflightMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		withinTime("duration", c.Duration, DurationMin, DurationMax),
		withinTime("warmup", c.Warmup, 0, DurationMax),
		within("loops", c.Loops, 1, 255),
		c.validateAck(),
		c.Target.validate(),
		checkDescriptors(2*c.Pairs),
	)
}

// checkDescriptors says early that this process can't hold that many connections.
func checkDescriptors(connections int) error {
	if most := descriptorsFor(); connections > most {
		return fmt.Errorf("%w: %d connections are more than the %d that this process may hold (ulimit -n)", ErrInput, connections, most)
	}
	return nil
}

// descriptorsFor is how many connections one generator process may hold.
func descriptorsFor() int {
	limit, err := tuning.RaiseFileLimit()
	if err != nil && limit.Soft == 0 {
		return descriptorsSpare
	}
	return max(int(min(limit.Soft, ConnectionsMax))-descriptorsSpare, 1)
}

// MessageResult is what a run with messages found beyond the common keys of Report.
type MessageResult struct {
	Pairs              int      `json:"pairs"`
	PayloadBytes       int      `json:"payload_bytes"`
	MeasuredSeconds    float64  `json:"measured_seconds"`
	Sent               uint64   `json:"sent"`      // in the whole run, warm-up included
	Delivered          uint64   `json:"delivered"` // distinct, in the whole run
	Corrupted          uint64   `json:"corrupted"` // not what was sent, or never sent
	Rejected           uint64   `json:"rejected"`  // answered with a rejection
	Refused            uint64   `json:"refused"`   // temporary refusals; the generator sent again
	Unsent             uint64   `json:"unsent"`    // were due and could not be sent: windows were closed
	Closed             int64    `json:"closed"`    // sessions that the server ended
	FirstTicksMissing  uint64   `json:"first_ticks_missing"`
	SecondTicksMissing uint64   `json:"second_ticks_missing"`
	ServerCPUPercent   float64  `json:"server_cpu_percent"` // of one core
	CPUSource          string   `json:"cpu_source"`
	GeneratorCPUUs     float64  `json:"generator_cpu_us_per_message"`
	GeneratorLateMs    *Latency `json:"generator_late_ms"` // paced: sent after due
	FirstTickMs        *Latency `json:"first_tick_ms"`     // from due to first tick
	LoginsPerSecond    float64  `json:"logins_per_second"`
	LoginMs            *Latency `json:"login_ms"`
	RSSEmptyBytes      int64    `json:"rss_empty_bytes"`
	RSSLoggedInBytes   int64    `json:"rss_logged_in_bytes"`
	RSSEndBytes        int64    `json:"rss_end_bytes"`

	Journal *JournalUse `json:"journal,omitempty"` // of a server that keeps one, during the measurement
	Acks    *AckResult  `json:"acks,omitempty"`    // with AckBoth
}

// messageRun is one run under way.
type messageRun struct {
	cfg    MessageConfig
	report *Report
	out    *MessageResult
	p      *progress
	rec    *recorder // nil: somebody else's run samples
	target *target
	fleet  *fleet
	loops  []*sessionLoop
	clock  clock
	light  bool // memory is not weighed at login: whoever runs it does so
}

// Message sends messages between pairs of users and reports what they cost the server.
func Message(ctx context.Context, cfg MessageConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Ack == AckBoth {
		return messageBoth(ctx, cfg, env)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report, p := env.record(ctx, "message", cfg)
	t, err := openTarget(ctx, cfg.ackTarget(), env, 2*cfg.Pairs)
	if err != nil {
		return report.ended(ctx, err)
	}
	defer t.close()
	r := &messageRun{
		cfg: cfg, report: report, p: p, rec: env.rec, target: t,
		out: &MessageResult{Pairs: cfg.Pairs, PayloadBytes: cfg.Bytes},
	}
	r.report.Message = r.out
	if err = r.logIn(ctx); err == nil {
		err = r.measure(ctx)
	}
	r.rec.stop() // what ends now is no part of it
	r.stop()
	r.sum()
	if err != nil {
		err = r.explain(err)
		r.report.Lost = nil // what is under way is not lost
	}
	return r.report.ended(ctx, err)
}

// stop ends the generator; the loops' fields may be read afterwards.
func (r *messageRun) stop() {
	if r.fleet != nil {
		for _, sl := range r.loops {
			if text := sl.failure.Load(); text != nil {
				r.report.note("%s", *text)
			}
			r.out.Closed += sl.counts.failed.Load()
		}
		r.fleet.close()
	}
}

// explain adds what a loop saw go wrong, and what the server printed.
func (r *messageRun) explain(err error) error {
	for _, sl := range r.loops {
		if text := sl.failure.Load(); text != nil && !errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%w: %s", err, *text)
		}
	}
	if r.target.tail != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w%s", err, r.target.tail.said())
	}
	return err
}

// pairsOn is how many of the pairs are loop l's: pair p is on loop p mod loops.
func pairsOn(l, pairs, loops int) int { return (pairs - l + loops - 1) / loops }

// logIn opens all sessions.
func (r *messageRun) logIn(ctx context.Context) error {
	first := firstUser()
	r.clock = newClock()
	sessions := 2 * r.cfg.Pairs
	for range 2 { // a server that has just started gives back what its start took
		r.weigh(ctx, &r.out.RSSEmptyBytes)
	}
	f, err := newFleet(r.target.addr, r.cfg.Loops, sessions, func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		sl := newSessionLoop(f, l, r.clock, first)
		r.target.veil(sl)
		sl.traffic = newTraffic(sl, r.plan(l.Index()), r.cfg.Loops, pairsOn(l.Index(), r.cfg.Pairs, r.cfg.Loops))
		if r.rec != nil {
			sl.traffic.pulse = &pulse{}
		}
		r.loops = append(r.loops, sl)
		return sl
	})
	if err != nil {
		return err
	}
	r.fleet = f
	r.rec.follow(r.load)
	r.rec.phase("log in")
	began := time.Now()
	loopOf := func(index int) int { return (index >> 1) % r.cfg.Loops }
	f.startRecall(r.clock, loopOf)
	if err := f.connect(ctx, 0, sessions, loopOf); err != nil {
		return err
	}
	ready := func() int64 { return r.total(func(sl *sessionLoop) int64 { return sl.counts.ready.Load() }) }
	failed := func() bool { return r.total(func(sl *sessionLoop) int64 { return sl.counts.failed.Load() }) > 0 }
	done := func() bool { return ready() == int64(sessions) || failed() }
	err = waitFor(ctx, r.cfg.stall, ready, done, func() { r.p.often("message: %d of %d sessions logged in", ready(), sessions) })
	if err == nil && failed() {
		err = fmt.Errorf("%w: %d of %d sessions", ErrLogin, ready(), sessions)
	}
	if err != nil {
		return err
	}
	r.out.LoginsPerSecond = round(float64(sessions)/time.Since(began).Seconds(), 0)
	r.weigh(ctx, &r.out.RSSLoggedInBytes)
	if grown := r.out.RSSLoggedInBytes - r.out.RSSEmptyBytes; r.out.RSSEmptyBytes > 0 && grown > 0 {
		r.report.RSSBytesPerSession = ptr(round(float64(grown)/float64(sessions), 1))
	}
	return nil
}

// firstUser draws where this run's user ids begin, far from those of other runs and of people.
func firstUser() uint64 { return 100_000_000_000_000_000 + rand.Uint64N(10_000_000_000)*usersPerRun }

// plan is one loop's share of the traffic.
func (r *messageRun) plan(loop int) plan {
	p := plan{payloadBytes: r.cfg.Bytes, inflight: uint32(r.cfg.Inflight)}
	if r.cfg.Rate > 0 {
		share := float64(pairsOn(loop, r.cfg.Pairs, r.cfg.Loops)) / float64(r.cfg.Pairs)
		p.interval = max(time.Duration(float64(time.Second)/(float64(r.cfg.Rate)*share)), 1)
	}
	return p
}

// total adds one counter over the loops.
func (r *messageRun) total(get func(sl *sessionLoop) int64) (n int64) {
	for _, sl := range r.loops {
		n += get(sl)
	}
	return n
}

// load is what the recorder reads. The loops go on meanwhile.
func (r *messageRun) load() load {
	l := load{
		sessions:    r.total(func(sl *sessionLoop) int64 { return sl.counts.ready.Load() }),
		connections: r.total(func(sl *sessionLoop) int64 { return sl.counts.open.Load() }),
		errors:      uint64(r.total(func(sl *sessionLoop) int64 { return sl.counts.failed.Load() })),
		messages:    uint64(r.arrived()), latency: newPulseHistogram(),
	}
	l.done, l.of = l.sessions, int64(2*r.cfg.Pairs)
	l.opened, l.logins = uint64(l.connections), uint64(l.sessions) // pairs stay: who is there has come
	for _, sl := range r.loops {
		sl.traffic.pulse.take(l.latency)
	}
	return l
}

func (r *messageRun) arrived() int64 {
	return r.total(func(sl *sessionLoop) int64 { return sl.traffic.counts.arrived.Load() })
}

// measure sends for the warm-up and the measurement and reads the server's CPU around the latter.
func (r *messageRun) measure(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := r.begin(ctx); err != nil {
		return err
	}
	r.rec.phase("warm up")
	if err := r.watch(ctx, r.cfg.Warmup, "warming up"); err != nil {
		return err
	}
	r.rec.phase("measure")
	if err := r.window(ctx); err != nil {
		return err
	}
	r.rec.phase("drain")
	if err := r.fleet.tell(ctx, cmdStop); err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	r.weigh(ctx, &r.out.RSSEndBytes)
	return nil
}

// weigh reads the server's memory after its garbage was collected; it stays 0 where it can't be read.
func (r *messageRun) weigh(ctx context.Context, into *int64) {
	if r.light {
		return
	}
	if bytes, _, err := r.target.collected(ctx); err == nil {
		*into = bytes
	}
}

// begin starts the traffic; the pacer ends with ctx.
func (r *messageRun) begin(ctx context.Context) error {
	start := r.clock.now() + int64(paceLead)
	for _, sl := range r.loops {
		sl.traffic.start = start // the loops read it after cmdBegin
	}
	if err := r.fleet.tell(ctx, cmdBegin); err != nil {
		return err
	}
	interval := 10 * time.Millisecond // a closed loop is woken only to end the pauses that a server asked for
	if r.cfg.Rate > 0 {
		interval = time.Second / time.Duration(r.cfg.Rate)
	}
	// Ends with ctx, which the caller cancels.
	go pace(ctx, r.clock, start, interval, func() { _ = r.fleet.tell(ctx, cmdPace) })
	return nil
}

// window is the measurement proper.
func (r *messageRun) window(ctx context.Context) error {
	before, unmeasured := r.target.usage(ctx)
	kept := r.journal(ctx)
	ownBefore, err := tuning.ProcessUsage()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	if err := r.fleet.tell(ctx, cmdMeasure); err != nil {
		return err
	}
	began, had := time.Now(), r.arrived()
	if err := r.watch(ctx, r.cfg.Duration, "measuring"); err != nil {
		return err
	}
	got, took := float64(r.arrived()-had), time.Since(began).Seconds()
	ownAfter, err := tuning.ProcessUsage()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	if err := r.fleet.tell(ctx, cmdMeasured); err != nil {
		return err
	}
	r.out.MeasuredSeconds = round(took, 3)
	r.report.MessagesPerSecond = ptr(round(got/took, 1))
	own := ownAfter.UserCPU + ownAfter.SystemCPU - ownBefore.UserCPU - ownBefore.SystemCPU
	r.out.GeneratorCPUUs = round(ratio(float64(own.Microseconds()), got), 2)
	if unmeasured != nil {
		r.out.CPUSource = unmeasured.Error()
		return ctx.Err()
	}
	after, err := r.target.usage(ctx)
	if err != nil {
		return err
	}
	r.out.Journal = r.journal(ctx).since(kept, took)
	cpu := after.CPU - before.CPU
	r.out.CPUSource = after.CPUSource
	r.out.ServerCPUPercent = round(100*cpu.Seconds()/took, 1)
	if got > 0 {
		r.report.CPUUsPerMessage = ptr(round(float64(cpu.Microseconds())/got, 3))
	}
	return nil
}

// watch waits, says where the run is, and ends early when every session is gone.
func (r *messageRun) watch(ctx context.Context, d time.Duration, doing string) error {
	end := time.Now().Add(d)
	for left := time.Until(end); left > 0; left = time.Until(end) {
		if err := sleep(ctx, min(left, 250*time.Millisecond)); err != nil {
			return err
		}
		if r.total(func(sl *sessionLoop) int64 { return sl.counts.ready.Load() }) == 0 {
			return fmt.Errorf("%w: no session is left", ErrServer)
		}
		r.p.often("message: %s, %s left", doing, time.Until(end).Round(time.Second))
	}
	return nil
}

// drain waits until every message that was sent has arrived and has both ticks, or nothing moves any more: what is
// missing then is lost.
func (r *messageRun) drain(ctx context.Context) error {
	c := func(get func(c *trafficCounts) int64) int64 {
		return r.total(func(sl *sessionLoop) int64 { return get(&sl.traffic.counts) })
	}
	moved := func() int64 {
		return c(func(c *trafficCounts) int64 { return c.arrived.Load() + c.ticked.Load() + c.second.Load() })
	}
	done := func() bool {
		sent := c(func(c *trafficCounts) int64 { return c.sent.Load() })
		rejected := c(func(c *trafficCounts) int64 { return c.rejected.Load() })
		running := c(func(c *trafficCounts) int64 { return c.running.Load() })
		return running == 0 &&
			c(func(c *trafficCounts) int64 { return c.arrived.Load() })+rejected >= sent &&
			c(func(c *trafficCounts) int64 { return c.ticked.Load() }) >= sent &&
			c(func(c *trafficCounts) int64 { return c.second.Load() })+rejected >= sent
	}
	err := waitFor(ctx, r.cfg.stall, moved, done, func() { r.p.often("message: waiting for what is under way") })
	if errors.Is(err, errStalled) {
		return nil
	}
	return err
}

// sum adds up the loops after they have ended.
func (r *messageRun) sum() {
	var all tally
	var ticks, second uint64
	latency, late, logins, tick := newHistogram(), newHistogram(), newHistogram(), newHistogram()
	for _, sl := range r.loops {
		t := sl.traffic
		all.add(t.tally)
		r.out.Sent += t.sent
		r.out.Rejected += t.rejected
		r.out.Refused += t.refusals
		r.out.Unsent += t.unsent()
		ticks += t.ticks
		second += t.second
		merge(latency, t.latency)
		merge(late, t.late)
		merge(tick, t.tick)
		merge(logins, sl.logins)
	}
	r.out.Delivered, r.out.Corrupted = all.Delivered, all.Corrupted
	r.out.FirstTicksMissing = missing(r.out.Sent, ticks)
	r.out.SecondTicksMissing = missing(r.out.Sent, second+r.out.Rejected)
	r.out.LoginMs, r.out.FirstTickMs = latencyOf(logins), latencyOf(tick)
	if r.cfg.Rate > 0 {
		r.out.GeneratorLateMs = latencyOf(late)
	}
	r.report.latency(latency)
	r.report.Lost = ptr(missing(r.out.Sent, all.Delivered+r.out.Rejected))
	r.report.Duplicated, r.report.Reordered = &all.Duplicated, &all.Reordered
	if r.out.Unsent > 0 {
		r.report.note("%d messages were due and could not be sent: the server does not keep up with this rate", r.out.Unsent)
	}
}

// missing is how many of n are not among got.
func missing(n, got uint64) uint64 { return n - min(n, got) }

// merge adds one loop's histogram.
func merge(into, from *hdrhistogram.Histogram) { into.Merge(from) }
