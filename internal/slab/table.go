package slab

import (
	"reflect"
	"unsafe"
)

// Table is an array of T indexed by the dense slots of somebody else, who decides which are in use.
type Table[T any] struct {
	geometry
	limit   int
	len     int
	chunks  []tableChunk[T]
	reserve []T      // the items of one empty chunk, all zero
	marks   []uint64 // the marks of that chunk
	held    int
}

type tableChunk[T any] struct {
	items []T      // nil: given back
	used  []uint64 // one bit for each item
	live  uint32
}

// NewTable makes an empty table for indexes 0 to limit; limit is 1 to SlotsMax. It panics when T holds a pointer.
func NewTable[T any](limit int) *Table[T] {
	var t T
	mustBePointerFree(reflect.TypeOf(&t).Elem())
	mustBeLimit(limit)
	return &Table[T]{geometry: newGeometry(unsafe.Sizeof(t)), limit: limit}
}

// At is entry i, which is in use from now on until Clear; a new one is zero. Above the limit it is nil.
func (t *Table[T]) At(i uint32) *T {
	if p := t.Peek(i); p != nil {
		return p
	}
	if uint64(i) > uint64(t.limit) {
		return nil
	}
	n := i >> t.shift
	for int(n) >= len(t.chunks) {
		t.chunks = append(t.chunks, tableChunk[T]{})
	}
	c := &t.chunks[n]
	if c.items == nil {
		t.back(c)
	}
	off := i & t.mask
	c.used[off>>6] |= 1 << (off & 63)
	c.live++
	t.len++
	return &c.items[off]
}

// Peek is entry i when it is in use, else nil. It never grows the table.
func (t *Table[T]) Peek(i uint32) *T {
	n := i >> t.shift
	if int(n) >= len(t.chunks) {
		return nil
	}
	c, off := &t.chunks[n], i&t.mask
	if c.items == nil || c.used[off>>6]&(1<<(off&63)) == 0 {
		return nil
	}
	return &c.items[off]
}

// Clear zeroes entry i and ends its use. Clearing an entry that is not in use does nothing.
func (t *Table[T]) Clear(i uint32) {
	p := t.Peek(i)
	if p == nil {
		return
	}
	var zero T
	*p = zero
	c, off := &t.chunks[i>>t.shift], i&t.mask
	c.used[off>>6] &^= 1 << (off & 63)
	c.live--
	t.len--
	if c.live > 0 {
		return
	}
	if t.reserve == nil {
		t.reserve, t.marks = c.items, c.used
	}
	c.items, c.used = nil, nil
	t.held--
}

// Len is the number of entries in use.
func (t *Table[T]) Len() int { return t.len }

// Bytes is the memory held: chunks with their marks, the reserve, and the directory.
func (t *Table[T]) Bytes() int64 {
	var v T
	var c tableChunk[T]
	chunks := int64(t.held)
	if t.reserve != nil {
		chunks++
	}
	perChunk := int64(t.slots())*int64(unsafe.Sizeof(v)) + int64(8*((t.slots()+63)/64))
	return chunks*perChunk + int64(cap(t.chunks))*int64(unsafe.Sizeof(c))
}

// back gives a chunk memory: the reserve, or new.
func (t *Table[T]) back(c *tableChunk[T]) {
	t.held++
	if t.reserve != nil {
		c.items, c.used = t.reserve, t.marks
		t.reserve, t.marks = nil, nil
		return
	}
	c.items, c.used = make([]T, t.slots()), make([]uint64, (t.slots()+63)/64)
}
