//go:build linux || freebsd || darwin

package netpoll

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestShutdownFlushesWhatWaits(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.OutboundBytesMax = 16 << 20
		want := pattern(8<<20, 4)
		var reasons [8]atomic.Int64
		sent := make(chan struct{}, 2)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				must(t, s.l.Send(id, want))
				sent <- struct{}{}
				return len(b)
			}
			s.close = func(_ ConnID, r CloseReason) { reasons[r].Add(1) }
		})
		idle, busy := g.dial(), g.dial()
		_, err := busy.Write([]byte("go"))
		must(t, err)
		<-sent
		ended := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			ended <- g.r.Shutdown(ctx)
		}()
		if got := readSlowly(t, busy); !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
		if n, err := idle.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("the idle connection is open")
		}
		must(t, busy.Close())
		must(t, <-ended)
		must(t, g.r.Wait())
		if reasons[ReasonShutdown].Load() != 2 {
			t.Errorf("%d connections ended with ReasonShutdown, want 2", reasons[ReasonShutdown].Load())
		}
	})
}

func TestShutdownDropsWhatWaitsWhenItsContextEnds(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.OutboundBytesMax = 2 * bigBytes
		closed := make(chan CloseReason, 1)
		sent := make(chan struct{}, 1)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				must(t, s.l.Send(id, make([]byte, bigBytes)))
				sent <- struct{}{}
				return len(b)
			}
			s.close = func(_ ConnID, r CloseReason) { closed <- r }
		})
		c := g.dial()
		_, err := c.Write([]byte("go"))
		must(t, err)
		<-sent
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := g.r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if r := <-closed; r != ReasonShutdown {
			t.Errorf("reason %d, want ReasonShutdown", r)
		}
		must(t, g.r.Shutdown(context.Background()))
	})
}

func TestShutdownBeforeStartFreesEverything(t *testing.T) {
	checkLeaks(t)
	g := newIdleRig(t, Config{Loops: 3}, nil)
	_, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	must(t, g.r.Shutdown(context.Background()))
	must(t, g.r.Wait())
}

func TestFailedPollerEndsTheReactorWithItsError(t *testing.T) {
	checkLeaks(t)
	broken := errors.New("broken")
	g := newIdleRig(t, Config{Loops: 2, NewPoller: func(loop int) (Poller, error) {
		p, err := newNativePoller()
		if loop == 1 {
			return failingPoller{p, broken}, err
		}
		return p, err
	}}, nil)
	_, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	must(t, g.r.Start())
	if err := g.r.Wait(); !errors.Is(err, broken) {
		t.Errorf("Wait: %v", err)
	}
}

type failingPoller struct {
	Poller
	err error
}

func (p failingPoller) Run(PollHandler) error { return p.err }

func TestNewRefusesImpossibleConfigs(t *testing.T) {
	handler := func(l *Loop) Handler { return &script{l: l} }
	for _, c := range []struct {
		cfg  Config
		want error
	}{{Config{Loops: LoopsMax + 1}, ErrLoopsRange}, {Config{Loops: -1}, ErrLoopsRange}, {Config{Poller: "steam"}, ErrPollerUnknown}} {
		if _, err := New(c.cfg, handler); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.cfg, err, c.want)
		}
	}
}

// TestIdleConnectionsNeedNoGoroutines holds 10,000 connections to another process.
func TestIdleConnectionsNeedNoGoroutines(t *testing.T) {
	conns := 10_000
	if openFilesMax() < conns+200 {
		t.Skipf("the limit of %d descriptors is too low for %d connections", openFilesMax(), conns)
	}
	eachPoller(t, func(t *testing.T, cfg Config) {
		g := newRig(t, cfg, echo)
		before := runtime.NumGoroutine()
		client := startChild(t, "TestChildClient")
		client.dial(g.ln.Addr().String(), conns)
		g.until("all are open", func() bool { return g.connections() == conns })
		if n := runtime.NumGoroutine(); n > before+4 { // those that talk to the child process
			t.Errorf("%d goroutines with %d connections, %d without", n, conns, before)
		}
		for _, s := range g.r.Stats() {
			if s.ArenaBytes > 1<<20 {
				t.Errorf("%d bytes of arena for idle connections", s.ArenaBytes)
			}
		}
		if !pings(g.dial()) {
			t.Error("not served")
		}
	})
}
