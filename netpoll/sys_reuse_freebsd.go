package netpoll

import "golang.org/x/sys/unix"

// setReusePort has several sockets share a port, connections spread by a hash: SO_REUSEPORT_LB, setsockopt(2). Plain
// SO_REUSEPORT gives all of them to the socket that was bound last.
func setReusePort(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT_LB, 1)
}
