package shard_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"trunkline/internal/testkit"
	"trunkline/shard"
)

// power is what happens to a server with a disk: it is cut off, mostly in the middle of something, or stops cleanly, and comes back with
// what the disk has. Nothing that was ticked may be lost, nothing may be shown twice, and every second tick comes.
//
// Of the seed: the rooms of mailboxes and memory, how long mailboxes are dirty, whether the disk refuses now and then.
type power struct {
	roomy   bool // no mailbox is ever full: then nothing may be shown late, or shown and rejected
	every   int  // one turn in so many is the last one of a process
	perhaps int  // one of these in so many is a clean stop
	untold  bool // a crash found somebody waiting for a load, or just come: what was parked for him is gone, second ticks included
	sum     shard.Stats
}

// cut says whether the power was ever cut.
func (p *power) cut() bool { return p != nil }

// mayHush says whether a second tick may have gone with a crash.
func (p *power) mayHush() bool { return p != nil && p.untold }

// act ends the process now and then.
func (p *power) act(s *simulation) {
	if !s.chance(p.every) {
		return
	}
	for _, c := range s.clients {
		if s.chance(2) {
			c.Take() // what was written reaches some
		}
	}
	s.look()
	p.count(s)
	var err error
	if s.chance(p.perhaps) {
		err = s.w.Stop()
	} else {
		st, before := s.w.Stats(), s.w.Disk.LostTicks
		err = s.w.Crash()
		p.untold = p.untold || st.ParkedUsers > 0 || st.Parked > 0 && s.w.Disk.LostTicks > before
	}
	if err != nil {
		for _, l := range s.w.Loops {
			s.t.Log(l.Shard.CheckParked())
		}
		s.t.Fatal(err)
	}
	for _, c := range s.clients {
		if s.chance(3) {
			c.Rush()
			s.overhear(c)
		}
	}
}

// count adds up what processes have done that are gone.
func (p *power) count(s *simulation) {
	st := s.w.Stats()
	p.sum.Loads += st.Loads
	p.sum.EntryLoads += st.EntryLoads
	p.sum.LoadsFailed += st.LoadsFailed
	p.sum.Parked += st.Parked
	p.sum.Evicted += st.Evicted
	p.sum.Unloaded += st.Unloaded
	p.sum.MessagesWaited += st.MessagesWaited
	p.sum.CacheMisses += st.CacheMisses
	if st.Unexpected != 0 || st.MessagesLost != 0 || st.Panics != 0 && !s.faulty {
		s.t.Errorf("%+v", st)
	}
}

func simulatePower(t *testing.T, seed uint64) (sum shard.Stats, disk *testkit.Disk) {
	s := &simulation{t: t, shown: map[string]bool{}, expect: map[string]message{}}
	s.power = &power{roomy: seed%2 == 0, every: []int{15, 60, 200}[seed%3], perhaps: []int{2, 4, 10}[seed/3%3]}
	proven := seed%5 < 2
	s.w = testkit.NewWorld(testkit.Options{
		Loops: 3, Seed: seed, Chaos: true, StayPut: seed%4 == 1, Proven: proven, InboxBytesMax: 100_000,
		Disk: true, DiskTrouble: []int{0, 300, 60}[seed/2%3], SliceBytes: []int{1, 300_000}[seed/5%2],
		Config: func(c *shard.Config) {
			c.MailboxEntriesMax, c.MailboxBytesMax = 12, 1<<20
			c.StoreBytesMax = 20_000
			if s.power.roomy {
				c.MailboxEntriesMax = 2_000
			}
			c.KeepaliveMs, c.AckTimeoutMs, c.LoginTimeoutMs = 20_000, 10_000, 5_000
			c.WriteBackMs = []int64{1, 200, 3_000}[seed/7%3]
			c.MailboxIdleMs = []int64{300, 2_000, 60_000}[seed/11%3]
			s.fleeting(c, seed)
		},
	})
	s.w.Disk.Calm = true
	s.decide()
	s.w.Run()
	s.w.Disk.Calm = false
	for i := range 5 {
		s.clients = append(s.clients, testkit.NewClient(s.w, 1001+uint64(i), 0))
	}
	s.clients = append(s.clients, testkit.NewClient(s.w, 1001, 1))
	s.begin(proven)
	for range powerTurns {
		s.something()
		s.w.Turn()
		s.look()
	}
	if proven {
		s.thief.end(s)
	}
	s.w.Disk.Calm = true
	s.comeToRest()
	s.checkPresence()
	s.check()
	s.power.last(s)
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
	return s.power.sum, s.w.Disk
}

// begin has everybody log in once: a device that does not exist rejects what it would take later. No clock runs meanwhile.
func (s *simulation) begin(proven bool) {
	s.w.Disk.Calm = true
	if proven {
		s.thief = newThief(s)
	}
	for _, c := range s.clients {
		for c.Connect(); !c.Online(); c.Take() {
			s.w.Turn()
		}
	}
	s.w.Run()
	s.w.Disk.Calm = false
}

// last stops the process: then the disk has what waits, and memory nothing.
func (p *power) last(s *simulation) {
	p.count(s)
	kept := 0 // of users, who are all there
	for _, l := range s.w.Loops {
		kept += l.Shard.StateEntries()
	}
	if err := s.w.Stop(); err != nil {
		s.t.Error(err)
	}
	if n := s.w.Disk.Waiting() - kept; n != 0 {
		s.t.Errorf("%d entries are on the disk, and nobody waits for any", n)
	}
}

const powerTurns = 150

// TestPowerCuts plays schedules until its time is over, the same ones in the same order each time.
func TestPowerCuts(t *testing.T) {
	seeds := 2_000
	if testing.Short() {
		seeds = 200
	}
	var sum shard.Stats
	var crashes, stops, again, lost int
	end := time.Now().Add(powerTime)
	played := 0
	for seed := range uint64(seeds) {
		if time.Now().After(end) {
			break
		}
		played++
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) {
			st, d := simulatePower(t, seed)
			sum.Loads, sum.EntryLoads, sum.LoadsFailed = sum.Loads+st.Loads, sum.EntryLoads+st.EntryLoads, sum.LoadsFailed+st.LoadsFailed
			sum.Parked, sum.Evicted, sum.Unloaded = sum.Parked+st.Parked, sum.Evicted+st.Evicted, sum.Unloaded+st.Unloaded
			sum.MessagesWaited, sum.CacheMisses = sum.MessagesWaited+st.MessagesWaited, sum.CacheMisses+st.CacheMisses
			crashes, stops, again, lost = crashes+d.Crashes, stops+d.Stops, again+d.Again, lost+d.Lost
		})
	}
	t.Logf("%d schedules: %d crashes that took %d records, %d stops, %d second ticks told again; %d loads, %d of entries, %d failed; %d parked, %d evicted, %d unloaded; %d of %d messages that waited came from the disk",
		played, crashes, lost, stops, again, sum.Loads, sum.EntryLoads, sum.LoadsFailed, sum.Parked, sum.Evicted, sum.Unloaded, sum.CacheMisses, sum.MessagesWaited)
}

const powerTime = 12 * time.Second

// TestPowerCutsFresh has another seed each time: `go test ./shard -run PowerCutsFresh -count 100`, or -power N to see one again.
func TestPowerCutsFresh(t *testing.T) {
	seed := *powerSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	simulatePower(t, seed)
}

var powerSeed = flag.Uint64("power", 0, "the seed of TestPowerCutsFresh, to see a failure again")
