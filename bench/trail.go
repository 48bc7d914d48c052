package bench

import (
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// trail remembers the latency of every message of one loop, so that it can be shown over time. It belongs to the loop until
// that has ended. nil remembers nothing.
type trail struct {
	passed []passed
	full   uint64 // messages that found no room
}

// passed is one message: when it was due and how long it took, ns.
type passed struct{ at, took int64 }

func newTrail() *trail { return &trail{passed: make([]passed, 0, trailGrowth)} }

// add notes a message; over trailMax it is counted only.
func (t *trail) add(at, took int64) {
	switch {
	case t == nil:
	case len(t.passed) == trailMax:
		t.full++
	default:
		t.passed = append(t.passed, passed{at, took})
	}
}

// between is the latency of the messages that were due in from..to-1.
func between(all []passed, from, to int64) *Latency {
	h := newHistogram()
	spread(h, all, from, to)
	return latencyOf(h)
}

func spread(h *hdrhistogram.Histogram, all []passed, from, to int64) {
	for _, p := range all {
		if p.at >= from && p.at < to {
			record(h, p.took)
		}
	}
}

// quantiles are exact, of few messages: those that were due in from..to-1. ok is false when there were none.
func quantiles(all []passed, from, to int64) (p50, p99 float64, ok bool) {
	var took []int64
	for _, p := range all {
		if p.at >= from && p.at < to {
			took = append(took, p.took)
		}
	}
	if len(took) == 0 {
		return 0, 0, false
	}
	slices.Sort(took)
	at := func(q float64) float64 { return round(float64(took[int(q*float64(len(took)-1))])/1e6, 3) }
	return at(0.50), at(0.99), true
}
