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

// pace calls wake about once every interval (but not more often than paceMin allows) until ctx ends. A wake that comes
// late is not repeated: whoever is woken looks at the clock and does all that is due.
func pace(ctx context.Context, interval time.Duration, wake func()) {
	interval = min(max(interval, paceMin), 10*time.Millisecond)
	next := time.Now()
	for ctx.Err() == nil {
		wake()
		next = next.Add(interval)
		if behind := time.Since(next); behind > 0 {
			next = next.Add(behind)
			continue
		}
		nap(time.Until(next))
	}
}

// nap sleeps with the precision of the kernel's timers. time.Sleep would round up to a millisecond on an idle Linux,
// because the runtime waits for timers in epoll_wait(2).
// select(2) without descriptors; EINTR ends it early, which the caller's clock corrects.
func nap(d time.Duration) {
	if d <= 0 {
		return
	}
	tv := unix.NsecToTimeval(int64(d))
	_, _ = unix.Select(0, nil, nil, nil, &tv)
}
