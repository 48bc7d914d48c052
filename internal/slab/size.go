package slab

import "unsafe"

// pageBytes is what Go's allocator rounds a chunk up to.
const pageBytes = 8 << 10

// SlotBytes is what one slot of a Slab of T takes when its chunks are full: the slot, its bit, and its part of the chunk's entry in the
// directory and of the page that the chunk does not fill.
func SlotBytes[T any]() float64 {
	var c chunk[T]
	return each[T](unsafe.Sizeof(c))
}

// EntryBytes is the same of a Table.
func EntryBytes[T any]() float64 {
	var c tableChunk[T]
	return each[T](unsafe.Sizeof(c))
}

func each[T any](directory uintptr) float64 {
	var t T
	g := newGeometry(unsafe.Sizeof(t))
	chunkBytes := uintptr(g.slots()) * unsafe.Sizeof(t)
	pages := (chunkBytes + pageBytes - 1) / pageBytes * pageBytes
	return (float64(pages)+float64(directory))/float64(g.slots()) + 1.0/8
}
