package server

import (
	"context"
	"os"
	"testing"
	"time"

	"trunkline/bench"
	"trunkline/internal/faultfs"
)

// A day of people who come, go and write (see bench.MixDay), with a spike, on a server that has room for about as much as its users leave
// lying for a day, and with the disk of the offline store hanging for a while around the spike. The journal's disk goes on.

// mixedDay is one such run.
type mixedDay struct {
	day       bench.MixDay
	speed     float64
	writeBack time.Duration
	hangs     time.Duration // the disk
	share     int64         // --store-bytes in percent of the most that waits at once
	ratio     float64       // what the server must count
}

func TestAMixedDayIsServedFromMemoryWhileTheDiskHangs(t *testing.T) {
	d := mixedDay{day: bench.MixDay{Users: 400, Length: 8 * time.Hour, Seed: 5}, speed: 9_600, writeBack: 50 * time.Millisecond,
		hangs: 500 * time.Millisecond, share: 170, ratio: 0.95}
	if raceDetector {
		d.day.Users, d.speed = 100, 8_000
	}
	d.run(t)
}

// TestAWholeMixedDay is `make bench-mix-stalled`: minutes. The disk hangs for a minute.
func TestAWholeMixedDay(t *testing.T) {
	if os.Getenv("MIXED_DAY") == "" {
		t.Skip("takes four minutes: make bench-mix-stalled")
	}
	mixedDay{speed: 480, writeBack: WriteBackDefault, hangs: time.Minute, share: 140, ratio: 0.98}.run(t)
}

func (d mixedDay) run(t *testing.T) {
	plan, err := bench.PlanMix(d.day)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	disk, err := faultfs.System("", dir)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) {
		c.Data, c.StoreBytes, c.WriteBack = dir, Bytes(plan.WaitingPeak*d.share/100), Duration(d.writeBack)
		c.hooks = &hooks{fs: disk}
	})
	m := bench.NewMixPlay(plan, r.Addr().String(), d.speed)
	defer m.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := m.Abandon(ctx, plan.WaitingPeak*d.share/100*3/4); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "what nobody comes for is on disk", func(s Status) bool { return s.Durability.WriteBack.Dirty == 0 })
	hung := make(chan Status, 2)
	go func() { d.hang(ctx, t, r, disk, hung) }() // ends with ctx, or when the disk goes on
	if err := m.PlayDay(ctx); err != nil {
		t.Fatal(err)
	}
	before, after := <-hung, <-hung
	st := r.Status()
	day := m.Record()
	if err := m.Collect(ctx, patience); err != nil {
		t.Fatal(err)
	}
	record := m.Record()
	hits, misses := after.OfflineCache.Hits-before.OfflineCache.Hits, after.OfflineCache.Misses-before.OfflineCache.Misses
	_, meanwhile := hitsOf(hits+misses, misses)
	c := st.OfflineCache
	t.Logf("seed %d: %d messages, %d waited; in memory: %.4f of %d (while the disk hung: %.4f of %d); %d entries left memory, %d users loaded; refused %d, late %+v",
		plan.Day.Seed, day.Sent, day.Waited, c.HitRatio, c.Hits+c.Misses, meanwhile, hits+misses, c.Evicted, c.Loads, day.Refused, day.LateMs)
	t.Logf("latency %+v, first tick %+v", record.LatencyMs, record.TickMs)
	if record.Lost+record.Duplicated+record.Reordered+record.Damaged+record.Rejected > 0 {
		t.Errorf("lost %d, duplicated %d, reordered %d, damaged %d, rejected %d of %d: %s", record.Lost, record.Duplicated, record.Reordered, record.Damaged,
			record.Rejected, record.Sent, record.Failure)
	}
	if c.HitRatio < d.ratio || meanwhile < d.ratio {
		t.Errorf("%.4f of the messages that had waited were in memory (while the disk hung: %.4f), want %v", c.HitRatio, meanwhile, d.ratio)
	}
	if c.Evicted == 0 {
		t.Error("nothing left memory: the day says nothing")
	}
	if hits == 0 {
		t.Error("nobody came while the disk hung: the hang says nothing")
	}
}

// hang stops the disk of the offline store around the spike, and says what the server had counted before and after.
func (d mixedDay) hang(ctx context.Context, t *testing.T, r *running, disk *faultfs.FS, hung chan<- Status) {
	from, _ := d.day.WithDefaults().SpikeSpan()
	wait := func(d time.Duration) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	wait(time.Duration(float64(from)/d.speed) - d.hangs/10)
	hung <- r.Status()
	if err := disk.Set("hang=read+change@" + mailboxesFolder); err != nil {
		t.Error(err)
	}
	wait(d.hangs)
	hung <- r.Status()
	if err := disk.Set(""); err != nil {
		t.Error(err)
	}
}
