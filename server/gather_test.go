package server

import (
	"slices"
	"testing"
	"time"
)

func TestALoopIsSilentSinceItsLastAnswerOrItsBirth(t *testing.T) {
	born := time.Unix(1_000, 0)
	at := func(sec int) time.Time { return born.Add(time.Duration(sec) * time.Second) }
	for _, c := range []struct {
		name    string
		answers []time.Time
		now     time.Time
		want    []int
	}{
		{"a loop that has not answered yet has time", []time.Time{{}, at(1)}, at(2), nil},
		{"a loop that never answers is silent in the end", []time.Time{{}, at(15)}, at(16), []int{0}},
		{"a loop that stopped to answer is silent", []time.Time{at(20), at(3)}, at(20), []int{1}},
		{"loops that answer are not", []time.Time{at(20), at(12)}, at(20), nil},
	} {
		s := &snapshot{born: born, at: c.now, loops: make([]loopCounters, len(c.answers))}
		for i, a := range c.answers {
			s.loops[i].answeredAt = a
		}
		if got := s.silent(15 * time.Second); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestTwoSilentLoopsAreBothGivenUp: the deadline is one for all.
func TestTwoSilentLoopsAreBothGivenUp(t *testing.T) {
	deadline := make(chan struct{})
	close(deadline)
	done := make(chan struct{})
	close(done)
	for i, r := range []*loopReport{{done: make(chan struct{})}, {done: make(chan struct{})}, {done: done}} {
		if got := answered(r, deadline); got != (i == 2) {
			t.Errorf("loop %d: answered is %v", i, got)
		}
	}
}
