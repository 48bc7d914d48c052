//go:build linux || ((freebsd || darwin) && (amd64 || arm64))

package netpoll

import (
	"os"

	"golang.org/x/sys/unix"
)

// kqueueBell is the ident of the EVFILT_USER event that wakes the loop. Idents are per filter: descriptor 0xB3 is another.
const kqueueBell = 0xB3

// kqueuePoller is the native backend on FreeBSD and macOS: kqueue(2) with EV_CLEAR, EVFILT_USER as the bell.
//
// The tag, slot and generation of a connection, travels in udata and comes back with each event, so a stale event names the
// connection that is gone, and no table from descriptors to connections is needed.
//
// Registrations wait in changes and ride on the next poll: an accepted connection costs no system call of its own.
// Only Remove acts at once, because the descriptor may be in another loop's hands a moment later.
//
// This file is compiled on Linux too, where no kqueue is: there the tests play to it what a kernel of FreeBSD has answered.
type kqueuePoller struct {
	waker
	lease
	queue   kqueueKernel
	changes []kevent // waiting, at most pollBatchEvents of them go with one poll
	events  []kevent

	removal, receipts [2]kevent // scratch of Remove
	bell              [1]kevent // what rings, never changed
}

// kqueueKernel is the kernel's side of a queue.
type kqueueKernel interface {
	// kevent hands changes over and takes events, as kevent(2); with wait it returns when there is one.
	kevent(changes, events []kevent, wait bool) (int, error)
	close() error
}

// newKqueuePoller adds the bell. It is rung by a later change of its own: NOTE_TRIGGER together with EV_ADD does not fire on
// FreeBSD. On error the queue is closed.
func newKqueuePoller(queue kqueueKernel) (Poller, error) {
	p := &kqueuePoller{queue: queue, events: make([]kevent, pollBatchEvents)}
	p.bell[0] = kevent{Ident: kqueueBell, Filter: filterUser, Fflags: noteTrigger}
	bell := []kevent{{Ident: kqueueBell, Filter: filterUser, Flags: evAdd | evClear}}
	if _, err := queue.kevent(bell, nil, false); err != nil {
		_ = queue.close()
		return nil, os.NewSyscallError("kevent", err)
	}
	return p, nil
}

// Add watches fd for input from the next poll on.
func (p *kqueuePoller) Add(fd int, tag uint64) error {
	return p.change(kevent{Ident: uint64(fd), Filter: filterRead, Flags: evAdd | evClear, Udata: tag})
}

// WantWrite asks for one report of room. EV_ONESHOT because an EV_CLEAR write filter fires at each acknowledgement
// of the peer for as long as it stays.
func (p *kqueuePoller) WantWrite(fd int, tag uint64) error {
	return p.change(kevent{Ident: uint64(fd), Filter: filterWrite, Flags: evAdd | evOneshot, Udata: tag})
}

// change appends to the waiting changes; a negative descriptor is refused as epoll_ctl refuses it.
func (p *kqueuePoller) change(ev kevent) error {
	if int64(ev.Ident) < 0 {
		return os.NewSyscallError("kevent", unix.EBADF)
	}
	p.changes = append(p.changes, ev)
	return nil
}

// Remove cancels what waits for fd and deletes both filters. EV_RECEIPT makes each deletion answer for itself: the
// write filter is mostly not there.
func (p *kqueuePoller) Remove(fd int) error {
	waited := p.cancel(fd)
	p.removal = [2]kevent{
		{Ident: uint64(fd), Filter: filterRead, Flags: evDelete | evReceipt},
		{Ident: uint64(fd), Filter: filterWrite, Flags: evDelete | evReceipt},
	}
	n, err := p.queue.kevent(p.removal[:], p.receipts[:], false)
	if err != nil {
		return os.NewSyscallError("kevent", err)
	}
	for _, r := range p.receipts[:n] {
		if r.Filter == filterRead && r.Data != 0 && !waited {
			return os.NewSyscallError("kevent", unix.Errno(r.Data))
		}
	}
	return nil
}

// Drop forgets the changes that wait for a descriptor which is about to be closed. Without it they would meet whoever gets the
// number next, maybe on another loop, and this queue would go on reporting a socket that is none of its own.
func (p *kqueuePoller) Drop(fd int) { p.cancel(fd) }

// cancel drops the waiting changes of fd and says whether there was one to watch it.
func (p *kqueuePoller) cancel(fd int) (waited bool) {
	kept := p.changes[:0]
	for _, ch := range p.changes {
		if ch.Ident != uint64(fd) {
			kept = append(kept, ch)
			continue
		}
		waited = waited || ch.Filter == filterRead
	}
	p.changes = kept
	return waited
}

// Wake rings the bell when the loop sleeps.
func (p *kqueuePoller) Wake() error { return p.wake(p.ring) }

func (p *kqueuePoller) ring() error {
	for {
		_, err := p.queue.kevent(p.bell[:], nil, false)
		if err != unix.EINTR {
			return os.NewSyscallError("kevent", err)
		}
	}
}

// Run takes batches until PollStop.
func (p *kqueuePoller) Run(h PollHandler) error {
	next := PollAgain
	for {
		n, err := p.wait(next)
		if err != nil && err != unix.EINTR {
			return os.NewSyscallError("kevent", err)
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

// wait hands over waiting changes and takes events. It blocks only when OnBatch allows it, all changes fit and no wake
// has come since. An interrupted call (EINTR) has made its changes. A call in which a change fails brings no events, only the
// failures: the next one does.
func (p *kqueuePoller) wait(next Next) (n int, err error) {
	due := min(len(p.changes), pollBatchEvents)
	if next == PollBlock {
		p.renew()
	}
	sleeps := next == PollBlock && due == len(p.changes) && p.sleep()
	n, err = p.queue.kevent(p.changes[:due], p.events, sleeps)
	p.changes = p.changes[:copy(p.changes, p.changes[due:])]
	return n, err
}

// deliver looks at the error flag and the filter before anything else: an ident means nothing without its filter.
func (p *kqueuePoller) deliver(h PollHandler, ev *kevent) {
	switch {
	case ev.Flags&evError != 0:
		// EBADF: closed between Add and the poll, nobody waits for it.
		if errno := unix.Errno(ev.Data); errno != unix.EBADF && ev.Udata != 0 {
			h.OnEvent(ev.Udata, EventRefused)
		}
	case ev.Filter == filterUser:
	default:
		h.OnEvent(ev.Udata, kqueueEvents(ev.Filter, ev.Flags))
	}
}

// kqueueEvents translates filter and flags.
func kqueueEvents(filter int16, flags uint16) Events {
	ev := EventRead
	if filter == filterWrite {
		ev = EventWrite
	}
	if flags&evEOF != 0 {
		ev |= EventHangup | EventRead
	}
	return ev
}

// Close frees the kqueue.
func (p *kqueuePoller) Close() error {
	if !p.waker.close() {
		return nil
	}
	return os.NewSyscallError("close kqueue", p.queue.close())
}
