package model

import (
	"regexp"
	"testing"
)

var digits = regexp.MustCompile(`[0-9]+`)

// failure names what is violated, without the numbers; "" is nothing.
func failure(w *world) string {
	if w.err == nil {
		return ""
	}
	return digits.ReplaceAllString(w.err.Error(), "N")
}

// shrink leaves out every step of the storm that the violation does not need, and tells what is left.
func shrink(seed uint64, mode Mode, rules Rules) (steps int, story []string) {
	skip := map[int]bool{}
	want := failure(play(seed, mode, rules, skip, nil))
	for size := 64; size > 0; {
		fewer := false
		for from := 0; from < stormSteps; from += size {
			var added []int
			for i := from; i < min(from+size, stormSteps); i++ {
				if !skip[i] {
					skip[i] = true
					added = append(added, i)
				}
			}
			if len(added) == 0 {
				continue
			}
			if failure(play(seed, mode, rules, skip, nil)) == want {
				fewer = true
				continue
			}
			for _, i := range added {
				delete(skip, i)
			}
		}
		if size > 1 || !fewer {
			size /= 2
		}
	}
	w := play(seed, mode, rules, skip, &story)
	return stormSteps - len(skip), append(story, "then: "+w.err.Error())
}

func TestAShrunkScheduleFailsInTheSameWay(t *testing.T) {
	rules := Rules{}.Without(IgnoreAfterRefusal)
	for seed := range uint64(schedules) {
		if Run(seed, Memory, rules) == nil {
			continue
		}
		steps, story := shrink(seed, Memory, rules)
		if steps > stormSteps/4 || len(story) < 5 || digits.ReplaceAllString(story[len(story)-1], "N") != "then: "+failure(play(seed, Memory, rules, nil, nil)) {
			t.Errorf("seed %d: %d of %d steps are left, and %q", seed, steps, stormSteps, story)
		}
		return
	}
	t.Fatal("no schedule fails without a rule that is needed")
}
