package shard_test

import (
	"testing"

	"trunkline/codec"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// writes has a client say that it writes, and returns how often its peer has heard.
func (c *crowd) writes(name, to string, state uint8) int {
	c.t.Helper()
	b, err := codec.AppendTyping(nil, &codec.Typing{Peer: c.user(to), State: state})
	if err != nil {
		c.t.Fatal(err)
	}
	c.of[name].Say(b)
	c.settle()
	n := 0
	for _, v := range c.of[to].Typed {
		if v.Peer == c.user(name) && v.Device == c.of[name].Device && v.State == state {
			n++
		}
	}
	c.of[to].Typed = nil
	return n
}

func (c *crowd) hears(want int, name, to string, state uint8) {
	c.t.Helper()
	if got := c.writes(name, to, state); got != want {
		c.t.Errorf("%s heard %d times that %s writes, want %d", to, got, name, want)
	}
}

func TestTypingPassesOnceInAWhileForEachPairAndState(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c := newCrowd(t, o, "alice", "alice1", "bob", "carol")
		for range 2 {
			c.hears(1, "alice", "bob", 1)
			c.hears(0, "alice", "bob", 1)
			c.hears(1, "alice", "bob", 0)
			c.hears(1, "alice", "bob", 2)
			c.hears(1, "alice1", "bob", 1)
			c.hears(1, "alice", "carol", 1)
			c.hears(1, "bob", "alice", 1)
			c.advance(shard.TypingRepeatMs - 1)
			c.hears(0, "alice", "bob", 1)
			c.advance(1)
		}
		c.w.Now -= 60_000 // a clock that is set back
		c.hears(1, "alice", "bob", 1)
		if st := c.w.Stats(); st.TypingRepeated != 4 {
			t.Errorf("%d repeated", st.TypingRepeated)
		}
		c.checkQuiet()
	})
}

func TestTypingIsForDevicesThatSomebodyLooksAt(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c := newCrowd(t, o, "alice", "bob", "bob1")
		c.of["bob"].State(0)
		c.settle()
		c.hears(0, "alice", "bob", 1)
		if n := len(c.of["bob1"].Typed); n != 1 {
			t.Errorf("the device that is looked at has heard it %d times", n)
		}
		c.checkQuiet()
	})
}

func TestTypingKeepsToThePrivacyOfBoth(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c := newCrowd(t, o, "alice", "bob", "carol")
		hears := func(want int, name, to string) {
			t.Helper()
			c.advance(shard.TypingRepeatMs)
			c.hears(want, name, to, 1)
		}
		c.decide("bob", shard.Policy{Blocked: []uint64{c.user("alice")}})
		hears(0, "alice", "bob")
		hears(0, "bob", "alice")
		hears(1, "carol", "bob")
		c.decide("bob", shard.Policy{Presence: shard.RuleContacts, Contacts: []uint64{c.user("carol")}})
		hears(1, "alice", "bob") // nobody's presence is shown by that but alice's
		hears(0, "bob", "alice")
		hears(1, "bob", "carol")
		if st := c.w.Stats(); st.TypingHidden != 3 {
			t.Errorf("%d hidden", st.TypingHidden)
		}
		c.checkQuiet()
	})
}

func TestTypingAboveTheRateIsDropped(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		o.Config = func(c *shard.Config) { c.PresenceRate = shard.Rate{PerSecond: 1, Burst: 2} }
		c, names := flock(t, o, 10, "bob")
		heard := 0
		for _, name := range names {
			heard += c.writes(name, "bob", 1)
		}
		st := c.w.Stats()
		if heard != 2 || st.TypingOverRate != 8 || st.TypingTold != 2 {
			t.Errorf("%d heard, %d told, %d dropped", heard, st.TypingTold, st.TypingOverRate)
		}
		c.checkQuiet()
	})
}
