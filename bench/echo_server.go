package bench

import (
	"context"
	"io"
	"net/netip"
	"sync/atomic"

	"trunkline/netpoll"
)

// echoHandler answers every byte with itself, on our reactor. Its twin on the bare system calls is bareEcho.
type echoHandler struct {
	quiet
	loop *netpoll.Loop
	open *atomic.Int64
}

// OnOpen counts.
func (h *echoHandler) OnOpen(netpoll.ConnID, netpoll.OpenInfo) { h.open.Add(1) }

// OnData sends back what it got; a client that does not read until the outbound cap is reached is closed.
func (h *echoHandler) OnData(id netpoll.ConnID, b []byte) int {
	if err := h.loop.Send(id, b); err != nil {
		h.loop.Close(id)
	}
	return len(b)
}

// OnHalfClose flushes and closes.
func (h *echoHandler) OnHalfClose(id netpoll.ConnID) { h.loop.CloseFlush(id, 0) }

// OnClose counts.
func (h *echoHandler) OnClose(netpoll.ConnID, netpoll.CloseReason) { h.open.Add(-1) }

// OnMessage does nothing: nobody posts.
func (h *echoHandler) OnMessage(int, []byte) {}

// OnPanic does nothing: the loop closes the connection and the generator misses it.
func (h *echoHandler) OnPanic(netpoll.ConnID, any, []byte) {}

// runNetpollEcho is the child process "netpoll": an echo server on our reactor, one loop.
func runNetpollEcho(poller string, stdin io.Reader, stdout io.Writer) error {
	return runOneLoop(poller, stdin, stdout, func(echo echoHandler) netpoll.Handler { return &echo })
}

// runOneLoop is a child process that serves with a handler on one loop of our reactor.
func runOneLoop(poller string, stdin io.Reader, stdout io.Writer, handler func(echoHandler) netpoll.Handler) error {
	var open atomic.Int64
	r, err := netpoll.New(netpoll.Config{Loops: 1, Poller: poller}, func(l *netpoll.Loop) netpoll.Handler {
		return handler(echoHandler{loop: l, open: &open})
	})
	if err != nil {
		return err
	}
	ln, err := r.Listen(netpoll.ListenConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	if err := r.Start(); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = r.Shutdown(ctx) // the measurement is over
	}()
	return serveParent(childHello{Addr: ln.Addr().String()}, openCount{&open}, stdin, stdout)
}

// openCount is the answerer of a server.
type openCount struct{ open *atomic.Int64 }

func (o openCount) stat(st *childStat) { st.Connections = int(o.open.Load()) }

func (o openCount) grow(int) error { return errNotWorker }

func (o openCount) logins() ([]byte, error) { return nil, errNotWorker }

// bareEcho is the least that an echo server can be: one thread, one poll, one bulk read and one write for each socket
// that has something. It has no limits, no timers and no care for slow clients: the measure, not a server.
//
// The system calls are in bare_epoll.go and bare_kqueue.go.
type bareEcho struct {
	open atomic.Int64
	mode waitMode
	fan  *fanout // nil: what comes goes back
	buf  [64 << 10]byte
}

// waitMode is how a bare loop waits.
type waitMode uint8

const (
	pollFirst   waitMode = iota // ask without waiting, block only when nothing came
	blockAtOnce                 // always block in Go's wrapper of the system call
)

// runBareEcho is the child process "bare" or "blocking".
func runBareEcho(mode waitMode, stdin io.Reader, stdout io.Writer) error {
	return runBare(&bareEcho{mode: mode}, stdin, stdout)
}

// runBare serves until the parent has enough.
func runBare(e *bareEcho, stdin io.Reader, stdout io.Writer) error {
	listener, addr, err := bareListen()
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	// Ends with the process: nothing but the measurement runs in it.
	go func() { failed <- e.serve(listener) }()
	err = serveParent(childHello{Addr: addr.String()}, openCount{&e.open}, stdin, stdout)
	select {
	case loopErr := <-failed:
		return loopErr
	default:
		return err
	}
}

// loopbackPort is the address of a listening socket on 127.0.0.1.
func loopbackPort(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
}
