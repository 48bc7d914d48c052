//go:build linux || freebsd || darwin

package netpoll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ledger is a doorkeeper that gives out tags 1, 2, 3 and keeps account of them.
type ledger struct {
	mu      sync.Mutex
	next    uint32
	refuse  bool
	seen    map[netip.AddrPort]int // listener by address
	left    map[uint32]int         // how often each tag was left
	refused int
}

func newLedger() *ledger {
	return &ledger{seen: map[netip.AddrPort]int{}, left: map[uint32]int{}}
}

func (d *ledger) Admit(listener int, remote netip.AddrPort) (tag uint32, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse {
		d.refused++
		return 77, false
	}
	d.seen[remote] = listener
	d.next++
	return d.next, true
}

func (d *ledger) Leave(tag uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left[tag]++
}

func (d *ledger) refuseAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = true
}

// balanced says whether every tag up to next was left exactly once, and no other was.
func (d *ledger) balanced() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for tag, n := range d.left {
		if n != 1 || tag == 0 || tag > d.next {
			return fmt.Errorf("tag %d of %d was left %d times", tag, d.next, n)
		}
	}
	if len(d.left) != int(d.next) {
		return fmt.Errorf("%d of %d tags were left", len(d.left), d.next)
	}
	return nil
}

// wait waits until the account is balanced over so many tags.
func (d *ledger) wait(t *testing.T, tags uint32) {
	t.Helper()
	untilTrue(t, fmt.Sprintf("%d tags come and go", tags), func() bool { return d.balanced() == nil && d.count() == tags })
}

func (d *ledger) count() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.next
}

func TestDoorkeeperSeesListenerAndAddressAndItsTagStaysWithTheConnection(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		d := newLedger()
		cfg.Doorkeeper = d
		infos := make(chan OpenInfo, 2)
		ids := make(chan ConnID, 2)
		g := newRig(t, cfg, func(s *script) {
			s.open = func(id ConnID, info OpenInfo) {
				if got := s.l.RemoteOf(id); info.Origin == OriginAccepted && got != info.Remote {
					t.Errorf("RemoteOf %v, OnOpen was told %v", got, info.Remote)
				}
				infos <- info
				ids <- id
			}
		})
		second, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
		must(t, err)
		for number, ln := range []*Listener{g.ln, second} {
			c := dialTo(t, ln.Addr().String())
			local := c.LocalAddr().(*net.TCPAddr).AddrPort()
			info, id := <-infos, <-ids
			if info.Tag != uint32(number+1) || info.Remote != local || d.seen[local] != number {
				t.Errorf("OnOpen with %+v, Admit with listener %d", info, d.seen[local])
			}
			for range 3 { // there and back, and to itself
				g.on(id.Loop(), func(s *script) {
					if s.l.Tag(id) != info.Tag {
						t.Errorf("Tag is %d", s.l.Tag(id))
					}
					must(t, s.l.Move(id, 1-id.Loop(), nil))
				})
				moved, at := <-infos, <-ids
				if moved.Tag != info.Tag || moved.Origin != OriginMoved {
					t.Errorf("after Move OnOpen with %+v, want tag %d", moved, info.Tag)
				}
				id = at
			}
			must(t, c.Close())
			d.wait(t, uint32(number+1))
		}
		g.on(0, func(s *script) {
			if s.l.Tag(connID(0, 5, 5)) != 0 || s.l.SetTag(connID(0, 5, 5), 9) || s.l.RemoteOf(connID(0, 5, 5)).IsValid() {
				t.Error("a connection that is not here has a tag or an address")
			}
		})
	})
}

func TestDoorkeeperRefusalIsAResetThatNothingRemembers(t *testing.T) {
	fake, d := NewFakePoller(), newLedger()
	g := newIdleRig(t, Config{Loops: 1, Doorkeeper: d, NewPoller: func(int) (Poller, error) { return fake, nil }}, func(s *script) {
		s.open = func(ConnID, OpenInfo) { t.Error("OnOpen of a connection that was not admitted") }
	})
	ln, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	d.refuseAll()
	c := dialTo(t, ln.Addr().String())
	fake.Step(driver{g.r.loops[0]})
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the client reads %v, want a reset", err)
	}
	s := g.r.Stats()[0]
	if s.AdmitRefused != 1 || s.Accepted != 0 || s.AcceptRefused != 0 || s.Connections != 0 || g.r.open.Load() != 0 || fake.Watched() != 1 {
		t.Errorf("counted as %+v with %d open, %d watched", s, g.r.open.Load(), fake.Watched())
	}
	if d.refused != 1 || len(d.left) != 0 {
		t.Errorf("asked %d times, left %v: what was refused is not left", d.refused, d.left)
	}
}

func TestDoorkeeperIsNotAskedAboveConnectionsMax(t *testing.T) {
	d := newLedger()
	g := newRig(t, Config{ConnectionsMax: 1, Doorkeeper: d}, echo)
	first := g.dial()
	if !pings(first) || pings(g.dial()) {
		t.Fatal("want one served and one refused")
	}
	must(t, first.Close())
	d.wait(t, 1)
}

// TestEveryEndOfAConnectionIsOneLeave ends connections in each way there is.
func TestEveryEndOfAConnectionIsOneLeave(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(s *script)
		do   func(t *testing.T, g *rig, c *net.TCPConn)
	}{
		{"the peer closes", nil, func(t *testing.T, _ *rig, c *net.TCPConn) { must(t, c.Close()) }},
		{"the peer resets", nil, func(t *testing.T, _ *rig, c *net.TCPConn) { must(t, c.SetLinger(0)); must(t, c.Close()) }},
		{"the handler closes in OnOpen", func(s *script) { s.open = func(id ConnID, _ OpenInfo) { s.l.Close(id) } }, nil},
		{"the handler closes twice, flushing first", func(s *script) {
			s.open = func(id ConnID, _ OpenInfo) { s.l.CloseFlush(id, time.Millisecond); s.l.Close(id) }
		}, nil},
		{"OnOpen panics", func(s *script) { s.open = func(ConnID, OpenInfo) { panic("open") } }, nil},
		{"OnData panics", func(s *script) { s.data = func(ConnID, []byte) int { panic("data") } },
			func(t *testing.T, _ *rig, c *net.TCPConn) { _, err := c.Write([]byte("x")); must(t, err) }},
		{"OnClose panics", func(s *script) { s.close = func(ConnID, CloseReason) { panic("close") } },
			func(t *testing.T, _ *rig, c *net.TCPConn) { must(t, c.Close()) }},
		{"it moves for ever, and the reactor ends", func(s *script) {
			s.open = func(id ConnID, _ OpenInfo) { _ = s.l.Move(id, 1-s.l.Index(), nil) }
		}, func(t *testing.T, g *rig, _ *net.TCPConn) {
			g.until("it has moved", func() bool { return g.sum(func(s LoopStats) uint64 { return s.Moved }) > 10 })
			shutdown(t, g.r, patience)
		}},
		{"the reactor ends", nil, func(t *testing.T, g *rig, _ *net.TCPConn) {
			g.until("it is open", func() bool { return g.connections() == 1 })
			shutdown(t, g.r, patience)
		}},
		{"the reactor ends without waiting", func(s *script) {
			s.open = func(id ConnID, _ OpenInfo) { _ = s.l.Send(id, make([]byte, 1<<20)) }
		}, func(t *testing.T, g *rig, _ *net.TCPConn) {
			g.until("it is open", func() bool { return g.connections() == 1 })
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := g.r.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Shutdown: %v", err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newLedger()
			g := newRig(t, Config{Loops: 2, Doorkeeper: d}, row.set)
			c := g.dial()
			if row.do != nil {
				row.do(t, g, c)
			}
			d.wait(t, 1)
		})
	}
}

func TestAConnectionLostBetweenLoopsIsLeft(t *testing.T) {
	d := newLedger()
	fakes := []*FakePoller{NewFakePoller(), NewFakePoller()}
	g := newIdleRig(t, Config{Loops: 2, Doorkeeper: d, NewPoller: func(loop int) (Poller, error) { return fakes[loop], nil }}, nil)
	ln, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	c := dialTo(t, ln.Addr().String())
	g.r.loads[0].v.Store(5) // so that the other loop gets it
	step := func(loop int) { fakes[loop].Step(driver{g.r.loops[loop]}) }
	step(0)
	for fd := range 200 { // whichever it is
		if fd != g.r.loops[0].acceptors[0].fd {
			fakes[1].FailAdd(fd, unix.ENOSPC)
		}
	}
	step(1)
	if err := d.balanced(); err != nil || d.count() != 1 {
		t.Errorf("%v, %d admitted", err, d.count())
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the lost connection is open")
	}
}

func TestAConnectionOnItsWayToALoopThatEndsIsLeft(t *testing.T) {
	d := newLedger()
	fakes := []*FakePoller{NewFakePoller(), NewFakePoller()}
	g := newIdleRig(t, Config{Loops: 2, Doorkeeper: d, NewPoller: func(loop int) (Poller, error) { return fakes[loop], nil }}, nil)
	ln, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	dialTo(t, ln.Addr().String())
	g.r.loads[0].v.Store(5)
	fakes[0].Step(driver{g.r.loops[0]})
	if d.count() != 1 || len(d.left) != 0 {
		t.Fatalf("%d admitted, %v left", d.count(), d.left)
	}
	shutdown(t, g.r, patience) // it has never run: what is on its way is swept up
	if err := d.balanced(); err != nil {
		t.Error(err)
	}
}

func TestSetTagChangesWhatIsLeftAndLeavesNothingByItself(t *testing.T) {
	d := newLedger()
	ids := make(chan ConnID, 1)
	g := newRig(t, Config{Loops: 1, Doorkeeper: d}, func(s *script) { s.open = func(id ConnID, _ OpenInfo) { ids <- id } })
	a, b := socketPair(t)
	g.on(0, func(s *script) {
		_, err := s.l.Adopt(a, nil, nil, nil)
		must(t, err)
	})
	adopted := <-ids
	g.on(0, func(s *script) {
		tag, _ := d.Admit(0, netip.AddrPort{})
		if s.l.Tag(adopted) != 0 || !s.l.SetTag(adopted, tag) || s.l.Tag(adopted) != tag {
			t.Error("an adopted connection has no tag until SetTag")
		}
		other, _ := d.Admit(0, netip.AddrPort{})
		s.l.SetTag(adopted, other)
		if len(d.left) != 0 {
			t.Errorf("left by itself: %v", d.left)
		}
		d.Leave(tag)
	})
	closeFD(t, b)
	d.wait(t, 2)
}

// TestAStormOfConnectionsMovesAndClosesLeavesAsOftenAsItAdmits has connections hop between four loops while both sides close them at
// odd moments; in the end the reactor goes down in the middle of it.
func TestAStormOfConnectionsMovesAndClosesLeavesAsOftenAsItAdmits(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 4
		d := newLedger()
		cfg.Doorkeeper = d
		g := newRig(t, cfg, func(s *script) {
			n := s.l.Index()
			s.open = func(id ConnID, info OpenInfo) {
				if n++; n%5 == 0 {
					s.l.Close(id)
				}
				if info.Tag != s.l.Tag(id) {
					t.Errorf("OnOpen with tag %d, Tag says %d", info.Tag, s.l.Tag(id))
				}
			}
			s.data = func(id ConnID, b []byte) int {
				switch n++; n % 7 {
				case 0:
					panic("in the middle of the storm")
				case 1, 2, 3, 4:
					_ = s.l.Move(id, n%4, nil)
					return len(b) - 1 // the rest goes along
				}
				_ = s.l.Send(id, b)
				return len(b)
			}
		})
		const dialers, each = 8, 60
		var wg sync.WaitGroup
		for k := range dialers {
			wg.Go(func() {
				for i := range each {
					c, err := net.Dial("tcp", g.ln.Addr().String())
					if err != nil {
						t.Errorf("dial: %v", err)
						return
					}
					for range (i + k) % 4 {
						_, _ = c.Write([]byte("hello")) // the other side may have gone
					}
					if i%3 == 0 {
						_ = c.(*net.TCPConn).SetLinger(0)
					}
					if i%10 != 0 || k == 0 {
						_ = c.Close()
						continue
					}
					t.Cleanup(func() { _ = c.Close() }) // still open when the reactor ends
				}
			})
		}
		wg.Wait()
		g.until("all are accepted", func() bool { return d.count() == dialers*each })
		shutdown(t, g.r, patience)
		if err := d.balanced(); err != nil {
			t.Error(err)
		}
		if g.sum(func(s LoopStats) uint64 { return s.Moved }) == 0 || g.sum(func(s LoopStats) uint64 { return s.Panics }) == 0 {
			t.Error("nothing moved or panicked: the storm proves little")
		}
	})
}

// TestInputChangedInPlaceIsKeptAsChanged is the promise of OnData that decryption in place is built on.
func TestInputChangedInPlaceIsKeptAsChanged(t *testing.T) {
	for _, row := range []struct {
		name string
		move bool
	}{{"on the same loop", false}, {"across Move", true}} {
		t.Run(row.name, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, cfg Config) {
				cfg.Loops = 2
				const size = 50_000
				done := make(chan []byte, 1)
				g := newRig(t, cfg, func(s *script) { scrambleInPlace(t, s, row.move, size, done) })
				c := g.dial()
				want := pattern(size, 1)
				for b := want; len(b) > 0; b = b[min(len(b), 999):] {
					_, err := c.Write(b[:min(len(b), 999)])
					must(t, err)
				}
				got := <-done
				for i := range got {
					if got[i] != ^want[i] {
						t.Fatalf("byte %d was changed %x, want once: %x", i, got[i], ^want[i])
					}
				}
				must(t, c.CloseWrite())
				_, err := io.ReadAll(c)
				must(t, err)
			})
		})
	}
}

// scrambleInPlace inverts each byte once, in place, when it is first seen, and consumes all of it at the end only. What was seen is in
// the connection's state when it moves.
func scrambleInPlace(t *testing.T, s *script, move bool, size int, done chan<- []byte) {
	seen := 0
	s.open = func(_ ConnID, info OpenInfo) {
		seen = 0
		if info.Origin == OriginMoved {
			_, err := fmt.Sscan(string(info.State), &seen)
			must(t, err)
		}
	}
	s.data = func(id ConnID, b []byte) int {
		for i := seen; i < len(b); i++ {
			b[i] = ^b[i]
		}
		fresh := len(b) > seen
		if seen = len(b); seen == size {
			done <- append([]byte(nil), b...)
			return size
		}
		if move && fresh {
			must(t, s.l.Move(id, 1-s.l.Index(), []byte(fmt.Sprint(seen))))
		} else if !move {
			s.l.Redeliver(id)
		}
		return 0
	}
}
