//go:build linux || freebsd || darwin

package netpoll

import (
	"context"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a condition may take before a test gives up.
const patience = 30 * time.Second

// script is a Handler made of functions; a nil one consumes everything and does nothing. Its fields are set before Start
// and its counters are read after a call of rig.on or at the end.
type script struct {
	l         *Loop
	open      func(id ConnID, info OpenInfo)
	data      func(id ConnID, b []byte) int
	halfClose func(id ConnID)
	writable  func(id ConnID)
	close     func(id ConnID, reason CloseReason)
	message   func(from int, msg []byte)
	timer     func(id ConnID)
	tick      func()
	panics    func(id ConnID, v any, stack []byte)

	ending   map[ConnID]bool // see tickUntilEmpty
	commands *commands
}

// commands is how a test runs code on a loop: Reactor.Post carries the number of a function.
type commands struct {
	mu    sync.Mutex
	funcs []func(s *script)
}

func (s *script) OnOpen(id ConnID, info OpenInfo) {
	if s.open != nil {
		s.open(id, info)
	}
}

func (s *script) OnData(id ConnID, b []byte) int {
	if s.data != nil {
		return s.data(id, b)
	}
	return len(b)
}

func (s *script) OnHalfClose(id ConnID) {
	if s.halfClose != nil {
		s.halfClose(id)
		return
	}
	s.l.CloseFlush(id, 0)
}

func (s *script) OnWritable(id ConnID) {
	if s.writable != nil {
		s.writable(id)
	}
}

func (s *script) OnClose(id ConnID, reason CloseReason) {
	if s.close != nil {
		s.close(id, reason)
	}
}

func (s *script) OnMessage(from int, msg []byte) {
	if from == -1 && string(msg) == "command" {
		s.commands.mu.Lock()
		f := s.commands.funcs[0]
		s.commands.funcs = s.commands.funcs[1:]
		s.commands.mu.Unlock()
		f(s)
		return
	}
	if s.message != nil {
		s.message(from, msg)
	}
}

func (s *script) OnTimer(id ConnID) {
	if s.timer != nil {
		s.timer(id)
	}
}

func (s *script) OnTick() {
	if s.tick != nil {
		s.tick()
	}
}

func (s *script) OnPanic(id ConnID, v any, stack []byte) {
	if s.panics != nil {
		s.panics(id, v, stack)
	}
}

// rig is a running reactor of scripts and what a test needs around it.
type rig struct {
	t       testing.TB
	r       *Reactor
	ln      *Listener
	scripts []*script
}

// newRig starts a reactor that listens on a loopback port; setUp completes each loop's script. The end of the test shuts it
// down and fails when goroutines or descriptors are left.
func newRig(t testing.TB, cfg Config, setUp func(s *script)) *rig {
	t.Helper()
	checkLeaks(t)
	g := newIdleRig(t, cfg, setUp)
	ln, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	g.ln = ln
	if err := g.r.Start(); err != nil {
		t.Fatal(err)
	}
	return g
}

// newIdleRig is a reactor without listener that was not started.
func newIdleRig(t testing.TB, cfg Config, setUp func(s *script)) *rig {
	t.Helper()
	if cfg.Loops == 0 {
		cfg.Loops = 2
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	g := &rig{t: t}
	r, err := New(cfg, func(l *Loop) Handler {
		s := &script{l: l, commands: &commands{}}
		if setUp != nil {
			setUp(s)
		}
		g.scripts = append(g.scripts, s)
		return s
	})
	if err != nil {
		t.Fatal(err)
	}
	g.r = r
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.Shutdown(ctx)
	})
	return g
}

// testWriter sends log lines to the test's log.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// on runs f on a loop, inside a callback, and waits for it.
func (g *rig) on(loop int, f func(s *script)) {
	g.t.Helper()
	ran := make(chan struct{})
	c := g.scripts[loop].commands
	c.mu.Lock()
	c.funcs = append(c.funcs, func(s *script) { defer close(ran); f(s) })
	err := g.r.Post(loop, []byte("command"))
	c.mu.Unlock()
	if err != nil {
		g.t.Fatal(err)
	}
	select {
	case <-ran:
	case <-time.After(patience):
		g.t.Fatal("a loop does not answer")
	}
}

// dial connects to the rig's listener.
func (g *rig) dial() *net.TCPConn {
	g.t.Helper()
	return dialTo(g.t, g.ln.Addr().String())
}

func dialTo(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// until waits for a condition.
func (g *rig) until(what string, ok func() bool) {
	g.t.Helper()
	untilTrue(g.t, what, ok)
}

func untilTrue(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited %v for: %s", patience, what)
		}
		<-time.After(time.Millisecond)
	}
}

// sum adds one of the counters over all loops.
func (g *rig) sum(f func(s LoopStats) uint64) (n uint64) {
	for _, s := range g.r.Stats() {
		n += f(s)
	}
	return n
}

func (g *rig) connections() int {
	return int(g.sum(func(s LoopStats) uint64 { return uint64(s.Connections) }))
}

// checkLeaks fails the test when it ends with more goroutines or descriptors than it began with.
func checkLeaks(t testing.TB) {
	t.Helper()
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // the runtime opens its own poller with the first socket
		_ = ln.Close()
	}
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	t.Cleanup(func() {
		for end := time.Now().Add(5 * time.Second); ; <-time.After(time.Millisecond) {
			g, d := runtime.NumGoroutine(), openDescriptors()
			if g <= goroutines && d <= descriptors {
				return
			}
			if time.Now().After(end) {
				buf := make([]byte, 1<<16)
				t.Errorf("leak: goroutines %d -> %d, descriptors %d -> %d\n%s",
					goroutines, g, descriptors, d, buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

// openDescriptors counts this process's descriptors; 0 where the system does not tell.
func openDescriptors() int {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil {
			return len(entries)
		}
	}
	return 0
}

// eachPoller runs a test once for each backend that this system has.
func eachPoller(t *testing.T, f func(t *testing.T, cfg Config)) {
	for _, kind := range []string{PollerNative, PollerGnet} {
		t.Run(kind, func(t *testing.T) { f(t, Config{Poller: kind}) })
	}
}
