package shard_test

import (
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// thief listens to first flights and says them again, at any moment and after restarts. It can't read what is answered,
// and can't confirm.
type thief struct {
	flights []testkit.Flight
	replays []*testkit.Conn
	absent  *testkit.Client // has gone for good; only the thief speaks for it
}

// absentUser is a user whose flights all end with the thief. Nobody may ever see it come.
const absentUser = 1050

// flightsMax is how many flights the thief remembers; another one takes the place of any of them.
const flightsMax = 40

// newThief has the absent user log in, leave, and then try three times in vain to come back with a text.
func newThief(s *simulation) *thief {
	th := &thief{absent: testkit.NewClient(s.w, absentUser, 0)}
	c := th.absent
	for c.Connect(); !c.Online(); c.Take() {
		s.w.Turn()
	}
	s.send(c, 1002, 0)
	c.Crash()
	s.w.Run()
	for range 3 {
		c.Connect()
		if f, ok := c.Flight(); ok {
			th.flights = append(th.flights, f)
		}
		c.Crash()
	}
	return th
}

// overhear has the thief note a flight; one in four does not arrive.
func (s *simulation) overhear(c *testkit.Client) {
	if s.thief == nil {
		return
	}
	if f, ok := c.Flight(); ok {
		s.thief.note(s, f)
		if s.chance(4) {
			c.Crash()
		}
	}
}

// attempt has a client try another connection, which the thief takes away, and stay with the one that it has.
func (s *simulation) attempt(c *testkit.Client) {
	if s.thief == nil || !c.Online() {
		return
	}
	if f, ok := c.Attempt(); ok {
		s.thief.note(s, f)
	}
}

func (th *thief) note(s *simulation, f testkit.Flight) {
	if len(th.flights) < flightsMax {
		th.flights = append(th.flights, f)
	} else {
		th.flights[3+s.w.Random.IntN(flightsMax-3)] = f
	}
}

// act replays, or lets go of a replay.
func (th *thief) act(s *simulation) {
	if s.chance(4) {
		flight := th.flights[s.w.Random.IntN(len(th.flights))]
		th.replays = append(th.replays, s.w.Replay(flight))
	}
	if n := len(th.replays); n > 0 && s.chance(12) {
		i := s.w.Random.IntN(n)
		th.replays[i].Drop()
		th.replays[i] = th.replays[n-1]
		th.replays = th.replays[:n-1]
	}
	for _, c := range s.clients {
		if c.Presence[absentUser].State != 0 {
			s.t.Fatalf("user %d/%d saw the absent one come", c.User, c.Device)
		}
	}
}

// end gives up. The absent user comes back and takes part in the last look.
func (th *thief) end(s *simulation) {
	s.clients = append(s.clients, th.absent)
}

// checkAttached lets everything arrive: then nobody may be logged in whom no mailbox hears.
func (s *simulation) checkAttached() {
	s.w.Run()
	shards := make([]*shard.Shard, len(s.w.Loops))
	for i, l := range s.w.Loops {
		shards[i] = l.Shard
	}
	if err := shard.CheckAttached(shards); err != nil {
		s.t.Fatal(err)
	}
}
