package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"trunkline/bench"
)

// runFlags are those of `bench run` that are no fields of its configuration.
type runFlags struct {
	agents, keyFile       string
	plan, apply, lostOnes bool
}

// benchRun plays a scenario, from this host or from agents.
func benchRun(args []string, stdout, stderr io.Writer) int {
	var cfg bench.RunConfig
	return runScenario("run", &cfg, args, stdout, stderr, func(fs *flag.FlagSet) {
		fs.StringVar((*string)(&cfg.Scenario), "scenario", string(bench.ScenarioMessage), "connect, message, mix, storm, slow or soak")
		stormRunFlags(fs, &cfg)
		slowRunFlags(fs, &cfg)
		mixRunFlags(fs, &cfg)
		soakRunFlags(fs, &cfg)
	})
}

// benchSlow is `bench run --scenario slow`.
func benchSlow(args []string, stdout, stderr io.Writer) int {
	cfg := bench.RunConfig{Scenario: bench.ScenarioSlow}
	return runScenario("slow", &cfg, args, stdout, stderr, func(fs *flag.FlagSet) { slowRunFlags(fs, &cfg) })
}

// benchSoak is `bench run --scenario soak`.
func benchSoak(args []string, stdout, stderr io.Writer) int {
	cfg := bench.RunConfig{Scenario: bench.ScenarioSoak}
	return runScenario("soak", &cfg, args, stdout, stderr, func(fs *flag.FlagSet) {
		mixRunFlags(fs, &cfg)
		soakRunFlags(fs, &cfg)
	})
}

func stormRunFlags(fs *flag.FlagSet, cfg *bench.RunConfig) {
	fs.Float64Var(&cfg.Talkers, "talkers", 0.1, "storm: `share` of the connections that talk and stay")
	fs.Float64Var(&cfg.Back, "back", 0, "storm: connections a second that come back; 0: all at once")
}

func slowRunFlags(fs *flag.FlagSet, cfg *bench.RunConfig) {
	fs.Float64Var(&cfg.Stalled, "stalled", 0.1, "slow: `share` of the pairs whose reader stops reading")
	fs.DurationVar(&cfg.Stall, "stall", 0, "slow: for how long (default three times --ack-timeout)")
	fs.DurationVar(&cfg.AckTimeout, "ack-timeout", 0, "slow: after which the server is to end them; set on a server that the run starts (default 5s, with --server 1m)")
}

func mixRunFlags(fs *flag.FlagSet, cfg *bench.RunConfig) {
	fs.Float64Var(&cfg.Factor, "factor", 1, "mix, soak: how many `times` the published rates")
	fs.IntVar(&cfg.Shares.GroupSize, "group-size", 8, "mix, soak: users who know each other and have one group")
	fs.Func("offline", "mix, soak: `share` of all users who are away (default 0.25)", shareFlag(&cfg.Shares.Offline))
	fs.Func("read", "mix, soak: read receipts for each direct message (default 1)", shareFlag(&cfg.Shares.Read))
	fs.Func("typing", "mix, soak: TYPING before each direct message (default 1)", shareFlag(&cfg.Shares.Typing))
	fs.Func("states", "mix, soak: STATE changes for each login, 0 to 2 (default 2)", shareFlag(&cfg.Shares.Presence))
}

func soakRunFlags(fs *flag.FlagSet, cfg *bench.RunConfig) {
	fs.DurationVar(&cfg.Every, "every", 0, "soak: distance of two looks (default 1m)")
	fs.Float64Var(&cfg.MemoryGrown, "memory-grown", 10, "soak: how much the server's memory may grow from the middle third of the looks to the last, `percent`")
}

// shareFlag reads a share; 0 is none, and not the default.
func shareFlag(to *float64) func(string) error {
	return func(s string) error {
		if _, err := fmt.Sscanf(s+"\n", "%g\n", to); err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		if *to < 0 {
			return fmt.Errorf("%s is below 0", s)
		}
		if *to == 0 {
			*to = -1
		}
		return nil
	}
}

// runScenario parses what all scenarios have, and runs one.
func runScenario(kind string, cfg *bench.RunConfig, args []string, stdout, stderr io.Writer, more func(fs *flag.FlagSet)) int {
	var o benchOptions
	var f runFlags
	own, serve := splitServe(args)
	fs := benchFlags(kind, &o)
	targetFlags(fs, &cfg.Target)
	transportFlag(fs, &cfg.Target, "plain or noise")
	fs.IntVar(&cfg.Connections, "connections", 10_000, "held at once, over all agents")
	fs.Float64Var(&cfg.Ramp, "ramp", 0, "connections a second that come in; 0: as fast as they log in")
	fs.Float64Var(&cfg.Rate, "rate", 0, "messages a second over all; of mix and soak it is derived (default one for 20 connections)")
	fs.IntVar(&cfg.Bytes, "size", 200, "payload `bytes`")
	fs.DurationVar(&cfg.Warmup, "warmup", 0, "of the load, before the measurement (default a fifth of --duration, at most 10s)")
	fs.DurationVar(&cfg.Duration, "duration", 0, "of the measurement (default 30s, of a soak 1h)")
	fs.Uint64Var(&cfg.Seed, "seed", 1, "the same `number` draws the same users")
	fs.StringVar(&f.agents, "agents", "", "`addresses` of agents with commas between them; empty: this host alone")
	fs.StringVar(&f.keyFile, "key-file", "", "`file` with the key of the agents (trunkline bench agent --new-key FILE makes one)")
	fs.BoolVar(&f.lostOnes, "allow-lost-agents", false, "go on when an agent is lost, without all that it had counted")
	fs.BoolVar(&f.plan, "plan", false, "print what this host (or each agent) needs for it, and load nothing")
	fs.IntVar(&cfg.PerProcess, "per-process", 0, "connections of one generator process here (default what its descriptor limit allows)")
	fs.IntVar(&cfg.Processes, "processes", 0, "generator processes here, at least (default 1)")
	aliasFlags(fs, &f.apply, &cfg.AliasBase)
	more(fs)
	err := parseBench(fs, own, "connections", "size", "seed", "factor", "group-size", "talkers", "stalled", "memory-grown", "per-process", "processes")
	if err == nil {
		err = f.into(cfg)
	}
	if err != nil {
		return usageError("bench "+kind, fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	if f.plan {
		return printPlan(kind, *cfg, stdout, stderr)
	}
	return o.finish(kind, stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Run(ctx, *cfg, env)
	})
}

// aliasFlags are those of source addresses, of a run and of an agent.
func aliasFlags(fs *flag.FlagSet, apply *bool, base *netip.Addr) {
	fs.BoolVar(apply, "apply", false, "set source addresses that this host lacks (ifconfig, ip) for the run, and remove them at its end")
	fs.Func("alias-base", "first `address` of those that may be set (default 127.0.0.2 on loopback, else none)", func(s string) (err error) {
		*base, err = netip.ParseAddr(s)
		return err
	})
}

// into puts the flags into the configuration.
func (f *runFlags) into(cfg *bench.RunConfig) error {
	for _, a := range strings.Split(f.agents, ",") {
		if a = strings.TrimSpace(a); a != "" {
			cfg.Agents = append(cfg.Agents, a)
		}
	}
	if f.lostOnes {
		cfg.AllowLost = bench.LostAllow
	}
	if f.apply {
		cfg.Aliases = bench.AliasesApply
	}
	if f.keyFile == "" {
		return nil
	}
	key, err := bench.ReadAgentKey(f.keyFile)
	cfg.Key = key
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), bench.ErrInput.Error()+": "))
	}
	return nil
}

// printPlan says what a run needs.
func printPlan(kind string, cfg bench.RunConfig, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lines, err := bench.PlanRun(ctx, cfg, bench.Env{Progress: stderr})
	if err != nil {
		fmt.Fprintf(stderr, "trunkline bench %s: %s\n", kind, oneLine(err))
		return exitFailed
	}
	for _, line := range lines {
		fmt.Fprintln(stdout, line)
	}
	return exitOK
}
