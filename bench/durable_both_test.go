package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// ackRun is the report of one run in a mode.
func ackRun(p50, cpu float64, j *JournalUse) *Report {
	return &Report{
		CPUUsPerMessage: &cpu, MessagesPerSecond: ptr(1_000.0),
		Message: &MessageResult{FirstTickMs: &Latency{P50: p50, P99: 3 * p50}, Journal: j},
	}
}

func TestDiskIsComparedWithMemoryRoundByRound(t *testing.T) {
	var a AckResult
	for _, row := range [][2]float64{{0.2, 2.6}, {1.2, 3.5}, {0.3, 2.9}} { // the second round met a busy machine, in both modes
		a.Memory.add(ackRun(row[0], 10, nil))
		a.Disk.add(ackRun(row[1], 14, &JournalUse{Fsyncs: 9, FsyncP50Ms: 0.8, LingerMs: 1}))
	}
	a.judge()
	if *a.AddedP50Ms != 2.4 || *a.AddedCPUUs != 4 || *a.BudgetMs != 2.6 || !*a.Within || a.Memory.TickP50Ms != 0.3 {
		t.Errorf("added %v ms, %v us, budget %v, within %v, memory %v", *a.AddedP50Ms, *a.AddedCPUUs, *a.BudgetMs, *a.Within, a.Memory.TickP50Ms)
	}
	for range 3 {
		a.Disk.add(ackRun(9, 14, nil))
		a.Memory.add(ackRun(1, 10, nil))
	}
	if a.judge(); *a.Within {
		t.Errorf("%v ms are not within %v", *a.AddedP50Ms, *a.BudgetMs)
	}
	var text strings.Builder
	tab := newTable(&text)
	a.rows(tab)
	if err := tab.flush(); err != nil || !strings.Contains(text.String(), "ABOVE") {
		t.Errorf("%v\n%s", err, &text)
	}
}

func TestAServerThatSaysNothingOfAJournalIsNotJudged(t *testing.T) {
	var a AckResult
	a.Memory.add(ackRun(1, 10, nil))
	a.Disk.add(ackRun(2, 10, nil))
	if a.judge(); a.Within != nil || a.FsyncP50Ms != nil || *a.AddedP50Ms != 1 {
		t.Errorf("%+v", a)
	}
}

func TestTheModeIsAFlagOfTheServer(t *testing.T) {
	c := MessageConfig{Ack: AckDisk, Linger: 3 * time.Millisecond, Target: Target{Args: []string{"--loops", "1"}}}
	want := []string{"--ack", "disk", "--journal-linger", "3ms", "--loops", "1"} // what the caller says comes last, and counts
	if got := c.ackTarget().Args; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, wrong := range []MessageConfig{
		{Ack: "paper"},
		{Ack: AckBoth, Rounds: -1},
		{Ack: AckMemory, Linger: time.Millisecond},
		{Ack: AckDisk, Linger: -1},
		{Ack: AckBoth, Target: Target{Server: "127.0.0.1:1"}},
	} {
		if _, err := Message(context.Background(), wrong, Env{Executable: "/nonexistent"}); !errors.Is(err, ErrInput) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

func TestTheFirstTickIsTimedFromWhenAMessageWasDue(t *testing.T) {
	s := startFakeServer(t, nil)
	for name, rate := range map[string]int{"paced": 500, "closed loop": 0} {
		cfg := quickMessages(s.addr())
		cfg.Rate = rate
		r, err := Message(context.Background(), cfg, Env{})
		if err != nil {
			t.Fatal(err)
		}
		l := r.Message.FirstTickMs
		if l == nil || l.P50 <= 0 || l.P50 > 1_000 || l.Count < r.LatencyMs.Count/2 || l.Count > 2*r.LatencyMs.Count {
			t.Errorf("%s: first tick %+v, latency %+v", name, l, r.LatencyMs)
		}
	}
}
