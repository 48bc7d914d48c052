//go:build linux || freebsd || darwin

package netpoll

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const childDescriptors = 64

// TestChildFewDescriptors is an echo server with few descriptors, for the test below.
func TestChildFewDescriptors(t *testing.T) {
	if !isChild(t.Name()) {
		t.Skip("runs as the child process of TestListenerSurvivesWantOfDescriptors only")
	}
	g := newRig(t, Config{Poller: os.Getenv("TRUNKLINE_NETPOLL_POLLER")}, echo)
	limit := unix.Rlimit{Cur: childDescriptors, Max: childDescriptors}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	fmt.Println("ADDR", g.ln.Addr())
	awaitParent()
}

// TestListenerSurvivesWantOfDescriptors dials more often than the server has descriptors for. Each connection is either
// served or closed at once, those that are served stay, and when some of them have gone new ones are served.
func TestListenerSurvivesWantOfDescriptors(t *testing.T) {
	for _, kind := range []string{PollerNative, PollerGnet} {
		t.Run(kind, func(t *testing.T) {
			t.Setenv("TRUNKLINE_NETPOLL_POLLER", kind)
			addr := strings.TrimSpace(startChild(t, "TestChildFewDescriptors").says("ADDR"))
			var served []*net.TCPConn
			refused := 0
			for range 2 * childDescriptors {
				c := dialTo(t, addr)
				if pings(c) {
					served = append(served, c)
				} else {
					refused++
				}
			}
			if len(served) < childDescriptors/2 || refused < childDescriptors {
				t.Errorf("%d served, %d refused", len(served), refused)
			}
			for i, c := range served {
				if !pings(c) {
					t.Fatalf("connection %d was lost", i)
				}
			}
			for _, c := range served[:10] {
				must(t, c.Close())
			}
			untilTrue(t, "a new connection is served", func() bool {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return false
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				return pings(c.(*net.TCPConn))
			})
		})
	}
}

// pings says whether the other end echoes; false means that it has closed.
func pings(c *net.TCPConn) bool {
	if _, err := c.Write([]byte("ping")); err != nil {
		return false
	}
	b := make([]byte, 4)
	_, err := io.ReadFull(c, b)
	return err == nil && string(b) == "ping"
}

func TestAcceptErrorsNeverEndAListener(t *testing.T) {
	g := newIdleRig(t, Config{Loops: 1}, nil)
	l := g.r.loops[0]
	for _, c := range []struct {
		name    string
		err     error
		again   bool
		waits   bool // looks again later by itself
		counted uint64
	}{
		{"an empty backlog is not an error", unix.EAGAIN, false, false, 0},
		{"a signal is not an error", unix.EINTR, true, true, 0},
		{"a connection that was aborted in the backlog is passed over", unix.ECONNABORTED, true, true, 1},
		{"want of memory is waited out", unix.ENOMEM, false, true, 1},
		{"want of buffers is waited out", unix.ENOBUFS, false, true, 1},
		{"anything else is waited out", unix.EBADF, false, true, 1},
	} {
		a := &acceptor{fd: -1, waiting: true}
		before := l.meters[meterAcceptErrors]
		if again := l.acceptFailed(a, c.err); again != c.again || a.waiting != c.waits {
			t.Errorf("%s: again %v, waiting %v", c.name, again, a.waiting)
		}
		if n := l.meters[meterAcceptErrors] - before; n != c.counted {
			t.Errorf("%s: counted %d times", c.name, n)
		}
		if paused := a.retryAt > l.mono; paused != (c.waits && !c.again) {
			t.Errorf("%s: pauses until %d, now %d", c.name, a.retryAt, l.mono)
		}
	}
	a := &acceptor{fd: -1, waiting: true}
	for range 20 {
		l.acceptFailed(a, unix.ENOMEM)
	}
	if a.backoff != acceptBackoffMax {
		t.Errorf("the pause has grown to %d ms, want %d", a.backoff, acceptBackoffMax)
	}
}

func TestConnectionsMaxClosesTheNextOneAtOnce(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.ConnectionsMax = 10
		g := newRig(t, cfg, echo)
		var served []*net.TCPConn
		for range 10 {
			c := g.dial()
			if !pings(c) {
				t.Fatal("refused below the limit")
			}
			served = append(served, c)
		}
		if pings(g.dial()) {
			t.Error("served above the limit")
		}
		must(t, served[0].Close())
		g.until("its place is free", func() bool { return g.r.open.Load() == 9 })
		if !pings(g.dial()) {
			t.Error("refused after one has gone")
		}
		g.until("the refusal is counted", func() bool { return g.sum(func(s LoopStats) uint64 { return s.AcceptRefused }) == 1 })
	})
}

func TestAcceptorDealsConnectionsEvenly(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 4
		infos := make(chan OpenInfo, 40)
		g := newRig(t, cfg, func(s *script) { s.open = func(_ ConnID, info OpenInfo) { infos <- info } })
		for range 40 {
			c := g.dial()
			info := <-infos
			if info.Remote.String() != c.LocalAddr().String() || info.Origin != OriginAccepted || info.Listener != 0 {
				t.Errorf("OnOpen with %+v for %v", info, c.LocalAddr())
			}
		}
		g.until("each loop has ten", func() bool {
			for _, s := range g.r.Stats() {
				if s.Connections != 10 {
					return false
				}
			}
			return true
		})
	})
}

func TestAcceptedSocketsAreNonBlockingWithoutDelay(t *testing.T) {
	g := newRig(t, Config{Loops: 1}, nil)
	opened := make(chan ConnID, 1)
	g.on(0, func(s *script) { s.open = func(id ConnID, _ OpenInfo) { opened <- id } })
	g.dial()
	id := <-opened
	g.on(0, func(s *script) {
		fd := int(s.l.lookup(id).fd)
		noDelay, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
		must(t, err)
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		must(t, err)
		cloexec, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		must(t, err)
		if noDelay == 0 || flags&unix.O_NONBLOCK == 0 || cloexec&unix.FD_CLOEXEC == 0 {
			t.Errorf("TCP_NODELAY %d, flags %#x, close on exec %d", noDelay, flags, cloexec)
		}
	})
}

func TestReusePortAcceptsOnEveryLoop(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		checkLeaks(t)
		g := newIdleRig(t, cfg, echo)
		ln, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0", ReusePort: true})
		if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
			if !errors.Is(err, ErrReusePort) {
				t.Errorf("Listen: %v", err)
			}
			return
		}
		must(t, err)
		must(t, g.r.Start())
		g.ln = ln
		g.until("both loops have accepted", func() bool {
			if !pings(g.dial()) {
				t.Fatal("not served")
			}
			s := g.r.Stats()
			return s[0].Accepted > 0 && s[1].Accepted > 0
		})
	})
}

func TestInheritedListenerIsSharedWithItsOwner(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		checkLeaks(t)
		own, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		g := newIdleRig(t, cfg, echo)
		waiting := dialTo(t, own.Addr().String()) // before anybody accepts
		ln, err := g.r.Listen(ListenConfig{Inherited: own})
		must(t, err)
		must(t, own.Close())
		must(t, g.r.Start())
		if ln.Addr().String() != waiting.RemoteAddr().String() {
			t.Errorf("listens on %v", ln.Addr())
		}
		for _, c := range []*net.TCPConn{waiting, dialTo(t, ln.Addr().String())} {
			if !pings(c) {
				t.Error("not served")
			}
		}
	})
}

func TestListenRefusesWhatItCannotDo(t *testing.T) {
	g := newIdleRig(t, Config{Loops: 1}, nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	for _, c := range []struct {
		name string
		cfg  ListenConfig
		want error
	}{
		{"a port in use", ListenConfig{Addr: taken.Addr().String()}, unix.EADDRINUSE},
		{"an inherited listener for each loop", ListenConfig{Inherited: taken, ReusePort: true}, ErrListenerConflict},
		{"a listener of another kind", ListenConfig{Inherited: foreignListener{}}, ErrListenerForeign},
	} {
		if _, err := g.r.Listen(c.cfg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := g.r.Listen(ListenConfig{Addr: "nonsense"}); err == nil {
		t.Error("an address that is none was taken")
	}
}

type foreignListener struct{ net.Listener }

// TestRestartOnTheSamePort ends a reactor with connections open and listens on its port again at once.
func TestRestartOnTheSamePort(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		first := newRig(t, cfg, echo)
		addr := first.ln.Addr().String()
		for range 20 {
			if !pings(first.dial()) {
				t.Fatal("not served")
			}
		}
		shutdown(t, first.r, patience)
		for range 3 {
			g := newIdleRig(t, cfg, echo)
			ln, err := g.r.Listen(ListenConfig{Addr: addr})
			must(t, err)
			must(t, g.r.Start())
			g.ln = ln
			if !pings(g.dial()) {
				t.Fatal("not served after the restart")
			}
			must(t, ln.Close())
			must(t, ln.Close())
			if c, err := net.Dial("tcp", addr); err == nil {
				_ = c.Close()
				t.Error("a closed listener still accepts")
			}
			shutdown(t, g.r, patience)
		}
	})
}

func TestListenerThatIsNotWatchedIsAddedAgain(t *testing.T) {
	fake := NewFakePoller()
	now := time.Now()
	g := newIdleRig(t, Config{
		Loops: 1, NewPoller: func(int) (Poller, error) { return fake, nil }, Now: func() time.Time { return now },
	}, nil)
	_, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	l := g.r.loops[0]
	fd := l.acceptors[0].fd
	fake.FailAdd(fd, unix.ENOMEM)
	if fake.Step(driver{l}); fake.Watched() != 0 {
		t.Fatal("watched in spite of the failure")
	}
	for turn := range 3 {
		now = now.Add(acceptBackoffMax * time.Millisecond)
		if next := fake.Step(driver{l}); next != PollBlock || fake.Tag(fd) == 0 {
			t.Fatalf("turn %d: next %d, tag %x", turn, next, fake.Tag(fd))
		}
		if turn == 0 {
			must(t, fake.Remove(fd))
			fake.Push(FakeEvent{Tag: l.acceptorTag(0), Events: EventRefused})
			if fake.Step(driver{l}); fake.Tag(fd) != 0 {
				t.Error("added again without a pause")
			}
		}
	}
	if d := l.acceptorsDue(); d != never {
		t.Errorf("an acceptor with an empty backlog is due at %d", d)
	}
}
