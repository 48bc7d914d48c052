package slab

import (
	"fmt"
	"reflect"
	"unsafe"
)

// Slab is a pool of slots of T, named by index. The zero Slab is not usable: see NewSlab.
type Slab[T any] struct {
	geometry
	limit  int
	len    int
	chunks []chunk[T]
	free   bitset // slots that may be given out: those of held chunks only
	vacant bitset // chunks that hold no memory and lie below len(chunks)
	// reserve is an empty chunk that is kept, plus one; 0: none.
	reserve uint32
	held    int // chunks that hold memory
}

type chunk[T any] struct {
	items []T // nil: given back
	live  uint32
}

// NewSlab makes an empty slab for at most limit live slots, 1 to SlotsMax. It panics when T holds a pointer.
func NewSlab[T any](limit int) *Slab[T] {
	var t T
	mustBePointerFree(reflect.TypeOf(&t).Elem())
	mustBeLimit(limit)
	g := newGeometry(unsafe.Sizeof(t))
	return &Slab[T]{
		geometry: g,
		limit:    limit,
		free:     newBitset(uint64(limit) + 1 + uint64(g.slots())), // the last chunk may pass the limit
		vacant:   newBitset((uint64(limit)+1)>>g.shift + 1),
	}
}

// Alloc gives out the lowest free slot, all zero; its index is 1 to the limit. At the limit it returns 0 and nil.
// A slot that was freed may come back at once: whoever keeps indexes for longer needs a generation of its own,
// counted outside of the slot, because Free zeroes it.
func (s *Slab[T]) Alloc() (i uint32, p *T) {
	if s.len == s.limit {
		return 0, nil
	}
	i, ok := s.free.first()
	if !ok {
		i = s.grow()
	}
	s.free.remove(i)
	c := &s.chunks[i>>s.shift]
	if c.live == 0 && s.reserve == i>>s.shift+1 {
		s.reserve = 0
	}
	c.live++
	s.len++
	return i, &c.items[i&s.mask]
}

// At is slot i. A free slot reads as zero, and an index that no chunk holds memory for gives nil, so an owner that
// keeps a mark in its slots can look up a stale index. Only live slots may be written.
func (s *Slab[T]) At(i uint32) *T {
	n := i >> s.shift
	if int(n) >= len(s.chunks) || s.chunks[n].items == nil {
		return nil
	}
	return &s.chunks[n].items[i&s.mask]
}

// Live says whether slot i is given out.
func (s *Slab[T]) Live(i uint32) bool {
	n := i >> s.shift
	return i != 0 && int(n) < len(s.chunks) && s.chunks[n].items != nil && !s.free.has(i)
}

// Free takes slot i back and zeroes it. It panics when i is not live.
func (s *Slab[T]) Free(i uint32) {
	if !s.Live(i) {
		panic(fmt.Sprintf("slab: free of slot %d, which is not live", i))
	}
	n := i >> s.shift
	c := &s.chunks[n]
	var zero T
	c.items[i&s.mask] = zero
	c.live--
	s.len--
	s.free.add(i)
	if c.live == 0 {
		s.empty(n)
	}
}

// Len is the number of live slots.
func (s *Slab[T]) Len() int { return s.len }

// Bytes is the memory held: chunks, and the bits and directory that find them.
func (s *Slab[T]) Bytes() int64 {
	var t T
	var c chunk[T]
	return int64(s.held)*int64(s.slots())*int64(unsafe.Sizeof(t)) + int64(cap(s.chunks))*int64(unsafe.Sizeof(c)) +
		s.free.bytes() + s.vacant.bytes()
}

// grow adds memory for one chunk and returns its first slot.
func (s *Slab[T]) grow() uint32 {
	n, ok := s.vacant.first()
	if ok {
		s.vacant.remove(n)
	} else {
		n = uint32(len(s.chunks))
		s.chunks = append(s.chunks, chunk[T]{})
	}
	s.chunks[n].items = make([]T, s.slots())
	s.held++
	s.free.addRange(n<<s.shift, s.slots())
	for i := uint64(n)<<s.shift + uint64(s.mask); i > uint64(s.limit); i-- {
		s.free.remove(uint32(i)) // of the last chunk only
	}
	if n > 0 {
		return n << s.shift
	}
	s.free.remove(0)
	if s.mask == 0 { // chunks of one slot: that of index 0 is never used
		return s.grow()
	}
	return 1
}

// empty keeps one empty chunk in reserve and gives the upper of two back.
func (s *Slab[T]) empty(n uint32) {
	if s.reserve == 0 {
		s.reserve = n + 1
		return
	}
	upper := max(n, s.reserve-1)
	s.reserve = min(n, s.reserve-1) + 1
	s.free.removeRange(upper<<s.shift, s.slots())
	s.chunks[upper].items = nil
	s.held--
	s.vacant.add(upper)
}
