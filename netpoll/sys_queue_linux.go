package netpoll

import "golang.org/x/sys/unix"

// unacknowledged is how many bytes the kernel still holds for the peer: SIOCOUTQ, tcp(7). An error counts as none.
func unacknowledged(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
