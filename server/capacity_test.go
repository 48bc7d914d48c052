package server

import (
	"math"
	"sync"
	"testing"
	"time"
)

// measured is a capacity of that many handshakes a second, on loops that have measured so much.
func measured(loops int, perSecond float64) *capacity {
	c := newCapacity(loops, 25, time.Millisecond)
	cost := time.Duration(float64(loops) * 0.25 / perSecond * float64(time.Second))
	for loop := range loops {
		for range 50 * costSmoothing {
			c.note(loop, true, cost)
		}
	}
	return c
}

var dawn = time.Unix(1_800_000_000, 0)

func TestCapacityFollowsWhatHandshakesCost(t *testing.T) {
	c := newCapacity(2, 25, 200*time.Microsecond)
	if got := c.perSecond(); got != 2500 {
		t.Errorf("2 loops, a quarter of each, 200 us assumed: %.1f a second, want 2500", got)
	}
	for range 20 * costSmoothing {
		c.note(0, true, 100*time.Microsecond)
		c.note(1, false, 400*time.Microsecond)
	}
	if got := c.perSecond(); math.Abs(got-3125) > 1 {
		t.Errorf("100 us on one loop and 400 us on the other: %.1f a second, want 3125", got)
	}
	if contact, resume := c.handshakeMicros(); contact != 400 || resume != 100 {
		t.Errorf("contact %.1f us, resume %.1f us, want 400 and 100", contact, resume)
	}
	if got := newCapacity(64, 90, time.Microsecond).perSecond(); got != ReturnsPerSecond {
		t.Errorf("however fast the machine, %v a second are asked back, got %.1f", ReturnsPerSecond, got)
	}
	c.note(0, true, 0) // a clock that stands still must not make the capacity infinite
	if got := c.perSecond(); math.IsInf(got, 0) || got <= 0 {
		t.Errorf("after a handshake of no time: %v a second", got)
	}
}

func TestRefusedClientsComeBackNoFasterThanTheCapacity(t *testing.T) {
	for _, row := range []struct {
		name      string
		perSecond float64
		clients   int
		over      time.Duration // in which they are refused
	}{
		{"ten thousand at once on a small machine", 400, 10_000, 0},
		{"ten thousand at once on a large one", 5_000, 10_000, 0},
		{"ten thousand within ten seconds", 700, 10_000, 10 * time.Second},
		{"few at once", 50, 20, 0},
	} {
		c := measured(2, row.perSecond)
		returns := map[int64]int{} // by the tenth of a second: any window of ten is a second
		last := time.Duration(0)
		for i := range row.clients {
			told := row.over * time.Duration(i) / time.Duration(row.clients)
			wait := c.retryAfter(dawn.Add(told))
			if wait < RetryAfterMin || wait > RetryAfterMax {
				t.Fatalf("%s: client %d is told to wait %s", row.name, i, wait)
			}
			back := told + wait
			returns[int64(back/(100*time.Millisecond))]++
			last = max(last, back)
		}
		ideal := RetryAfterMin + time.Duration(float64(row.clients)/row.perSecond*float64(time.Second)) + row.over
		if last > ideal+ideal/4 {
			t.Errorf("%s: the last comes back after %s, %s would do", row.name, last, ideal)
		}
		for at := range returns {
			n := 0
			for k := range int64(10) {
				n += returns[at+k]
			}
			if float64(n) > 1.2*row.perSecond+1 {
				t.Errorf("%s: %d come back within the second from %d00 ms on, the capacity is %.0f", row.name, n, at, row.perSecond)
			}
		}
	}
}

func TestAFullQueueOfReturnsSpreadsWithoutGrowing(t *testing.T) {
	c := measured(1, 10)
	places := int(10 * (RetryAfterMax - RetryAfterMin).Seconds())
	for range places {
		c.retryAfter(dawn)
	}
	early, late := 0, 0
	for range 2000 {
		switch wait := c.retryAfter(dawn); {
		case wait < RetryAfterMax/2 || wait > RetryAfterMax:
			t.Fatalf("with a full queue: %s", wait)
		case wait < RetryAfterMax*3/4:
			early++
		default:
			late++
		}
	}
	if early < 700 || late < 700 {
		t.Errorf("%d in the third quarter and %d in the last: not spread", early, late)
	}
	if got := c.queued(dawn); got > RetryAfterMax {
		t.Errorf("the queue has grown to %s", got)
	}
	if got := c.retryAfter(dawn.Add(time.Hour)); got > RetryAfterMin+200*time.Millisecond {
		t.Errorf("an hour later the queue is over, and a client is told %s", got)
	}
}

func TestPlacesAreGivenOutOnceWhoeverAsks(t *testing.T) {
	c := measured(4, 2000)
	c.jitter = func() float64 { return 0 }
	var mu sync.Mutex
	seen := map[time.Duration]int{}
	var loops sync.WaitGroup
	for loop := range 4 {
		loops.Go(func() {
			for range 250 {
				c.note(loop, true, 500*time.Microsecond)
				wait := c.retryAfter(dawn)
				mu.Lock()
				seen[wait]++
				mu.Unlock()
			}
		})
	}
	loops.Wait()
	if len(seen) != 1000 {
		t.Errorf("1000 clients got %d different places", len(seen))
	}
}

func TestADrainIsPacedWithinItsTimeout(t *testing.T) {
	s := &Server{cfg: Config{DrainTimeout: Duration(10 * time.Second)}, capacity: measured(2, 1000)}
	for connections, want := range map[int64]time.Duration{0: 0, 100: 100 * time.Millisecond, 2_000_000: 5 * time.Second} {
		if got := s.drainPeriod(connections); got < want-want/100 || got > want+want/100 {
			t.Errorf("%d connections are asked to leave within %s, want %s", connections, got, want)
		}
	}
}

func BenchmarkRetryAfter(b *testing.B) {
	c := measured(2, 2000)
	b.ReportAllocs()
	for b.Loop() {
		c.retryAfter(dawn)
	}
}
