package shard_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// simulation is several people on three loops to whom everything happens that a network and a telephone can do. The seed
// decides; one that fails is run again with -run 'TestSimulation/seed_N', or -run Fresh -seed N.
type simulation struct {
	t       *testing.T
	w       *testkit.World
	clients []*testkit.Client
	shown   map[string]bool // texts that any life of a device has shown, with the device
	texts   int
	losses  uint64 // how often the server lost its data
	lossy   bool   // devices forget, the server loses its data
	faulty  bool   // mailbox memory panics now and then
	expect  map[string]message
	thief   *thief // nil: the transport proves nothing
	sleepy  bool   // little happens, so that mailboxes are culled
	power   *power // nil: there is no disk
}

// message is one text and whom it must reach.
type message struct {
	from *testkit.Client
	life int
	cseq uint64
	fate *testkit.Fate
}

const (
	simulatedTurns = 600
	restTurnsMax   = 5_000
)

func TestSimulation(t *testing.T) {
	seeds := 24
	if testing.Short() {
		seeds = 6
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) { simulate(t, seed) })
	}
}

var seedFlag = flag.Uint64("seed", 0, "the seed of TestSimulationFresh, to see a failure again")

// Fresh seeds each time: `go test ./shard -run Fresh -count 100`.
func TestSimulationFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("fresh seeds belong to the long suite: the short one says the same every time")
	}
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	simulate(t, seed)
}

func simulate(t *testing.T, seed uint64) {
	stay, proven := seed%2 == 1, seed%7 < 4
	s := &simulation{t: t, lossy: seed%3 == 2, faulty: seed%5 >= 3, shown: map[string]bool{}, expect: map[string]message{}}
	s.w = testkit.NewWorld(testkit.Options{
		Loops: 3, Seed: seed, Chaos: true, StayPut: stay, Proven: proven, InboxBytesMax: 100_000,
		Config: func(c *shard.Config) {
			c.MailboxEntriesMax, c.MailboxBytesMax = 40, 1<<20
			c.StoreBytesMax = 20_000
			c.KeepaliveMs, c.AckTimeoutMs, c.LoginTimeoutMs = 20_000, 10_000, 5_000
			s.limitSimulated(c, seed)
			s.fleeting(c, seed)
		},
	})
	s.decide()
	for i := range 6 {
		s.clients = append(s.clients, testkit.NewClient(s.w, 1001+uint64(i), 0))
	}
	s.clients = append(s.clients, testkit.NewClient(s.w, 1001, 1))
	if proven {
		s.thief = newThief(s)
	}
	for _, c := range s.clients {
		c.Connect()
	}
	for turn := range s.turns() {
		s.something()
		s.w.Turn()
		s.look()
		if turn%30 == 0 {
			s.checkAttached()
		}
	}
	if proven {
		s.thief.end(s)
	}
	s.comeToRest()
	if !s.faulty { // or what is fleeting may have gone with a panic
		s.checkPresence()
	}
	s.check()
	if t.Failed() {
		t.Logf("seed %d, stay %v, proven %v, lossy %v, faulty %v", seed, stay, proven, s.lossy, s.faulty)
	}
}

// chance is true once in n times.
func (s *simulation) chance(n int) bool { return s.w.Random.IntN(n) == 0 }

// something happens to everybody.
func (s *simulation) something() {
	for _, c := range s.clients {
		if !s.asleep() {
			s.happen(c)
		}
		s.behave(c, 1+s.w.Random.IntN(8))
	}
	if s.thief != nil {
		s.thief.act(s)
	}
	if s.chance(4) {
		s.w.Now += int64(s.w.Random.IntN(500))
	}
	if s.lossy && s.chance(300) {
		s.restart()
	}
	if s.power != nil {
		s.power.act(s)
	}
	if s.faulty && s.chance(20) {
		calls := []string{"append", "append", "scan", "drop", "last", "replace"}
		s.w.Loops[s.w.Random.IntN(3)].Queue.Arm(calls[s.w.Random.IntN(len(calls))], s.w.Random.IntN(3))
	}
}

// happen is what the world does to a client.
func (s *simulation) happen(c *testkit.Client) {
	peer := s.clients[s.w.Random.IntN(len(s.clients))].User
	switch n := s.w.Random.IntN(200); {
	case n < 40:
		s.send(c, peer, 0)
	case n < 43:
		s.send(c, peer, codec.FlagNoStore)
	case n < 50:
		c.Read()
	case n < 52:
		c.Crash()
	case n < 53:
		c.Compete()
		s.overhear(c)
	case n == 53:
		s.attempt(c)
	case n < 55:
		c.Subscribe(peer, 1001, absentUser)
	case n < 57:
		c.Typing(peer)
	case n < 60 && s.lossy && s.chance(20):
		c.Forget()
	case n >= 60 && n < 64:
		c.State(uint8(n) & 1)
	case n == 64:
		c.Unsubscribe(peer)
	}
	if !c.Connected() && s.chance(20) {
		c.Connect()
		s.overhear(c)
	}
}

// behave is what a client does of itself, more or less promptly.
func (s *simulation) behave(c *testkit.Client, n int) {
	c.Take()
	if s.chance(3) {
		c.Confirm()
	}
	c.Keep(n)
	if s.chance(3) {
		c.Ack()
	}
	c.Push(n)
}

// send has a client write a text that nobody has written before.
func (s *simulation) send(c *testkit.Client, to uint64, flags codec.Flags) {
	if c.Kept.Gen == 0 {
		return
	}
	devices := []uint8{0}
	switch {
	case to == 1001 && s.chance(2):
		devices = []uint8{0, 1}
	case s.chance(100):
		devices = []uint8{0, 9} // there is none: rejected
	}
	if s.chance(100) {
		to = 0 // nobody
	}
	s.texts++
	text := fmt.Sprintf("%d", s.texts)
	if s.chance(20) {
		text += string(make([]byte, s.w.Random.IntN(10_000)))
	}
	cseq := c.Kept.Next
	c.Send(to, text, flags, devices...)
	if flags == 0 {
		s.expect[text] = message{from: c, life: c.Lives, cseq: cseq, fate: c.Kept.Sent[cseq]}
	}
}

// look notes what screens show.
func (s *simulation) look() {
	for _, c := range s.clients {
		for _, m := range c.Screen {
			s.shown[on(c.User, c.Device, m.Text)] = true
		}
	}
	s.judge()
}

func on(user uint64, device uint8, text string) string {
	return fmt.Sprintf("%d/%d %s", user, device, text)
}

// restart is a server that has lost its data: what it had ticked and not delivered may be gone.
func (s *simulation) restart() {
	for _, c := range s.clients {
		c.Take()
	}
	for text, m := range s.expect {
		if m.fate.Ticked {
			delete(s.expect, text)
		}
	}
	s.losses++
	s.w.Restart(1000*s.losses + s.w.Random.Uint64N(1000))
	s.decide()
}

// comeToRest lets everybody finish: nothing breaks any more.
func (s *simulation) comeToRest() {
	for range restTurnsMax {
		idle := true
		for _, c := range s.clients {
			if !c.Connected() {
				c.Connect()
			}
			c.Take()
			c.Confirm()
			c.Keep(1_000)
			c.Ack()
			c.Push(1_000)
			idle = idle && c.Idle()
		}
		s.w.Turn()
		s.look()
		if idle {
			s.w.Run()
			waiting := 0
			for _, l := range s.w.Loops {
				waiting += l.Shard.WaitingEntries()
			}
			if waiting == 0 {
				return
			}
		}
		s.w.Now += 20
	}
	for _, c := range s.clients {
		s.t.Logf("user %d/%d: %v", c.User, c.Device, c)
	}
	s.t.Fatalf("no rest: %+v", s.w.Stats())
}

func (s *simulation) check() {
	for _, c := range s.clients {
		for _, f := range c.Faults {
			s.t.Error(f)
		}
		s.checkScreen(c)
		if c.Again != 0 && !s.lossy && !s.faulty && !s.power.cut() && s.w.Stats().Culled == 0 { // or a mark was forgotten that its client had not heard of
			s.t.Errorf("user %d/%d: %d messages were taken twice", c.User, c.Device, c.Again)
		}
	}
	for text, m := range s.expect {
		s.checkMessage(text, m)
	}
	subs, watches := 0, 0
	for i, l := range s.w.Loops {
		if err := l.Shard.CheckQuiet(); err != nil {
			s.t.Errorf("loop %d: %v", i, err)
		}
		nSubs, nWatches, err := l.Shard.CheckLists()
		if err != nil {
			s.t.Errorf("loop %d: %v", i, err)
		}
		subs, watches = subs+nSubs, watches+nWatches
		if len(l.Panics) > 0 && !s.faulty {
			s.t.Errorf("loop %d: %v", i, l.Panics)
		}
	}
	if subs != watches {
		s.t.Errorf("sessions have %d subscriptions, users %d watchers", subs, watches)
	}
	st := s.w.Stats()
	if st.MessagesLost != 0 || st.Unexpected != 0 {
		s.t.Errorf("%+v", st)
	}
	if s.thief != nil && !s.lossy && s.power == nil && (st.EarlyTaken == 0 || st.EarlyHeld == 0) {
		s.t.Errorf("%d first flights were taken early, %d held", st.EarlyTaken, st.EarlyHeld)
	}
	s.t.Logf("%d early, %d held, %d unconfirmed", st.EarlyTaken, st.EarlyHeld, st.EarlyUnconfirmed)
	s.t.Logf("%d texts, %d refusals, %d rejections, %d replaced, %d logins, %d dropped receipts, %d panics, %d culled", s.texts, st.Refusals,
		sum(st.Rejections[:]), st.Replaced, st.Logins, st.ReceiptsDropped, st.Panics, st.Culled)
}

func sum(n []uint64) (total uint64) {
	for _, v := range n {
		total += v
	}
	return total
}

// checkScreen: exactly once, and in the sender's order. Only what is sent again after the server lost its data may come late: its
// rejection, or the tick of what followed, went with the data.
func (s *simulation) checkScreen(c *testkit.Client) {
	last := map[testkit.Stream]uint64{}
	seen := map[string]bool{}
	for _, m := range c.Screen {
		if m.ID <= last[m.Stream] && !s.lossy && !(s.power.cut() && !s.power.roomy) {
			s.t.Errorf("user %d/%d: %d after %d of %+v", c.User, c.Device, m.ID, last[m.Stream], m.Stream)
		}
		last[m.Stream] = m.ID
		if seen[m.Text] {
			s.t.Errorf("user %d/%d: %.10q twice", c.User, c.Device, m.Text)
		}
		seen[m.Text] = true
	}
}

// checkMessage: what is ticked was rejected, or has reached every device, and the sender knows it.
func (s *simulation) checkMessage(text string, m message) {
	if m.life != m.from.Lives && !m.fate.Ticked {
		return // forgotten with its outbox
	}
	if slices.Contains(privacy[m.fate.To].Blocked, m.from.User) {
		if s.shown[on(m.fate.To, 0, text)] || m.fate.Delivered[0] {
			s.t.Errorf("%.10q of %d was shown to %d, who has blocked it", text, m.from.User, m.fate.To)
		}
		return
	}
	if !m.fate.Ticked {
		s.t.Errorf("%.10q of %d was never ticked", text, m.from.User)
		return
	}
	for _, device := range m.fate.Devices {
		reached, rejected := s.shown[on(m.fate.To, device, text)], m.fate.Rejected != 0
		switch {
		case m.life != m.from.Lives && (reached || m.fate.To == 0):
		case reached != rejected:
		case reached && (s.lossy || s.faulty || s.power.cut() && !s.power.roomy): // one device has it and the other could not take it; or the loss came between
		default:
			s.t.Errorf("%.10q of %d to %d/%d: shown %v, rejected %v", text, m.from.User, m.fate.To, device, reached, m.fate.Rejected)
		}
	}
	for _, device := range m.fate.Devices {
		if m.life == m.from.Lives && m.fate.Rejected == 0 && !m.fate.Delivered[device] && !s.lossy && !s.power.mayHush() {
			s.t.Errorf("%.10q of %d: no second tick from device %d", text, m.from.User, device)
		}
	}
}
