package server

import (
	"sync/atomic"
	"time"

	"trunkline/codec"
)

// registrarMeters count what the registrar does. The workers and the loops write them.
type registrarMeters struct {
	asks        atomic.Uint64
	full        atomic.Uint64
	lost        atomic.Uint64
	faults      atomic.Uint64
	registered  atomic.Uint64
	generations atomic.Uint64
	companions  atomic.Uint64
	spentNs     atomic.Int64
	answers     [codesEnd]atomic.Uint64
}

func (m *registrarMeters) answered(code codec.ErrorCode) { m.answers[code].Add(1) }

// registrarCounters is one look at the registrar, for metrics.
type registrarCounters struct {
	Asks        uint64        // questions taken from loops
	Answers     []uint64      // by code; 0: the device may log in
	Full        uint64        // questions refused because the queue was full
	Lost        uint64        // answers that no loop took
	Faults      uint64        // questions that the accounts could not answer
	Registered  uint64        // devices enrolled: new ones, and ones with another key
	Generations uint64        // generations that a known device began anew
	Companions  uint64        // registrations refused because of --companions
	Spent       time.Duration // of the workers, disk included
	Queued      int           // questions that wait now
	Revocations int           // in memory
}

func (r *registrar) counters() registrarCounters {
	m := &r.meters
	c := registrarCounters{
		Asks: m.asks.Load(), Full: m.full.Load(), Lost: m.lost.Load(), Faults: m.faults.Load(),
		Registered: m.registered.Load(), Generations: m.generations.Load(), Companions: m.companions.Load(), Spent: time.Duration(m.spentNs.Load()),
		Answers: make([]uint64, codesEnd), Revocations: r.revocations.len(),
	}
	for i := range m.answers {
		c.Answers[i] = m.answers[i].Load()
	}
	for _, queue := range r.queues {
		c.Queued += len(queue)
	}
	return c
}
