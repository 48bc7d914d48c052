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
		return nil, err
	}
	noise, err := one(Noise)
	if err != nil {
		return nil, err
	}
	r := noise.Connect
	r.Plain, r.PlainBytes = plain.Connect, plain.RSSBytesPerSession
	r.MoreBytes = ptr(round(*noise.RSSBytesPerSession-*plain.RSSBytesPerSession, 1))
	noise.Inputs, noise.Started = cfg, plain.Started
	noise.Notes = append(plain.Notes, noise.Notes...)
	noise.finish()
	return noise, nil
}

// enrol registers all devices of a run, has them leave, and starts the server again; they come back with their tickets. What
// the registrar and its cache keep of accounts that were looked up is bounded for the process and does not belong to an idle session;
// a ticket looks nothing up.
func (r *connectRun) enrol(ctx context.Context, t *target) error {
	r.p.now("connect: registering %d devices", r.cfg.Connections)
	w, err := r.startWorkers(ctx, t)
	r.enrolled = w
	if err != nil {
		return err
	}
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
	return t.restart(ctx, r.self, r.cfg.Target, r.cfg.Connections)
}
