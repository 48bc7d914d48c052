package bench

import (
	"testing"
	"time"
)

func TestEachMessageIsDueAtAWake(t *testing.T) {
	for _, row := range []struct {
		perSecond float64
		want      time.Duration
	}{{0, runWakeMax}, {1, 5 * time.Millisecond}, {139.6, 3_581_661}, {200, 5 * time.Millisecond}, {1_000, time.Millisecond}, {3, 4_975_124}} {
		if got := wakeEvery(row.perSecond); got != row.want {
			t.Errorf("%v messages a second: a wake each %d ns, want %d", row.perSecond, got, row.want)
		}
	}
}

// usersOf makes the users of a process without a loop.
func usersOf(o crewOrders) *people {
	return newPeople(newSessionLoop(&fleet{}, nil, newClock(), 1_000), o)
}

func TestOverdueIsWhatHadItsTickAndHasNotCome(t *testing.T) {
	p := usersOf(crewOrders{Connections: 8, Cell: 4, Talk: 2, Mixed: 1, GroupShare: 0.5, Bytes: 20})
	for u := range p.folk {
		p.folk[u].state, p.folk[u].since = citizenThere, 1
	}
	if n := p.overdue(10); n != 0 {
		t.Fatalf("the first look found %d", n)
	}
	p.sentTo[0*4+1] = 3 // user 0 wrote three times to user 1, of which two are ticked
	p.folk[0].outbox = []letter{{seq: 3, pos: 1}}
	p.sentAll[5] = 1 // user 5 wrote to its group: users 4, 6 and 7
	if n := p.overdue(20); n != 0 {
		t.Fatalf("%d overdue of what was sent since the look before", n)
	}
	p.gotAll[4*4+1] = 1  // user 4 has it
	p.folk[6].since = 35 // user 6 came later
	p.folk[7].stalled = true
	p.gotFrom[1*4+0] = 1
	if n := p.overdue(30); n != 1 {
		t.Errorf("%d overdue, want one of the two messages to user 1", n)
	}
	p.gotFrom[1*4+0] = 2
	p.odd[uint64(1*4+0)<<1] = &stream{next: 3, gaps: []gap{{1, 1}}}
	if n := p.overdue(40); n != 1 {
		t.Errorf("%d overdue, want the gap", n)
	}
}

func TestASpanHoldsWhatWasDueInIt(t *testing.T) {
	p := usersOf(crewOrders{Connections: 2, Cell: 2, Talk: 1, Bytes: 20})
	if p.spanOf(p.clock.now()) != nil {
		t.Error("something is measured before the first span")
	}
	var starts []int64
	for n := 1; n <= runPhases+2; n++ {
		p.phase(n)
		starts = append(starts, p.spans[n%runPhases].start)
	}
	p.phase(0)
	for i, at := range starts[len(starts)-runPhases:] {
		if s := p.spanOf(at); s == nil || s.number != i+3 {
			t.Errorf("what was due at the start of span %d is in %+v", i+3, s)
		}
	}
	if s := p.spanOf(p.clock.now()); s != nil {
		t.Errorf("what is due behind the end is in span %d", s.number)
	}
}

func TestMemoryOfASoakIsJudgedByItsThirds(t *testing.T) {
	for _, row := range []struct {
		name   string
		memory []int64
		bad    bool
	}{
		{"memory that stands", []int64{90, 100, 100, 101, 99, 100}, false},
		{"a start that grows", []int64{10, 40, 100, 100, 100, 100}, false},
		{"memory that grows", []int64{100, 110, 120, 130, 150, 160}, true},
		{"too few looks", []int64{1, 100}, false},
	} {
		s := &RunSoak{AllowedPct: 10}
		for _, m := range row.memory {
			s.memory = append(s.memory, m<<20)
		}
		s.grown()
		found := false
		s.judge(func(when bool, _ string, _ ...any) { found = found || when })
		if found != row.bad {
			t.Errorf("%s: %v, grown %v", row.name, found, s.GrownPct)
		}
	}
}
