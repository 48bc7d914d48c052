//go:build linux || freebsd || darwin

package netpoll

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Cases about sockets that are gone, or going, when the poller speaks of them.

// pollerClose closes a descriptor as a loop does.
func pollerClose(p Poller, e *pollerEnd) {
	if h, ok := p.(changeHolder); ok {
		h.Drop(e.fd)
	}
	e.close()
}

func pollerCaseClosedEarly(t testing.TB, open func() (Poller, error)) {
	from, to := newPollerRig(t, open).start(), newPollerRig(t, open).start()
	a, _ := pollerPair(t)
	c, d := pollerPair(t)
	from.do(func() {
		from.must(from.p.Add(a.fd, 1))
		from.must(from.p.WantWrite(a.fd, 1))
		number := a.fd
		pollerClose(from.p, a)
		c.becomeNumber(number)
	})
	to.add(c.fd, 2)
	d.write("to the next owner")
	to.untilReport(2, EventRead, 1)
	from.turns(3)
	if n := from.count(1, 0); n != 0 {
		t.Errorf("%d reports for a socket of another poller", n)
	}
}

// pollerCaseStale closes one of two sockets at the report of the other, in the same batch, and lets a third one have its number.
func pollerCaseStale(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open)
	ends := map[uint64]*pollerEnd{}
	for tag := uint64(1); tag <= 2; tag++ {
		a, b := pollerPair(t)
		b.write("x")
		a.untilReadable()
		ends[tag] = a
		r.must(r.p.Add(a.fd, tag))
	}
	c, d := pollerPair(t)
	r.onEvent = func(tag uint64) {
		r.onEvent = nil
		other := ends[3-tag]
		number := other.fd
		pollerClose(r.p, other)
		c.becomeNumber(number)
		r.must(r.p.Add(c.fd, 3))
	}
	r.start()
	r.turns(3)
	if n := r.count(3, 0); n != 0 {
		t.Errorf("%d reports of a socket to which nothing has happened", n)
	}
	d.write("y")
	r.untilReport(3, EventRead, 1)
}

func pollerCaseFailedAdd(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open)
	a, b := pollerPair(t)
	c, d := pollerPair(t)
	gone, _ := pollerPair(t)
	b.write("x")
	d.write("x")
	gone.close()
	r.must(r.p.Add(a.fd, 1))
	if err := r.p.Add(gone.fd, 2); err != nil && !errors.Is(err, unix.EBADF) {
		t.Errorf("Add of a closed descriptor: %v", err)
	}
	r.must(r.p.Add(c.fd, 3))
	r.start()
	r.untilReport(1, EventRead, 1)
	r.untilReport(3, EventRead, 1)
	if n := r.count(2, EventRead); n != 0 {
		t.Errorf("%d reports of a descriptor that was closed", n)
	}
}

func pollerCaseRemovedQuiet(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 1)
	r.do(func() { r.must(r.p.Remove(a.fd)) })
	r.turns(3)
	r.quiet(100*time.Millisecond, func() { b.write("nobody listens") })
}

func pollerCaseEndLater(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 1)
	b.write("data")
	r.untilReport(1, EventRead, 1)
	if n := r.count(1, EventHangup); n != 0 {
		t.Errorf("%d hangups before the end", n)
	}
	a.read()
	b.close()
	r.untilReport(1, EventHangup|EventRead, 1)
}

func pollerCaseShared(t testing.TB, open func() (Poller, error)) {
	first, second := newPollerRig(t, open).start(), newPollerRig(t, open).start()
	addr := unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	one, err := pollerListenShared(t, addr)
	if errors.Is(err, ErrReusePort) {
		t.Skip("this system does not spread connections")
	}
	first.must(err)
	addr, err = unix.Getsockname(one.fd)
	first.must(err)
	two, err := pollerListenShared(t, addr)
	first.must(err)
	first.add(one.fd, 1)
	second.add(two.fd, 2)
	for range 64 { // all on one side: one in 2^63
		pollerConnect(t, addr)
	}
	first.untilReport(1, EventRead, 1)
	second.untilReport(2, EventRead, 1)
	accepted := func(e *pollerEnd) (n int) {
		for {
			fd, _, err := unix.Accept(e.fd)
			if err != nil {
				return n
			}
			n++
			newPollerEnd(t, fd)
		}
	}
	m, n := 0, 0
	for end := time.Now().Add(patienceOf(t)); m+n < 64 && time.Now().Before(end); {
		m, n = m+accepted(one), n+accepted(two)
	}
	if m == 0 || n == 0 || m+n != 64 {
		t.Errorf("%d and %d of 64 connections", m, n)
	}
	second.do(func() { pollerClose(second.p, two) })
	before := first.count(1, EventRead)
	for range 16 {
		pollerConnect(t, addr)
	}
	first.untilReport(1, EventRead, before+1)
	m = 0
	for end := time.Now().Add(patienceOf(t)); m < 16 && time.Now().Before(end); {
		m += accepted(one)
	}
	if m != 16 {
		t.Errorf("%d of 16 connections after the other socket was closed", m)
	}
}

// pollerListenShared is one of several sockets that listen on a port.
func pollerListenShared(t testing.TB, addr unix.Sockaddr) (*pollerEnd, error) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	ln := newPollerEnd(t, fd)
	if err := setReusePort(fd); err != nil {
		return nil, err
	}
	return ln, errors.Join(unix.Bind(fd, addr), unix.Listen(fd, 128))
}
