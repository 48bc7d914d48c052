package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"trunkline/bench"
)

// benchAgent waits for coordinators (`bench run --agents`) and does what they order.
func benchAgent(args []string, stdout, stderr io.Writer) int {
	var cfg bench.AgentConfig
	var keyFile, newKey string
	var apply bool
	fs := flag.NewFlagSet("bench agent", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors and help are printed once, by usageError
	fs.StringVar(&cfg.Listen, "listen", "127.0.0.1:7411", "`address` to wait at")
	fs.StringVar(&keyFile, "key-file", "", "`file` with the key that coordinators must have, mode 0600")
	fs.StringVar(&newKey, "new-key", "", "write a new key into `file`, and end; copy it to the other hosts")
	fs.IntVar(&cfg.PerProcess, "per-process", 0, "connections of one generator process (default what its descriptor limit allows)")
	fs.IntVar(&cfg.Processes, "processes", 0, "generator processes of a job, at least (default 1)")
	aliasFlags(fs, &apply, &cfg.AliasBase)
	err := parseBench(fs, args, "per-process", "processes")
	switch {
	case err != nil:
	case newKey != "" && keyFile != "":
		err = errors.New("--new-key makes a key and ends: it goes without --key-file")
	case newKey != "":
		return made(bench.NewAgentKey(newKey), newKey, stdout, stderr)
	case keyFile == "":
		err = errors.New("--key-file is missing (--new-key FILE makes one)")
	default:
		cfg.Key, err = bench.ReadAgentKey(keyFile)
	}
	if err != nil {
		err = fmt.Errorf("%s", strings.TrimPrefix(err.Error(), bench.ErrInput.Error()+": "))
		return usageError("bench agent", fs, err, stdout, stderr)
	}
	if apply {
		cfg.Aliases = bench.AliasesApply
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	counts, err := bench.Agent(ctx, cfg, bench.Env{Progress: stderr})
	if err != nil {
		fmt.Fprintf(stderr, "trunkline bench agent: %s\n", oneLine(err))
		return exitFailed
	}
	fmt.Fprintf(stdout, "%d jobs, %d of them ended because the coordinator vanished; refused: %d with another key, %d strangers, %d while a job was under way\n",
		counts.Jobs, counts.Ended, counts.WrongBy, counts.Strange, counts.Busy)
	return exitOK
}

// made says that a key was made.
func made(err error, path string, stdout, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintf(stderr, "trunkline bench agent: %s\n", oneLine(err))
		return exitFailed
	}
	fmt.Fprintf(stdout, "%s holds a new key: copy it to each host of a run, readable by you alone\n", path)
	return exitOK
}
