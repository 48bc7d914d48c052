package server

import (
	"math"
	"runtime/metrics"

	"trunkline/tuning"
)

// GC is what the garbage collector has done since the process started.
type GC struct {
	Percent    *int   `json:"percent"`     // heap growth between two collections; null: the environment has the word
	LimitBytes *int64 `json:"limit_bytes"` // soft limit of the process's memory; null: none, or the environment has the word
	Reason     string `json:"reason"`      // why they are so

	Forced     uint64       `json:"forced_cycles"` // of memory.gc_cycles: asked for, with POST /collect
	PauseMaxMs *float64     `json:"pause_max_ms"`  // null: there was no pause yet
	Pauses     []PauseCount `json:"pauses"`        // rows with a count only
}

// PauseCount says how many pauses were at most that long, and longer than the row before.
type PauseCount struct {
	UpToMs float64 `json:"up_to_ms"`
	Count  uint64  `json:"count"`
}

// KernelStatus is what the kernel of the machine keeps for sockets, of all processes.
type KernelStatus struct {
	SocketBytes *int64 `json:"socket_bytes"` // null where it can't be read
	Source      string `json:"source"`
}

// readGC reads the collector's counters without stopping the world.
func readGC() GC {
	samples := []metrics.Sample{{Name: "/gc/cycles/forced:gc-cycles"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	gc := GC{Forced: samples[0].Value.Uint64(), Pauses: pauses(samples[1].Value.Float64Histogram())}
	if n := len(gc.Pauses); n > 0 {
		gc.PauseMaxMs = &gc.Pauses[n-1].UpToMs
	}
	return gc
}

// pauses are the buckets of a histogram of seconds that hold something, by their upper ends: at most a quarter above the pause. The last
// bucket has no end; it is known by where it begins.
func pauses(h *metrics.Float64Histogram) []PauseCount {
	rows := []PauseCount{}
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		end := h.Buckets[i+1]
		if math.IsInf(end, 1) {
			end = h.Buckets[i]
		}
		rows = append(rows, PauseCount{UpToMs: math.Round(end*1e9) / 1e6, Count: n})
	}
	return rows
}

// chosen says how the collector is set.
func (gc *GC) chosen(c GCChoice) {
	if gc.Reason = c.Reason; !c.PercentGiven {
		gc.Percent = &c.Percent
	}
	if !c.LimitGiven && c.LimitBytes != math.MaxInt64 {
		gc.LimitBytes = &c.LimitBytes
	}
}

// readKernel reads what sockets take beside the process.
func readKernel() KernelStatus {
	m, ok := tuning.ReadSocketMemory()
	if !ok {
		return KernelStatus{}
	}
	return KernelStatus{SocketBytes: &m.Bytes, Source: m.Source}
}
