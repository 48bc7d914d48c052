package netpoll

import "golang.org/x/sys/unix"

// unacknowledged is how many bytes the kernel still holds for the peer, if it tells: SO_NWRITE, getsockopt(2).
func unacknowledged(fd int) (n int, known bool) {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE)
	return n, err == nil
}
