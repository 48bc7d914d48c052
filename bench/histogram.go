package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency are percentiles in milliseconds, from the moment a message was due to the moment it was there.
type Latency struct {
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99.9"`
	Max   float64 `json:"max"`
	Mean  float64 `json:"mean"`
	Count int64   `json:"count"`
}

// newHistogram is one loop's histogram: 1 us to latencyMax, 200 KiB.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(time.Microsecond), int64(latencyMax), latencyDigits)
}

// record notes one latency; what lies outside the range counts as its end.
func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, 0), int64(latencyMax)))
}

// latencyOf reads the percentiles; nil when nothing was recorded.
func latencyOf(h *hdrhistogram.Histogram) *Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
	return &Latency{
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: float64(h.Max()) / 1e6, Mean: h.Mean() / 1e6, Count: h.TotalCount(),
	}
}

// LatencyStep is one step of a latency histogram: so many percent of all took at most that long.
type LatencyStep struct {
	Percentile float64 `json:"percentile"`
	Ms         float64 `json:"ms"`
	Count      int64   `json:"count"` // that took at most that long
}

// latencySteps is a histogram over percentiles, closer together towards the tail (a few for each halving of what is left); about a hundred steps at most.
func latencySteps(h *hdrhistogram.Histogram) (steps []LatencyStep) {
	if h.TotalCount() == 0 {
		return nil
	}
	for _, b := range h.CumulativeDistributionWithTicks(latencyTicks) {
		steps = append(steps, LatencyStep{Percentile: round(b.Quantile, 6), Ms: round(float64(b.ValueAt)/1e6, 6), Count: b.Count})
	}
	return steps
}

// latency takes the latencies that the report shows.
func (r *Report) latency(h *hdrhistogram.Histogram) {
	r.LatencyMs, r.LatencyHistogram = latencyOf(h), latencySteps(h)
}
