package bench

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/codec"
	"trunkline/netpoll"
)

// pair is a sender and a receiver, both on one loop. Messages are numbered from 1; the cseq of number n is base+n.
type pair struct {
	sender, receiver netpoll.ConnID
	base             uint64 // the server's mark at login
	pausedUntil      int64  // ns: a soft refusal asked to wait
	sent             uint32
	sentMax          uint32 // sent falls back after a refusal, this does not
	due              uint32 // paced: how many should have been sent by now
	arrived          uint32
	ticked           uint32 // first ticks
	window           uint32
	stream           stream
	dueAt            []int64 // ns, of the messages without a first tick: number n is at n mod window
}

// plan is what the traffic of one loop is to be.
type plan struct {
	payloadBytes int
	inflight     uint32        // closed loop: messages under way on a pair
	interval     time.Duration // paced: from one message of this loop to the next; 0: closed loop
}

// trafficCounts are read by other goroutines; the loop publishes them once a turn.
type trafficCounts struct {
	sent, arrived, ticked, second, rejected atomic.Int64
	running                                 atomic.Int64 // 1 between cmdBegin and cmdStop
}

// traffic sends and checks the messages of one loop's pairs.
//
// Closed loop: each pair keeps plan.inflight messages under way; a delivery starts the next.
// Paced: message n of the loop is due at start + n x interval, whatever the server does, and its latency counts from
// then: a server that stalls is charged for all that were due meanwhile.
type traffic struct {
	sl      *sessionLoop
	plan    plan
	payload payloadCodec
	pairs   []pair
	loops   int // pair number p is pairs[p/loops] of loop p%loops
	running bool
	start   int64  // when the first message is due; set before cmdBegin
	issued  uint64 // paced: messages that were due so far
	paused  int    // pairs that wait after a refusal

	tally   tally
	latency *hdrhistogram.Histogram
	tick    *hdrhistogram.Histogram // from due to first tick
	late    *hdrhistogram.Histogram // how late the generator itself was
	trail   *trail                  // nil: single messages are not remembered
	pulse   *pulse                  // nil: nobody reads latencies while the run goes on
	counts  trafficCounts

	sent, ticks, second, rejected, refusals uint64
	measureFrom, measureTo                  int64 // ns: only messages due in this window count for the latency

	blob  []byte
	parts codec.Parts
}

func newTraffic(sl *sessionLoop, p plan, loops, pairs int) *traffic {
	return &traffic{
		sl: sl, plan: p, payload: newPayloadCodec(), loops: loops, pairs: make([]pair, pairs),
		latency: newHistogram(), tick: newHistogram(), late: newHistogram(), blob: make([]byte, p.payloadBytes),
	}
}

// pairOf finds the pair of a session: indexes 2p and 2p+1 are sender and receiver of pair p.
func (t *traffic) pairOf(s *session) *pair { return &t.pairs[int(s.index>>1)/t.loops] }

func isSender(s *session) bool { return s.index&1 == 0 }

// ready notes a session that has logged in.
func (t *traffic) ready(s *session, v codec.Success) {
	p := t.pairOf(s)
	if isSender(s) {
		p.sender, p.base = s.id, v.UpHigh
		bySize := max(int(v.WindowBytes)/max(t.plan.payloadBytes, 1), 1)
		p.window = uint32(max(min(int(v.WindowEntries), bySize), 1))
		p.dueAt = make([]int64, p.window)
	} else {
		p.receiver = s.id
	}
}

// command takes an order of the run.
func (t *traffic) command(c byte) {
	now := t.sl.clock.now()
	switch c {
	case cmdBegin:
		t.running = true
		if t.plan.interval == 0 {
			for i := range t.pairs {
				t.pump(i, now)
			}
		}
	case cmdPace:
		t.issue(now)
	case cmdMeasure:
		t.measureFrom, t.measureTo = now, math.MaxInt64
	case cmdMeasured:
		t.measureTo = now
	case cmdStop:
		t.issue(now)
		t.running = false
	}
}

// dueAt is when message n (from 0) of this loop is due.
func (t *traffic) dueAt(n uint64) int64 {
	return t.start + int64(float64(n)*float64(t.plan.interval))
}

// issue marks what is due by now and sends it as far as windows allow; it also goes on with pairs whose pause is over.
func (t *traffic) issue(now int64) {
	if !t.running {
		return
	}
	for t.plan.interval > 0 && t.dueAt(t.issued) <= now {
		i := int(t.issued % uint64(len(t.pairs)))
		t.pairs[i].due++
		t.issued++
		t.pump(i, now)
	}
	if t.paused > 0 {
		t.unpause(now)
	}
}

// unpause goes on with the pairs whose pause is over.
func (t *traffic) unpause(now int64) {
	for i := range t.pairs {
		if p := &t.pairs[i]; p.pausedUntil != 0 && p.pausedUntil <= now {
			p.pausedUntil = 0
			t.paused--
			t.pump(i, now)
		}
	}
}

// pump sends what pair i may send now.
func (t *traffic) pump(i int, now int64) {
	p := &t.pairs[i]
	for t.running && p.sender != 0 && p.pausedUntil == 0 && p.sent-p.ticked < p.window {
		at := now
		if t.plan.interval > 0 {
			if p.sent >= p.due {
				return
			}
			at = t.dueAt(uint64(p.sent)*uint64(len(t.pairs)) + uint64(i))
		} else if p.sent-p.arrived >= t.plan.inflight {
			return
		}
		t.sendOne(i, p, at, now)
	}
}

// sendOne sends the next message of a pair.
func (t *traffic) sendOne(i int, p *pair, at, now int64) {
	p.sent++
	if p.sent > p.sentMax {
		p.sentMax = p.sent
		t.sent++
	}
	number := uint32(i*t.loops + t.sl.loop.Index())
	t.payload.fill(t.blob, number, payload{seq: p.sent, at: at})
	t.parts = t.parts[:0].Append(codec.Part{Blob: t.blob})
	receiver := t.sl.first + 2*uint64(number) + 1
	v := codec.Send{Cseq: p.base + uint64(p.sent), To: receiver, N: 1, Parts: t.parts}
	var err error
	if t.sl.scratch, err = codec.AppendSend(t.sl.scratch[:0], &v); err != nil {
		t.sl.fail("encode a message: %v", err)
		t.running = false
		return
	}
	p.dueAt[p.sent%p.window] = at
	t.sl.send(p.sender, t.sl.scratch)
	if t.measured(at) {
		record(t.late, now-at)
	}
}

// measured says whether a message that was due at that time counts for the percentiles.
func (t *traffic) measured(at int64) bool { return at >= t.measureFrom && at < t.measureTo }

// delivered checks one message.
func (t *traffic) delivered(s *session, v *codec.Deliver, now int64) {
	p := t.pairOf(s)
	m, ok := t.payload.parse(v.Blob, s.index>>1)
	if !ok || isSender(s) || v.From != t.sl.first+uint64(s.index-1) {
		t.tally.count(fabricated)
		return
	}
	if !t.tally.count(p.stream.take(m.seq, p.sentMax)) {
		return
	}
	p.arrived++
	t.pulse.note(now - m.at)
	if t.measured(m.at) {
		record(t.latency, now-m.at)
		t.trail.add(m.at, now-m.at)
	}
	if t.plan.interval == 0 {
		t.pump(int(s.index>>1)/t.loops, now)
	}
}

// ticked takes a first tick: everything up to upHigh.
func (t *traffic) ticked(s *session, upHigh uint64, now int64) {
	p := t.pairOf(s)
	if !isSender(s) || upHigh < p.base || upHigh > p.base+uint64(p.sentMax) {
		t.sl.fail("first tick %d for a sender that sent %d", upHigh, p.sentMax)
		return
	}
	if n := uint32(upHigh - p.base); n > p.ticked {
		for i := p.ticked + 1; i <= n; i++ {
			if at := p.dueAt[i%p.window]; t.measured(at) {
				record(t.tick, now-at)
			}
		}
		t.ticks += uint64(n - p.ticked)
		p.ticked = n
		p.sent = max(p.sent, n)
	}
	t.pump(int(s.index>>1)/t.loops, now)
}

// receipt takes second ticks and rejections.
func (t *traffic) receipt(s *session, v *codec.Receipt) {
	if v.Last < v.First || !isSender(s) || v.Last > t.pairOf(s).base+uint64(t.pairOf(s).sentMax) {
		t.sl.fail("receipt for %d to %d that were not sent", v.First, v.Last)
		return
	}
	n := v.Last - v.First + 1
	switch v.Kind {
	case codec.ReceiptDelivered:
		t.second += n
	case codec.ReceiptRejected:
		t.rejected += n
		t.sl.fail("the server rejected a message with code %d", v.Code)
	}
}

// refused takes a temporary refusal: go back to that message and wait as long as the server asks.
func (t *traffic) refused(s *session, v *codec.Error, now int64) {
	t.refusals++
	p := t.pairOf(s)
	if !isSender(s) || v.Ref <= p.base || v.Ref > p.base+uint64(p.sent) {
		return
	}
	p.sent = uint32(v.Ref-p.base) - 1
	if p.pausedUntil == 0 {
		t.paused++
	}
	p.pausedUntil = now + int64(v.RetryAfterMs)*int64(time.Millisecond) + 1
}

// publish copies the counters for other goroutines.
func (t *traffic) publish() {
	t.counts.sent.Store(int64(t.sent))
	t.counts.arrived.Store(int64(t.tally.Delivered))
	t.counts.ticked.Store(int64(t.ticks))
	t.counts.second.Store(int64(t.second))
	t.counts.rejected.Store(int64(t.rejected))
	running := int64(0)
	if t.running {
		running = 1
	}
	t.counts.running.Store(running)
}

// unsent is how many messages were due and never left, because windows were closed.
func (t *traffic) unsent() (n uint64) {
	for i := range t.pairs {
		n += uint64(t.pairs[i].due) - min(uint64(t.pairs[i].due), uint64(t.pairs[i].sentMax))
	}
	return n
}
