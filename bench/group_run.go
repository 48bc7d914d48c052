package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"trunkline/codec/iq"
	"trunkline/netpoll"
)

// groupRun is one run under way.
type groupRun struct {
	cfg    GroupConfig
	report *Report
	out    *GroupResult
	p      *progress
	clock  clock
	target *target
	sides  []*groupSide // the group's server first
}

// groupSide is one server with its members.
type groupSide struct {
	name   string
	addr   string
	child  *child // nil: the group's server
	fleet  *fleet
	loop   *sessionLoop
	crowd  *groupCrowd
	second bool // whoever writes is told when all have a message
}

// open starts the servers, logs the members in and makes the group.
func (r *groupRun) open(ctx context.Context, env Env) (err error) {
	if r.target, err = openTarget(ctx, r.cfg.Target, env, r.cfg.Members); err != nil {
		return err
	}
	self, err := env.selfPath()
	if err != nil {
		return err
	}
	r.sides = append(r.sides, &groupSide{name: groupServer, addr: r.target.addr, second: true})
	for _, name := range []string{fanoutBare, fanoutNetpoll} {
		c, err := startChild(ctx, name, self, childArgs(name)...)
		if err != nil {
			return err
		}
		r.sides = append(r.sides, &groupSide{name: name, addr: c.addr, child: c})
		if err := requireLoopback(c.addr); err != nil {
			return err
		}
	}
	for _, s := range r.sides {
		if err := r.logIn(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	began := time.Now()
	if err := r.makeGroup(ctx); err != nil {
		return err
	}
	r.out.SetUpSeconds = round(time.Since(began).Seconds(), 2)
	return nil
}

// logIn opens all sessions of one side.
func (r *groupRun) logIn(ctx context.Context, s *groupSide) (err error) {
	first := firstUser()
	s.fleet, err = newFleet(s.addr, 1, r.cfg.Members, func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		s.loop = newSessionLoop(f, l, r.clock, first)
		s.loop.moment = r.cfg.Moment
		s.crowd = newGroupCrowd(s.loop, r.cfg.Members, r.cfg.Writers, r.cfg.Bytes)
		s.loop.watch = s.crowd
		return s.loop
	})
	if err != nil {
		return err
	}
	return logAllIn(ctx, s.fleet, s.loop, r.cfg.Members, r.cfg.stall, func(ready int64) { r.p.often("group: %s, %d members logged in", s.name, ready) })
}

// logAllIn connects sessions 0 to n-1 on one loop and waits until they are logged in.
func logAllIn(ctx context.Context, f *fleet, sl *sessionLoop, n int, stall time.Duration, each func(ready int64)) error {
	if err := f.connect(ctx, 0, n, func(int) int { return 0 }); err != nil {
		return err
	}
	done := func() bool { return sl.counts.ready.Load() == int64(n) || sl.counts.failed.Load() > 0 }
	err := waitFor(ctx, stall, sl.counts.ready.Load, done, func() { each(sl.counts.ready.Load()) })
	if err == nil && sl.counts.failed.Load() > 0 {
		err = fmt.Errorf("%w: %d of %d sessions", ErrLogin, sl.counts.ready.Load(), n)
	}
	return err
}

// makeGroup has the first member make the group and add all others, a page at a time. The other sides need no more than a number.
func (r *groupRun) makeGroup(ctx context.Context) error {
	s := r.sides[0]
	a, err := r.ask(ctx, s, &iq.Request{Ref: 1, Op: iq.OpGroupCreate, Token: s.loop.first, Text: "bench"})
	if err != nil {
		return err
	}
	for from := 1; from < r.cfg.Members; from += iq.UsersMax {
		q := iq.Request{Ref: uint32(1 + from), Op: iq.OpGroupAdd, Group: a.group}
		for m := from; m < min(from+iq.UsersMax, r.cfg.Members); m++ {
			q.Users = append(q.Users, s.loop.first+uint64(m))
		}
		added, err := r.ask(ctx, s, &q)
		if err != nil {
			return err
		}
		if added.refused > 0 {
			return fmt.Errorf("%w: %d of %d users could not be added", ErrServer, added.refused, len(q.Users))
		}
		r.p.often("group: %d members", from+len(q.Users))
	}
	for _, side := range r.sides {
		side.crowd.group = a.group // read by the loop after cmdBegin
	}
	return nil
}

// ask sends a request of the first member and waits for the answer.
func (r *groupRun) ask(ctx context.Context, s *groupSide, q *iq.Request) (a groupAnswer, err error) {
	frame, err := iq.AppendRequest(nil, q)
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	if err := s.fleet.post(ctx, 0, say(frame)); err != nil {
		return a, err
	}
	late := time.NewTimer(r.cfg.stall)
	defer late.Stop()
	select {
	case <-ctx.Done():
		return a, ctx.Err()
	case <-late.C:
		return a, fmt.Errorf("%w: no answer to %v", ErrServer, q.Op)
	case a = <-s.crowd.answers:
	}
	if a.ref != q.Ref || a.code != 0 {
		return a, fmt.Errorf("%w: %v is answered with code %d %s", ErrServer, q.Op, a.code, a.text)
	}
	return a, nil
}

// run measures both ways of writing on all sides in turn, and what is kept for who is away.
func (r *groupRun) run(ctx context.Context) error {
	if st, err := r.target.status(ctx); err == nil {
		r.out.Ack = st.Durability.Ack
	}
	paced := GroupCase{Name: fmt.Sprintf("paced %d/s", r.cfg.Rate), Rate: r.cfg.Rate}
	flat := GroupCase{Name: fmt.Sprintf("flat out, %d on their way", r.cfg.Inflight)}
	for _, c := range []GroupCase{paced, flat} {
		for _, s := range r.sides {
			c.Servers = append(c.Servers, GroupSide{Name: s.name, latency: newHistogram(), tick: newHistogram()})
		}
		for i := range r.cfg.Rounds {
			for k := range r.sides {
				at := (i + k) % len(r.sides) // nobody is always first
				if err := r.round(ctx, r.sides[at], &c.Servers[at], c.Rate); err != nil {
					return fmt.Errorf("%s, %s: %w", c.Name, r.sides[at].name, err)
				}
				r.p.often("group: %s, round %d of %d", c.Name, i+1, r.cfg.Rounds)
			}
		}
		for i := range c.Servers {
			c.Servers[i].median(r.cfg.Members)
			if i > 0 {
				c.Servers[i].AbovePerMember = added(c.Servers[0].RoundsPerMember, c.Servers[i].RoundsPerMember)
			}
		}
		r.out.Cases = append(r.out.Cases, c)
	}
	return r.away(ctx)
}

// round writes for a while on one side and waits until all that was written is done with.
func (r *groupRun) round(ctx context.Context, s *groupSide, out *GroupSide, rate int) error {
	cpu, journal, err := r.used(ctx, s)
	if err != nil {
		return err
	}
	sent := s.crowd.counts.sent.Load()
	began := time.Now()
	if err := r.write(ctx, s, rate, func() error { return sleep(ctx, r.cfg.Duration) }); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	cpuAfter, journalAfter, err := r.used(ctx, s)
	if err != nil {
		return err
	}
	n := float64(s.crowd.counts.sent.Load() - sent)
	if n == 0 {
		return fmt.Errorf("%w: nothing was written", ErrGenerator)
	}
	us := float64((cpuAfter - cpu).Nanoseconds()) / 1e3
	out.RoundsPerMember = append(out.RoundsPerMember, round(us/n/float64(r.cfg.Members), 4))
	out.perEach, out.perSecond = append(out.perEach, us/n), append(out.perSecond, n/took)
	if journalAfter > 0 {
		out.journal = append(out.journal, float64(journalAfter-journal)/n)
	}
	merge(out.latency, s.crowd.latency) // the loop has stopped writing, and said so
	merge(out.tick, s.crowd.tick)
	return nil
}

// write starts the writers, waits for what the caller wants to wait for, and until everything is acknowledged. Flat out with rate 0.
func (r *groupRun) write(ctx context.Context, s *groupSide, rate int, wait func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, interval := s.crowd, 10*time.Millisecond
	g.start, g.interval, g.inflight = r.clock.now()+int64(paceLead), 0, uint64(r.cfg.Inflight) // the loop reads them after cmdBegin
	if rate > 0 {
		g.interval = time.Second / time.Duration(rate)
		interval = min(g.interval, interval)
	}
	if err := s.fleet.tell(ctx, cmdBegin); err != nil {
		return err
	}
	// Ends with ctx, which this function cancels.
	go pace(ctx, r.clock, g.start, interval, func() { _ = s.fleet.tell(ctx, cmdPace) })
	if err := wait(); err != nil {
		return err
	}
	if err := s.fleet.tell(ctx, cmdStop); err != nil {
		return err
	}
	return r.drain(ctx, s)
}

// drain waits until all that was written has arrived, is acknowledged and ticked. What is missing when nothing moves any more is lost: sum says so.
func (r *groupRun) drain(ctx context.Context, s *groupSide) error {
	c := &s.crowd.counts
	moved := func() int64 {
		return c.arrived.Load() + c.ticked.Load() + c.second.Load() + c.places.Load() - c.owed.Load()
	}
	others := int64(r.cfg.Members - 1)
	if s.crowd.away {
		others = int64(r.cfg.Writers - 1)
	}
	done := func() bool {
		if c.running.Load() == 1 {
			return false // it has not heard of the end
		}
		sent, arrived := c.sent.Load()-int64(s.crowd.sentBefore), c.arrived.Load()-int64(s.crowd.arrivedBefore)
		return arrived >= sent*others && c.ticked.Load() >= c.sent.Load() && c.places.Load() >= c.sent.Load() && c.owed.Load() == 0 &&
			(!s.second || s.crowd.away || c.second.Load() >= c.sent.Load())
	}
	stopped := time.Now()
	err := waitFor(ctx, r.cfg.stall, moved, done, func() {
		if time.Since(stopped) > time.Second {
			r.p.often("group: %s, waiting for what is on its way", s.name)
		}
	})
	if errors.Is(err, errStalled) {
		return nil
	}
	return err
}

// used is what a side's server has used so far: CPU, and bytes of its journal.
func (r *groupRun) used(ctx context.Context, s *groupSide) (cpu time.Duration, journal uint64, err error) {
	if s.child != nil {
		st, err := s.child.ask("stat")
		return time.Duration(st.CPUNanos), 0, err
	}
	st, err := r.target.status(ctx)
	if !st.Durability.Kept {
		st.Durability.Journal.Bytes = 0
	}
	return time.Duration((st.CPU.User + st.CPU.System) * float64(time.Second)), st.Durability.Journal.Bytes, err
}

// away has all leave but the writers, and weighs what is kept of what they write then.
func (r *groupRun) away(ctx context.Context) error {
	s := r.sides[0]
	if err := s.fleet.tell(ctx, cmdAway); err != nil {
		return err
	}
	gone := func() bool { return s.loop.counts.open.Load() == int64(r.cfg.Writers) }
	if err := waitFor(ctx, r.cfg.stall, s.loop.counts.open.Load, gone, nil); err != nil {
		return err
	}
	weight, _, err := r.target.settled(ctx)
	if err != nil {
		return err
	}
	before, err := r.target.status(ctx)
	if err != nil {
		return err
	}
	s.crowd.away = true // read by the loop after cmdBegin
	sent := s.crowd.counts.sent.Load
	from := sent()
	enough := func() error {
		return waitFor(ctx, r.cfg.stall, sent, func() bool { return sent()-from >= int64(r.cfg.Away) }, nil)
	}
	if err := r.write(ctx, s, 0, enough); err != nil {
		return err
	}
	n, away := sent()-from, int64(r.cfg.Members-r.cfg.Writers)
	st, last := before, int64(math.MinInt64)
	kept := func() int64 {
		if now, err := r.target.status(ctx); err == nil {
			st, last = now, now.QueueEntries
		}
		return last
	}
	err = waitFor(ctx, r.cfg.stall, kept, func() bool { return last-before.QueueEntries >= n*away }, nil)
	if err != nil && !errors.Is(err, errStalled) {
		return err
	}
	heavier, _, err := r.target.settled(ctx)
	if err != nil {
		return err
	}
	per := func(v int64, by int64) float64 { return round(ratio(float64(v), float64(by)), 1) }
	arena := st.Memory.Queues - before.Memory.Queues
	r.out.Away = &GroupAway{
		Messages: int(n), Members: int(away), Entries: st.QueueEntries - before.QueueEntries, ArenaPerMsg: per(arena, n),
		RSSPerEntry: per(heavier.RSSBytes-weight.RSSBytes, n*max(away, 1)), PayloadPerMsg: per(st.QueueBytes-before.QueueBytes, n),
		JournalPerMsg: per(int64(st.Durability.Journal.Bytes-before.Durability.Journal.Bytes), n),
	}
	if missing := n*away - r.out.Away.Entries; missing > 0 {
		r.report.note("%d entries are missing in the mailboxes of who was away", missing)
	}
	return nil
}

// sum adds up after the loops have ended.
func (r *groupRun) sum() {
	away := int64(0)
	if r.out.Away != nil {
		away = int64(r.out.Away.Messages)
	}
	var lost, doubled, moved uint64
	for i, s := range r.sides {
		s.end()
		g := s.crowd
		due := (g.sent-uint64(away))*uint64(r.cfg.Members-1) + uint64(away)*uint64(r.cfg.Writers-1)
		lost += missing(due, g.tally.Delivered)
		doubled, moved, r.out.Corrupted = doubled+g.tally.Duplicated, moved+g.tally.Reordered, r.out.Corrupted+g.tally.Corrupted
		if text := s.loop.failure.Load(); text != nil {
			r.report.note("%s: %s", s.name, *text)
		}
		if i == 0 {
			r.out.Sent, r.out.Delivered = g.sent, g.tally.Delivered
			r.out.TicksMissing = missing(g.sent, g.ticked) + missing(g.sent-uint64(away), g.second)
			away = 0 // the others were never left alone
		}
	}
	r.report.Lost, r.report.Duplicated, r.report.Reordered = &lost, &doubled, &moved
	paced, flat := r.out.Cases[0].Servers[0], r.out.Cases[1].Servers[0]
	r.report.CPUUsPerMessage, r.report.LatencyMs = ptr(paced.CPUUsPerMessage), paced.LatencyMs
	r.report.MessagesPerSecond = ptr(flat.MessagesPerSec)
	r.report.note("generator and servers share this machine's %d cores", r.report.Machine.Cores)
}

// explain adds what went wrong on a loop, and what the server printed.
func (r *groupRun) explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	for _, s := range r.sides {
		if s.loop == nil {
			continue
		}
		if text := s.loop.failure.Load(); text != nil {
			err = fmt.Errorf("%w: %s: %s", err, s.name, *text)
		}
	}
	if r.target != nil && r.target.tail != nil {
		err = fmt.Errorf("%w%s", err, r.target.tail.said())
	}
	return err
}

// end closes a side's sessions; safe to call twice.
func (s *groupSide) end() {
	if s.fleet != nil {
		s.fleet.close()
		s.fleet = nil
	}
}

// close ends everything.
func (r *groupRun) close() {
	for _, s := range r.sides {
		s.end()
		if s.child != nil {
			s.child.stop()
		}
	}
	if r.target != nil {
		r.target.close()
	}
}
