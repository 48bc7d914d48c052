package bench

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// StartConfig says with how much on the disk a server starts. The zero value of a field means its default.
type StartConfig struct {
	Target   Target `json:"target"`        // as in BacklogConfig
	Messages int    `json:"messages"`      // that wait; default 1,000,000
	Each     int    `json:"each"`          // for one device; default 100
	Tail     int    `json:"tail"`          // messages that come just before the server is killed; default 100,000
	Bytes    int    `json:"payload_bytes"` // default 200
}

// withDefaults fills zero fields.
func (c StartConfig) withDefaults() StartConfig {
	c.Target.Transport = cmp.Or(c.Target.Transport, Plain)
	c.Messages = cmp.Or(c.Messages, 1_000_000)
	c.Each = cmp.Or(c.Each, 100)
	c.Tail = cmp.Or(c.Tail, 100_000)
	c.Bytes = cmp.Or(c.Bytes, 200)
	return c
}

// validate reports the first setting that is out of its limits.
func (c StartConfig) validate() error {
	return cmp.Or(
		ownPlain(c.Target),
		within("messages", c.Messages, 1, WaitingMax),
		within("messages of one device", c.Each, 1, c.Messages),
		within("devices", c.Messages/c.Each, 1, DevicesMax),
		within("tail", c.Tail, 1, WaitingMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		c.Target.validate(),
	)
}

// StartResult is how long a server takes to be there.
type StartResult struct {
	Messages      int64        `json:"messages"` // that wait
	Devices       int          `json:"devices"`
	FilledSeconds float64      `json:"filled_seconds"`
	FilledPerSec  float64      `json:"filled_per_second"` // first ticks
	StopSeconds   float64      `json:"stop_seconds"`      // the clean end, with everything written back
	DiskBytes     int64        `json:"disk_bytes"`        // of the offline store, after the clean start
	Clean         *StartTiming `json:"clean"`
	Killed        *StartTiming `json:"killed"` // after Tail more messages and kill -9
}

// StartTiming is one start, in seconds since the process was started.
type StartTiming struct {
	Listening    float64 `json:"listening_seconds"`   // a connection is taken
	FirstLogin   float64 `json:"first_login_seconds"` // a device for which messages wait has logged in
	FirstMessage float64 `json:"first_fetch_seconds"` // ... and has all of them
	RSSBytes     int64   `json:"rss_bytes"`           // when it has
	Entries      int64   `json:"entries_in_memory"`

	RecoverySeconds float64 `json:"recovery_seconds"` // as the server says
	RecoveryRecords uint64  `json:"recovery_records"`
	RecoveryBytes   int64   `json:"recovery_bytes"`
	Mailboxes       int     `json:"recovery_mailboxes"`
	Lost            uint64  `json:"lost"`
}

// startRun is one run under way.
type startRun struct {
	cfg    StartConfig
	out    *StartResult
	report *Report
	p      *progress
	target *target
	first  uint64
	has    int // messages that wait for each device
	next   int // the next device to come

	doubled, moved uint64 // of what devices fetched
}

// Start fills a server with waiting messages and measures its start: after a clean end, and after kill -9.
func Start(ctx context.Context, cfg StartConfig, env Env) (*Report, error) {
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
	devices := max(cfg.Messages/cfg.Each, 2)
	cfg.Target.Args = append([]string{"--users", strconv.Itoa(2*devices + 2*fillWriters)}, cfg.Target.Args...)
	report, p := env.record(ctx, "start", cfg)
	t, err := openTarget(ctx, cfg.Target, env, fillWriters)
	if err != nil {
		return report.ended(ctx, err)
	}
	defer t.close()
	r := &startRun{cfg: cfg, report: report, p: p, target: t, first: firstUser(), out: &StartResult{Devices: devices}}
	r.report.Start = r.out
	report.note("generator and server share this machine's %d cores", report.Machine.Cores)
	if err := r.run(ctx, self); err != nil {
		return report.ended(ctx, fmt.Errorf("%w%s", err, t.tail.said()))
	}
	report.Lost = ptr(r.out.Clean.Lost + r.out.Killed.Lost)
	report.Duplicated, report.Reordered, report.SessionsBack = &r.doubled, &r.moved, ptr(uint64(r.next))
	return report.ended(ctx, nil)
}

// run fills, ends, starts, adds a tail, kills and starts.
func (r *startRun) run(ctx context.Context, self string) (err error) {
	took, err := r.fill(ctx, r.cfg.Each)
	if err != nil {
		return err
	}
	r.out.Messages = int64(r.out.Devices) * int64(r.has)
	r.out.FilledSeconds, r.out.FilledPerSec = round(took.Seconds(), 2), round(ratio(float64(r.out.Messages), took.Seconds()), 0)
	ended := time.Now()
	r.target.endWithin(stopWrittenTimeout)
	r.out.StopSeconds = round(time.Since(ended).Seconds(), 2)
	if r.out.Clean, err = r.start(ctx, self); err != nil {
		return err
	}
	if st, err := r.target.status(ctx); err == nil {
		r.out.DiskBytes = st.Durability.WriteBack.DiskBytes
	}
	if _, err := r.fill(ctx, r.has+max(r.cfg.Tail/r.out.Devices, 1)); err != nil {
		return err
	}
	r.target.kill()
	r.out.Killed, err = r.start(ctx, self)
	return err
}

// fill has that many messages wait for each device.
func (r *startRun) fill(ctx context.Context, to int) (time.Duration, error) {
	order := fillOrder{addr: r.target.addr, first: r.first, devices: r.out.Devices, from: r.has, to: to, bytes: r.cfg.Bytes, base: firstUser()}
	began := time.Now()
	err := fill(ctx, order, func(done int64) { r.p.often("start: %d of %d messages wait", done, order.messages()) })
	r.has = to
	return time.Since(began), err
}

// start starts the server and has a device fetch what waits for it.
func (r *startRun) start(ctx context.Context, self string) (*StartTiming, error) {
	out := &StartTiming{}
	began := time.Now()
	since := func() float64 { return round(time.Since(began).Seconds(), 4) }
	if err := r.target.spawn(ctx, self, r.cfg.Target); err != nil {
		return nil, err
	}
	if err := r.target.listening(ctx); err != nil {
		return nil, err
	}
	out.Listening = since()
	device := r.out.Devices - 1 - r.next // from the last on: the first have been written to by writers that were killed
	r.next++
	f := newFetcher(device, r.has)
	if _, err := fetch(ctx, r.target.addr, r.first+uint64(device), f); err != nil {
		return nil, err
	}
	out.FirstMessage, out.FirstLogin = since(), round(time.Duration(f.loggedIn.Load()-began.UnixNano()).Seconds(), 4)
	r.doubled, r.moved = r.doubled+f.tally.Duplicated, r.moved+f.tally.Reordered
	out.Lost = uint64(r.has) - min(f.tally.Delivered, uint64(r.has))
	u, err := r.target.usage(ctx)
	if err != nil {
		return nil, err
	}
	out.RSSBytes = u.RSSBytes
	st, err := r.target.status(ctx)
	if err != nil {
		return nil, err
	}
	rec := st.Durability.Recovery
	out.Entries, out.RecoverySeconds, out.RecoveryRecords, out.RecoveryBytes, out.Mailboxes = st.OfflineCache.Entries, rec.Seconds, rec.Records, rec.Bytes, rec.Mailboxes
	return out, nil
}

func (s *StartResult) rows(t *table) {
	t.row("start", fmt.Sprintf("%d messages wait for %d devices, %.0f MB of offline store", s.Messages, s.Devices, mb(s.DiskBytes)))
	t.row("filled", fmt.Sprintf("in %.1f s, %.0f first ticks/s; the clean stop took %.2f s", s.FilledSeconds, s.FilledPerSec, s.StopSeconds))
	for _, one := range []struct {
		name string
		s    *StartTiming
	}{{"after a clean stop", s.Clean}, {"after kill -9", s.Killed}} {
		t.row(one.name, fmt.Sprintf("listening after %.3f s, first login after %.3f s, its messages after %.3f s; %.1f MB resident, %d entries in memory",
			one.s.Listening, one.s.FirstLogin, one.s.FirstMessage, mb(one.s.RSSBytes), one.s.Entries))
		t.row("  recovery", fmt.Sprintf("%.3f s for %d records in %.1f MB of journal, %d mailboxes; %d messages lost", one.s.RecoverySeconds, one.s.RecoveryRecords,
			mb(one.s.RecoveryBytes), one.s.Mailboxes, one.s.Lost))
	}
}

// listening waits until the server takes a connection.
func (s *target) listening(ctx context.Context) error {
	deadline := time.Now().Add(stopWrittenTimeout)
	for {
		c, err := net.DialTimeout("tcp", s.addr, dialTimeout)
		if err == nil {
			return c.Close()
		}
		if zombie(s.own.Process.Pid) || time.Now().After(deadline) {
			return fmt.Errorf("%w: `serve` does not listen: %w", ErrServer, err)
		}
		if err := sleep(ctx, listenEvery); err != nil {
			return err
		}
	}
}
