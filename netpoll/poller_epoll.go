//go:build linux

package netpoll

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollPoller is the native backend on Linux: epoll(7) with EPOLLET, eventfd(2) as the bell.
//
// The tag travels in epoll_data, which x/sys splits in two: Fd holds bits 0-31, Pad bits 32-63. Tag 0 is the bell.
type epollPoller struct {
	waker
	lease
	fd     int // epoll
	bell   int // eventfd, edge-triggered and never read: each write is an edge
	events [pollBatchEvents]unix.EpollEvent
}

// newNativePoller opens an epoll instance and its bell.
func newNativePoller() (Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &epollPoller{fd: fd, bell: bell}
	if err := p.ctl(unix.EPOLL_CTL_ADD, bell, 0, unix.EPOLLIN); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// ctl is epoll_ctl(2), always edge-triggered.
func (p *epollPoller) ctl(op, fd int, tag uint64, mask uint32) error {
	ev := unix.EpollEvent{Events: mask | unix.EPOLLET, Fd: int32(uint32(tag)), Pad: int32(uint32(tag >> 32))}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &ev))
}

// Add watches fd for input.
func (p *epollPoller) Add(fd int, tag uint64) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, tag, unix.EPOLLIN|unix.EPOLLRDHUP)
}

// WantWrite adds the interest in writing; EPOLL_CTL_MOD looks at the socket anew, so a ready one is reported at once.
// The interest stays: with EPOLLET the kernel reports room only after a write that found none.
func (p *epollPoller) WantWrite(fd int, tag uint64) error {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, tag, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP)
}

// Remove takes fd out.
func (p *epollPoller) Remove(fd int) error {
	return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

// Wake rings the bell when the loop sleeps.
func (p *epollPoller) Wake() error { return p.wake(p.ring) }

func (p *epollPoller) ring() error {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		_, err := unix.Write(p.bell, one[:])
		if err != unix.EINTR {
			return os.NewSyscallError("write eventfd", err)
		}
	}
}

// Run takes batches until PollStop.
func (p *epollPoller) Run(h PollHandler) error {
	next := PollAgain
	for {
		n, err := p.wait(next)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("epoll_pwait", err)
		}
		p.rise()
		for i := range p.events[:max(n, 0)] {
			p.deliver(h, &p.events[i])
		}
		if next = h.OnBatch(); next == PollStop {
			return nil
		}
	}
}

// wait blocks only when OnBatch allows it and no wake has come since.
func (p *epollPoller) wait(next Next) (int, error) {
	if next != PollBlock {
		return p.poll()
	}
	p.renew()
	if !p.sleep() {
		return p.poll()
	}
	return p.block()
}

func (p *epollPoller) deliver(h PollHandler, ev *unix.EpollEvent) {
	tag := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
	if tag == 0 {
		return
	}
	h.OnEvent(tag, epollEvents(ev.Events))
}

// epollEvents translates the kernel's bits.
func epollEvents(mask uint32) Events {
	var ev Events
	if mask&unix.EPOLLIN != 0 {
		ev |= EventRead
	}
	if mask&unix.EPOLLOUT != 0 {
		ev |= EventWrite
	}
	if mask&(unix.EPOLLHUP|unix.EPOLLRDHUP|unix.EPOLLERR) != 0 {
		ev |= EventHangup | EventRead
	}
	return ev
}

// poll asks without waiting. A raw call is allowed because it returns at once: the scheduler need not know of it.
func (p *epollPoller) poll() (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), pollBatchEvents, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// block waits for events or the bell.
func (p *epollPoller) block() (int, error) {
	return unix.EpollWait(p.fd, p.events[:], -1)
}

// Close frees the two descriptors.
func (p *epollPoller) Close() error {
	if !p.waker.close() {
		return nil
	}
	_ = unix.Close(p.bell)
	return os.NewSyscallError("close epoll", unix.Close(p.fd))
}
