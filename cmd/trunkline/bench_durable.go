package main

import (
	"context"
	"flag"
	"io"

	"trunkline/bench"
)

func benchMix(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.MixConfig
	own, serve := splitServe(args)
	fs := benchFlags("mix", &o)
	targetFlags(fs, &cfg.Target)
	mixDayFlags(fs, &cfg.Day)
	fs.Float64Var(&cfg.Speed, "speed", 480, "how many `times` as fast as a day it passes")
	fs.IntVar(&cfg.StoreShare, "store-share", 115, "what the server may hold in memory, in `percent` of the most that waits at once")
	fs.Int64Var(&cfg.StoreBytes, "store-bytes", 0, "`bytes` instead; 0: --store-share")
	fs.StringVar(&cfg.Out, "out", "out/bench", "`directory` for mix.json and mix.svg")
	if err := parseBench(fs, own, "users", "online", "messages", "size", "spike", "seed", "speed", "store-share"); err != nil {
		return usageError("bench mix", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("mix", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Mix(ctx, cfg, env)
	})
}

func mixDayFlags(fs *flag.FlagSet, d *bench.MixDay) {
	fs.IntVar(&d.Users, "users", 4_000, "people")
	fs.Float64Var(&d.Online, "online", 0.25, "`share` of them that is online on average")
	fs.Float64Var(&d.Messages, "messages", 40, "messages that one of them writes in 24 hours")
	fs.IntVar(&d.Bytes, "size", 200, "payload `bytes` on average")
	fs.DurationVar(&d.Length, "day", 0, "how much of a day (default 24h)")
	fs.Float64Var(&d.Spike, "spike", 10, "how many `times` as much is written for a while in the evening; 1: no spike")
	fs.DurationVar(&d.SpikeFor, "spike-for", 0, "how long, in time of the day (default a 48th of --day)")
	fs.Uint64Var(&d.Seed, "seed", 1, "the same `number` is the same day")
}
