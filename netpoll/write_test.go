//go:build linux || freebsd || darwin

package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

const bigBytes = 20 << 20

// readSlowly reads everything in small pieces, so that the sender's socket stays full.
func readSlowly(t *testing.T, c net.Conn) []byte {
	t.Helper()
	var all bytes.Buffer
	piece := make([]byte, 100_000)
	for {
		n, err := c.Read(piece)
		all.Write(piece[:n])
		if err == io.EOF {
			return all.Bytes()
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", all.Len(), err)
		}
	}
}

func TestHalfClosedConnectionStillDelivers20MB(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.OutboundBytesMax = 2 * bigBytes
		want := pattern(bigBytes, 7)
		g := newRig(t, cfg, func(s *script) {
			// All of it is sent only after the peer's FIN, in two parts: the connection goes on being written.
			s.halfClose = func(id ConnID) {
				must(t, s.l.Send(id, want[:bigBytes/2]))
				s.l.SetTimer(id, time.Millisecond)
			}
			s.timer = func(id ConnID) {
				must(t, s.l.Send(id, want[bigBytes/2:]))
				s.l.CloseFlush(id, patience)
			}
		})
		c := g.dial()
		must(t, c.CloseWrite())
		if got := readSlowly(t, c); !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, want %d", len(got), len(want))
		}
	})
}

func TestCloseFlushDelivers20MB(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.OutboundBytesMax = 2 * bigBytes
		want := pattern(bigBytes, 8)
		reason := make(chan CloseReason, 2)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				must(t, s.l.Send(id, want))
				s.l.CloseFlush(id, patience)
				s.l.CloseFlush(id, time.Nanosecond) // the first ask counts
				if err := s.l.Send(id, b); !errors.Is(err, ErrConnUnknown) {
					t.Errorf("Send to a closing connection: %v", err)
				}
				return len(b)
			}
			s.close = func(_ ConnID, r CloseReason) { reason <- r }
		})
		c := g.dial()
		_, err := c.Write([]byte("go"))
		must(t, err)
		if got := readSlowly(t, c); !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, want %d", len(got), len(want))
		}
		must(t, c.Close())
		if r := <-reason; r != ReasonHandler {
			t.Errorf("reason %d, want ReasonHandler", r)
		}
	})
}

// TestCloseFlushSurvivesAPeerThatGoesOnSending would lose its tail to a reset without the reading after the flush.
func TestCloseFlushSurvivesAPeerThatGoesOnSending(t *testing.T) {
	cfg := Config{OutboundBytesMax: 8 << 20}
	want := pattern(2<<20, 9)
	g := newRig(t, cfg, func(s *script) {
		sent := false
		s.data = func(id ConnID, b []byte) int {
			if !sent {
				sent = true
				must(t, s.l.Send(id, want))
				s.l.CloseFlush(id, patience)
			}
			return len(b)
		}
	})
	c := g.dial()
	must(t, c.SetReadBuffer(64<<10)) // so that most of it waits in the server's kernel when the server has written all
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		noise := make([]byte, 32<<10)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := c.Write(noise); err != nil {
					return
				}
			}
		}
	}()
	got := readSlowly(t, c)
	close(stop)
	must(t, c.Close())
	<-ended
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, want %d", len(got), len(want))
	}
}

func TestFlushDeadlineEndsAConnectionThatNeverReads(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.OutboundBytesMax = 2 * bigBytes
		reason := make(chan CloseReason, 2)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				must(t, s.l.Send(id, make([]byte, bigBytes)))
				s.l.CloseFlush(id, 200*time.Millisecond)
				return len(b)
			}
			s.close = func(_ ConnID, r CloseReason) { reason <- r }
		})
		c := g.dial()
		_, err := c.Write([]byte("go"))
		must(t, err)
		if r := <-reason; r != ReasonFlushTimeout {
			t.Errorf("reason %d, want ReasonFlushTimeout", r)
		}
		g.until("the slot is free", func() bool { return g.connections() == 0 })
	})
}

func TestOutboundCapRefusesAndTellsWhenThereIsRoom(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.OutboundBytesMax = 1 << 20
		var accepted, refused atomic.Int64
		writable := make(chan int, 16)
		g := newRig(t, cfg, func(s *script) {
			s.data = func(id ConnID, b []byte) int {
				for piece := make([]byte, 100_000); ; {
					err := s.l.Send(id, piece)
					if n := s.l.Pending(id); n > 1<<20 {
						t.Errorf("%d bytes wait", n)
					}
					if errors.Is(err, ErrOutboundFull) {
						refused.Add(1)
						break
					}
					must(t, err)
					accepted.Add(int64(len(piece)))
				}
				return len(b)
			}
			s.writable = func(id ConnID) { writable <- s.l.Pending(id) }
		})
		c := g.dial()
		_, err := c.Write([]byte("go"))
		must(t, err)
		_, err = io.ReadFull(c, make([]byte, 1_000_000))
		must(t, err)
		if n := <-writable; n != 0 {
			t.Errorf("OnWritable with %d bytes waiting", n)
		}
		if accepted.Load() != 1_000_000 || refused.Load() != 1 {
			t.Errorf("accepted %d bytes, refused %d times", accepted.Load(), refused.Load())
		}
		g.until("the refusal is counted", func() bool { return g.sum(func(s LoopStats) uint64 { return s.OutboundRefused }) == 1 })
	})
}

func TestSlowReaderKeepsOnlyItsOwnOutputWaiting(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		cfg.OutboundBytesMax = 4 << 20
		g := newRig(t, cfg, echo)
		slow, quick := g.dial(), g.dial()
		go func() { _, _ = slow.Write(pattern(12<<20, 3)) }()
		g.until("output waits", func() bool { return g.r.Stats()[0].ArenaBytes > 3<<20 })
		for range 100 {
			_, err := quick.Write([]byte("ping"))
			must(t, err)
			_, err = io.ReadFull(quick, make([]byte, 4))
			must(t, err)
		}
		got := make([]byte, 12<<20)
		_, err := io.ReadFull(slow, got)
		must(t, err)
		if !bytes.Equal(got, pattern(12<<20, 3)) {
			t.Error("the slow reader's bytes differ")
		}
		g.until("the arena is given back", func() bool { return g.r.Stats()[0].ArenaBytes < 2<<20 })
	})
}

func TestOneWriteATurnCarriesEverySend(t *testing.T) {
	g := newRig(t, Config{Loops: 1}, nil)
	opened := make(chan ConnID, 1)
	g.on(0, func(s *script) { s.open = func(id ConnID, _ OpenInfo) { opened <- id } })
	c := g.dial()
	id := <-opened
	before := g.r.Stats()[0].Writes
	g.on(0, func(s *script) {
		for range 1000 {
			must(t, s.l.Send(id, []byte("0123456789")))
		}
	})
	_, err := io.ReadFull(c, make([]byte, 10_000))
	must(t, err)
	g.on(0, func(*script) {})
	g.until("the write is counted", func() bool { return g.r.Stats()[0].Writes > before })
	if n := g.r.Stats()[0].Writes - before; n != 1 {
		t.Errorf("%d writes, want 1", n)
	}
}

// must fails the test; it may be called on a loop's goroutine too.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("unexpected: %v", err)
		panic(err)
	}
}

// closeHard closes with a reset instead of a FIN.
func closeHard(t *testing.T, c *net.TCPConn) {
	t.Helper()
	must(t, c.SetLinger(0))
	must(t, c.Close())
}
