//go:build linux

package bench

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// serve runs the loop: epoll(7), edge-triggered.
func (e *bareEcho) serve(listener int) error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	watch := func(fd int) error {
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}
		return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &ev)
	}
	if err := watch(listener); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	var events [512]unix.EpollEvent
	for {
		n, err := e.wait(ep, events[:])
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("epoll_wait", err)
		}
		for i := range max(n, 0) {
			if fd := int(events[i].Fd); fd == listener {
				e.accept(listener, watch)
			} else {
				e.echo(fd)
			}
		}
	}
}

// wait asks without waiting by a raw call, of which the scheduler knows nothing, and blocks only when nothing came.
// The blocking form leaves the first step out.
func (e *bareEcho) wait(ep int, events []unix.EpollEvent) (int, error) {
	if e.mode == pollFirst {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if errno == 0 && n > 0 {
			return int(n), nil
		}
	}
	return unix.EpollWait(ep, events, -1)
}
