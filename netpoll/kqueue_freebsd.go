//go:build amd64 || arm64

package netpoll

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// filterUser is EVFILT_USER.
const filterUser = unix.EVFILT_USER

// kevent is struct kevent of FreeBSD 12 and later, udata as a number.
type kevent struct {
	Ident  uint64
	Filter int16
	Flags  uint16
	Fflags uint32
	Data   int64
	Udata  uint64
	Ext    [4]uint64
}

// now is kevent(2) without waiting. A raw call is allowed because it returns at once: the scheduler need not know of it.
func (q kqueue) now(changes, events []kevent) (int, error) {
	var zero unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_KEVENT, uintptr(q),
		uintptr(unsafe.Pointer(unsafe.SliceData(changes))), uintptr(len(changes)),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(unsafe.Pointer(&zero)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
