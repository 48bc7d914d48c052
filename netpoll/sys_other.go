//go:build !linux && !freebsd

package netpoll

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readSocket is read(2) on a non-blocking socket; n is 0 with errno 0 at the end of the stream.
func readSocket(fd int, b []byte) (n int, errno unix.Errno) {
	return retry(func() (int, error) { return unix.Read(fd, b) })
}

// writeSocket is write(2) on a non-blocking socket.
func writeSocket(fd int, b []byte) (n int, errno unix.Errno) {
	return retry(func() (int, error) { return unix.Write(fd, b) })
}

// writeSocketVector stands for writev(2), which x/sys does not offer here: it writes the first block.
func writeSocketVector(fd int, v []unix.Iovec) (n int, errno unix.Errno) {
	return writeSocket(fd, unsafe.Slice(v[0].Base, v[0].Len))
}

func retry(f func() (int, error)) (n int, errno unix.Errno) {
	for {
		n, err := f()
		if err == nil {
			return n, 0
		}
		if e, ok := err.(unix.Errno); !ok || e != unix.EINTR {
			return -1, e
		}
	}
}

// acceptSocket is accept(2); the flags come afterwards, so a fork in between would inherit the descriptor. The error is
// an unix.Errno.
func acceptSocket(listener int) (fd int, remote netip.AddrPort, err error) {
	fd, sa, err := unix.Accept(listener)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	unix.CloseOnExec(fd)
	if err = unix.SetNonblock(fd, true); err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, netip.AddrPort{}, unix.ECONNABORTED // the peer has gone, or never will be served: try the next
	}
	return fd, addrPort(sa), nil
}
