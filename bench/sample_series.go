package bench

import "math"

// add appends a point. When SeriesPointsMax are there, each two become one, and from then on as many samples as that makes become one: memory
// is bounded however long a run is.
func (s *Series) add(p Point) {
	if p.took = p.Seconds; s.end > 0 {
		p.took = p.Seconds - s.end
	}
	s.end = p.Seconds
	s.Samples++
	if s.each = max(s.each, 1); s.pending == 0 {
		s.open = p
	} else {
		s.open = s.open.with(p)
	}
	if s.pending++; s.pending < s.each {
		return
	}
	s.closePoint()
	if len(s.Points) < SeriesPointsMax {
		return
	}
	half := s.Points[:0]
	for i := 0; i+1 < len(s.Points); i += 2 {
		half = append(half, s.Points[i].with(s.Points[i+1]))
	}
	s.Points = half
	s.each *= 2
	s.EverySeconds *= 2
}

// closePoint ends the point that samples are gathered in.
func (s *Series) closePoint() {
	if s.pending > 0 {
		s.Points = append(s.Points, s.open)
		s.pending = 0
	}
}

// with is one point for p and the one behind it.
func (p Point) with(q Point) Point {
	a, b := share(p.took, q.took)
	return Point{Seconds: q.Seconds, took: p.took + q.took, Server: p.Server.with(q.Server, a, b), Load: p.Load.with(q.Load, a, b)}
}

// share is what two lengths are of their sum.
func share(a, b float64) (float64, float64) {
	if a+b <= 0 {
		return 0.5, 0.5
	}
	return a / (a + b), b / (a + b)
}

func (p *ServerPoint) with(q *ServerPoint, a, b float64) *ServerPoint {
	if p == nil || q == nil {
		return either(p, q)
	}
	mean := func(x, y float64) float64 { return round(a*x+b*y, 3) }
	m := *q
	m.RSSBytes, m.HeapBytes = max(p.RSSBytes, q.RSSBytes), max(p.HeapBytes, q.HeapBytes)
	m.KernelBytes, m.GCPauseMaxMs = larger(p.KernelBytes, q.KernelBytes), larger(p.GCPauseMaxMs, q.GCPauseMaxMs)
	m.CPUCores = mean(p.CPUCores, q.CPUCores)
	m.LoginsPerSecond, m.MessagesPerSecond = mean(p.LoginsPerSecond, q.LoginsPerSecond), mean(p.MessagesPerSecond, q.MessagesPerSecond)
	m.GCCycles = p.GCCycles + q.GCCycles
	if p.ConnectsPerSecond != nil && q.ConnectsPerSecond != nil {
		m.ConnectsPerSecond = ptr(mean(*p.ConnectsPerSecond, *q.ConnectsPerSecond))
	}
	return &m
}

func (p *LoadPoint) with(q *LoadPoint, a, b float64) *LoadPoint {
	if p == nil || q == nil {
		return either(p, q)
	}
	mean := func(x, y float64) float64 { return round(a*x+b*y, 3) }
	m := *q
	m.ConnectsPerSecond, m.LoginsPerSecond = mean(p.ConnectsPerSecond, q.ConnectsPerSecond), mean(p.LoginsPerSecond, q.LoginsPerSecond)
	m.MessagesPerSecond, m.ErrorsPerSecond = mean(p.MessagesPerSecond, q.MessagesPerSecond), mean(p.ErrorsPerSecond, q.ErrorsPerSecond)
	m.P50Ms, m.P99Ms, m.P999Ms = larger(p.P50Ms, q.P50Ms), larger(p.P99Ms, q.P99Ms), larger(p.P999Ms, q.P999Ms)
	return &m
}

// either is the one that is there.
func either[T any](p, q *T) *T {
	if q != nil {
		return q
	}
	return p
}

// larger is the larger of two that may be missing.
func larger[T int64 | float64](p, q *T) *T {
	if p == nil || q == nil {
		return either(p, q)
	}
	return ptr(max(*p, *q))
}

// smaller is the smaller of two that may be missing.
func smaller(p, q *int64) *int64 {
	if p == nil || q == nil {
		return either(p, q)
	}
	return ptr(min(*p, *q))
}

// longestPause is the upper bound of the longest pause that came between two readings of the same server, ms; nil: there was none.
func longestPause(before, after []pauseCount) *float64 {
	had := map[float64]uint64{}
	for _, c := range before {
		had[c.UpToMs] = c.Count
	}
	longest := -1.0
	for _, c := range after {
		if c.Count > had[c.UpToMs] {
			longest = math.Max(longest, c.UpToMs)
		}
	}
	if longest < 0 {
		return nil
	}
	return &longest
}
