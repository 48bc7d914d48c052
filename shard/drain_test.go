package shard

import "testing"

// told is how many of the sessions have their GOAWAY.
func (s *Shard) told() (n int) {
	for slot := range s.slotsMax {
		if p := s.sessions.Peek(slot); p != nil && p.flags&flagToldAway != 0 {
			n++
		}
	}
	return n
}

// crowd has that many sessions open.
func crowd(s *Shard, sessions uint32) {
	for slot := range sessions {
		conn := Conn(1<<32 | uint64(slot))
		s.Open(testNow, conn, false)
		s.sessions.Peek(slot).state = sessionOpen
	}
}

func TestADrainGoesOnHoweverTheClockSteps(t *testing.T) {
	const sessions, period = 100, 1_000
	for name, row := range map[string]struct {
		step       int64
		then, last int64 // how long after the step half of the rest, and all, must be told
	}{
		"it does not":         {0, 260, 500},
		"an hour back":        {-3_600_000, 510, 1_000},
		"an hour on":          {3_600_000, 0, 0},
		"a little back":       {-100, 360, 600},
		"to before the start": {-501, 510, 1_000},
	} {
		s := quietShard()
		crowd(s, sessions)
		s.Drain(testNow, DrainPlan{PeriodMs: period})
		s.Tick(testNow + period/2)
		before := s.told()
		if before < sessions/2 || before > sessions/2+1 {
			t.Errorf("%s: %d of %d are told at half time", name, before, sessions)
		}
		now := testNow + period/2 + row.step
		s.Tick(now)
		s.Tick(now + row.then)
		if n := s.told(); n < before+(sessions-before)/2 {
			t.Errorf("%s: %d are told %d ms later", name, n, row.then)
		}
		s.Tick(now + row.last)
		if n := s.told(); n != sessions {
			t.Errorf("%s: %d are told %d ms later", name, n, row.last)
		}
	}
}

func TestADrainWithoutAPeriodTellsAllAtOnce(t *testing.T) {
	s := quietShard()
	crowd(s, 50)
	s.Drain(testNow, DrainPlan{})
	if n := s.told(); n != 50 {
		t.Errorf("%d of 50 are told", n)
	}
}

func TestRetryAfterComesFromTheConfig(t *testing.T) {
	s := quietShard()
	s.cfg.RetryAfter = func(user uint64) uint32 { return uint32(user) + 7 }
	if got := s.retryAfter(5); got != 12 {
		t.Errorf("retry after %d ms", got)
	}
}
