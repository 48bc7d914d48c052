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

	"golang.org/x/term"

	"trunkline/bench"
)

// benchOptions are the flags that all measurements have.
type benchOptions struct {
	json  bool
	quiet bool
	out   string // directory of the result's files; empty: none
}

// benchFlags begins the flags of one measurement.
func benchFlags(kind string, o *benchOptions) *flag.FlagSet {
	fs := flag.NewFlagSet("bench "+kind, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors and help are printed once, by usageError
	fs.BoolVar(&o.json, "json", false, "print the report as JSON, and no progress")
	fs.BoolVar(&o.quiet, "quiet", false, "print no progress")
	fs.StringVar(&o.out, "out", "", "`directory` for the result as JSON and as a page with plots, which needs no network; empty: none")
	return fs
}

// outDefault is for measurements that leave files unless they are told not to.
func (o *benchOptions) outDefault(fs *flag.FlagSet, dir string) {
	f := fs.Lookup("out")
	o.out, f.DefValue = dir, dir
}

// env is who runs the measurement: where its progress goes, and how.
func (o *benchOptions) env(stderr io.Writer) bench.Env {
	env := bench.Env{Command: append([]string{"trunkline"}, os.Args[1:]...)}
	if o.json || o.quiet {
		return env
	}
	env.Progress = stderr
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		env.Width = func() int { return columns(f) }
	}
	return env
}

// columns is the width of a terminal; 80 when it does not tell.
func columns(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// finish runs a measurement with Ctrl-C caught and prints what came out. What an interrupted one has found is printed and kept too.
func (o *benchOptions) finish(kind string, stdout, stderr io.Writer, run func(ctx context.Context, env bench.Env) (*bench.Report, error)) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once; what was started ends with its input
	report, err := run(ctx, o.env(stderr))
	aborted := ctx.Err() != nil
	switch {
	case aborted && report == nil:
		fmt.Fprintf(stderr, "trunkline bench %s: aborted\n", kind)
		return exitInterrupt
	case aborted:
	case errors.Is(err, bench.ErrInput):
		text := strings.TrimPrefix(oneLine(err), bench.ErrInput.Error()+": ")
		fmt.Fprintf(stderr, "trunkline bench %s: %s (trunkline bench %s --help lists the flags)\n", kind, text, kind)
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "trunkline bench %s: %s\n", kind, oneLine(err))
		return exitFailed
	}
	if err := o.keep(report, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "trunkline bench %s: %s\n", kind, oneLine(err))
		return exitFailed
	}
	switch {
	case aborted:
		fmt.Fprintf(stderr, "trunkline bench %s: aborted: the figures are those of the time before\n", kind)
		return exitInterrupt
	case report.Failed():
		fmt.Fprintf(stderr, "trunkline bench %s: messages or sessions were lost, or messages doubled, out of order or damaged\n", kind)
		return exitFailed
	}
	return exitOK
}

// keep prints the report and writes its files.
func (o *benchOptions) keep(report *bench.Report, stdout, stderr io.Writer) error {
	var files []string
	if o.out != "" {
		var err error
		if files, err = report.Save(o.out); err != nil {
			return err
		}
	}
	write := report.WriteTable
	if o.json {
		write = report.WriteJSON
	}
	if err := write(stdout); err != nil {
		return err
	}
	if len(files) > 0 && !o.json && !o.quiet {
		fmt.Fprintf(stderr, "bench: written: %s\n", strings.Join(files, ", "))
	}
	return nil
}
