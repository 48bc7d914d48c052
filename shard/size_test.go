package shard

import (
	"testing"

	"trunkline/internal/slab"
)

func TestIndexBytesIsWhatTheIndexTakes(t *testing.T) {
	for _, users := range []int{1000, 50_000, 300_000} {
		mailboxes := slab.NewSlab[mailbox](users)
		x := newUserIndex(Placement{Seed: 7, Loops: 1}, mailboxes)
		for i := range users {
			at, m := mailboxes.Alloc()
			m.user = uint64(i + 1)
			x.put(m.user, at)
		}
		cells := 0
		for _, s := range x.segments {
			cells += len(s)
		}
		got, want := int64(cells)*8, IndexBytes(users)
		if float64(got) < 0.75*float64(want) || float64(got) > 1.5*float64(want) { // a segment grows by half, and not all do at once
			t.Errorf("%d users: the index takes %d bytes, IndexBytes is %d", users, got, want)
		}
		if each := float64(want) / float64(users); users > 1000 && (each < 9 || each > 15) {
			t.Errorf("%d users: %.1f bytes each", users, each)
		}
	}
}
