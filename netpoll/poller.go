package netpoll

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Poller asks the operating system which sockets have something to do. It knows descriptors and tags, nothing else.
//
// The contract, which every backend meets and poller_conformance_test.go checks:
//
//  1. Reports are edge-triggered: one arrives when a socket becomes ready, or was ready when it was added. Whoever is
//     told reads (or writes) until EAGAIN, or remembers that something is left and asks for PollAgain.
//  2. A report is a hint. It may come too often, for a socket that has nothing, or with the tag of a socket that was
//     closed meanwhile. It never comes too seldom. The loop rejects a stale tag by the generation in it.
//  3. Add, WantWrite and Remove are called on the goroutine that runs Run, or before Run starts. Wake may be called
//     from any goroutine at any time, after Close too (then it does nothing). Close is called after Run returned.
//  4. Closing a descriptor takes it out of the poller by itself, Remove is for one that stays open. Only where a backend is a
//     changeHolder, Drop goes before the close.
//  5. Run begins with a poll that does not wait, so OnBatch is called at least once.
//  6. Between the return of Wake and the next sleep there is a call of OnBatch that began after the call of Wake.
//     Wakes that come before that call are one wake.
//  7. Descriptor 0 is a socket like any other. (The gnet backend on kqueue is the exception, see poller_gnet.go.)
type Poller interface {
	// Add watches a non-blocking socket for input; tag comes back with each report. Tag 0 is reserved for the poller.
	// A backend may delay the system call until the next poll; a refusal is then reported as EventRefused.
	Add(fd int, tag uint64) error
	// WantWrite asks for EventWrite, at least once, when the socket next takes bytes (at once when it does now).
	// It may be reported more often; the interest in input is not changed.
	WantWrite(fd int, tag uint64) error
	// Remove forgets a descriptor that stays open. Reports of the running batch may still carry its tag.
	Remove(fd int) error
	// Wake brings about one more batch soon; it costs a system call only when the loop sleeps.
	Wake() error
	// Run delivers events until OnBatch answers PollStop (nil) or the system fails (the error).
	Run(h PollHandler) error
	// Close frees the poller's own descriptors, not those that were added. Safe to call twice.
	Close() error
}

// changeHolder is a Poller that holds registrations back until its next poll. Drop forgets those of a descriptor that is about to
// be closed, so that they do not meet whoever gets its number next. Without any it does nothing and costs no system call.
type changeHolder interface{ Drop(fd int) }

// PollHandler takes what a Poller reports, on the goroutine that runs Run. Its methods must not block.
type PollHandler interface {
	// OnEvent reports one socket by the tag it was added with.
	OnEvent(tag uint64, ev Events)
	// OnBatch ends each batch of events, also an empty one, and says how to go on.
	OnBatch() Next
}

// Events is a set of bits:
//
//	 7 6 5 4   3        2       1      0
//	+-------+--------+-------+------+------+
//	|   0   |refused |hangup |write | read |
//	+-------+--------+-------+------+------+
type Events uint8

// The reports. EventHangup (peer's FIN, reset, socket error) always comes together with EventRead: what the peer sent
// before is still there, and only read(2) tells how the stream ended.
const (
	EventRead    Events = 1 << iota // input, a connection to accept, or the end of the stream
	EventWrite                      // room in the send buffer
	EventHangup                     // the peer has closed at least its side, or there is an error
	EventRefused                    // the system would not watch the socket (out of memory): close it, nothing more will come
)

// Next is what OnBatch wants to happen.
type Next uint8

// The answers.
const (
	PollAgain Next = iota + 1 // work is left: look for events without waiting
	PollBlock                 // wait for events or Wake
	PollStop                  // return from Run
)

// The names of the backends, for Config.Poller and --poller.
const (
	PollerNative = "native" // epoll or kqueue through x/sys
	PollerGnet   = "gnet"   // gnet's exported poller
)

// pollBatchEvents is how many events one system call may bring: 6 KiB of them on Linux, 32 KiB on FreeBSD, for a loop.
// When more sockets are ready the rest comes with the next call; no backend loses them.
const pollBatchEvents = 512

// openPoller opens a backend by its name; "" is the native one, which measures better (docs/adr/0001).
func openPoller(kind string) (Poller, error) {
	switch kind {
	case "", PollerNative:
		return newNativePoller()
	case PollerGnet:
		return newGnetPoller()
	}
	return nil, fmt.Errorf("%w: %q (known: %s, %s)", ErrPollerUnknown, kind, PollerNative, PollerGnet)
}

// The states of a waker.
const (
	wakerBusy   uint32 = iota // the loop is running and has seen all wakes
	wakerAsked                // a wake has come that the loop has not seen
	wakerAsleep               // the loop sleeps, or is about to: a wake must ring
)

// waker coalesces wakes and spares the system call while the loop is busy.
//
//	         sleep() ok                     wake(): ring
//	busy ----------------> asleep ------------------------+
//	 ^ ^                     | rise()                      v
//	 | +---------------------+                           asked
//	 +------------------------------ rise(), or sleep() refused
//
// The lock is held only while ringing and while closing, so that a late ring never hits a closed descriptor's number.
type waker struct {
	state  atomic.Uint32
	mu     sync.Mutex
	closed bool
}

// wake notes a wake and calls ring when the loop sleeps. Any goroutine. It exchanges even when a wake is noted already:
// rise must see the last of them to see what its caller wrote before.
func (w *waker) wake(ring func() error) error {
	if w.state.Swap(wakerAsked) != wakerAsleep {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	return ring()
}

// sleep says that the loop is going to wait. False: a wake has come, poll without waiting.
func (w *waker) sleep() bool { return w.state.CompareAndSwap(wakerBusy, wakerAsleep) }

// rise says that the loop begins a batch: wakes from now on want another one. An exchange, for what wakers wrote before.
func (w *waker) rise() { w.state.Swap(wakerBusy) }

// close ends ringing. False: it had ended before.
func (w *waker) close() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := !w.closed
	w.closed = true
	return first
}

// leaseWindow is how often a loop that blocks may give its processor up for a moment: half of what Go's monitor allows.
// leaseSleeps is how many sleeps in that time make a loop busy enough for it.
//
// The monitor takes the processor away from a goroutine that was scheduled 10 ms ago and sits in a system call. For a
// loop that is every sleep, and each wake-up then fights for a processor and rouses other threads. A runtime.Gosched
// starts a new 10 ms. At each sleep it would cost as much as it saves, because it rouses a thread itself; and a loop
// that often sleeps for longer than 10 ms is better off without, because the monitor stays awake until the lease has
// run out. docs/adr/0001 has the figures.
const (
	leaseWindow = 5 * time.Millisecond
	leaseSleeps = 4
)

// lease keeps a busy loop's processor its own while it sleeps for less than 10 ms.
type lease struct {
	since  time.Time // begin of the window
	sleeps int       // in the window
}

// renew is called before each blocking call.
func (l *lease) renew() {
	l.sleeps++
	now := time.Now()
	elapsed := now.Sub(l.since)
	if elapsed < leaseWindow {
		return
	}
	if l.sleeps >= leaseSleeps && elapsed <= 2*leaseWindow {
		runtime.Gosched()
	}
	l.since, l.sleeps = now, 0
}
