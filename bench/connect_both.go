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

// enrol registers all devices of a run and starts the server again. What a registration leaves in memory does not belong to
// an idle session: it is there once, until the account is written out. The second login says the same registration token and
// changes nothing.
func (r *connectRun) enrol(ctx context.Context, t *target) error {
	r.p.now("connect: registering %d devices", r.cfg.Connections)
	w, err := r.startWorkers(ctx, t)
	if err == nil {
		_, err = w.grow(ctx, r.cfg.Connections)
	}
	stopAll(w.list)
	if err != nil {
		return err
	}
	return t.restart(ctx, r.self, r.cfg.Target, r.cfg.Connections)
}
