package bench

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/codec"
	"trunkline/netpoll"
)

// cmdCall makes a loop run what lies in people.calls.
const cmdCall byte = 200

// citizenState is where one user stands.
//
//	away --comes--> coming --SUCCESS--> there --leaves--> leaving --closed--> away
//	                  ^------ the connection ended -------+
//	                  +--- refused for good --> denied
type citizenState uint8

const (
	citizenAway citizenState = iota
	citizenComing
	citizenThere
	citizenLeaving
	citizenDenied
)

// citizen is one user with one device. What it has to send waits in its outbox until the first tick, as a client's does, and is sent again
// when it comes back. 96 bytes, and its outbox while it has one.
type citizen struct {
	conn      netpoll.ConnID // 0: no session
	since     int64          // logged in at, ns of the run's clock
	dueBack   int64          // was cut and is to be back; when that was due. 0: not so
	heldUntil int64          // the server asked to wait
	last      uint64         // highest seq taken
	mark      uint64         // everything up to it has its first tick
	outbox    []letter       // cseqs mark+1 and on
	sent      uint32         // of the outbox, on this connection
	window    uint32
	state     citizenState
	tries     uint8 // attempts since it was there
	held      bool
	stalled   bool
	wasCut    bool // its session was ended by the server: it may be told again what it has
}

// letter is an outbox entry: a message, or a read receipt.
type letter struct {
	at  int64  // due, ns of the run's clock
	id  uint64 // receipt: the message that was read
	seq uint32 // message: its number in its stream
	gen uint16 // receipt
	pos uint8  // whom it is for: the place in the cell; letterGroup: all of them
	ack bool   // a receipt
}

// letterGroup is the place of all.
const letterGroup = 0xFF

// people drives the users of one process. It belongs to the loop; other goroutines give it orders through call and read counts.
//
// Users come in cells. Whoever is in one knows the others, and nobody else: user i of the process has place i mod cell. Each receiver checks each
// stream: the direct messages of another user, and that user's messages to the group.
type people struct {
	*sessionLoop
	o           crewOrders
	folk        []citizen
	rng         *rand.Rand
	calls       chan func()
	ended       bool                  // after crewStop
	broken      atomic.Pointer[error] // why connections could not be made
	registering bool                  // who comes leaves at once

	sentTo  []uint32 // direct messages of user u to place p: at u*cell+p
	gotFrom []uint32 // the last of them that came to user u from place p
	sentAll []uint32 // messages of user u to its group
	gotAll  []uint32 // the last of them that came to user u from place p
	odd     map[uint64]*stream
	groups  []uint64 // of each cell; 0: not yet
	asked   int      // groups that were asked for
	tape    codec.Tape

	away    []uint32 // who is away
	unheld  []uint32 // users whom the server asked to wait
	looked  snapshot
	payload payloadCodec

	messages, swaps beat
	spans           [runPhases + 1]span     // the last: the end of the measurement
	back            *hdrhistogram.Histogram // from when a user was to be back until it was

	n      [countKinds]int64
	counts [countKinds]atomic.Int64 // the same for other goroutines, once a turn
	blob   []byte
	frames []byte
	parts  codec.Parts
}

// beat is a series of events at even distances. Event k is due at start + k*every, whatever happens meanwhile.
type beat struct {
	start   int64
	every   float64 // ns; 0: never
	next    uint64
	running bool
}

// at is when event k is due.
func (b *beat) at(k uint64) int64 { return b.start + int64(float64(k)*b.every) }

// due takes the next event if its time has come.
func (b *beat) due(now int64) (at int64, k uint64, ok bool) {
	if !b.running || b.every == 0 || b.at(b.next) > now {
		return 0, 0, false
	}
	k = b.next
	b.next++
	return b.at(k), k, true
}

// begin starts a series of so many events a second.
func (b *beat) begin(start int64, perSecond float64) {
	*b = beat{start: start, running: true}
	if perSecond > 0 {
		b.every = float64(time.Second) / perSecond
	}
}

// span is a measured part of a run: what was due in it.
type span struct {
	number              int
	start               int64 // ns; math.MaxInt64: none
	latency, tick, late *hdrhistogram.Histogram
}

// newPeople makes the users of a part.
func newPeople(sl *sessionLoop, o crewOrders) *people {
	users := o.users()
	p := &people{
		sessionLoop: sl, o: o, folk: make([]citizen, users), rng: rand.New(rand.NewPCG(o.Seed, uint64(o.From))), calls: make(chan func(), runCallsMax),
		sentTo: make([]uint32, users*o.Cell), gotFrom: make([]uint32, users*o.Cell), odd: map[uint64]*stream{}, payload: newPayloadCodec(),
		blob: make([]byte, o.Bytes), back: newHistogram(),
	}
	if o.GroupShare > 0 {
		p.sentAll, p.gotAll = make([]uint32, users), make([]uint32, users*o.Cell)
		p.groups = make([]uint64, users/o.Cell)
	}
	for i := range p.spans {
		p.spans[i] = span{number: -1, start: math.MaxInt64}
	}
	if sl.devices == nil {
		sl.devices = map[uint32]device{}
	}
	if sl.veil != nil {
		sl.veil.resume = true
	}
	sl.watch = p
	for u := range p.folk {
		if p.awayFirst(u) {
			p.away = append(p.away, uint32(u))
		}
	}
	return p
}

// awayFirst spreads those who are away at first evenly over all users.
func (p *people) awayFirst(u int) bool {
	users, away := int64(p.o.users()), int64(p.o.Away)
	return (int64(u)+1)*away/users > int64(u)*away/users
}

// local is the number of a session's user in this process.
func (p *people) local(s *session) int { return int(s.index) - p.o.From }

// index is the number of a user in the whole run.
func (p *people) index(u int) uint32 { return uint32(p.o.From + u) }

// userAt is who stands at a place of u's cell.
func (p *people) userAt(u, pos int) int { return u - u%p.o.Cell + pos }

// stalls says whether the messages of a cell are those of a reader that stops.
func (p *people) stalls(u int) bool { return u/p.o.Cell < p.o.Stalled }

// call has the loop run f, and waits for that.
func (p *people) call(f func()) error {
	done := make(chan struct{})
	p.calls <- func() {
		defer close(done)
		f()
		p.publish() // whoever asks next sees what f did
	}
	if err := p.fleet.reactor.Post(0, []byte{cmdCall}); err != nil {
		<-p.calls
		return err
	}
	<-done
	return nil
}

// command implements sessionWatch.
func (p *people) command(msg []byte) {
	switch msg[0] {
	case cmdCall:
		(<-p.calls)()
	case cmdPace:
		p.issue(p.clock.now())
	}
}

// publish implements sessionWatch.
func (p *people) publish() {
	p.n[countThere], p.n[countOpen] = p.sessionLoop.counts.ready.Load(), p.sessionLoop.counts.open.Load()
	p.n[countUnreachable] = p.fleet.dial.unreachable.Load()
	p.n[countBehind] = p.n[countExpected] - p.n[countDelivered] - p.n[countRejected]
	for k := range p.n {
		p.counts[k].Store(p.n[k])
	}
}

// spanOf is the measured part to which something belongs that was due at a time; nil: none.
func (p *people) spanOf(at int64) *span {
	var best *span
	for i := range p.spans {
		if s := &p.spans[i]; s.start <= at && (best == nil || s.number > best.number) {
			best = s
		}
	}
	if best == nil || best.latency == nil {
		return nil
	}
	return best
}

// phase begins a measured part, numbered from 1; number 0 ends the measurement: what was due before it still counts.
func (p *people) phase(number int) {
	now := p.clock.now()
	if number == 0 {
		p.spans[runPhases] = span{number: math.MaxInt, start: now}
		return
	}
	p.spans[number%runPhases] = span{number: number, start: now, latency: newHistogram(), tick: newHistogram(), late: newHistogram()}
}

// take hands out the histograms of a part. Those of logins and returns are of the time since they were taken last.
func (p *people) take(number int) map[string][]byte {
	out := map[string][]byte{histLogin: encodeHistogram(p.logins), histBack: encodeHistogram(p.back)}
	p.logins.Reset()
	p.back.Reset()
	for i := range p.spans {
		if s := &p.spans[i]; s.number == number && s.latency != nil {
			out[histLatency], out[histTick], out[histLate] = encodeHistogram(s.latency), encodeHistogram(s.tick), encodeHistogram(s.late)
		}
	}
	return out
}

// The histograms of crewTake.
const (
	histLatency = "latency"
	histTick    = "tick"
	histLate    = "late"
	histLogin   = "login"
	histBack    = "back"
)
