package shard_test

import (
	"fmt"
	"testing"

	"trunkline/codec"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

func TestOfManyChangesTheFirstIsToldAtOnceAndTheLastWhenTheWindowEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c := newCrowd(t, o, "alice", "bob")
		c.subscribe("bob", "alice")
		c.told("bob")
		flips := func(n int) {
			for i := range n {
				c.of["alice"].State(uint8(i) & 1)
				c.settle()
			}
		}
		flips(1)
		c.expect("bob", "alice away 0s ago")
		flips(99)
		c.advance(windowMs - 1)
		c.expect("bob")
		c.advance(1)
		c.expect("bob") // it is away still
		c.advance(windowMs)
		c.of["alice"].State(1)
		c.settle()
		c.expect("bob", "alice there")
		flips(51)
		c.advance(windowMs)
		c.expect("bob", "alice away 2s ago")
		if st := c.w.Stats(); st.PresenceMerged == 0 || st.PresenceWaiting != 0 {
			t.Errorf("%d changes merged, %d users wait", st.PresenceMerged, st.PresenceWaiting)
		}
		c.checkQuiet()
	})
}

// flock is many users who are watched by one.
func flock(t testing.TB, o testkit.Options, n int, also ...string) (c *crowd, names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("u%da", i))
	}
	c = newCrowd(t, o, append(names, also...)...)
	return c, names
}

func TestAboveTheRateEverybodyIsToldTheLastInTurn(t *testing.T) {
	const users, rate = 60, 10
	everywhere(t, func(t *testing.T, o testkit.Options) {
		o.Config = func(c *shard.Config) {
			c.PresenceRate = shard.Rate{PerSecond: rate, Burst: 1}
			c.PresenceWindowMs = 100
		}
		c, names := flock(t, o, users, "bob", "carol")
		c.subscribe("bob", names...)
		c.subscribe("carol", names...)
		c.advance(30_000)
		if n := len(c.told("bob")); n != users {
			t.Fatalf("%d of %d first answers have come", n, users)
		}
		c.told("carol")
		for _, name := range names {
			c.of[name].State(0)
		}
		c.settle()
		for range 30 { // one of 30 who can't keep still
			c.of[names[0]].State(1)
			c.settle()
			c.of[names[0]].State(0)
			c.advance(100)
		}
		c.of[names[1]].State(1) // before it was told that this one has gone
		c.advance(60_000)
		last := map[uint64]codec.Presence{}
		for _, p := range c.of["bob"].Told {
			last[p.Peer] = p
		}
		for i, name := range names {
			// Who was told nothing of the second, is told nothing: it is there as before.
			if p, told := last[c.user(name)]; i != 1 && (!told || p.State != 0) {
				t.Errorf("of %s the last that was told is %+v", name, p)
			}
		}
		if n := len(c.of["bob"].Told); n > users+40 {
			t.Errorf("%d frames told of %d users", n, users)
		}
		if st := c.w.Stats(); st.PresenceDelayed == 0 || st.PresenceWaiting != 0 {
			t.Errorf("%d delayed, %d wait", st.PresenceDelayed, st.PresenceWaiting)
		}
		c.checkQuiet()
	})
}

// The rate is what a loop has written in a second, whatever is asked of it. Messages do not count and do not wait.
func TestTheRateHoldsForPresenceAndNotForMessages(t *testing.T) {
	const users, rate = 40, 5
	c, names := flock(t, testkit.Options{Loops: 1, Seed: 1, Config: func(c *shard.Config) {
		c.PresenceRate = shard.Rate{PerSecond: rate, Burst: 1}
		c.PresenceWindowMs = 1
	}}, users, "bob")
	bob := c.of["bob"]
	c.subscribe("bob", names...)
	c.advance(60_000)
	before := c.w.Stats()
	const seconds = 10
	for i := range seconds * 10 {
		for _, name := range names {
			c.of[name].State(uint8(i) & 1)
		}
		bob.Send(c.user(names[0]), "x", 0, 0)
		bob.Push(1)
		c.advance(100)
		c.of[names[0]].Keep(1)
		c.of[names[0]].Ack()
	}
	c.settle()
	st := c.w.Stats()
	if told := st.PresenceTold - before.PresenceTold; told < seconds*rate*9/10 || told > seconds*rate+2 {
		t.Errorf("%d frames told in %d s at %d a second", told, seconds, rate)
	}
	if n := st.MessagesIn - before.MessagesIn; n != seconds*10 {
		t.Errorf("%d messages taken", n)
	}
	if n := len(c.of[names[0]].Screen); n != seconds*10 {
		t.Errorf("%d messages shown", n)
	}
}

func TestAWatcherThatLeavesInTheMiddleOfARoundHoldsNobodyUp(t *testing.T) {
	const watchers = 20
	everywhere(t, func(t *testing.T, o testkit.Options) {
		o.Config = func(c *shard.Config) { c.PresenceRate = shard.Rate{PerSecond: 1, Burst: 1} }
		c, names := flock(t, o, watchers, "alice")
		for _, name := range names {
			c.subscribe(name, "alice")
			c.advance(1_000)
		}
		c.leave("alice")
		for _, name := range names {
			c.told(name)
		}
		c.advance(2_000) // some know by now
		c.of[names[3]].Unsubscribe(c.user("alice"))
		for i, name := range names {
			if i%2 == 0 {
				c.leave(name)
			}
		}
		c.connect(names[0])
		c.subscribe(names[0], "alice")
		c.advance(60_000)
		for i, name := range names {
			if p := c.of[name].Presence[c.user("alice")]; i != 3 && (i%2 == 1 || i == 0) && (p.State != 0 || p.LastSeenSec == 0) {
				t.Errorf("%s was told %+v", name, p)
			}
		}
		c.leave(names...)
		c.advance(10_000)
		c.settle()
		if st := c.w.Stats(); st.Watches != 0 || st.Subscriptions != 0 || st.PresenceWaiting != 0 {
			t.Errorf("%d watches, %d subscriptions, %d wait", st.Watches, st.Subscriptions, st.PresenceWaiting)
		}
		c.checkQuiet()
	})
}

func TestAnInactiveSessionIsToldTheLastOfEachWhenSomebodyLooksAgain(t *testing.T) {
	const users = shard.FlushFramesMax + 10
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c, names := flock(t, o, users, "bob")
		bob := c.of["bob"]
		for at := 0; at < users; at += 50 {
			c.subscribe("bob", names[at:min(at+50, users)]...)
		}
		c.told("bob")
		bob.State(0)
		c.settle()
		for _, active := range []uint8{0, 1, 0} {
			for _, name := range names[1:] {
				c.of[name].State(active)
			}
			c.of[names[1]].Typing(bob.User)
			c.advance(2 * windowMs)
		}
		bob.Unsubscribe(c.user(names[2]))
		c.settle()
		c.expect("bob")
		if len(bob.Typed) != 0 {
			t.Errorf("%d TYPINGs for a device that nobody looks at", len(bob.Typed))
		}
		bob.State(1)
		c.w.Turn()
		bob.Take()
		if n := len(bob.Told); n > shard.FlushFramesMax {
			t.Errorf("%d frames in one turn", n)
		}
		c.of[names[3]].State(1) // newer than what is held
		c.advance(10)
		if n := len(bob.Told); n < users-2 || n > users-1 {
			t.Errorf("%d frames, want one for each of %d", n, users-2)
		}
		for i, name := range names {
			want := uint8(0)
			if i == 0 || i == 2 || i == 3 {
				want = 1 // told before
			}
			if p := bob.Presence[c.user(name)]; p.State != want {
				t.Errorf("the last of %s is %+v", name, p)
			}
		}
		if st := c.w.Stats(); st.PresenceHeld == 0 {
			t.Error("nothing was held")
		}
		c.checkQuiet()
	})
}

func TestWhoGoesAwayBeforeAllIsWrittenKeepsTheRest(t *testing.T) {
	const users = 2*shard.FlushFramesMax + 1
	c, names := flock(t, testkit.Options{Loops: 1, Seed: 1}, users, "bob")
	bob := c.of["bob"]
	for at := 0; at < users; at += 50 {
		c.subscribe("bob", names[at:min(at+50, users)]...)
	}
	bob.State(0)
	c.settle()
	for _, name := range names {
		c.of[name].State(0)
	}
	c.advance(2 * windowMs)
	bob.Told = nil
	bob.State(1)
	c.w.Turn()
	bob.State(0)
	c.settle()
	first := len(bob.Told)
	bob.State(1)
	c.advance(10)
	if first == 0 || first == users || len(bob.Told) != users {
		t.Errorf("%d, then %d in all, of %d", first, len(bob.Told), users)
	}
	c.checkQuiet()
}
