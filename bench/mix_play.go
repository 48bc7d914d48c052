package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/codec"
)

// MixPlay plays a plan against a server: everybody is a device of their own that comes, goes and writes when the plan says, and keeps
// records of what came. Lost, doubled and reordered messages are found by what is in the payloads.
type MixPlay struct {
	plan  *MixPlan
	addr  string
	first uint64 // user id of user 0
	speed float64
	clock clock
	start int64 // of the day, on the clock
	all   []*mixUser

	dayOver atomic.Bool // what comes from now on was collected after the day

	sent, ticks, second, read, refusals, online atomic.Int64
	delivered, waited, fabricated, duplicated   atomic.Int64
	reordered, rejected, breaks, logins         atomic.Int64
	failure                                     atomic.Pointer[string]

	mu      sync.Mutex // over what follows
	latency *hdrhistogram.Histogram
	tick    *hdrhistogram.Histogram
	late    *hdrhistogram.Histogram
}

// mixUser is the life of one phone of the day. Its fields belong to whoever holds the phone's lock, but for wrote.
type mixUser struct {
	play    *MixPlay
	phone   *phone
	number  uint32
	wrote   map[uint32]uint32  // messages to each partner; belongs to the one goroutine that plays this user
	streams map[uint32]*stream // from each partner
	codec   payloadCodec
}

// MixRecord is what the devices have seen.
type MixRecord struct {
	Sent       int64 `json:"sent"`
	Delivered  int64 `json:"delivered"` // distinct
	Waited     int64 `json:"waited"`    // of them: the recipient had to come first
	Ticked     int64 `json:"first_ticks"`
	Second     int64 `json:"second_ticks"`
	Read       int64 `json:"read_receipts"` // messages that were told to be read
	Logins     int64 `json:"logins"`
	Online     int64 `json:"online"` // now
	Refused    int64 `json:"refused"`
	Rejected   int64 `json:"rejected"`
	Breaks     int64 `json:"breaks"` // connections that ended without being told to
	Lost       int64 `json:"lost"`   // neither delivered nor rejected, once everybody has been back
	Duplicated int64 `json:"duplicated"`
	Reordered  int64 `json:"reordered"`
	Damaged    int64 `json:"damaged"`

	LatencyMs *Latency `json:"latency_ms"`        // to those who are there: from due to delivered
	TickMs    *Latency `json:"first_tick_ms"`     // of messages that were due while the sender was logged in
	LateMs    *Latency `json:"player_late_ms"`    // behind the plan
	Failure   string   `json:"failure,omitempty"` // the first thing that went wrong
}

// NewMixPlay prepares a plan to be played against the server at addr, on the plain transport, speed times as fast as the day.
func NewMixPlay(plan *MixPlan, addr string, speed float64) *MixPlay {
	m := &MixPlay{
		plan: plan, addr: addr, first: firstUser(), speed: speed, clock: newClock(),
		latency: newHistogram(), tick: newHistogram(), late: newHistogram(),
	}
	for u := range plan.Day.Users {
		one := &mixUser{play: m, number: uint32(u), wrote: map[uint32]uint32{}, streams: map[uint32]*stream{}, codec: newPayloadCodec()}
		one.phone = newPhone(addr, m.first+uint64(u), one)
		m.all = append(m.all, one)
	}
	return m
}

// Abandon has that many bytes of memory (see MixPlan.WaitingPeak) wait for people who never come, before the day: in a server that has run for weeks memory is full of it, and
// something has to leave for each message of the day. They are not part of the record.
func (m *MixPlay) Abandon(ctx context.Context, bytes int64) error {
	devices := int(bytes / int64(abandonedEach*(m.plan.Day.Bytes+mailboxBudget)))
	if devices == 0 {
		return nil
	}
	order := fillOrder{addr: m.addr, first: firstUser(), devices: devices, to: abandonedEach, bytes: m.plan.Day.Bytes, base: firstUser()}
	return fill(ctx, order, func(int64) {})
}

// PlayDay plays the whole day. Afterwards devices are as the day left them: Collect has all come back.
func (m *MixPlay) PlayDay(ctx context.Context) error {
	m.start = m.clock.now() + int64(paceLead)
	var wg sync.WaitGroup
	for i := range mixPlayers {
		wg.Add(1)
		// Ends with the plan or with ctx; PlayDay waits for it.
		go func() {
			defer wg.Done()
			m.playSome(ctx, uint32(i))
		}()
	}
	wg.Wait()
	return ctx.Err()
}

// playSome plays those users whose number leaves that rest.
func (m *MixPlay) playSome(ctx context.Context, rest uint32) {
	for i := range m.plan.Events {
		e := &m.plan.Events[i]
		if e.User%mixPlayers != rest {
			continue
		}
		at := m.start + int64(float64(e.At)/m.speed)
		now := m.clock.now()
		if at > now {
			if sleep(ctx, time.Duration(at-now)) != nil {
				return
			}
			now = m.clock.now()
		}
		if ctx.Err() != nil {
			return
		}
		m.mu.Lock()
		record(m.late, now-at)
		m.mu.Unlock()
		one := m.all[e.User]
		switch e.Kind {
		case MixComes:
			one.phone.come(ctx)
		case MixGoes:
			one.leave()
		case MixWrites:
			one.write(e, at)
		}
	}
}

// Collect has everybody come back and waits until every message has arrived and has its first tick, or nothing moves for that long:
// what is missing then is lost.
func (m *MixPlay) Collect(ctx context.Context, stall time.Duration) error {
	m.dayOver.Store(true)
	for _, one := range m.all {
		one.phone.come(ctx)
		if err := sleep(ctx, mixReturnEvery); err != nil {
			return err
		}
	}
	moved := func() int64 { return m.delivered.Load() + m.ticks.Load() + m.logins.Load() + m.rejected.Load() }
	done := func() bool {
		return m.delivered.Load()+m.rejected.Load() >= m.sent.Load() && m.idle()
	}
	err := waitFor(ctx, stall, moved, done, nil)
	if errors.Is(err, errStalled) {
		return nil
	}
	return err
}

// idle says that no outbox holds anything.
func (m *MixPlay) idle() bool {
	for _, one := range m.all {
		if one.phone.waiting() > 0 {
			return false
		}
	}
	return true
}

// Close ends all connections; the record stays.
func (m *MixPlay) Close() {
	for _, one := range m.all {
		one.phone.leave()
	}
	for _, one := range m.all {
		one.phone.visits.Wait()
	}
}

// Record is what the devices have seen so far. Lost counts once Collect has returned.
func (m *MixPlay) Record() MixRecord {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := MixRecord{
		Sent: m.sent.Load(), Delivered: m.delivered.Load(), Waited: m.waited.Load(), Ticked: m.ticks.Load(), Second: m.second.Load(),
		Read: m.read.Load(), Logins: m.logins.Load(), Online: m.online.Load(), Refused: m.refusals.Load(), Rejected: m.rejected.Load(), Breaks: m.breaks.Load(),
		Duplicated: m.duplicated.Load(), Reordered: m.reordered.Load(), Damaged: m.fabricated.Load(),
		LatencyMs: latencyOf(m.latency), TickMs: latencyOf(m.tick), LateMs: latencyOf(m.late),
	}
	r.Lost = max(r.Sent-r.Delivered-r.Rejected, 0)
	if text := m.failure.Load(); text != nil {
		r.Failure = *text
	}
	return r
}

// latencies are those of messages to who was there, so far.
func (m *MixPlay) latencies() *hdrhistogram.Histogram {
	m.mu.Lock()
	defer m.mu.Unlock()
	return hdrhistogram.Import(m.latency.Export())
}

// Seconds is how long the day has been played, and Hour where in the day that is.
func (m *MixPlay) Seconds() (seconds, hour float64) {
	passed := time.Duration(m.clock.now() - m.start)
	return passed.Seconds(), dayBegins + passed.Hours()*m.speed
}

// leave ends a visit.
func (o *mixUser) leave() {
	o.phone.mu.Lock()
	if o.phone.conn != nil && o.phone.since > 0 {
		o.play.online.Add(-1)
		o.phone.since = 0
	}
	o.phone.mu.Unlock()
	o.phone.leave()
}

// write puts a message of the plan into the outbox.
func (o *mixUser) write(e *MixEvent, at int64) {
	o.wrote[e.Peer]++
	blob := make([]byte, e.Bytes)
	o.codec.fill(blob, streamOf(o.number, e.Peer), payload{seq: o.wrote[e.Peer], at: at})
	o.play.sent.Add(1)
	o.phone.write(outgoing{to: o.play.first + uint64(e.Peer), blob: blob, at: at})
}

// streamOf salts the checksum of what one writes to another.
func streamOf(from, to uint32) uint32 { return from*0x9e3779b1 ^ to }

// arrived implements phoneLife.
func (o *mixUser) arrived(p *phone, v *codec.Deliver) {
	m := o.play
	from := uint32(v.From - m.first)
	got, ok := o.codec.parse(v.Blob, streamOf(from, o.number))
	if !ok || v.From < m.first || v.From >= m.first+uint64(len(m.all)) {
		m.fabricated.Add(1)
		return
	}
	s := o.streams[from]
	if s == nil {
		s = &stream{}
		o.streams[from] = s
	}
	switch s.take(got.seq, math.MaxUint32-1) {
	case inOrder, ahead:
		m.delivered.Add(1)
	case late:
		m.delivered.Add(1)
		m.reordered.Add(1)
	case repeated:
		m.duplicated.Add(1)
		return
	case fabricated:
		m.fabricated.Add(1)
		return
	}
	o.note(p, got.at)
	o.readIt(p, v)
}

// note sorts a message by whether it had to wait for its recipient.
func (o *mixUser) note(p *phone, at int64) {
	m := o.play
	if p.since == 0 || at < p.since || m.dayOver.Load() {
		m.waited.Add(1)
		return
	}
	m.mu.Lock()
	record(m.latency, m.clock.now()-at)
	m.mu.Unlock()
}

// readIt says that a message was read, one receipt for each run of them.
func (o *mixUser) readIt(p *phone, v *codec.Deliver) {
	if n := len(p.outbox); n > 0 && uint64(n) > p.sent-p.mark { // the newest has not been sent
		if last := &p.outbox[n-1]; last.blob == nil && last.to == v.From && last.gen == v.Gen && last.last < v.ID {
			last.last = v.ID
			o.play.read.Add(1)
			return
		}
	}
	p.enqueue(outgoing{to: v.From, gen: v.Gen, first: v.ID, last: v.ID})
	o.play.read.Add(1)
}

// ticked implements phoneLife.
func (o *mixUser) ticked(p *phone, out *outgoing) {
	if out.blob == nil {
		return
	}
	o.play.ticks.Add(1)
	if p.since > 0 && out.at >= p.since {
		o.play.mu.Lock()
		record(o.play.tick, o.play.clock.now()-out.at)
		o.play.mu.Unlock()
	}
}

// told implements phoneLife.
func (o *mixUser) told(_ *phone, v *codec.Receipt) {
	switch v.Kind {
	case codec.ReceiptDelivered:
		o.play.second.Add(1)
	case codec.ReceiptRejected:
		o.play.rejected.Add(int64(v.Last - v.First + 1))
		o.fail(fmt.Errorf("%w: it rejected a message with code %d", ErrServer, v.Code))
	}
}

// failed implements phoneLife.
func (o *mixUser) failed(p *phone, err error) {
	o.play.breaks.Add(1)
	if p.since > 0 {
		p.since = 0
		o.play.online.Add(-1)
	}
	if !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		o.fail(err)
	}
}

func (o *mixUser) fail(err error) {
	text := err.Error()
	o.play.failure.CompareAndSwap(nil, &text)
}

// refused implements phoneLife.
func (o *mixUser) refused(*phone) { o.play.refusals.Add(1) }

// greeted implements phoneLife.
func (o *mixUser) greeted(p *phone) {
	p.since = max(o.play.clock.now(), 1)
	o.play.logins.Add(1)
	o.play.online.Add(1)
}
