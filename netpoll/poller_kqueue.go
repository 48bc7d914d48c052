//go:build (freebsd || darwin) && (amd64 || arm64)

package netpoll

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kqueueBell is the ident of the EVFILT_USER event that wakes the loop. Idents are per filter: descriptor 0xB3 is another.
const kqueueBell = 0xB3

// kqueuePoller is the native backend on FreeBSD and macOS: kqueue(2) with EV_CLEAR, EVFILT_USER as the bell.
//
// The tag travels in udata. x/sys types that field as a pointer, and a tag in a pointer's place would frighten the
// collector; so events live in kevent, the same layout without pointers, held to it by checks at compile time.
//
// Registrations wait in changes and ride on the next poll: an accepted connection costs no system call of its own.
// Only Remove acts at once, because the descriptor may be in another loop's hands a moment later.
type kqueuePoller struct {
	waker
	lease
	fd      int
	changes []kevent // waiting, at most pollBatchEvents of them go with one poll
	events  []kevent
}

// Both conversions fail to compile when the layouts differ in size or in the place of udata.
var (
	_ [unsafe.Sizeof(unix.Kevent_t{})]byte         = [unsafe.Sizeof(kevent{})]byte{}
	_ [unsafe.Offsetof(unix.Kevent_t{}.Udata)]byte = [unsafe.Offsetof(kevent{}.Udata)]byte{}
)

// newNativePoller opens a kqueue and adds its bell. The bell is rung by a later change of its own: NOTE_TRIGGER
// together with EV_ADD does not fire on FreeBSD.
func newNativePoller() (Poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	p := &kqueuePoller{fd: fd, events: make([]kevent, pollBatchEvents)}
	bell := []kevent{{Ident: kqueueBell, Filter: unix.EVFILT_USER, Flags: unix.EV_ADD | unix.EV_CLEAR}}
	if _, err := p.kevent(bell, nil, nil); err != nil {
		_ = p.Close()
		return nil, os.NewSyscallError("kevent", err)
	}
	return p, nil
}

// Add watches fd for input from the next poll on.
func (p *kqueuePoller) Add(fd int, tag uint64) error {
	return p.change(kevent{Ident: uint64(fd), Filter: unix.EVFILT_READ, Flags: unix.EV_ADD | unix.EV_CLEAR, Udata: tag})
}

// WantWrite asks for one report of room. EV_ONESHOT because an EV_CLEAR write filter fires at each acknowledgement
// of the peer for as long as it stays.
func (p *kqueuePoller) WantWrite(fd int, tag uint64) error {
	return p.change(kevent{Ident: uint64(fd), Filter: unix.EVFILT_WRITE, Flags: unix.EV_ADD | unix.EV_ONESHOT, Udata: tag})
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
	deletions := []kevent{
		{Ident: uint64(fd), Filter: unix.EVFILT_READ, Flags: unix.EV_DELETE | unix.EV_RECEIPT},
		{Ident: uint64(fd), Filter: unix.EVFILT_WRITE, Flags: unix.EV_DELETE | unix.EV_RECEIPT},
	}
	var receipts [2]kevent
	n, err := p.kevent(deletions, receipts[:], nil)
	if err != nil {
		return os.NewSyscallError("kevent", err)
	}
	for _, r := range receipts[:n] {
		if r.Filter == unix.EVFILT_READ && r.Data != 0 && !waited {
			return os.NewSyscallError("kevent", unix.Errno(r.Data))
		}
	}
	return nil
}

// cancel drops the waiting changes of fd and says whether there was one to watch it.
func (p *kqueuePoller) cancel(fd int) (waited bool) {
	kept := p.changes[:0]
	for _, ch := range p.changes {
		if ch.Ident != uint64(fd) {
			kept = append(kept, ch)
			continue
		}
		waited = waited || ch.Filter == unix.EVFILT_READ
	}
	p.changes = kept
	return waited
}

// Wake rings the bell when the loop sleeps.
func (p *kqueuePoller) Wake() error { return p.wake(p.ring) }

func (p *kqueuePoller) ring() error {
	trigger := []kevent{{Ident: kqueueBell, Filter: unix.EVFILT_USER, Fflags: unix.NOTE_TRIGGER}}
	for {
		_, err := p.kevent(trigger, nil, nil)
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
// has come since. An interrupted call (EINTR) has made its changes.
func (p *kqueuePoller) wait(next Next) (n int, err error) {
	due := min(len(p.changes), pollBatchEvents)
	if next == PollBlock {
		p.renew()
	}
	if next == PollBlock && due == len(p.changes) && p.sleep() {
		n, err = p.kevent(p.changes[:due], p.events, nil)
	} else {
		n, err = p.keventNow(p.changes[:due], p.events)
	}
	p.changes = p.changes[:copy(p.changes, p.changes[due:])]
	return n, err
}

// deliver looks at the error flag and the filter before anything else: an ident means nothing without its filter.
func (p *kqueuePoller) deliver(h PollHandler, ev *kevent) {
	switch {
	case ev.Flags&unix.EV_ERROR != 0:
		// EBADF and ENOENT: closed between Add and the poll, nobody waits for it.
		if errno := unix.Errno(ev.Data); errno != unix.EBADF && errno != unix.ENOENT && ev.Udata != 0 {
			h.OnEvent(ev.Udata, EventRefused)
		}
	case ev.Filter == unix.EVFILT_USER:
	default:
		h.OnEvent(ev.Udata, kqueueEvents(ev.Filter, ev.Flags))
	}
}

// kqueueEvents translates filter and flags.
func kqueueEvents(filter int16, flags uint16) Events {
	ev := EventRead
	if filter == unix.EVFILT_WRITE {
		ev = EventWrite
	}
	if flags&unix.EV_EOF != 0 {
		ev |= EventHangup | EventRead
	}
	return ev
}

// kevent is kevent(2); a nil timeout waits for ever.
func (p *kqueuePoller) kevent(changes, events []kevent, timeout *unix.Timespec) (int, error) {
	return unix.Kevent(p.fd, asKevents(changes), asKevents(events), timeout)
}

// asKevents lends our events to x/sys. The memory stays pointer-free for the collector, which goes by allocation.
func asKevents(evs []kevent) []unix.Kevent_t {
	if len(evs) == 0 {
		return nil
	}
	return unsafe.Slice((*unix.Kevent_t)(unsafe.Pointer(&evs[0])), len(evs))
}

// Close frees the kqueue.
func (p *kqueuePoller) Close() error {
	if !p.waker.close() {
		return nil
	}
	return os.NewSyscallError("close kqueue", unix.Close(p.fd))
}
