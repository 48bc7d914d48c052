package netpoll

import (
	"math"
	"sync/atomic"
	"time"
)

const never = math.MaxInt64

// alarmSlot is when one sleeping loop wants to be woken, in milliseconds since the reactor was made; never: not.
type alarmSlot struct{ at atomic.Int64 }

// alarm is the reactor's one clockwork: a goroutine that sleeps until the first loop is due and wakes it. A reactor with
// no timer armed costs no wake-ups at all.
type alarm struct {
	r    *Reactor
	next atomic.Int64 // when the goroutine will look by itself
	kick chan struct{}
	stop chan struct{}
	done chan struct{}
}

func newAlarm(r *Reactor) *alarm {
	a := &alarm{r: r, kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	a.next.Store(never)
	return a
}

// setAlarm says, before the loop sleeps, when it wants to be woken.
func (l *Loop) setAlarm() {
	due := min(l.due, l.acceptorsDue(), l.famineDue())
	if tick, ok := l.wheel.next(); ok {
		due = min(due, int64(tick-1)*timerGrain)
	}
	if l.alarm.at.Load() == due {
		return
	}
	l.alarm.at.Store(due)
	if due < l.r.alarm.next.Load() {
		select {
		case l.r.alarm.kick <- struct{}{}:
		default: // it is about to look anyway
		}
	}
}

// run is the goroutine; Reactor.finish ends it.
func (a *alarm) run() {
	defer close(a.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(a.look())
		select {
		case <-timer.C:
		case <-a.kick:
		case <-a.stop:
			return
		}
	}
}

// look wakes what is due and returns how long to sleep.
func (a *alarm) look() time.Duration {
	now := int64(a.r.cfg.Now().Sub(a.r.born) / time.Millisecond)
	for {
		next := int64(never)
		for i, l := range a.r.loops {
			at := l.alarm.at.Load()
			if at <= now {
				// A loop that has set another time meanwhile is not asleep and will set it anew.
				l.alarm.at.CompareAndSwap(at, never)
				a.r.wake(i)
				continue
			}
			next = min(next, at)
		}
		a.next.Store(next)
		if a.earliest() >= next { // nobody came between the look and the store, or they have seen it and kicked
			return time.Duration(min(next-now, time.Hour.Milliseconds())) * time.Millisecond
		}
	}
}

func (a *alarm) earliest() int64 {
	at := int64(never)
	for _, l := range a.r.loops {
		at = min(at, l.alarm.at.Load())
	}
	return at
}
