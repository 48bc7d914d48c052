package netpoll

import (
	"math"
	"sync/atomic"
	"time"

	"trunkline/internal/slab"
)

// Loop is one event loop. Its methods may be called only from its handler's callbacks.
//
// A turn is: the events of one batch, connections with left-over work, new connections, messages, timers, closed
// connections, OnTick, one write for each dirty connection, and what was posted to other loops. Each step has a budget.
type Loop struct {
	r       *Reactor
	index   int
	poller  Poller
	holder  changeHolder // the poller, if it holds registrations back; else nil
	sockets socketCalls
	handler Handler

	_     [64]byte // others write the inbox: it shares no cache line with what the loop reads all the time
	inbox inbox
	_     [64]byte

	slots      *slab.Slab[slot]
	slotsEnd   uint32 // no slot from here on was ever used
	generation uint32 // of the newest connection
	arena      *slab.Arena
	wheel      wheel

	now      int64 // unix milliseconds, read once a turn
	mono     int64 // milliseconds since the reactor was made
	inTurn   bool
	light    bool  // so far this turn has done nothing but deliver a few messages
	sameTime bool  // this turn follows a light one so closely that its clock will do
	due      int64 // mono of the next WakeAt, math.MaxInt64: none

	readBuf   []byte   // the loop's one read buffer: left-over input in front, then what read(2) brings
	ready     []ConnID // connections with left-over work
	readyMark int      // how many of them are this turn's
	hangups   int      // connections at their end that this turn has seen
	dirty     []ConnID // connections with output to write
	dirtyNow  []ConnID // those of this turn's pass
	writable  []ConnID // connections whose OnWritable is due
	closed    []ConnID // connections to release
	expired   []uint32 // slots whose timer ran out
	famine    famine   // connections whose write found no buffers
	vectors   vectors

	outboxes     []outbox
	outDirty     []int
	arrived      []*parcel // taken from the inbox
	arrivedAt    int       // read so far
	arrivedSpare []*parcel
	adopted      []adoption
	moves        []move

	acceptors []*acceptor
	reserve   int // a descriptor to give up when there are none left, -1: none

	opening  OpenInfo    // of the OnOpen that runs
	panicked any         // of the OnPanic that runs
	stopping bool        // Shutdown was called: end connections, take no new ones
	killing  bool        // Shutdown's time is over: drop what waits
	ending   atomic.Bool // stopping, for the other loops
	alarm    alarmSlot
	meters   [meterCount]uint64
	shared   sharedMeters
}

// Index is the number of this loop, from 0.
func (l *Loop) Index() int { return l.index }

// Now is the loop's clock in unix milliseconds, read once a turn, or once for a few turns that take microseconds together.
func (l *Loop) Now() int64 { return l.now }

// WakeAt asks for a turn (and so an OnTick) no later than that unix millisecond, even when nothing happens. The earliest
// of several calls counts; it is forgotten when that turn comes.
func (l *Loop) WakeAt(unixMs int64) {
	l.due = min(l.due, l.mono+max(unixMs-l.now, 0))
}

// driver is a Loop as its poller sees it.
type driver struct{ l *Loop }

// OnEvent takes one event of a batch.
func (d driver) OnEvent(tag uint64, ev Events) {
	l := d.l
	l.beginTurn()
	l.light = false
	id := ConnID(tag)
	if id.Generation() == 0 {
		l.acceptorReady(id.Slot(), ev)
		return
	}
	s := l.lookup(id)
	if s == nil {
		l.meters[meterStaleEvents]++
		return
	}
	l.onConnEvent(id, s, ev)
}

// OnBatch does the rest of a turn. When nothing but a few messages happens, it does a few more turns before it has the poller
// look for events again: a look costs as much as ten messages.
func (d driver) OnBatch() Next {
	l := d.l
	for extra := 0; ; extra++ {
		next := l.turn()
		l.sameTime = next == PollAgain && extra < LightTurnsMax && l.light
		if !l.sameTime {
			return next
		}
	}
}

// turn is one turn of the loop without its events.
func (l *Loop) turn() Next {
	l.beginTurn()
	l.serveReady()
	l.serveAcceptors()
	l.drainInbox()
	l.fireTimers()
	l.feed()
	l.release()
	l.call(callTick, 0, nil, 0)
	l.flushDirty()
	l.release()
	l.flushOutboxes()
	return l.endTurn()
}

// beginTurn reads the clock; it does nothing when the turn has begun.
func (l *Loop) beginTurn() {
	if l.inTurn {
		return
	}
	l.inTurn = true
	l.light = true
	l.hangups = 0
	l.meters[meterTurns]++
	if !l.sameTime {
		l.readClock()
	}
	if l.due <= l.mono {
		l.due = math.MaxInt64
	}
}

func (l *Loop) readClock() {
	t := l.r.cfg.Now()
	l.now = t.UnixMilli()
	l.mono = int64(t.Sub(l.r.born) / time.Millisecond)
}

// endTurn says how to go on: at once when work is left, else when something happens.
func (l *Loop) endTurn() Next {
	l.inTurn = false
	l.light = l.light && len(l.ready) == 0 && !l.acceptorsBusy()
	l.readyMark = len(l.ready)
	busy := l.busy()
	if l.stopping && l.r.open.Load() == 0 && (!busy || l.killing) {
		l.publish()
		return PollStop
	}
	if busy {
		if l.meters[meterTurns]%64 == 0 {
			l.publish()
		}
		return PollAgain
	}
	l.publish()
	l.setAlarm()
	return PollBlock
}

// busy says whether work is left for another turn.
func (l *Loop) busy() bool {
	return len(l.ready) > 0 || len(l.dirty) > 0 || len(l.closed) > 0 || len(l.expired) > 0 ||
		l.arrivedAt < len(l.arrived) || l.inbox.waits.Load() || l.acceptorsBusy()
}

// addReady has the connection served again in the next turn.
func (l *Loop) addReady(id ConnID, s *slot) {
	if s.flags&flagReady == 0 {
		s.flags |= flagReady
		l.ready = append(l.ready, id)
	}
}

// serveReady gives each connection with left-over work its share of this turn; those that join meanwhile wait for the next.
func (l *Loop) serveReady() {
	n := min(l.readyMark, ReadyTurnMax)
	for i := range n {
		id := l.ready[i]
		s := l.lookup(id)
		if s == nil {
			continue
		}
		if !l.mayEnd(s) {
			l.ready = append(l.ready, id)
			continue
		}
		s.flags &^= flagReady
		l.serve(id, s)
	}
	l.ready = l.ready[:copy(l.ready, l.ready[n:])]
	l.readyMark = 0
}

func (l *Loop) serve(id ConnID, s *slot) {
	if s.flags&flagRedeliver != 0 {
		s.flags &^= flagRedeliver
		l.redeliver(id, s)
	}
	if s.gen == id.Generation() && s.flags&flagReadable != 0 {
		l.receive(id, s)
	}
}

// fireTimers runs the wheel up to now.
func (l *Loop) fireTimers() {
	l.expire()
	n := min(len(l.expired), TimerTurnMax)
	for i := range n {
		slot := l.expired[i]
		s := l.slots.At(slot)
		if s == nil || s.flags&flagExpired == 0 {
			continue // stopped, armed again or released since it ran out
		}
		s.flags &^= flagExpired
		l.timeOut(connID(l.index, s.gen, slot), s)
	}
	l.expired = l.expired[:copy(l.expired, l.expired[n:])]
}

// expire marks the slots whose timer has run out.
func (l *Loop) expire() {
	from := len(l.expired)
	l.expired = l.wheel.advance(tickOf(l.mono), l.expired)
	for _, i := range l.expired[from:] {
		l.slots.At(i).flags |= flagExpired
	}
}

// timeOut answers one timer.
func (l *Loop) timeOut(id ConnID, s *slot) {
	switch {
	case s.flags&flagDeadline != 0:
		l.deadline(id, s)
	case s.state == stateOpen:
		l.call(callTimer, id, nil, 0)
	}
}

// SetTimer arms the connection's one timer, replacing an armed one; OnTimer follows once. 0 stops it. It has no effect on
// a connection that is closing. By the loop's clock the timer fires up to 100 ms late, never early. It does not travel
// with Move.
func (l *Loop) SetTimer(id ConnID, d time.Duration) {
	s := l.live(id)
	if s == nil {
		return
	}
	s.flags &^= flagExpired
	if d <= 0 {
		l.wheel.stop(id.Slot(), s)
		return
	}
	l.armTimer(id, s, d)
}

func (l *Loop) armTimer(id ConnID, s *slot, d time.Duration) {
	ms := min(int64((d+time.Millisecond-1)/time.Millisecond), timerMsMax)
	l.wheel.arm(id.Slot(), s, tickAt(l.mono+ms))
}
