//go:build (freebsd || darwin) && (amd64 || arm64)

package netpoll

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kqueue is the descriptor of a kernel's queue.
//
// x/sys types udata as a pointer, and a tag in a pointer's place would frighten the collector; so events live in kevent, the
// same layout without pointers, held to it by checks at compile time.
type kqueue int

// Both conversions fail to compile when the layouts differ in size or in the place of udata.
var (
	_ [unsafe.Sizeof(unix.Kevent_t{})]byte         = [unsafe.Sizeof(kevent{})]byte{}
	_ [unsafe.Offsetof(unix.Kevent_t{}.Udata)]byte = [unsafe.Offsetof(kevent{}.Udata)]byte{}
)

// This conversion fails to compile when one of our numbers is not the system's.
var _ [1]struct{} = [1 + (filterRead ^ unix.EVFILT_READ) + (filterWrite ^ unix.EVFILT_WRITE) +
	(evAdd ^ unix.EV_ADD) + (evDelete ^ unix.EV_DELETE) + (evOneshot ^ unix.EV_ONESHOT) + (evClear ^ unix.EV_CLEAR) +
	(evReceipt ^ unix.EV_RECEIPT) + (evError ^ unix.EV_ERROR) + (evEOF ^ unix.EV_EOF) + (noteTrigger ^ unix.NOTE_TRIGGER)]struct{}{}

// newNativePoller opens a kqueue and adds its bell.
func newNativePoller() (Poller, error) {
	q, err := openKqueue()
	if err != nil {
		return nil, err
	}
	return newKqueuePoller(q)
}

func openKqueue() (kqueue, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return 0, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	return kqueue(fd), nil
}

func (q kqueue) kevent(changes, events []kevent, wait bool) (int, error) {
	if wait {
		return q.call(changes, events, nil)
	}
	return q.now(changes, events)
}

// call is kevent(2) as Go's scheduler knows it; a nil timeout waits for ever.
func (q kqueue) call(changes, events []kevent, timeout *unix.Timespec) (int, error) {
	return unix.Kevent(int(q), asKevents(changes), asKevents(events), timeout)
}

// asKevents lends our events to x/sys. The memory stays pointer-free for the collector, which goes by allocation.
func asKevents(evs []kevent) []unix.Kevent_t {
	if len(evs) == 0 {
		return nil
	}
	return unsafe.Slice((*unix.Kevent_t)(unsafe.Pointer(&evs[0])), len(evs))
}

func (q kqueue) close() error { return unix.Close(int(q)) }
