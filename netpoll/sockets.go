package netpoll

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// socketCalls are the system calls that a loop makes on sockets in its turns, none of which waits. Behind an interface because a
// kernel does not fail on command: tests play what it answers when it is out of buffers or a client has gone from the backlog.
type socketCalls interface {
	read(fd int, b []byte) (n int, errno unix.Errno)
	write(fd int, b []byte) (n int, errno unix.Errno)
	writeVector(fd int, v []unix.Iovec) (n int, errno unix.Errno)
	accept(listener int) (fd int, remote netip.AddrPort, err error) // err is an unix.Errno
	pending(fd int) unix.Errno                                      // the error that the socket owes, 0: none
}

// kernelSockets are the system's own calls.
type kernelSockets struct{}

func (kernelSockets) read(fd int, b []byte) (int, unix.Errno)  { return readSocket(fd, b) }
func (kernelSockets) write(fd int, b []byte) (int, unix.Errno) { return writeSocket(fd, b) }
func (kernelSockets) writeVector(fd int, v []unix.Iovec) (int, unix.Errno) {
	return writeSocketVector(fd, v)
}
func (kernelSockets) accept(listener int) (int, netip.AddrPort, error) { return acceptSocket(listener) }

func (kernelSockets) pending(fd int) unix.Errno {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return 0
	}
	return unix.Errno(errno)
}
