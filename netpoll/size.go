package netpoll

import (
	"unsafe"

	"trunkline/internal/slab"
)

// ConnectionBytes is what an idle connection takes of a loop's memory, its place in the wheel of timers included: the slot, and with it its part
// of the bits and directories that find slots.
func ConnectionBytes() (slotBytes int, each float64) {
	return int(unsafe.Sizeof(slot{})), slab.SlotBytes[slot]()
}
