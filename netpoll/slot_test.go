package netpoll

import (
	"reflect"
	"testing"
	"unsafe"
)

func TestSlotIsOneCacheLineWithoutPointers(t *testing.T) {
	if n := unsafe.Sizeof(slot{}); n != 64 {
		t.Errorf("a slot has %d bytes, want 64", n)
	}
	typ := reflect.TypeOf(slot{})
	for i := range typ.NumField() {
		f := typ.Field(i)
		kind := f.Type.Kind()
		if kind == reflect.Array {
			kind = f.Type.Elem().Kind()
		}
		if kind < reflect.Bool || kind > reflect.Float64 || kind == reflect.Uintptr {
			t.Errorf("field %s is a %s: a slot holds plain numbers only", f.Name, f.Type)
		}
	}
}

func TestConnIDKeepsItsParts(t *testing.T) {
	for _, c := range []struct {
		loop      int
		gen, slot uint32
	}{{0, 1, 1}, {255, GenerationMax, 1<<32 - 1}, {7, 0x123456, 0x89ABCDEF}} {
		id := connID(c.loop, c.gen, c.slot)
		if id.Loop() != c.loop || id.Generation() != c.gen || id.Slot() != c.slot {
			t.Errorf("%+v became %d %d %d", c, id.Loop(), id.Generation(), id.Slot())
		}
	}
}
