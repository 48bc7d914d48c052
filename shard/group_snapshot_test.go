package shard

import (
	"math/rand/v2"
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// spreadGroup is a group of n users with ids all over, marks behind the newest message by a little, and a full ring.
func spreadGroup(n int, seed uint64) *group {
	rnd := rand.New(rand.NewPCG(seed, 2))
	g := &group{
		id: codec.UserMax + 12_345, epoch: 17, seq: 100_000, creator: 1, created: 1_700_000_000, token: rnd.Uint64(),
		subject: "Sunday at the lake", invite: []byte("sixteen letters!"),
	}
	for range n {
		g.members = append(g.members, member{user: 1 + rnd.Uint64N(codec.UserMax), delivered: 100_000, read: 100_000, since: 1})
	}
	slices.SortFunc(g.members, func(a, b member) int {
		if a.user < b.user {
			return -1
		}
		return 1
	})
	g.members[0].role = iq.RoleAdmin
	for cseq := range uint64(groupTicksMax) {
		g.take(sentBy{user: g.members[rnd.IntN(min(n, 20))].user, gen: 4_000, cseq: 1_000 + cseq})
	}
	for i := range g.members {
		g.mark(g.members[i].user, codec.ReceiptDelivered, g.seq-rnd.Uint64N(50), nil)
		g.mark(g.members[i].user, codec.ReceiptRead, g.seq-rnd.Uint64N(500), nil)
	}
	return g
}

// TestASnapshotIsTheGroup with all its members, marks and what is still to be told.
func TestASnapshotIsTheGroup(t *testing.T) {
	for _, n := range []int{2, 10, 1_024, GroupMembersLimit} {
		g := spreadGroup(n, 5)
		b := g.appendSnapshot([]byte("before"))[len("before"):]
		var back group
		if err := parseSnapshot(b, &back); err != nil {
			t.Fatalf("%d members: %v", n, err)
		}
		if err := sameGroup(g, &back); err != nil {
			t.Errorf("%d members: not the same", n)
		}
		clear(b)
		if string(back.invite) != "sixteen letters!" || back.subject != "Sunday at the lake" {
			t.Errorf("the group aliases its snapshot")
		}
		g.ring = ring{}
		alone := len(g.appendSnapshot(nil))
		t.Logf("%d members: %d bytes, %.1f for each member, and %d for %d messages", n, alone, float64(alone)/float64(n), len(b)-alone, len(back.ring.live()))
	}
}

// TestADamagedSnapshotIsRefused: cut anywhere, gone on with, or of a version that is not known.
func TestADamagedSnapshotIsRefused(t *testing.T) {
	b := spreadGroup(10, 5).appendSnapshot(nil)
	var g group
	for n := range b {
		if parseSnapshot(b[:n], &g) == nil {
			t.Fatalf("%d of %d bytes are taken", n, len(b))
		}
	}
	if parseSnapshot(append(slices.Clone(b), 0), &g) == nil {
		t.Error("a byte too many is taken")
	}
	b[0]++
	if parseSnapshot(b, &g) == nil {
		t.Error("another version is taken")
	}
}

// TestASnapshotThatCannotBe: each field on its own beyond what a group can have.
func TestASnapshotThatCannotBe(t *testing.T) {
	tests := map[string]func(g *group){
		"a user's place":               func(g *group) { g.id = 5 },
		"a place above all groups":     func(g *group) { g.id = codec.UserMax + codec.GroupMax + 1 },
		"no epoch":                     func(g *group) { g.epoch = 0 },
		"more changes than gseqs":      func(g *group) { g.epoch = uint32(g.seq) + 1 },
		"nobody has made it":           func(g *group) { g.creator = 0 },
		"a short invite code":          func(g *group) { g.invite = g.invite[1:] },
		"a long subject":               func(g *group) { g.subject = string(make([]byte, iq.SubjectBytesMax+1)) },
		"no admin":                     func(g *group) { g.members[0].role = iq.RoleMember },
		"a member twice":               func(g *group) { g.members[1].user = g.members[0].user },
		"a user id beyond all":         func(g *group) { g.members[9].user = codec.UserMax + 1 },
		"a member since nothing":       func(g *group) { g.members[3].since = 0 },
		"members out of order":         func(g *group) { g.members[3], g.members[4] = g.members[4], g.members[3] },
		"a mark above all":             func(g *group) { g.members[3].delivered = g.seq + 1 },
		"read before it was delivered": func(g *group) { g.members[3].read = g.members[3].delivered + 1 },
		"a sender that is no member":   func(g *group) { g.ring.live()[3].user = codec.UserMax },
		"a sender from before":         func(g *group) { g.find(g.ring.live()[0].user).since = g.ring.live()[0].gseq },
		"two messages at one place":    func(g *group) { g.ring.live()[4].gseq = g.ring.live()[3].gseq },
		"a message above all":          func(g *group) { g.ring.live()[len(g.ring.live())-1].gseq = g.seq + 1 },
		"a message without a number":   func(g *group) { g.ring.live()[3].cseq = 0 },
		"flags that are not known":     func(g *group) { g.ring.live()[3].had = 4 },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			g := spreadGroup(10, 5)
			damage(g)
			var back group
			if parseSnapshot(g.appendSnapshot(nil), &back) == nil {
				t.Error("it is taken")
			}
		})
	}
}

// FuzzGroupSnapshot: bytes are a group that can be written and read again, or an error; and whatever it is can be gone on with.
func FuzzGroupSnapshot(f *testing.F) {
	for _, n := range []int{2, 3, 5} { // small ones: what is found is made smaller byte by byte
		g := spreadGroup(n, 5)
		g.ring.list, g.ring.head = g.ring.live()[:4], 0
		f.Add(g.appendSnapshot(nil))
		g.ring = ring{}
		f.Add(g.appendSnapshot(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var g, back group
		if parseSnapshot(b, &g) != nil {
			return
		}
		if err := parseSnapshot(g.appendSnapshot(nil), &back); err != nil {
			t.Fatal(err)
		}
		if err := sameGroup(&g, &back); err != nil {
			t.Fatal(err)
		}
		if g.over() {
			return
		}
		user := g.members[0].user
		if g.seq < 1<<62 {
			g.take(sentBy{user: user, cseq: 1})
		}
		for i := range g.members {
			g.mark(g.members[i].user, codec.ReceiptRead, g.seq, nil)
		}
		for i := range g.ring.live() {
			if m := &g.ring.live()[i]; m.toGet != 0 || m.toRead != 0 {
				t.Fatalf("all have read %+v", *m)
			}
		}
		for !g.over() {
			g.do(iq.OpGroupLeave, g.members[len(g.members)-1].user)
		}
	})
}
