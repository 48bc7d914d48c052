//go:build linux || freebsd || darwin

package netpoll

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMovedConnectionsKeepTheirStreams echoes streams byte for byte while the connections hop between four loops under load,
// with input that is not yet a whole frame and output that waits for a slow reader.
func TestMovedConnectionsKeepTheirStreams(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		const conns, frame, total = 16, 1013, 1013 * 500
		cfg.Loops = 4
		cfg.OutboundBytesMax = 64 << 10
		var h hopCounts
		g := newRig(t, cfg, func(s *script) { hopper(t, s, frame, &h) })
		var wg sync.WaitGroup
		for i := range conns {
			c := g.dial()
			must(t, c.SetReadBuffer(32<<10))
			want := pattern(total, uint32(i))
			wg.Go(func() {
				for b := want; len(b) > 0; {
					n := min(len(b), 1+(len(b)*7)%30_000)
					if _, err := c.Write(b[:n]); err != nil {
						t.Errorf("write: %v", err)
						return
					}
					b = b[n:]
				}
				_ = c.CloseWrite()
			})
			wg.Go(func() {
				if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
					t.Errorf("connection %d: got %d of %d bytes, %v", i, len(got), total, err)
				}
			})
		}
		wg.Wait()
		if h.hops.Load() < conns || h.withInput.Load() == 0 || h.withOutput.Load() == 0 || h.inBlock.Load() == 0 {
			t.Errorf("%d hops, %d with input, %d with output waiting, %d of it inside of a block: too few to prove anything",
				h.hops.Load(), h.withInput.Load(), h.withOutput.Load(), h.inBlock.Load())
		}
	})
}

// hopCounts says what connections have moved with.
type hopCounts struct{ hops, withInput, withOutput, inBlock atomic.Int64 }

// hopper echoes whole frames and moves its connections along at every other piece of data; the state counts the hops.
func hopper(t *testing.T, s *script, frame int, h *hopCounts) {
	count := map[ConnID]uint32{}
	s.open = func(id ConnID, info OpenInfo) {
		if info.Origin == OriginMoved {
			count[id] = binary.LittleEndian.Uint32(info.State)
			h.hops.Add(1)
			return
		}
		must(t, unix.SetsockoptInt(int(s.l.lookup(id).fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10))
	}
	calls := 0
	s.data = func(id ConnID, b []byte) int {
		n := 0
		for len(b)-n >= frame && s.l.Send(id, b[n:n+frame]) == nil {
			n += frame
		}
		if calls++; calls%2 == 0 {
			state := binary.LittleEndian.AppendUint32(nil, count[id]+1)
			must(t, s.l.Move(id, (s.l.Index()+1+calls/2%4)%4, state))
			if err := s.l.Move(id, 0, nil); !errors.Is(err, ErrConnUnknown) {
				t.Errorf("a second Move: %v", err)
			}
			if n < len(b) {
				h.withInput.Add(1)
			}
			if s.l.Pending(id) > n {
				h.withOutput.Add(1)
			}
			if s.l.lookup(id).outOff > 0 {
				h.inBlock.Add(1)
			}
		}
		return n
	}
	s.writable = func(id ConnID) { s.l.Redeliver(id) }
	s.halfClose = func(id ConnID) {
		// What waits to be echoed is echoed first; OnWritable brings the rest.
		if s.l.slots.At(id.Slot()).inLen > 0 {
			s.l.Redeliver(id)
			s.writable = func(id ConnID) { s.l.Redeliver(id); s.l.Resume(id) }
		}
		s.tickUntilEmpty(id)
	}
}

// tickUntilEmpty closes a connection when its input is consumed.
func (s *script) tickUntilEmpty(id ConnID) {
	if s.ending == nil {
		s.ending = map[ConnID]bool{}
		s.tick = func() {
			for id := range s.ending {
				c := s.l.lookup(id)
				switch {
				case c == nil:
					delete(s.ending, id) // moved, or closed
				case c.inLen == 0:
					delete(s.ending, id)
					s.l.CloseFlush(id, patience)
				}
			}
		}
	}
	s.ending[id] = true
	s.l.WakeAt(s.l.Now())
}

func TestMoveTravelsInOrderWithMessages(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		events := make(chan string, 16)
		opened := make(chan ConnID, 2)
		g := newRig(t, cfg, func(s *script) {
			s.open = func(id ConnID, info OpenInfo) {
				if info.Origin == OriginMoved {
					events <- "open " + string(info.State)
				} else {
					opened <- id
				}
			}
			s.data = func(id ConnID, b []byte) int { events <- "data " + string(b); return len(b) }
			s.message = func(_ int, msg []byte) { events <- "message " + string(msg) }
			s.close = func(ConnID, CloseReason) { events <- "close" }
		})
		c := g.dial()
		id := <-opened
		from, to := id.Loop(), 1-id.Loop()
		g.on(from, func(s *script) {
			must(t, s.l.Post(to, []byte("before")))
			must(t, s.l.Move(id, to, []byte("state")))
		})
		g.on(from, func(s *script) { must(t, s.l.Post(to, []byte("after"))) })
		for _, want := range []string{"message before", "open state", "message after", "data hello"} {
			if want == "data hello" {
				_, err := c.Write([]byte("hello"))
				must(t, err)
			}
			if got := <-events; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		g.until("it is counted at its new place", func() bool {
			s := g.r.Stats()
			return s[from].Connections == 0 && s[to].Connections == 1 && s[from].Moved == 1
		})
	})
}

func TestMoveRefusesWhatItCannotCarry(t *testing.T) {
	g := newRig(t, Config{Loops: 2}, nil)
	opened := make(chan ConnID, 1)
	for i := range 2 {
		g.on(i, func(s *script) { s.open = func(id ConnID, _ OpenInfo) { opened <- id } })
	}
	g.dial()
	id := <-opened
	// The other loop must not take what is posted while its inbox is being filled.
	held, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() { // ended by release
		defer close(done)
		g.on(1-id.Loop(), func(*script) { close(held); <-release })
	}()
	<-held
	g.on(id.Loop(), func(s *script) {
		for _, c := range []struct {
			to    int
			state []byte
			want  error
		}{{2, nil, ErrLoopUnknown}, {-1, nil, ErrLoopUnknown}, {0, make([]byte, StateBytesMax+1), ErrStateTooLarge}} {
			if err := s.l.Move(id, c.to, c.state); !errors.Is(err, c.want) {
				t.Errorf("to %d: %v, want %v", c.to, err, c.want)
			}
		}
		for s.l.Post(1-id.Loop(), make([]byte, 1<<20)) == nil {
		}
		for s.l.Post(1-id.Loop(), nil) == nil {
		}
		if err := s.l.Move(id, 1-id.Loop(), nil); !errors.Is(err, ErrInboxFull) {
			t.Errorf("to a full inbox: %v", err)
		}
	})
	close(release)
	<-done
}

func TestAdoptedSocketBehavesLikeAnAcceptedOne(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		infos := make(chan OpenInfo, 1)
		g := newRig(t, cfg, func(s *script) {
			echo(s)
			s.open = func(_ ConnID, info OpenInfo) {
				info.State = append([]byte(nil), info.State...)
				infos <- info
			}
		})
		a, b := socketPair(t)
		must(t, unix.SetNonblock(a, false)) // as somebody else may have left it
		must(t, unix.SetNonblock(b, false))
		must(t, writeAll(b, []byte(" kernel")))
		g.on(0, func(s *script) {
			id, err := s.l.Adopt(a, []byte("state"), []byte("inbound"), []byte("outbound "))
			must(t, err)
			must(t, s.l.Send(id, []byte("sent ")))
		})
		info := <-infos
		if info.Origin != OriginAdopted || info.Listener != -1 || string(info.State) != "state" || !info.Remote.IsValid() {
			t.Errorf("OnOpen with %+v", info)
		}
		const want = "outbound sent inbound kernel"
		got := make([]byte, 0, len(want))
		for buf := make([]byte, len(want)); len(got) < len(want); {
			n, err := unix.Read(b, buf)
			must(t, err)
			got = append(got, buf[:n]...)
		}
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
		closeFD(t, b)
	})
}

func TestAdoptRefusesAndClosesTheDescriptor(t *testing.T) {
	g := newRig(t, Config{Loops: 1, ConnectionsMax: 1, InboundBytesMax: 10, OutboundBytesMax: 10}, nil)
	big := make([]byte, 11)
	for _, c := range []struct {
		name                     string
		state, inbound, outbound []byte
		want                     error
	}{
		{"too much state", make([]byte, StateBytesMax+1), nil, nil, ErrStateTooLarge},
		{"too much input", nil, big, nil, ErrInboundFull},
		{"too much output", nil, nil, big, ErrOutboundFull},
		{"a good one", nil, nil, nil, nil},
		{"one too many", nil, nil, nil, ErrSlotsFull},
	} {
		a, b := socketPair(t)
		t.Cleanup(func() { _ = unix.Close(b) })
		g.on(0, func(s *script) {
			if _, err := s.l.Adopt(a, c.state, c.inbound, c.outbound); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			if _, err := unix.FcntlInt(uintptr(a), unix.F_GETFD, 0); (err == nil) != (c.want == nil) {
				t.Errorf("%s: the descriptor: %v", c.name, err)
			}
		})
	}
	g.on(0, func(s *script) {
		if _, err := s.l.Adopt(1<<20, nil, nil, nil); err == nil {
			t.Error("a descriptor that is none was adopted")
		}
	})
}
