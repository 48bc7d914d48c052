package bench

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/netpoll"
)

// groupWriter is a member that writes to the group. Its messages are numbered from 1 over all rounds; the cseq of number n is base+n.
type groupWriter struct {
	base, ticked uint64
	sent         uint32
	dueAt        [InflightMax]int64 // of the messages without a first tick: number n is at n mod InflightMax
}

// groupCounts are read by other goroutines; the loop publishes them once a turn.
type groupCounts struct {
	sent, arrived, places, ticked, second, owed atomic.Int64
	running                                     atomic.Int64 // 1 between cmdBegin and cmdStop
}

// groupAnswer is what a server says to a request.
type groupAnswer struct {
	ref     uint32
	code    codec.ErrorCode
	text    string
	group   uint64
	refused int // of those who were named
}

// groupCrowd are the members of one group, of which the first write. It drives one side of the comparison, on one loop.
//
// Closed loop: `inflight` messages are on their way to somebody. Paced: message n is due at start + n x interval, whatever the server does, and its
// latency counts from then.
type groupCrowd struct {
	sl      *sessionLoop
	members int
	group   uint64
	payload payloadCodec
	tape    codec.Tape
	answers chan groupAnswer // has room for all that are asked for

	writers []groupWriter
	conns   []netpoll.ConnID // by the member's number
	streams []stream         // of member m and writer w at m*len(writers)+w

	// Of one round, set before cmdBegin.
	start    int64
	interval time.Duration
	inflight uint64
	away     bool // nobody but the writers is there: a message is done with its first tick

	running        bool
	issued         uint64
	sentBefore     uint64 // in earlier rounds
	arrivedBefore  uint64
	tickedBefore   uint64
	sent           uint64 // in the whole run, as all below
	places, ticked uint64
	second         uint64
	tally          tally
	latency, tick  *hdrhistogram.Histogram // of this round
	counts         groupCounts
	blob           []byte
	parts          codec.Parts
	frames         []byte // of one writer, written at once
}

func newGroupCrowd(sl *sessionLoop, members, writers, bytes int) *groupCrowd {
	return &groupCrowd{
		sl: sl, members: members, payload: newPayloadCodec(), answers: make(chan groupAnswer, members), writers: make([]groupWriter, writers),
		conns: make([]netpoll.ConnID, members), streams: make([]stream, members*writers), latency: newHistogram(), tick: newHistogram(),
		blob: make([]byte, bytes),
	}
}

// ready implements sessionWatch.
func (g *groupCrowd) ready(s *session, v codec.Success) {
	g.conns[s.index] = s.id
	if int(s.index) < len(g.writers) {
		g.writers[s.index].base = v.UpHigh
	}
}

// command implements sessionWatch.
func (g *groupCrowd) command(msg []byte) {
	now := g.sl.clock.now()
	switch msg[0] {
	case cmdSay:
		g.sl.send(g.conns[0], msg[1:])
	case cmdBegin:
		g.running, g.issued = true, 0
		g.sentBefore, g.arrivedBefore, g.tickedBefore = g.sent, g.tally.Delivered, g.ticked
		g.latency.Reset()
		g.tick.Reset()
		g.issue(now)
	case cmdPace:
		g.issue(now)
		g.sl.payOwed(now)
	case cmdAway:
		for m := len(g.writers); m < g.members; m++ {
			g.sl.cutOne(&g.sl.slots[g.conns[m].Slot()])
		}
	case cmdStop:
		g.running = false
	}
}

// under is how many messages of this round are on their way.
func (g *groupCrowd) under() uint64 {
	sent := g.sent - g.sentBefore
	if g.away {
		return sent - (g.ticked - g.tickedBefore)
	}
	return sent - min(sent, (g.tally.Delivered-g.arrivedBefore)/uint64(g.members-1))
}

// issue sends what is due, or what is to be on its way, in turn by each writer.
func (g *groupCrowd) issue(now int64) {
	for g.running {
		w := int(g.issued % uint64(len(g.writers)))
		at := now
		if g.interval > 0 {
			if at = g.start + int64(float64(g.issued)*float64(g.interval)); at > now {
				return
			}
		} else if g.under() >= g.inflight {
			return
		}
		one := &g.writers[w]
		if uint64(one.sent)-one.ticked >= InflightMax {
			return // its window is closed: what is due waits, and its latency counts
		}
		g.sendOne(w, one, at)
		g.issued++
	}
}

func (g *groupCrowd) sendOne(w int, one *groupWriter, at int64) {
	one.sent++
	g.sent++
	one.dueAt[one.sent%InflightMax] = at
	g.payload.fill(g.blob, uint32(w), payload{seq: one.sent, at: at})
	g.parts = g.parts[:0].Append(codec.Part{Blob: g.blob})
	var err error
	g.frames, err = codec.AppendSend(g.frames[:0], &codec.Send{Cseq: one.base + uint64(one.sent), To: g.group, Flags: codec.FlagGroup, N: 1, Parts: g.parts})
	if err != nil {
		g.sl.fail("encode a message: %v", err)
		g.running = false
		return
	}
	g.sl.send(g.conns[w], g.frames)
}

// frame implements sessionWatch.
func (g *groupCrowd) frame(s *session, f codec.Frame, now int64) error {
	switch f.Kind {
	case codec.KindDeliver:
		v, err := codec.ParseDeliver(f)
		if err == nil {
			g.delivered(s, &v, now)
		}
		return err
	case codec.KindAck:
		v, err := codec.ParseTick(f)
		if err == nil {
			g.firstTick(s, v.UpHigh, now)
		}
		return err
	case codec.KindReceipt:
		v, err := codec.ParseReceipt(f)
		if err == nil {
			g.receipt(&v)
		}
		return err
	case codec.KindNode:
		return g.answer(f)
	}
	return nil
}

// delivered checks one message. What the server itself says of the group is acknowledged and no more.
func (g *groupCrowd) delivered(s *session, v *codec.Deliver, now int64) {
	switch v.Kind {
	case codec.PayloadGroupEvent:
		return
	case codec.PayloadGroupPlace:
		g.places++
		return
	}
	w := v.From - g.sl.first
	if w >= uint64(len(g.writers)) || v.Group != g.group {
		g.tally.count(fabricated)
		return
	}
	m, ok := g.payload.parse(v.Blob, uint32(w))
	if !ok {
		g.tally.count(fabricated)
		return
	}
	if g.tally.count(g.streams[int(s.index)*len(g.writers)+int(w)].take(m.seq, g.writers[w].sent)) {
		record(g.latency, now-m.at)
		if g.interval == 0 {
			g.issue(now)
		}
	}
}

func (g *groupCrowd) firstTick(s *session, upHigh uint64, now int64) {
	if int(s.index) >= len(g.writers) {
		return
	}
	one := &g.writers[s.index]
	if upHigh < one.base || upHigh > one.base+uint64(one.sent) {
		g.sl.fail("first tick %d for a writer that sent %d", upHigh, one.sent)
		return
	}
	for one.ticked < upHigh-one.base {
		one.ticked++
		g.ticked++
		record(g.tick, now-one.dueAt[one.ticked%InflightMax])
	}
	g.issue(now)
}

func (g *groupCrowd) receipt(v *codec.Receipt) {
	switch n := v.Last - v.First + 1; {
	case v.Kind == codec.ReceiptRejected:
		g.sl.fail("the server rejected a message with code %d", v.Code)
	case v.Kind == codec.ReceiptDelivered && v.Flags&codec.FlagGroup != 0:
		g.second += n
	}
}

// answer hands an answer to who has asked; notices have no ref.
func (g *groupCrowd) answer(f codec.Frame) error {
	var a iq.Answer
	var n iq.Notice
	notice, err := iq.ParseReply(&g.tape, f, &a, &n)
	if err != nil || notice {
		return err
	}
	select {
	case g.answers <- groupAnswer{a.Ref, a.Code, a.Text, a.Group.Group, len(a.Outcomes)}:
		return nil
	default:
		return fmt.Errorf("%w: an answer that nobody asked for", ErrServer)
	}
}

// publish implements sessionWatch.
func (g *groupCrowd) publish() {
	c := &g.counts
	c.sent.Store(int64(g.sent))
	c.arrived.Store(int64(g.tally.Delivered))
	c.places.Store(int64(g.places))
	c.ticked.Store(int64(g.ticked))
	c.second.Store(int64(g.second))
	c.owed.Store(int64(len(g.sl.owed)))
	running := int64(0)
	if g.running {
		running = 1
	}
	c.running.Store(running) // the last: who sees the end sees all above
}

// say makes the command with which session 0 sends a frame.
func say(frame []byte) []byte { return append([]byte{cmdSay}, frame...) }
