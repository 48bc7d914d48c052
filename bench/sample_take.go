package bench

import (
	"context"
	"time"
)

// sample takes one point over time.
func (r *recorder) sample(ctx context.Context, now time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	r.take(ctx, now)
}

// take is sample for who holds the lock.
func (r *recorder) take(ctx context.Context, now time.Time) {
	p := Point{Seconds: round(now.Sub(r.began).Seconds(), 3)}
	if st, ok := r.ask(ctx); ok {
		p.Server = r.server(st, now)
	}
	var l load
	if r.read != nil {
		l = r.read()
		p.Load = r.load(l, now)
	}
	if p.Server != nil || p.Load != nil {
		r.series.add(p)
	}
	r.p.beat(p, l)
}

// ask reads /status; false when there is nobody to ask, it does not answer, or it is not to be asked.
func (r *recorder) ask(ctx context.Context) (serverStatus, bool) {
	if r.target == nil || r.target.admin == "" || r.held > 0 {
		return serverStatus{}, false
	}
	st, err := r.target.status(ctx)
	return st, err == nil && st.PID != 0
}

// server is what changed since the last answer. A server that was started anew begins at 0.
func (r *recorder) server(st serverStatus, now time.Time) *ServerPoint {
	last := r.last
	if last.PID != st.PID {
		last = serverStatus{}
	}
	took := now.Sub(r.lastAt).Seconds()
	if last.PID == 0 || took <= 0 {
		took = max(st.Uptime, sampleEvery.Seconds())
	}
	r.sums.add(last, st)
	r.last, r.lastAt = st, now
	per := func(n float64) float64 { return round(max(n, 0)/took, 1) }
	p := &ServerPoint{
		Connections: st.Connections, Sessions: st.Sessions, RSSBytes: st.Memory.RSS, HeapBytes: st.Memory.Heap,
		Goroutines: st.Memory.Goroutines, QueueEntries: st.QueueEntries, KernelBytes: st.Kernel.SocketBytes,
		CPUCores:          round(max(st.cpuSeconds()-last.cpuSeconds(), 0)/took, 3),
		LoginsPerSecond:   per(float64(st.Logins) - float64(last.Logins)),
		MessagesPerSecond: per(float64(st.MessagesAcked) - float64(last.MessagesAcked)),
		GCCycles:          max(st.Memory.GCCycles-last.Memory.GCCycles, 0),
		GCPauseMaxMs:      longestPause(last.GC.Pauses, st.GC.Pauses),
	}
	if st.Accepted != nil && (last.PID == 0 || last.Accepted != nil) {
		before := int64(0)
		if last.Accepted != nil {
			before = *last.Accepted
		}
		p.ConnectsPerSecond = ptr(per(float64(*st.Accepted - before)))
	}
	return p
}

// load is what the generator did since it was last read.
func (r *recorder) load(l load, now time.Time) *LoadPoint {
	last := r.lastLoad
	took := max(now.Sub(r.loadAt).Seconds(), 1e-3)
	r.lastLoad, r.loadAt = l, now
	per := func(now, before uint64) float64 { return round(float64(missing(now, before))/took, 1) }
	p := &LoadPoint{
		Connections: l.connections, Sessions: l.sessions, Errors: l.errors,
		ConnectsPerSecond: per(l.opened, last.opened), LoginsPerSecond: per(l.logins, last.logins),
		MessagesPerSecond: per(l.messages, last.messages), ErrorsPerSecond: per(l.errors, last.errors),
	}
	if h := l.latency; h != nil && h.TotalCount() > 0 {
		at := func(q float64) *float64 { return ptr(round(float64(h.ValueAtQuantile(q))/1e6, 3)) }
		p.P50Ms, p.P99Ms, p.P999Ms = at(50), at(99), at(99.9)
	}
	return p
}
