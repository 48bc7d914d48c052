package server

import (
	"context"
	"math"
	"time"
)

// sample measures rates over each SampleInterval and reports, once an interval, what the environment does to the
// server. It returns when ctx ends.
func (s *Server) sample(ctx context.Context) {
	tick := time.NewTicker(SampleInterval)
	defer tick.Stop()
	before, cpuBefore := s.gather.gather(), cpuSeconds()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.transport.rotateTickets(s)
		now, cpu := s.gather.gather(), cpuSeconds()
		if now == before {
			continue
		}
		s.rates.Store(ratesBetween(before, now, cpu-cpuBefore))
		s.reportEnvironment(before, now)
		before, cpuBefore = now, cpu
	}
}

// ratesBetween is the change of each counter per second.
func ratesBetween(a, b *snapshot, cpu float64) *Rates {
	dt := b.at.Sub(a.at).Seconds()
	if dt <= 0 {
		return &Rates{}
	}
	rate := func(get func(*loopCounters) uint64) float64 {
		var change int64
		for i := range b.loops {
			change += int64(get(&b.loops[i]) - get(&a.loops[i]))
		}
		return round(float64(change) / dt)
	}
	return &Rates{
		IntervalSeconds: round(dt),
		Accepted:        rate(func(l *loopCounters) uint64 { return l.net.Accepted }),
		Logins:          rate(func(l *loopCounters) uint64 { return l.shard.Logins }),
		MessagesIn:      rate(func(l *loopCounters) uint64 { return l.shard.MessagesIn }),
		MessagesOut:     rate(func(l *loopCounters) uint64 { return l.shard.MessagesOut }),
		MessagesAcked:   rate(func(l *loopCounters) uint64 { return l.shard.MessagesAcked }),
		BytesIn:         rate(func(l *loopCounters) uint64 { return l.net.BytesIn }),
		BytesOut:        rate(func(l *loopCounters) uint64 { return l.net.BytesOut }),
		CPUCores:        round(cpu / dt),
	}
}

// reportEnvironment writes at most one line an interval for each thing that the machine refuses.
func (s *Server) reportEnvironment(a, b *snapshot) {
	grown := func(get func(*loopCounters) uint64) int64 {
		value := func(l *loopCounters) int64 { return int64(get(l)) }
		return b.sum(value) - a.sum(value)
	}
	if n := grown(func(l *loopCounters) uint64 { return l.net.AcceptErrors }); n > 0 {
		s.cfg.Logger.Warn("the system refused to accept connections: out of descriptors or memory",
			"times", n, "interval", SampleInterval.String(), "descriptor_limit", s.files.Soft)
	}
	if n := grown(func(l *loopCounters) uint64 { return l.net.AcceptRefused }); n > 0 {
		s.cfg.Logger.Warn("connections were refused: the limit is reached",
			"times", n, "interval", SampleInterval.String(), "max_connections", s.cfg.MaxConnections)
	}
	if n := grown(func(l *loopCounters) uint64 { return l.shard.Refusals }); n > 0 {
		s.reportRefusals(n)
	}
	for _, loop := range b.silent(LoopSilenceMax) {
		s.cfg.Logger.Error("a loop does not answer", "loop", loop, "for", LoopSilenceMax.String())
	}
}

func cpuSeconds() float64 {
	_, c := memoryAndCPU()
	return c.User + c.System
}

// round keeps three decimals: what is behind them is noise.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }
