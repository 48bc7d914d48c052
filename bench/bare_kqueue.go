//go:build freebsd || darwin

package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// serve runs the loop: kqueue(2), EV_CLEAR.
func (e *bareEcho) serve(listener int) error {
	kq, err := unix.Kqueue()
	if err != nil {
		return os.NewSyscallError("kqueue", err)
	}
	watch := func(fd int) error {
		var change [1]unix.Kevent_t
		unix.SetKevent(&change[0], fd, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR)
		_, err := unix.Kevent(kq, change[:], nil, nil)
		return err
	}
	if err := watch(listener); err != nil {
		return os.NewSyscallError("kevent", err)
	}
	var events [512]unix.Kevent_t
	for {
		n, err := e.wait(kq, events[:])
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("kevent", err)
		}
		for i := range max(n, 0) {
			if fd := int(events[i].Ident); fd == listener {
				e.accept(listener, watch)
			} else {
				e.echo(fd)
			}
		}
	}
}

// wait asks without waiting and blocks only when nothing came. The blocking form leaves the first step out.
func (e *bareEcho) wait(kq int, events []unix.Kevent_t) (int, error) {
	if e.mode == pollFirst {
		if n, err := unix.Kevent(kq, nil, events, &unix.Timespec{}); n > 0 || err != nil {
			return n, err
		}
	}
	return unix.Kevent(kq, nil, events, nil)
}
