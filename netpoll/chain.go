package netpoll

import (
	"encoding/binary"

	"trunkline/internal/slab"
)

// A chain is the bytes that wait for one connection, in blocks of the loop's arena:
//
//	 0      4      8
//	+------+------+-----------------+
//	| next | used | bytes           |   next: handle of the next block, 0: the last
//	+------+------+-----------------+   used: bytes of this block
const blockHead = 8

// block is one block of a chain.
type block struct {
	b []byte // the whole block
}

func (l *Loop) block(h slab.Handle) block {
	b := l.arena.Bytes(h, blockHead)
	return block{b[:cap(b)]}
}

func (k block) next() slab.Handle     { return slab.Handle(binary.LittleEndian.Uint32(k.b)) }
func (k block) setNext(h slab.Handle) { binary.LittleEndian.PutUint32(k.b, uint32(h)) }
func (k block) used() uint32          { return binary.LittleEndian.Uint32(k.b[4:]) }
func (k block) setUsed(n uint32)      { binary.LittleEndian.PutUint32(k.b[4:], n) }
func (k block) bytes() []byte         { return k.b[blockHead : blockHead+k.used()] }

// add copies as much of b behind the block's bytes as it has room for.
func (k block) add(b []byte) int {
	used := k.used()
	n := copy(k.b[blockHead+used:], b)
	k.setUsed(used + uint32(n))
	return n
}

// newChain copies b into a chain whose first block has room for at least size bytes; zero handles when the arena is full.
func (l *Loop) newChain(b []byte, size int) (head, tail slab.Handle) {
	for first := true; first || len(b) > 0; first = false {
		want := min(max(blockHead+len(b), size, blockBytesMin), blockBytesMax)
		h, raw := l.arena.Alloc(want)
		if h == 0 {
			l.freeChain(head)
			return 0, 0
		}
		k := block{raw[:cap(raw)]}
		k.setNext(0)
		k.setUsed(0)
		b = b[k.add(b):]
		if head == 0 {
			head = h
		} else {
			l.block(tail).setNext(h)
		}
		tail = h
		size = 2 * want
	}
	return head, tail
}

// freeChain gives all blocks back.
func (l *Loop) freeChain(h slab.Handle) {
	for h != 0 {
		next := l.block(h).next()
		l.arena.Free(h)
		h = next
	}
}

// appendOut copies b behind the connection's waiting output. False: the arena is full, nothing was taken.
func (l *Loop) appendOut(s *slot, b []byte) bool {
	if s.outTail == 0 {
		s.outHead, s.outTail = l.newChain(b, 0)
		if s.outHead == 0 {
			return false
		}
		s.outLen, s.outOff = uint32(len(b)), 0
		return true
	}
	last := l.block(s.outTail)
	used := last.used()
	if rest := b[last.add(b):]; len(rest) > 0 {
		head, tail := l.newChain(rest, 2*len(last.b))
		if head == 0 {
			last.setUsed(used)
			return false
		}
		last.setNext(head)
		s.outTail = tail
	}
	s.outLen += uint32(len(b))
	return true
}

// dropOut forgets the first n bytes of the waiting output.
func (l *Loop) dropOut(s *slot, n int) {
	s.outLen -= uint32(n)
	for n > 0 {
		k := l.block(s.outHead)
		left := k.used() - s.outOff
		if uint32(n) < left {
			s.outOff += uint32(n)
			return
		}
		n -= int(left)
		next := k.next()
		l.arena.Free(s.outHead)
		s.outHead, s.outOff = next, 0
	}
	if s.outHead == 0 {
		s.outTail = 0
	}
}

// discardOut forgets all waiting output.
func (l *Loop) discardOut(s *slot) {
	l.freeChain(s.outHead)
	s.outHead, s.outTail, s.outLen, s.outOff = 0, 0, 0, 0
}

// keepIn stores unconsumed input; the connection has none stored. False: the arena is full.
func (l *Loop) keepIn(s *slot, b []byte) bool {
	if len(b) == 0 {
		return true
	}
	s.inHead, _ = l.newChain(b, 0)
	if s.inHead == 0 {
		return false
	}
	s.inLen = uint32(len(b))
	return true
}

// takeIn copies the stored input to the front of dst, frees it and returns its length.
func (l *Loop) takeIn(s *slot, dst []byte) int {
	n := 0
	for h := s.inHead; h != 0; {
		k := l.block(h)
		n += copy(dst[n:], k.bytes())
		next := k.next()
		l.arena.Free(h)
		h = next
	}
	s.inHead, s.inLen = 0, 0
	return n
}

// appendChain appends the bytes of a chain, without the first off, to dst.
func (l *Loop) appendChain(dst []byte, h slab.Handle, off uint32) []byte {
	for ; h != 0; off = 0 {
		k := l.block(h)
		dst = append(dst, k.bytes()[off:]...)
		h = k.next()
	}
	return dst
}
