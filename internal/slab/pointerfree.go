package slab

import (
	"fmt"
	"math/bits"
	"reflect"
)

// mustBePointerFree panics when the collector would have to look into a T. It runs once for each New.
func mustBePointerFree(t reflect.Type) {
	if name, found := pointerIn(t); found {
		panic(fmt.Sprintf("slab: %v holds a pointer (%s)", t, name))
	}
}

func pointerIn(t reflect.Type) (name string, found bool) {
	switch t.Kind() {
	case reflect.Array:
		if t.Len() == 0 {
			return "", false
		}
		return pointerIn(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if inner, found := pointerIn(t.Field(i).Type); found {
				return t.Field(i).Name + " " + inner, true
			}
		}
		return "", false
	case reflect.Bool, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return "", false
	default:
		return t.Kind().String(), true
	}
}

// geometry is how slots of one size lie in chunks: slot i is number i&mask of chunk i>>shift.
type geometry struct {
	shift uint32
	mask  uint32
}

func newGeometry(slotBytes uintptr) geometry {
	slots := chunkBytesMax / max(slotBytes, 1)
	slots = min(max(slots, 1), chunkSlotsMax)
	shift := uint32(bits.Len64(uint64(slots)) - 1)
	return geometry{shift: shift, mask: 1<<shift - 1}
}

func (g geometry) slots() uint32 { return g.mask + 1 }

// mustBeLimit panics on a limit that 32-bit indexes can't reach.
func mustBeLimit(limit int) {
	if limit < 1 || uint64(limit) > SlotsMax {
		panic(fmt.Sprintf("slab: limit %d is not within 1 to %d", limit, uint64(SlotsMax)))
	}
}
