package shard

import "testing"

func TestPlacementSpreadsUsersEvenlyAndDependsOnTheSeed(t *testing.T) {
	const users, loops = 100_000, 4
	a, b := Placement{Seed: 1, Loops: loops}, Placement{Seed: 2, Loops: loops}
	var homes [loops]int
	same := 0
	for user := uint64(1); user <= users; user++ {
		homes[a.Home(user)]++
		if a.Fragment(user) == b.Fragment(user) {
			same++
		}
		if f := a.Fragment(user); f < 0 || f >= FragmentCount || a.Home(user) != f%loops {
			t.Fatalf("user %d is in fragment %d on loop %d", user, f, a.Home(user))
		}
	}
	for loop, n := range homes {
		if n < users/loops*9/10 || n > users/loops*11/10 {
			t.Errorf("loop %d holds %d of %d users", loop, n, users)
		}
	}
	if same > users/FragmentCount*2 {
		t.Errorf("%d of %d users have the same fragment under another seed", same, users)
	}
}

func TestPlacementAllocatesNothing(t *testing.T) {
	p := Placement{Seed: 1, Loops: 4}
	if n := testing.AllocsPerRun(100, func() { p.Home(12345) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPlacementHome(b *testing.B) {
	p := Placement{Seed: 1, Loops: 4}
	b.ReportAllocs()
	user := uint64(0)
	for b.Loop() {
		user++
		p.Home(user)
	}
}
