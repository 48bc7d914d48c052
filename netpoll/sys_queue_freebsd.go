package netpoll

import "golang.org/x/sys/unix"

// fionwrite is FIONWRITE of <sys/filio.h>: _IOR('f', 119, int). x/sys does not name it.
const fionwrite = 0x40046677

// unacknowledged is how many bytes the kernel still holds for the peer: FIONWRITE, tcp(4). An error counts as none.
func unacknowledged(fd int) int {
	n, err := unix.IoctlGetInt(fd, fionwrite)
	if err != nil {
		return 0
	}
	return n
}
