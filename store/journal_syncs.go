package store

import (
	"slices"
	"time"
)

// journalSyncs remembers how long the last syncs took.
type journalSyncs struct {
	took  [FsyncsRemembered]time.Duration
	count uint64
}

func (s *journalSyncs) add(d time.Duration) {
	s.took[s.count%FsyncsRemembered] = d
	s.count++
}

func (s *journalSyncs) quantiles() Quantiles {
	n := int(min(s.count, FsyncsRemembered))
	if n == 0 {
		return Quantiles{}
	}
	sorted := slices.Clone(s.took[:n])
	slices.Sort(sorted)
	at := func(share float64) float64 { return sorted[min(n-1, int(share*float64(n)))].Seconds() }
	return Quantiles{P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: sorted[n-1].Seconds(), Count: s.count}
}
