package netpoll

// filterUser is EVFILT_USER of FreeBSD: on Linux, tests play what its kernel has answered.
const filterUser = -11

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
