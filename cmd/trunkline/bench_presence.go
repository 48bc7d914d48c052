package main

import (
	"context"
	"io"

	"trunkline/bench"
)

func benchPresence(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.PresenceConfig
	own, serve := splitServe(args)
	fs := benchFlags("presence", &o)
	fs.IntVar(&cfg.Watchers, "watchers", 200, "sessions that watch")
	fs.IntVar(&cfg.Users, "users", 1_000, "users who are watched in the flood")
	fs.IntVar(&cfg.Each, "each", 100, "of them, that one watcher watches in the flood")
	fs.IntVar(&cfg.Flips, "flips", 100_000, "changes a second that the flood offers")
	fs.IntVar(&cfg.Burst, "burst", 11, "changes of one user that the flood writes at once")
	fs.IntVar(&cfg.Pairs, "pairs", 200, "pairs that talk meanwhile")
	fs.IntVar(&cfg.Rate, "rate", 2_000, "messages a second over all pairs")
	fs.IntVar(&cfg.Bytes, "size", 20, "payload `bytes`")
	fs.IntVar(&cfg.Rounds, "rounds", 5, "pairs of a quiet span and one with changes")
	fs.DurationVar(&cfg.Duration, "duration", 0, "of one span (default 3s)")
	if err := parseBench(fs, own, "watchers", "users", "each", "flips", "burst", "pairs", "rate", "size", "rounds"); err != nil {
		return usageError("bench presence", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("presence", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Presence(ctx, cfg, env)
	})
}
