package netpoll

import "golang.org/x/sys/unix"

// unacknowledged is how many bytes the kernel still holds for the peer: SO_NWRITE, getsockopt(2). An error counts as none.
func unacknowledged(fd int) int {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE)
	if err != nil {
		return 0
	}
	return n
}
