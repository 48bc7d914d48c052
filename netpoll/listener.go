package netpoll

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenConfig describes a listener.
type ListenConfig struct {
	Addr      string       // "127.0.0.1:5222", "[::1]:0"
	Backlog   int          // connections that may wait to be accepted; 0: the system's maximum
	ReusePort bool         // one socket for each loop with SO_REUSEPORT_LB / SO_REUSEPORT; else one acceptor loop that deals out
	Inherited net.Listener // or an already listening socket (its descriptor is duplicated; it stays the caller's)
}

// Listener is one listening address.
type Listener struct {
	r      *Reactor
	number int
	addr   net.Addr
	loops  []int // that accept from it
	once   sync.Once
}

// Addr is the address it listens on, with the port that was chosen for port 0.
func (ln *Listener) Addr() net.Addr { return ln.addr }

// Close stops accepting; connections stay. When it returns the port is free. Not to be called from a handler: it waits for
// the loops.
func (ln *Listener) Close() error {
	ln.once.Do(func() {
		ln.r.onLoops(ln.loops, func(l *Loop) { l.closeAcceptors(ln.number) })
	})
	return nil
}

// Listen opens a listener; before Start its connections wait in the backlog. Errors: the system's, ErrClosed,
// ErrListenersFull, and ErrReusePort, ErrListenerForeign or ErrListenerConflict for a cfg that cannot be met.
func (r *Reactor) Listen(cfg ListenConfig) (*Listener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == reactorClosing {
		return nil, ErrClosed
	}
	if r.listeners == ListenersMax {
		return nil, ErrListenersFull
	}
	fds, addr, err := openListeners(cfg, len(r.loops))
	if err != nil {
		return nil, err
	}
	ln := &Listener{r: r, number: r.listeners, addr: addr}
	r.listeners++
	for i, fd := range fds {
		loop := i
		if !cfg.ReusePort {
			loop = ln.number % len(r.loops)
		}
		ln.loops = append(ln.loops, loop)
		a := &acceptor{fd: fd, number: ln.number, deal: !cfg.ReusePort}
		r.onLoop(loop, func(l *Loop) { l.addAcceptor(a) })
	}
	return ln, nil
}

// openListeners opens the sockets of a listener: one, or one for each loop.
func openListeners(cfg ListenConfig, loops int) (fds []int, addr net.Addr, err error) {
	if cfg.Inherited != nil {
		if cfg.ReusePort {
			return nil, nil, ErrListenerConflict
		}
		fd, err := duplicate(cfg.Inherited)
		if err != nil {
			return nil, nil, err
		}
		return []int{fd}, cfg.Inherited.Addr(), nil
	}
	n, control := 1, reuseControl(cfg.ReusePort)
	if cfg.ReusePort {
		n = loops
	}
	at := cfg.Addr
	for range n {
		fd, a, err := openListener(at, cfg.Backlog, control)
		if err != nil {
			closeAll(fds)
			return nil, nil, err
		}
		fds, addr, at = append(fds, fd), a, a.String()
	}
	return fds, addr, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

type controlFunc func(network, address string, c syscall.RawConn) error

// reuseControl sets what spreads connections over the sockets of one port. The net package sets SO_REUSEADDR, with
// which a restart on the same port works.
func reuseControl(reusePort bool) controlFunc {
	if !reusePort {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var opt error
		if err := c.Control(func(fd uintptr) { opt = setReusePort(int(fd)) }); err != nil {
			return err
		}
		return opt
	}
}

// openListener opens one listening socket through the net package, which knows addresses, and takes its descriptor over.
func openListener(addr string, backlog int, control controlFunc) (fd int, at net.Addr, err error) {
	lc := net.ListenConfig{Control: control}
	lc.SetMultipathTCP(false) // accepted connections of such a listener have another type of socket
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return 0, nil, fmt.Errorf("netpoll: %w", err)
	}
	defer ln.Close() // the duplicate goes on listening
	if fd, err = duplicate(ln); err != nil {
		return 0, nil, err
	}
	if backlog > 0 {
		if err := unix.Listen(fd, backlog); err != nil { // sets the length anew
			_ = unix.Close(fd)
			return 0, nil, os.NewSyscallError("listen", err)
		}
	}
	return fd, ln.Addr(), nil
}

// duplicate is a second descriptor of a listening socket, with the options that accepted connections inherit.
func duplicate(ln net.Listener) (fd int, err error) {
	sc, ok := ln.(*net.TCPListener)
	if !ok {
		return 0, ErrListenerForeign
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("netpoll: inherited listener: %w", err)
	}
	var dupErr error
	err = raw.Control(func(s uintptr) { fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 3) })
	if err == nil {
		err = os.NewSyscallError("fcntl", dupErr)
	}
	if err != nil {
		return 0, err
	}
	if err = unix.SetNonblock(fd, true); err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}
