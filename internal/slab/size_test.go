package slab

import (
	"math"
	"testing"
)

func TestSlotBytesIsWhatAFullSlabHolds(t *testing.T) {
	type odd [11]uint64 // fills its pages badly
	const n = 200_000
	s, table := NewSlab[odd](n), NewTable[odd](n)
	for i := range uint32(n) {
		s.Alloc()
		table.At(i)
	}
	empty := NewSlab[odd](n).Bytes() // bits for the whole limit
	got, want := float64(s.Bytes()-empty)/n+1.0/8, SlotBytes[odd]()
	if math.Abs(got-want) > want/50 {
		t.Errorf("a slab takes %.2f bytes for each, SlotBytes is %.2f", got, want)
	}
	if got, want := float64(table.Bytes())/n, EntryBytes[odd](); math.Abs(got-want) > want/50 {
		t.Errorf("a table takes %.2f bytes for each, EntryBytes is %.2f", got, want)
	}
}
