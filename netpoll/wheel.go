package netpoll

import (
	"math/bits"

	"trunkline/internal/slab"
)

// wheel is a hashed timer wheel: bucket t mod wheelBuckets lists the slots whose timer runs out in tick t or a whole
// number of rounds later. Links live in the slots, so a timer costs no memory of its own; arm and stop are O(1).
//
// Ticks are timerGrain milliseconds on the loop's monotonic clock, counted from 1.
type wheel struct {
	slots *slab.Slab[slot]
	last  uint32 // the last tick whose bucket was emptied
	armed int
	heads [wheelBuckets]uint32
	used  [wheelBuckets / 64]uint64 // a bit for each bucket that is not empty
}

// tickAt is the first tick that ends no earlier than that many monotonic milliseconds.
func tickAt(ms int64) uint32 { return uint32((ms+timerGrain-1)/timerGrain) + 1 }

// tickOf is the last tick that has ended at that many monotonic milliseconds.
func tickOf(ms int64) uint32 { return uint32(ms/timerGrain) + 1 }

// arm sets the slot's timer, replacing an armed one. A tick that has passed counts as the next.
func (w *wheel) arm(i uint32, s *slot, due uint32) {
	w.stop(i, s)
	due = max(due, w.last+1)
	b := due % wheelBuckets
	s.timerDue, s.timerPrev, s.timerNext = due, 0, w.heads[b]
	if s.timerNext != 0 {
		w.slots.At(s.timerNext).timerPrev = i
	}
	w.heads[b] = i
	w.used[b/64] |= 1 << (b % 64)
	w.armed++
}

// stop takes the slot's timer out; without one it does nothing.
func (w *wheel) stop(i uint32, s *slot) {
	if s.timerDue == 0 {
		return
	}
	b := s.timerDue % wheelBuckets
	if s.timerNext != 0 {
		w.slots.At(s.timerNext).timerPrev = s.timerPrev
	}
	if s.timerPrev != 0 {
		w.slots.At(s.timerPrev).timerNext = s.timerNext
	} else {
		w.heads[b] = s.timerNext
		if s.timerNext == 0 {
			w.used[b/64] &^= 1 << (b % 64)
		}
	}
	s.timerDue, s.timerNext, s.timerPrev = 0, 0, 0
	w.armed--
}

// advance takes out every timer due up to tick now and appends its slot to expired.
func (w *wheel) advance(now uint32, expired []uint32) []uint32 {
	if now <= w.last {
		return expired
	}
	from := w.last + 1
	if now-w.last > wheelBuckets {
		from = now - wheelBuckets + 1
	}
	w.last = now
	if w.armed == 0 {
		return expired
	}
	for t := from; ; t++ {
		expired = w.empty(t%wheelBuckets, now, expired)
		if t == now {
			return expired
		}
	}
}

// empty takes what is due up to now out of one bucket.
func (w *wheel) empty(b, now uint32, expired []uint32) []uint32 {
	if w.used[b/64]&(1<<(b%64)) == 0 {
		return expired
	}
	for i := w.heads[b]; i != 0; {
		s := w.slots.At(i)
		next := s.timerNext
		if s.timerDue <= now {
			w.stop(i, s)
			expired = append(expired, i)
		}
		i = next
	}
	return expired
}

// next is the tick of the next bucket that is not empty: no timer is due earlier.
func (w *wheel) next() (tick uint32, ok bool) {
	if w.armed == 0 {
		return 0, false
	}
	from := (w.last + 1) % wheelBuckets
	word := from / 64
	masked := w.used[word] &^ (1<<(from%64) - 1)
	for n := uint32(0); n <= wheelBuckets/64; n++ {
		if masked != 0 {
			b := word*64 + uint32(bits.TrailingZeros64(masked))
			return w.last + 1 + (b-from)%wheelBuckets, true
		}
		word = (word + 1) % (wheelBuckets / 64)
		masked = w.used[word]
	}
	return 0, false
}
