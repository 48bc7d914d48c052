package netpoll

import "golang.org/x/sys/unix"

// onConnEvent takes one event of a connection. An event is a hint: only read(2) and write(2) tell what is.
func (l *Loop) onConnEvent(id ConnID, s *slot, ev Events) {
	if ev&EventRefused != 0 {
		l.becomeClosed(id, s, ReasonError)
		return
	}
	if ev&EventWrite != 0 && s.flags&flagBlocked != 0 {
		s.flags &^= flagBlocked
		l.addDirty(id, s)
	}
	if ev&(EventRead|EventHangup) == 0 {
		return
	}
	s.flags |= flagReadable
	if ev&EventHangup != 0 {
		s.flags |= flagHangup
		l.lookForReset(id, s)
	}
	switch {
	case s.flags&flagReady != 0:
	case !l.mayEnd(s):
		l.addReady(id, s)
	default:
		l.receive(id, s)
	}
}

// mayEnd says whether a connection may be read now, or waits for another turn because it is about to end and this turn has
// ended its share: an end costs as much as several messages, and when a network goes away, thousands come at once.
func (l *Loop) mayEnd(s *slot) bool {
	if s.flags&flagHangup == 0 {
		return true
	}
	l.hangups++
	return l.hangups <= HangupTurnMax
}

// lookForReset finds a reset that read(2) would not tell of: behind a FIN that was read, or while reading is paused.
func (l *Loop) lookForReset(id ConnID, s *slot) {
	if s.flags&flagFin == 0 && l.reads(s) {
		return
	}
	if errno := l.sockets.pending(int(s.fd)); errno != 0 {
		l.fail(id, s, errno)
	}
}

// reads says whether the connection takes input now.
func (l *Loop) reads(s *slot) bool {
	switch s.state {
	case stateOpen:
		return s.flags&(flagPaused|flagFin) == 0 && int(s.inLen) < l.r.cfg.InboundBytesMax
	case stateDraining:
		return s.flags&flagFin == 0
	}
	return false
}

// receive reads what is there, up to the turn's share, and hands it on.
//
// On a stream socket a read that brings less than was asked for has emptied the receive buffer, so no second read looks
// for EAGAIN: what arrives later is a new edge. Only the end of the stream is different: with it the last edge may have
// come before that read, and so an event that spoke of it (flagHangup) makes receive go on until read(2) tells.
func (l *Loop) receive(id ConnID, s *slot) {
	for budget := ReadTurnBytesMax; l.reads(s); {
		if budget <= 0 {
			l.addReady(id, s)
			return
		}
		left := int(s.inLen)
		buf := l.readBuf[left:min(left+ReadBytesMax, l.r.cfg.InboundBytesMax)]
		if s.state == stateDraining {
			buf = l.readBuf[:ReadBytesMax]
		}
		n, errno := l.sockets.read(int(s.fd), buf)
		l.meters[meterReads]++
		if n <= 0 {
			l.receiveEnd(id, s, errno)
			return
		}
		l.meters[meterBytesIn] += uint64(n)
		budget -= n
		if n < len(buf) && s.flags&flagHangup == 0 {
			s.flags &^= flagReadable
		}
		if s.state == stateOpen {
			l.deliver(id, s, left, n)
		}
		if s.gen != id.Generation() || s.flags&flagReadable == 0 {
			return
		}
	}
}

// receiveEnd takes a read that brought nothing.
func (l *Loop) receiveEnd(id ConnID, s *slot, errno unix.Errno) {
	s.flags &^= flagReadable | flagHangup
	switch {
	case errno == 0:
		s.flags |= flagFin
		if s.state == stateOpen {
			l.call(callHalfClose, id, nil, 0)
		} else if s.flags&flagLinger != 0 {
			l.becomeClosed(id, s, s.reason)
		}
	case errno != unix.EAGAIN:
		l.fail(id, s, errno)
	}
}

// deliver hands n new bytes, which lie in the read buffer behind room for the left bytes that were kept, to the handler.
func (l *Loop) deliver(id ConnID, s *slot, left, n int) {
	if left > 0 {
		l.takeIn(s, l.readBuf[:left])
	}
	b := l.readBuf[: left+n : left+n]
	used := l.invoke(callData, id, b, 0)
	l.keep(id, s, b[min(max(used, 0), len(b)):])
	l.settle()
}

// keep stores what the handler has not consumed; a connection that is ending needs none of it.
func (l *Loop) keep(id ConnID, s *slot, rest []byte) {
	if s.state != stateOpen {
		return
	}
	if !l.keepIn(s, rest) {
		l.becomeClosed(id, s, ReasonError)
	}
}

// redeliver calls OnData with the input that was kept.
func (l *Loop) redeliver(id ConnID, s *slot) {
	if s.state == stateOpen && s.inLen > 0 {
		n := l.takeIn(s, l.readBuf)
		l.deliver(id, s, 0, n)
	}
}

// Pause stops reading; what the peer sends waits in the kernel, and then at the peer. Input that was read before stays.
func (l *Loop) Pause(id ConnID) {
	if s := l.live(id); s != nil {
		s.flags |= flagPaused
	}
}

// Resume reads on, in the next turn.
func (l *Loop) Resume(id ConnID) {
	if s := l.live(id); s != nil && s.flags&flagPaused != 0 {
		s.flags &^= flagPaused
		if s.flags&flagReadable != 0 {
			l.addReady(id, s)
		}
	}
}

// Redeliver calls OnData with the unconsumed input in the next turn, also while reading is paused. Without any it
// does nothing.
func (l *Loop) Redeliver(id ConnID) {
	if s := l.live(id); s != nil {
		s.flags |= flagRedeliver
		l.addReady(id, s)
	}
}
