package server

import (
	"sync/atomic"
	"time"
)

// pace is a Rate as the generic cell rate algorithm has it: whoever keeps to it is charged one interval for each event and may be `ahead`
// nanoseconds in debt. The debt is one number, the moment at which it is paid off. The zero pace has no limit.
type pace struct {
	interval int64 // ns from one event to the next in the long run; 0: no limit
	ahead    int64 // ns of debt with which one more event is allowed
}

func newPace(r Rate) pace {
	if r.None {
		return pace{}
	}
	interval := int64(time.Second) / int64(r.PerSecond) // RateMax leaves 100 ns
	return pace{interval: interval, ahead: interval * int64(r.Burst-1)}
}

// settled is the debt that counts: none that is paid off, and none that is larger than can be run up, which only a clock that was set
// back leaves behind. So a step of the clock in either direction forgives, and never locks out. Callers on different loops read the clock
// at slightly different moments: clockSlack is no step.
func (p pace) settled(due, now int64) int64 {
	if due < now || due-now > p.worst()+clockSlack {
		return now
	}
	return due
}

// worst is the largest debt that can be run up: by an offence of whoever may just have one more event.
func (p pace) worst() int64 { return p.ahead + OffenceHandshakes*p.interval }

// take charges one event. False: it comes too early and costs nothing.
func (p pace) take(due, now int64) (next int64, ok bool) {
	if p.interval == 0 {
		return due, true
	}
	due = p.settled(due, now)
	if due-now > p.ahead {
		return due, false
	}
	return due + p.interval, true
}

// fine charges OffenceHandshakes events, whether there is room for them or not. The next event is then allowed after as many intervals at
// the latest.
func (p pace) fine(due, now int64) int64 {
	if p.interval == 0 {
		return due
	}
	return min(p.settled(due, now)+OffenceHandshakes*p.interval, now+p.worst())
}

// recovered says that nothing is owed.
func (p pace) recovered(due, now int64) bool { return p.interval == 0 || p.settled(due, now) == now }

// clockSlack is how far two callers' readings of the clock may lie apart, in nanoseconds.
const clockSlack = int64(time.Second)

// bucket is the debt of the whole process. Any goroutine.
type bucket struct {
	pace pace
	_    [64]byte // its cache line is written by all loops
	due  atomic.Int64
	_    [56]byte
}

// take charges one event. False: it comes too early and costs nothing.
func (b *bucket) take(now int64) bool {
	if b.pace.interval == 0 {
		return true
	}
	for {
		due := b.due.Load()
		next, ok := b.pace.take(due, now)
		if !ok {
			return false
		}
		if b.due.CompareAndSwap(due, next) {
			return true
		}
	}
}

// monotonicFrom counts nanoseconds from born on. born comes from time.Now, so it has a monotonic reading and whoever sets the system's
// clock changes nothing here.
func monotonicFrom(born time.Time) func() int64 {
	return func() int64 { return int64(time.Since(born)) }
}
