package shard

import (
	"math/rand/v2"
	"testing"

	"trunkline/internal/slab"
)

// indexOf makes an index whose mailboxes name their users.
func indexOf(t testing.TB, hash func(uint64) uint64, limit int) (x *userIndex, add func(user uint64) uint32) {
	t.Helper()
	mailboxes := slab.NewSlab[mailbox](limit)
	x = newUserIndex(Placement{Seed: 7, Loops: 1}, mailboxes)
	if hash != nil {
		x.hash = hash
	}
	return x, func(user uint64) uint32 {
		i, m := mailboxes.Alloc()
		if m == nil {
			t.Fatal("the slab is full")
		}
		m.user, m.next = user, x.first(user)
		x.put(user, i)
		return i
	}
}

func TestIndexAgreesWithAMap(t *testing.T) {
	const seed = 20
	for name, hash := range map[string]func(uint64) uint64{
		"hashed":                          nil,
		"all in one segment with one tag": func(uint64) uint64 { return 42 },
		"all at the end of a segment":     func(user uint64) uint64 { return (1<<32-1-user%3)<<indexTagShift | user%4 },
	} {
		t.Run(name, func(t *testing.T) {
			draws := 20_000
			if hash != nil {
				draws = 2_000 // look-ups walk
			}
			x, add := indexOf(t, hash, draws)
			want := map[uint64]uint32{}
			r := rand.New(rand.NewPCG(seed, seed))
			for range draws {
				user := r.Uint64N(uint64(draws)) + 1
				want[user] = add(user)
			}
			for user := range uint64(2 * draws) {
				if got := x.first(user); got != want[user] {
					t.Fatalf("seed %d: user %d: mailbox %d, want %d", seed, user, got, want[user])
				}
			}
			if x.len() != len(want) {
				t.Errorf("%d users, want %d", x.len(), len(want))
			}
		})
	}
}

func TestIndexTakesFewBytesForAUser(t *testing.T) {
	const bytesMax = 16
	x, add := indexOf(t, nil, 200_000)
	for user := range uint64(200_000) {
		add(user + 1)
		if n := x.len(); n >= 10_000 && n%10_000 == 0 {
			bytes := 0
			for _, s := range x.segments {
				bytes += cap(s) * 8
			}
			if bytes > bytesMax*n {
				t.Errorf("%d users take %d bytes each, at most %d", n, bytes/n, bytesMax)
			}
		}
	}
}

func TestIndexHoldsNoClusterInOneFragment(t *testing.T) {
	p := Placement{Seed: 99, Loops: 1}
	x, add := indexOf(t, p.hash, 100_000)
	for user := uint64(1); x.len() < 20_000; user++ {
		if p.Fragment(user) < 64 { // what one of sixteen loops holds
			add(user)
		}
	}
	longest, run := 0, 0
	for _, cells := range x.segments {
		run = 0
		for _, c := range cells {
			if run++; c.mailbox == 0 {
				run = 0
			}
			longest = max(longest, run)
		}
	}
	if longest > 200 {
		t.Errorf("a run of %d cells: the hash is not spread over a segment", longest)
	}
}

func BenchmarkIndexFirst(b *testing.B) {
	x, add := indexOf(b, nil, 1_000_000)
	for user := range uint64(1_000_000) {
		add(user + 1)
	}
	b.ReportAllocs()
	for i := range uint64(b.N) {
		if x.first(i*7919%1_000_000+1) == 0 {
			b.Fatal("a user is gone")
		}
	}
}
