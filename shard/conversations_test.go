package shard

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAPairIsNewUntilItHasMet(t *testing.T) {
	p := Placement{Seed: 5, Loops: 2}
	c := newConversations(p, true)
	for user := uint64(1); user < 2_000; user++ {
		if c.knows(p.pair(user, user+1)) {
			t.Fatalf("user %d knows a stranger", user)
		}
		c.met(user, user+1)
		if !c.knows(p.pair(user, user+1)) {
			t.Fatalf("user %d has forgotten at once", user)
		}
		if c.knows(p.pair(user+1, user)) {
			t.Fatalf("user %d's peer has met as well", user)
		}
	}
}

func TestConversationsThatAreNotLimitedCostNothing(t *testing.T) {
	c := newConversations(Placement{Seed: 5, Loops: 2}, false)
	c.met(1, 2)
	if len(c.buckets) != 0 {
		t.Errorf("%d buckets", len(c.buckets))
	}
}

// The four latest of a bucket are known, in whatever order they came and came again.
func TestAFullBucketForgetsThePairThatWasQuietForLongest(t *testing.T) {
	c := newConversations(Placement{Seed: 5, Loops: 2}, true)
	r := rand.New(rand.NewPCG(1, 2))
	var latest []uint64
	const bucket = 77
	for range 10_000 {
		hash := uint64(1+r.IntN(9))<<32 | bucket
		c.enter(hash)
		latest = append(slices.DeleteFunc(latest, func(h uint64) bool { return h == hash }), hash)
		latest = latest[max(len(latest)-conversationWays, 0):]
		for k := range uint64(9) {
			h := (1+k)<<32 | bucket
			if got, want := c.knows(h), slices.Contains(latest, h); got != want {
				t.Fatalf("after %x: %x is known: %v, want %v", latest, h, got, want)
			}
		}
	}
}

func TestAFullTableStillKnowsTheLatestPairs(t *testing.T) {
	p := Placement{Seed: 5, Loops: 1}
	c := newConversations(p, true)
	const users = 3 * conversationsMax
	for user := range uint64(users) {
		c.met(user, user+7)
	}
	known := 0
	for user := uint64(users - 1_000); user < users; user++ {
		if c.knows(p.pair(user, user+7)) {
			known++
		}
	}
	if known < 999 {
		t.Errorf("of the last thousand pairs %d are known", known)
	}
	old := 0
	for user := range uint64(1_000) {
		if c.knows(p.pair(user, user+7)) {
			old++
		}
	}
	if old > 700 {
		t.Errorf("of the first thousand %d are known still: nothing ages", old)
	}
}

// Whoever does not know the seed can't aim at a bucket: pairs that collide under one seed do not under another.
func TestPairsThatCollideUnderOneSeedDoNotUnderAnother(t *testing.T) {
	a, b := newConversations(Placement{Seed: 1, Loops: 1}, true), newConversations(Placement{Seed: 2, Loops: 1}, true)
	at := func(c *conversations, peer uint64) int {
		return int(c.placement.pair(9, peer) % uint64(len(c.buckets)))
	}
	target, together, other := at(a, 1), 0, map[int]int{}
	for peer := uint64(1); together < 40; peer++ {
		if at(a, peer)%4096 == target%4096 {
			together++
			other[at(b, peer)%4096]++
		}
	}
	if len(other) < 35 {
		t.Errorf("40 pairs that share a bucket fall into %d under another seed", len(other))
	}
}

func BenchmarkConversation(b *testing.B) {
	p := Placement{Seed: 5, Loops: 1}
	c := newConversations(p, true)
	user := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		user = (user*2862933555777941757 + 3037000493) % 500_000
		if hash := p.pair(user, 7); !c.knows(hash) {
			c.enter(hash)
		}
	}
}
