package shard_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// gathering is a group whose members write, come, go, join and leave while the server is cut off now and then. The first three of its members stay;
// the others come and go. What must hold:
//
//   - all devices agree which message has which gseq, and each shows a group's messages with rising gseqs;
//   - a message that was ticked and not rejected is shown on each device of each user who was a member when it was taken, and nowhere else;
//   - what happens to the group is shown like a message, to all members and to those who leave with it;
//   - without a crash, everybody's message is told to be with all.
type gathering struct {
	t       *testing.T
	w       *testkit.World
	seed    uint64
	clients []*testkit.Client
	group   uint64
	cuts    int
	texts   int
	checked map[*testkit.Client]int
	taken   map[uint64]string // gseq to what has it
}

const (
	gatheringStay  = 3
	gatheringUsers = 6
	gatheringTurns = 200
	gatheringToken = 99
)

func newGathering(t *testing.T, seed uint64) *gathering {
	g := &gathering{t: t, seed: seed, checked: map[*testkit.Client]int{}, taken: map[uint64]string{}}
	g.w = testkit.NewWorld(testkit.Options{
		Loops: 3, Seed: seed, Chaos: true, InboxBytesMax: 200_000, Disk: true, DiskTrouble: []int{0, 200}[seed%2],
		SliceBytes: []int{1, 300_000}[seed/2%2],
		Config: func(c *shard.Config) {
			c.KeepaliveMs, c.AckTimeoutMs, c.LoginTimeoutMs = 20_000, 10_000, 5_000
			c.WriteBackMs = []int64{1, 200, 3_000}[seed/7%3]
			c.MailboxIdleMs = []int64{300, 2_000, 60_000}[seed/11%3]
		},
	})
	for i := range gatheringUsers {
		g.clients = append(g.clients, testkit.NewClient(g.w, 1001+uint64(i), 0))
	}
	g.clients = append(g.clients, testkit.NewClient(g.w, 1002, 1)) // a companion of one who stays
	g.w.Disk.Calm = true
	for _, c := range g.clients {
		for c.Connect(); !c.Online(); c.Take() {
			g.w.Turn()
		}
	}
	g.w.Run()
	users := []uint64{}
	for _, c := range g.clients[1:gatheringStay] {
		users = append(users, c.User)
	}
	a := g.ask(g.clients[0], &iq.Request{Op: iq.OpGroupCreate, Token: gatheringToken, Text: "all", Users: users})
	if g.group = a.Group.Group; g.group == 0 {
		t.Fatalf("seed %d: no group: %v", seed, a.Code)
	}
	g.w.Disk.Calm = false
	return g
}

// ask asks and waits for the answer; only while nothing is cut.
func (g *gathering) ask(c *testkit.Client, r *iq.Request) iq.Answer {
	ref := c.Ask(r)
	for range 10_000 {
		if a, came := c.Answers[ref]; came {
			return a
		}
		g.w.Turn()
		c.Take()
	}
	g.t.Fatalf("seed %d: no answer to %v", g.seed, r.Op)
	return iq.Answer{}
}

func (g *gathering) chance(n int) bool { return g.w.Random.IntN(n) == 0 }

// something lets one of many things happen.
func (g *gathering) something(every int) {
	c := g.clients[g.w.Random.IntN(len(g.clients))]
	switch g.w.Random.IntN(16) {
	case 0, 1, 2, 3, 4:
		g.texts++
		c.SendGroup(g.group, fmt.Sprintf("text %d", g.texts))
	case 5:
		if g.chance(3) {
			c.Crash()
		}
	case 6:
		if !c.Connected() {
			c.Connect()
		}
	case 7:
		g.change()
	case 8:
		c.ReadGroup(g.group)
	case 9:
		g.w.Advance(g.w.Random.Int64N(400))
	default:
		c.Take()
		c.Keep(g.w.Random.IntN(6))
		c.Ack()
		c.Push(1 + g.w.Random.IntN(5))
	}
	if every > 0 && g.chance(every) {
		g.cut()
	}
}

// change has an admin change who is in the group, or somebody leave.
func (g *gathering) change() {
	guest := g.clients[gatheringStay+g.w.Random.IntN(gatheringUsers-gatheringStay)]
	r := iq.Request{Group: g.group, Op: iq.OpGroupAdd, Users: []uint64{guest.User}}
	switch g.w.Random.IntN(4) {
	case 0:
		r.Op = iq.OpGroupRemove
	case 1:
		r = iq.Request{Group: g.group, Op: iq.OpGroupLeave}
		guest.Ask(&r)
		return
	case 2:
		r = iq.Request{Group: g.group, Op: iq.OpGroupSubject, Text: fmt.Sprint("subject ", g.texts)}
	}
	g.clients[0].Ask(&r)
}

// cut ends the process in the middle of something, or cleanly.
func (g *gathering) cut() {
	for _, c := range g.clients {
		if g.chance(2) {
			c.Take()
		}
	}
	var err error
	if g.chance(4) {
		err = g.w.Stop()
	} else {
		err = g.w.Crash()
		g.cuts++
	}
	if err != nil {
		g.t.Fatalf("seed %d: %v", g.seed, err)
	}
	for _, c := range g.clients {
		if g.chance(3) {
			c.Rush()
		}
	}
}

// look holds what devices show newly against the order.
func (g *gathering) look() {
	for _, c := range g.clients {
		last := uint64(0)
		if n := g.checked[c]; n > 0 {
			last = c.Screen[n-1].GroupSeq
		}
		for _, m := range c.Screen[g.checked[c]:] {
			if m.GroupSeq <= last {
				g.t.Errorf("seed %d: %d/%d shows gseq %d behind %d", g.seed, c.User, c.Device, m.GroupSeq, last)
			}
			last = m.GroupSeq
			what := g.what(c, &m)
			if before, known := g.taken[m.GroupSeq]; known && before != what {
				g.t.Errorf("seed %d: gseq %d is %q and %q", g.seed, m.GroupSeq, before, what)
			}
			g.taken[m.GroupSeq] = what
		}
		g.checked[c] = len(c.Screen)
	}
}

// comeToRest has everybody be there until nothing is on its way.
func (g *gathering) comeToRest() {
	g.w.Disk.Calm = true
	quiet := false
	for range 4_000 {
		idle := true
		for _, c := range g.clients {
			if !c.Connected() {
				c.Connect()
			}
			c.Take()
			c.Keep(1 << 20)
			c.Ack()
			c.Push(1 << 20)
			idle = idle && c.Idle()
		}
		g.w.Turn()
		g.w.Run()
		if idle && g.w.Stats().ParkedUsers == 0 && g.w.Stats().QueueEntries == g.states() && !g.heard() {
			if quiet {
				return
			}
			quiet = true
			g.w.Advance(2_000) // a read of the disk that has failed before is tried again
			continue
		}
		quiet = false
		g.w.Advance(5)
	}
	for _, c := range g.clients {
		g.t.Logf("%d/%d: %v", c.User, c.Device, c)
	}
	g.t.Fatalf("seed %d: it does not come to rest: %d entries, of them %d states; %+v", g.seed, g.w.Stats().QueueEntries, g.states(), g.w.Stats())
}

// heard says whether anything came for anybody.
func (g *gathering) heard() (some bool) {
	for _, c := range g.clients {
		c.Take()
		some = some || !c.Idle()
	}
	return some
}

// states is how many entries states take: one for the group and one for each user who is in it.
func (g *gathering) states() (n int64) {
	for _, l := range g.w.Loops {
		n += int64(l.Shard.StateEntries())
	}
	return n
}

// span is a time in which a user was a member, in gseqs.
type span struct{ from, to uint64 }

// check holds what everybody shows against what was taken, once all is at rest.
func (g *gathering) check() {
	first := g.clients[0]
	spans := map[uint64][]span{}
	for i := range first.Screen {
		m := &first.Screen[i]
		if !m.Event {
			continue
		}
		e, err := m.ParseEvent()
		if err != nil {
			g.t.Fatalf("seed %d: %v", g.seed, err)
		}
		joined, left := e.Users, []uint64(nil)
		switch e.Op {
		case iq.OpGroupCreate:
			joined = append(slices.Clone(e.Users), m.User)
		case iq.OpGroupAdd:
		case iq.OpGroupRemove, iq.OpGroupLeave:
			joined, left = nil, e.Users
		default:
			joined = nil
		}
		for _, user := range joined {
			spans[user] = append(spans[user], span{from: m.GroupSeq, to: 1 << 62})
		}
		for _, user := range left {
			spans[user][len(spans[user])-1].to = m.GroupSeq
		}
	}
	for _, c := range g.clients {
		shown := map[uint64]bool{}
		for _, m := range c.Screen {
			shown[m.GroupSeq] = true
			if !within(spans[c.User], m.GroupSeq) {
				g.t.Errorf("seed %d: %d/%d shows gseq %d and was no member", g.seed, c.User, c.Device, m.GroupSeq)
			}
		}
		for gseq, what := range g.taken {
			if within(spans[c.User], gseq) && !shown[gseq] && !g.repeated(c, what) {
				g.t.Errorf("seed %d: %d/%d was a member and does not show gseq %d, %s", g.seed, c.User, c.Device, gseq, what)
			}
		}
	}
	g.checkFates()
}

func within(spans []span, gseq uint64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= gseq && gseq <= s.to })
}

// what names a shown message; a device's own comes without its text.
func (g *gathering) what(c *testkit.Client, m *testkit.Shown) string {
	text := m.Text
	if m.Placed && m.User == c.User && m.Device == c.Device {
		text = c.Kept.Sent[m.ID].Text
	}
	return fmt.Sprint(m.Stream, m.ID, text)
}

// repeated says whether a device shows a message under another gseq: it was taken twice, because a crash took the first tick.
func (g *gathering) repeated(c *testkit.Client, what string) bool {
	return slices.ContainsFunc(c.Screen, func(m testkit.Shown) bool { return g.what(c, &m) == what })
}

// checkFates holds what senders were told against what is shown.
func (g *gathering) checkFates() {
	shown := map[string]bool{}
	for _, what := range g.taken {
		shown[what] = true
	}
	for _, c := range g.clients {
		for id, fate := range c.Kept.Sent {
			what := fmt.Sprint(testkit.Stream{User: c.User, Device: c.Device, Gen: c.Kept.Gen, Group: g.group}, id, fate.Text)
			switch {
			case fate.Rejected != 0 && fate.Rejected != codec.CodeNotMember:
				g.t.Errorf("seed %d: %s is rejected with %v", g.seed, what, fate.Rejected)
			case fate.Rejected != 0 && shown[what] && fate.Tries < 2:
				g.t.Errorf("seed %d: %s is rejected and shown", g.seed, what)
			case fate.Rejected == 0 && fate.Ticked && !shown[what]:
				g.t.Errorf("seed %d: %s has a tick and is shown to nobody", g.seed, what)
			case fate.Rejected == 0 && fate.Ticked && g.cuts == 0 && c.User < 1001+gatheringStay && !fate.Delivered[0]:
				g.t.Errorf("seed %d: nobody told that %s is with all", g.seed, what)
			}
		}
		for _, fault := range c.Faults {
			g.t.Errorf("seed %d: %s", g.seed, fault)
		}
	}
	if st := g.w.Stats(); st.Unexpected != 0 || st.MessagesLost != 0 || st.Panics != 0 {
		g.t.Errorf("seed %d: %+v", g.seed, st)
	}
}

func gather(t *testing.T, seed uint64) {
	g := newGathering(t, seed)
	every := []int{0, 60, 15}[seed%3]
	for range gatheringTurns {
		g.something(every)
		g.w.Turn()
		g.look()
	}
	g.comeToRest()
	g.look()
	g.check()
}

var gatheringSeed = flag.Uint64("gathering", 0, "play this schedule of TestGatherings only")

// TestGatherings plays schedules until its time is over, the same ones in the same order each time.
func TestGatherings(t *testing.T) {
	if *gatheringSeed != 0 {
		gather(t, *gatheringSeed)
		return
	}
	end := time.Now().Add(4 * time.Second)
	for seed := uint64(1); seed <= 1_000 && !t.Failed(); seed++ {
		if gather(t, seed); time.Now().After(end) && seed >= 60 {
			t.Logf("%d schedules", seed)
			return
		}
	}
}
