package bench

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPresenceThatMakesNoSenseStartsNothing(t *testing.T) {
	for name, c := range map[string]PresenceConfig{
		"more watchers than may watch one":   {Watchers: PresenceWatchersMax + 1},
		"more people than there is room for": {Users: PresenceUsersMax + 1},
		"more watches than a session has":    {Each: PresenceEachMax + 1},
		"people who change backwards":        {Flips: -1},
		"messages without a head":            {Bytes: 3},
		"pairs that do not talk":             {Rate: -1},
		"a span of no length":                {Duration: time.Microsecond},
		"a server that is not the run's own": {Target: Target{Server: "127.0.0.1:1"}},
		"the encrypted transport":            {Target: Target{Transport: Noise}},
	} {
		if _, err := Presence(context.Background(), c, Env{Executable: "/nonexistent"}); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatChangesAddIsTheMedianOfTheRounds(t *testing.T) {
	live := &messageRun{loops: []*sessionLoop{{traffic: &traffic{trail: newTrail()}}}}
	add := func(at, took time.Duration) { live.loops[0].traffic.trail.add(int64(at), int64(took)) }
	var s presenceSpans
	for round := range time.Duration(3) {
		from := 10 * round * time.Second
		s.quiet = append(s.quiet, [2]int64{int64(from), int64(from + time.Second)})
		s.flips = append(s.flips, [2]int64{int64(from + time.Second), int64(from + 2*time.Second)})
		add(from, time.Millisecond)
		add(from+time.Second, (2+round)*time.Millisecond)
		add(from+3*time.Second, time.Minute) // while it calms down: in neither
	}
	var c PresenceCase
	c.sum(live, &s)
	if len(c.QuietP99) != 3 || c.AddedP99 == nil || *c.AddedP99 < 1.99 || *c.AddedP99 > 2.01 || c.FlipsMs.Count != 3 || c.QuietMs.Max > 1.01 {
		t.Errorf("%+v", c)
	}
}
