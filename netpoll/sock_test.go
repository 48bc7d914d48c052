//go:build linux || freebsd || darwin

package netpoll

import (
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketPair is two connected TCP sockets, the first non-blocking, as bare descriptors.
func socketPair(t testing.TB) (a, b int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	s, err := ln.Accept()
	must(t, err)
	return takeFD(t, s.(*net.TCPConn)), takeFD(t, c.(*net.TCPConn))
}

// takeFD takes the descriptor out of a connection of the net package.
func takeFD(t testing.TB, c *net.TCPConn) (fd int) {
	t.Helper()
	rc, err := c.SyscallConn()
	must(t, err)
	must(t, rc.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 3) }))
	must(t, err)
	must(t, c.Close())
	return fd
}

// writeAll writes b to a non-blocking socket.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EAGAIN || err == unix.EINTR {
			<-time.After(time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func closeFD(t testing.TB, fd int) {
	t.Helper()
	must(t, unix.Close(fd))
}

// shutdown ends a reactor and expects that to work within d.
func shutdown(t testing.TB, r *Reactor, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	must(t, r.Shutdown(ctx))
}
