package bench

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// clock is the time of one run: nanoseconds since it began, monotonic.
type clock struct{ base time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.base)) }

// paceLead is how long before the first message a run says when it is due: every loop has heard of it by then.
const paceLead = 2 * time.Millisecond

// pace calls wake at `start` of the clock and then about once every interval (but not more often than paceMin allows)
// until ctx ends. Wakes and messages count from the same start, so that no message waits for the next wake because it was due
// a moment after one. A wake that comes late is not repeated: whoever is woken looks at the clock and does all that is due.
func pace(ctx context.Context, c clock, start int64, interval time.Duration, wake func()) {
	interval = min(max(interval, paceMin), 10*time.Millisecond)
	nap(time.Duration(start - c.now()))
	for n := int64(1); ctx.Err() == nil; n++ {
		wake()
		passed := (c.now() - start) / int64(interval)
		n = max(n, passed+1)
		nap(time.Duration(start + n*int64(interval) - c.now()))
	}
}

// nap sleeps with the precision of the kernel's timers. time.Sleep would round up to a millisecond on an idle Linux,
// because the runtime waits for timers in epoll_wait(2).
// select(2) without descriptors; a signal of the runtime ends it early (EINTR), and it sleeps on.
func nap(d time.Duration) {
	for end := time.Now().Add(d); d > 0; d = time.Until(end) {
		tv := unix.NsecToTimeval(int64(d))
		_, _ = unix.Select(0, nil, nil, nil, &tv)
	}
}
