package bench

import (
	"math"
	"testing"
)

func TestASeriesIsBoundedHoweverLongARunIs(t *testing.T) {
	const samples = 123_457
	s := &Series{EverySeconds: 0.5}
	cycles, most := int64(0), int64(0)
	for i := range samples {
		now := float64(i+1) / 2
		p := Point{Seconds: now, Server: &ServerPoint{Connections: int64(i), GCCycles: int64(i % 3), MessagesPerSecond: float64(i % 7), RSSBytes: 1_000},
			Load: &LoadPoint{Connections: int64(i), MessagesPerSecond: 5, P99Ms: ptr(float64(i % 10))}}
		if i == 40_000 {
			p.Server.RSSBytes, p.Server.GCPauseMaxMs, p.Load.P99Ms = 9_999, ptr(77.0), ptr(88.0)
		}
		cycles += p.Server.GCCycles
		most = max(most, p.Server.RSSBytes)
		s.add(p)
		if len(s.Points) >= SeriesPointsMax || cap(s.Points) > 2*SeriesPointsMax {
			t.Fatalf("after %d samples there are %d points in room for %d", i+1, len(s.Points), cap(s.Points))
		}
	}
	s.closePoint()
	if s.Samples != samples || len(s.Points) < SeriesPointsMax/2 || s.EverySeconds != 0.5*float64(s.each) {
		t.Errorf("%d samples, %d points every %v s", s.Samples, len(s.Points), s.EverySeconds)
	}
	if last := s.Points[len(s.Points)-1]; last.Seconds != float64(samples)/2 || last.Server.Connections != samples-1 {
		t.Errorf("the last point is %+v", last)
	}
	gotCycles, gotMost, pause, p99, messages, before := int64(0), int64(0), 0.0, 0.0, 0.0, 0.0
	for _, p := range s.Points {
		if p.Seconds <= before {
			t.Fatalf("a point at %v after one at %v", p.Seconds, before)
		}
		messages += p.Server.MessagesPerSecond * (p.Seconds - before)
		before = p.Seconds
		gotCycles += p.Server.GCCycles
		gotMost = max(gotMost, p.Server.RSSBytes)
		if v := p.Server.GCPauseMaxMs; v != nil {
			pause = max(pause, *v)
		}
		p99 = max(p99, *p.Load.P99Ms)
	}
	if gotCycles != cycles || gotMost != most || pause != 77 || p99 != 88 {
		t.Errorf("%d cycles of %d, memory %d of %d, pause %v, p99 %v", gotCycles, cycles, gotMost, most, pause, p99)
	}
	if mean := messages / before; math.Abs(mean-3) > 0.01 {
		t.Errorf("rates of 0 to 6 have a mean of %v", mean)
	}
}

func TestPointsWithoutAServerOrALoadAreKept(t *testing.T) {
	a := Point{Seconds: 1, took: 1, Server: &ServerPoint{Connections: 3}}
	b := Point{Seconds: 2, took: 1, Load: &LoadPoint{Errors: 4}}
	for _, m := range []Point{a.with(b), b.with(a)} {
		if m.Server == nil || m.Server.Connections != 3 || m.Load == nil || m.Load.Errors != 4 {
			t.Errorf("merged into %+v", m)
		}
	}
}

func TestLongestPauseIsOneThatCameInBetween(t *testing.T) {
	before := []pauseCount{{0.1, 5}, {20, 1}}
	for _, row := range []struct {
		after []pauseCount
		want  float64
	}{
		{[]pauseCount{{0.1, 6}, {20, 1}}, 0.1},
		{[]pauseCount{{0.1, 6}, {3, 1}, {20, 1}}, 3},
		{[]pauseCount{{0.1, 5}, {20, 2}}, 20},
		{before, -1},
	} {
		got := longestPause(before, row.after)
		if got == nil && row.want >= 0 || got != nil && *got != row.want {
			t.Errorf("%v: %v, want %v", row.after, got, row.want)
		}
	}
}

func TestAPulseTellsLatenciesApartByASixteenth(t *testing.T) {
	for _, ns := range []int64{0, 900, 1_000, 15_999, 16_000, 17_000, 999_999, 1_000_000, 123_456_789, int64(latencyMax) - 1} {
		got := pulseValue(pulseStep(ns))
		if off := math.Abs(float64(got - ns)); off > math.Max(float64(ns)/16, 1_000) {
			t.Errorf("%d ns counts as %d", ns, got)
		}
	}
	for _, ns := range []int64{-5, int64(latencyMax), math.MaxInt64} {
		if i := pulseStep(ns); i < 0 || i >= pulseSteps {
			t.Errorf("%d ns is step %d", ns, i)
		}
	}
	p := &pulse{}
	p.note(1_000_000)
	first, second := newPulseHistogram(), newPulseHistogram()
	p.take(first)
	p.note(5_000_000)
	p.note(5_000_000)
	p.take(second)
	if first.TotalCount() != 1 || second.TotalCount() != 2 || second.Min() < 4_000_000 {
		t.Errorf("took %d and then %d, from %d ns on", first.TotalCount(), second.TotalCount(), second.Min())
	}
	var none *pulse
	none.note(1)
	none.take(first)
}
