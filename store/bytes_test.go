package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// fill puts n entries into a Mailboxes, the i-th at the device that where names.
func fill(t testing.TB, m *Mailboxes, n int, payload []byte, where func(i int) (user uint64)) {
	t.Helper()
	for i := range n {
		e := Entry{Key: Key{User: where(i), Seq: uint64(i + 1)}, Kind: 1, First: uint64(i)}
		if err := m.Append(&e, payload); err != nil {
			t.Fatal(err)
		}
	}
}

// patterns are ways in which entries come to wait.
var patterns = []struct {
	name  string
	where func(i int) uint64
}{
	{"one mailbox", func(int) uint64 { return 1_000 }},
	{"a thousand mailboxes in turn", func(i int) uint64 { return 1_000 + uint64(i%1_000)*7919 }},
	{"ten in each mailbox, in random order", func(i int) uint64 { return rand.New(rand.NewPCG(uint64(i%10_000), 3)).Uint64N(1e15) }},
	{"one in each mailbox", func(i int) uint64 { return rand.New(rand.NewPCG(uint64(i), 4)).Uint64N(1e15) }},
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// entryBytesBudget is what an entry may cost beside its payload. From 128 bytes on the arena's classes are coarser.
func entryBytesBudget(payloadBytes int) float64 {
	if payloadBytes < 128 {
		return 96
	}
	return 104
}

// An entry may cost its payload and so many bytes, all told.
func TestBytesOfAWaitingEntry(t *testing.T) {
	const entries = 100_000
	for _, p := range patterns {
		for _, n := range []int{0, 20, 100, 200} {
			t.Run(fmt.Sprintf("%s, %d bytes", p.name, n), func(t *testing.T) {
				payload := make([]byte, n)
				before := heap()
				m := NewMailboxes()
				fill(t, m, entries, payload, p.where)
				each := float64(heap()-before) / entries
				t.Logf("%.1f bytes an entry, %.1f above the payload", each, each-float64(n))
				if above := each - float64(n); above > entryBytesBudget(n) {
					t.Errorf("%.1f bytes above the payload, want at most %v", above, entryBytesBudget(n))
				}
				runtime.KeepAlive(m)
			})
		}
	}
}
