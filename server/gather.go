package server

import (
	"sync"
	"time"

	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/store"
)

// loopCounters are one loop's counters at one moment.
type loopCounters struct {
	net        netpoll.LoopStats
	shard      shard.Stats
	store      store.Stats
	gate       gateStats
	answeredAt time.Time // when shard and store were read; zero: never
}

// snapshot is what all loops told at one moment. It is never changed after gather returned it.
type snapshot struct {
	born  time.Time // when the loops were made: one that has never answered is silent since then
	at    time.Time
	loops []loopCounters
}

// gatherer asks the loops for their counters. A loop does nothing for it until it is asked: then it copies its counters once,
// between two events. Nothing on the message path is locked, shared or even written for the sake of metrics.
type gatherer struct {
	reactor  *netpoll.Reactor
	handlers []*loopHandler
	now      func() time.Time

	mu   sync.Mutex // one question at a time; the loops never take it
	last *snapshot
}

// gather returns counters that are at most StatsAge old. A loop that does not answer within StatsTimeout keeps the
// values of its last answer, and its answeredAt says how old they are.
func (g *gatherer) gather() *snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if age := now.Sub(g.last.at); age >= 0 && age < StatsAge {
		return g.last
	}
	next := &snapshot{born: g.last.born, at: now, loops: make([]loopCounters, len(g.handlers))}
	copy(next.loops, g.last.loops)
	asked := g.ask()
	deadline := make(chan struct{}) // closed: each loop that is silent sees it
	defer time.AfterFunc(StatsTimeout, func() { close(deadline) }).Stop()
	for i, r := range asked {
		if !answered(r, deadline) {
			continue
		}
		next.loops[i].shard, next.loops[i].store, next.loops[i].gate, next.loops[i].answeredAt = r.shard, r.store, r.gate, g.now()
	}
	for i, s := range g.reactor.Stats() {
		next.loops[i].net = s
	}
	g.last = next
	return next
}

// ask posts the question to every loop. An entry is nil where it could not be posted.
func (g *gatherer) ask() []*loopReport {
	asked := make([]*loopReport, len(g.handlers))
	for i, h := range g.handlers {
		r := &loopReport{done: make(chan struct{})}
		h.asked.Store(r)
		if g.reactor.Post(i, []byte{askStats}) == nil {
			asked[i] = r
		}
	}
	return asked
}

// answered waits for one loop. Once the deadline has fired, it only looks.
func answered(r *loopReport, deadline <-chan struct{}) bool {
	if r == nil {
		return false
	}
	select {
	case <-r.done:
		return true
	default:
	}
	select {
	case <-r.done:
		return true
	case <-deadline:
		return false
	}
}

// sum adds one counter over all loops.
func (s *snapshot) sum(get func(*loopCounters) int64) int64 {
	total := int64(0)
	for i := range s.loops {
		total += get(&s.loops[i])
	}
	return total
}

// silent names the loops that have not answered for longer than limit.
func (s *snapshot) silent(limit time.Duration) []int {
	var loops []int
	for i := range s.loops {
		heard := s.loops[i].answeredAt
		if heard.IsZero() {
			heard = s.born
		}
		if s.at.Sub(heard) > limit {
			loops = append(loops, i)
		}
	}
	return loops
}

// rejections adds up the loops' counts by code.
func (s *snapshot) rejections() []uint64 {
	var total [len(shard.Stats{}.Rejections)]uint64
	for i := range s.loops {
		for code, n := range s.loops[i].shard.Rejections {
			total[code] += n
		}
	}
	return total[:]
}

// closes adds up the loops' counts by code.
func (s *snapshot) closes() []uint64 {
	var total [len(shard.Stats{}.Closes)]uint64
	for i := range s.loops {
		for code, n := range s.loops[i].shard.Closes {
			total[code] += n
		}
	}
	return total[:]
}
