package bench

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trunkline/codec/secure"
)

// quickStorm is a short storm against a server that is already there.
func quickStorm(t *testing.T, addr string) StormConfig {
	t.Helper()
	return StormConfig{
		Target: Target{Server: addr}, Pairs: 2, Rate: 500, Clients: 60, PerWorker: 40,
		Calm: 300 * time.Millisecond, After: 300 * time.Millisecond, Recover: testWait, Out: t.TempDir(), stall: testWait,
	}
}

func selfEnv(t *testing.T) Env {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Env{Executable: self}
}

// everyOther refuses every other resume flight.
func everyOther(flight int, kind secure.FlightKind) bool {
	return kind == secure.FlightResume && flight%2 == 0
}

func TestStormBringsEverybodyBackAndShowsIt(t *testing.T) {
	s := startFakeVeil(t, nil)
	s.mu.Lock()
	s.veil.refuse = everyOther
	s.mu.Unlock()
	cfg := quickStorm(t, s.addr())
	r, err := Storm(context.Background(), cfg, selfEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	o := r.Storm
	if o.Storm.Back != 60 || o.Storm.SessionLost != 0 || o.Storm.Crowd.Resumed != 60 || o.Storm.BackSeconds <= 0 {
		t.Errorf("back %d, lost %d: %+v", o.Storm.Back, o.Storm.SessionLost, o.Storm.Crowd)
	}
	if first := o.Storm.Points[0]; first.Offered != 0 || first.Admitted != 0 {
		t.Errorf("the calm begins with handshakes of the trial: %+v", first)
	}
	c := o.Storm.Crowd
	if c.Refused == 0 || c.Offered < c.Admitted+c.Refused || c.Admitted != 60 {
		t.Errorf("%+v", c)
	}
	if o.AdmittedPerSecond <= 0 || o.OfferedPerSecond < 5*int(o.AdmittedPerSecond)-5 {
		t.Errorf("%v/s are admitted, %d/s offered", o.AdmittedPerSecond, o.OfferedPerSecond)
	}
	for name, l := range map[string]*Latency{
		"calm": o.Storm.Calm.LatencyMs, "storm": o.Storm.Storm.LatencyMs, "after": o.Storm.After.LatencyMs, "quiet": o.Quiet.Storm.LatencyMs,
	} {
		if l == nil || l.Count == 0 {
			t.Errorf("%s: no latency", name)
		}
	}
	if r.Failed() || *r.Lost != 0 || o.P99Ratio == nil || o.P99RatioSelf == nil {
		t.Errorf("failed %v, lost %d, ratios %v, %v", r.Failed(), *r.Lost, o.P99Ratio, o.P99RatioSelf)
	}
	if o.Quiet.Crowd != (Crowd{}) || o.Quiet.Storm.Seconds < o.Storm.Storm.Seconds {
		t.Errorf("the run without a storm: %+v, %v s", o.Quiet.Crowd, o.Quiet.Storm.Seconds)
	}
	checkStormFiles(t, cfg.Out)
}

// checkStormFiles reads what a storm has written.
func checkStormFiles(t *testing.T, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "storm.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Bench string
		Storm struct {
			Storm struct{ Points []map[string]any }
			Files []string
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil || doc.Bench != "storm" || len(doc.Storm.Storm.Points) < 3 || len(doc.Storm.Files) != 3 {
		t.Errorf("%v: %+v", err, doc)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "storm.svg"))
	if err != nil {
		t.Fatal(err)
	}
	checkSVG(t, svg, "p50", "p99", "p99 of the run without the storm", "offered", "admitted", "refused")
}

func TestAStormOfWhomTheServerNeverTakesEndsInTime(t *testing.T) {
	s := startFakeVeil(t, nil)
	s.mu.Lock()
	s.veil.refuse = func(_ int, kind secure.FlightKind) bool { return kind == secure.FlightResume }
	s.mu.Unlock()
	cfg := quickStorm(t, s.addr())
	cfg.Offered, cfg.Recover = 400, 400*time.Millisecond
	r, err := Storm(context.Background(), cfg, selfEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	if o := r.Storm.Storm; o.SessionLost != 60 || o.Back != 0 || o.BackSeconds != 0 || !r.Failed() {
		t.Errorf("lost %d, back %d in %v s, failed %v", o.SessionLost, o.Back, o.BackSeconds, r.Failed())
	}
}

func TestStormEndsWithItsContext(t *testing.T) {
	s := startFakeVeil(t, nil)
	cfg := quickStorm(t, s.addr())
	cfg.Calm = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := Storm(ctx, cfg, selfEnv(t))
		ended <- err
	}()
	eventually(t, "live pairs talk", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.count > 10
	})
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(testWait):
		t.Fatal("the run does not end")
	}
	if _, err := os.Stat(filepath.Join(cfg.Out, "storm.json")); err == nil {
		t.Error("a result of a run that was aborted")
	}
}

func TestStormInputsOutOfTheirLimitsStartNothing(t *testing.T) {
	for name, cfg := range map[string]StormConfig{
		"too many clients":      {Clients: StormClientsMax + 1},
		"a negative number":     {Clients: -1},
		"too strong":            {Factor: StormFactorMax + 1},
		"too many offered":      {Offered: OfferedMax + 1},
		"no messages to watch":  {Rate: -5},
		"a calm of no length":   {Calm: time.Microsecond},
		"a recovery of a year":  {Recover: 365 * 24 * time.Hour},
		"more than descriptors": {Pairs: descriptorsFor()/2 + 1},
	} {
		if _, err := Storm(context.Background(), cfg, Env{Executable: "/nonexistent"}); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, cfg := range map[string]LoginConfig{
		"too many logins": {Logins: LoginsMax + 1}, "no rate": {Rate: -1}, "too many rounds": {Rounds: RoundsMax + 1},
		"a server that does not tell its CPU": {Target: Target{Server: "127.0.0.1:1"}},
	} {
		if _, err := Login(context.Background(), cfg, Env{Executable: "/nonexistent"}); !errors.Is(err, ErrInput) {
			t.Errorf("login: %s: %v", name, err)
		}
	}
}

func TestTrialRateIsTheSlopeOfTheMiddle(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(100, 0).Add(time.Duration(ms) * time.Millisecond) }
	points := []trialPoint{{at(0), 0}, {at(500), 100}, {at(600), 200}, {at(1200), 800}, {at(9000), 1000}}
	if got := trialRate(points, 1000); round(got, 3) != 1000 {
		t.Errorf("%v a second, want (800-100)/0.7 s", got)
	}
	if got := trialRate([]trialPoint{{at(0), 0}, {at(1), 10}}, 10); got < 1 || got > 1000 {
		t.Errorf("all at once: %v", got)
	}
}

func TestTheTrailHasRoomForSoManyMessagesAndCountsTheRest(t *testing.T) {
	tr := &trail{passed: make([]passed, trailMax-1, trailMax)}
	tr.add(7, 1)
	tr.add(8, 1)
	if len(tr.passed) != trailMax || tr.full != 1 {
		t.Errorf("%d kept, %d counted", len(tr.passed), tr.full)
	}
	var none *trail
	none.add(1, 1)
	all := []passed{{10, 1e6}, {20, 2e6}, {30, 3e6}, {40, 100e6}}
	if p50, p99, ok := quantiles(all, 10, 40); !ok || p50 != 2 || p99 != 2 {
		t.Errorf("p50 %v, p99 %v, %v", p50, p99, ok)
	}
	if l := between(all, 10, 41); l == nil || l.Count != 4 || l.Max < 99 {
		t.Errorf("%+v", l)
	}
	if _, _, ok := quantiles(all, 50, 60); ok {
		t.Error("percentiles of nothing")
	}
}
