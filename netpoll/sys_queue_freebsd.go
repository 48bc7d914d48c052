package netpoll

import "golang.org/x/sys/unix"

// fionwrite is FIONWRITE of <sys/filio.h>: _IOR('f', 119, int). x/sys does not name it.
const fionwrite = 0x40046677

// unacknowledged is how many bytes the kernel still holds for the peer, if it tells: FIONWRITE, tcp(4).
func unacknowledged(fd int) (n int, known bool) {
	n, err := unix.IoctlGetInt(fd, fionwrite)
	return n, err == nil
}
