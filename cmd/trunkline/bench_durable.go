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
	fs.IntVar(&cfg.StoreShare, "store-share", 140, "what the server may hold in memory, in `percent` of the most that waits at once")
	fs.Int64Var(&cfg.StoreBytes, "store-bytes", 0, "`bytes` instead; 0: --store-share")
	o.outDefault(fs, "out/bench")
	if err := parseBench(fs, own, "users", "online", "messages", "size", "spike", "seed", "speed", "store-share"); err != nil {
		return usageError("bench mix", fs, err, stdout, stderr)
	}
	cfg.Target.Args, cfg.Out = serve, o.out
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

func benchBacklog(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.BacklogConfig
	own, serve := splitServe(args)
	fs := benchFlags("backlog", &o)
	fs.IntVar(&cfg.Messages, "messages", 10_000, "messages that wait for each device that comes back")
	fs.IntVar(&cfg.Drains, "drains", 10, "devices that come back from memory, and as many from disk")
	fs.IntVar(&cfg.Bytes, "size", 200, "payload `bytes` of what waits")
	fs.IntVar(&cfg.Pairs, "pairs", 50, "pairs that talk meanwhile")
	fs.IntVar(&cfg.Rate, "rate", 1_000, "messages a second over all pairs")
	if err := parseBench(fs, own, "messages", "drains", "size", "pairs", "rate"); err != nil {
		return usageError("bench backlog", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("backlog", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Backlog(ctx, cfg, env)
	})
}

func benchStart(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.StartConfig
	own, serve := splitServe(args)
	fs := benchFlags("start", &o)
	fs.IntVar(&cfg.Messages, "messages", 1_000_000, "messages that wait")
	fs.IntVar(&cfg.Each, "each", 100, "of them for one device")
	fs.IntVar(&cfg.Tail, "tail", 100_000, "messages that come just before kill -9")
	fs.IntVar(&cfg.Bytes, "size", 200, "payload `bytes`")
	if err := parseBench(fs, own, "messages", "each", "tail", "size"); err != nil {
		return usageError("bench start", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("start", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Start(ctx, cfg, env)
	})
}

func benchMailbox(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.MailboxConfig
	own, serve := splitServe(args)
	fs := benchFlags("mailbox", &o)
	fs.IntVar(&cfg.Messages, "messages", 1_000_000, "the higher count of messages that wait")
	fs.IntVar(&cfg.From, "from", 0, "the lower count (default a fifth of --messages)")
	fs.IntVar(&cfg.Each, "each", 100, "for one device, at the higher count")
	fs.IntVar(&cfg.Bytes, "size", 200, "payload `bytes`")
	if err := parseBench(fs, own, "messages", "each", "size"); err != nil {
		return usageError("bench mailbox", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("mailbox", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Mailbox(ctx, cfg, env)
	})
}
