package shard

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// clocks where 32 bits of the finest unit have just gone round, are about to, or lie anywhere.
var clocks = []int64{testNow, testNow&^(1<<32-1) - 1, testNow &^ (1<<32 - 1), testNow&^(1<<16-1) - 1, 1, math.MaxInt64 >> 20}

var someRates = []Rate{{1, 1}, {1, 256}, {3, 7}, {100, 1000}, {200, 2000}, {999, 1}, {1_000, 1_000}, {7_000, 20}, {100_000, 10}, {10_000_000, 50_000}}

func TestALimitGivesABurstAndThenItsRate(t *testing.T) {
	for _, r := range someRates {
		for _, now := range clocks {
			l, state, taken := newLimit(r), uint32(0), 0
			for wait := int64(0); wait == 0; {
				if state, wait = l.take(state, now, 0); wait == 0 {
					taken++
				} else if want := int64(1_000/r.PerSecond) + 1; wait > want {
					t.Errorf("%+v at %d: the next may come in %d ms, want at most %d", r, now, wait, want)
				}
			}
			// The clock's millisecond allows what belongs into it, and the highest rates are rounded.
			if most := r.Burst + (r.PerSecond+998)/1_000*11/10; taken < r.Burst || taken > most {
				t.Errorf("%+v at %d: %d at once, want %d to %d", r, now, taken, r.Burst, most)
			}
			burst := taken
			seconds := int64(1)
			if r.PerSecond <= 1_000 {
				seconds = 5
			}
			for second := range seconds {
				for ms := range int64(1_000) {
					for wait := int64(0); wait == 0; {
						if state, wait = l.take(state, now+1+second*1_000+ms, 0); wait == 0 {
							taken++
						}
					}
				}
			}
			got, want := float64(taken-burst), float64(seconds)*float64(r.PerSecond)
			if got < 0.98*want-1 || got > 1.2*want+1 || r.PerSecond <= 100_000 && got > 1.01*want+1 {
				t.Errorf("%+v at %d: %.0f in %d s", r, now, got, seconds)
			}
		}
	}
}

func TestTheZeroRateIsNoLimit(t *testing.T) {
	l := newLimit(Rate{})
	for range 1_000_000 {
		if state, wait := l.take(0, testNow, 0); state != 0 || wait != 0 {
			t.Fatalf("state %d, wait %d ms", state, wait)
		}
	}
}

// exhaust takes until no more goes.
func exhaust(l limit, state uint32, now int64) (after uint32, taken int) {
	for {
		next, wait := l.take(state, now, 0)
		if wait > 0 {
			return state, taken
		}
		state = next
		taken++
	}
}

func TestAClockThatStepsBlocksNobodyAndGivesOneBurst(t *testing.T) {
	const hour = 3_600_000
	for _, r := range []Rate{{1, 256}, {100, 1000}, {200, 2000}, {10_000, 10}} {
		l := newLimit(r)
		window := int64(r.Burst) * 1_000 / int64(r.PerSecond)
		for _, step := range []int64{hour, -hour, window + 1, -window - 1, window / 2, -window / 2, 20 * 365 * 24 * hour, -20 * 365 * 24 * hour} {
			state, _ := exhaust(l, 0, testNow)
			now := testNow + step
			after, taken := exhaust(l, state, now)
			if taken > r.Burst+r.PerSecond/1_000 {
				t.Errorf("%+v: a step of %d ms gives %d", r, step, taken)
			}
			if _, wait := l.take(after, now, 0); wait > window+1 {
				t.Errorf("%+v: after a step of %d ms one waits for %d ms, the window is %d", r, step, wait, window)
			}
			if _, again := exhaust(l, after, now); again != 0 {
				t.Errorf("%+v: after a step of %d ms and a burst there are %d more", r, step, again)
			}
		}
	}
}

func TestAWaitIsExact(t *testing.T) {
	for _, r := range someRates {
		l := newLimit(r)
		state, _ := exhaust(l, 0, testNow)
		_, wait := l.take(state, testNow, 0)
		if _, early := l.take(state, testNow+wait-1, 0); early == 0 {
			t.Errorf("%+v: told to wait %d ms, and a millisecond less would have done", r, wait)
		}
		if _, late := l.take(state, testNow+wait, 0); late != 0 {
			t.Errorf("%+v: told to wait %d ms, and then %d more", r, wait, late)
		}
		n := int64(min(r.Burst, 64))
		now := testNow + l.room(state, testNow, n)
		if _, got := exhaust(l, state, now); int64(got) < n {
			t.Errorf("%+v: after the wait for %d, only %d go", r, n, got)
		}
	}
}

func TestAPartOfOneCostsLess(t *testing.T) {
	l := newLimit(Rate{PerSecond: 200, Burst: 10})
	state, taken := uint32(0), 0
	for wait := int64(0); wait == 0; {
		if state, wait = l.take(state, testNow, 4); wait == 0 {
			taken++
		}
	}
	if taken < 160 || taken > 160+16/5+1 { // 5 ms each; the clock's millisecond allows a fifth of one
		t.Errorf("%d sixteenths in a burst of 10", taken)
	}
}

func TestARateThatTakesWeeksToEarnIsCutDown(t *testing.T) {
	l := newLimit(Rate{PerSecond: 1, Burst: 10_000_000})
	state := uint32(0)
	for range 1_000_000 {
		next, wait := l.take(state, testNow, 0)
		if wait != 0 {
			t.Fatalf("wait of %d ms below a million at once", wait)
		}
		state = next
	}
	if _, taken := exhaust(l, state, testNow); taken > 100_000 {
		t.Errorf("%d more than a million at once: the window is no longer 12 days", taken)
	}
}

// most is a burst and what belongs into the clock's millisecond.
func (r Rate) most() float64 { return float64(r.Burst) + float64(r.PerSecond)/1_000 }

// modelLimit is the textbook: a bucket of tokens over a clock that never wraps.
type modelLimit struct {
	rate   Rate
	tokens float64
	last   int64
}

func (m *modelLimit) take(now int64) bool {
	m.tokens = min(m.tokens+float64(now-m.last)*float64(m.rate.PerSecond)/1_000, m.rate.most())
	m.last = now
	if m.tokens < 1-1e-9 {
		return false
	}
	m.tokens--
	return true
}

// Over any history with a clock that goes on, the limit and the bucket let through the same, give or take what a millisecond allows and
// the rounding of the interval.
func TestALimitAgreesWithATokenBucket(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		rate := Rate{PerSecond: 1 + r.IntN(2_000), Burst: 1 + r.IntN(500)}
		now := int64(testNow) + r.Int64N(1<<32)
		l, m := newLimit(rate), &modelLimit{rate: rate, tokens: rate.most(), last: now}
		state, got, want := uint32(0), 0, 0
		for step := range 20_000 {
			if r.IntN(3) == 0 {
				now += r.Int64N(1 + 3_000/int64(rate.PerSecond))
			}
			if r.IntN(2_000) == 0 {
				now += r.Int64N(20_000)
			}
			next, wait := l.take(state, now, 0)
			state = next
			if wait == 0 {
				got++
			}
			if m.take(now) {
				want++
			}
			if slack := 2 + want/100; got < want-slack || got > want+slack {
				t.Fatalf("seed %d, %+v: after %d steps %d were let through, the bucket lets %d", seed, rate, step, got, want)
			}
		}
	}
}

// However long somebody was silent, what is left of the old state never costs more than the window's wait.
func TestAnOldStateNeverBlocksForLongerThanTheWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, rate := range someRates {
		l := newLimit(rate)
		window := l.milliseconds(int64(l.window))
		short := 0
		for range 20_000 {
			now := testNow + r.Int64N(1<<40)
			_, wait := l.take(r.Uint32(), now, 0)
			if wait > window {
				t.Fatalf("%+v: a wait of %d ms, the window is %d", rate, wait, window)
			}
			if wait > 0 {
				short++
			}
		}
		if short > 20_000/200 {
			t.Errorf("%+v: %d of 20,000 old states block", rate, short)
		}
	}
}

func BenchmarkLimit(b *testing.B) {
	for _, r := range []Rate{{}, {PerSecond: 100, Burst: 1_000}} {
		b.Run(fmt.Sprintf("%d_%d", r.PerSecond, r.Burst), func(b *testing.B) {
			l, state, now := newLimit(r), uint32(0), int64(testNow)
			b.ReportAllocs()
			for b.Loop() {
				now += 10
				state, _ = l.take(state, now, 0)
			}
		})
	}
}
