package shard_test

import (
	"slices"

	"trunkline/codec"
	"trunkline/internal/testkit"
	"trunkline/shard"
	"trunkline/store"
)

// privacy is what some people of a simulation have decided before it begins, so that whatever reaches somebody at any moment can be judged by
// itself. Everybody else shows everything.
var privacy = map[uint64]shard.Policy{
	1002: {Version: 1, Blocked: []uint64{1003}},
	1003: {Version: 1, Presence: shard.RuleContacts, LastSeen: shard.RuleContacts, Contacts: []uint64{1001, 1004}},
	1004: {Version: 1, Presence: shard.RuleNobody},
	1005: {Version: 1, LastSeen: shard.RuleNobody},
}

// fleeting has presence told in short windows and, by the seed, at a rate that holds everybody up.
func (s *simulation) fleeting(c *shard.Config, seed uint64) {
	c.PresenceWindowMs = []int64{1, 50, 500}[seed/2%3]
	c.PresenceRate = []shard.Rate{{}, {PerSecond: 100, Burst: 3}}[seed/3%2]
}

// decide tells a server that has no data what people have decided.
func (s *simulation) decide() {
	for user := uint64(1001); user < 1007; user++ {
		if p, decided := privacy[user]; decided {
			s.w.Loops[s.w.Placement().Home(user)].Shard.SetPolicy(s.w.Now, user, &p, shard.Reply{})
		}
	}
}

// sees says what a policy lets somebody see of a user.
func sees(rule func(p shard.Policy) shard.Rule, user, watcher uint64) bool {
	p := privacy[user]
	switch {
	case user == watcher:
		return true
	case slices.Contains(p.Blocked, watcher):
		return false
	case rule(p) == shard.RuleContacts:
		return slices.Contains(p.Contacts, watcher)
	}
	return rule(p) == shard.RuleEveryone
}

func ofPresence(p shard.Policy) shard.Rule { return p.Presence }
func ofLastSeen(p shard.Policy) shard.Rule { return p.LastSeen }

// judge looks at every PRESENCE and TYPING that has come.
func (s *simulation) judge() {
	for _, c := range s.clients {
		for _, p := range c.Told {
			if p.State == 1 && !sees(ofPresence, p.Peer, c.User) || p.LastSeenSec != 0 && !sees(ofLastSeen, p.Peer, c.User) {
				s.t.Errorf("user %d/%d was told %+v", c.User, c.Device, p)
			}
		}
		for _, v := range c.Typed {
			if !sees(ofPresence, v.Peer, c.User) || slices.Contains(privacy[c.User].Blocked, v.Peer) {
				s.t.Errorf("user %d/%d was told that %d writes", c.User, c.Device, v.Peer)
			}
		}
		c.Told, c.Typed = nil, nil
	}
	for _, l := range s.w.Loops {
		for _, c := range s.clients {
			l.Queue.Queue.Scan(c.User, c.Device, 0, func(e *store.Entry, _ []byte) bool {
				switch codec.ReceiptKind(e.Kind) {
				case codec.ReceiptKind(store.KindMessage), codec.ReceiptDelivered, codec.ReceiptRead, codec.ReceiptPlayed, codec.ReceiptRejected:
					return true
				}
				s.t.Errorf("an entry of kind %d waits for user %d/%d", e.Kind, c.User, c.Device)
				return false
			})
		}
	}
}

// checkPresence: when everybody is there, each knows of the others, on its present connection, what it may know.
func (s *simulation) checkPresence() {
	for _, c := range s.clients {
		c.State(1)
	}
	s.w.Run()
	s.w.Advance(simulatedRestMs)
	for _, c := range s.clients {
		c.Take()
	}
	s.judge()
	for _, c := range s.clients {
		for user := range c.Watched {
			want := uint8(0)
			here := slices.ContainsFunc(s.clients, func(c *testkit.Client) bool { return c.User == user })
			if here && sees(ofPresence, user, c.User) {
				want = 1
			}
			if p, told := c.Presence[user]; !told || p.State != want {
				s.t.Errorf("user %d/%d was told of %d %v, %+v; want %d", c.User, c.Device, user, told, p, want)
			}
		}
	}
	if st := s.w.Stats(); st.PresenceWaiting != 0 {
		s.t.Errorf("of %d users there is something to tell", st.PresenceWaiting)
	}
}

// simulatedRestMs is longer than windows and rates of a simulation need, and shorter than the timeouts of its clients.
const simulatedRestMs = 4_000
