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

// TestNothingIsViolatedWithEveryRule plays the fixed schedules, then fresh ones, or the one that MODEL_SEED names, in both modes.
func TestNothingIsViolatedWithEveryRule(t *testing.T) {
	if v := os.Getenv("MODEL_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("MODEL_SEED: %v", err)
		}
		for _, mode := range modes {
			if Run(seed, mode, Rules{}) != nil {
				steps, story := shrink(seed, mode, Rules{})
				t.Fatalf("%v: %d steps are enough:\n%s", mode, steps, strings.Join(story, "\n"))
			}
		}
		return
	}
	fresh := uint64(time.Now().UnixNano())
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			for _, from := range []uint64{0, fresh} {
				for seed := from; seed < from+schedules; seed++ {
					if err := Run(seed, mode, Rules{}); err != nil {
						t.Fatalf("MODEL_SEED=%d: %v", seed, err)
					}
				}
			}
		})
	}
}

// TestEveryRuleIsNeeded takes one rule away at a time. It stops at the first schedule that fails; with -v it plays them all
// in both modes and prints the tables of docs/adr/0002-delivery-rules-modelled.md and 0009-durability-modelled.md.
func TestEveryRuleIsNeeded(t *testing.T) {
	for _, rule := range List() {
		t.Run(rule.String(), func(t *testing.T) {
			t.Parallel()
			its := Memory
			if rule >= firstOfDisk {
				its = Disk
			}
			var failed [len(modes)]int
			var first [len(modes)]error
			for _, mode := range modes {
				if mode == its || testing.Verbose() {
					failed[mode], first[mode] = failures(mode, Rules{}.Without(rule))
				}
			}
			if failed[its] == 0 {
				t.Fatalf("%d schedules do not need it", schedules)
			}
			t.Logf("| %s | %d | %d | %v |", rule, failed[Memory], failed[Disk], first[its])
		})
	}
}

var modes = [...]Mode{Memory, Disk}

// failures counts the schedules that fail: the first one only, unless the table is to be printed.
func failures(mode Mode, rules Rules) (failed int, first error) {
	for seed := range uint64(schedules) {
		err := Run(seed, mode, rules)
		if err == nil {
			continue
		}
		if failed++; first == nil {
			first = err
		}
		if !testing.Verbose() {
			break
		}
	}
	return failed, first
}

func TestAScheduleIsTheSameEachTime(t *testing.T) {
	rules := Rules{}.Without(RedeliverWindow)
	for seed := range uint64(200) {
		mode := modes[seed%2]
		a, b := Run(seed, mode, rules), Run(seed, mode, rules)
		if (a == nil) != (b == nil) || a != nil && a.Error() != b.Error() {
			t.Fatalf("seed %d: %v, then %v", seed, a, b)
		}
	}
}

// The storm must reach what the rules are about; each count is over the fixed schedules.
func TestTheStormReachesEverything(t *testing.T) {
	var written, ticked, kept, restarts, lives, stopped, again, givenBack, early, holds, replays int
	for seed := range uint64(schedules) {
		w := play(seed, Memory, Rules{}, nil, nil)
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

// The disk's storm, too.
func TestTheStormReachesTheDisk(t *testing.T) {
	var crashes, cleanly, forgotten, truncated, writtenBack, twice, fetched, rejected int
	for seed := range uint64(schedules) {
		w := play(seed, Disk, Rules{}, nil, nil)
		crashes += w.crashes
		cleanly, forgotten = cleanly+w.fate.clean, forgotten+w.fate.forgotten
		truncated, writtenBack = truncated+w.fate.truncated, writtenBack+w.fate.writtenBack
		for _, m := range w.msgs {
			twice, fetched, rejected = twice+count(m.twice), fetched+count(m.fetched), rejected+count(m.rejected)
		}
	}
	t.Logf("%d ends of the process, %d of them clean; %d notes forgotten, %d truncated; %d mailboxes written back; %d messages fetched, %d rejected, %d stored twice",
		crashes, cleanly, forgotten, truncated, writtenBack, fetched, rejected, twice)
	for _, n := range []int{crashes, 4 * cleanly, forgotten, truncated, writtenBack, 2 * twice, fetched, rejected} {
		if n < schedules/2 {
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
	if len(List()) != len(ruleNames) || ruleEnd.String() != "no rule" {
		t.Fatalf("%d rules, %d names", len(List()), len(ruleNames))
	}
	seen := map[string]bool{}
	for _, r := range List() {
		if seen[r.String()] || !(Rules{}).has(r) {
			t.Errorf("rule %d is %q", r, r)
		}
		seen[r.String()] = true
	}
}

func BenchmarkSchedule(b *testing.B) {
	seed := uint64(0)
	for b.Loop() {
		if err := Run(seed, modes[seed%2], Rules{}); err != nil {
			b.Fatalf("MODEL_SEED=%d: %v", seed, err)
		}
		seed++
	}
}
