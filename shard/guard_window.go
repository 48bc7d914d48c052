package shard

import (
	"math"
	"math/bits"
)

// window counts what happened within the last span, about: what happened in the span that began at start, and the part of the one before it
// that has not passed yet, as if it had come evenly. The zero window is empty. When the clock steps back, it begins anew.
type window struct {
	start  uint32 // unix seconds
	count  uint32
	before uint32
}

// roll brings it to now.
func (w *window) roll(sec, span uint32) {
	switch {
	case sec < w.start || sec-w.start >= 2*span:
		*w = window{start: sec}
	case sec-w.start >= span:
		*w = window{start: w.start + span, before: w.count}
	}
}

// sum is how many there were; after roll.
func (w *window) sum(sec, span uint32) uint32 {
	return w.count + uint32(uint64(w.before)*uint64(span-(sec-w.start))/uint64(span))
}

// wait is the seconds until one more is within a limit, which now is reached; after roll.
func (w *window) wait(sec, span, limit uint32) uint32 {
	passed := sec - w.start
	if w.count < limit { // as much of the one before has to pass as leaves room for one
		return max(w.until(limit-1-w.count, w.before, span)-min(passed, span), 1)
	}
	return span - passed + max(w.until(limit-1, w.count, span), 1)
}

// until is how far a span must have passed for at most room of what came in the one before it to count.
func (w *window) until(room, before, span uint32) uint32 {
	return span - uint32(min(uint64(room)*uint64(span)/uint64(max(before, 1)), uint64(span)))
}

// fanout counts distinct receivers in a span: one bit for each hash, and how many there were follows from how many bits are set (linear
// counting; Whang, Vander-Zanden and Taylor, 1990), to about three percent. Two receivers that share a bit count once: it errs for the sender.
type fanout struct {
	start uint32 // unix seconds
	set   uint32
	words [fanoutBits / 64]uint64
}

// fanoutBits are 128 bytes for each sender.
const fanoutBits = 1_024

func (f *fanout) roll(sec, span uint32) {
	if sec < f.start || sec-f.start >= span {
		*f = fanout{start: sec}
	}
}

func (f *fanout) has(hash uint64) bool { return f.words[hash%fanoutBits/64]&(1<<(hash%64)) != 0 }

func (f *fanout) add(hash uint64) {
	if !f.has(hash) {
		f.words[hash%fanoutBits/64] |= 1 << (hash % 64)
		f.set++
	}
}

// fanoutCounts are how many receivers have set so many bits.
func fanoutCounts() (counts [fanoutBits + 1]uint32) {
	for set := range counts {
		free := max(float64(fanoutBits-set), 0.5)
		counts[set] = uint32(math.Round(fanoutBits * math.Log(fanoutBits/free)))
	}
	return counts
}

// reporters are who has reported a user lately, as fingerprints with the time of their newest report.
type reporters struct {
	lastMs int64 // when the user's last message went through
	prints [GuardReportersMax]uint32
	secs   [GuardReportersMax]uint32
}

// add notes a report. When there is no room, the oldest is forgotten.
func (r *reporters) add(print, sec uint32) {
	at := 0
	for i := range r.prints {
		if r.prints[i] == print {
			at = i
			break
		}
		if r.secs[i] < r.secs[at] {
			at = i
		}
	}
	r.prints[at], r.secs[at] = print, sec
}

// since counts who has reported it since then.
func (r *reporters) since(sec uint32) (n uint32) {
	for _, at := range r.secs {
		_, before := bits.Sub32(at, sec, 0)
		n += 1 - before
	}
	return n
}
