package slab

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// block is what the model remembers of one block.
type block struct {
	h     Handle
	n     int
	count int
	mark  byte
}

// fill writes a pattern to the whole block; holds looks whether it is still there.
func fill(b []byte, mark byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = mark + byte(i)
	}
}

func holds(b []byte, mark byte) bool {
	b = b[:cap(b)]
	for i := range b {
		if b[i] != mark+byte(i) {
			return false
		}
	}
	return true
}

// sizeOf draws a size: mostly small, now and then anything.
func sizeOf(r *rand.Rand) int {
	switch r.IntN(20) {
	case 0:
		return 1 + r.IntN(BlockBytesMax)
	case 1, 2, 3:
		return 1 + r.IntN(4_000)
	default:
		return 1 + r.IntN(300)
	}
}

func TestArenaAgainstAMap(t *testing.T) {
	r := seedOf(t)
	const limit = 24 << 20
	a := NewArena(limit)
	taken := map[Handle]bool{}
	var live []block
	var inUse int64
	aim, refused := 0, 0
	for op := range 60_000 {
		if op%3_000 == 0 {
			aim = deviation(r, 4_000)
		}
		switch {
		case len(live) < aim:
			n := sizeOf(r)
			h, b := a.Alloc(n)
			if h == 0 {
				refused++
				aim = len(live) / 2
				continue
			}
			if len(b) != n || cap(b) != BlockBytes(n) || taken[h] {
				t.Fatalf("op %d: Alloc(%d) gave %#x, length %d, capacity %d, taken %v", op, n, h, len(b), cap(b), taken[h])
			}
			taken[h] = true
			mark := byte(r.Uint32())
			fill(b, mark)
			live = append(live, block{h, n, 1, mark})
			inUse += int64(cap(b))
		case len(live) > 0:
			k := r.IntN(len(live))
			e := &live[k]
			if b := a.Bytes(e.h, e.n); len(b) != e.n || !holds(b, e.mark) {
				t.Fatalf("op %d: block %#x was changed", op, e.h)
			}
			if r.IntN(4) == 0 {
				a.Retain(e.h)
				e.count++
				continue
			}
			a.Free(e.h)
			if e.count--; e.count == 0 {
				inUse -= int64(BlockBytes(e.n))
				delete(taken, e.h)
				live[k] = live[len(live)-1]
				live = live[:len(live)-1]
			}
		}
		if a.InUse() != inUse || a.Held() > limit || a.Held() < inUse {
			t.Fatalf("op %d: in use %d, want %d; held %d", op, a.InUse(), inUse, a.Held())
		}
	}
	t.Logf("refused at the limit: %d", refused)
	for _, e := range live {
		if !holds(a.Bytes(e.h, e.n), e.mark) {
			t.Fatalf("block %#x was changed", e.h)
		}
		for range e.count {
			a.Free(e.h)
		}
	}
	if a.InUse() != 0 || a.Held() > arenaReserveChunks*arenaChunkBytes {
		t.Fatalf("empty arena: in use %d, held %d", a.InUse(), a.Held())
	}
}

func TestArenaClassesAreCloseAndMeet(t *testing.T) {
	last := 0
	for n := 1; n <= BlockBytesMax; n++ {
		k := classOf(n)
		size := int(classBytes(k))
		if k < 0 || k >= classCount || size < n || k < last || k > last+1 {
			t.Fatalf("%d bytes go to class %d of %d bytes after class %d", n, k, size, last)
		}
		if k > 0 && int(classBytes(k-1)) >= n {
			t.Fatalf("%d bytes would fit class %d of %d bytes", n, k-1, classBytes(k-1))
		}
		last = k
	}
	if last != classCount-1 || BlockBytes(0) != 0 || BlockBytes(BlockBytesMax+1) != 0 {
		t.Fatalf("last class %d of %d", last, classCount)
	}
}

func TestArenaRefusesAtItsLimit(t *testing.T) {
	a := NewArena(2*arenaChunkBytes + 100)
	var live []Handle
	for {
		h, _ := a.Alloc(64 << 10)
		if h == 0 {
			break
		}
		live = append(live, h)
	}
	if len(live) != 4 || a.Held() != 2*arenaChunkBytes {
		t.Fatalf("%d blocks of 64 KiB in %d bytes", len(live), a.Held())
	}
	for _, n := range []int{-1, 0, BlockBytesMax + 1, 16} {
		if h, b := a.Alloc(n); h != 0 || b != nil {
			t.Fatalf("Alloc(%d) gave %#x", n, h)
		}
	}
	a.Free(live[0])
	a.Free(live[1])
	if h, b := a.Alloc(16); h == 0 || len(b) != 16 {
		t.Fatal("an empty chunk of one class did not serve another")
	}
	if h, _ := NewArena(arenaChunkBytes - 1).Alloc(1); h != 0 {
		t.Fatal("an arena below one chunk gave a block")
	}
}

func TestArenaAllocatesNothingInSteadyState(t *testing.T) {
	a := NewArena(1 << 30)
	for range 100 {
		a.Alloc(200)
	}
	sizes := []int{20, 200, 3_000, 60_000, BlockBytesMax}
	var live [5]Handle
	i := 0
	step := func() {
		for k, n := range sizes {
			if live[k] != 0 {
				a.Free(live[k])
			}
			h, b := a.Alloc(n)
			b[0] = byte(i)
			live[k] = h
		}
		i++
	}
	step()
	if n := testing.AllocsPerRun(1_000, step); n != 0 {
		t.Fatalf("%v allocations for each round", n)
	}
}

func TestArenaKeepsASharedBlockUntilItsLastHolder(t *testing.T) {
	a := NewArena(1 << 20)
	h, b := a.Alloc(8)
	binary.BigEndian.PutUint64(b, 42)
	a.Retain(h)
	a.Retain(h)
	a.Free(h)
	a.Free(h)
	if got := binary.BigEndian.Uint64(a.Bytes(h, 8)); got != 42 || a.InUse() != 8 {
		t.Fatalf("block holds %d, in use %d", got, a.InUse())
	}
	a.Free(h)
	if a.InUse() != 0 {
		t.Fatalf("in use %d after the last holder", a.InUse())
	}
}

func TestInvariantsSeeAWriteAfterFree(t *testing.T) {
	if !invariants {
		t.Skip("needs the build tag invariants")
	}
	a := NewArena(1 << 20)
	_, _ = a.Alloc(100)
	h, b := a.Alloc(100)
	a.Free(h)
	if b[0] != poison || b[99] != poison {
		t.Fatal("a freed block is not poisoned")
	}
	b[50] = 1
	defer func() {
		if recover() == nil {
			t.Fatal("a write after free was not seen")
		}
	}()
	a.Alloc(100)
}
