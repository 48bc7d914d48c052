package shard_test

import (
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// TestTenThousandAddsAtOnce: each is answered, the group is as large as it may be, and a message goes through meanwhile.
func TestTenThousandAddsAtOnce(t *testing.T) {
	const adds, most, users = 10_000, 50, 120
	w := testkit.NewWorld(testkit.Options{Loops: 2, Seed: 3, Disk: true, Config: func(c *shard.Config) { c.GroupMembersMax = most }})
	w.Disk.Calm = true
	var clients []*testkit.Client
	for i := range users {
		c := testkit.NewClient(w, 2001+uint64(i), 0)
		c.Connect()
		clients = append(clients, c)
	}
	w.Run()
	for _, c := range clients {
		c.Take()
	}
	admin := clients[0]
	create := admin.Ask(&iq.Request{Op: iq.OpGroupCreate, Token: 5, Text: "flood"})
	w.Run()
	admin.Take()
	group := admin.Answers[create].Group.Group
	if group == 0 {
		t.Fatalf("no group: %v", admin.Answers[create].Code)
	}
	refs := make([]uint32, adds)
	for i := range refs {
		refs[i] = admin.Ask(&iq.Request{Op: iq.OpGroupAdd, Group: group, Users: []uint64{clients[1+i%(users-1)].User}})
		if i == adds/2 {
			admin.SendGroup(group, "meanwhile")
			admin.Push(1)
		}
	}
	for range 200 {
		w.Run()
		for _, c := range clients {
			c.Take()
			c.Keep(1 << 20)
			c.Ack()
		}
		w.Advance(10)
	}
	codes, tooMany := map[codec.ErrorCode]int{}, 0
	for _, ref := range refs {
		a, came := admin.Answers[ref]
		if !came {
			t.Fatalf("request %d has no answer; so far %v", ref, codes)
		}
		codes[a.Code]++
		for _, o := range a.Outcomes {
			if o.Code == codec.CodeTooMany {
				tooMany++
			}
		}
	}
	last := admin.Ask(&iq.Request{Op: iq.OpGroupInfo, Group: group})
	w.Run()
	admin.Take()
	if n := admin.Answers[last].Group.Count; n != most {
		t.Errorf("%d members, at most %d may be; answers %v, %d too many", n, most, codes, tooMany)
	}
	if codes[codec.CodeNone]+codes[codec.CodeRateLimited] != adds || tooMany == 0 {
		t.Errorf("answers %v, %d users were too many", codes, tooMany)
	}
	if !admin.Kept.Sent[1].Ticked {
		t.Error("the message has no tick")
	}
	if st := w.Stats(); st.Unexpected != 0 || st.Panics != 0 || st.MessagesLost != 0 {
		t.Errorf("%+v", st)
	}
}

// TestWhoMissesAMessageOfAGroup: a mailbox that is full misses it, its client sees the gap, and nobody else does.
func TestWhoMissesAMessageOfAGroup(t *testing.T) {
	w := testkit.NewWorld(testkit.Options{Loops: 2, Seed: 1, Disk: true, Config: func(c *shard.Config) { c.MailboxEntriesMax = 8 }})
	w.Disk.Calm = true
	alice, bob, carol := testkit.NewClient(w, 1001, 0), testkit.NewClient(w, 1002, 0), testkit.NewClient(w, 1003, 0)
	all := []*testkit.Client{alice, bob, carol}
	take := func(who ...*testkit.Client) {
		for range 20 {
			w.Run()
			for _, c := range who {
				c.Take()
				c.Keep(1 << 20)
				c.Ack()
				c.Push(1 << 20)
			}
			w.Advance(5)
		}
	}
	for _, c := range all {
		c.Connect()
	}
	take(all...)
	ref := alice.Ask(&iq.Request{Op: iq.OpGroupCreate, Token: 5, Users: []uint64{bob.User, carol.User}})
	take(all...)
	group := alice.Answers[ref].Group.Group
	bob.Crash()
	for range 20 {
		alice.SendGroup(group, "x")
		take(alice, carol)
	}
	bob.Connect()
	take(all...)
	seqs := func(c *testkit.Client) (n int, gaps int) {
		last := uint64(0)
		for _, m := range c.Screen {
			if last != 0 && m.GroupSeq != last+1 {
				gaps++
			}
			last = m.GroupSeq
			n++
		}
		return n, gaps
	}
	alice.SendGroup(group, "behind the gap")
	take(all...)
	if n, gaps := seqs(carol); n != 22 || gaps != 0 {
		t.Errorf("carol shows %d, %d gaps", n, gaps)
	}
	if n, gaps := seqs(bob); n != 1+8+1 || gaps != 1 {
		t.Errorf("bob shows %d, %d gaps", n, gaps)
	}
	if missed := w.Stats().GroupMissed; missed != 12 {
		t.Errorf("%d missed", missed)
	}
}
