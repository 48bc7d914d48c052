package netpoll

import "golang.org/x/sys/unix"

// unacknowledged is how many bytes the kernel still holds for the peer, if it tells: SIOCOUTQ, tcp(7).
func unacknowledged(fd int) (n int, known bool) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return n, err == nil
}
