package netpoll

import (
	"os"

	"golang.org/x/sys/unix"
)

// move is a connection that leaves when the running callback has returned.
type move struct {
	id    ConnID
	to    int
	state []byte
}

// Move gives the connection to another loop when the current callback has returned: its descriptor, unconsumed input,
// waiting output and state travel in order with posted messages. There the connection has a new id and OnOpen comes
// with OriginMoved, then OnData with the input, then OnHalfClose if the peer has sent FIN. Here OnClose is not called.
// A timer does not travel. Until the callback returns the connection can still be written; closing it undoes the move.
// Errors: ErrConnUnknown, ErrLoopUnknown, ErrStateTooLarge, ErrInboxFull (what waits would pass the hard limit).
func (l *Loop) Move(id ConnID, to int, state []byte) error {
	s := l.live(id)
	switch {
	case s == nil || s.flags&flagMoving != 0:
		return ErrConnUnknown
	case uint(to) >= uint(len(l.outboxes)):
		return ErrLoopUnknown
	case len(state) > StateBytesMax:
		return ErrStateTooLarge
	}
	size := passageSize(len(state), s)
	if size > recordLength || !l.roomAt(to, size) {
		return ErrInboxFull
	}
	s.flags |= flagMoving
	l.moves = append(l.moves, move{id, to, append([]byte(nil), state...)})
	return nil
}

func passageSize(state int, s *slot) int64 {
	return recordHead + passageHead + int64(state) + int64(s.inLen) + int64(s.outLen)
}

// leaveMoved sends off the connections for which Move was called.
func (l *Loop) leaveMoved() {
	for i := 0; i < len(l.moves); i++ {
		m := &l.moves[i]
		s := l.live(m.id)
		if s == nil {
			continue
		}
		s.flags &^= flagMoving
		// The descriptor leaves this poller before the other loop can add it to its own.
		if err := l.poller.Remove(int(s.fd)); err != nil {
			l.becomeClosed(m.id, s, ReasonError)
			continue
		}
		l.send(m, s)
		l.forget(m.id, s)
		l.meters[meterMoved]++
	}
	clear(l.moves)
	l.moves = l.moves[:0]
}

// send puts the connection into the outbox; what waits is copied once, from its blocks to the parcel.
func (l *Loop) send(m *move, s *slot) {
	p := passage{fd: int(s.fd), origin: OriginMoved, flags: s.flags & (flagPaused | flagNotify | flagHangup), listener: -1, tag: s.tag}
	o := &l.outboxes[m.to]
	dst := l.outParcel(o, m.to)
	dst.buf = p.appendHead(dst.buf, len(m.state), int(s.inLen), int(s.outLen))
	dst.buf = append(dst.buf, m.state...)
	dst.buf = l.appendChain(dst.buf, s.inHead, 0)
	dst.buf = l.appendChain(dst.buf, s.outHead, s.outOff)
	o.posted += passageSize(len(m.state), s)
	l.r.loads[m.to].v.Add(1)
}

// arrive gives a connection from another loop its slot here and opens it.
func (l *Loop) arrive(p *passage) {
	id, err := l.settleIn(p)
	if err != nil {
		l.r.cfg.Logger.Warn("netpoll: a connection was lost between loops", "loop", l.index, "error", err)
		l.r.loads[l.index].v.Add(-1)
		l.r.leave(p.tag)
		return
	}
	l.open(id, OpenInfo{Origin: p.origin, Listener: p.listener, Remote: p.remote, Tag: p.tag, State: p.state})
	l.settle()
}

// settleIn makes a passage a connection of this loop. On error its descriptor is closed.
func (l *Loop) settleIn(p *passage) (ConnID, error) {
	id, s := l.acquire(p.fd)
	if s == nil {
		_ = unix.Close(p.fd)
		return 0, ErrSlotsFull
	}
	l.meters[meterConnections]++
	s.flags, s.tag = p.flags, p.tag
	ok := l.keepIn(s, p.inbound)
	if ok && len(p.outbound) > 0 {
		ok = l.appendOut(s, p.outbound)
	}
	if len(p.outbound) > 0 || p.flags&flagNotify != 0 {
		l.addDirty(id, s)
	}
	err := error(ErrOutboundFull)
	if ok {
		err = l.poller.Add(p.fd, uint64(id))
	}
	if err != nil {
		_ = unix.Close(p.fd)
		l.unsettle(id, s)
		return 0, err
	}
	return id, nil
}

// unsettle takes a slot back that no handler has heard of; the count of the loop's load stays with the caller.
func (l *Loop) unsettle(id ConnID, s *slot) {
	l.r.loads[l.index].v.Add(1)
	l.forget(id, s)
}

// open tells the handler of a new connection; the caller settles.
func (l *Loop) open(id ConnID, info OpenInfo) {
	s := l.lookup(id)
	if s == nil || s.state == stateClosed {
		return
	}
	s.flags |= flagOpened
	l.opening = info
	l.invoke(callOpen, id, nil, 0)
	l.opening = OpenInfo{}
	l.becomeOpen(s)
	if info.Origin != OriginAccepted {
		// What the peer sent while no poller watched may have had its edge then.
		s.flags |= flagRedeliver | flagReadable
		l.addReady(id, s)
	}
	if l.stopping {
		l.endOne(id, s)
	}
}

// adoption is an adopted connection whose OnOpen is due.
type adoption struct {
	id    ConnID
	state []byte
}

// Adopt takes over a connected TCP socket; the loop owns fd from now on, also on error (then it is closed). OnOpen comes
// when the current callback has returned, then OnData with inbound; outbound is written first of all output.
// Errors: ErrSlotsFull, ErrInboundFull, ErrOutboundFull, ErrStateTooLarge, ErrClosed, or the system's.
func (l *Loop) Adopt(fd int, state, inbound, outbound []byte) (ConnID, error) {
	if err := l.admitAdopted(fd, state, inbound, outbound); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	l.r.loads[l.index].v.Add(1)
	p := passage{fd: fd, origin: OriginAdopted, listener: -1, inbound: inbound, outbound: outbound}
	id, err := l.settleIn(&p)
	if err != nil {
		l.r.loads[l.index].v.Add(-1)
		l.r.leave(0)
		return 0, err
	}
	l.adopted = append(l.adopted, adoption{id, append([]byte(nil), state...)})
	return id, nil
}

// admitAdopted checks what Adopt was given and counts the connection; on error it is not counted.
func (l *Loop) admitAdopted(fd int, state, inbound, outbound []byte) error {
	switch {
	case l.stopping:
		return ErrClosed
	case len(state) > StateBytesMax:
		return ErrStateTooLarge
	case len(inbound) > l.r.cfg.InboundBytesMax:
		return ErrInboundFull
	case len(outbound) > l.r.cfg.OutboundBytesMax:
		return ErrOutboundFull
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if !l.r.enter() {
		return ErrSlotsFull
	}
	return nil
}

// openAdopted opens the first of what Adopt has taken over.
func (l *Loop) openAdopted() {
	a := l.adopted[0]
	l.adopted = append(l.adopted[:0], l.adopted[1:]...)
	if s := l.lookup(a.id); s != nil {
		l.open(a.id, OpenInfo{Origin: OriginAdopted, Listener: -1, Remote: peerOf(int(s.fd)), State: a.state})
	}
}
