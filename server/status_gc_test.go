package server

import (
	"math"
	"reflect"
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestPausesAreTheBucketsThatHoldSomething(t *testing.T) {
	h := &metrics.Float64Histogram{
		Counts:  []uint64{0, 3, 0, 1, 2},
		Buckets: []float64{0, 1e-6, 2e-6, 1e-3, 0.0125, math.Inf(1)},
	}
	want := []PauseCount{{0.002, 3}, {12.5, 1}, {12.5, 2}}
	if got := pauses(h); !reflect.DeepEqual(got, want) {
		t.Errorf("pauses are %v, want %v", got, want)
	}
	if got := pauses(&metrics.Float64Histogram{}); got == nil || len(got) != 0 {
		t.Errorf("no pauses are %#v: a list is never null", got)
	}
}

func TestTheCollectorIsCounted(t *testing.T) {
	before := readGC()
	runtime.GC()
	after := readGC()
	if after.Forced <= before.Forced || after.PauseMaxMs == nil || *after.PauseMaxMs <= 0 || len(after.Pauses) == 0 {
		t.Errorf("from %+v to %+v over a collection", before, after)
	}
}
