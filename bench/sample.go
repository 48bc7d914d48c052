package bench

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Series is what was sampled while a run went on: what the server says of itself (/status), and what the generator did.
type Series struct {
	EverySeconds float64 `json:"every_seconds"` // distance of two points at most
	Samples      int     `json:"samples"`       // taken; once there are more than SeriesPointsMax a point stands for several
	Phases       []Phase `json:"phases"`
	Points       []Point `json:"points"`

	end     float64 // when the last sample was
	each    int     // samples for a point
	open    Point   // gathers samples,
	pending int     // as many so far
}

// Phase is a part of a run that began at a time.
type Phase struct {
	Name        string  `json:"name"`
	FromSeconds float64 `json:"from_seconds"`
}

// Point is one point over time. Rates are of the time since the point before.
type Point struct {
	Seconds float64      `json:"seconds"` // since the run began
	Server  *ServerPoint `json:"server"`  // null: it was not asked or did not answer
	Load    *LoadPoint   `json:"load"`    // null: this run's generator is not sampled

	took float64 // seconds that the point stands for
}

// ServerPoint is what a server says of itself. Points that stand for several samples have the last count, the largest memory, the mean rate
// and the longest pause.
type ServerPoint struct {
	Connections       int64    `json:"connections"`
	Sessions          int64    `json:"sessions"`
	RSSBytes          int64    `json:"rss_bytes"` // 0: the system does not tell
	HeapBytes         int64    `json:"heap_bytes"`
	KernelBytes       *int64   `json:"kernel_bytes"` // of sockets, on the server's whole machine
	Goroutines        int64    `json:"goroutines"`
	QueueEntries      int64    `json:"queue_entries"`
	CPUCores          float64  `json:"cpu_cores"`
	ConnectsPerSecond *float64 `json:"connects_per_second"` // null of a server that does not count them
	LoginsPerSecond   float64  `json:"logins_per_second"`
	MessagesPerSecond float64  `json:"messages_per_second"` // acknowledged by who they were for
	GCCycles          int64    `json:"gc_cycles"`           // that ended since the point before
	GCPauseMaxMs      *float64 `json:"gc_pause_max_ms"`     // of the pauses since the point before; null: there was none
}

// LoadPoint is what the generator did. Of several samples it has the last counts, the mean rates and the largest percentiles.
type LoadPoint struct {
	Connections       int64    `json:"connections"`
	Sessions          int64    `json:"sessions"`
	ConnectsPerSecond float64  `json:"connects_per_second"`
	LoginsPerSecond   float64  `json:"logins_per_second"`
	MessagesPerSecond float64  `json:"messages_per_second"` // that arrived
	ErrorsPerSecond   float64  `json:"errors_per_second"`
	Errors            uint64   `json:"errors"` // so far
	P50Ms             *float64 `json:"p50_ms"` // of what was noted since the point before; null: nothing was
	P99Ms             *float64 `json:"p99_ms"`
	P999Ms            *float64 `json:"p99.9_ms"`
}

// load is what a generator has done so far, read while it goes on by recorder. Counts only grow.
type load struct {
	connections, sessions int64  // now
	done, of              int64  // how far the phase has come, in whatever it counts; of 0: nobody knows
	opened, logins        uint64 // so far
	messages, errors      uint64
	latency               *hdrhistogram.Histogram // since the last read; nil: none
}

// recorder samples a run until it is stopped. The target may change while it goes on. A nil recorder does nothing.
type recorder struct {
	report *Report
	p      *progress
	began  time.Time

	mu      sync.Mutex // held while a sample is taken, and by who changes what is sampled
	target  *target
	read    func() load
	held    int // > 0: the server is not to be asked
	sums    sums
	series  Series
	stopped bool

	last     serverStatus // of the server with last.PID; 0: none yet
	lastAt   time.Time
	lastLoad load
	loadAt   time.Time

	cancel context.CancelFunc
	ended  chan struct{}
}

// startRecorder begins to sample. stop ends it, as does ctx.
func startRecorder(ctx context.Context, report *Report, p *progress) *recorder {
	ctx, cancel := context.WithCancel(ctx)
	r := &recorder{report: report, p: p, began: report.Started, cancel: cancel, ended: make(chan struct{})}
	r.series.EverySeconds = sampleEvery.Seconds()
	go r.run(ctx) // ends with stop, or with ctx
	return r
}

func (r *recorder) run(ctx context.Context) {
	defer close(r.ended)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.sample(ctx, time.Now())
		}
	}
}

// attach makes t the server that is sampled. What it has counted when it was found is not part of the run; of a server that the run has
// started that is nothing.
func (r *recorder) attach(t *target, found serverStatus) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target, r.last, r.lastAt = t, found, time.Now()
	if found.PID != 0 {
		r.sums.first(found)
	}
}

// detach ends the sampling of t after a last sample: its server is about to go.
func (r *recorder) detach(t *target) {
	if r == nil || t == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.target != t {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sampleTimeout)
	defer cancel()
	if !r.stopped {
		r.take(ctx, time.Now())
	}
	r.target = nil
}

// follow names who reads what the generator has done. nil: nobody, from now on.
func (r *recorder) follow(read func() load) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read, r.lastLoad, r.loadAt = read, load{}, time.Now()
	if read != nil {
		r.lastLoad = read()
	}
}

// phase names the part of the run that begins now.
func (r *recorder) phase(name string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.series.Phases); n > 0 && r.series.Phases[n-1].Name == name || n == seriesPhasesMax {
		return
	}
	r.series.Phases = append(r.series.Phases, Phase{name, round(time.Since(r.began).Seconds(), 3)})
	r.p.phase(name)
}

// hold leaves the server alone until the function that it answers is called: asking costs memory, and somebody weighs it.
func (r *recorder) hold() (release func()) {
	if r == nil {
		return func() {}
	}
	r.mu.Lock()
	r.held++
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		r.held--
		r.mu.Unlock()
	}
}

// stop takes a last sample, ends the sampling and writes what came of it into the report. Safe to call twice.
func (r *recorder) stop() {
	if r == nil {
		return
	}
	r.cancel()
	<-r.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	r.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), sampleTimeout)
	defer cancel()
	r.take(ctx, time.Now())
	r.p.end()
	if len(r.series.Points) > 0 {
		r.series.closePoint()
		r.report.Series = &r.series
	}
	r.sums.into(r.report)
}
