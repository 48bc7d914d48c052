//go:build linux || freebsd || darwin

package netpoll

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A loop that has ended takes no more connections, and those that others sent it meanwhile must not keep the rest alive.

func TestAConnectionSentToALoopThatHasEndedDoesNotHoldUpShutdown(t *testing.T) {
	checkLeaks(t)
	g := newIdleRig(t, Config{Loops: 2}, func(s *script) {
		s.open = func(id ConnID, info OpenInfo) {
			if info.Origin == OriginAdopted {
				must(t, s.l.Move(id, 1, nil))
			}
		}
	})
	must(t, g.r.Start())
	a, b := socketPair(t)
	defer closeFD(t, b)
	held, goOn := make(chan struct{}), make(chan struct{})
	go g.on(0, func(s *script) { // Shutdown comes while this loop is in the middle of a turn
		close(held)
		<-goOn
		_, err := s.l.Adopt(a, nil, nil, nil)
		must(t, err)
	})
	<-held
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	go func() { ended <- g.r.Shutdown(ctx) }()
	g.until("the other loop has ended", func() bool {
		g.r.mu.Lock()
		defer g.r.mu.Unlock()
		return g.r.running == 1
	})
	close(goOn)
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(patience / 2):
		t.Fatalf("Shutdown hangs with %d connections open", g.r.open.Load())
	}
	if n := g.r.open.Load(); n != 0 {
		t.Errorf("%d connections are counted as open", n)
	}
}

func TestAConnectionOnItsWayToALoopThatFailsDoesNotHoldUpTheEnd(t *testing.T) {
	checkLeaks(t)
	broken := errors.New("broken")
	fail := make(chan struct{})
	g := newIdleRig(t, Config{Loops: 2, NewPoller: func(loop int) (Poller, error) {
		p, err := newNativePoller()
		if loop == 1 {
			return latePoller{p, fail, broken}, err
		}
		return p, err
	}}, func(s *script) {
		s.open = func(id ConnID, info OpenInfo) {
			if info.Origin == OriginAdopted {
				must(t, s.l.Move(id, 1, nil))
			}
		}
	})
	must(t, g.r.Start())
	a, b := socketPair(t)
	defer closeFD(t, b)
	g.on(0, func(s *script) {
		_, err := s.l.Adopt(a, nil, nil, nil)
		must(t, err)
	})
	g.until("the connection waits", func() bool { return g.r.loops[1].inbox.waits.Load() })
	close(fail)
	ended := make(chan error, 1)
	go func() { ended <- g.r.Wait() }()
	select {
	case err := <-ended:
		if !errors.Is(err, broken) {
			t.Errorf("Wait: %v", err)
		}
	case <-time.After(patience / 2):
		t.Fatalf("the reactor hangs with %d connections open", g.r.open.Load())
	}
	if n, err := unix.Read(b, make([]byte, 1)); n > 0 || err == unix.EAGAIN {
		t.Errorf("the peer of the lost connection reads %d, %v", n, err)
	}
	if _, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Listen afterwards: %v", err)
	}
}

// latePoller fails when it is told to, and delivers nothing before.
type latePoller struct {
	Poller
	fail chan struct{}
	err  error
}

func (p latePoller) Run(PollHandler) error {
	<-p.fail
	return p.err
}
