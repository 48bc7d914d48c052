package testkit

import (
	"fmt"
	"math/rand/v2"

	"trunkline/shard"
	"trunkline/store"
)

// Options describe a World. Zero fields: one loop, nothing left to chance, limits of limits.go.
type Options struct {
	Loops            int
	Seed             uint64 // of the placement, and of chance
	Chaos            bool   // pieces of input, the order of loops and the share of messages taken are drawn from the seed
	StayPut          bool
	Proven           bool // clients prove who they are, and use early data
	InboxBytesMax    int
	OutboundBytesMax int
	Config           func(c *shard.Config) // the last word on a shard's Config

	Disk        bool // there is a Disk, and ticks wait for it
	DiskTrouble int  // it stops once in so many turns; 0: never
	SliceBytes  int  // what a mailbox counts in a slice
}

// World is a clock and some loops in one goroutine.
type World struct {
	Now      int64 // unix milliseconds
	Loops    []*Loop
	Random   *rand.Rand // what chance there is
	opts     Options
	dials    int
	accounts map[deviceName]deviceAccount
	order    []int
	Disk     *Disk // nil: there is none
}

// EpochMs is where the clock of a World starts.
const EpochMs = 1_800_000_000_000

// NewWorld builds loops with their shards, each over a store.Mailboxes unless Config says otherwise.
func NewWorld(o Options) *World {
	o.Loops = max(o.Loops, 1)
	if o.InboxBytesMax == 0 {
		o.InboxBytesMax = inboxBytesDefault
	}
	if o.OutboundBytesMax == 0 {
		o.OutboundBytesMax = outboundBytesDefault
	}
	w := &World{Now: EpochMs, opts: o, accounts: map[deviceName]deviceAccount{}, Random: rand.New(rand.NewPCG(o.Seed, 0x7275_6e6b))}
	if o.Disk {
		w.Disk = newDisk(w)
	}
	for i := range o.Loops {
		l := &Loop{w: w, Index: i, inbox: make([]inbox, o.Loops)}
		w.Loops = append(w.Loops, l)
		w.order = append(w.order, i)
		l.start(incarnationFirst)
	}
	return w
}

// Placement is where users live in this world.
func (w *World) Placement() shard.Placement {
	return shard.Placement{Seed: w.opts.Seed, Loops: w.opts.Loops}
}

// UserOn is the n-th user, from 0, at or above 1000 whose home is that loop.
func (w *World) UserOn(loop, n int) uint64 {
	for user := uint64(1000); ; user++ {
		if w.Placement().Home(user) == loop {
			if n == 0 {
				return user
			}
			n--
		}
	}
}

// Restart is a server that comes back without its data: every connection is gone and the incarnation is new.
func (w *World) Restart(incarnation uint64) {
	w.breakAll()
	for _, l := range w.Loops {
		*l = Loop{w: w, Index: l.Index, inbox: make([]inbox, w.opts.Loops)}
		l.start(incarnation)
	}
}

// Crash is a power cut: every connection is gone, and the next server has what the Disk has kept.
func (w *World) Crash() error {
	w.breakAll()
	if err := w.Disk.crash(); err != nil {
		return err
	}
	w.startAgain()
	return nil
}

// Stop is a clean stop and a start: everybody is sent away, what is on its way arrives, and all of it is written.
func (w *World) Stop() error {
	w.breakAll()
	calm := w.Disk.Calm
	w.Disk.Calm = true
	w.Run()
	for n := 0; w.Stats().ParkedUsers > 0; n++ {
		if n == stopStepsMax {
			return fmt.Errorf("a clean stop finds %d users parked after %d ms", w.Stats().ParkedUsers, n*stopStepMs)
		}
		w.Advance(stopStepMs) // a load that has failed is tried again
	}
	for _, l := range w.Loops {
		for l.Shard.WriteBackAll() > 0 {
			l.desk().submit(l.Shard.LowWater())
			w.Disk.step()
		}
	}
	w.Disk.Stops++
	w.Disk.Calm = calm
	if err := w.Disk.stop(); err != nil {
		return err
	}
	w.startAgain()
	return nil
}

// startAgain starts the next process on the same data.
func (w *World) startAgain() {
	for _, l := range w.Loops {
		panics := l.Panics
		*l = Loop{w: w, Index: l.Index, inbox: make([]inbox, w.opts.Loops), Panics: panics}
		l.start(incarnationFirst)
	}
}

// breakAll ends every connection.
func (w *World) breakAll() {
	for _, l := range w.Loops {
		for _, c := range l.conns {
			if c != nil {
				c.gone = true
			}
		}
		for i := range l.inbox {
			for _, c := range l.inbox[i].conns {
				c.gone = true // on its way to another loop
			}
		}
	}
}

// Dial opens a connection; loops accept in turn, or by chance.
func (w *World) Dial() *Conn {
	l := w.Loops[w.dials%len(w.Loops)]
	if w.opts.Chaos {
		l = w.Loops[w.Random.IntN(len(w.Loops))]
	}
	w.dials++
	c := &Conn{}
	l.adopt(c, false)
	return c
}

// Replay opens a connection and says a first flight again, as one who has listened can.
func (w *World) Replay(f Flight) *Conn {
	c := w.Dial()
	c.Identify(f.Identity)
	c.Write(f.Bytes)
	return c
}

// Turn gives every loop one turn.
func (w *World) Turn() {
	if w.opts.Chaos {
		w.Random.Shuffle(len(w.order), func(i, j int) { w.order[i], w.order[j] = w.order[j], w.order[i] })
	}
	for _, i := range w.order {
		w.Loops[i].turn()
	}
	if w.Disk != nil {
		w.Disk.step()
	}
}

// Run turns until nothing moves any more. It panics when that does not happen.
func (w *World) Run() {
	for range turnsMax {
		busy := w.Disk != nil && w.Disk.busy()
		for _, l := range w.Loops {
			busy = busy || l.busy()
		}
		if !busy {
			return
		}
		w.Turn()
	}
	panic(fmt.Sprintf("testkit: the world does not come to rest within %d turns", turnsMax))
}

// Advance moves the clock, stopping where a timer is due, and runs at each stop.
func (w *World) Advance(ms int64) {
	end := w.Now + ms
	for {
		next := end
		for _, l := range w.Loops {
			next = min(next, l.nextDue(end))
		}
		w.Now = max(w.Now, next)
		w.Run()
		if next >= end {
			return
		}
	}
}

// Stats adds up the counters of all shards.
func (w *World) Stats() shard.Stats {
	var sum shard.Stats
	for _, l := range w.Loops {
		addStats(&sum, l.Shard.Stats())
	}
	return sum
}

func addStats(sum *shard.Stats, s shard.Stats) {
	sum.Sessions += s.Sessions
	sum.LoggedIn += s.LoggedIn
	sum.Users += s.Users
	sum.Logins += s.Logins
	sum.Resumes += s.Resumes
	sum.Replaced += s.Replaced
	sum.EarlyTaken += s.EarlyTaken
	sum.EarlyHeld += s.EarlyHeld
	sum.EarlyUnconfirmed += s.EarlyUnconfirmed
	sum.MessagesIn += s.MessagesIn
	sum.MessagesOut += s.MessagesOut
	sum.MessagesAcked += s.MessagesAcked
	sum.GroupMessages += s.GroupMessages
	sum.GroupDelivered += s.GroupDelivered
	sum.GroupMissed += s.GroupMissed
	sum.GroupChanges += s.GroupChanges
	sum.Blocked += s.Blocked
	sum.ReceiptsIn += s.ReceiptsIn
	sum.ReceiptsOut += s.ReceiptsOut
	sum.ReceiptsDropped += s.ReceiptsDropped
	sum.EphemeralDropped += s.EphemeralDropped
	sum.Refusals += s.Refusals
	sum.MalformedFrames += s.MalformedFrames
	sum.Unexpected += s.Unexpected
	sum.Panics += s.Panics
	sum.MessagesLost += s.MessagesLost
	sum.RateLimited += s.RateLimited
	sum.Conversations += s.Conversations
	sum.NotConversing += s.NotConversing
	sum.Throttled += s.Throttled
	sum.SessionLimited += s.SessionLimited
	sum.Culled += s.Culled
	addDiskStats(sum, &s)
	addPresenceStats(sum, &s)
	sum.CullBacklog += s.CullBacklog
	sum.MailboxesIdle += s.MailboxesIdle
	sum.Mailboxes += s.Mailboxes
	sum.QueueEntries += s.QueueEntries
	sum.QueueBytes += s.QueueBytes
	for i := range s.Rejections {
		sum.Rejections[i] += s.Rejections[i]
	}
	for i := range s.Closes {
		sum.Closes[i] += s.Closes[i]
	}
}

// start builds the loop's shard.
func (l *Loop) start(incarnation uint64) {
	cfg := shard.Config{
		Loop: l.Index, Placement: l.w.Placement(), Incarnation: incarnation, OwnerEpoch: 1,
		Queue: store.NewMailboxes(), StayPut: l.w.opts.StayPut, Open: true, Proven: l.w.opts.Proven,
	}
	if l.w.opts.Config != nil {
		l.w.opts.Config(&cfg)
	}
	if l.w.Disk != nil {
		l.desk().queue = cfg.Queue
		cfg.Disk, cfg.Cache, cfg.Durable, cfg.OwnerEpoch = l.desk(), cfg.Queue.(shard.Cache), true, l.w.Disk.Owner
	}
	l.Queue = &FaultyQueue{Queue: cfg.Queue}
	cfg.Queue = l.Queue
	l.Shard = shard.New(cfg, l)
}

func addDiskStats(sum, s *shard.Stats) {
	sum.MessagesWaited += s.MessagesWaited
	sum.CacheMisses += s.CacheMisses
	sum.Loads += s.Loads
	sum.EntryLoads += s.EntryLoads
	sum.LoadsFailed += s.LoadsFailed
	sum.Parked += s.Parked
	sum.ParkingFull += s.ParkingFull
	sum.Evicted += s.Evicted
	sum.Unloaded += s.Unloaded
	sum.ParkedUsers += s.ParkedUsers
	sum.ParkedBytes += s.ParkedBytes
	sum.Dirty += s.Dirty
	sum.DirtyBytes += s.DirtyBytes
	sum.Ledgers += s.Ledgers
	sum.Awaiting += s.Awaiting
}

func addPresenceStats(sum, s *shard.Stats) {
	sum.PresenceTold += s.PresenceTold
	sum.PresenceMerged += s.PresenceMerged
	sum.PresenceDelayed += s.PresenceDelayed
	sum.PresenceHeld += s.PresenceHeld
	sum.PresenceWaiting += s.PresenceWaiting
	sum.TypingTold += s.TypingTold
	sum.TypingHidden += s.TypingHidden
	sum.TypingRepeated += s.TypingRepeated
	sum.TypingOverRate += s.TypingOverRate
	sum.Watches += s.Watches
	sum.Subscriptions += s.Subscriptions
}
