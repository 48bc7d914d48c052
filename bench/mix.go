package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// MixConfig says which day to play and how. The zero value of a field means its default.
type MixConfig struct {
	Target     Target  `json:"target"` // the transport is Plain
	Day        MixDay  `json:"day"`
	Speed      float64 `json:"speed"`       // how much faster than a day it passes; default 480
	StoreShare int     `json:"store_share"` // --store-bytes of the server, percent of the most that waits at once; default 140
	StoreBytes int64   `json:"store_bytes"` // instead of StoreShare
	Out        string  `json:"out"`         // directory for mix.json and mix.svg; default out/bench

	stall time.Duration // see MessageConfig
}

// withDefaults fills zero fields.
func (c MixConfig) withDefaults() MixConfig {
	c.Target.Transport = cmp.Or(c.Target.Transport, Plain)
	c.Day = c.Day.WithDefaults()
	c.Speed = cmp.Or(c.Speed, 480)
	c.StoreShare = cmp.Or(c.StoreShare, 140)
	c.Out = cmp.Or(c.Out, "out/bench")
	c.stall = cmp.Or(c.stall, stallTimeout)
	return c
}

// validate reports the first setting that is out of its limits.
func (c MixConfig) validate() error {
	if c.Target.Transport != Plain {
		return fmt.Errorf("%w: a mixed day is played on the plain transport: it is about mailboxes, not about handshakes", ErrInput)
	}
	return cmp.Or(
		c.Day.Validate(),
		withinNumber("speed", c.Speed, 1, MixSpeedMax),
		within("store share", c.StoreShare, 1, 10_000),
		within("store bytes", int(c.StoreBytes), 0, 1<<50),
		c.Target.validate(),
		checkDescriptors(c.Day.Users),
	)
}

// MixResult is what a mixed day found beyond the common keys of Report.
type MixResult struct {
	Users        int     `json:"users"`
	Speed        float64 `json:"speed"`
	Messages     int     `json:"messages"`  // planned
	ToAbsent     int     `json:"to_absent"` // of them: the recipient is away
	Visits       int     `json:"visits"`
	SpikeFactor  float64 `json:"spike"`
	SpikeFrom    float64 `json:"spike_from_seconds"`
	SpikeSeconds float64 `json:"spike_seconds"`
	WaitingPeak  int64   `json:"waiting_peak_bytes"` // planned: what waits at once, entries and all
	StoreBytes   int64   `json:"store_bytes"`        // what the server may keep in memory; 0: its own default

	Abandoned int64 `json:"abandoned_bytes"` // for people who never come: memory is full of it when the day begins

	Clients      MixRecord  `json:"clients"`
	HitRatio     *float64   `json:"hit_ratio"` // of the day, as the server counts; null when it does not
	HitSpike     *float64   `json:"hit_ratio_spike"`
	Waited       uint64     `json:"waited"` // messages that waited and were delivered on the day
	Misses       uint64     `json:"misses"`
	Evicted      uint64     `json:"evicted"`
	Loads        uint64     `json:"loads"`
	HitCollected *float64   `json:"hit_ratio_collected"` // when the day was over and everybody came, those who are away for long included
	LagMaxMs     float64    `json:"journal_lag_max_ms"`
	RSSMaxBytes  int64      `json:"rss_max_bytes"`
	Points       []MixPoint `json:"points"`
	Files        []string   `json:"files"`
}

// MixPoint is one point over time: rates of the time since the point before.
type MixPoint struct {
	Seconds   float64  `json:"seconds"`
	Hour      float64  `json:"hour"` // of the day that is played; beyond 24: the next day
	Sent      float64  `json:"sent_per_second"`
	Delivered float64  `json:"delivered_per_second"`
	Online    int64    `json:"online"`
	Waiting   int64    `json:"waiting_bytes"` // as the server counts: in memory
	HitRatio  *float64 `json:"hit_ratio"`
	Misses    uint64   `json:"misses"`
	Waited    uint64   `json:"waited"`
	Evicted   float64  `json:"evicted_per_second"`
	Loads     float64  `json:"loads_per_second"`
	LagMs     float64  `json:"journal_lag_ms"`
	RSSBytes  int64    `json:"rss_bytes"`
}

// mixRun is one mixed day under way.
type mixRun struct {
	cfg    MixConfig
	out    *MixResult
	report *Report
	p      *progress
	target *target
	play   *MixPlay
	before offlineCacheStatus // when the day began
	last   mixLook
	spike  [2]offlineCacheStatus // where the spike began and ended
}

// mixLook is one look at clients and server.
type mixLook struct {
	seconds float64
	hour    float64
	clients MixRecord
	status  serverStatus
	cache   offlineCacheStatus
}

// Mix plays a mixed day against a server and reports how often what waited was in memory, and whether anything was lost. It writes
// mix.json and mix.svg.
func Mix(ctx context.Context, cfg MixConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	plan, err := PlanMix(cfg.Day)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if cfg.Target.Server == "" {
		if cfg.StoreBytes == 0 {
			cfg.StoreBytes = plan.WaitingPeak * int64(cfg.StoreShare) / 100
		}
		cfg.Target.Args = append([]string{"--store-bytes", strconv.FormatInt(cfg.StoreBytes, 10)}, cfg.Target.Args...)
	}
	report, p := env.record(ctx, "mix", cfg)
	t, err := openTarget(ctx, cfg.Target, env, cfg.Day.Users)
	if err != nil {
		return report.ended(ctx, err)
	}
	defer t.close()
	r := &mixRun{cfg: cfg, p: p, target: t, report: report, play: NewMixPlay(plan, t.addr, cfg.Speed)}
	defer r.play.Close()
	r.out = newMixResult(plan, cfg)
	r.report.Mix = r.out
	if err := r.run(ctx); err != nil {
		return report.ended(ctx, r.explain(err))
	}
	report.finish()
	return report, r.write()
}

// newMixResult begins with what the plan says.
func newMixResult(plan *MixPlan, cfg MixConfig) *MixResult {
	from, to := plan.Day.SpikeSpan()
	return &MixResult{
		Users: plan.Day.Users, Speed: cfg.Speed, Messages: plan.Messages, ToAbsent: plan.ToAbsent, Visits: plan.Visits, WaitingPeak: plan.WaitingPeak,
		SpikeFactor: plan.Day.Spike, SpikeFrom: round(from.Seconds()/cfg.Speed, 3), SpikeSeconds: round((to-from).Seconds()/cfg.Speed, 3),
		StoreBytes: cfg.StoreBytes, Abandoned: cfg.StoreBytes * abandonedShare / 100,
	}
}

// explain adds what the server printed.
func (r *mixRun) explain(err error) error {
	if r.target.tail != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w%s", err, r.target.tail.said())
	}
	return err
}

// run plays the day, looks at the server meanwhile, and has everybody come back.
func (r *mixRun) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.p.now("mix: filling the memory with what nobody comes for")
	if err := r.play.Abandon(ctx, r.out.Abandoned); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if st, err := r.status(ctx); err == nil {
		r.before = st.OfflineCache
	}
	if err := r.watch(ctx, r.play.PlayDay); err != nil {
		return err
	}
	day := r.last.cache
	r.p.now("mix: the day is over, everybody comes back")
	if err := r.watch(ctx, func(ctx context.Context) error { return r.play.Collect(ctx, r.cfg.stall) }); err != nil {
		return err
	}
	r.sum(day)
	return nil
}

// settle waits until what was abandoned is on the disk, so that the day does not pay for it.
func (r *mixRun) settle(ctx context.Context) error {
	if r.target.own == nil {
		return nil
	}
	return r.target.written(ctx)
}

// watch adds points while something is done, and one when it is.
func (r *mixRun) watch(ctx context.Context, do func(ctx context.Context) error) error {
	ended := make(chan error, 1)
	// Ends with what is done, which ends with ctx at the latest.
	go func() { ended <- do(ctx) }()
	tick := time.NewTicker(mixSampleEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			r.sample(ctx)
			return err
		case <-tick.C:
			r.sample(ctx)
		}
	}
}

// status reads the server; an error where its admin address is not known.
func (r *mixRun) status(ctx context.Context) (serverStatus, error) {
	if r.target.admin == "" {
		return serverStatus{}, errUnmeasured
	}
	return r.target.status(ctx)
}

// sample adds a point. What can't be read leaves its place as it was.
func (r *mixRun) sample(ctx context.Context) {
	var now mixLook
	now.seconds, now.hour = r.play.Seconds()
	now.clients = r.play.Record()
	st, err := r.status(ctx)
	if err != nil {
		st = r.last.status
	}
	if r.target.own != nil {
		if bytes, _, err := residentBytes(r.target.own.Process.Pid); err == nil {
			st.Memory.RSS = bytes
		}
	}
	now.status, now.cache = st, st.OfflineCache.minus(r.before)
	r.out.Points = append(r.out.Points, pointBetween(&r.last, &now))
	r.last = now
	if from := r.out.SpikeFrom; now.seconds < from {
		r.spike[0] = now.cache
	}
	if to := r.out.SpikeFrom + r.out.SpikeSeconds; r.spike[1] == (offlineCacheStatus{}) || now.seconds < to+mixSampleEvery.Seconds() {
		r.spike[1] = now.cache
	}
	r.out.RSSMaxBytes = max(r.out.RSSMaxBytes, st.Memory.RSS)
	r.out.LagMaxMs = max(r.out.LagMaxMs, round(1e3*st.Durability.Journal.LagSeconds, 3))
	r.p.often("mix: %02d:%02d, %d messages, %d online", int(now.hour)%24, int(now.hour*60)%60, now.clients.Sent, now.clients.Online)
}

// pointBetween is what happened between two looks.
func pointBetween(last, now *mixLook) MixPoint {
	took := now.seconds - last.seconds
	per := func(n float64) float64 { return round(ratio(n, took), 1) }
	c := now.cache.minus(last.cache)
	return MixPoint{
		Seconds: round(now.seconds, 3), Hour: round(now.hour, 3), Online: now.clients.Online,
		Sent: per(float64(now.clients.Sent - last.clients.Sent)), Delivered: per(float64(now.clients.Delivered - last.clients.Delivered)),
		Waiting: now.status.QueueBytes, HitRatio: c.hitRatio(), Misses: c.Misses, Waited: c.waited(),
		Evicted: per(float64(c.Evicted)), Loads: per(float64(c.Loads)),
		LagMs: round(1e3*now.status.Durability.Journal.LagSeconds, 3), RSSBytes: now.status.Memory.RSS,
	}
}

// sum fills the totals; day is what the server had counted when the day was over.
func (r *mixRun) sum(day offlineCacheStatus) {
	o, c := r.out, r.play.Record()
	o.Clients = c
	o.HitRatio, o.Waited, o.Misses, o.Evicted, o.Loads = day.hitRatio(), day.waited(), day.Misses, day.Evicted, day.Loads
	if o.SpikeSeconds > 0 {
		o.HitSpike = r.spike[1].minus(r.spike[0]).hitRatio()
	}
	o.HitCollected = r.last.cache.minus(day).hitRatio()
	r.report.latency(r.play.latencies())
	r.report.SessionsBack, r.report.wholeRun = ptr(uint64(max(c.Logins-int64(o.Users), 0))), true
	r.report.Lost, r.report.Duplicated, r.report.Reordered = ptr(uint64(c.Lost)), ptr(uint64(c.Duplicated)), ptr(uint64(c.Reordered))
	if c.LateMs != nil && c.LateMs.P99 > 1_000 {
		r.report.note("the players were %.0f ms behind the plan at p99: the machine is too slow for this speed", c.LateMs.P99)
	}
	if c.Failure != "" {
		r.report.note("%s", c.Failure)
	}
}

// write leaves the figures and the plot in the directory of the run.
func (r *mixRun) write() error {
	svg, err := plotMix(r.out)
	if err != nil {
		return fmt.Errorf("%w: plot: %w", ErrGenerator, err)
	}
	return r.report.saveFigure(r.cfg.Out, svg, &r.out.Files)
}

// rows writes the result for people.
func (m *MixResult) rows(t *table) {
	c := &m.Clients
	t.row("the day", fmt.Sprintf("%d users, %d messages (%.0f %% to people who were away), %d visits, %.0f times as fast", m.Users, m.Messages,
		100*ratio(float64(m.ToAbsent), float64(m.Messages)), m.Visits, m.Speed))
	if m.SpikeSeconds > 0 {
		t.row("spike", fmt.Sprintf("%.0f times as much is written for %.1f s", m.SpikeFactor, m.SpikeSeconds))
	}
	t.row("memory", fmt.Sprintf("%.1f MB may wait in memory, %.1f MB wait at most, %.1f MB for people who never come; resident %.1f MB at most", mb(m.StoreBytes),
		mb(m.WaitingPeak), mb(m.Abandoned), mb(m.RSSMaxBytes)))
	t.row("in memory", fmt.Sprintf("%s of %d messages that had waited were in memory when they were fetched (spike: %s)", percent(m.HitRatio), m.Waited, percent(m.HitSpike)))
	t.row("from disk", fmt.Sprintf("%d messages; %d entries left memory, %d users were loaded", m.Misses, m.Evicted, m.Loads))
	t.row("in the end", fmt.Sprintf("%s in memory when everybody came, those who are away for days included", percent(m.HitCollected)))
	t.row("sent, arrived", fmt.Sprintf("%d, %d (%d of them had waited)", c.Sent, c.Delivered, c.Waited))
	t.row("lost", fmt.Sprint(c.Lost))
	t.row("duplicated", fmt.Sprint(c.Duplicated))
	t.row("reordered", fmt.Sprint(c.Reordered))
	t.row("damaged", fmt.Sprint(c.Damaged))
	t.row("refused", fmt.Sprintf("%d for a while, %d rejected, %d connections broke", c.Refused, c.Rejected, c.Breaks))
	t.latency("latency", c.LatencyMs)
	t.latency("first tick", c.TickMs)
	t.latency("players late", c.LateMs)
	t.row("journal", fmt.Sprintf("%.1f ms behind at most", m.LagMaxMs))
	for _, f := range m.Files {
		t.row("written", f)
	}
}

// percent prints a share that may be missing.
func percent(v *float64) string {
	if v == nil {
		return "not counted"
	}
	return fmt.Sprintf("%.2f %%", 100**v)
}
