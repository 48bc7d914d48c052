package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"trunkline/server"
)

// runServe runs the chat server until a signal, then drains it.
func runServe(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	if code, asked := explainMemory(args, stdout, stderr); asked {
		return code
	}
	cfg, err := parseServe(args)
	if err != nil {
		defaults := server.DefaultConfig()
		return usageError("serve", serveFlags(&defaults, &serveOptions{}), err, stdout, stderr)
	}
	// Both the terminal's Ctrl-C and a service manager's stop drain. Signals are caught before anything is opened.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	cfg.GOGC, cfg.GOMEMLIMIT = os.Getenv("GOGC"), os.Getenv("GOMEMLIMIT")
	cfg.Logger = newLogger(cfg, stderr)
	srv, err := server.New(cfg)
	if err != nil {
		return serveFailed(cfg, err, stderr)
	}
	setCollector(srv.GCChoice())
	spareProcessor(srv.Config().Loops)
	printBanner(stdout, srv)
	return serveUntilSignal(srv, signals, stdout, stderr)
}

// setCollector sets the collector as the server wants it; what the environment says, the runtime has done already.
func setCollector(c server.GCChoice) {
	if !c.PercentGiven {
		debug.SetGCPercent(c.Percent)
	}
	if !c.LimitGiven {
		debug.SetMemoryLimit(c.LimitBytes)
	}
}

// spareProcessor gives the scheduler one processor more than there are loops: when none is idle, Go's monitor takes the one
// of a loop that sleeps in its system call after 20 us, and each sleep costs a hand-over (docs/adr/0001).
func spareProcessor(loops int) {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) <= loops {
		runtime.GOMAXPROCS(loops + 1)
	}
}

// serveUntilSignal runs srv. The first signal drains, the second ends the process at once.
func serveUntilSignal(srv *server.Server, signals <-chan os.Signal, stdout, stderr io.Writer) int {
	ctx, drain := context.WithCancel(context.Background())
	defer drain()
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }() // ended by drain
	var err error
	select {
	case err = <-done:
	case sig := <-signals:
		fmt.Fprintf(stdout, "\n%s: draining for at most %s; a second Ctrl-C ends at once\n", sig, srv.Config().DrainTimeout)
		drain()
		select {
		case err = <-done:
		case <-signals:
			fmt.Fprintln(stderr, "trunkline serve: ended at once by a second signal")
			return exitInterrupt
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "trunkline serve: %s\n", oneLine(err))
		return exitFailed
	}
	fmt.Fprintln(stdout, "drained, goodbye")
	return exitOK
}

// serveFailed explains in one line why there is no server.
func serveFailed(cfg server.Config, err error, stderr io.Writer) int {
	code, hint := exitFailed, ""
	switch {
	case errors.Is(err, server.ErrConfig):
		code = exitUsage
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "; is another server running? --listen and --admin choose other ports"
	case errors.Is(err, syscall.EACCES) && strings.Contains(err.Error(), "listen"):
		hint = "; ports below 1024 need privileges"
	case errors.Is(err, server.ErrDataLocked):
		hint = "; one directory serves one process: --data names another, or \"off\" for none"
	case errors.Is(err, server.ErrMailboxesDamaged):
		hint = fmt.Sprintf("; nothing was changed. Look closer with: %s store check --data %s", called(os.Args[0]), shellWord(cfg.Data))
	case errors.Is(err, server.ErrJournalMissing):
		hint = "; give each --journal DIR that the last server had, and mount what is not mounted"
	}
	text := oneLine(err)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "listen" && op.Addr != nil {
		text = fmt.Sprintf("listen on %s: %s", op.Addr, op.Err) // once, not by each layer
	}
	fmt.Fprintf(stderr, "trunkline serve: %s%s\n", text, hint)
	return code
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// plainErrors has errors say what happened and no more: the text format would ask them for all they have, and the storage engine's have call stacks.
// An error that is none is left out.
func plainErrors(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "err" && a.Value.Kind() == slog.KindAny && a.Value.Any() == nil {
		return slog.Attr{}
	}
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(oneLine(err))
	}
	return a
}

func newLogger(cfg server.Config, w io.Writer) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	opts := &slog.HandlerOptions{Level: levels[cfg.LogLevel], ReplaceAttr: plainErrors}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// called is the program as it was called, for a shell: after a build it is not in PATH, and a bare name would not be found.
func called(arg0 string) string {
	if arg0 == "" {
		return "trunkline"
	}
	if strings.ContainsAny(arg0, " \t'\"\\$&;()*?") {
		return strconv.Quote(arg0)
	}
	return arg0
}

func raisedFrom(l server.Limits) string {
	if l.Descriptors == l.DescriptorsWere {
		return ""
	}
	return fmt.Sprintf(" (raised from %d)", l.DescriptorsWere)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// dialable names loopback where the server listens on every address.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		if ip.To4() == nil {
			return net.JoinHostPort("::1", port)
		}
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
