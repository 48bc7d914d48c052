package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// fill has the crowd come in, and weighs the server with From and with all.
func (r *capacityRun) fill(ctx context.Context) error {
	empty, err := r.weigh(ctx, "empty")
	if err != nil {
		return err
	}
	r.out.RSSEmptyBytes = empty
	before, err := r.target.status(ctx)
	if err != nil {
		return err
	}
	if err := r.startCrowd(ctx, r.cfg.Connections, crowdStays); err != nil {
		return err
	}
	took, err := r.grow(ctx, r.cfg.From)
	if err != nil {
		return err
	}
	if r.out.RSSFromBytes, err = r.weigh(ctx, fmt.Sprint(r.cfg.From)); err != nil {
		return err
	}
	more, err := r.grow(ctx, r.cfg.Connections)
	if err != nil {
		return err
	}
	r.out.Sessions = r.cfg.Connections
	if r.out.RSSToBytes, err = r.weigh(ctx, fmt.Sprint(r.cfg.Connections)); err != nil {
		return err
	}
	after, err := r.target.status(ctx)
	if err != nil {
		return err
	}
	n := float64(r.cfg.Connections)
	r.out.From, r.out.PerSecond = r.cfg.From, round(n/(took+more).Seconds(), 0)
	r.report.RSSBytesPerSession = ptr(round(float64(r.out.RSSToBytes-r.out.RSSFromBytes)/(n-float64(r.cfg.From)), 1))
	r.out.RSSAllInBytes = round(float64(r.out.RSSToBytes)/n, 1)
	r.out.kernel(r.report, before.Kernel, after.Kernel, r.cfg.Connections, r.bothEnds())
	r.out.LoginMs = latencyOf(r.crowd.logins())
	return nil
}

// bothEnds says whether the kernel of this machine holds both ends of each connection.
func (r *capacityRun) bothEnds() bool { return requireLoopback(r.target.addr) == nil }

// grow makes connections until there are n.
func (r *capacityRun) grow(ctx context.Context, n int) (time.Duration, error) {
	began, left := time.Now(), n
	for _, c := range r.crowd.list {
		share := min(left, r.cfg.PerWorker)
		left -= share
		if _, err := c.ask(fmt.Sprintf("grow %d", share)); err != nil {
			return 0, err
		}
	}
	ready := func(st childStat) int64 { return int64(st.Ready) }
	enough := false
	done := func(st childStat) bool {
		if late := r.cfg.Within > 0 && time.Since(r.began) > r.cfg.Within; late && !enough && st.Ready > r.cfg.From {
			enough = r.crowd.each("enough") == nil
			return false
		}
		return st.Ready >= n || st.Failed > 0 || enough && st.Ready == st.Held
	}
	st, err := r.await(ctx, "coming in", ready, done)
	if err == nil && st.Failed > 0 {
		err = fmt.Errorf("%w: %d of %d, %d ended", ErrLogin, st.Ready, n, st.Failed)
	}
	if err == nil && st.Ready < n {
		r.report.note("%d sessions were to come in, %d did so within %v: they are the crowd", n, st.Ready, r.cfg.Within)
		r.cfg.Connections = st.Ready
	}
	return time.Since(began), err
}

// weigh is the server's resident memory after it has written back what has changed and collected its garbage.
func (r *capacityRun) weigh(ctx context.Context, when string) (int64, error) {
	if r.target.own != nil {
		if err := r.target.written(ctx); ctx.Err() != nil {
			return 0, ctx.Err()
		} else if err != nil {
			r.report.note("the memory with %s connections has ledgers in it: %v", when, err)
		}
	}
	u, steady, err := r.target.settled(ctx)
	if err == nil && !steady {
		r.report.note("the memory with %s connections did not stand still within %v", when, settleTimeout)
	}
	r.out.RSSSource = u.RSSSource
	r.p.now("capacity: %s: %.1f MB of server memory", when, mb(u.RSSBytes))
	return u.RSSBytes, err
}

// garbage reads what a collection costs with everybody there, while nothing else happens.
func (r *capacityRun) garbage(ctx context.Context) error {
	before, err := r.target.status(ctx)
	if err != nil {
		return err
	}
	for range garbageRounds {
		if err := r.target.collect(ctx); err != nil {
			return err
		}
	}
	after, err := r.target.status(ctx)
	if err != nil {
		return err
	}
	if n := after.Memory.GCCycles - before.Memory.GCCycles; n > 0 {
		r.out.GCCycles = n
		r.report.GCCPUMsPerCycle = ptr(round(1e3*(after.CPU.GC-before.CPU.GC)/float64(n), 2))
	}
	return nil
}

// garbageRounds is how many times the server collects for the figure; each is two cycles.
const garbageRounds = 5

// hold watches the crowd: first idle, then with the talkers.
func (r *capacityRun) hold(ctx context.Context) error {
	before, err := r.target.usage(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	idle := min(r.cfg.Hold/4, idleLongest)
	if err := r.pass(ctx, "idle", idle); err != nil {
		return err
	}
	quiet, err := r.target.usage(ctx)
	if err != nil {
		return err
	}
	perSecond := (quiet.CPU - before.CPU).Seconds() / time.Since(began).Seconds()
	r.out.IdleCPUPercent = ptr(round(100*perSecond, 2))
	if r.cfg.Talk == 0 {
		return r.pass(ctx, "idle", r.cfg.Hold-idle)
	}
	if err := r.say(talkOrders{Share: r.cfg.Talk, Seed: r.cfg.Seed, Every: r.cfg.Every, Bytes: r.cfg.Bytes}); err != nil {
		return err
	}
	return r.talk(ctx, r.cfg.Hold-idle, perSecond)
}

// idleLongest bounds the part of the hold in which nobody talks.
const idleLongest = 30 * time.Second

// say begins the talk.
func (r *capacityRun) say(o talkOrders) error {
	if err := r.crowd.each("talk " + asArgument(o)); err != nil {
		return err
	}
	return r.crowd.each("watch")
}

// talk watches the talkers and reads what their messages cost.
func (r *capacityRun) talk(ctx context.Context, d time.Duration, idlePerSecond float64) error {
	before, err := r.target.usage(ctx)
	if err != nil {
		return err
	}
	began, had := time.Now(), int64(0)
	if st, err := r.crowd.stat(); err == nil {
		had = st.Talk.Arrived
	}
	if err := r.pass(ctx, "talking", d); err != nil {
		return err
	}
	after, err := r.target.usage(ctx)
	if err != nil {
		return err
	}
	st, err := r.crowd.stat()
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	used := (after.CPU - before.CPU).Seconds()
	n := float64(st.Talk.Arrived - had)
	if n > 0 {
		r.report.MessagesPerSecond = ptr(round(n/took, 1))
	}
	switch {
	case used < 0:
		r.report.note("the server was started again while its CPU was measured: there is no figure for a message")
	case n > 0:
		r.report.CPUUsPerMessage = ptr(round(1e6*used/n, 1))
		r.out.CPUUsPerMessageAboveIdle = ptr(round(1e6*max(used-idlePerSecond*took, 0)/n, 1))
	}
	if err := r.crowd.each("unwatch"); err != nil {
		return err
	}
	all := r.delays()
	r.out.HoldMs = latencyOf(all)
	r.report.latency(all)
	return nil
}

// delays are the latencies of what was due while somebody watched.
func (r *capacityRun) delays() *hdrhistogram.Histogram {
	all := newHistogram()
	for _, c := range r.crowd.list {
		st, err := c.ask("delays")
		if err != nil || len(st.Logins) == 0 {
			continue
		}
		if h, err := hdrhistogram.Decode(st.Logins); err == nil {
			merge(all, h)
		}
	}
	return all
}

// pass lets time go by with all sessions there.
func (r *capacityRun) pass(ctx context.Context, what string, d time.Duration) error {
	end := time.Now().Add(d)
	tick := func(childStat) int64 { return time.Now().UnixNano() } // time itself moves
	st, err := r.await(ctx, what, tick, func(st childStat) bool { return !time.Now().Before(end) || st.Failed > 0 })
	if err == nil && st.Failed > 0 {
		err = fmt.Errorf("%w: %d of %d are left, %d ended and do not come back", ErrServer, st.Ready, r.cfg.Connections, st.Failed)
	}
	return err
}

// storm cuts a share of the sessions and waits until all are back; the talk goes on.
func (r *capacityRun) storm(ctx context.Context) error {
	if r.cfg.Drop == 0 {
		return nil
	}
	r.out.Offered = r.cfg.Offered
	if r.out.Offered == 0 {
		r.out.Offered = max(int(2*r.out.PerSecond), 1)
	}
	before, err := r.crowd.stat()
	if err != nil {
		return err
	}
	if err := r.crowd.each("watch"); err != nil {
		return err
	}
	began := time.Now()
	orders, _ := json.Marshal(dropOrders{Share: r.cfg.Drop, Seed: ^r.cfg.Seed, PerSecond: max(r.out.Offered/len(r.crowd.list), 1)})
	if err := r.crowd.each("drop " + string(orders)); err != nil {
		return err
	}
	late, cancel := context.WithTimeout(ctx, r.cfg.Recover)
	defer cancel()
	moves := func(st childStat) int64 { return st.Crowd.Returned + int64(st.Connections) }
	// Who was not cut and came back because the server had closed it is no one of the storm's.
	returned := func(st childStat) int64 {
		return st.Crowd.Returned - before.Crowd.Returned - (st.Closed.Back - before.Closed.Back)
	}
	back := func(st childStat) bool {
		return st.Talk.Cuts == int64(len(r.crowd.list)) && returned(st) >= st.Talk.Dropped && st.Ready == r.cfg.Connections || st.Failed > 0
	}
	st, err := r.await(late, "storm", moves, back)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.out.StormSeconds = round(time.Since(began).Seconds(), 1)
	r.out.Crowd = st.Crowd.minus(before.Crowd)
	r.out.Dropped = st.Talk.Dropped
	r.report.SessionsBack = ptr(uint64(max(min(returned(st), st.Talk.Dropped), 0)))
	r.out.SessionsLost = int64(r.cfg.Connections - st.Ready)
	if err != nil || st.Failed > 0 {
		r.report.note("not all came back: %d of %d are there, %d ended%s", st.Ready, r.cfg.Connections, st.Failed, r.crowd.said())
	}
	if err := r.crowd.each("unwatch"); err != nil {
		return err
	}
	r.out.StormMs = latencyOf(r.delays())
	return nil
}

// settleWords has the talkers say nothing new, and waits for what is under way: a message that was due and does not come is lost. Sessions that
// the server has closed are to be back by then, too.
func (r *capacityRun) settleWords(ctx context.Context) error {
	if err := r.crowd.each("hush"); err != nil {
		return err
	}
	moves := func(st childStat) int64 { return st.Talk.Arrived + st.Talk.Ticked + st.Talk.Second + st.Crowd.Offered }
	left := r.cfg.Connections - int(r.out.SessionsLost)
	done := func(st childStat) bool {
		t := st.Talk
		return st.Ready >= left && t.Arrived+t.Rejected >= t.Made && t.Ticked >= t.Made && t.Second+t.Rejected >= t.Made
	}
	limit := r.cfg.stall
	r.cfg.stall = min(limit, capacityLate)
	st, err := r.await(ctx, "last words", moves, done)
	r.cfg.stall = limit
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if st, err = r.crowd.stat(); err != nil {
			return err
		}
	}
	t := st.Talk
	r.out.Talk = t
	r.out.SessionsClosed, r.out.SessionsClosedBack, r.out.SessionsClosedWhy = st.Closed.Sessions, st.Closed.Back, st.Closed.Why
	r.out.SessionsLost = max(r.out.SessionsLost, int64(r.cfg.Connections-st.Ready))
	lost := uint64(max(t.Made-t.Arrived-t.Rejected, 0))
	r.report.Lost, r.report.Duplicated, r.report.Reordered = &lost, ptr(uint64(t.Duplicated)), ptr(uint64(t.Reordered))
	return nil
}

// weighAgain reads the memory when the storm is over.
func (r *capacityRun) weighAgain(ctx context.Context) (err error) {
	if r.out.RSSAfterBytes, err = r.weigh(ctx, fmt.Sprintf("%d, after the storm,", r.cfg.Connections)); err == nil && r.out.RSSToBytes > 0 {
		r.out.RSSRatio = round(float64(r.out.RSSAfterBytes)/float64(r.out.RSSToBytes), 3)
	}
	return err
}

// drain stops a server of the run's own: it asks everybody to leave, and everybody does.
func (r *capacityRun) drain(ctx context.Context) error {
	if r.target.own == nil {
		return r.keepDevices(r.cfg.Connections)
	}
	if err := r.crowd.each("part"); err != nil {
		return err
	}
	began := time.Now()
	if err := r.target.interrupt(); err != nil {
		return err
	}
	gone := func(st childStat) int64 { return int64(st.Connections) }
	st, err := r.await(ctx, "drain", gone, func(st childStat) bool { return st.Connections == 0 })
	if err != nil {
		return err
	}
	r.out.DrainTold, r.out.DrainSeconds = st.Talk.Told, round(time.Since(began).Seconds(), 1)
	if st.Failed > 0 {
		r.report.note("%d sessions ended in the drain without being asked to leave", st.Failed)
	}
	err = r.keepDevices(r.cfg.Connections)
	r.target.endWithin(stopWrittenTimeout)
	return err
}
