package main

import (
	"context"
	"io"

	"trunkline/bench"
)

func benchGroup(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.GroupConfig
	own, serve := splitServe(args)
	fs := benchFlags("group", &o)
	fs.IntVar(&cfg.Members, "members", 1_024, "members of the group; all are there")
	fs.IntVar(&cfg.Writers, "writers", 1, "of them, who write in turn")
	fs.IntVar(&cfg.Rate, "rate", 20, "messages a second of the paced rounds")
	fs.IntVar(&cfg.Inflight, "inflight", 4, "flat out: messages on their way to somebody, at most 64")
	fs.IntVar(&cfg.Bytes, "bytes", 200, "payload `bytes`")
	fs.DurationVar(&cfg.Duration, "duration", 0, "of one round on one server (default 3s)")
	fs.IntVar(&cfg.Rounds, "rounds", 5, "interleaved rounds of each kind; the median counts")
	fs.IntVar(&cfg.Away, "away", 512, "messages that are written when nobody else is there")
	fs.DurationVar(&cfg.Moment, "moment", 0, "how long a member waits for more before it acknowledges fewer than 32 (default 100ms)")
	fs.StringVar((*string)(&cfg.Ack), "ack", "", "what the first tick means: memory or disk (default the server's)")
	if err := parseBench(fs, own, "members", "writers", "rate", "inflight", "bytes", "rounds", "away"); err != nil {
		return usageError("bench group", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("group", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Group(ctx, cfg, env)
	})
}
