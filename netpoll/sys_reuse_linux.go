package netpoll

import "golang.org/x/sys/unix"

// setReusePort has several sockets share a port, connections spread by a hash: SO_REUSEPORT, socket(7).
func setReusePort(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}
