package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The measured parts of a run.
const (
	spanSteady = iota + 1 // the measurement proper
	spanEvent             // the storm, the stall
	spanAfter             // behind it
)

// play brings the users in, loads, measures, and waits for what is under way.
func (r *run) play(ctx context.Context) error {
	r.stage("weigh the empty server")
	r.weigh(&r.out.RSSEmptyBytes)
	if err := r.comeIn(ctx); err != nil {
		return err
	}
	r.weigh(&r.out.RSSThereBytes)
	if grown := r.out.RSSThereBytes - r.out.RSSEmptyBytes; r.out.RSSEmptyBytes > 0 && grown > 0 {
		r.report.RSSBytesPerSession = ptr(round(float64(grown)/float64(r.connections()), 1))
	}
	if err := r.warm(ctx); err != nil {
		return err
	}
	err := r.measure(ctx)
	if err == nil {
		err = r.event(ctx)
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() != nil { // what was due so far has to come in a moment, or it is not known what came of it
		return errors.Join(ctx.Err(), r.read())
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	r.stage("weigh")
	r.weigh(&r.out.RSSEndBytes)
	return r.read()
}

// weigh reads the server's memory after its garbage was collected; it stays 0 where it can't be read.
func (r *run) weigh(into *int64) {
	release := r.rec.hold()
	defer release()
	bytes := make(chan int64, 1)
	// Ends with the reading, for which target has a time.
	go func() {
		n, _, err := r.target.collected(r.own)
		if err != nil {
			n = 0
		}
		bytes <- n
	}()
	tick := time.NewTicker(r.cfg.poll)
	defer tick.Stop()
	for {
		select {
		case n := <-bytes:
			if n > 0 {
				*into = n
			}
			return
		case <-tick.C: // agents want to hear something; what is wrong with one the next command says
			_, _ = r.ask(crewCommand{Do: crewStatus})
		}
	}
}

// glance is weigh while the server is under load: its memory does not stand still, so it is read once behind a collection.
func (r *run) glance(into *int64) {
	if r.target.admin == "" || r.target.collect(r.own) != nil {
		return
	}
	if u, err := r.target.usage(r.own); err == nil {
		*into = u.RSSBytes
	}
}

// do gives a command whose answer nobody needs.
func (r *run) do(name string) error {
	_, err := r.ask(crewCommand{Do: name})
	return err
}

// await asks the generators until done, value stands still for the run's stall time, or ctx ends.
func (r *run) await(ctx context.Context, what string, value func(st *crewStat) int64, done func(st *crewStat) bool) error {
	last, moved := int64(-1), time.Now()
	for {
		st, err := r.ask(crewCommand{Do: crewStatus})
		switch {
		case err != nil:
			return err
		case st.at(countDenied) > 0:
			return fmt.Errorf("%w: the server refused %d for good", ErrLogin, st.at(countDenied))
		case done(&st):
			return nil
		}
		if v := value(&st); v != last {
			last, moved = v, time.Now()
		}
		if time.Since(moved) > r.cfg.stall {
			return fmt.Errorf("%w: %s: %d: %w", ErrGenerator, what, last, errStalled)
		}
		r.p.often("run: %s, %d there, %d on their way, %d messages arrived", what, st.at(countThere), st.at(countComing), st.at(countDelivered))
		if err := sleep(ctx, r.cfg.poll); err != nil {
			return err
		}
	}
}

// comeIn brings all users in: those who will be away first, for a moment, then the others, and makes the groups.
func (r *run) comeIn(ctx context.Context) error {
	if r.away() > 0 {
		r.stage("register")
		if err := r.do(crewRegister); err != nil {
			return err
		}
		gone := func(st *crewStat) bool {
			return st.at(countLeft) >= int64(r.away()) && st.at(countRegistered) >= int64(r.away())
		}
		if err := r.await(ctx, "users who register", func(st *crewStat) int64 { return st.at(countLeft) }, gone); err != nil {
			return err
		}
		if _, err := r.ask(crewCommand{Do: crewTake}); err != nil { // their logins are not measured
			return err
		}
	}
	r.stage("come in")
	began, registered := time.Now(), r.last.at(countLogins)
	if err := r.do(crewCome); err != nil {
		return err
	}
	there := func(st *crewStat) int64 { return st.at(countLogins) - registered }
	all := func(st *crewStat) bool { return st.at(countThere) >= int64(r.connections()) }
	if err := r.await(ctx, "sessions that come in", there, all); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	r.out.ComeInSeconds, r.out.LoginsPerSecond = round(took, 3), round(float64(r.connections())/took, 1)
	st, err := r.ask(crewCommand{Do: crewTake})
	if err != nil {
		return err
	}
	r.out.LoginMs = latencyIn(st.Hists, histLogin)
	if r.orders.GroupShare == 0 {
		return nil
	}
	r.stage("make groups")
	if err := r.do(crewGroups); err != nil {
		return err
	}
	groups := func(st *crewStat) int64 { return st.at(countGroups) }
	return r.await(ctx, "groups", groups, func(st *crewStat) bool {
		return groups(st) >= int64((r.connections()+r.away())/r.orders.Cell)
	})
}

// warm begins the load.
func (r *run) warm(ctx context.Context) error {
	r.stage("warm up")
	if err := r.do(crewStart); err != nil {
		return err
	}
	return r.watch(ctx, r.cfg.Warmup)
}

// watch waits, and asks meanwhile: an agent that hears nothing ends its job, and one that says nothing is lost.
func (r *run) watch(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); ; {
		st, err := r.ask(crewCommand{Do: crewStatus})
		if err != nil {
			return err
		}
		if st.at(countThere) == 0 && r.cfg.Scenario != ScenarioSoak {
			return fmt.Errorf("%w: no session is left", ErrServer)
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		r.p.often("run: %s, %s left, %d there, %d messages arrived", r.phase, left.Round(time.Second), st.at(countThere), st.at(countDelivered))
		if err := sleep(ctx, min(left, r.cfg.poll)); err != nil {
			return err
		}
	}
}

// span begins a measured part; 0 ends the measurement.
func (r *run) span(number int) (crewStat, error) {
	return r.ask(crewCommand{Do: crewPhase, N: number})
}

// measure is the steady state.
func (r *run) measure(ctx context.Context) error {
	if r.cfg.Scenario == ScenarioSoak {
		return r.soak(ctx)
	}
	r.stage("measure")
	return r.steady(ctx, func() error {
		_, err := r.span(spanSteady)
		if err != nil {
			return err
		}
		return r.watch(ctx, r.cfg.Duration)
	})
}

// steady runs the measurement and reads server and generators before and behind it, also when it is interrupted.
func (r *run) steady(ctx context.Context, during func() error) error {
	before, unmeasured := r.target.usage(r.own)
	first, err := r.ask(crewCommand{Do: crewStatus})
	if err != nil {
		return err
	}
	began := time.Now()
	ended := during()
	if ended != nil && ctx.Err() == nil {
		return ended
	}
	last, err := r.ask(crewCommand{Do: crewStatus})
	if err != nil {
		return errors.Join(ended, err)
	}
	took := time.Since(began).Seconds()
	r.out.MeasuredSeconds = round(took, 3)
	r.out.rates(first, last, took)
	r.report.MessagesPerSecond = ptr(r.out.MessagesOutPerSecond)
	if unmeasured != nil {
		r.out.CPUSource = unmeasured.Error()
		return ended
	}
	after, err := r.target.usage(r.own)
	if restarted := r.out.Soak != nil && r.out.Soak.Restarts > 0; err != nil || restarted || after.CPU < before.CPU { // another process, which began at 0
		r.out.CPUSource = "not measured: the server was not there, or was started again"
		return ended
	}
	cpu := after.CPU - before.CPU
	r.out.CPUSource, r.out.ServerCPUPercent = after.CPUSource, round(100*cpu.Seconds()/took, 1)
	if got := last.at(countDelivered) - first.at(countDelivered); got > 0 {
		r.report.CPUUsPerMessage = ptr(round(float64(cpu.Microseconds())/float64(got), 3))
	}
	return ended
}

// event is what a scenario has beside the steady state.
func (r *run) event(ctx context.Context) error {
	switch r.cfg.Scenario {
	case ScenarioStorm:
		return r.storm(ctx)
	case ScenarioSlow:
		return r.slow(ctx)
	}
	return nil
}

// storm cuts all who do not talk, and waits until they are back.
func (r *run) storm(ctx context.Context) error {
	r.stage("storm")
	if _, err := r.span(spanEvent); err != nil {
		return err
	}
	began := time.Now()
	if err := r.do(crewCut); err != nil {
		return err
	}
	out := &RunStorm{}
	r.out.Storm = out
	back := func(st *crewStat) int64 { return st.at(countBack) }
	err := r.await(ctx, "clients that are not back", back, func(st *crewStat) bool {
		return back(st) == 0 && st.at(countThere) >= int64(r.connections())
	})
	out.Cut, out.NotBack = r.last.at(countCut), r.last.at(countBack)
	out.Seconds = round(time.Since(began).Seconds(), 3)
	out.BackPerSecond = round(float64(out.Cut-out.NotBack)/max(out.Seconds, 0.001), 1)
	if err != nil && !errors.Is(err, errStalled) {
		return err
	}
	if _, err := r.span(spanAfter); err != nil {
		return err
	}
	r.stage("after the storm")
	return r.watch(ctx, min(r.cfg.Duration, stormAfter))
}

// drain ends the load and waits until everything that was sent has arrived: what is still to come when nothing moves any more is lost.
func (r *run) drain(ctx context.Context) error {
	if _, err := r.span(0); err != nil {
		return err
	}
	r.stage("drain")
	if err := r.do(crewStop); err != nil {
		return err
	}
	moved := func(st *crewStat) int64 { return st.at(countTicked) + st.at(countDelivered) + st.at(countLogins) }
	sent := func(st *crewStat) bool { return st.at(countWaiting) == 0 && st.at(countComing) == 0 }
	if err := r.await(ctx, "waiting for first ticks", moved, sent); err != nil && !errors.Is(err, errStalled) {
		return err
	}
	r.stage("fetch what waits")
	if err := r.do(crewFetch); err != nil {
		return err
	}
	here := func(st *crewStat) bool { return sent(st) && st.at(countBehind) <= 0 }
	if err := r.await(ctx, "waiting for what is under way", moved, here); err != nil && !errors.Is(err, errStalled) {
		return err
	}
	r.out.drained = true
	return nil
}

// read takes the histograms.
func (r *run) read() error {
	if s := r.out.Soak; s != nil {
		r.out.steady = figuresIn(encodeHists(s.all))
		return nil
	}
	for number, into := range map[int]*spanFigures{spanSteady: &r.out.steady, spanEvent: &r.out.event, spanAfter: &r.out.after} {
		st, err := r.ask(crewCommand{Do: crewTake, N: number})
		if err != nil {
			return err
		}
		*into = figuresIn(st.Hists)
		if l := latencyIn(st.Hists, histBack); l != nil && r.out.Storm != nil {
			r.out.Storm.BackMs = l
		}
	}
	return nil
}
