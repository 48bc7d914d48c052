package netpoll

import (
	"math/rand/v2"
	"testing"

	"trunkline/internal/slab"
)

// TestWheelAgreesWithAPlainMap plays random operations on a wheel and on a map of due ticks.
func TestWheelAgreesWithAPlainMap(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	slots := slab.NewSlab[slot](500)
	w := &wheel{slots: slots}
	var ids []uint32
	for range 300 {
		i, _ := slots.Alloc()
		ids = append(ids, i)
	}
	due := map[uint32]uint32{}
	now := uint32(1)
	w.advance(now, nil)
	for step := range 20_000 {
		i := ids[rnd.IntN(len(ids))]
		switch rnd.IntN(4) {
		case 0, 1:
			at := now + uint32(rnd.IntN(3*wheelBuckets))
			w.arm(i, slots.At(i), at)
			due[i] = max(at, now+1)
		case 2:
			w.stop(i, slots.At(i))
			delete(due, i)
		case 3:
			now += uint32(rnd.IntN(20))
			if rnd.IntN(200) == 0 {
				now += 2 * wheelBuckets
			}
			for _, j := range w.advance(now, nil) {
				if at, ok := due[j]; !ok || at > now {
					t.Fatalf("seed %d step %d: slot %d ran out at %d, due %d (%v)", seed, step, j, now, at, ok)
				}
				delete(due, j)
			}
		}
		checkWheel(t, w, due, now)
	}
}

// checkWheel looks that nothing is overdue and that next is no later than the first due tick.
func checkWheel(t *testing.T, w *wheel, due map[uint32]uint32, now uint32) {
	t.Helper()
	if w.armed != len(due) {
		t.Fatalf("armed %d, want %d", w.armed, len(due))
	}
	tick, ok := w.next()
	if ok != (len(due) > 0) || ok && tick <= now {
		t.Fatalf("next is %d %v at %d with %d armed", tick, ok, now, len(due))
	}
	for i, at := range due {
		if at <= now || at < tick {
			t.Fatalf("slot %d is due at %d, now %d, next %d", i, at, now, tick)
		}
	}
}

func TestTimerTicksAreNeverEarly(t *testing.T) {
	for ms := int64(0); ms < 1000; ms++ {
		fires := ms
		for tickOf(fires) < tickAt(ms) {
			fires++
		}
		if fires < ms || fires >= ms+timerGrain {
			t.Fatalf("a timer for %d ms fires at %d", ms, fires)
		}
	}
}
