package netpoll

import "trunkline/internal/slab"

// slot is one connection: one cache line, no pointers, so that the collector never looks into millions of them.
//
// What waits, in or out, lives in the loop's arena and is named by handles; an idle connection has none.
type slot struct {
	fd  int32
	gen uint32 // 1 to GenerationMax; 0: the slot is free

	inHead slab.Handle // chain of unconsumed input
	inLen  uint32      // bytes in it

	outHead slab.Handle // chain of waiting output
	outTail slab.Handle
	outLen  uint32 // bytes in it
	outOff  uint32 // bytes of the first block that are written

	timerDue  uint32 // tick of the loop's wheel, 0: not armed
	timerNext uint32 // neighbours in the wheel's bucket, 0: none
	timerPrev uint32

	deadline uint32 // tick at which a draining ends, 0: none

	flags  slotFlags
	state  connState
	reason CloseReason // of a draining or closed connection

	tag uint32 // of the Doorkeeper, 0: none

	_ [8]byte // up to the cache line: a slot never shares one
}

// connState is the life of a connection:
//
//	         accept, Adopt, arrival of Move
//	free ------------------------------------> accepting
//	 ^                                            | OnOpen returned
//	 |                                            v
//	 |     release at the turn's end     +----- open ----+
//	 |     (OnClose, close(2), slot)     |        |      | CloseFlush, Shutdown
//	 +------------------------- closed <-+        |      v
//	 |                             ^     Close,   |   draining: output only,
//	 |                             |     error    |      | then SHUT_WR and linger
//	 |                             +--------------|------+ flushed, deadline, error
//	 +--------------------------------------------+
//	         Move: leaves without OnClose
//
// Ending is three steps: ask (closed or draining, with the reason), wait (for the callback that runs, for the output), release.
// Only the first ask counts, so asking twice is safe. An asked Close overrides a draining.
type connState uint8

const (
	stateFree connState = iota
	stateAccepting
	stateOpen
	stateDraining
	stateClosed
)

// slotFlags are what a connection is in the middle of.
type slotFlags uint16

const (
	flagReadable  slotFlags = 1 << iota // the socket may hold input that was not read
	flagHangup                          // an event said that the stream has an end: a short read is not the last
	flagFin                             // read(2) returned 0: nothing more to read
	flagPaused                          // by Pause
	flagReady                           // in the loop's ready queue
	flagRedeliver                       // Redeliver was asked
	flagDirty                           // in the loop's dirty list
	flagBlocked                         // the socket took no more; EventWrite will tell
	flagNotify                          // a Send was refused or had to wait: OnWritable when the output is gone
	flagLinger                          // draining, flushed and shut down for writing
	flagOpened                          // OnOpen was called, so OnClose is due
	flagExpired                         // the timer ran out and OnTimer is due
	flagDeadline                        // the timer is the deadline of a draining
	flagMoving                          // Move was asked and the callback has not returned
)

// lookup is the slot of a connection that is here and not released, or nil.
func (l *Loop) lookup(id ConnID) *slot {
	s := l.slots.At(id.Slot())
	if s == nil || s.gen != id.Generation() || s.gen == 0 || id.Loop() != l.index {
		return nil
	}
	return s
}

// live is the slot of a connection that takes output, or nil.
func (l *Loop) live(id ConnID) *slot {
	if s := l.lookup(id); s != nil && (s.state == stateOpen || s.state == stateAccepting) {
		return s
	}
	return nil
}

// acquire takes a slot for fd, in state accepting.
func (l *Loop) acquire(fd int) (ConnID, *slot) {
	i, s := l.slots.Alloc()
	if s == nil {
		return 0, nil
	}
	l.generation++
	if l.generation > GenerationMax {
		l.generation = 1
	}
	l.slotsEnd = max(l.slotsEnd, i+1)
	s.fd, s.gen = int32(fd), l.generation
	s.state = stateAccepting
	return connID(l.index, s.gen, i), s
}

// connID packs a name.
func connID(loop int, gen, slot uint32) ConnID {
	return ConnID(uint64(loop)<<56 | uint64(gen)<<32 | uint64(slot))
}

// forget frees what a connection holds in user memory, its slot last.
func (l *Loop) forget(id ConnID, s *slot) {
	l.wheel.stop(id.Slot(), s)
	l.freeChain(s.inHead)
	l.freeChain(s.outHead)
	l.slots.Free(id.Slot())
	l.meters[meterConnections]--
	l.r.loads[l.index].v.Add(-1)
}

// Each calls f for every open connection until it returns false.
func (l *Loop) Each(f func(id ConnID) bool) {
	for i := uint32(1); i < l.slotsEnd; i++ {
		s := l.slots.At(i)
		if s != nil && s.gen != 0 && s.state == stateOpen && !f(connID(l.index, s.gen, i)) {
			return
		}
	}
}
