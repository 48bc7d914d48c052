package bench

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// StormConfig says how hard to come back. The zero value of a field means its default.
type StormConfig struct {
	Target    Target        `json:"target"`        // the transport is Noise
	Pairs     int           `json:"pairs"`         // live: they exchange messages all the time; default 50
	Rate      int           `json:"rate"`          // messages a second over all pairs; default 1,000
	Bytes     int           `json:"payload_bytes"` // default 20
	Clients   int           `json:"clients"`       // hold tickets, are cut and come back; default 5,000
	Factor    int           `json:"factor"`        // offered handshakes as a multiple of the admitted ones; default 5
	Offered   int           `json:"offered"`       // handshakes a second instead; 0: find out what is admitted
	Calm      time.Duration `json:"calm_ns"`       // before the storm; default 10 s
	After     time.Duration `json:"after_ns"`      // behind it; default 5 s
	Recover   time.Duration `json:"recover_ns"`    // how long all may take to be back; over it the rest is lost; default 60 s
	PerWorker int           `json:"per_worker"`    // clients of one generator process; default what its limit allows
	Out       string        `json:"out"`           // directory for storm.json and storm.svg; default out/bench

	stall time.Duration // see MessageConfig
}

// withDefaults fills zero fields.
func (c StormConfig) withDefaults() StormConfig {
	c.Target.Transport = Noise
	c.Pairs = cmp.Or(c.Pairs, 50)
	c.Rate = cmp.Or(c.Rate, 1_000)
	c.Bytes = cmp.Or(c.Bytes, 20)
	c.Clients = cmp.Or(c.Clients, 5_000)
	c.Factor = cmp.Or(c.Factor, 5)
	c.Calm = cmp.Or(c.Calm, 10*time.Second)
	c.After = cmp.Or(c.After, 5*time.Second)
	c.Recover = cmp.Or(c.Recover, time.Minute)
	c.PerWorker = cmp.Or(c.PerWorker, descriptorsFor())
	c.Out = cmp.Or(c.Out, "out/bench")
	c.stall = cmp.Or(c.stall, stallTimeout)
	return c
}

// validate reports the first number that is out of its limits.
func (c StormConfig) validate() error {
	return cmp.Or(
		within("pairs", c.Pairs, 1, PairsMax),
		within("rate", c.Rate, 1, RateMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		within("clients", c.Clients, 1, StormClientsMax),
		within("factor", c.Factor, 1, StormFactorMax),
		within("offered", c.Offered, 0, OfferedMax),
		within("clients of one worker", c.PerWorker, 1, ConnectionsMax),
		withinTime("calm", c.Calm, DurationMin, DurationMax),
		withinTime("after", c.After, DurationMin, DurationMax),
		withinTime("recover", c.Recover, DurationMin, DurationMax),
		c.Target.validate(),
		checkDescriptors(2*c.Pairs),
	)
}

// messages is the traffic of the live pairs.
func (c StormConfig) messages() MessageConfig {
	return MessageConfig{
		Target: c.Target, Pairs: c.Pairs, Rate: c.Rate, Bytes: c.Bytes, Loops: 1, Duration: c.Calm, stall: c.stall,
	}.withDefaults()
}

// Storm measures what a storm of returning clients does to those who are connected: once with the storm, and once for as
// long without it, each on a server of its own (or both on the one that was named). It writes storm.json and storm.svg.
func Storm(ctx context.Context, cfg StormConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	self, err := env.selfPath()
	if err != nil {
		return nil, err
	}
	report, p := env.record(ctx, "storm", cfg)
	out := &StormResult{Pairs: cfg.Pairs, Rate: cfg.Rate, PayloadBytes: cfg.Bytes, Clients: cfg.Clients}
	report.Storm = out
	s := &stormRun{cfg: cfg, env: env, rec: env.rec, self: self, p: p, report: report, out: out}
	if out.Storm, err = s.run(ctx, stormy); err == nil {
		out.Quiet, err = s.run(ctx, quietly)
	}
	if err != nil {
		return report.ended(ctx, err)
	}
	s.judge()
	report.finish()
	return report, s.write()
}

// weather says whether a run has a storm in it.
type weather string

const (
	stormy  weather = "storm"
	quietly weather = "without the storm"
)

// stormRun is one Storm under way.
type stormRun struct {
	cfg    StormConfig
	env    Env
	self   string
	p      *progress
	rec    *recorder
	report *Report
	out    *StormResult
}

// scene is one of its two runs: a server, live pairs and a crowd.
type scene struct {
	*stormRun
	weather weather
	target  *target
	live    *messageRun
	crowd   *workers
	out     *StormScene
	began   int64 // ns of the live pairs' clock: when the calm began
	since   Crowd // what the crowd had done when the storm began
	last    Crowd // at the last sample
	lastAt  int64
}

// run sets one scene, plays it and strikes it.
func (s *stormRun) run(ctx context.Context, w weather) (*StormScene, error) {
	s.rec.phase(string(w))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t, err := openTarget(ctx, s.cfg.Target, s.env, 2*s.cfg.Pairs+s.cfg.Clients)
	if err != nil {
		return nil, err
	}
	defer t.close()
	mc := s.cfg.messages()
	live := &messageRun{cfg: mc, report: newReport("message", mc), out: &MessageResult{}, p: s.p, target: t, light: true}
	sc := &scene{stormRun: s, weather: w, target: t, live: live, out: &StormScene{}}
	err = sc.play(ctx)
	live.stop()
	if sc.crowd != nil {
		stopAll(sc.crowd.list)
	}
	if err != nil {
		return nil, live.explain(err)
	}
	sc.sum()
	return sc.out, nil
}

// play is the scene from the first login to the last reading.
func (sc *scene) play(ctx context.Context) error {
	if err := sc.live.logIn(ctx); err != nil {
		return err
	}
	for _, sl := range sc.live.loops {
		sl.traffic.trail = newTrail() // read by the loop after cmdBegin
	}
	if err := sc.gather(ctx); err != nil {
		return err
	}
	sc.out.RSSBeforeBytes = sc.memory(ctx)
	if sc.weather == stormy {
		if err := sc.trial(ctx); err != nil {
			return err
		}
		if err := sc.prepare(ctx); err != nil {
			return err
		}
	}
	if err := sc.acts(ctx); err != nil {
		return err
	}
	sc.out.RSSAfterBytes = sc.memory(ctx)
	return nil
}

// acts are the parts with traffic: calm, storm, calm.
func (sc *scene) acts(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := sc.live.begin(ctx); err != nil {
		return err
	}
	if err := sc.live.watch(ctx, sc.live.cfg.Warmup, "warming up"); err != nil {
		return err
	}
	if err := sc.live.fleet.tell(ctx, cmdMeasure); err != nil {
		return err
	}
	sum, err := sc.crowd.stat()
	if err != nil {
		return err
	}
	sc.last = sum.Crowd // what the trial did is not part of the calm
	sc.began = sc.live.clock.now()
	sc.lastAt = sc.began
	calm, err := sc.act(ctx, "calm", sc.cfg.Calm, nil)
	if err != nil {
		return err
	}
	storm, err := sc.blow(ctx)
	if err != nil {
		return err
	}
	after, err := sc.act(ctx, "calm again", sc.cfg.After, nil)
	if err != nil {
		return err
	}
	sc.out.Calm, sc.out.Storm, sc.out.After = calm, storm, after
	if err := sc.live.fleet.tell(ctx, cmdMeasured); err != nil {
		return err
	}
	if err := sc.live.fleet.tell(ctx, cmdStop); err != nil {
		return err
	}
	return sc.live.drain(ctx)
}

// blow is the storm: all clients are cut and come back. Without the storm it is as much time as that took.
func (sc *scene) blow(ctx context.Context) (StormAct, error) {
	if sc.weather == quietly {
		d := time.Duration(sc.stormRun.out.Storm.Storm.Seconds * float64(time.Second))
		return sc.act(ctx, "no storm", max(d, stormSampleEvery), nil)
	}
	sum, err := sc.crowd.stat()
	if err != nil {
		return StormAct{}, err
	}
	sc.since, sc.last = sum.Crowd, sum.Crowd
	if err := sc.crowd.storm(sc.stormRun.out.OfferedPerSecond); err != nil {
		return StormAct{}, err
	}
	back := func(st childStat) bool {
		return st.Crowd.Returned-sc.since.Returned >= int64(sc.cfg.Clients) && st.Ready == sc.cfg.Clients
	}
	return sc.act(ctx, "storm", sc.cfg.Recover, back)
}

// act watches for d, or until the crowd is where it should be.
func (sc *scene) act(ctx context.Context, name string, d time.Duration, until func(childStat) bool) (a StormAct, err error) {
	before, unmeasured := sc.target.usage(ctx)
	from := sc.live.clock.now()
	end := from + int64(d)
	for done := false; !done && sc.live.clock.now() < end; {
		left := time.Duration(end - sc.live.clock.now())
		if err := sleep(ctx, min(left, stormSampleEvery)); err != nil {
			return a, err
		}
		st, err := sc.sample(ctx)
		if err != nil {
			return a, err
		}
		done = until != nil && until(st)
		sc.p.often("storm (%s): %s, %d of %d clients there", sc.weather, name, st.Ready, sc.cfg.Clients)
	}
	to := sc.live.clock.now()
	a = StormAct{from: from, to: to, FromSeconds: sc.seconds(from), Seconds: round(time.Duration(to-from).Seconds(), 3)}
	if after, err := sc.target.usage(ctx); err == nil && unmeasured == nil {
		a.ServerCPUPercent = ptr(round(100*(after.CPU-before.CPU).Seconds()/a.Seconds, 1))
	}
	return a, ctx.Err()
}

// seconds is a time of the scene, from the beginning of the calm.
func (sc *scene) seconds(at int64) float64 {
	return round(time.Duration(at-sc.began).Seconds(), 3)
}

// sample takes one point over time.
func (sc *scene) sample(ctx context.Context) (childStat, error) {
	st, err := sc.crowd.stat()
	if err != nil {
		return st, err
	}
	if st.Failed > 0 && sc.out.Failed == 0 {
		sc.report.note("%s: the server ended sessions of the crowd: %s", sc.weather, sc.crowd.trouble)
	}
	sc.out.Failed = st.Failed
	now := sc.live.clock.now()
	took := time.Duration(now - sc.lastAt).Seconds()
	did := st.Crowd.minus(sc.last)
	per := func(n int64) float64 { return round(ratio(float64(n), took), 0) }
	p := StormPoint{
		from: sc.lastAt, to: now, Seconds: sc.seconds(now), Ready: st.Ready,
		Offered: per(did.Offered), Admitted: per(did.Admitted), Refused: per(did.Refused + did.Dropped + did.Unreachable),
	}
	p.RSSBytes = sc.resident(ctx)
	sc.out.RSSPeakBytes = max(sc.out.RSSPeakBytes, p.RSSBytes)
	sc.out.Points = append(sc.out.Points, p)
	sc.last, sc.lastAt = st.Crowd, now
	return st, nil
}

// resident is the server's memory at this moment, as the system or, for a server that was named, /status has it; 0: not known.
func (sc *scene) resident(ctx context.Context) int64 {
	if sc.target.own != nil {
		bytes, _, err := residentBytes(sc.target.own.Process.Pid)
		if err != nil {
			return 0
		}
		return bytes
	}
	if sc.target.admin == "" {
		return 0
	}
	st, err := sc.target.status(ctx)
	if err != nil {
		return 0
	}
	return st.Memory.RSS
}

// memory is the server's memory after it has collected its garbage, twice: what the first time lets go of is given back the
// second time. 0 where it can't be read.
func (sc *scene) memory(ctx context.Context) (bytes int64) {
	for range 2 {
		now, steady, err := sc.target.collected(ctx)
		if err != nil {
			return 0
		}
		if bytes = now; !steady {
			sc.report.note("%s: the server's memory did not stand still within %v", sc.weather, settleTimeout)
		}
	}
	return bytes
}

// errNotBack explains what a gathering crowd waits for.
func errNotBack(what string, have, want int64, err error) error {
	return fmt.Errorf("%w: %s: %d of %d: %w", ErrLogin, what, have, want, err)
}
