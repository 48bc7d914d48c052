//go:build amd64 || arm64

package netpoll

import "golang.org/x/sys/unix"

// kevent is struct kevent of macOS, udata as a number.
type kevent struct {
	Ident  uint64
	Filter int16
	Flags  uint16
	Fflags uint32
	Data   int64
	Udata  uint64
}

// keventNow is kevent(2) without waiting. macOS has no stable system call numbers: it goes through libSystem.
func (p *kqueuePoller) keventNow(changes, events []kevent) (int, error) {
	return p.kevent(changes, events, &unix.Timespec{})
}
