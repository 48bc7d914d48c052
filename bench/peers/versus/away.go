package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"trunkline/bench/peers/wire"
)

// backlog is how many users are away, and how many messages are to wait for each of them.
type backlog struct {
	Users    int `json:"users"`
	Messages int `json:"messages"`
}

// total is how many messages wait in all.
func (b backlog) total() int64 { return int64(b.Users) * int64(b.Messages) }

// writersMax is how many users write to those who are away.
const writersMax = 10

// away has writers fill the queues of users who are away. The users have the numbers 0..Users-1, the writers those behind them. Each writer goes round
// its users, one message each, and keeps `inflight` messages under way; one is under way until the server has said that it took it.
type away struct {
	c        *crowd
	b        backlog
	inflight int64
	bytes    int
	writers  []writer
	lanes    []lane
	blob     []byte

	taken   atomic.Int64
	arrived atomic.Int64
}

type writer struct {
	user  int // whom to write to next
	seq   int // the message's number
	sent  int64
	taken int64
}

func newAway(c *crowd, b backlog, writers, inflight, bytes int) *away {
	a := &away{c: c, b: b, inflight: int64(inflight), bytes: bytes, lanes: make([]lane, b.Users), blob: make([]byte, bytes)}
	for i := range min(writers, b.Users) {
		a.writers = append(a.writers, writer{user: i, seq: 1})
	}
	return a
}

// Ready implements job.
func (a *away) Ready(*wire.Session) {}

// pace implements job.
func (a *away) pace(int64) {}

// Confirmed implements job: whether it was fetched is seen by those who fetch.
func (a *away) Confirmed(*wire.Session, int) {}

// Accepted implements job.
func (a *away) Accepted(s *wire.Session, n int) {
	i := s.Index - a.b.Users
	if i < 0 {
		return
	}
	a.writers[i].taken += int64(n)
	a.taken.Add(int64(n))
	a.pump(i)
}

// pump sends what writer i may send now, in one write.
func (a *away) pump(i int) {
	w := &a.writers[i]
	m := a.c.members[a.b.Users+i]
	out := a.c.out[:0]
	before := w.sent
	for w.sent-w.taken < a.inflight && w.seq <= a.b.Messages {
		fill(a.blob, uint32(w.user), uint32(w.seq))
		out = a.c.dialect.Send(out, &m.Session, w.user, a.blob)
		w.sent++
		if w.user += len(a.writers); w.user >= a.b.Users {
			w.user = i
			w.seq++
		}
	}
	if w.sent > before {
		out = a.c.dialect.Mark(out, &m.Session)
	}
	a.c.out = out
	a.c.say(m, out)
}

// Arrived implements job.
func (a *away) Arrived(s *wire.Session, payload []byte) {
	of, seq, err := parse(payload)
	if err != nil || int(of) != s.Index {
		a.c.fail(fmt.Errorf("user %d got what is not for it (lane %d, %w)", s.Index, of, err))
		return
	}
	l := &a.lanes[of]
	if l.take(seq) {
		a.arrived.Add(1)
	}
}

// know has the users log in once, so that the server knows them and keeps for them, and leave.
func (a *away) know(ctx context.Context) error {
	for i := range a.b.Users {
		a.c.members[i].Keeps = true
	}
	a.c.begin(a)
	if err := a.c.enter(ctx, 0, a.b.Users); err != nil {
		return err
	}
	if err := a.c.leave(ctx, 0, a.b.Users); err != nil {
		return err
	}
	return a.c.enter(ctx, a.b.Users, a.b.Users+len(a.writers))
}

// queue fills the queues, and says what that cost.
func (a *away) queue(ctx context.Context, s meter) (out measured, err error) {
	cpu, err := s.Quiet(ctx)
	if err != nil {
		return out, err
	}
	began := time.Now()
	a.c.on(func() {
		for i := range a.writers {
			a.pump(i)
		}
	})
	if err := a.c.until(ctx, a.taken.Load, func() bool { return a.taken.Load() >= a.b.total() }, "messages taken"); err != nil {
		return out, err
	}
	took := time.Since(began)
	after, err := s.Quiet(ctx)
	return measured{CPU: after - cpu, Messages: a.b.total(), Seconds: took.Seconds()}, err
}

// drain has the users come back and fetch everything, and says what that cost, login included.
func (a *away) drain(ctx context.Context, s meter) (out measured, err error) {
	cpu, err := s.CPU()
	if err != nil {
		return out, err
	}
	began := time.Now()
	if err := a.c.enter(ctx, 0, a.b.Users); err != nil {
		return out, err
	}
	if err := a.c.untilOrLost(ctx, a.arrived.Load, func() bool { return a.arrived.Load() >= a.b.total() }); err != nil {
		return out, err
	}
	took := time.Since(began)
	after, err := s.Quiet(ctx)
	return measured{CPU: after - cpu, Messages: a.arrived.Load(), Seconds: took.Seconds()}, err
}

// check says what was lost or came twice.
func (a *away) check() (lost, doubled, skipped int64) {
	a.c.on(func() {
		for i := range a.lanes {
			lost += int64(a.b.Messages) - a.lanes[i].arrived
			doubled += a.lanes[i].doubled
			skipped += a.lanes[i].skipped
		}
	})
	return lost, doubled, skipped
}
