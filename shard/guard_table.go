package shard

// guardTable holds something for each of so many users and no more: buckets of four, found by a seeded hash, so that nobody can aim at one. A
// new user takes the place of the one in its bucket that was quiet for longest; what was held of that one is lost and counted. It has no
// pointers, and no page of it is real before it is used.
type guardTable[T any] struct {
	hash    Placement
	keys    []uint64 // 0: free
	entered []uint32 // unix seconds
	cells   []T
	lost    uint64
}

const guardWays = 4

// newGuardTable makes room for n of them, a multiple of guardWays.
func newGuardTable[T any](seed uint64, n int) guardTable[T] {
	return guardTable[T]{hash: Placement{Seed: seed, Loops: 1}, keys: make([]uint64, n), entered: make([]uint32, n), cells: make([]T, n)}
}

func (t *guardTable[T]) len() int { return len(t.keys) }

// bucket is where a key may be. The lowest bits of the hash place users on loops: they say nothing here.
func (t *guardTable[T]) bucket(key uint64) int {
	return int(t.hash.hash(key)>>10%uint64(len(t.keys)/guardWays)) * guardWays
}

// find is what is held for a key, or nil.
func (t *guardTable[T]) find(key uint64) *T {
	from := t.bucket(key)
	for i := from; i < from+guardWays; i++ {
		if t.keys[i] == key {
			return &t.cells[i]
		}
	}
	return nil
}

// enter is what is held for a key; it is held from now on.
func (t *guardTable[T]) enter(key uint64, sec uint32) *T {
	from := t.bucket(key)
	oldest := from
	for i := from; i < from+guardWays; i++ {
		if t.keys[i] == key {
			t.entered[i] = sec
			return &t.cells[i]
		}
		if t.keys[oldest] != 0 && (t.keys[i] == 0 || t.entered[i] < t.entered[oldest]) {
			oldest = i
		}
	}
	if t.keys[oldest] != 0 {
		t.lost++
	}
	var fresh T
	t.keys[oldest], t.entered[oldest], t.cells[oldest] = key, sec, fresh
	return &t.cells[oldest]
}
