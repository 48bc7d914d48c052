package shard_test

import (
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// TestWhoWasCulledStaysInItsGroups: without a disk, mailboxes of devices that are away leave memory. Their users get a group's messages all the
// same, with all devices, and can be added to groups.
func TestWhoWasCulledStaysInItsGroups(t *testing.T) {
	const idleMs = 60_000
	w := testkit.NewWorld(testkit.Options{Loops: 2, Seed: 5, Config: func(c *shard.Config) { c.MailboxIdleMs = idleMs }})
	alice, bob, bobTwo, carol := testkit.NewClient(w, 1001, 0), testkit.NewClient(w, 1002, 0), testkit.NewClient(w, 1002, 1), testkit.NewClient(w, 1003, 0)
	carolTwo := testkit.NewClient(w, 1003, 2)
	settle := func(who ...*testkit.Client) {
		for range 5 {
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
	away := func(who ...*testkit.Client) {
		for _, c := range who {
			c.Crash()
		}
		for range 3 * idleMs / 10_000 {
			w.Advance(10_000)
			settle(alice)
		}
	}
	for _, c := range []*testkit.Client{alice, bob, bobTwo, carol, carolTwo} {
		c.Connect()
		settle(c)
	}
	away(carol, carolTwo)
	ref := alice.Ask(&iq.Request{Op: iq.OpGroupCreate, Token: 5, Users: []uint64{bob.User, carol.User}})
	settle(alice, bob, bobTwo)
	a := alice.Answers[ref]
	if a.Code != codec.CodeNone || a.Group.Count != 3 {
		t.Fatalf("the group: %+v", a)
	}
	away(bob, bobTwo)
	if w.Stats().Culled == 0 {
		t.Fatal("nothing was culled")
	}
	alice.SendGroup(a.Group.Group, "are you there?")
	settle(alice)
	for _, c := range []*testkit.Client{bob, bobTwo, carol, carolTwo} {
		c.Connect()
		settle(c)
		if n := len(c.Screen); n != 2 {
			t.Errorf("%d/%d shows %d, want what made the group and a message", c.User, c.Device, n)
		}
	}
}
