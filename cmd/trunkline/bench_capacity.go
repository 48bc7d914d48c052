package main

import (
	"context"
	"io"

	"trunkline/bench"
)

func benchCapacity(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	cfg := bench.CapacityConfig{}
	own, serve := splitServe(args)
	fs := benchFlags("capacity", &o)
	targetFlags(fs, &cfg.Target)
	fs.IntVar(&cfg.Connections, "connections", 1_000_000, "idle encrypted sessions, logged in")
	fs.IntVar(&cfg.From, "from", 0, "the lower count of the memory's slope (default a tenth of --connections)")
	fs.DurationVar(&cfg.Keepalive, "keepalive", 0, "how often a silent session must say something (default 30m0s)")
	fs.Float64Var(&cfg.Talk, "talk", 0.01, "the `share` of the sessions that talks: each to another one")
	fs.DurationVar(&cfg.Every, "every", 0, "from one message of a talker to its next (default 10s)")
	fs.IntVar(&cfg.Bytes, "size", 200, "payload `bytes`")
	fs.DurationVar(&cfg.Within, "within", 0, "how long the crowd may take to come in: those who are there by then are the crowd (default until all are)")
	fs.DurationVar(&cfg.Hold, "hold", 0, "how long the crowd is watched before the storm (default 1m0s)")
	fs.Float64Var(&cfg.Drop, "drop", 0.1, "the `share` of the sessions that the storm cuts")
	fs.IntVar(&cfg.Offered, "offered", 0, "sessions that come back in each second of the storm; 0: twice as fast as they came in")
	fs.DurationVar(&cfg.Recover, "recover", 0, "how long all may take to be back (default 10m0s)")
	fs.StringVar(&cfg.Devices, "devices", "", "`directory` that keeps devices, tickets and the server's data for another run")
	fs.BoolVar(&cfg.Enrol, "enrol", false, "only register the devices in --devices; the run itself then comes by ticket")
	fs.IntVar(&cfg.PerWorker, "per-worker", 0, "connections of one generator process (default what its descriptor limit allows)")
	fs.Uint64Var(&cfg.Seed, "seed", 1, "of who talks and who is cut")
	o.outDefault(fs, "out/capacity")
	if err := parseBench(fs, own, "connections", "size", "seed"); err != nil {
		return usageError("bench capacity", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("capacity", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Capacity(ctx, cfg, env)
	})
}
