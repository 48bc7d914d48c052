package bench

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/codec"
	"trunkline/netpoll"
)

// Talk counts what a crowd has said and heard, since it began.
type Talk struct {
	Talkers    int64 `json:"talkers"`
	Made       int64 `json:"made"` // messages that were due
	Arrived    int64 `json:"arrived"`
	Ticked     int64 `json:"ticked"` // first ticks
	Second     int64 `json:"second"` // second ticks
	Rejected   int64 `json:"rejected"`
	Refused    int64 `json:"refused"` // for a while; they were sent again
	Duplicated int64 `json:"duplicated"`
	Reordered  int64 `json:"reordered"`
	Corrupted  int64 `json:"corrupted"`
	Dropped    int64 `json:"dropped"` // sessions cut
	Cuts       int64 `json:"cuts"`    // loops that have cut their share
	Told       int64 `json:"told"`    // sessions that were asked to leave
}

// plus adds another crowd's.
func (t Talk) plus(o Talk) Talk {
	t.Talkers += o.Talkers
	t.Made += o.Made
	t.Arrived += o.Arrived
	t.Ticked += o.Ticked
	t.Second += o.Second
	t.Rejected += o.Rejected
	t.Refused += o.Refused
	t.Duplicated += o.Duplicated
	t.Reordered += o.Reordered
	t.Corrupted += o.Corrupted
	t.Dropped += o.Dropped
	t.Cuts += o.Cuts
	t.Told += o.Told
	return t
}

// talker is a session that talks: it writes to the next talker of its process and hears the one before. What it has made stays in its outbox, which
// is a range of numbers, until the first tick; it is sent again on the next connection.
//
//	messages are numbered from 1; the cseq of number n is base+n:  ticked <= sent <= made
type talker struct {
	index       uint32
	number      uint32 // its place in the ring, and the mark of what it writes
	to          uint32 // index of whom it writes to
	before      *talker
	id          netpoll.ConnID
	online      bool
	window      uint32
	base        uint64
	made        uint32
	sent        uint32 // on this connection
	ticked      uint32
	second      uint32
	pausedUntil int64  // ns: a soft refusal asked to wait
	seen        uint64 // highest seq: what comes at or below it again is dropped, as a client does
	heard       stream // messages of before
}

// crowdWatch is the crowd's part of a sessionLoop. It belongs to the loop, but for the counters.
type crowdWatch struct {
	sl      *sessionLoop
	w       *crowdWorker
	payload payloadCodec
	orders  talkOrders
	start   int64 // when the first message was due
	issued  uint64
	talking bool
	ring    []*talker
	talkers map[uint32]*talker // by the session's index
	paused  int
	tally   tally
	delays  *hdrhistogram.Histogram // of what was due while somebody watched
	watched bool
	since   int64 // what was due before does not count
	blob    []byte
	parts   codec.Parts
	sum     Talk

	cutting cutting
	back    wayBack

	shown               atomic.Pointer[Talk] // what other goroutines see
	dropped, told, cuts atomic.Int64
}

func newCrowdWatch(w *crowdWorker) *crowdWatch {
	cw := &crowdWatch{sl: w.loop, w: w, payload: newPayloadCodec(), delays: newHistogram(), talkers: map[uint32]*talker{}}
	cw.back.begin()
	cw.shown.Store(&Talk{})
	return cw
}

// counts may be called by any goroutine.
func (cw *crowdWatch) counts() Talk {
	t := *cw.shown.Load()
	t.Cuts, t.Dropped, t.Told = cw.cuts.Load(), cw.dropped.Load(), cw.told.Load()
	return t
}

// publish copies the counters for other goroutines.
func (cw *crowdWatch) publish() {
	t := cw.sum
	t.Talkers = int64(len(cw.ring))
	t.Arrived, t.Duplicated = int64(cw.tally.Delivered), int64(cw.tally.Duplicated)
	t.Reordered, t.Corrupted = int64(cw.tally.Reordered), int64(cw.tally.Corrupted)
	if t != *cw.shown.Load() {
		cw.shown.Store(&t)
	}
}

// command takes an order of the run.
func (cw *crowdWatch) command(msg []byte) {
	now := cw.sl.clock.now()
	switch msg[0] {
	case cmdTalk:
		cw.orders = *cw.w.talks.Load()
		cw.begin(now)
	case cmdPace:
		cw.issue(now)
	case cmdHush:
		cw.issue(now)
		cw.talking = false
	case cmdWatch, cmdUnwatch:
		cw.watched, cw.since = msg[0] == cmdWatch, now
	case cmdDrop:
		cw.cutting = cutting{
			share: binary.BigEndian.Uint32(msg[1:]), seed: binary.BigEndian.Uint64(msg[5:]), every: time.Duration(binary.BigEndian.Uint64(msg[13:])),
			start: now + int64(stormLead),
		}
		cw.cut()
	case cmdCutOn:
		cw.cut()
	case cmdPart:
		cw.sl.parting = true
	case cmdSave:
		cw.w.answer <- cw.saved(int(binary.BigEndian.Uint32(msg[1:])))
	case cmdDelays:
		cw.w.answer <- encodeHistogram(cw.delays)
		cw.delays.Reset()
	}
}

// begin chooses who talks, of those who are there, and to whom.
func (cw *crowdWatch) begin(now int64) {
	share := uint32(min(cw.orders.Share*(1<<32), 1<<32-1))
	for i := range cw.sl.slots {
		s := &cw.sl.slots[i]
		if s.state != sessionReady || !chosen(s.index, cw.orders.Seed, share) {
			continue
		}
		t := &talker{
			index: s.index, number: uint32(len(cw.ring)), id: s.id, online: true, base: s.upHigh, window: uint32(max(s.window, 1)), seen: s.seen,
		}
		cw.ring = append(cw.ring, t)
		cw.talkers[s.index] = t
	}
	for i, t := range cw.ring {
		next := cw.ring[(i+1)%len(cw.ring)]
		t.to, next.before = next.index, t
	}
	cw.blob = make([]byte, cw.orders.Bytes)
	cw.start, cw.issued, cw.talking = now, 0, len(cw.ring) > 0
}

// dueAt is when message n (from 0) of this loop is due: the talkers take turns, all within orders.Every.
func (cw *crowdWatch) dueAt(n uint64) int64 {
	return cw.start + int64(float64(n)*float64(cw.orders.Every)/float64(len(cw.ring)))
}

// issue makes what is due by now, and goes on with those whose pause is over.
func (cw *crowdWatch) issue(now int64) {
	for cw.talking && cw.dueAt(cw.issued) <= now {
		t := cw.ring[cw.issued%uint64(len(cw.ring))]
		cw.issued++
		t.made++
		cw.sum.Made++
		cw.pump(t)
	}
	if cw.paused == 0 {
		return
	}
	for _, t := range cw.ring {
		if t.pausedUntil != 0 && t.pausedUntil <= now {
			t.pausedUntil = 0
			cw.paused--
			cw.pump(t)
		}
	}
}

// pump sends what a talker may send now.
func (cw *crowdWatch) pump(t *talker) {
	for t.online && t.pausedUntil == 0 && t.sent < t.made && t.sent-t.ticked < t.window {
		t.sent++
		at := cw.dueAt(uint64(t.sent-1)*uint64(len(cw.ring)) + uint64(t.number))
		cw.payload.fill(cw.blob, t.number, payload{seq: t.sent, at: at})
		cw.parts = cw.parts[:0].Append(codec.Part{Blob: cw.blob})
		v := codec.Send{Cseq: t.base + uint64(t.sent), To: cw.sl.first + uint64(t.to), N: 1, Parts: cw.parts}
		b, err := codec.AppendSend(cw.sl.scratch[:0], &v)
		if err != nil {
			cw.sl.fail("encode a message: %v", err)
			cw.talking = false
			return
		}
		cw.sl.scratch = b
		cw.sl.send(t.id, b)
	}
}

// ready is a session that has logged in, perhaps a talker that was away.
func (cw *crowdWatch) ready(s *session, v codec.Success) {
	cw.returned(s)
	t := cw.talkers[s.index]
	if t == nil {
		return
	}
	t.id, t.online, t.window = s.id, true, uint32(max(v.WindowEntries, 1))
	if t.pausedUntil != 0 {
		t.pausedUntil = 0
		cw.paused--
	}
	cw.ticked(t, v.UpHigh)
	t.sent = t.ticked
	cw.pump(t)
}

// frame takes what concerns talkers.
func (cw *crowdWatch) frame(s *session, f codec.Frame, now int64) error {
	cw.frameOfJob(s, f)
	t := cw.talkers[s.index]
	if t == nil {
		return nil
	}
	switch f.Kind {
	case codec.KindDeliver:
		v, err := codec.ParseDeliver(f)
		if err == nil && v.Seq > t.seen {
			t.seen = v.Seq
			cw.delivered(t, &v, now)
		}
		return err
	case codec.KindReceipt:
		v, err := codec.ParseReceipt(f)
		if err == nil && v.Seq > t.seen {
			t.seen = v.Seq
			cw.receipt(t, &v)
		}
		return err
	case codec.KindAck:
		v, err := codec.ParseTick(f)
		if err == nil {
			cw.ticked(t, v.UpHigh)
			cw.pump(t)
		}
		return err
	}
	return nil
}

// delivered checks one message.
func (cw *crowdWatch) delivered(t *talker, v *codec.Deliver, now int64) {
	m, ok := cw.payload.parse(v.Blob, t.before.number)
	if !ok || v.From != cw.sl.first+uint64(t.before.index) {
		cw.tally.count(fabricated)
		return
	}
	if cw.tally.count(t.heard.take(m.seq, t.before.made)) && cw.watched && m.at >= cw.since {
		record(cw.delays, now-m.at)
	}
}

// ticked takes a first tick: everything up to upHigh.
func (cw *crowdWatch) ticked(t *talker, upHigh uint64) {
	if upHigh < t.base || upHigh > t.base+uint64(t.made) {
		cw.sl.fail("first tick %d for a device that made %d to %d", upHigh, t.base+1, t.base+uint64(t.made))
		return
	}
	if n := uint32(upHigh - t.base); n > t.ticked {
		cw.sum.Ticked += int64(n - t.ticked)
		t.ticked = n
		t.sent = max(t.sent, n)
	}
}

// receipt takes second ticks and rejections.
func (cw *crowdWatch) receipt(t *talker, v *codec.Receipt) {
	if v.Last < v.First || v.First <= t.base || v.Last > t.base+uint64(t.made) {
		cw.sl.fail("receipt for %d to %d that were not sent", v.First, v.Last)
		return
	}
	n := int64(v.Last - v.First + 1)
	switch v.Kind {
	case codec.ReceiptDelivered:
		t.second += uint32(n)
		cw.sum.Second += n
	case codec.ReceiptRejected:
		cw.sum.Rejected += n
		cw.sl.fail("the server rejected a message with code %d", v.Code)
	}
}

// held takes a temporary refusal: go back to that message and wait as long as the server asks.
func (cw *crowdWatch) held(t *talker, v *codec.Error, now int64) {
	cw.sum.Refused++
	if v.Ref <= t.base+uint64(t.ticked) || v.Ref > t.base+uint64(t.sent) {
		return
	}
	t.sent = uint32(v.Ref-t.base) - 1
	if t.pausedUntil == 0 {
		cw.paused++
	}
	t.pausedUntil = now + int64(v.RetryAfterMs)*int64(time.Millisecond) + 1
}
