package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"trunkline/netpoll"
)

// PresenceConfig says how many people come and go beside how many messages. The zero value of a field means its default.
type PresenceConfig struct {
	Target   Target        `json:"target"`        // the transport is Plain, and the server the run's own
	Watchers int           `json:"watchers"`      // default 200
	Users    int           `json:"users"`         // who are watched in the flood; default 1,000
	Each     int           `json:"each"`          // of them, that one watcher watches; default 100
	Flips    int           `json:"flips"`         // changes a second that the flood offers; default 100,000
	Burst    int           `json:"burst"`         // changes of one user that the flood writes at once; default 11
	Pairs    int           `json:"pairs"`         // that talk meanwhile; default 200
	Rate     int           `json:"rate"`          // messages a second over all pairs; default 2,000
	Bytes    int           `json:"payload_bytes"` // default 20
	Rounds   int           `json:"rounds"`        // pairs of a quiet span and one with changes; default 5
	Duration time.Duration `json:"duration_ns"`   // of one span; default 3 s

	stall time.Duration // see MessageConfig
}

// withDefaults fills zero fields.
func (c PresenceConfig) withDefaults() PresenceConfig {
	c.Target.Transport = cmp.Or(c.Target.Transport, Plain)
	c.Watchers = cmp.Or(c.Watchers, 200)
	c.Users = cmp.Or(c.Users, 1_000)
	c.Each = min(cmp.Or(c.Each, 100), c.Users)
	c.Flips = cmp.Or(c.Flips, 100_000)
	c.Burst = cmp.Or(c.Burst, 11)
	c.Pairs = cmp.Or(c.Pairs, 200)
	c.Rate = cmp.Or(c.Rate, 2_000)
	c.Bytes = cmp.Or(c.Bytes, 20)
	c.Rounds = cmp.Or(c.Rounds, 5)
	c.Duration = cmp.Or(c.Duration, 3*time.Second)
	c.stall = cmp.Or(c.stall, stallTimeout)
	return c
}

// validate reports the first setting that is out of its limits.
func (c PresenceConfig) validate() error {
	return cmp.Or(
		ownPlain(c.Target),
		within("watchers", c.Watchers, 1, PresenceWatchersMax),
		within("users", c.Users, 1, PresenceUsersMax),
		within("watched by each", c.Each, 1, PresenceEachMax),
		within("flips", c.Flips, 1, RateMax),
		within("burst", c.Burst, 1, EchoInflightMax),
		within("pairs", c.Pairs, 1, PairsMax),
		within("rate", c.Rate, 1, RateMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		within("rounds", c.Rounds, 1, RoundsMax),
		withinTime("duration", c.Duration, DurationMin, DurationMax),
		c.Target.validate(),
		checkDescriptors(2*c.Pairs+c.Watchers+c.Users),
	)
}

// PresenceResult is what people who come and go did to messages, beyond the common keys of Report.
type PresenceResult struct {
	Pairs int            `json:"pairs"`
	Rate  int            `json:"rate"`
	Cases []PresenceCase `json:"cases"`
}

// PresenceCase is one way of changing.
type PresenceCase struct {
	Name      string    `json:"name"`
	Watchers  int       `json:"watchers"`
	Users     int       `json:"users"`
	Watches   int       `json:"watches"` // of all watchers
	Asked     int       `json:"flips_asked_per_second"`
	Offered   float64   `json:"flips_offered_per_second"`
	Told      float64   `json:"presence_told_per_second"` // PRESENCE frames that arrived
	QuietMs   *Latency  `json:"latency_quiet_ms"`         // of messages: due to delivered
	FlipsMs   *Latency  `json:"latency_flips_ms"`
	QuietP99  []float64 `json:"p99_quiet_ms_rounds"`
	FlipsP99  []float64 `json:"p99_flips_ms_rounds"`
	AddedP99  *float64  `json:"added_p99_ms"` // the median of the rounds' differences
	Sent      uint64    `json:"sent"`
	Delivered uint64    `json:"delivered"`
	Lost      uint64    `json:"lost"`
	Unsent    uint64    `json:"unsent"`

	each, burst int
}

// presenceRun is one run under way.
type presenceRun struct {
	cfg    PresenceConfig
	report *Report
	out    *PresenceResult
	p      *progress
	target *target
	fleet  *fleet
	loop   *sessionLoop
	crowd  *presenceCrowd
	clock  clock
}

// Presence has people come and go beside pairs that talk, and reports what that did to the pairs.
func Presence(ctx context.Context, cfg PresenceConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report, p := env.record(ctx, "presence", cfg)
	t, err := openTarget(ctx, cfg.Target, env, 2*cfg.Pairs+cfg.Watchers+cfg.Users)
	if err != nil {
		return report.ended(ctx, err)
	}
	defer t.close()
	r := &presenceRun{
		cfg: cfg, report: report, p: p, target: t, clock: newClock(),
		out: &PresenceResult{Pairs: cfg.Pairs, Rate: cfg.Rate},
	}
	r.report.Presence = r.out
	cases := []PresenceCase{
		{Name: "one change at a time", Watchers: cfg.Watchers, Users: presenceCalmUsers, Asked: presenceCalmFlips, each: presenceCalmUsers, burst: 1},
		{Name: "a flood", Watchers: cfg.Watchers, Users: cfg.Users, Asked: cfg.Flips, each: cfg.Each, burst: cfg.Burst},
	}
	var lost, doubled, moved uint64
	for _, c := range cases {
		live, err := r.one(ctx, &c)
		if err != nil {
			return report.ended(ctx, fmt.Errorf("%s: %w%s", c.Name, err, r.said(err)))
		}
		lost, doubled, moved = lost+*live.report.Lost, doubled+*live.report.Duplicated, moved+*live.report.Reordered
		r.report.Notes = append(r.report.Notes, live.report.Notes...)
		r.out.Cases = append(r.out.Cases, c)
	}
	r.report.Lost, r.report.Duplicated, r.report.Reordered = &lost, &doubled, &moved
	r.report.LatencyMs, r.report.wholeRun = r.out.Cases[0].FlipsMs, true
	r.report.note("pairs, watchers, who is watched and the server share this machine's %d cores", r.report.Machine.Cores)
	return report.ended(ctx, nil)
}

// said is what a loop saw go wrong, and what the server printed.
func (r *presenceRun) said(err error) string {
	text := ""
	if errors.Is(err, context.Canceled) {
		return text
	}
	if r.loop != nil && r.loop.failure.Load() != nil {
		text = ": " + *r.loop.failure.Load()
	}
	if r.target.tail != nil {
		text += r.target.tail.said()
	}
	return text
}

// one runs one case with a crowd and pairs of its own.
func (r *presenceRun) one(ctx context.Context, c *PresenceCase) (live *messageRun, err error) {
	c.Watches = c.Watchers * c.each
	mc := MessageConfig{Target: r.cfg.Target, Pairs: r.cfg.Pairs, Rate: r.cfg.Rate, Bytes: r.cfg.Bytes, Loops: 1, stall: r.cfg.stall}.withDefaults()
	live = &messageRun{cfg: mc, report: newReport("message", mc), out: &MessageResult{}, p: r.p, target: r.target, light: true}
	first, sessions := firstUser(), c.Watchers+c.Users
	r.fleet, err = newFleet(r.target.addr, 1, sessions, func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		r.loop = newSessionLoop(f, l, r.clock, first)
		r.crowd = newPresenceCrowd(r.loop, c.Watchers, c.Users, c.each, c.burst)
		r.loop.watch = r.crowd
		return r.loop
	})
	if err != nil {
		return nil, err
	}
	defer r.fleet.close()
	err = logAllIn(ctx, r.fleet, r.loop, sessions, r.cfg.stall, func(ready int64) { r.p.often("presence: %d of %d sessions", ready, sessions) })
	var spans presenceSpans
	if err == nil {
		err = r.spans(ctx, live, c, &spans)
	}
	live.stop()
	if err != nil {
		return nil, live.explain(err)
	}
	live.sum()
	c.sum(live, &spans)
	c.Sent, c.Delivered, c.Lost, c.Unsent = live.out.Sent, live.out.Delivered, *live.report.Lost, live.out.Unsent
	if text := r.loop.failure.Load(); text != nil {
		r.report.note("%s: %s", c.Name, *text)
	}
	return live, nil
}

// presenceSpans are the times without and with changes, ns of the pairs' clock.
type presenceSpans struct{ quiet, flips [][2]int64 }

// spans has the pairs talk, and by turns nobody and everybody changes.
func (r *presenceRun) spans(ctx context.Context, live *messageRun, c *PresenceCase, spans *presenceSpans) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := live.logIn(ctx); err != nil {
		return err
	}
	for _, sl := range live.loops {
		sl.traffic.trail = newTrail() // read by the loop after cmdBegin
	}
	if err := live.begin(ctx); err != nil {
		return err
	}
	if err := live.watch(ctx, live.cfg.Warmup, "warming up"); err != nil {
		return err
	}
	if err := live.fleet.tell(ctx, cmdMeasure); err != nil {
		return err
	}
	for i := range r.cfg.Rounds {
		from := live.clock.now()
		if err := live.watch(ctx, r.cfg.Duration, "quiet"); err != nil {
			return err
		}
		middle := live.clock.now()
		if err := r.change(ctx, live, c); err != nil {
			return err
		}
		spans.quiet, spans.flips = append(spans.quiet, [2]int64{from, middle}), append(spans.flips, [2]int64{middle, live.clock.now()})
		if err := r.calm(ctx); err != nil {
			return err
		}
		r.p.often("presence: %s, round %d of %d", c.Name, i+1, r.cfg.Rounds)
	}
	for _, command := range []byte{cmdMeasured, cmdStop} {
		if err := live.fleet.tell(ctx, command); err != nil {
			return err
		}
	}
	return live.drain(ctx)
}

// change has the watched users change for one span.
func (r *presenceRun) change(ctx context.Context, live *messageRun, c *PresenceCase) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := r.crowd
	g.interval = time.Duration(float64(time.Second) * float64(c.burst) / float64(c.Asked))
	g.start = r.clock.now() // the loop reads both after cmdBegin
	flipped, told, began := g.flipped.Load(), g.seen.Load(), time.Now()
	if err := r.fleet.tell(ctx, cmdBegin); err != nil {
		return err
	}
	// Ends with ctx, which this function cancels.
	go pace(ctx, r.clock, g.start, max(g.interval, time.Millisecond), func() { _ = r.fleet.tell(ctx, cmdPace) })
	if err := live.watch(ctx, r.cfg.Duration, c.Name); err != nil {
		return err
	}
	took := time.Since(began).Seconds() * float64(r.cfg.Rounds)
	c.Offered += float64(g.flipped.Load()-flipped) / took
	c.Told += float64(g.seen.Load()-told) / took
	return r.fleet.tell(ctx, cmdStop)
}

// calm waits until nothing more is told, so that a quiet span is quiet.
func (r *presenceRun) calm(ctx context.Context) error {
	last, since := r.crowd.seen.Load(), time.Now()
	for began := time.Now(); time.Since(since) < presenceCalm && time.Since(began) < r.cfg.stall; {
		if err := sleep(ctx, 10*pollEvery); err != nil {
			return err
		}
		if now := r.crowd.seen.Load(); now != last {
			last, since = now, time.Now()
		}
	}
	return nil
}

// sum sorts the pairs' messages by when they were due.
func (c *PresenceCase) sum(live *messageRun, s *presenceSpans) {
	over := func(times [][2]int64, p99 *[]float64) *Latency {
		all := newHistogram()
		for _, span := range times {
			h := newHistogram()
			for _, sl := range live.loops {
				spread(h, sl.traffic.trail.passed, span[0], span[1])
			}
			if l := latencyOf(h); l != nil {
				*p99 = append(*p99, round(l.P99, 3))
			}
			merge(all, h)
		}
		return latencyOf(all)
	}
	c.QuietMs, c.FlipsMs = over(s.quiet, &c.QuietP99), over(s.flips, &c.FlipsP99)
	c.AddedP99 = added(c.FlipsP99, c.QuietP99)
	c.Offered, c.Told = round(c.Offered, 1), round(c.Told, 1)
}

func (p *PresenceResult) rows(t *table) {
	t.row("messages", fmt.Sprintf("%d/s over %d pairs", p.Rate, p.Pairs))
	for i := range p.Cases {
		c := &p.Cases[i]
		t.row(c.Name, fmt.Sprintf("%d watchers have %d watches on %d users: %.0f changes/s offered (%d asked for), %.0f PRESENCE frames/s told", c.Watchers, c.Watches, c.Users,
			c.Offered, c.Asked, c.Told))
		t.latency("  messages, quiet", c.QuietMs)
		t.latency("  messages, meanwhile", c.FlipsMs)
		t.row("  changes add", fmt.Sprintf("%s ms to p99 (median of %d pairs)", number(c.AddedP99, 3), len(c.QuietP99)))
		t.row("  sent, arrived", fmt.Sprintf("%d, %d; lost %d, due and never sent %d", c.Sent, c.Delivered, c.Lost, c.Unsent))
	}
}
