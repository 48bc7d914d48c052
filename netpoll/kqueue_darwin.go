//go:build amd64 || arm64

package netpoll

import "golang.org/x/sys/unix"

// filterUser is EVFILT_USER.
const filterUser = unix.EVFILT_USER

// kevent is struct kevent of macOS, udata as a number.
type kevent struct {
	Ident  uint64
	Filter int16
	Flags  uint16
	Fflags uint32
	Data   int64
	Udata  uint64
}

// now is kevent(2) without waiting. macOS has no stable system call numbers: it goes through libSystem.
func (q kqueue) now(changes, events []kevent) (int, error) {
	return q.call(changes, events, &unix.Timespec{})
}
