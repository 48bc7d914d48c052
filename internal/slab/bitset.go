package slab

import "math/bits"

// bitset is a set of small integers whose least member is found in one step for each factor of 64.
// Level 0 has a bit for each integer; a bit of level n+1 says that a word of level n is not zero.
type bitset struct {
	levels [][]uint64
}

// newBitset makes room for 0 to n-1. Words are allocated as members come.
func newBitset(n uint64) bitset {
	depth := 1
	for span := uint64(64); span < n; span *= 64 {
		depth++
	}
	return bitset{levels: make([][]uint64, depth)}
}

func (s *bitset) has(i uint32) bool {
	w := int(i >> 6)
	return w < len(s.levels[0]) && s.levels[0][w]&(1<<(i&63)) != 0
}

func (s *bitset) add(i uint32) { s.addWord(i>>6, 1<<(i&63)) }

func (s *bitset) remove(i uint32) { s.removeWord(i>>6, 1<<(i&63)) }

// addRange adds from to from+n-1; n is a power of two and from a multiple of it.
func (s *bitset) addRange(from, n uint32) {
	if n < 64 {
		s.addWord(from>>6, (1<<n-1)<<(from&63))
		return
	}
	for w := from >> 6; w < (from+n)>>6; w++ {
		s.addWord(w, ^uint64(0))
	}
}

// removeRange is the inverse of addRange.
func (s *bitset) removeRange(from, n uint32) {
	if n < 64 {
		s.removeWord(from>>6, (1<<n-1)<<(from&63))
		return
	}
	for w := from >> 6; w < (from+n)>>6; w++ {
		s.removeWord(w, ^uint64(0))
	}
}

func (s *bitset) addWord(w uint32, mask uint64) {
	for l := range s.levels {
		for int(w) >= len(s.levels[l]) {
			s.levels[l] = append(s.levels[l], 0)
		}
		old := s.levels[l][w]
		s.levels[l][w] = old | mask
		if old != 0 {
			return
		}
		w, mask = w>>6, 1<<(w&63)
	}
}

func (s *bitset) removeWord(w uint32, mask uint64) {
	for l := range s.levels {
		s.levels[l][w] &^= mask
		if s.levels[l][w] != 0 {
			return
		}
		w, mask = w>>6, 1<<(w&63)
	}
}

// first is the least member.
func (s *bitset) first() (i uint32, ok bool) {
	top := len(s.levels) - 1
	if len(s.levels[top]) == 0 || s.levels[top][0] == 0 {
		return 0, false
	}
	for l := top; l >= 0; l-- {
		i = i<<6 | uint32(bits.TrailingZeros64(s.levels[l][i]))
	}
	return i, true
}

// bytes is the memory of the words.
func (s *bitset) bytes() int64 {
	n := 0
	for _, l := range s.levels {
		n += 8 * cap(l)
	}
	return int64(n)
}
