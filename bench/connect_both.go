package bench

import (
	"context"
	"fmt"
)

// connectBoth measures plain and encrypted sessions one after the other, each on a server of its own.
func connectBoth(ctx context.Context, cfg ConnectConfig, env Env) (*Report, error) {
	if cfg.Target.Server != "" {
		return nil, fmt.Errorf("%w: a server has one transport: name the one of %s", ErrInput, cfg.Target.Server)
	}
	one := func(t Transport) (*Report, error) {
		c := cfg
		c.Target.Transport = t
		return Connect(ctx, c, env)
	}
	plain, err := one(Plain)
	if err != nil {
		return plain, err // a report when the run was interrupted
	}
	noise, err := one(Noise)
	if err != nil {
		return noise, err
	}
	r := noise.Connect
	r.Plain, r.PlainBytes = plain.Connect, plain.RSSBytesPerSession
	r.MoreBytes = ptr(round(*noise.RSSBytesPerSession-*plain.RSSBytesPerSession, 1))
	noise.Inputs, noise.Started = cfg, plain.Started
	noise.Notes = append(plain.Notes, noise.Notes...)
	noise.finish()
	return noise, nil
}

// warm has the server see all devices once before it is weighed, and waits until it has forgotten them: what a crowd that comes in
// leaves behind (pools, tables of what is under way, the collector's own) depends on how fast it came and not on who stays, and would count
// as part of whichever sessions came first. On the encrypted transport the devices register before, and the server starts again, because
// what the registrar keeps of accounts that it looked up is bounded for the process: a ticket looks nothing up.
func (r *connectRun) warm(ctx context.Context, t *target) error {
	visit := r.visit
	if t.transport == Noise {
		visit = r.visitByTicket
	}
	if err := visit(ctx, t); err != nil {
		return err
	}
	held := func() int64 {
		st, err := t.status(ctx)
		if err != nil {
			return -1
		}
		return st.Mailboxes.Held
	}
	if err := waitFor(ctx, forgetTimeout, held, func() bool { return held() == 0 }, nil); err != nil {
		return errNotBack("devices forgotten", held(), 0, err)
	}
	return nil
}

// visit has all devices log in and leave.
func (r *connectRun) visit(ctx context.Context, t *target) error {
	r.p.now("connect: warming the server up")
	w, err := r.startWorkers(ctx, t)
	defer stopAll(w.list)
	if err != nil {
		return err
	}
	_, err = w.grow(ctx, r.cfg.Connections)
	return err
}

// visitByTicket registers all devices, starts the server again and has them come back and leave. Their tickets stay with r.crowd. A server that
// keeps nothing would have forgotten keys and devices: it goes on, with all of their accounts looked up before anything is weighed.
func (r *connectRun) visitByTicket(ctx context.Context, t *target) error {
	r.p.now("connect: registering %d devices", r.cfg.Connections)
	w, err := r.startWorkers(ctx, t)
	r.crowd = w
	if err != nil {
		return err
	}
	if err := r.comeAndGo(ctx, w); err != nil {
		return err
	}
	st, err := t.status(ctx)
	if err == nil && st.Durability.Kept {
		err = t.restart(ctx, r.self, r.cfg.Target, r.cfg.Connections)
	}
	if err != nil {
		return err
	}
	r.p.now("connect: warming the server up")
	return r.comeAndGo(ctx, w)
}

// comeAndGo has all devices log in, and leave when each has a ticket.
func (r *connectRun) comeAndGo(ctx context.Context, w *workers) error {
	if _, err := w.grow(ctx, r.cfg.Connections); err != nil {
		return err
	}
	count := func(get func(childStat) int64) func() int64 {
		return func() int64 {
			sum, err := w.stat()
			if err != nil {
				return -1
			}
			return get(sum)
		}
	}
	all := int64(r.cfg.Connections)
	tickets := count(func(st childStat) int64 { return st.Crowd.Tickets })
	if err := waitFor(ctx, stallTimeout, tickets, func() bool { return tickets() >= all }, nil); err != nil {
		return errNotBack("tickets", tickets(), all, err)
	}
	if err := w.each("leave"); err != nil {
		return err
	}
	open := count(func(st childStat) int64 { return int64(st.Connections) })
	if err := waitFor(ctx, stallTimeout, open, func() bool { return open() == 0 }, nil); err != nil {
		return errNotBack("connections ended", open(), 0, err)
	}
	return nil
}
