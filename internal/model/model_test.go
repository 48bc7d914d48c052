package model

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// schedules is how many seeds, from 0 on, every set of rules is tried with.
const schedules = 2_000

// TestNothingIsViolatedWithEveryRule plays the fixed schedules, then fresh ones, or the one that MODEL_SEED names.
func TestNothingIsViolatedWithEveryRule(t *testing.T) {
	if v := os.Getenv("MODEL_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("MODEL_SEED: %v", err)
		}
		if Run(seed, AllRules) != nil {
			steps, story := shrink(seed, AllRules)
			t.Fatalf("%d steps are enough:\n%s", steps, strings.Join(story, "\n"))
		}
		return
	}
	fresh := uint64(time.Now().UnixNano())
	for _, from := range []uint64{0, fresh} {
		for seed := from; seed < from+schedules; seed++ {
			if err := Run(seed, AllRules); err != nil {
				t.Fatalf("MODEL_SEED=%d: %v", seed, err)
			}
		}
	}
}

// TestEveryRuleIsNeeded takes one rule away at a time. It stops at the first schedule that fails; with -v it plays them all
// and prints the table of docs/adr/0002-delivery-rules-modelled.md.
func TestEveryRuleIsNeeded(t *testing.T) {
	for _, rule := range Rules() {
		t.Run(rule.String(), func(t *testing.T) {
			t.Parallel()
			failed := 0
			var first error
			for seed := range uint64(schedules) {
				err := Run(seed, AllRules&^rule)
				if err == nil {
					continue
				}
				if failed++; first == nil {
					first = err
				}
				if !testing.Verbose() {
					return
				}
			}
			if failed == 0 {
				t.Fatalf("%d schedules do not need it", schedules)
			}
			t.Logf("| %s | %d | %v |", rule, failed, first)
		})
	}
}

func TestAScheduleIsTheSameEachTime(t *testing.T) {
	rules := AllRules &^ RedeliverWindow
	for seed := range uint64(200) {
		a, b := Run(seed, rules), Run(seed, rules)
		if (a == nil) != (b == nil) || a != nil && a.Error() != b.Error() {
			t.Fatalf("seed %d: %v, then %v", seed, a, b)
		}
	}
}

// The storm must reach what the rules are about; each count is over the fixed schedules.
func TestTheStormReachesEverything(t *testing.T) {
	var written, ticked, kept, restarts, lives, stopped, again, givenBack, early, holds, replays int
	for seed := range uint64(schedules) {
		w := play(seed, AllRules, nil, nil)
		written += len(w.msgs)
		restarts += w.restarts
		lives += len(w.clients)
		early, holds, replays = early+len(w.taken), holds+w.holds, replays+w.replays
		for _, m := range w.msgs {
			ticked += count(m.ticked)
			kept += count(m.refusedForGood)
			again += count(m.again)
			givenBack += count(m.givenBack)
		}
		for _, c := range w.clients {
			stopped += count(c.stopped)
		}
	}
	t.Logf("%d messages written, %d ticked, %d rejected, %d had before data was lost, %d given back, in %d losses of data; %d clients, %d stale",
		written, ticked, kept, again, givenBack, restarts, lives, stopped)
	t.Logf("%d first flights taken at once, %d held, %d replays", early, holds, replays)
	for _, n := range []int{early, holds, replays, written / 10, ticked / 10, kept, again, 2 * givenBack, restarts, lives - devices*schedules, stopped} {
		if n < schedules/4 {
			t.Errorf("only %d", n)
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestRulesHaveNames(t *testing.T) {
	if len(Rules()) != len(ruleNames) || Rule(0).String() != "no rule" {
		t.Fatalf("%d rules, %d names", len(Rules()), len(ruleNames))
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.String()] || !AllRules.has(r) {
			t.Errorf("rule %d is %q", r, r)
		}
		seen[r.String()] = true
	}
}

func BenchmarkSchedule(b *testing.B) {
	seed := uint64(0)
	for b.Loop() {
		if err := Run(seed, AllRules); err != nil {
			b.Fatalf("MODEL_SEED=%d: %v", seed, err)
		}
		seed++
	}
}
