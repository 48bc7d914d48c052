package shard

import "math/bits"

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
	return span - uint32(min((uint64(room+1)*uint64(span)-1)/uint64(max(before, 1)), uint64(span)))
}

// fanout counts distinct receivers in a span, with a Bloom filter: with as many as GuardReceiversMax in it two of a hundred new ones are taken
// for known. It errs for the sender.
type fanout struct {
	start uint32 // unix seconds
	count uint32
	words [fanoutBits / 64]uint64
}

// fanoutBits are 512 bytes for each sender, fanoutHashes of them are set for each receiver.
const fanoutBits, fanoutHashes = 4_096, 4

func (f *fanout) roll(sec, span uint32) {
	if sec < f.start || sec-f.start >= span {
		*f = fanout{start: sec}
	}
}

// has says whether a receiver, as a hash, is among them. Each of its bits is another sixteen of the hash.
func (f *fanout) has(hash uint64) bool {
	for range fanoutHashes {
		if f.words[hash%fanoutBits/64]&(1<<(hash%64)) == 0 {
			return false
		}
		hash >>= 16
	}
	return true
}

// add counts a receiver that is not among them.
func (f *fanout) add(hash uint64) {
	if f.has(hash) {
		return
	}
	f.count++
	for range fanoutHashes {
		f.words[hash%fanoutBits/64] |= 1 << (hash % 64)
		hash >>= 16
	}
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
