//go:build linux || freebsd || darwin

package netpoll

import (
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// TestMessagesBetweenLoopsAreFIFO sends 400,000 numbered messages over every pair of four loops, in both directions and to
// themselves, as fast as the credit allows.
func TestMessagesBetweenLoopsAreFIFO(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		const loops, total = 4, 400_000
		const each = total / loops / loops
		cfg.Loops = loops
		cfg.InboxBytesMax = 64 << 10
		var got atomic.Int64
		g := newRig(t, cfg, func(s *script) {
			var next [loops]uint64 // to send
			var want [loops]uint64 // to get
			s.message = func(from int, msg []byte) {
				if n := binary.LittleEndian.Uint64(msg); n != want[from] || len(msg) != 8+int(n%40) {
					t.Errorf("from %d: got %d (%d bytes), want %d", from, n, len(msg), want[from])
				}
				want[from]++
				got.Add(1)
			}
			s.tick = func() {
				msg := make([]byte, 48)
				for to := range next {
					for next[to] < each && s.l.Credit(to) > 0 {
						binary.LittleEndian.PutUint64(msg, next[to])
						must(t, s.l.Post(to, msg[:8+next[to]%40]))
						next[to]++
					}
					if next[to] < each {
						s.l.WakeAt(s.l.Now() + 1)
					}
				}
			}
		})
		g.until("all have come", func() bool { return got.Load() == total })
		for _, s := range g.r.Stats() {
			if s.OutboundRefused != 0 {
				t.Error("something was refused")
			}
		}
	})
}

func TestPostFromOutsideIsFIFOAndBounded(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		cfg.InboxBytesMax = 4 << 10
		var got atomic.Uint64
		hold := make(chan struct{})
		g := newRig(t, cfg, func(s *script) {
			s.message = func(from int, msg []byte) {
				if n := binary.LittleEndian.Uint64(msg); from != -1 || n != got.Load() {
					t.Errorf("got %d from %d, want %d", n, from, got.Load())
				}
				got.Add(1)
			}
		})
		c := g.scripts[0].commands
		c.mu.Lock()
		c.funcs = append(c.funcs, func(*script) { <-hold })
		c.mu.Unlock()
		must(t, g.r.Post(0, []byte("command")))
		sent, refused := uint64(0), false
		for sent < 20_000 {
			err := g.r.Post(0, binary.LittleEndian.AppendUint64(nil, sent))
			if errors.Is(err, ErrInboxFull) {
				if !refused {
					refused = true
					close(hold)
				}
				continue
			}
			must(t, err)
			sent++
		}
		if !refused {
			t.Error("nothing was refused while the loop stood still")
		}
		g.until("all have come", func() bool { return got.Load() == sent })
	})
}

func TestPostsAreRefusedOnlyAboveTheHardLimit(t *testing.T) {
	const inbox = 10_000
	refusals := make(chan int, 1)
	var got atomic.Int64
	g := newRig(t, Config{Loops: 2, InboxBytesMax: inbox}, func(s *script) {
		s.message = func(int, []byte) { got.Add(1) }
	})
	msg := make([]byte, 96)
	g.on(0, func(s *script) {
		n := 0
		for ; s.l.Post(1, msg) == nil; n++ {
			if want := inbox - 100*(n+1); s.l.Credit(1) != want {
				t.Fatalf("credit %d after %d posts, want %d", s.l.Credit(1), n+1, want)
			}
		}
		for _, c := range []struct {
			to   int
			msg  []byte
			want error
		}{{1, msg, ErrInboxFull}, {2, nil, ErrLoopUnknown}, {-1, nil, ErrLoopUnknown}, {0, make([]byte, MessageBytesMax+1), ErrMessageTooLarge}} {
			if err := s.l.Post(c.to, c.msg); !errors.Is(err, c.want) {
				t.Errorf("Post to %d: %v, want %v", c.to, err, c.want)
			}
		}
		refusals <- n
	})
	if n := <-refusals; n != inboxHardFactor*inbox/100 {
		t.Errorf("%d messages were taken", n)
	}
	g.until("all have come", func() bool { return got.Load() == inboxHardFactor*inbox/100 })
	g.on(0, func(s *script) {
		if s.l.Credit(1) != inbox || s.l.Credit(9) != 0 {
			t.Errorf("credit %d, of an unknown loop %d", s.l.Credit(1), s.l.Credit(9))
		}
	})
}

// TestFloodOfMessagesDoesNotStarveConnections echoes while another loop and the loop itself keep the inbox full.
func TestFloodOfMessagesDoesNotStarveConnections(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		var flood atomic.Int64
		cfg.InboxBytesMax = 256 << 10
		msg := make([]byte, 100)
		g := newRig(t, cfg, func(s *script) {
			echo(s)
			s.message = func(int, []byte) { flood.Add(1) }
			s.tick = func() {
				for to := range 2 {
					for s.l.Credit(to) > 0 {
						must(t, s.l.Post(to, msg))
					}
				}
			}
		})
		for range 2 {
			c := g.dial()
			for range 8 { // the test's own goroutine gets little of the processors that the loops fill
				before := flood.Load()
				_, err := c.Write([]byte("ping"))
				must(t, err)
				_, err = io.ReadFull(c, make([]byte, 4))
				must(t, err)
				g.until("the flood goes on", func() bool { return flood.Load() > before })
			}
		}
		for i := range g.scripts {
			g.on(i, func(s *script) { s.tick = nil })
		}
	})
}

// TestEachTurnServesConnectionsFirstAndOnlyABudgetOfMessages steps a loop by hand.
func TestEachTurnServesConnectionsFirstAndOnlyABudgetOfMessages(t *testing.T) {
	fake := NewFakePoller()
	var messages, reads int
	g := newIdleRig(t, Config{Loops: 1, NewPoller: func(int) (Poller, error) { return fake, nil }}, func(s *script) {
		s.message = func(int, []byte) { messages++ }
		s.data = func(id ConnID, b []byte) int {
			reads += len(b)
			return len(b)
		}
	})
	l := g.r.loops[0]
	a, b := socketPair(t)
	_, err := l.Adopt(a, nil, nil, nil)
	must(t, err)
	l.settle()
	for fake.Step(driver{l}) == PollAgain {
	}
	for range 5 * MessageTurnMax {
		must(t, g.r.Post(0, []byte("m")))
	}
	for turn := 1; turn <= 5; turn++ {
		must(t, writeAll(b, make([]byte, 1000)))
		fake.Push(FakeEvent{FD: a, Events: EventRead})
		fake.Step(driver{l})
		if reads != 1000*turn || messages != MessageTurnMax*turn {
			t.Errorf("after turn %d: %d bytes, %d messages", turn, reads, messages)
		}
	}
	for fake.Step(driver{l}) == PollAgain {
	}
	// The other way round: a connection that always has more does not keep messages from coming.
	must(t, writeAll(b, make([]byte, 3*ReadTurnBytesMax/2)))
	must(t, g.r.Post(0, []byte("m")))
	fake.Push(FakeEvent{FD: a, Events: EventRead})
	reads = 0
	if next := fake.Step(driver{l}); next != PollAgain || reads != ReadTurnBytesMax || messages != 5*MessageTurnMax+1 {
		t.Errorf("next %d, %d bytes, %d messages", next, reads, messages)
	}
	if fake.Step(driver{l}); reads != 3*ReadTurnBytesMax/2 {
		t.Errorf("%d bytes after the second turn", reads)
	}
	closeFD(t, b)
}

// TestConnectionsShareTurns steps a loop with two connections that have much to read.
func TestConnectionsShareTurns(t *testing.T) {
	fake := NewFakePoller()
	order := []int{}
	names := map[ConnID]int{}
	g := newIdleRig(t, Config{Loops: 1, NewPoller: func(int) (Poller, error) { return fake, nil }}, func(s *script) {
		s.data = func(id ConnID, b []byte) int { order = append(order, names[id]); return len(b) }
	})
	l := g.r.loops[0]
	for i := range 2 {
		a, b := socketPair(t)
		id, err := l.Adopt(a, nil, nil, nil)
		must(t, err)
		l.settle()
		names[id] = i
		must(t, writeAll(b, make([]byte, 2*ReadTurnBytesMax)))
		t.Cleanup(func() { closeFD(t, b) })
	}
	for fake.Step(driver{l}) == PollAgain {
	}
	if len(order) < 4 || order[0] == order[1] || order[2] == order[3] {
		t.Errorf("served in the order %v, want turns", order)
	}
}

func TestPostAfterShutdownIsRefused(t *testing.T) {
	g := newRig(t, Config{Loops: 1}, nil)
	shutdown(t, g.r, time.Second)
	if err := g.r.Post(0, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Post: %v", err)
	}
	if _, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Listen: %v", err)
	}
	if err := g.r.Start(); !errors.Is(err, ErrClosed) {
		t.Errorf("Start: %v", err)
	}
}

// What a turn posts must not be taken up before the turn has ended, however much it is: who makes a turn durable in OnTick could else be
// overtaken by what follows from it.
func TestNoMessageLeavesBeforeItsTurnHasEnded(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 2
		const messages, size = 900, 1_000 // many parcels
		var got, early atomic.Int64
		var ticked atomic.Bool
		g := newRig(t, cfg, func(s *script) {
			if s.l.Index() == 0 {
				s.tick = func() { ticked.Store(true) }
				return
			}
			s.message = func(from int, msg []byte) {
				if from != 0 {
					return
				}
				if n := binary.LittleEndian.Uint64(msg); n != uint64(got.Load()%messages) {
					t.Errorf("got %d as number %d", n, got.Load())
				}
				if got.Add(1); !ticked.Load() {
					early.Add(1)
				}
			}
		})
		for range 3 { // parcels are used again
			before := got.Load()
			g.on(0, func(s *script) {
				ticked.Store(false)
				msg := make([]byte, size)
				for i := range uint64(messages) {
					binary.LittleEndian.PutUint64(msg, i)
					must(t, s.l.Post(1, msg))
				}
				in := &g.r.loops[1].inbox
				in.mu.Lock()
				defer in.mu.Unlock()
				for _, p := range in.queue {
					if p.from == 0 {
						t.Error("a parcel has left before OnTick")
					}
				}
			})
			g.until("all have come", func() bool { return got.Load() == before+messages })
		}
		if early.Load() > 0 {
			t.Errorf("%d messages were taken before OnTick", early.Load())
		}
	})
}
