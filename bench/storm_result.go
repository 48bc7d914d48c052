package bench

import "fmt"

// StormResult is what a storm found beyond the common keys of Report, which are those of the run with the storm.
type StormResult struct {
	Pairs        int `json:"pairs"`
	Rate         int `json:"rate"`
	PayloadBytes int `json:"payload_bytes"`
	Clients      int `json:"clients"`

	AdmittedPerSecond float64 `json:"admitted_per_second"` // of the trial; 0: not measured
	AdmittedSource    string  `json:"admitted_source"`
	OfferedPerSecond  int     `json:"offered_per_second"` // planned: first attempts; who was refused comes on top when its time has come

	Storm *StormScene `json:"storm"` // the run with the storm
	Quiet *StormScene `json:"quiet"` // the same for as long without it

	P99Ratio     *float64 `json:"p99_ratio"`      // of live pairs: in the storm to the same time of the run without it
	P99RatioSelf *float64 `json:"p99_ratio_self"` // in the storm to the calm of the same run
	RSSRatio     *float64 `json:"rss_ratio"`      // after the storm to before it
	Files        []string `json:"files"`
}

// StormScene is one run: a calm, the storm (or as much time without it), a calm.
type StormScene struct {
	Calm  StormAct `json:"calm"`
	Storm StormAct `json:"storm"`
	After StormAct `json:"after"`

	Crowd       Crowd   `json:"crowd"`        // what the clients did from the cut on
	BackSeconds float64 `json:"back_seconds"` // from the cut until all were back; 0: they never were, or there was no storm
	Back        int64   `json:"back"`
	SessionLost int64   `json:"sessions_lost"` // not back within StormConfig.Recover
	Failed      int     `json:"failed"`        // sessions of the crowd that the server ended

	Sent            uint64   `json:"sent"`
	Lost            uint64   `json:"lost"`
	Duplicated      uint64   `json:"duplicated"`
	Reordered       uint64   `json:"reordered"`
	Corrupted       uint64   `json:"corrupted"`
	Closed          int64    `json:"closed"`            // live sessions that the server ended
	GeneratorLateMs *Latency `json:"generator_late_ms"` // sent after due

	RSSBeforeBytes int64        `json:"rss_before_bytes"`
	RSSPeakBytes   int64        `json:"rss_peak_bytes"`
	RSSAfterBytes  int64        `json:"rss_after_bytes"`
	Points         []StormPoint `json:"points"`
}

// StormAct is one part of a scene.
type StormAct struct {
	FromSeconds      float64  `json:"from_seconds"` // since the calm began
	Seconds          float64  `json:"seconds"`
	LatencyMs        *Latency `json:"latency_ms"` // of live pairs' messages that were due in it
	ServerCPUPercent *float64 `json:"server_cpu_percent"`
	from, to         int64
}

// StormPoint is one point over time: rates and percentiles of the time since the point before.
type StormPoint struct {
	Seconds  float64  `json:"seconds"` // since the calm began
	Offered  float64  `json:"offered_per_second"`
	Admitted float64  `json:"admitted_per_second"`
	Refused  float64  `json:"refused_per_second"` // closed without an answer included
	Ready    int      `json:"ready"`              // clients logged in
	RSSBytes int64    `json:"rss_bytes"`          // 0: not measured
	P50Ms    *float64 `json:"p50_ms"`
	P99Ms    *float64 `json:"p99_ms"`
	from, to int64
}

// sum reads what the loops have counted, after they have ended.
func (sc *scene) sum() {
	r, o := sc.live, sc.out
	r.sum()
	o.Sent, o.Lost, o.Duplicated, o.Reordered = r.out.Sent, *r.report.Lost, *r.report.Duplicated, *r.report.Reordered
	o.Corrupted, o.Closed, o.GeneratorLateMs = r.out.Corrupted, r.out.Closed, r.out.GeneratorLateMs
	var all []passed
	for _, sl := range r.loops {
		all = append(all, sl.traffic.trail.passed...)
		if n := sl.traffic.trail.full; n > 0 {
			sc.report.note("%s: %d messages found no room in the figures over time", sc.weather, n)
		}
	}
	for _, a := range []*StormAct{&o.Calm, &o.Storm, &o.After} {
		a.LatencyMs = between(all, a.from, a.to)
	}
	for i := range o.Points {
		p := &o.Points[i]
		if p50, p99, ok := quantiles(all, p.from, p.to); ok {
			p.P50Ms, p.P99Ms = &p50, &p99
		}
	}
	for _, n := range r.report.Notes {
		sc.report.note("%s: %s", sc.weather, n)
	}
	if sc.weather == stormy {
		o.Crowd = sc.last.minus(sc.since)
		o.Back = min(o.Crowd.Returned, int64(sc.cfg.Clients))
		o.SessionLost = int64(sc.cfg.Clients) - o.Back
		if o.SessionLost == 0 {
			o.BackSeconds = o.Storm.Seconds
		}
		h := newHistogram()
		spread(h, all, o.Storm.from, o.Storm.to)
		sc.report.latency(h)
		sc.report.SessionsBack = ptr(uint64(o.Back))
		if c := o.Calm; c.ServerCPUPercent != nil && c.LatencyMs != nil {
			sc.report.CPUUsPerMessage = ptr(round(1e4**c.ServerCPUPercent*c.Seconds/float64(c.LatencyMs.Count), 2))
		}
		sc.report.Lost, sc.report.Duplicated, sc.report.Reordered = &o.Lost, &o.Duplicated, &o.Reordered
	}
}

// judge compares the two runs.
func (s *stormRun) judge() {
	o := s.out
	over := func(a, b *Latency) *float64 {
		if a == nil || b == nil || b.P99 == 0 {
			return nil
		}
		return ptr(round(a.P99/b.P99, 2))
	}
	o.P99Ratio = over(o.Storm.Storm.LatencyMs, o.Quiet.Storm.LatencyMs)
	o.P99RatioSelf = over(o.Storm.Storm.LatencyMs, o.Storm.Calm.LatencyMs)
	if before := o.Storm.RSSBeforeBytes; before > 0 && o.Storm.RSSAfterBytes > 0 {
		o.RSSRatio = ptr(round(float64(o.Storm.RSSAfterBytes)/float64(before), 3))
	}
	s.report.note("server, live pairs and crowd share this machine's %d cores; the crowd runs at nice %d", s.report.Machine.Cores, stormNice)
	most := 0.0
	for _, p := range o.Storm.Points {
		most = max(most, p.Offered)
	}
	if most < 0.7*float64(o.OfferedPerSecond) {
		s.report.note("the crowd offered at most %.0f of the planned %d handshakes/s: this machine has no time for more, or there were too few clients", most, o.OfferedPerSecond)
	}
	if o.Storm.Storm.Seconds < 2*stormSampleEvery.Seconds() {
		s.report.note("the storm was over after %.2f s: more --clients make a longer one", o.Storm.Storm.Seconds)
	}
}

// write puts the report and the plot into the output directory.
func (s *stormRun) write() error {
	svg, err := plotStorm(s.out)
	if err != nil {
		return fmt.Errorf("%w: plot: %w", ErrGenerator, err)
	}
	return s.report.saveFigure(s.cfg.Out, svg, &s.out.Files)
}

// rows prints the comparison for people.
func (o *StormResult) rows(t *table) {
	t.row("storm", fmt.Sprintf("%d clients cut at once beside %d pairs with %d messages/s", o.Clients, o.Pairs, o.Rate))
	t.row("handshakes", fmt.Sprintf("%.0f/s admitted (%s), %d/s offered", o.AdmittedPerSecond, o.AdmittedSource, o.OfferedPerSecond))
	c := o.Storm.Crowd
	t.row("in the storm", fmt.Sprintf("%d offered, %d admitted, %d refused, %d closed without an answer, %d not connected, %d tickets refused",
		c.Offered, c.Admitted, c.Refused, c.Dropped, c.Unreachable, c.Stale))
	t.row("clients back", fmt.Sprintf("%d of %d after %.2f s, %d of them by ticket, %d lost", o.Storm.Back, o.Clients, o.Storm.Storm.Seconds, c.Resumed, o.Storm.SessionLost))
	t.latency("calm", o.Storm.Calm.LatencyMs)
	t.latency("storm", o.Storm.Storm.LatencyMs)
	t.latency("calm again", o.Storm.After.LatencyMs)
	t.latency("the run without: calm", o.Quiet.Calm.LatencyMs)
	t.latency("the run without: same time", o.Quiet.Storm.LatencyMs)
	t.row("p99 in the storm", fmt.Sprintf("%s times that of the run without it, %s times that of the calm before", number(o.P99Ratio, 2), number(o.P99RatioSelf, 2)))
	t.latency("generator late", o.Storm.GeneratorLateMs)
	t.row("live messages", fmt.Sprintf("%d sent, %d lost, %d duplicated, %d reordered, %d damaged, %d sessions ended",
		o.Storm.Sent, o.Storm.Lost, o.Storm.Duplicated, o.Storm.Reordered, o.Storm.Corrupted, o.Storm.Closed))
	peak := "" // where it can't be read
	if o.Storm.RSSPeakBytes > 0 {
		peak = fmt.Sprintf(", %.1f MB at the peak", mb(o.Storm.RSSPeakBytes))
	}
	t.row("server memory", fmt.Sprintf("%.1f MB before%s, %.1f MB after (%s times before)",
		mb(o.Storm.RSSBeforeBytes), peak, mb(o.Storm.RSSAfterBytes), number(o.RSSRatio, 3)))
	t.row("server CPU", fmt.Sprintf("%s %% of one core in the calm, %s %% in the storm, %s %% without it",
		number(o.Storm.Calm.ServerCPUPercent, 0), number(o.Storm.Storm.ServerCPUPercent, 0), number(o.Quiet.Storm.ServerCPUPercent, 0)))
	for _, f := range o.Files {
		t.row("written", f)
	}
}
