package bench

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// BacklogConfig says who comes back for how much while others talk. The zero value of a field means its default.
type BacklogConfig struct {
	Target   Target `json:"target"`        // the transport is Plain, and the server one of the run's own: it is started again
	Messages int    `json:"messages"`      // that wait for each device; default 10,000
	Drains   int    `json:"drains"`        // devices that come back, one after the other, in each part; default 10
	Bytes    int    `json:"payload_bytes"` // of a message that waits; default 200
	Pairs    int    `json:"pairs"`         // that talk meanwhile; default 50
	Rate     int    `json:"rate"`          // messages a second over all pairs; default 1,000

	stall time.Duration
}

// withDefaults fills zero fields.
func (c BacklogConfig) withDefaults() BacklogConfig {
	c.Target.Transport = cmp.Or(c.Target.Transport, Plain)
	c.Messages = cmp.Or(c.Messages, 10_000)
	c.Drains = cmp.Or(c.Drains, 10)
	c.Bytes = cmp.Or(c.Bytes, 200)
	c.Pairs = cmp.Or(c.Pairs, 50)
	c.Rate = cmp.Or(c.Rate, 1_000)
	c.stall = cmp.Or(c.stall, stallTimeout)
	return c
}

// validate reports the first setting that is out of its limits.
func (c BacklogConfig) validate() error {
	return cmp.Or(
		ownPlain(c.Target),
		within("messages", c.Messages, 1, WaitingMax),
		within("drains", c.Drains, 1, DrainsMax),
		within("messages of all devices", 2*c.Messages*c.Drains, 1, WaitingMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		within("pairs", c.Pairs, 1, PairsMax),
		within("rate", c.Rate, 1, RateMax),
		c.Target.validate(),
		checkDescriptors(2*c.Pairs),
	)
}

// ownPlain refuses what these runs can't work with: they start, end and kill their server, and their devices do not encrypt.
func ownPlain(t Target) error {
	switch {
	case t.Server != "":
		return fmt.Errorf("%w: this run ends its server and starts it again: it can't be %s", ErrInput, t.Server)
	case t.Transport != Plain:
		return fmt.Errorf("%w: this run is about mailboxes: it has the plain transport only", ErrInput)
	}
	return nil
}

// BacklogResult is what those who talked noticed.
type BacklogResult struct {
	Messages int `json:"messages"`
	Drains   int `json:"drains"`
	Pairs    int `json:"pairs"`
	Rate     int `json:"rate"`

	Warm *BacklogPart `json:"warm"` // what waits is in memory
	Cold *BacklogPart `json:"cold"` // the server was started again: it is on the disk
}

// BacklogPart is one part: quiet times and drains in turns.
type BacklogPart struct {
	QuietMs         *Latency  `json:"quiet_ms"` // of the pairs, while nobody comes back
	DrainMs         *Latency  `json:"drain_ms"` // ... while a device fetches its backlog
	P99Ratio        *float64  `json:"p99_ratio"`
	DrainSeconds    float64   `json:"drain_seconds"` // median, from the device's coming to its last message
	MessagesPerSec  float64   `json:"messages_per_second"`
	FirstTickQuiet  *Latency  `json:"first_tick_ms,omitempty"` // of the pairs, over all of it
	GeneratorLateMs *Latency  `json:"generator_late_ms"`
	Misses          uint64    `json:"misses"` // messages that came from the disk, as the server counts
	Lost            uint64    `json:"lost"`   // of the backlog and of the pairs
	Duplicated      uint64    `json:"duplicated"`
	Reordered       uint64    `json:"reordered"`
	Seconds         []float64 `json:"drains_seconds"`
}

// backlogRun is one run under way.
type backlogRun struct {
	cfg    BacklogConfig
	out    *BacklogResult
	report *Report
	p      *progress
	target *target
	first  uint64 // user id of the first device
	next   int    // the next device to come back
}

// Backlog measures what a device that comes back for a backlog does to those who are talking: from memory, and from the disk.
func Backlog(ctx context.Context, cfg BacklogConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	self, err := env.selfPath()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg.Target.Args = append([]string{"--mailbox-entries", strconv.Itoa(2 * cfg.Messages), "--mailbox-bytes", strconv.Itoa(max(2*cfg.Messages*cfg.Bytes, 1<<10))}, cfg.Target.Args...)
	report, p := env.record(ctx, "backlog", cfg)
	t, err := openTarget(ctx, cfg.Target, env, 2*cfg.Pairs+fillWriters)
	if err != nil {
		return report.ended(ctx, err)
	}
	defer t.close()
	r := &backlogRun{cfg: cfg, out: &BacklogResult{Messages: cfg.Messages, Drains: cfg.Drains, Pairs: cfg.Pairs, Rate: cfg.Rate},
		report: report, p: p, target: t, first: firstUser()}
	r.report.Backlog = r.out
	report.note("generator and server share this machine's %d cores", report.Machine.Cores)
	if err := r.run(ctx, self); err != nil {
		return report.ended(ctx, fmt.Errorf("%w%s", err, t.tail.said()))
	}
	return report.ended(ctx, nil)
}

// run fills the mailboxes, drains half of them, starts the server again and drains the rest.
func (r *backlogRun) run(ctx context.Context, self string) (err error) {
	order := fillOrder{addr: r.target.addr, first: r.first, devices: 2 * r.cfg.Drains, to: r.cfg.Messages, bytes: r.cfg.Bytes, base: firstUser()}
	all := order.messages()
	if err := fill(ctx, order, func(done int64) { r.p.often("backlog: %d of %d messages wait", done, all) }); err != nil {
		return err
	}
	if err := r.target.written(ctx); err != nil {
		return err
	}
	if r.out.Warm, err = r.part(ctx, "from memory"); err != nil {
		return err
	}
	r.target.endWithin(stopWrittenTimeout)
	if err := r.target.launch(ctx, self, r.cfg.Target, 2*r.cfg.Pairs); err != nil {
		return err
	}
	if r.out.Cold, err = r.part(ctx, "from disk"); err != nil {
		return err
	}
	lost, doubled, moved := r.out.Warm.Lost+r.out.Cold.Lost, r.out.Warm.Duplicated+r.out.Cold.Duplicated, r.out.Warm.Reordered+r.out.Cold.Reordered
	r.report.SessionsBack, r.report.wholeRun = ptr(uint64(2*r.cfg.Drains)), true
	r.report.Lost, r.report.Duplicated, r.report.Reordered, r.report.LatencyMs = &lost, &doubled, &moved, r.out.Cold.DrainMs
	return nil
}

// part has pairs talk while devices come back.
func (r *backlogRun) part(ctx context.Context, name string) (*BacklogPart, error) {
	mc := MessageConfig{Target: r.cfg.Target, Pairs: r.cfg.Pairs, Rate: r.cfg.Rate, Loops: 1, stall: r.cfg.stall}.withDefaults()
	live := &messageRun{cfg: mc, report: newReport("message", mc), out: &MessageResult{}, p: r.p, target: r.target, light: true}
	out := &BacklogPart{}
	before, err := r.target.status(ctx)
	if err != nil {
		return nil, err
	}
	var times backlogTimes
	err = r.play(ctx, name, live, out, &times)
	live.stop()
	if err != nil {
		return nil, live.explain(err)
	}
	if after, err := r.target.status(ctx); err == nil {
		out.Misses = after.OfflineCache.minus(before.OfflineCache).Misses
	}
	live.sum()
	times.sum(live, out)
	out.Lost, out.Duplicated, out.Reordered = out.Lost+*live.report.Lost, out.Duplicated+*live.report.Duplicated, out.Reordered+*live.report.Reordered
	out.DrainSeconds = middle(out.Seconds)
	out.MessagesPerSec = round(ratio(float64(r.cfg.Messages), out.DrainSeconds), 0)
	return out, nil
}

// backlogTimes are the times without and with a drain, ns of the pairs' clock.
type backlogTimes struct{ quiet, drain [][2]int64 }

// sum sorts the pairs' messages by when they were due.
func (t *backlogTimes) sum(live *messageRun, out *BacklogPart) {
	over := func(times [][2]int64) *hdrhistogram.Histogram {
		h := newHistogram()
		for _, span := range times {
			for _, sl := range live.loops {
				spread(h, sl.traffic.trail.passed, span[0], span[1])
			}
		}
		return h
	}
	out.QuietMs, out.DrainMs = latencyOf(over(t.quiet)), latencyOf(over(t.drain))
	if out.QuietMs != nil && out.DrainMs != nil && out.QuietMs.P99 > 0 {
		out.P99Ratio = ptr(round(out.DrainMs.P99/out.QuietMs.P99, 2))
	}
	out.FirstTickQuiet, out.GeneratorLateMs = live.out.FirstTickMs, live.out.GeneratorLateMs
}

// play has the devices come back, each after a quiet time.
func (r *backlogRun) play(ctx context.Context, name string, live *messageRun, out *BacklogPart, times *backlogTimes) error {
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
	for i := range r.cfg.Drains {
		from := live.clock.now()
		if err := sleep(ctx, backlogQuiet); err != nil {
			return err
		}
		comes := live.clock.now()
		f := newFetcher(r.next, r.cfg.Messages)
		took, err := fetch(ctx, r.target.addr, r.first+uint64(r.next), f)
		if err != nil {
			return err
		}
		r.next++
		times.quiet, times.drain = append(times.quiet, [2]int64{from, comes}), append(times.drain, [2]int64{comes, live.clock.now()})
		out.Seconds = append(out.Seconds, round(took.Seconds(), 4))
		out.Lost += uint64(r.cfg.Messages) - min(f.tally.Delivered, uint64(r.cfg.Messages))
		out.Duplicated, out.Reordered = out.Duplicated+f.tally.Duplicated, out.Reordered+f.tally.Reordered
		r.p.often("backlog: %s, device %d of %d", name, i+1, r.cfg.Drains)
	}
	if err := live.fleet.tell(ctx, cmdMeasured); err != nil {
		return err
	}
	if err := live.fleet.tell(ctx, cmdStop); err != nil {
		return err
	}
	return live.drain(ctx)
}

func (b *BacklogResult) rows(t *table) {
	t.row("backlog", fmt.Sprintf("%d devices come back for %d messages each, beside %d pairs with %d messages/s", b.Drains, b.Messages, b.Pairs, b.Rate))
	for _, part := range []struct {
		name string
		p    *BacklogPart
	}{{"from memory", b.Warm}, {"from disk", b.Cold}} {
		t.row(part.name, fmt.Sprintf("fetched in %.3f s (%.0f messages/s); p99 of the others %s times that of quiet times; %d messages read from disk",
			part.p.DrainSeconds, part.p.MessagesPerSec, number(part.p.P99Ratio, 2), part.p.Misses))
		t.latency("  others, quiet", part.p.QuietMs)
		t.latency("  others, meanwhile", part.p.DrainMs)
		t.latency("  generator late", part.p.GeneratorLateMs)
		t.row("  lost", fmt.Sprintf("%d, duplicated %d, reordered %d", part.p.Lost, part.p.Duplicated, part.p.Reordered))
	}
}

// written waits until the server has written back what changed in mailboxes; one without a disk has at once.
func (s *target) written(ctx context.Context) error {
	left := int64(-1)
	look := func() int64 {
		st, err := s.status(ctx)
		if err != nil {
			return left
		}
		left = st.Durability.WriteBack.Dirty + st.Durability.WriteBack.WaitingBytes
		return left
	}
	if err := waitFor(ctx, writtenTimeout, look, func() bool { return left == 0 }, nil); err != nil {
		return fmt.Errorf("%w: %d mailboxes and bytes are not written back: %w", ErrServer, left, err)
	}
	return nil
}
