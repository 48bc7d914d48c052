package netpoll

import (
	"time"

	"golang.org/x/sys/unix"
)

// Close ends the connection at the end of the turn, dropping what waits. Safe to call twice; OnClose follows.
func (l *Loop) Close(id ConnID) {
	if s := l.lookup(id); s != nil {
		l.becomeClosed(id, s, ReasonHandler)
	}
}

// CloseFlush writes what waits first, for at most d (0: the default of limits.go), taking no more input. It uses the
// connection's timer. Safe to call twice (the first time counts); OnClose follows.
func (l *Loop) CloseFlush(id ConnID, d time.Duration) {
	if d <= 0 {
		d = FlushTimeoutDefault
	}
	if s := l.live(id); s != nil {
		l.becomeDraining(id, s, ReasonHandler)
		l.armTimer(id, s, d)
		s.deadline = s.timerDue
	}
}

// becomeOpen ends the opening, unless the handler has asked for an end already.
func (l *Loop) becomeOpen(s *slot) {
	if s.state == stateAccepting {
		s.state = stateOpen
	}
}

// becomeDraining stops taking input and goes on writing.
func (l *Loop) becomeDraining(id ConnID, s *slot, reason CloseReason) {
	s.state, s.reason = stateDraining, reason
	s.flags &^= flagExpired | flagPaused | flagRedeliver
	s.flags |= flagDeadline
	l.freeChain(s.inHead)
	s.inHead, s.inLen = 0, 0
	l.addDirty(id, s)
	if s.flags&flagReadable != 0 {
		l.addReady(id, s)
	}
}

// becomeClosed asks for the release at the end of the turn.
func (l *Loop) becomeClosed(id ConnID, s *slot, reason CloseReason) {
	if s.state == stateClosed {
		return
	}
	s.state, s.reason = stateClosed, reason
	l.closed = append(l.closed, id)
}

// fail ends a connection whose socket has failed.
func (l *Loop) fail(id ConnID, s *slot, errno unix.Errno) {
	reason := ReasonError
	switch errno {
	case unix.ECONNRESET, unix.EPIPE, unix.ENOTCONN:
		reason = ReasonPeerClosed
	}
	if s.flags&flagLinger != 0 {
		reason = s.reason // all was written: the peer only went in its own way
	}
	l.becomeClosed(id, s, reason)
}

// linger sends our FIN and waits for the peer's. A socket that is closed with input unread, or before input that is under
// way, answers with a reset, and that would destroy output which the kernel still holds or the peer has not read yet.
func (l *Loop) linger(id ConnID, s *slot) {
	if s.flags&flagLinger != 0 {
		return
	}
	if s.flags&flagFin != 0 {
		l.becomeClosed(id, s, s.reason)
		return
	}
	if err := unix.Shutdown(int(s.fd), unix.SHUT_WR); err != nil {
		l.becomeClosed(id, s, s.reason)
		return
	}
	s.flags |= flagLinger
	l.armLinger(id, s)
}

// armLinger looks again after LingerTimeMax, or at the deadline.
func (l *Loop) armLinger(id ConnID, s *slot) {
	due := tickAt(l.mono + LingerTimeMax.Milliseconds())
	if s.deadline != 0 {
		due = min(due, s.deadline)
	}
	l.wheel.arm(id.Slot(), s, due)
}

// deadline ends a draining whose time is over, and a linger when the peer has all but does not close. Where the system
// does not tell whether the peer has all, the linger lasts up to CloseFlush's deadline.
func (l *Loop) deadline(id ConnID, s *slot) {
	if s.flags&flagLinger == 0 {
		l.becomeClosed(id, s, ReasonFlushTimeout)
		return
	}
	n, known := unacknowledged(int(s.fd))
	over := s.deadline != 0 && s.deadline <= l.wheel.last
	switch {
	case known && n == 0, over && !known:
		l.becomeClosed(id, s, s.reason)
	case over:
		l.becomeClosed(id, s, ReasonFlushTimeout)
	default:
		l.armLinger(id, s)
	}
}

// closeWatched closes a descriptor, which takes it out of the poller.
func (l *Loop) closeWatched(fd int) {
	if l.holder != nil {
		l.holder.Drop(fd)
	}
	_ = unix.Close(fd)
}

// release frees every connection that was asked to close, those its OnClose asks for included.
func (l *Loop) release() {
	for i := 0; i < len(l.closed); i++ {
		id := l.closed[i]
		s := l.lookup(id)
		if s == nil {
			continue
		}
		if s.flags&flagOpened != 0 {
			l.call(callClose, id, nil, int(s.reason))
		}
		l.closeWatched(int(s.fd))
		tag := s.tag
		l.forget(id, s)
		l.meters[meterClosed]++
		l.r.leave(tag)
	}
	l.closed = l.closed[:0]
}
