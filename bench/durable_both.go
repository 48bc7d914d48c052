package bench

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// AckMode is what the first tick of a server that the run starts means.
type AckMode string

// The modes.
const (
	AckDefault AckMode = ""       // whatever the server does by itself
	AckMemory  AckMode = "memory" // the message is in memory
	AckDisk    AckMode = "disk"   // ... synced to the disk
	AckBoth    AckMode = "both"   // measure one beside the other
)

// validateAck refuses modes that are none, or that can't be chosen.
func (c MessageConfig) validateAck() error {
	switch c.Ack {
	case AckDefault, AckMemory, AckDisk, AckBoth:
	default:
		return fmt.Errorf("%w: ack is %q; it is memory, disk or both", ErrInput, c.Ack)
	}
	if c.Target.Server != "" && (c.Ack != AckDefault || c.Linger != 0) {
		return fmt.Errorf("%w: what the first tick means was chosen when %s was started", ErrInput, c.Target.Server)
	}
	if c.Ack == AckMemory && c.Linger != 0 {
		return fmt.Errorf("%w: with ack %s no first tick waits for the journal", ErrInput, c.Ack)
	}
	return cmp.Or(within("rounds", c.Rounds, 1, RoundsMax), withinTime("linger", c.Linger, 0, time.Second))
}

// ackTarget is the target with the flags of the mode before those of the caller.
func (c MessageConfig) ackTarget() Target {
	t := c.Target
	var flags []string
	if c.Ack != AckDefault {
		flags = append(flags, "--ack", string(c.Ack))
	}
	if c.Linger > 0 {
		flags = append(flags, "--journal-linger", c.Linger.String())
	}
	t.Args = append(flags, t.Args...)
	return t
}

// JournalUse is what a server's journal did during a measurement.
type JournalUse struct {
	Ack             string  `json:"ack"`
	LingerMs        float64 `json:"linger_ms"`
	BytesPerSecond  float64 `json:"bytes_per_second"` // written, headers included
	RoundsPerSecond float64 `json:"rounds_per_second"`
	Fsyncs          uint64  `json:"fsyncs"`
	FsyncP50Ms      float64 `json:"fsync_p50_ms"` // of the last ones, as the server remembers them
	FsyncP99Ms      float64 `json:"fsync_p99_ms"`
	FsyncMaxMs      float64 `json:"fsync_max_ms"`
	LagMs           float64 `json:"lag_ms"` // at the end
	bytes, rounds   uint64
}

// journal reads what the server says of its journal; nil when it says nothing.
func (r *messageRun) journal(ctx context.Context) *JournalUse {
	if r.target.admin == "" {
		return nil
	}
	st, err := r.target.status(ctx)
	if err != nil || !st.Durability.Kept {
		return nil
	}
	d := st.Durability
	linger, _ := time.ParseDuration(st.Limits.JournalLinger) // 0 when it says none
	ms := func(seconds float64) float64 { return round(1e3*seconds, 3) }
	return &JournalUse{
		Ack: d.Ack, LingerMs: ms(linger.Seconds()), Fsyncs: d.Journal.Fsyncs, FsyncP50Ms: ms(d.Journal.Fsync.P50), FsyncP99Ms: ms(d.Journal.Fsync.P99),
		FsyncMaxMs: ms(d.Journal.Fsync.Max), LagMs: ms(d.Journal.LagSeconds), bytes: d.Journal.Bytes, rounds: d.Journal.Rounds,
	}
}

// since is what was done since an earlier look.
func (j *JournalUse) since(before *JournalUse, seconds float64) *JournalUse {
	if j == nil || before == nil {
		return nil
	}
	j.BytesPerSecond = round(ratio(float64(j.bytes-before.bytes), seconds), 0)
	j.RoundsPerSecond = round(ratio(float64(j.rounds-before.rounds), seconds), 1)
	j.Fsyncs -= before.Fsyncs
	return j
}

func (j *JournalUse) rows(t *table) {
	if j == nil {
		return
	}
	t.row("journal", fmt.Sprintf("ack %s: %.1f MB/s in %.0f rounds/s, fsync p50 %.3f ms, p99 %.3f ms, max %.3f ms", j.Ack, j.BytesPerSecond/1e6,
		j.RoundsPerSecond, j.FsyncP50Ms, j.FsyncP99Ms, j.FsyncMaxMs))
}

// AckResult compares the two meanings of the first tick: medians of interleaved rounds, each run on a server of its own.
type AckResult struct {
	Rounds int      `json:"rounds"`
	Memory AckCosts `json:"memory"`
	Disk   AckCosts `json:"disk"`

	AddedP50Ms *float64 `json:"added_p50_ms"` // to the first tick: the median of the rounds' differences
	AddedP99Ms *float64 `json:"added_p99_ms"`
	AddedCPUUs *float64 `json:"added_cpu_us_per_message"`
	FsyncP50Ms *float64 `json:"fsync_p50_ms"` // in disk mode; null when the server says nothing of it
	LingerMs   float64  `json:"linger_ms"`
	// BudgetMs is what disk mode may add to the median: the linger and two fsyncs, the one that is under way when a message comes and the
	// one that takes it.
	BudgetMs *float64 `json:"budget_ms"`
	Within   *bool    `json:"within_budget"`
}

// AckCosts is one mode: by round, and the medians.
type AckCosts struct {
	TickP50Ms         float64   `json:"first_tick_p50_ms"`
	TickP99Ms         float64   `json:"first_tick_p99_ms"`
	CPUUs             float64   `json:"cpu_us_per_message"`
	MessagesPerSecond float64   `json:"messages_per_second"`
	RoundsTickP50Ms   []float64 `json:"rounds_first_tick_p50_ms"`
	RoundsTickP99Ms   []float64 `json:"rounds_first_tick_p99_ms"`
	RoundsCPUUs       []float64 `json:"rounds_cpu_us_per_message"`
	RoundsPerSecond   []float64 `json:"rounds_messages_per_second"`
	fsync             []float64
	linger            float64
}

// messageBoth measures both modes in interleaved rounds. The report is that of the last run in disk mode, with the comparison; what was lost,
// doubled or reordered is that of all runs.
func messageBoth(ctx context.Context, cfg MessageConfig, env Env) (*Report, error) {
	out := &AckResult{Rounds: cfg.Rounds}
	var report *Report
	var lost, doubled, moved, damaged uint64
	started := time.Now().UTC()
	for i := range cfg.Rounds {
		order := []AckMode{AckMemory, AckDisk}
		if i%2 == 1 {
			order = []AckMode{AckDisk, AckMemory}
		}
		for _, mode := range order {
			one, costs := cfg, &out.Memory
			one.Ack = mode
			if mode == AckDisk {
				costs = &out.Disk
			} else {
				one.Linger = 0
			}
			r, err := Message(ctx, one, env)
			if err != nil {
				return r, fmt.Errorf("ack %s: %w", mode, err) // a report when the run was interrupted
			}
			costs.add(r)
			lost, doubled, moved, damaged = lost+*r.Lost, doubled+*r.Duplicated, moved+*r.Reordered, damaged+r.Message.Corrupted
			if mode == AckDisk {
				report = r
			}
		}
	}
	out.judge()
	report.Message.Acks, report.Inputs, report.Started = out, cfg, started
	report.Lost, report.Duplicated, report.Reordered, report.Message.Corrupted = &lost, &doubled, &moved, damaged
	report.note("generator and server share this machine's %d cores", report.Machine.Cores)
	report.finish()
	return report, nil
}

// add takes one run.
func (c *AckCosts) add(r *Report) {
	if l := r.Message.FirstTickMs; l != nil {
		c.RoundsTickP50Ms, c.RoundsTickP99Ms = append(c.RoundsTickP50Ms, round(l.P50, 3)), append(c.RoundsTickP99Ms, round(l.P99, 3))
	}
	if v := r.CPUUsPerMessage; v != nil {
		c.RoundsCPUUs = append(c.RoundsCPUUs, *v)
	}
	c.RoundsPerSecond = append(c.RoundsPerSecond, *r.MessagesPerSecond)
	if j := r.Message.Journal; j != nil && j.Fsyncs > 0 {
		c.fsync, c.linger = append(c.fsync, j.FsyncP50Ms), j.LingerMs
	}
}

// judge fills medians and differences.
func (a *AckResult) judge() {
	for _, c := range []*AckCosts{&a.Memory, &a.Disk} {
		c.TickP50Ms, c.TickP99Ms = middle(c.RoundsTickP50Ms), middle(c.RoundsTickP99Ms)
		c.CPUUs, c.MessagesPerSecond = middle(c.RoundsCPUUs), middle(c.RoundsPerSecond)
	}
	a.AddedP50Ms = added(a.Disk.RoundsTickP50Ms, a.Memory.RoundsTickP50Ms)
	a.AddedP99Ms = added(a.Disk.RoundsTickP99Ms, a.Memory.RoundsTickP99Ms)
	a.AddedCPUUs = added(a.Disk.RoundsCPUUs, a.Memory.RoundsCPUUs)
	if len(a.Disk.fsync) == 0 {
		return
	}
	a.LingerMs, a.FsyncP50Ms = a.Disk.linger, ptr(middle(a.Disk.fsync))
	a.BudgetMs = ptr(round(a.LingerMs+2**a.FsyncP50Ms, 3))
	if a.AddedP50Ms != nil {
		a.Within = ptr(*a.AddedP50Ms <= *a.BudgetMs)
	}
}

// middle is the median, 0 of nothing.
func middle(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return round(median(v), 3)
}

// added is the median of the differences of rounds that belong together; nil when there are none.
func added(more, less []float64) *float64 {
	var d []float64
	for i := range min(len(more), len(less)) {
		d = append(d, more[i]-less[i])
	}
	if len(d) == 0 {
		return nil
	}
	return ptr(middle(d))
}

func (a *AckResult) rows(t *table) {
	if a == nil {
		return
	}
	for _, m := range []struct {
		name string
		c    AckCosts
	}{{"ack memory", a.Memory}, {"ack disk", a.Disk}} {
		t.row(m.name, fmt.Sprintf("first tick p50 %.3f ms, p99 %.3f ms; %.2f us of server CPU a message; %.0f messages/s (medians of %d rounds)",
			m.c.TickP50Ms, m.c.TickP99Ms, m.c.CPUUs, m.c.MessagesPerSecond, a.Rounds))
	}
	t.row("disk adds", fmt.Sprintf("%s ms to p50, %s ms to p99, %s us a message", number(a.AddedP50Ms, 3), number(a.AddedP99Ms, 3), number(a.AddedCPUUs, 2)))
	if a.Within != nil {
		verdict := "within"
		if !*a.Within {
			verdict = "ABOVE"
		}
		t.row("budget", fmt.Sprintf("%s: linger %.3f ms and two fsyncs of %.3f ms are %.3f ms", verdict, a.LingerMs, *a.FsyncP50Ms, *a.BudgetMs))
	}
}
