package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"trunkline/bench"
)

const benchUsage = `Usage: trunkline bench KIND [flags] [-- flags of serve]

  echo      CPU per message of the reactor's echo server beside a bare loop
  connect   bytes of server memory for each idle session (--raw: for each connection)
  message   messages a second, server CPU per message, latency, and whether all arrived once and in order
  login     server CPU for each login: by contact, by ticket, and on the plain transport
  storm     what a storm of clients that come back does to those who are connected, with a plot
  backlog   what a device that comes back for 10,000 messages does to those who are talking
  start     how long a server with a million waiting messages takes to start, also after kill -9
  mailbox   bytes of server memory for each message that waits
  mix       a day of people who come and go: how much of what waited was in memory, with a plot
  group     server CPU of a message to a group for each member, beside a server that only writes to the sockets
  capacity  a crowd of idle encrypted sessions: memory, kernel, garbage, a share that talks, a storm, a drain, with a plot
  presence  what people who come and go all the time do to the messages of the others
  run       connect, message, mix, storm, slow or soak at size: from this host or from agents on several
  slow      what readers who stop reading do to the server and to the others
  soak      the published mix for hours, looked at every minute: nothing lost, memory stands
  agent     waits on a further host for what "run --agents" orders
  compare   two result files side by side

Each but agent and compare starts a server of its own on loopback and ends it, unless --server names one. --out DIR keeps the result as JSON and as a
page with plots.
"trunkline bench KIND --help" lists the flags.
`

// runBench runs one measurement and prints its report.
func runBench(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, benchUsage)
		return exitUsage
	}
	switch args[0] {
	case "echo":
		return benchEcho(args[1:], stdout, stderr)
	case "connect":
		return benchConnect(args[1:], stdout, stderr)
	case "message":
		return benchMessage(args[1:], stdout, stderr)
	case "login":
		return benchLogin(args[1:], stdout, stderr)
	case "storm":
		return benchStorm(args[1:], stdout, stderr)
	case "mix":
		return benchMix(args[1:], stdout, stderr)
	case "backlog":
		return benchBacklog(args[1:], stdout, stderr)
	case "start":
		return benchStart(args[1:], stdout, stderr)
	case "mailbox":
		return benchMailbox(args[1:], stdout, stderr)
	case "group":
		return benchGroup(args[1:], stdout, stderr)
	case "capacity":
		return benchCapacity(args[1:], stdout, stderr)
	case "presence":
		return benchPresence(args[1:], stdout, stderr)
	case "run":
		return benchRun(args[1:], stdout, stderr)
	case "slow":
		return benchSlow(args[1:], stdout, stderr)
	case "soak":
		return benchSoak(args[1:], stdout, stderr)
	case "agent":
		return benchAgent(args[1:], stdout, stderr)
	case "compare":
		return benchCompare(args[1:], stdout, stderr)
	case "child":
		return benchChild(args[1:], stdin, stdout, stderr)
	case "-h", "-help", "--help", "help":
		fmt.Fprint(stdout, benchUsage)
		return exitOK
	}
	fmt.Fprintf(stderr, "trunkline bench: unknown kind %q; it is echo, connect, message, login, storm, mix, backlog, start, mailbox, group, presence, capacity, run, slow, soak, agent or compare\n", args[0])
	return exitUsage
}

// benchChild is one of the processes that a measurement starts.
func benchChild(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if err := bench.Child(args, stdin, stdout); err != nil {
		fmt.Fprintf(stderr, "trunkline bench child: %s\n", oneLine(err))
		return exitFailed
	}
	return exitOK
}

func targetFlags(fs *flag.FlagSet, t *bench.Target) {
	fs.StringVar(&t.Server, "server", "", "`address` of a running server; empty starts one")
	fs.StringVar(&t.Admin, "admin", "", "admin `address` of the server that --server names, for its CPU and memory")
}

// transportFlag is for the measurements that run over either transport.
func transportFlag(fs *flag.FlagSet, t *bench.Target, usage string) {
	fs.StringVar((*string)(&t.Transport), "transport", string(bench.TransportDefault), usage)
}

// splitServe parts the flags of bench from those behind "--", which are for the server that the run starts.
func splitServe(args []string) (own, serve []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

func benchMessage(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.MessageConfig
	own, serve := splitServe(args)
	fs := benchFlags("message", &o)
	targetFlags(fs, &cfg.Target)
	transportFlag(fs, &cfg.Target, "plain or noise")
	fs.IntVar(&cfg.Pairs, "pairs", 500, "pairs of users; one of each sends to the other")
	fs.IntVar(&cfg.Rate, "rate", 0, "messages a second over all pairs; 0: each pair sends when the last one arrived")
	fs.IntVar(&cfg.Inflight, "inflight", 1, "with --rate 0: messages under way on each pair, at most 64")
	fs.IntVar(&cfg.Bytes, "size", 20, "payload `bytes`")
	fs.DurationVar(&cfg.Duration, "duration", 0, "how long to measure (default 10s)")
	fs.DurationVar(&cfg.Warmup, "warmup", 0, "how long to send before that (default a fifth of --duration, at most 2s)")
	fs.IntVar(&cfg.Loops, "loops", 0, "loops of the generator (default half the processors)")
	fs.StringVar((*string)(&cfg.Ack), "ack", "", "what the first tick means: memory, disk, or both to compare them (default the server's)")
	fs.IntVar(&cfg.Rounds, "rounds", 3, "with --ack both: interleaved rounds; the median counts")
	fs.DurationVar(&cfg.Linger, "linger", 0, "--journal-linger of the server in disk mode (default the server's)")
	if err := parseBench(fs, own, "pairs", "size", "inflight", "rounds"); err != nil {
		return usageError("bench message", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("message", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Message(ctx, cfg, env)
	})
}

func benchConnect(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.ConnectConfig
	var raw bool
	own, serve := splitServe(args)
	fs := benchFlags("connect", &o)
	targetFlags(fs, &cfg.Target)
	transportFlag(fs, &cfg.Target, "plain, noise, or both to compare them")
	fs.IntVar(&cfg.Connections, "connections", 15_000, "the higher count")
	fs.IntVar(&cfg.From, "from", 0, "the lower count (default a third of --connections)")
	fs.BoolVar(&raw, "raw", false, "connections of the reactor alone, without sessions")
	fs.StringVar(&cfg.Poller, "poller", "", "with --raw: native or gnet; empty for the faster one")
	fs.DurationVar(&cfg.Hold, "hold", 0, "how long to watch the idle CPU (default 2s)")
	fs.IntVar(&cfg.PerWorker, "per-worker", 0, "connections of one generator process (default what its descriptor limit allows)")
	fs.Func("peer", "`program` to compare with under --raw (see bench/peers); may be repeated", appendTo(&cfg.Peers))
	if err := parseBench(fs, own, "connections"); err != nil {
		return usageError("bench connect", fs, err, stdout, stderr)
	}
	if raw {
		cfg.Raw = bench.Raw
	}
	cfg.Target.Args = serve
	return o.finish("connect", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Connect(ctx, cfg, env)
	})
}

func benchLogin(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.LoginConfig
	own, serve := splitServe(args)
	fs := benchFlags("login", &o)
	targetFlags(fs, &cfg.Target)
	fs.IntVar(&cfg.Logins, "logins", 1_000, "logins of each kind in a round")
	fs.IntVar(&cfg.Rate, "rate", 400, "logins a second; above what the server's budget admits they are refused for a while")
	fs.IntVar(&cfg.Rounds, "rounds", 5, "interleaved rounds; the median counts")
	if err := parseBench(fs, own, "logins", "rate", "rounds"); err != nil {
		return usageError("bench login", fs, err, stdout, stderr)
	}
	cfg.Target.Args = serve
	return o.finish("login", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Login(ctx, cfg, env)
	})
}

func benchStorm(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.StormConfig
	own, serve := splitServe(args)
	fs := benchFlags("storm", &o)
	targetFlags(fs, &cfg.Target)
	fs.IntVar(&cfg.Pairs, "pairs", 50, "live pairs; one of each sends to the other")
	fs.IntVar(&cfg.Rate, "rate", 1_000, "messages a second over all pairs")
	fs.IntVar(&cfg.Bytes, "size", 20, "payload `bytes`")
	fs.IntVar(&cfg.Clients, "clients", 5_000, "clients that are cut at once and come back")
	fs.IntVar(&cfg.Factor, "factor", 5, "offered handshakes as a multiple of those that the server admits")
	fs.IntVar(&cfg.Offered, "offered", 0, "offered handshakes a second instead; 0 finds out what is admitted")
	fs.DurationVar(&cfg.Calm, "calm", 0, "calm before the storm (default 10s)")
	fs.DurationVar(&cfg.After, "after", 0, "calm behind it (default 5s)")
	fs.DurationVar(&cfg.Recover, "recover", 0, "how long all may take to be back (default 1m0s)")
	fs.IntVar(&cfg.PerWorker, "per-worker", 0, "clients of one generator process (default what its descriptor limit allows)")
	o.outDefault(fs, "out/bench")
	if err := parseBench(fs, own, "pairs", "rate", "size", "clients", "factor"); err != nil {
		return usageError("bench storm", fs, err, stdout, stderr)
	}
	cfg.Target.Args, cfg.Out = serve, o.out
	return o.finish("storm", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Storm(ctx, cfg, env)
	})
}

func benchEcho(args []string, stdout, stderr io.Writer) int {
	var o benchOptions
	var cfg bench.EchoConfig
	fs := benchFlags("echo", &o)
	fs.IntVar(&cfg.Connections, "connections", 50, "connections of the closed-loop cases")
	fs.IntVar(&cfg.Idle, "paced-connections", 1_000, "connections of the paced case")
	fs.IntVar(&cfg.Rate, "rate", 2_000, "messages a second of the paced case")
	fs.IntVar(&cfg.Bytes, "size", 64, "`bytes` of one message")
	fs.Func("inflight", "messages under way on each connection, as a `list` (default 1,16)", intList(&cfg.Inflight))
	fs.IntVar(&cfg.Rounds, "rounds", 5, "interleaved rounds; the median counts")
	fs.DurationVar(&cfg.Duration, "duration", 0, "length of one measurement (default 1s)")
	fs.DurationVar(&cfg.Warmup, "warmup", 0, "sending before each (default a fifth of --duration)")
	fs.StringVar(&cfg.Poller, "poller", "", "of our reactor: native or gnet; empty for the faster one")
	fs.Func("peer", "`program` to compare with (see bench/peers); may be repeated", appendTo(&cfg.Peers))
	if err := parseBench(fs, args, "connections", "paced-connections", "rate", "size", "rounds"); err != nil {
		return usageError("bench echo", fs, err, stdout, stderr)
	}
	return o.finish("echo", stdout, stderr, func(ctx context.Context, env bench.Env) (*bench.Report, error) {
		return bench.Echo(ctx, cfg, env)
	})
}

// parseBench parses flags. The named ones must not be given as 0, which the configurations take for "the default";
// neither must durations.
func parseBench(fs *flag.FlagSet, args []string, notZero ...string) error {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	var wrong error
	fs.Visit(func(f *flag.Flag) {
		value := f.Value.String()
		if value == "0s" && f.Name != "warmup" && f.Name != "linger" || value == "0" && slices.Contains(notZero, f.Name) {
			wrong = fmt.Errorf("--%s must be above 0", f.Name)
		}
	})
	return wrong
}

// appendTo is a flag that may be repeated.
func appendTo(list *[]string) func(string) error {
	return func(s string) error {
		*list = append(*list, s)
		return nil
	}
}

// intList is a flag of numbers with commas between them.
func intList(list *[]int) func(string) error {
	return func(s string) error {
		*list = nil
		for _, word := range strings.Split(s, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(word))
			if err != nil {
				return fmt.Errorf("%q is not a number", word)
			}
			*list = append(*list, n)
		}
		return nil
	}
}
