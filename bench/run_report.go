package bench

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencyBy says how latency is measured over several hosts.
const latencyBy = "one clock: who writes and who reads are in one process, so no clock of another host is trusted; from when a message was due"

// RunResult is what a run of a scenario found beyond the common keys of Report.
type RunResult struct {
	Scenario    Scenario    `json:"scenario"`
	Connections int         `json:"connections"` // held at once
	Users       int         `json:"users"`       // those who are away included
	Agents      []RunAgent  `json:"agents"`
	Rates       *MixRates   `json:"rates,omitempty"` // mix, soak: what the load was derived from
	LatencyBy   string      `json:"latency_measured_by"`
	Violations  []Violation `json:"violations"` // what a server must not do; any fails the run

	ComeInSeconds   float64  `json:"come_in_seconds"`
	LoginsPerSecond float64  `json:"logins_per_second"` // while they came in
	LoginMs         *Latency `json:"login_ms"`

	MeasuredSeconds       float64  `json:"measured_seconds"` // the rates below are of this time
	MessagesInPerSecond   float64  `json:"messages_in_per_second"`
	MessagesOutPerSecond  float64  `json:"messages_out_per_second"`
	SteadyLoginsPerSecond float64  `json:"steady_logins_per_second"`
	ReadPerSecond         float64  `json:"read_receipts_per_second"`
	TypingPerSecond       float64  `json:"typing_per_second"`
	PresencePerSecond     float64  `json:"presence_told_per_second"`
	FirstTickMs           *Latency `json:"first_tick_ms"`
	GeneratorLateMs       *Latency `json:"generator_late_ms"`

	Sent          int64 `json:"sent"`      // in the whole run, as all below
	Due           int64 `json:"due"`       // deliveries that they mean
	Delivered     int64 `json:"delivered"` // distinct
	Fetched       int64 `json:"fetched"`   // of them, to users who were not there when the message was due
	Unsent        int64 `json:"unsent"`    // were due, and found an outbox full or nobody to send them
	Rejected      int64 `json:"rejected"`
	Refused       int64 `json:"refused"` // for a while; the generator tried again
	Redelivered   int64 `json:"redelivered"`
	Corrupted     int64 `json:"corrupted"`
	NotTicked     int64 `json:"first_ticks_missing"`
	Closed        int64 `json:"closed"` // sessions that the server or the network ended
	Denied        int64 `json:"denied"`
	Unreachable   int64 `json:"unreachable"` // connects that failed and were tried again
	LostData      int64 `json:"lost_data"`   // logins that found the server without its data
	Logins        int64 `json:"logins"`
	ReadSent      int64 `json:"read_receipts_sent"`
	ReadGot       int64 `json:"read_receipts_got"`
	TypingSent    int64 `json:"typing_sent"`
	TypingGot     int64 `json:"typing_got"`
	StateSent     int64 `json:"state_changes_sent"`
	PresenceGot   int64 `json:"presence_told"`
	GroupsMade    int64 `json:"groups"`
	SecondTickGot int64 `json:"second_ticks"`

	ServerCPUPercent    float64 `json:"server_cpu_percent"` // of one core
	CPUSource           string  `json:"cpu_source"`
	GeneratorCPUPercent float64 `json:"generator_cpu_percent"` // of one core, all hosts
	GeneratorBytes      float64 `json:"generator_rss_bytes_per_connection"`
	RSSEmptyBytes       int64   `json:"rss_empty_bytes"`
	RSSThereBytes       int64   `json:"rss_logged_in_bytes"`
	RSSEndBytes         int64   `json:"rss_end_bytes"`

	Storm *RunStorm `json:"storm,omitempty"`
	Slow  *RunSlow  `json:"slow,omitempty"`
	Soak  *RunSoak  `json:"soak,omitempty"`

	drained              bool
	steady, event, after spanFigures
}

// spanFigures are the percentiles of one measured part.
type spanFigures struct {
	latency, tick, late *Latency
	steps               []LatencyStep // of the latency
}

// figuresIn reads them from the histograms that generators gave.
func figuresIn(hists map[string][]byte) spanFigures {
	f := spanFigures{latency: latencyIn(hists, histLatency), tick: latencyIn(hists, histTick), late: latencyIn(hists, histLate)}
	if f.latency != nil {
		if h, err := hdrhistogram.Decode(hists[histLatency]); err == nil {
			f.steps = latencySteps(h)
		}
	}
	return f
}

// RunAgent is one host of a run.
type RunAgent struct {
	Address     string  `json:"address"`
	Name        string  `json:"name"`
	Machine     Machine `json:"machine"`
	Connections int     `json:"connections"`
	Sources     int     `json:"source_addresses"`
	Processes   int     `json:"processes"`
	RSSBytes    int64   `json:"rss_bytes"`
	Lost        string  `json:"lost,omitempty"`
}

// Violation is something that a server must not do.
type Violation string

// RunStorm is a cut of many sessions.
type RunStorm struct {
	Cut           int64    `json:"cut"`
	NotBack       int64    `json:"not_back"`
	Seconds       float64  `json:"seconds"` // until the last was back
	BackPerSecond float64  `json:"back_per_second"`
	BackMs        *Latency `json:"back_ms"` // of each, from the cut
	CalmMs        *Latency `json:"latency_calm_ms"`
	StormMs       *Latency `json:"latency_storm_ms"`
	AfterMs       *Latency `json:"latency_after_ms"`
}

// latencyIn reads one of the histograms that generators gave.
func latencyIn(hists map[string][]byte, name string) *Latency {
	if len(hists[name]) == 0 {
		return nil
	}
	h, err := hdrhistogram.Decode(hists[name])
	if err != nil {
		return nil
	}
	return latencyOf(h)
}

// rates are what happened in a second between two answers.
func (o *RunResult) rates(first, last crewStat, seconds float64) {
	per := func(k countKind) float64 { return round(float64(last.at(k)-first.at(k))/max(seconds, 0.001), 1) }
	o.MessagesInPerSecond, o.MessagesOutPerSecond = per(countSent), per(countDelivered)
	o.SteadyLoginsPerSecond, o.ReadPerSecond = per(countLogins), per(countReadsSent)
	o.TypingPerSecond, o.PresencePerSecond = per(countTypingSent), per(countPresenceGot)
	o.GeneratorCPUPercent = round(100*float64(last.CPU-first.CPU)/1e9/max(seconds, 0.001), 1)
	o.GeneratorBytes = round(ratio(float64(last.RSS), float64(last.at(countOpen))), 0)
}

// sum reads the counters of the whole run and judges them.
func (r *run) sum() {
	o, st := r.out, &r.last
	o.Sent, o.Due, o.Delivered, o.Fetched = st.at(countSent), st.at(countExpected), st.at(countDelivered), st.at(countFetched)
	o.Unsent, o.Rejected, o.Refused, o.Redelivered = st.at(countUnsent), st.at(countRejected), st.at(countRefused), st.at(countRedelivered)
	o.Corrupted, o.NotTicked, o.Closed = st.at(countCorrupted), st.at(countWaiting), st.at(countClosed)
	o.Denied, o.Unreachable, o.LostData, o.Logins = st.at(countDenied), st.at(countUnreachable), st.at(countLostData), st.at(countLogins)
	o.ReadSent, o.ReadGot, o.TypingSent, o.TypingGot = st.at(countReadsSent), st.at(countReadsGot), st.at(countTypingSent), st.at(countTypingGot)
	o.StateSent, o.PresenceGot, o.GroupsMade, o.SecondTickGot = st.at(countStateSent), st.at(countPresenceGot), st.at(countGroups), st.at(countSecond)
	for _, post := range r.posts {
		a := RunAgent{Address: post.name(), Connections: post.orders.Connections, Processes: post.last.Workers, RSSBytes: post.last.RSS, Lost: post.lost}
		if post.facts != nil {
			a.Name, a.Machine, a.Sources = post.facts.Name, post.facts.Machine, post.facts.Plan.Needed
		}
		o.Agents = append(o.Agents, a)
	}
	r.report.LatencyMs, o.FirstTickMs, o.GeneratorLateMs = o.steady.latency, o.steady.tick, o.steady.late
	r.report.LatencyHistogram = o.steady.steps
	if r.cfg.Scenario == ScenarioConnect {
		r.report.LatencyMs, r.report.LatencyHistogram = o.LoginMs, nil
	}
	if s := o.Storm; s != nil {
		s.CalmMs, s.StormMs, s.AfterMs = o.steady.latency, o.event.latency, o.after.latency
	}
	if s := o.Slow; s != nil {
		s.BeforeMs, s.MeanwhileMs, s.AfterMs = o.steady.latency, o.event.latency, o.after.latency
	}
	if o.drained {
		r.report.Lost = ptr(uint64(max(st.at(countBehind), 0)))
		r.report.Duplicated, r.report.Reordered = ptr(uint64(st.at(countDuplicated))), ptr(uint64(st.at(countReordered)))
		r.report.SessionsBack = ptr(uint64(st.at(countReturned)))
	} else {
		r.report.note("interrupted before everything that was sent had arrived: nothing can be said of what is lost")
	}
	r.judge()
}

// judge lists what the server must not have done.
func (r *run) judge() {
	o := r.out
	bad := func(when bool, format string, args ...any) {
		if when {
			o.Violations = append(o.Violations, Violation(fmt.Sprintf(format, args...)))
		}
	}
	bad(o.Corrupted > 0, "%d messages were damaged, came to the wrong user, or were never sent", o.Corrupted)
	bad(o.LostData > 0, "%d logins found the server without its data", o.LostData)
	bad(o.Rejected > 0, "%d deliveries were rejected", o.Rejected)
	bad(o.drained && o.NotTicked > 0, "%d messages or receipts never got their first tick", o.NotTicked)
	if s := o.Storm; s != nil {
		bad(s.NotBack > 0, "%d clients did not come back", s.NotBack)
	}
	o.Slow.judge(bad)
	o.Soak.judge(bad)
	ended := o.Closed
	if o.Slow != nil {
		ended -= o.Slow.Ended
	}
	bad(ended > 0 && r.cfg.Scenario != ScenarioSoak, "%d sessions were ended by the server or the network", ended)
	if o.Unsent > 0 {
		r.report.note("%d messages were due and could not be sent: the server was away, or does not keep up with this load", o.Unsent)
	}
	if r.last.Trouble != "" {
		r.report.note("%s", r.last.Trouble)
	}
	if l := o.GeneratorLateMs; l != nil && r.report.LatencyMs != nil && l.P99 > r.report.LatencyMs.P99/2 {
		r.report.note("the generator itself was late by %.1f ms (p99): its hosts are too busy for the latencies to be the server's", l.P99)
	}
}

func (o *RunResult) rows(r *Report, t *table) {
	t.row("scenario", fmt.Sprintf("%s: %d connections, %d users, from %d host(s)", o.Scenario, o.Connections, o.Users, len(o.Agents)))
	for _, a := range o.Agents {
		line := fmt.Sprintf("%d connections, %d source address(es), %d process(es), %.1f MB; %s", a.Connections, a.Sources, a.Processes, mb(a.RSSBytes), a.Machine)
		if a.Lost != "" {
			line = "LOST: " + a.Lost
		}
		t.row("  "+a.Address, line)
	}
	t.row("came in", fmt.Sprintf("%.0f logins/s, %.1f s", o.LoginsPerSecond, o.ComeInSeconds))
	t.latency("  login", o.LoginMs)
	if o.Rates != nil {
		for _, line := range o.Rates.Lines() {
			t.row("planned", line)
		}
		t.row("measured", fmt.Sprintf("%.1f logins/s, %.1f messages/s in, %.1f out, %.1f read, %.1f typing, %.1f presence told", o.SteadyLoginsPerSecond,
			o.MessagesInPerSecond, o.MessagesOutPerSecond, o.ReadPerSecond, o.TypingPerSecond, o.PresencePerSecond))
	}
	t.row("messages", fmt.Sprintf("%.1f/s in, %.1f/s out for %.1f s", o.MessagesInPerSecond, o.MessagesOutPerSecond, o.MeasuredSeconds))
	t.row("sent, arrived", fmt.Sprintf("%d, %d of %d deliveries; %d after their reader came back", o.Sent, o.Delivered, o.Due, o.Fetched))
	if o.Scenario != ScenarioConnect {
		t.latency("latency", r.LatencyMs)
		t.latency("first tick", o.FirstTickMs)
		t.latency("generator late", o.GeneratorLateMs)
		t.row("", o.LatencyBy)
	}
	o.Storm.rows(t)
	o.Slow.rows(t)
	o.Soak.rows(t)
	t.row("lost", fmt.Sprintf("%s, duplicated %s, reordered %s, damaged %d", count(r.Lost), count(r.Duplicated), count(r.Reordered), o.Corrupted))
	t.row("refused", fmt.Sprintf("%d for a while, %d rejected, %d sessions ended by the server, %d connects failed", o.Refused, o.Rejected, o.Closed, o.Unreachable))
	o.serverRows(r, t)
	for _, v := range o.Violations {
		t.row("VIOLATION", string(v))
	}
}

func (o *RunResult) serverRows(r *Report, t *table) {
	switch {
	case r.CPUUsPerMessage != nil:
		t.row("server CPU", fmt.Sprintf("%.2f us a message that arrived, %.0f %% of one core (%s)", *r.CPUUsPerMessage, o.ServerCPUPercent, o.CPUSource))
	default:
		t.row("server CPU", fmt.Sprintf("%.1f %% of one core (%s)", o.ServerCPUPercent, o.CPUSource))
	}
	t.row("generator", fmt.Sprintf("%.0f %% of one core, %.0f B a connection", o.GeneratorCPUPercent, o.GeneratorBytes))
	if o.RSSThereBytes > 0 {
		t.row("server memory", fmt.Sprintf("%.1f MB empty, %.1f MB with all there, %.1f MB at the end", mb(o.RSSEmptyBytes), mb(o.RSSThereBytes), mb(o.RSSEndBytes)))
	}
	if r.RSSBytesPerSession != nil {
		t.row("growth a session", fmt.Sprintf("%s B, fixed costs included", number(r.RSSBytesPerSession, 0)))
	}
}

func (s *RunStorm) rows(t *table) {
	if s == nil {
		return
	}
	t.row("storm", fmt.Sprintf("%d cut, all but %d back after %.1f s: %.0f logins/s", s.Cut, s.NotBack, s.Seconds, s.BackPerSecond))
	t.latency("  back after", s.BackMs)
	t.latency("  others, calm", s.CalmMs)
	t.latency("  others, storm", s.StormMs)
	t.latency("  others, after", s.AfterMs)
}
