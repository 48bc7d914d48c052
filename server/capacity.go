package server

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// capacity knows how many clients a second the loops can let in, and gives those who are sent away a time to come back.
//
// The loops feed it the CPU time of each handshake; a moving average of that, and the share of a loop's time that handshakes may take,
// make a rate. Times to come back are places in one virtual queue that is served at this rate: each client who is refused or drained gets
// the next place, so what was refused in a second returns over as many seconds as it takes, and not as a second storm.
//
// note belongs to the loop it names; the others may be called from anywhere.
type capacity struct {
	share  float64 // of a loop's time, 0 to 1
	costs  []handshakeCost
	jitter func() float64 // 0 to 1

	mu   sync.Mutex
	next time.Time // the next free place
}

// handshakeCost is what one loop has measured, in microseconds as the bits of a float64. Its loop alone writes it. It fills a cache line.
type handshakeCost struct {
	all     atomic.Uint64 // over contacts and resumes as they came: what the next one will cost
	contact atomic.Uint64
	resume  atomic.Uint64
	_       [40]byte
}

// newCapacity starts from an assumed cost; what is measured takes its place.
func newCapacity(loops, sharePercent int, assumed time.Duration) *capacity {
	c := &capacity{share: float64(sharePercent) / 100, costs: make([]handshakeCost, max(loops, 1)), jitter: rand.Float64}
	for i := range c.costs {
		c.costs[i].all.Store(math.Float64bits(micros(assumed)))
	}
	return c
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// note takes the CPU time of one handshake that a loop has finished or refused after its work was done.
func (c *capacity) note(loop int, resume bool, cpu time.Duration) {
	cost := &c.costs[loop]
	spent := max(micros(cpu), handshakeMicrosMin)
	smooth(&cost.all, spent)
	if resume {
		smooth(&cost.resume, spent)
	} else {
		smooth(&cost.contact, spent)
	}
}

// smooth moves an average by a part of the difference; the first value is taken as it is.
func smooth(average *atomic.Uint64, value float64) {
	if old := math.Float64frombits(average.Load()); old != 0 {
		value = old + (value-old)/costSmoothing
	}
	average.Store(math.Float64bits(value))
}

// perSecond is how many handshakes a second all loops can do in their share, at most ReturnsPerSecond.
func (c *capacity) perSecond() float64 {
	total := 0.0
	for i := range c.costs {
		total += c.share * 1e6 / math.Float64frombits(c.costs[i].all.Load())
	}
	return min(total, ReturnsPerSecond)
}

// handshakeMicros are the measured averages of contact and resume over the loops that have seen any; 0 where there was none.
func (c *capacity) handshakeMicros() (contact, resume float64) {
	mean := func(of func(*handshakeCost) *atomic.Uint64) float64 {
		sum, n := 0.0, 0.0
		for i := range c.costs {
			if v := math.Float64frombits(of(&c.costs[i]).Load()); v > 0 {
				sum, n = sum+v, n+1
			}
		}
		return sum / max(n, 1)
	}
	return mean(func(h *handshakeCost) *atomic.Uint64 { return &h.contact }),
		mean(func(h *handshakeCost) *atomic.Uint64 { return &h.resume })
}

// retryAfter takes the next place in the queue: RetryAfterMin to RetryAfterMax from now, and somewhere within the place's own width, so that
// clients who were told at the same moment do not come in step. Once the queue is full to RetryAfterMax, those who find no place are spread
// over its later half; they may be refused again then, and the queue grows no longer.
func (c *capacity) retryAfter(now time.Time) time.Duration {
	width := time.Duration(float64(time.Second) / c.perSecond())
	r := c.jitter()
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := now.Add(RetryAfterMin); c.next.Before(first) {
		c.next = first
	}
	wait := c.next.Sub(now)
	if wait+width > RetryAfterMax {
		return RetryAfterMax - time.Duration(r*float64(RetryAfterMax/2))
	}
	c.next = c.next.Add(width)
	return wait + time.Duration(r*float64(width))
}

// queued is how long the virtual queue is now.
func (c *capacity) queued(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.next.Sub(now), 0)
}
