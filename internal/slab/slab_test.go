package slab

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// seedOf is the seed of a randomised test: SLAB_SEED when set, else a fresh one. It is printed, so that a failure can be
// had again.
func seedOf(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("SLAB_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("SLAB_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("seed: SLAB_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

type slot struct {
	a, b uint64
	c    [12]uint32
}

// deviation draws the aim of a random walk, so that the walk fills up and empties chunks many times.
func deviation(r *rand.Rand, most int) int { return r.IntN(most + 1) }

func TestSlabAgainstAMap(t *testing.T) {
	r := seedOf(t)
	const limit = 5_000
	s := NewSlab[slot](limit)
	want := map[uint32]uint64{}
	var live []uint32
	aim := limit
	for op := range 300_000 {
		if op%7_000 == 0 {
			aim = deviation(r, limit)
		}
		if grow := r.IntN(10) < 7; (len(live) < aim) == grow {
			i, p := s.Alloc()
			if len(want) == limit {
				if i != 0 || p != nil {
					t.Fatalf("op %d: a full slab gave slot %d", op, i)
				}
				continue
			}
			if i == 0 || i > limit || *p != (slot{}) {
				t.Fatalf("op %d: slot %d is %+v", op, i, *p)
			}
			if _, taken := want[i]; taken {
				t.Fatalf("op %d: slot %d given twice", op, i)
			}
			p.a, p.b, p.c[11] = r.Uint64(), uint64(i), 1
			want[i] = p.a
			live = append(live, i)
		} else if len(live) > 0 {
			k := r.IntN(len(live))
			i := live[k]
			if p := s.At(i); p.a != want[i] || p.b != uint64(i) || !s.Live(i) {
				t.Fatalf("op %d: slot %d holds %+v", op, i, *p)
			}
			s.Free(i)
			if p := s.At(i); s.Live(i) || (p != nil && *p != (slot{})) {
				t.Fatalf("op %d: slot %d is not gone", op, i)
			}
			live[k] = live[len(live)-1]
			live = live[:len(live)-1]
			delete(want, i)
		}
		if s.Len() != len(want) {
			t.Fatalf("op %d: Len %d, want %d", op, s.Len(), len(want))
		}
	}
}

func TestSlabGivesMemoryBackAfterAStorm(t *testing.T) {
	s := NewSlab[slot](100_000)
	one, _ := s.Alloc()
	calm := s.Bytes()
	var live []uint32
	for range 99_999 {
		i, _ := s.Alloc()
		live = append(live, i)
	}
	if i, p := s.Alloc(); i != 0 || p != nil {
		t.Fatalf("slot %d beyond the limit", i)
	}
	storm := s.Bytes()
	for _, i := range live {
		s.Free(i)
	}
	// One chunk in reserve, and the directory of 100,000 slots.
	if most := calm + chunkBytesMax + 32<<10; s.Bytes() > most || storm < 64*100_000 {
		t.Fatalf("calm %d, storm %d, after it %d bytes, want at most %d", calm, storm, s.Bytes(), most)
	}
	if s.At(one) == nil || s.At(99_000) != nil || s.At(1<<31) != nil || s.Live(99_000) || s.Live(0) {
		t.Fatal("a stale index names memory")
	}
}

func TestSlabAllocatesNothingAtTheEdgeOfAChunk(t *testing.T) {
	s := NewSlab[slot](10_000)
	for range s.slots() - 1 {
		s.Alloc()
	}
	if n := testing.AllocsPerRun(1_000, func() {
		i, _ := s.Alloc()
		s.Free(i)
	}); n != 0 {
		t.Fatalf("%v allocations for each Alloc and Free", n)
	}
}

func TestSlabOfEverySlotSize(t *testing.T) {
	check(t, NewSlab[uint8](10_000), 10_000)
	check(t, NewSlab[[3]uint64](10_000), 10_000)
	check(t, NewSlab[[112]byte](10_000), 10_000)
	check(t, NewSlab[[5_000]byte](100), 100)
	check(t, NewSlab[[70_000]byte](7), 7)
	check(t, NewSlab[struct{}](5), 5)
	check(t, NewSlab[uint64](1), 1)
}

// check fills a slab to its limit twice, emptying it between.
func check[T any](t *testing.T, s *Slab[T], limit int) {
	t.Helper()
	for range 2 {
		seen := map[uint32]bool{}
		for range limit {
			i, p := s.Alloc()
			if p == nil || i == 0 || int(i) > limit || seen[i] {
				t.Fatalf("%T: slot %d of %d", s, i, limit)
			}
			seen[i] = true
		}
		if i, _ := s.Alloc(); i != 0 || s.Len() != limit {
			t.Fatalf("%T: slot %d beyond the limit, Len %d", s, i, s.Len())
		}
		for i := range seen {
			s.Free(i)
		}
		if s.Len() != 0 || s.held > 3 {
			t.Fatalf("%T: empty slab has Len %d and %d chunks", s, s.Len(), s.held)
		}
	}
}

func TestMisusePanics(t *testing.T) {
	type inner struct{ _ string }
	a := NewArena(1 << 20)
	gone, _ := a.Alloc(10)
	a.Free(gone)
	_, _ = a.Alloc(4_000)
	s := NewSlab[slot](10)
	for name, f := range map[string]func(){
		"a slab of pointers":               func() { NewSlab[*int](1) },
		"a slab of strings inside structs": func() { NewSlab[[2]inner](1) },
		"a table of slices":                func() { NewTable[[]byte](1) },
		"a table of maps":                  func() { NewTable[map[int]int](1) },
		"a limit of nothing":               func() { NewSlab[int](0) },
		"a limit above 32 bits":            func() { NewTable[int](1 << 33) },
		"freeing slot 0":                   func() { s.Free(0) },
		"freeing a slot never given":       func() { s.Free(3) },
		"freeing a slot of no chunk":       func() { s.Free(1 << 30) },
		"freeing a block twice":            func() { a.Free(gone) },
		"keeping a free block":             func() { a.Retain(gone) },
		"freeing the handle of none":       func() { a.Free(0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			f()
		})
	}
}

func TestTableAgainstAMap(t *testing.T) {
	r := seedOf(t)
	const limit = 6_000
	tab := NewTable[slot](limit)
	want := map[uint32]uint64{}
	aim := limit
	for op := range 200_000 {
		if op%5_000 == 0 {
			aim = deviation(r, limit)
		}
		i := uint32(r.IntN(limit + 1))
		if len(want) < aim {
			p := tab.At(i)
			if p.a != want[i] {
				t.Fatalf("op %d: entry %d is %+v, want %d", op, i, *p, want[i])
			}
			p.a = r.Uint64()
			want[i] = p.a
		} else {
			tab.Clear(i)
			delete(want, i)
		}
		i = uint32(r.IntN(limit + 1))
		a, used := want[i]
		if p := tab.Peek(i); (p != nil) != used || (used && p.a != a) || tab.Len() != len(want) {
			t.Fatalf("op %d: Peek(%d) is %v, in use %v; Len %d, want %d", op, i, p, used, tab.Len(), len(want))
		}
	}
	for i := range uint32(limit + 1) {
		tab.Clear(i)
	}
	if tab.Len() != 0 || tab.Bytes() > chunkBytesMax+4<<10 {
		t.Fatalf("empty table: Len %d, %d bytes", tab.Len(), tab.Bytes())
	}
	if tab.At(limit+1) != nil || tab.Peek(1<<31) != nil {
		t.Fatal("an index above the limit names memory")
	}
}

func TestTableAllocatesNothingAtTheEdgeOfAChunk(t *testing.T) {
	tab := NewTable[slot](10_000)
	tab.At(1)
	if n := testing.AllocsPerRun(1_000, func() {
		tab.At(5_000).a = 1
		tab.Clear(5_000)
	}); n != 0 {
		t.Fatalf("%v allocations for each At and Clear", n)
	}
}
