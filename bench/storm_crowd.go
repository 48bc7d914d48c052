package bench

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// gather logs the crowd in, by contact, and waits until every client holds a ticket.
func (sc *scene) gather(ctx context.Context) error {
	r := &connectRun{
		cfg:  ConnectConfig{Connections: sc.cfg.Clients, PerWorker: sc.cfg.PerWorker, Target: sc.cfg.Target},
		self: sc.self, p: sc.p, report: sc.report, first: firstUser(),
	}
	w, err := r.startWorkers(ctx, sc.target)
	sc.crowd = w
	if err != nil {
		return err
	}
	for _, c := range w.list {
		// setpriority(2) of the group that only the worker is in. Where it fails the crowd takes more from the server, that is all.
		_ = syscall.Setpriority(syscall.PRIO_PGRP, c.cmd.Process.Pid, stormNice)
	}
	if _, err := w.grow(ctx, sc.cfg.Clients); err != nil {
		return err
	}
	return sc.await(ctx, "tickets", func(c Crowd) int64 { return c.Tickets })
}

// await waits until a counter of the crowd has reached its size.
func (sc *scene) await(ctx context.Context, what string, count func(Crowd) int64) error {
	var have int64
	var failed error
	want := int64(sc.cfg.Clients)
	read := func() int64 {
		sum, err := sc.crowd.stat()
		failed, have = err, count(sum.Crowd)
		return have
	}
	err := waitFor(ctx, sc.cfg.stall, read, func() bool { return failed != nil || have >= want }, nil)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed != nil:
		return failed
	case err != nil:
		return errNotBack(what, have, want, err)
	}
	return nil
}

// prepare makes the flights of the storm before it, and without the traffic: on the machine that both share, drawing keys
// would take the server's time.
func (sc *scene) prepare(ctx context.Context) error {
	if err := sc.crowd.each("prepare"); err != nil {
		return err
	}
	return sc.await(ctx, "flights prepared", func(c Crowd) int64 { return c.Prepared })
}

// trial finds out how many handshakes a second the server admits: a storm without live pairs that offers more than any
// budget. What counts is the middle of it, from a tenth to eight tenths of the clients.
func (sc *scene) trial(ctx context.Context) error {
	out := sc.stormRun.out
	if sc.cfg.Offered > 0 {
		out.OfferedPerSecond, out.AdmittedSource = sc.cfg.Offered, "not measured: the offered rate was given"
		return nil
	}
	if err := sc.prepare(ctx); err != nil {
		return err
	}
	sum, err := sc.crowd.stat()
	if err != nil {
		return err
	}
	since := sum.Crowd
	if err := sc.crowd.storm(stormTrialRate); err != nil {
		return err
	}
	var points []trialPoint
	read := func() int64 {
		if err == nil {
			sum, err = sc.crowd.stat()
		}
		back := sum.Crowd.Returned - since.Returned
		points = append(points, trialPoint{time.Now(), back})
		return back
	}
	all := int64(sc.cfg.Clients)
	done := func() bool { return err != nil || points[len(points)-1].back >= all && sum.Ready == sc.cfg.Clients }
	each := func() { sc.p.often("storm: trial, %d of %d clients are back", points[len(points)-1].back, all) }
	ctx, cancel := context.WithTimeout(ctx, sc.cfg.Recover)
	defer cancel()
	stalled := waitFor(ctx, sc.cfg.Recover, read, done, each)
	if err != nil || stalled != nil {
		return errNotBack("the trial's clients are back", points[len(points)-1].back, all, orError(err, stalled))
	}
	rate := trialRate(points, all)
	did := sum.Crowd.minus(since)
	out.AdmittedPerSecond = round(rate, 0)
	out.AdmittedSource = fmt.Sprintf("a storm before the runs: %d offered, %d refused", did.Offered, did.Refused+did.Dropped)
	if did.Refused+did.Dropped == 0 {
		sc.report.note("the trial was admitted as fast as the generator could offer it: the budget lies above %.0f handshakes/s", rate)
	}
	out.OfferedPerSecond = max(min(int(rate*float64(sc.cfg.Factor)), OfferedMax), 1)
	sc.p.now("storm: %.0f handshakes/s are admitted, %d/s will be offered", rate, out.OfferedPerSecond)
	return nil
}

// trialPoint is how many were back at a time.
type trialPoint struct {
	at   time.Time
	back int64
}

// trialRate is the slope of the middle.
func trialRate(points []trialPoint, all int64) float64 {
	var from, to trialPoint
	for _, p := range points {
		if from.at.IsZero() && p.back >= all/10 {
			from = p
		}
		if to.at.IsZero() && p.back >= all*8/10 {
			to = p
		}
	}
	took := to.at.Sub(from.at)
	if took < pollEvery { // few clients: all came between two looks
		took = pollEvery
	}
	return float64(max(to.back-from.back, 1)) / took.Seconds()
}

func orError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// each gives a command to every worker.
func (w *workers) each(command string) error {
	for _, c := range w.list {
		if _, err := c.ask(command); err != nil {
			return err
		}
	}
	return nil
}

// storm cuts all clients and lets them come back, that many a second over all workers.
func (w *workers) storm(perSecond int) error {
	return w.each(fmt.Sprintf("storm %d", max(perSecond/len(w.list), 1)))
}
