package shard_test

import (
	"fmt"
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// crowd is some clients, the first of them watched by the others or whatever a test has them do.
type crowd struct {
	t  testing.TB
	w  *testkit.World
	of map[string]*testkit.Client
}

const windowMs = shard.PresenceWindowMsDefault

// newCrowd logs in clients by name; a name with a digit behind it is the same user's device of that number.
func newCrowd(t testing.TB, o testkit.Options, names ...string) *crowd {
	c := &crowd{t: t, w: testkit.NewWorld(o), of: map[string]*testkit.Client{}}
	for i, name := range names {
		user, device := uint64(2001+i), uint8(0)
		if last := name[len(name)-1]; last >= '0' && last <= '9' {
			user, device = c.of[name[:len(name)-1]].User, last-'0'
		}
		c.of[name] = testkit.NewClient(c.w, user, device)
		c.connect(name)
	}
	return c
}

func (c *crowd) connect(names ...string) {
	for _, name := range names {
		c.of[name].Connect()
		c.settle()
		if !c.of[name].Online() {
			c.t.Fatalf("%s is not online: %v", name, c.of[name])
		}
	}
}

func (c *crowd) leave(names ...string) {
	for _, name := range names {
		c.of[name].Crash()
		c.settle()
	}
}

func (c *crowd) settle() {
	c.w.Run()
	for _, client := range c.of {
		client.Take()
		for _, fault := range client.Faults {
			c.t.Error(fault)
		}
	}
}

func (c *crowd) advance(ms int64) {
	c.settle() // what was said is heard before the clock moves
	c.w.Advance(ms)
	c.settle()
}

func (c *crowd) user(name string) uint64 { return c.of[name].User }

// decide gives a user a policy and lets its watchers hear of it.
func (c *crowd) decide(name string, p shard.Policy) {
	user := c.user(name)
	home := c.w.Loops[c.w.Placement().Home(user)]
	home.Shard.Decide(c.w.Now, user, p)
	home.WakeAt(c.w.Now)
	c.advance(2 * windowMs)
}

func (c *crowd) subscribe(name string, to ...string) {
	var users []uint64
	for _, peer := range to {
		users = append(users, c.user(peer))
	}
	c.of[name].Subscribe(users...)
	c.settle()
}

// told is what a client has heard since it was asked last: "alice there", "alice away 30s ago", "alice away".
func (c *crowd) told(name string) (said []string) {
	for _, p := range c.of[name].Told {
		said = append(said, c.say(p))
	}
	c.of[name].Told = nil
	return said
}

func (c *crowd) say(p codec.Presence) string {
	who := fmt.Sprint(p.Peer)
	for name, client := range c.of {
		if client.User == p.Peer && client.Device == 0 {
			who = name
		}
	}
	switch {
	case p.State == 1:
		return who + " there"
	case p.LastSeenSec == 0:
		return who + " away"
	}
	return fmt.Sprintf("%s away %ds ago", who, c.w.Now/1000-int64(p.LastSeenSec))
}

func (c *crowd) expect(name string, want ...string) {
	c.t.Helper()
	if got := c.told(name); !slices.Equal(got, want) {
		c.t.Errorf("%s was told %q, want %q", name, got, want)
	}
}

func (c *crowd) checkQuiet() {
	c.t.Helper()
	for _, l := range c.w.Loops {
		if err := l.Shard.CheckQuiet(); err != nil {
			c.t.Error(err)
		}
		if _, _, err := l.Shard.CheckLists(); err != nil {
			c.t.Error(err)
		}
	}
	if st := c.w.Stats(); st.Unexpected != 0 || st.Panics != 0 || st.MessagesLost != 0 {
		c.t.Errorf("%+v", st)
	}
}

// placements are the ways in which sessions and homes can lie.
var placements = map[string]testkit.Options{
	"one loop": {Loops: 1, Seed: 1}, "two loops": {Loops: 2, Seed: 1}, "where accepted": {Loops: 2, Seed: 1, StayPut: true},
}

func everywhere(t *testing.T, f func(t *testing.T, o testkit.Options)) {
	for name, o := range placements {
		t.Run(name, func(t *testing.T) { f(t, o) })
	}
}

// What a watcher sees of somebody who is there for 10 s, goes, and comes again.
func TestPrivacyRulesDecideWhatAWatcherSees(t *testing.T) {
	const everyone, contacts, nobody = shard.RuleEveryone, shard.RuleContacts, shard.RuleNobody
	for _, row := range []struct {
		presence, lastSeen shard.Rule
		known, blocked     bool
		first, gone, back  string
	}{
		{everyone, everyone, false, false, "alice there", "alice away 2s ago", "alice there"},
		{everyone, nobody, false, false, "alice there", "alice away", "alice there"},
		{nobody, everyone, false, false, "alice away", "alice away 2s ago", ""},
		{nobody, nobody, false, false, "alice away", "", ""},
		{contacts, contacts, true, false, "alice there", "alice away 2s ago", "alice there"},
		{contacts, contacts, false, false, "alice away", "", ""},
		{contacts, everyone, false, false, "alice away", "alice away 2s ago", ""},
		{everyone, contacts, false, false, "alice there", "alice away", "alice there"},
		{everyone, everyone, false, true, "alice away", "", ""},
		{contacts, contacts, true, true, "alice away", "", ""},
	} {
		everywhere(t, func(t *testing.T, o testkit.Options) {
			c := newCrowd(t, o, "alice", "bob", "carol")
			p := shard.Policy{Presence: row.presence, LastSeen: row.lastSeen}
			if row.known {
				p.Contacts = []uint64{c.user("bob")}
			}
			if row.blocked {
				p.Blocked = []uint64{c.user("bob")}
			}
			c.decide("alice", p)
			c.subscribe("bob", "alice")
			c.subscribe("alice", "alice")
			c.expect("bob", row.first)
			c.expect("alice", "alice there") // itself it sees, whatever the rules
			c.advance(10_000)
			c.leave("alice")
			c.advance(windowMs)
			c.expect("bob", words(row.gone)...)
			c.connect("alice")
			c.advance(windowMs)
			c.expect("bob", words(row.back)...)
			if t.Failed() {
				t.Logf("%+v", row)
			}
			c.checkQuiet()
		})
	}
}

func words(one string) []string {
	if one == "" {
		return nil
	}
	return []string{one}
}

func TestAChangeOfThePolicyIsToldToEachWatcherAsItMaySee(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c := newCrowd(t, o, "alice", "bob", "carol")
		c.subscribe("bob", "alice")
		c.subscribe("carol", "alice")
		c.expect("bob", "alice there")
		c.expect("carol", "alice there")
		c.decide("alice", shard.Policy{Blocked: []uint64{c.user("bob")}})
		c.expect("bob", "alice away")
		c.expect("carol")
		c.leave("alice")
		c.advance(windowMs)
		c.expect("bob")
		c.expect("carol", "alice away 2s ago")
		c.decide("alice", shard.Policy{LastSeen: shard.RuleNobody})
		c.expect("bob")
		c.expect("carol", "alice away")
		c.decide("alice", shard.Policy{})
		c.expect("bob", "alice away 10s ago")
		c.expect("carol", "alice away 10s ago")
		c.connect("alice")
		c.expect("bob", "alice there")
		c.decide("alice", shard.Policy{Presence: shard.RuleNobody})
		c.expect("bob", "alice away 14s ago") // when it was last seen stays what it was
		c.checkQuiet()
	})
}

func TestWhoIsThereIsLookedAtOnSomeDevice(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c := newCrowd(t, o, "alice", "alice1", "bob")
		c.subscribe("bob", "alice")
		c.expect("bob", "alice there")
		state := func(name string, active uint8, want ...string) {
			t.Helper()
			c.of[name].State(active)
			c.settle()
			c.advance(windowMs)
			c.expect("bob", want...)
		}
		state("alice", 0)
		state("alice1", 0, "alice away 2s ago")
		state("alice1", 0)
		state("alice", 1, "alice there")
		state("alice1", 1)
		c.leave("alice")
		c.advance(windowMs)
		c.expect("bob")
		state("alice1", 0, "alice away 2s ago")
		c.advance(60_000)
		c.leave("alice1") // it was seen when it was last looked at
		c.advance(windowMs)
		c.expect("bob")
		c.connect("alice")
		c.expect("bob", "alice there")
		c.advance(windowMs)
		state("alice", 0, "alice away 2s ago")
		c.of["alice"].Compete() // a new connection takes the place of one that nobody looks at
		c.settle()
		c.advance(windowMs)
		c.expect("bob", "alice there")
		c.checkQuiet()
	})
}

func TestWhatIsDeliveredDoesNotAskWhetherSomebodyLooks(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		c := newCrowd(t, o, "alice", "bob")
		alice, bob := c.of["alice"], c.of["bob"]
		alice.State(0)
		c.settle()
		bob.Send(alice.User, "hello", 0, 0)
		bob.Push(1)
		c.settle()
		alice.Keep(1)
		alice.Ack()
		c.settle()
		bob.Keep(1)
		bob.Ack()
		c.settle()
		if len(alice.Screen) != 1 || !bob.Kept.Sent[1].Delivered[0] {
			t.Errorf("%d messages, ticks %+v", len(alice.Screen), bob.Kept.Sent[1])
		}
		c.checkQuiet()
	})
}
