//go:build linux || freebsd || darwin

package netpoll

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

func TestUnconsumedInputComesAgainWithTheNextBytes(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		const frame = 777
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				n := len(b) / frame * frame // whole frames only
				must(t, s.l.Send(id, b[:n]))
				return n
			}
		})
		c := g.dial()
		want := pattern(frame*1000, 5)
		go func() {
			for b := want; len(b) > 0; {
				n := min(len(b), 1+len(b)%1999)
				_, _ = c.Write(b[:n])
				b = b[n:]
			}
			_ = c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, want %d", len(got), len(want))
		}
	})
}

func TestInboundCapStopsReadingUntilSomethingIsConsumed(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.InboundBytesMax = 100_000
		cfg.Loops = 1
		const total = 4 << 20
		var eating atomic.Bool
		var most, eaten atomic.Int64
		var id atomic.Uint64
		h := newStreamCheck(total, 6)
		g := newRig(t, cfg, func(s *script) {
			s.open = func(c ConnID, _ OpenInfo) { id.Store(uint64(c)) }
			s.data = func(c ConnID, b []byte) int {
				most.Store(max(most.Load(), int64(len(b))))
				if !eating.Load() {
					return 0
				}
				n := min(len(b), 30_000)
				h.take(t, b[:n])
				eaten.Add(int64(n))
				s.l.Redeliver(c)
				return n
			}
		})
		c := g.dial()
		go func() { _, _ = c.Write(pattern(total, 6)) }()
		g.until("the cap is reached", func() bool { return most.Load() == 100_000 })
		eating.Store(true)
		g.on(0, func(s *script) { s.l.Redeliver(ConnID(id.Load())) })
		g.until("all of it is eaten", func() bool { return eaten.Load() == total })
		if most.Load() > 100_000 {
			t.Errorf("%d bytes were given at once", most.Load())
		}
	})
}

// streamCheck compares a stream with a pattern as it comes.
type streamCheck struct{ want []byte }

func newStreamCheck(n int, seed uint32) *streamCheck { return &streamCheck{pattern(n, seed)} }

func (h *streamCheck) take(t *testing.T, b []byte) {
	if len(b) > len(h.want) || !bytes.Equal(b, h.want[:len(b)]) {
		t.Errorf("the stream differs %d bytes before its end", len(h.want))
		return
	}
	h.want = h.want[len(b):]
}

func TestPausedConnectionReadsNothingUntilItIsResumed(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		got := make(chan string, 16)
		fin := make(chan struct{}, 1)
		opened := make(chan ConnID, 1)
		g := newRig(t, cfg, func(s *script) {
			s.open = func(id ConnID, _ OpenInfo) { opened <- id }
			s.data = func(id ConnID, b []byte) int { got <- string(b); return len(b) }
			s.halfClose = func(id ConnID) { fin <- struct{}{} }
		})
		c := g.dial()
		id := <-opened
		g.on(0, func(s *script) { s.l.Pause(id) })
		_, err := c.Write([]byte("while paused"))
		must(t, err)
		must(t, c.CloseWrite())
		other := g.dial() // its data comes later than the event of the paused one
		<-opened
		_, err = other.Write([]byte("other"))
		must(t, err)
		if b := <-got; b != "other" {
			t.Fatalf("got %q of a paused connection", b)
		}
		select {
		case <-fin:
			t.Fatal("OnHalfClose of a paused connection")
		default:
		}
		g.on(0, func(s *script) { s.l.Resume(id) })
		if b := <-got; b != "while paused" {
			t.Fatalf("got %q", b)
		}
		<-fin
	})
}

func TestResetOfAPausedConnectionIsSeen(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		closed := make(chan CloseReason, 1)
		opened := make(chan ConnID, 1)
		g := newRig(t, cfg, func(s *script) {
			s.open = func(id ConnID, _ OpenInfo) { s.l.Pause(id); opened <- id }
			s.close = func(_ ConnID, r CloseReason) { closed <- r }
		})
		c := g.dial()
		<-opened
		closeHard(t, c)
		if r := <-closed; r != ReasonPeerClosed {
			t.Errorf("reason %d, want ReasonPeerClosed", r)
		}
	})
}

func TestResetAfterAHalfCloseIsSeen(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		closed := make(chan CloseReason, 1)
		half := make(chan ConnID, 1)
		g := newRig(t, cfg, func(s *script) {
			s.halfClose = func(id ConnID) { half <- id } // and leaves it open
			s.close = func(_ ConnID, r CloseReason) { closed <- r }
		})
		c := g.dial()
		must(t, c.CloseWrite())
		<-half
		closeHard(t, c)
		if r := <-closed; r != ReasonPeerClosed {
			t.Errorf("reason %d, want ReasonPeerClosed", r)
		}
	})
}

func TestDataAndFinInOneSegmentAreBothSeen(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		var bytesIn atomic.Int64
		fins := make(chan ConnID, 1000)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(_ ConnID, b []byte) int { bytesIn.Add(int64(len(b))); return len(b) }
			s.halfClose = func(id ConnID) { fins <- id; s.l.CloseFlush(id, 0) }
		})
		const n = 300
		for range n {
			c := g.dial()
			_, err := c.Write([]byte("hello"))
			must(t, err)
			must(t, c.Close())
		}
		for range n {
			select {
			case <-fins:
			case <-time.After(patience):
				t.Fatal("a FIN was lost")
			}
		}
		if bytesIn.Load() != 5*n {
			t.Errorf("%d bytes came in, want %d", bytesIn.Load(), 5*n)
		}
		g.until("all are closed", func() bool { return g.connections() == 0 })
	})
}

func TestRedeliverCallsOnDataInALaterTurn(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		type call struct {
			b    string
			turn uint64
		}
		calls := make(chan call, 16)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				calls <- call{string(b), s.l.meters[meterTurns]}
				if len(b) > 1 {
					s.l.Redeliver(id)
				}
				return 1
			}
		})
		c := g.dial()
		_, err := c.Write([]byte("abc"))
		must(t, err)
		turn := uint64(0)
		for _, want := range []string{"abc", "bc", "c"} {
			got := <-calls
			if got.b != want || got.turn <= turn {
				t.Errorf("got %q in turn %d after %d, want %q", got.b, got.turn, turn, want)
			}
			turn = got.turn
		}
	})
}
