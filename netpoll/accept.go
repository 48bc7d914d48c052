package netpoll

import (
	"math"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// acceptor is one listening socket on the loop that accepts from it.
type acceptor struct {
	fd      int
	number  int  // of the listener
	deal    bool // hand connections to the loop with the fewest; else keep them
	waiting bool // the backlog may hold more
	// unwatched: the poller has refused the socket, add it again.
	unwatched bool
	retryAt   int64 // on the loop's monotonic clock: not before
	backoff   int64 // milliseconds, 0: none
}

// The tag of an acceptor has generation 0, which no connection has, and its place in l.acceptors, from 1.
func (l *Loop) acceptorTag(i int) uint64 { return uint64(connID(l.index, 0, uint32(i+1))) }

// addAcceptor starts accepting from a listening socket, which the loop owns from now on.
func (l *Loop) addAcceptor(a *acceptor) {
	l.acceptors = append(l.acceptors, a)
	a.waiting, a.unwatched = true, true
}

// closeAcceptors closes the sockets of one listener, or of all with -1.
func (l *Loop) closeAcceptors(number int) {
	for _, a := range l.acceptors {
		if a.fd >= 0 && (number < 0 || a.number == number) {
			l.closeWatched(a.fd)
			a.fd, a.waiting = -1, false
		}
	}
}

// acceptorReady notes an event of a listening socket. One that the system would not watch is watched anew after a pause.
func (l *Loop) acceptorReady(place uint32, ev Events) {
	i := int(place) - 1
	if i < 0 || i >= len(l.acceptors) || l.acceptors[i].fd < 0 {
		l.meters[meterStaleEvents]++
		return
	}
	a := l.acceptors[i]
	a.waiting = true
	if ev&EventRefused != 0 {
		a.unwatched = true
		a.pause(l.mono)
	}
}

// pause keeps the acceptor quiet for a while, each time longer until it has accepted again.
func (a *acceptor) pause(now int64) {
	a.backoff = min(max(2*a.backoff, acceptBackoffMin), acceptBackoffMax)
	a.retryAt = now + a.backoff
}

// acceptorsBusy says whether a backlog may hold more and nothing forbids to look.
func (l *Loop) acceptorsBusy() bool {
	for _, a := range l.acceptors {
		if a.waiting && a.retryAt <= l.mono {
			return true
		}
	}
	return false
}

// acceptorsDue is when the next pause of an acceptor ends, math.MaxInt64: none pauses.
func (l *Loop) acceptorsDue() int64 {
	due := int64(math.MaxInt64)
	for _, a := range l.acceptors {
		if a.waiting {
			due = min(due, a.retryAt)
		}
	}
	return due
}

// serveAcceptors accepts what waits.
func (l *Loop) serveAcceptors() {
	for i, a := range l.acceptors {
		if !a.waiting || a.retryAt > l.mono {
			continue
		}
		if a.unwatched {
			if err := l.poller.Add(a.fd, l.acceptorTag(i)); err != nil {
				a.pause(l.mono)
				continue
			}
			a.unwatched = false
		}
		l.acceptSome(a)
	}
}

// acceptSome empties the backlog, up to the turn's share.
func (l *Loop) acceptSome(a *acceptor) {
	for n := 0; n < AcceptTurnMax && a.fd >= 0; n++ {
		fd, remote, err := l.sockets.accept(a.fd)
		if err == nil {
			a.backoff = 0
			l.admit(a, fd, remote)
			continue
		}
		if !l.acceptFailed(a, err) {
			return
		}
	}
}

// acceptFailed answers an error of accept(2) and says whether to go on at once. No error ends the listener.
func (l *Loop) acceptFailed(a *acceptor, err error) bool {
	switch err {
	case unix.EAGAIN:
		a.waiting = false
		return false
	case unix.EINTR:
		return true
	}
	l.meters[meterAcceptErrors]++
	switch err {
	case unix.EMFILE, unix.ENFILE:
		if l.shed(a) {
			return a.waiting
		}
	case unix.ENOBUFS, unix.ENOMEM:
	case unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EOPNOTSUPP, unix.EFAULT:
		l.r.cfg.Logger.Error("netpoll: accept", "loop", l.index, "listener", a.number, "error", err)
	default: // ECONNABORTED, and network errors of the new connection, which accept(2) of Linux passes on
		return true
	}
	a.pause(l.mono)
	return false
}

// shed gives the reserve descriptor up to accept one connection and close it, so that the peer learns that there is no
// room instead of waiting in the backlog. False: there was no reserve, or somebody else took the descriptor.
func (l *Loop) shed(a *acceptor) bool {
	if l.reserve < 0 {
		l.reserve = openReserve()
		return l.reserve >= 0
	}
	_ = unix.Close(l.reserve)
	fd, _, err := l.sockets.accept(a.fd)
	if err == nil {
		_ = unix.Close(fd)
	}
	l.reserve = openReserve()
	if err == unix.EAGAIN {
		a.waiting = false
	}
	return err == nil || err == unix.EAGAIN
}

// openReserve takes a descriptor that can be given up, -1: there is none.
func openReserve() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// admit takes an accepted connection, here or on the loop with the fewest.
func (l *Loop) admit(a *acceptor, fd int, remote netip.AddrPort) {
	if l.stopping || !l.r.enter() {
		_ = unix.Close(fd)
		l.meters[meterAcceptRefused]++
		return
	}
	tag, ok := l.admitted(a.number, remote)
	if !ok {
		l.sendAway(fd)
		l.r.leave(0)
		return
	}
	l.meters[meterAccepted]++
	p := passage{fd: fd, origin: OriginAccepted, listener: a.number, remote: remote, tag: tag}
	to := l.index
	if a.deal {
		to = l.r.leastLoaded()
	}
	l.r.loads[to].v.Add(1)
	if to == l.index {
		l.arrive(&p)
		return
	}
	o := &l.outboxes[to]
	dst := l.outParcel(o, to)
	dst.buf = p.appendHead(dst.buf, 0, 0, 0)
	o.posted += recordHead + passageHead
}
