//go:build linux || freebsd || darwin

package bench

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// bareListen opens a listening socket on a free loopback port: socket(2), bind(2), listen(2).
func bareListen() (fd int, addr netip.AddrPort, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, addr, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return -1, addr, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, 4096); err != nil {
		return -1, addr, os.NewSyscallError("listen", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return -1, addr, os.NewSyscallError("fcntl", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return -1, addr, os.NewSyscallError("getsockname", err)
	}
	return fd, loopbackPort(name.(*unix.SockaddrInet4).Port), nil
}

// echo reads once in bulk and writes once. A short read means that the socket is empty, as with EAGAIN.
func (e *bareEcho) echo(fd int) {
	for {
		n, err := unix.Read(fd, e.buf[:])
		if err == unix.EAGAIN || err == unix.EINTR {
			return
		}
		if n <= 0 {
			if e.fan != nil {
				e.fan.left(uint32(fd))
			}
			_ = unix.Close(fd)
			e.open.Add(-1)
			return
		}
		if e.fan != nil {
			e.fan.take(uint32(fd), e.buf[:n])
		} else {
			bareWrite(fd, e.buf[:n])
		}
		if n < len(e.buf) {
			return
		}
	}
}

// bareWrite writes all of b.
func bareWrite(fd int, b []byte) {
	for len(b) > 0 {
		w, err := unix.Write(fd, b)
		if err != nil && err != unix.EAGAIN && err != unix.EINTR {
			return
		}
		b = b[max(w, 0):]
	}
}

// accept takes all connections that wait; each is non-blocking and without delay.
func (e *bareEcho) accept(listener int, watch func(fd int) error) {
	for {
		fd, _, err := unix.Accept(listener)
		if err != nil {
			return
		}
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if err := watch(fd); err != nil {
			_ = unix.Close(fd)
			continue
		}
		e.open.Add(1)
	}
}
