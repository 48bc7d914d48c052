package bench

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// pulse counts latencies so that somebody else can read them while they are noted: one atomic count for each step of at most 1/16 of a
// value, from 1 us to latencyMax; 6 KiB. The report's own percentiles come from the loops' exact histograms.
type pulse struct {
	counts [pulseSteps]atomic.Uint64
	taken  [pulseSteps]uint64 // as of the last take; belongs to its caller
}

const (
	pulseSub   = 16            // steps of one power of two
	pulseShift = 4             // log2 of pulseSub
	pulseSteps = 23 * pulseSub // up to 64 s
)

// note counts one latency. A nil pulse counts nothing.
func (p *pulse) note(ns int64) {
	if p != nil {
		p.counts[pulseStep(ns)].Add(1)
	}
}

// pulseStep is the step of a latency: linear below 16 us, then 16 steps for each power of two.
func pulseStep(ns int64) int {
	us := uint64(min(max(ns, 0), int64(latencyMax))) / uint64(time.Microsecond)
	if us < pulseSub {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - pulseShift
	return min((shift+1)*pulseSub+int(us>>shift)-pulseSub, pulseSteps-1)
}

// pulseValue is the middle of a step, ns.
func pulseValue(step int) int64 {
	if step < pulseSub {
		return int64(step)*int64(time.Microsecond) + int64(time.Microsecond)/2
	}
	shift := step/pulseSub - 1
	low := int64(pulseSub+step%pulseSub) << shift
	return (low + (int64(1)<<shift)/2) * int64(time.Microsecond)
}

// take adds what was noted since the last take. One caller at a time.
func (p *pulse) take(into *hdrhistogram.Histogram) {
	if p == nil {
		return
	}
	for i := range p.counts {
		now := p.counts[i].Load()
		if n := now - p.taken[i]; n > 0 {
			_ = into.RecordValues(min(pulseValue(i), int64(latencyMax)), int64(n)) // within the range by construction
			p.taken[i] = now
		}
	}
}

// newPulseHistogram is what pulses are read into: two digits are more than they hold, and it is small.
func newPulseHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(time.Microsecond), int64(latencyMax), 2)
}
