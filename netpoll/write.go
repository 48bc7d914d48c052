package netpoll

import "golang.org/x/sys/unix"

// Send copies b behind the connection's waiting output; one write a turn carries it. ErrOutboundFull when it would pass
// OutboundBytesMax: nothing of b is taken, and OnWritable follows when what waits is gone. ErrConnUnknown for a connection
// that is gone or closing.
func (l *Loop) Send(id ConnID, b []byte) error {
	s := l.live(id)
	if s == nil {
		return ErrConnUnknown
	}
	if len(b) == 0 {
		return nil
	}
	var err error
	if int(s.outLen)+len(b) > l.r.cfg.OutboundBytesMax || !l.appendOut(s, b) {
		l.meters[meterOutboundRefused]++
		s.flags |= flagNotify
		err = ErrOutboundFull
	}
	l.addDirty(id, s)
	return err
}

// Pending is the output that waits, in bytes.
func (l *Loop) Pending(id ConnID) int {
	if s := l.lookup(id); s != nil {
		return int(s.outLen)
	}
	return 0
}

// addDirty has the connection written at the end of the turn, unless the socket is known to take nothing.
func (l *Loop) addDirty(id ConnID, s *slot) {
	if s.flags&(flagDirty|flagBlocked) == 0 {
		s.flags |= flagDirty
		l.dirty = append(l.dirty, id)
	}
}

// flushDirty writes every dirty connection once, then tells those whose output is gone. What the writes and the handler
// make dirty meanwhile is for the next turn.
func (l *Loop) flushDirty() {
	l.dirty, l.dirtyNow = l.dirtyNow[:0], l.dirty
	for _, id := range l.dirtyNow {
		s := l.lookup(id)
		if s == nil {
			continue
		}
		s.flags &^= flagDirty
		if s.state != stateClosed {
			l.flush(id, s)
		}
	}
	for i := 0; i < len(l.writable); i++ {
		if s := l.live(l.writable[i]); s != nil {
			l.call(callWritable, l.writable[i], nil, 0)
		}
	}
	l.writable = l.writable[:0]
}

// flush writes what waits until the socket takes no more or the turn's share is used up.
func (l *Loop) flush(id ConnID, s *slot) {
	for budget := WriteTurnBytesMax; s.outLen > 0; {
		if budget <= 0 {
			l.addDirty(id, s)
			return
		}
		n, errno := l.writeOnce(s)
		l.meters[meterWrites]++
		switch errno {
		case 0:
			l.meters[meterBytesOut] += uint64(n)
			budget -= n
			l.dropOut(s, n)
		case unix.EAGAIN:
			l.awaitWrite(id, s)
			return
		case unix.ENOBUFS, unix.ENOMEM:
			l.starve(id, s)
			return
		default:
			l.fail(id, s, errno)
			return
		}
	}
	l.flushed(id, s)
}

// awaitWrite waits for the socket to take more.
func (l *Loop) awaitWrite(id ConnID, s *slot) {
	s.flags |= flagBlocked | flagNotify
	if err := l.poller.WantWrite(int(s.fd), uint64(id)); err != nil {
		l.becomeClosed(id, s, ReasonError)
	}
}

// flushed takes note that no output waits.
func (l *Loop) flushed(id ConnID, s *slot) {
	if s.state == stateDraining {
		l.linger(id, s)
		return
	}
	if s.flags&flagNotify != 0 {
		s.flags &^= flagNotify
		l.writable = append(l.writable, id)
	}
}

// vectors is the scratch of writev(2). Its pointers are into the arena and last for one call.
type vectors [iovecMax]unix.Iovec

// writeOnce hands as much of the waiting output to the socket as one call takes.
func (l *Loop) writeOnce(s *slot) (n int, errno unix.Errno) {
	k := l.block(s.outHead)
	first := k.bytes()[s.outOff:]
	if s.outHead == s.outTail {
		return l.sockets.write(int(s.fd), first)
	}
	v := l.vectors[:0]
	for b, h := first, k.next(); ; {
		v = append(v, unix.Iovec{Base: &b[0]})
		v[len(v)-1].SetLen(len(b))
		if h == 0 || len(v) == iovecMax {
			break
		}
		k = l.block(h)
		b, h = k.bytes(), k.next()
	}
	n, errno = l.sockets.writeVector(int(s.fd), v)
	clear(v)
	return n, errno
}
