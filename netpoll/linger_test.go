//go:build linux || freebsd || darwin

package netpoll

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lingering is a loop stepped by hand with one connection that is flushed and lingers, and the peer's descriptor.
type lingering struct {
	*testing.T
	l      *Loop
	fake   *FakePoller
	now    time.Time
	id     ConnID
	peer   int
	known  bool // the system tells what the kernel holds
	closed []CloseReason
}

// newLingering flushes n bytes into the kernel, which the peer's small receive buffer does not take, with a deadline of 10 s.
func newLingering(t *testing.T, n int) *lingering {
	g := &lingering{T: t, fake: NewFakePoller(), now: time.Now()}
	r := newIdleRig(t, Config{
		Loops: 1, NewPoller: func(int) (Poller, error) { return g.fake, nil }, Now: func() time.Time { return g.now },
	}, func(s *script) { s.close = func(_ ConnID, r CloseReason) { g.closed = append(g.closed, r) } })
	g.l = r.r.loops[0]
	fd, peer := socketPair(t)
	g.peer = peer
	t.Cleanup(func() { _ = unix.Close(peer) })
	must(t, unix.SetsockoptInt(peer, unix.SOL_SOCKET, unix.SO_RCVBUF, 32<<10))
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
	id, err := g.l.Adopt(fd, nil, nil, make([]byte, n))
	must(t, err)
	g.l.settle()
	g.l.CloseFlush(id, 10*time.Second)
	g.id = id
	_, g.known = unacknowledged(fd)
	g.after(0)
	if s := g.l.lookup(id); s == nil || s.flags&flagLinger == 0 {
		t.Fatalf("not lingering: %d bytes wait, closed %v", g.l.Pending(id), g.closed)
	}
	return g
}

// after lets time pass and the loop turn.
func (g *lingering) after(d time.Duration) {
	g.now = g.now.Add(d)
	for g.fake.Step(driver{g.l}) == PollAgain {
	}
}

func TestLingerWaitsWhileTheKernelHoldsOutput(t *testing.T) {
	g := newLingering(t, 200_000)
	g.after(LingerTimeMax + timerGrain*time.Millisecond)
	g.after(LingerTimeMax + timerGrain*time.Millisecond)
	if len(g.closed) != 0 {
		t.Fatalf("closed with %v while the kernel holds output", g.closed)
	}
	for got, buf := 0, make([]byte, 1<<16); got < 200_000; {
		n, err := unix.Read(g.peer, buf)
		if err != unix.EAGAIN {
			must(t, err)
			got += n
		}
	}
	fd := int(g.l.lookup(g.id).fd)
	if !g.known {
		t.Skip("this system does not tell what the kernel holds: the linger lasts up to the deadline")
	}
	untilTrue(t, "all is acknowledged", func() bool { n, _ := unacknowledged(fd); return n == 0 })
	g.after(LingerTimeMax + timerGrain*time.Millisecond)
	if len(g.closed) != 1 || g.closed[0] != ReasonHandler {
		t.Errorf("closed with %v, want ReasonHandler", g.closed)
	}
}

func TestLingerEndsAtTheDeadlineOfCloseFlush(t *testing.T) {
	g := newLingering(t, 200_000)
	for range 6 {
		g.after(LingerTimeMax)
	}
	want := ReasonFlushTimeout
	if !g.known {
		want = ReasonHandler
	}
	if len(g.closed) != 1 || g.closed[0] != want {
		t.Errorf("closed with %v, want %d", g.closed, want)
	}
}

func TestLingerEndsWithThePeersFin(t *testing.T) {
	g := newLingering(t, 1)
	must(t, unix.Shutdown(g.peer, unix.SHUT_WR))
	untilTrue(t, "the FIN has come", func() bool {
		g.fake.Push(FakeEvent{FD: int(g.l.slots.At(g.id.Slot()).fd), Events: EventRead | EventHangup})
		g.after(0)
		return len(g.closed) > 0
	})
	if g.closed[0] != ReasonHandler {
		t.Errorf("closed with %v, want ReasonHandler", g.closed)
	}
}
