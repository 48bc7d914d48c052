package bench

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"time"
)

// MixDay says what a mixed day looks like. The same MixDay is the same day, message by message. Zero fields take defaults.
type MixDay struct {
	Users    int           `json:"users"`     // default 4,000
	Online   float64       `json:"online"`    // share of them that is online on average; default 0.25
	Messages float64       `json:"messages"`  // that one user writes in 24 hours; default 40
	Bytes    int           `json:"bytes"`     // of a message, on average; default 200
	Length   time.Duration `json:"length_ns"` // how much of a day; default 24 h
	Spike    float64       `json:"spike"`     // by how much more is written for a while in the evening; 1: no spike; default 10
	SpikeFor time.Duration `json:"spike_for_ns"`
	Seed     uint64        `json:"seed"` // default 1
}

// spikeBegins is the part of the day after which the spike comes: eight in the evening of a whole day.
const spikeBegins = 14.0 / 24

// WithDefaults fills zero fields.
func (d MixDay) WithDefaults() MixDay {
	d.Users = cmp.Or(d.Users, 4_000)
	d.Online = cmp.Or(d.Online, 0.25)
	d.Messages = cmp.Or(d.Messages, 40)
	d.Bytes = cmp.Or(d.Bytes, 200)
	d.Length = cmp.Or(d.Length, 24*time.Hour)
	d.Spike = cmp.Or(d.Spike, 10)
	d.SpikeFor = cmp.Or(d.SpikeFor, d.Length/48)
	d.Seed = cmp.Or(d.Seed, 1)
	return d
}

// Validate reports the first number that is out of its limits, as ErrInput.
func (d MixDay) Validate() error {
	return cmp.Or(
		within("users", d.Users, 2, MixUsersMax),
		withinNumber("online", d.Online, 0.001, 0.95),
		withinNumber("messages", d.Messages, 0.1, 10_000),
		within("size", d.Bytes, mixBytesMin, mixBytesMax),
		withinTime("length of the day", d.Length, time.Minute, 7*24*time.Hour),
		withinNumber("spike", d.Spike, 1, 1_000),
		withinTime("length of the spike", d.SpikeFor, 0, d.Length),
	)
}

// SpikeSpan is when the spike comes, since the day began; both 0 when there is none.
func (d MixDay) SpikeSpan() (from, to time.Duration) {
	if d.Spike <= 1 {
		return 0, 0
	}
	from = time.Duration(float64(d.Length) * spikeBegins)
	return from, min(from+d.SpikeFor, d.Length)
}

// MixEventKind is what somebody does.
type MixEventKind uint8

// The kinds of event.
const (
	MixComes  MixEventKind = iota // User logs in
	MixGoes                       // User leaves
	MixWrites                     // User writes to Peer
)

// MixEvent is one thing that somebody does.
type MixEvent struct {
	At    time.Duration // since the day began
	User  uint32        // 0 to Users-1
	Peer  uint32
	Bytes uint16
	Kind  MixEventKind
}

// MixPlan is a day worked out: who does what when. It does not depend on a server.
type MixPlan struct {
	Day    MixDay
	Events []MixEvent // by time

	Messages     int
	ToAbsent     int   // of Messages: the recipient is away
	Visits       int   // logins, those of the first moment included
	WaitingPeak  int64 // most that waits at once, bytes of memory: payloads, receipts, and mailboxBudget for each of both
	WaitingEnd   int64
	SpikePerHour float64 // messages an hour in the spike
}

// PlanMix works a day out. Errors: ErrInput.
func PlanMix(d MixDay) (*MixPlan, error) {
	d = d.WithDefaults()
	if err := d.Validate(); err != nil {
		return nil, err
	}
	p := &planner{plan: &MixPlan{Day: d}, r: rand.New(rand.NewPCG(d.Seed, 0x6d6978))}
	p.spikeFrom, p.spikeTo = d.SpikeSpan()
	p.people = make([]person, d.Users)
	for i, f := range drawFriends(p.r, d.Users) {
		p.people[i].friends = f
	}
	p.visit = time.Duration(float64(absenceMean()) * d.Online / (1 - d.Online))
	p.pause = time.Duration(float64(24*time.Hour) * d.Online / d.Messages)
	p.run()
	return p.plan, nil
}

// person is one user while the day is worked out.
type person struct {
	friends []friend
	last    uint32 // whom they wrote to or heard of last
	online  bool
	visits  uint32   // a next message planned in an earlier visit is void
	waiting int64    // bytes of memory that wait for them
	from    []uint32 // who wrote the messages among it
}

// planner works a day out, event by event.
type planner struct {
	plan               *MixPlan
	r                  *rand.Rand
	people             []person
	queue              stepQueue
	visit              time.Duration // mean length
	pause              time.Duration // mean time from one message of somebody online to the next
	spikeFrom, spikeTo time.Duration
	waiting            int64
	inSpike            int
}

// step is one thing that is due: somebody comes or goes, or writes.
type step struct {
	at     time.Duration
	user   uint32
	visits uint32
	writes bool
}

// run lets people come and go for a while, and then the day pass.
func (p *planner) run() {
	for u := range p.people {
		p.push(step{at: -presenceBefore + time.Duration(p.r.Float64()*float64(time.Hour)), user: uint32(u)})
	}
	begun := false
	for len(p.queue) > 0 {
		s := heap.Pop(&p.queue).(step)
		if s.at >= p.plan.Day.Length {
			break
		}
		if !begun && s.at >= 0 {
			begun = true
			p.begin()
		}
		who := &p.people[s.user]
		switch {
		case !s.writes:
			p.comeOrGo(s, who)
		case who.online && who.visits == s.visits:
			p.write(s, who)
			p.push(step{at: s.at + p.nextPause(s.at), user: s.user, visits: s.visits, writes: true})
		}
	}
	if d := p.spikeTo - p.spikeFrom; d > 0 {
		p.plan.SpikePerHour = float64(p.inSpike) / d.Hours()
	}
	p.plan.WaitingEnd = p.waiting
}

// begin has everybody log in who is there when the day begins.
func (p *planner) begin() {
	for u := range p.people {
		if p.people[u].online {
			p.add(MixEvent{Kind: MixComes, User: uint32(u)})
		}
	}
}

func (p *planner) push(s step) { heap.Push(&p.queue, s) }

// add notes an event of the day.
func (p *planner) add(e MixEvent) {
	if e.Kind == MixComes {
		p.plan.Visits++
	}
	p.plan.Events = append(p.plan.Events, e)
}

// comeOrGo changes whether somebody is there.
func (p *planner) comeOrGo(s step, who *person) {
	who.online = !who.online
	kind, until := MixGoes, time.Duration(0)
	if who.online {
		kind = MixComes
		who.visits++
		until = s.at + drawVisit(p.r, p.visit)
		p.fetch(who)
		p.push(step{at: max(s.at, 0) + p.nextPause(s.at), user: s.user, visits: who.visits, writes: true})
	} else {
		until = endOfAbsence(s.at, drawAbsence(p.r))
	}
	p.push(step{at: until, user: s.user})
	if s.at >= 0 {
		p.add(MixEvent{At: s.at, Kind: kind, User: s.user})
	}
}

// nextPause is the time until somebody's next message.
func (p *planner) nextPause(at time.Duration) time.Duration {
	d := time.Duration(p.r.ExpFloat64() * float64(p.pause))
	if p.spiking(at) {
		return time.Duration(float64(d) / p.plan.Day.Spike)
	}
	if at < p.spikeFrom && at+d > p.spikeFrom { // the rest of the pause passes faster
		return p.spikeFrom - at + time.Duration(float64(at+d-p.spikeFrom)/p.plan.Day.Spike)
	}
	return d
}

func (p *planner) spiking(at time.Duration) bool { return at >= p.spikeFrom && at < p.spikeTo }

// write has somebody write to one of their partners.
func (p *planner) write(s step, who *person) {
	to, ok := p.choose(s, who)
	if !ok {
		return
	}
	f := &who.friends[to]
	peer := &p.people[f.user]
	f.owed, f.lastAt = false, s.at
	f.mine++
	theirs := &peer.friends[f.back]
	theirs.owed, theirs.mine = true, 0
	who.last, peer.last = uint32(to), f.back
	size := drawSize(p.r, p.plan.Day.Bytes)
	p.add(MixEvent{At: s.at, Kind: MixWrites, User: s.user, Peer: f.user, Bytes: uint16(size)})
	p.plan.Messages++
	if p.spiking(s.at) {
		p.inSpike++
	}
	if !peer.online {
		p.plan.ToAbsent++
		peer.from = append(peer.from, s.user)
		p.wait(peer, size+mailboxBudget)
	}
}

// wait has something wait for somebody who is away.
func (p *planner) wait(who *person, bytes int) {
	who.waiting += int64(bytes)
	p.waiting += int64(bytes)
	p.plan.WaitingPeak = max(p.plan.WaitingPeak, p.waiting)
}

// fetch has somebody get what waits. Those who wrote it and are away now get two receipts for each message, delivered and read.
func (p *planner) fetch(who *person) {
	p.waiting -= who.waiting
	who.waiting = 0
	for _, u := range who.from {
		if writer := &p.people[u]; !writer.online {
			p.wait(writer, 2*mailboxBudget)
		}
	}
	who.from = who.from[:0]
}

// choose is whom somebody writes to: mostly they answer; else they begin with one of their partners who has not left them without an
// answer too often.
func (p *planner) choose(s step, who *person) (to int, ok bool) {
	if who.friends[who.last].owed && p.r.Float64() < answerShare {
		return int(who.last), true
	}
	most := uint8(patience)
	if p.spiking(s.at) {
		most = patienceSpike
	}
	for range 4 {
		to = pick(p.r, len(who.friends))
		f := &who.friends[to]
		if s.at-f.lastAt > patienceAgain {
			f.mine = 0
		}
		if f.mine < most {
			return to, true
		}
	}
	return 0, false
}

// stepQueue orders by time, for container/heap. Of two at once the lower user goes first, so that a plan can be repeated.
type stepQueue []step

// Len, Less, Swap, Push and Pop are for package heap.
func (q stepQueue) Len() int { return len(q) }
func (q stepQueue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), cmp.Compare(q[i].user, q[j].user)) < 0
}
func (q stepQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *stepQueue) Push(x any)   { *q = append(*q, x.(step)) }
func (q *stepQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
