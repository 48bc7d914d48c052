//go:build linux || freebsd || darwin

package netpoll

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
)

func TestPanicInOneHandlerEndsOneConnectionOnly(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		var reports atomic.Int64
		reasons := make(chan CloseReason, 8)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				if b[0] == '!' {
					panic("a bug of a handler")
				}
				must(t, s.l.Send(id, b))
				return len(b)
			}
			s.close = func(id ConnID, r CloseReason) { reasons <- r; panic("another one, in OnClose") }
			s.message = func(int, []byte) { panic("and in OnMessage") }
			s.panics = func(id ConnID, v any, stack []byte) {
				reports.Add(1)
				if len(stack) == 0 || v == nil {
					t.Error("a report without value or stack")
				}
				panic("even the report")
			}
		})
		well, ill := g.dial(), g.dial()
		must(t, g.r.Post(0, []byte("m")))
		_, err := ill.Write([]byte("!"))
		must(t, err)
		if _, err := ill.Read(make([]byte, 1)); err == nil {
			t.Error("the connection of the panic is still open")
		}
		if r := <-reasons; r != ReasonPanic {
			t.Errorf("reason %d, want ReasonPanic", r)
		}
		_, err = well.Write([]byte("still here"))
		must(t, err)
		_, err = io.ReadFull(well, make([]byte, 10))
		must(t, err)
		g.until("every panic is counted, also those of the reports", func() bool { return g.r.Stats()[0].Panics == 6 })
		if reports.Load() != 3 {
			t.Errorf("%d reports, want 3", reports.Load())
		}
	})
}

func TestPanicInEveryCallbackLeavesTheLoopRunning(t *testing.T) {
	var ticks atomic.Int64
	g := newRig(t, Config{Loops: 1}, func(s *script) {
		s.open = func(ConnID, OpenInfo) { panic("open") }
		s.tick = func() {
			if ticks.Add(1) < 5 {
				panic("tick")
			}
		}
	})
	for range 5 {
		c := g.dial()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection whose OnOpen panicked is open")
		}
	}
	g.until("no slot is left", func() bool { return g.connections() == 0 })
}

func TestCloseIsSafeTwiceAndDropsWhatWaits(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		reasons := make(chan CloseReason, 8)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				must(t, s.l.Send(id, b))
				s.l.CloseFlush(id, 0)
				s.l.Close(id)
				s.l.Close(id)
				if err := s.l.Send(id, b); !errors.Is(err, ErrConnUnknown) {
					t.Errorf("Send: %v", err)
				}
				if err := s.l.Move(id, 0, nil); !errors.Is(err, ErrConnUnknown) {
					t.Errorf("Move: %v", err)
				}
				return len(b)
			}
			s.close = func(id ConnID, r CloseReason) { s.l.Close(id); reasons <- r }
		})
		c := g.dial()
		_, err := c.Write([]byte("x"))
		must(t, err)
		if n, _ := c.Read(make([]byte, 1)); n != 0 {
			t.Error("what waited was written")
		}
		g.until("the slot is free", func() bool { return g.connections() == 0 })
		if len(reasons) != 1 || <-reasons != ReasonHandler {
			t.Error("OnClose did not come exactly once with ReasonHandler")
		}
	})
}

func TestStaleNamesNameNothing(t *testing.T) {
	g := newRig(t, Config{Loops: 1}, nil)
	opened := make(chan ConnID, 4)
	g.on(0, func(s *script) {
		s.open = func(id ConnID, _ OpenInfo) { opened <- id }
		s.l.generation = GenerationMax - 1 // so that the second one wraps
	})
	first := g.dial()
	old := <-opened
	must(t, first.Close())
	g.until("the first is gone", func() bool { return g.r.Stats()[0].Closed == 1 })
	second := g.dial()
	id := <-opened
	if old.Slot() != id.Slot() || old.Generation() != GenerationMax || id.Generation() != 1 {
		t.Fatalf("slots %d and %d, generations %d and %d", old.Slot(), id.Slot(), old.Generation(), id.Generation())
	}
	g.on(0, func(s *script) {
		for _, stale := range []ConnID{old, 0, connID(1, 1, id.Slot()), connID(0, 1, 1<<30), connID(0, 2, id.Slot())} {
			if err := s.l.Send(stale, []byte("x")); !errors.Is(err, ErrConnUnknown) {
				t.Errorf("Send to %x: %v", stale, err)
			}
			if err := s.l.Move(stale, 0, nil); !errors.Is(err, ErrConnUnknown) {
				t.Errorf("Move of %x: %v", stale, err)
			}
			s.l.Close(stale)
			s.l.CloseFlush(stale, 0)
			s.l.Pause(stale)
			s.l.Redeliver(stale)
			s.l.SetTimer(stale, 1)
			driver{s.l}.OnEvent(uint64(stale), EventRead|EventHangup)
		}
		must(t, s.l.Send(id, []byte("alive")))
	})
	_, err := io.ReadFull(second, make([]byte, 5))
	must(t, err)
	g.until("stale events are counted", func() bool { return g.r.Stats()[0].StaleEvents >= 5 })
}

func TestEachVisitsOpenConnectionsOnly(t *testing.T) {
	g := newRig(t, Config{Loops: 1}, nil)
	opened := make(chan ConnID, 8)
	g.on(0, func(s *script) { s.open = func(id ConnID, _ OpenInfo) { opened <- id } })
	ids := map[ConnID]bool{}
	for range 5 {
		g.dial()
		ids[<-opened] = true
	}
	g.on(0, func(s *script) {
		seen := 0
		s.l.Each(func(id ConnID) bool {
			if !ids[id] {
				t.Errorf("unknown %x", id)
			}
			if seen++; seen == 1 {
				s.l.Close(id)
			}
			return true
		})
		again := 0
		s.l.Each(func(ConnID) bool { again++; return again < 2 })
		if seen != 5 || again != 2 {
			t.Errorf("visited %d, then %d", seen, again)
		}
	})
}
