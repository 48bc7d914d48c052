package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/bench/peers/wire"
)

// talk is pairs of users: 2p sends to 2p+1.
//
// Closed loop: each pair keeps `inflight` messages under way. One is under way until the receiver has it and the sender has heard everything that the
// protocol says about it: both ticks, the PUBACK, the reply, the receipt.
// Paced: message n of all pairs is due at start + n x interval, whatever the server does.
type talk struct {
	c        *crowd
	marks    wire.Marks
	pairs    []pair
	blob     []byte
	inflight int64
	interval time.Duration
	start    int64
	issued   int64
	running  bool

	sent, arrived, settled atomic.Int64 // settled: not under way any more
}

type pair struct {
	due, sent, accepted, confirmed int64
	lane                           lane
	done                           int64
}

func newTalk(c *crowd, pairs, bytes int) *talk {
	return &talk{c: c, marks: c.dialect.Marks(), pairs: make([]pair, pairs), blob: make([]byte, bytes)}
}

// Ready implements job.
func (t *talk) Ready(*wire.Session) {}

// Arrived implements job.
func (t *talk) Arrived(s *wire.Session, payload []byte) {
	of, seq, err := parse(payload)
	if err != nil || int(of) != s.Index/2 || s.Index%2 == 0 {
		t.c.fail(fmt.Errorf("user %d got what is not for it (lane %d, %w)", s.Index, of, err))
		return
	}
	if t.pairs[of].lane.take(seq) {
		t.arrived.Add(1)
	}
	t.settle(int(of))
}

// Accepted implements job.
func (t *talk) Accepted(s *wire.Session, n int) {
	t.pairs[s.Index/2].accepted += int64(n)
	t.settle(s.Index / 2)
}

// Confirmed implements job.
func (t *talk) Confirmed(s *wire.Session, n int) {
	t.pairs[s.Index/2].confirmed += int64(n)
	t.settle(s.Index / 2)
}

// settle counts what is not under way any more, and sends more.
func (t *talk) settle(i int) {
	p := &t.pairs[i]
	done := p.lane.arrived
	if t.marks.Accepted {
		done = min(done, p.accepted)
	}
	if t.marks.Confirmed {
		done = min(done, p.confirmed)
	}
	if done > p.done {
		t.settled.Add(done - p.done)
		p.done = done
		t.pump(i)
	}
}

// pump sends what pair i may send now. Everything that it sends in a turn of the loop leaves in one write.
func (t *talk) pump(i int) {
	p := &t.pairs[i]
	for t.running {
		if t.interval > 0 && p.sent >= p.due || t.interval == 0 && p.sent-p.done >= t.inflight {
			return
		}
		p.sent++
		t.sent.Add(1)
		fill(t.blob, uint32(i), uint32(p.sent))
		m := t.c.members[2*i]
		t.c.out = t.c.dialect.Send(t.c.out[:0], &m.Session, 2*i+1, t.blob)
		t.c.say(m, t.c.out)
	}
}

// pace implements job.
func (t *talk) pace(now int64) {
	for t.running && t.interval > 0 && t.start+t.issued*int64(t.interval) <= now {
		i := int(t.issued % int64(len(t.pairs)))
		t.issued++
		t.pairs[i].due++
		t.pump(i)
	}
}

// play is one way to talk.
type play struct {
	inflight int // closed loop
	rate     int // paced: messages a second
}

// meter reads what a server has used: rig.Server.
type meter interface {
	CPU() (time.Duration, error)
	// Quiet waits until the server has nothing left to do.
	Quiet(ctx context.Context) (time.Duration, error)
}

// measured is what one way of talking cost.
type measured struct {
	CPU      time.Duration
	Messages int64
	Seconds  float64
}

// run talks for the warm-up and the time, and says what the server used in that time.
func (t *talk) run(ctx context.Context, s meter, p play, warm, d time.Duration) (out measured, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.c.on(func() {
		t.inflight, t.interval, t.running = int64(p.inflight), 0, true
		if p.rate > 0 {
			t.interval = time.Second / time.Duration(p.rate)
			t.start, t.issued = t.c.now(), 0
		}
		for i := range t.pairs {
			t.pairs[i].due = t.pairs[i].sent
			t.pump(i)
		}
	})
	if p.rate > 0 {
		go t.pacer(ctx, time.Second/time.Duration(p.rate)) // ends with ctx
	}
	if err := t.wait(ctx, warm); err != nil {
		return out, err
	}
	cpu, err := s.CPU()
	if err != nil {
		return out, err
	}
	had, began := t.settled.Load(), time.Now()
	if err := t.wait(ctx, d); err != nil {
		return out, err
	}
	after, err := s.CPU()
	if err != nil {
		return out, err
	}
	out = measured{CPU: after - cpu, Messages: t.settled.Load() - had, Seconds: time.Since(began).Seconds()}
	t.c.on(func() { t.running = false })
	return out, t.c.untilOrLost(ctx, t.settled.Load, func() bool { return t.settled.Load() >= t.sent.Load() })
}

// wait lets time pass; it ends early when the crowd has failed.
func (t *talk) wait(ctx context.Context, d time.Duration) error {
	end := time.After(d)
	for {
		select {
		case <-end:
			return t.c.err()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
			if err := t.c.err(); err != nil {
				return err
			}
		}
	}
}

// pacer wakes the loop once in each interval. select(2) keeps time to some microseconds where a timer of Go on an idle Linux would round to milliseconds.
func (t *talk) pacer(ctx context.Context, interval time.Duration) {
	for n := int64(1); ctx.Err() == nil; n++ {
		t.c.post([]byte{cmdPace})
		n = max(n, (t.c.now()-t.start)/int64(interval)+1)
		if d := t.start + n*int64(interval) - t.c.now(); d > 0 {
			tv := unix.NsecToTimeval(d)
			_, _ = unix.Select(0, nil, nil, nil, &tv) // a signal of the runtime ends it early, which does no harm
		}
	}
}

// check says what was lost or came twice, once everything has been waited for.
func (t *talk) check() (lost, doubled, skipped int64) {
	t.c.on(func() {
		for i := range t.pairs {
			p := &t.pairs[i]
			lost += p.sent - p.lane.arrived
			doubled += p.lane.doubled
			skipped += p.lane.skipped
		}
	})
	return lost, doubled, skipped
}
