package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"trunkline/server"
	"trunkline/tuning"
)

const tuneWatchHelp = `Usage: trunkline tune watch [--interval 1s] [--count N] [--pid PID] [--json]

Shows what is used of each thing that the system limits: sockets, files, network buffers, half-open connections; and what it has refused: connections that found
the queue of a listener full, buffers that were denied. It warns at 80 % ("near") and at 95 % of a limit or when something is refused ("wall").
To a terminal it draws a table anew each time, else it prints a line each time; --json prints a document on a line.
It ends after --count, else on Ctrl-C. Exit status: 0 after --count, 1 the system could not be read, 2 wrong flags, 130 after Ctrl-C.
`

// watchIntervalMin is how often a look may be: reading takes milliseconds, and half of a core is no way to find out how a machine is.
const watchIntervalMin = 100 * time.Millisecond

func (o *tuneOptions) watchFlags(fs *flag.FlagSet) {
	o.interval = server.Duration(time.Second)
	fs.TextVar(&o.interval, "interval", o.interval, "how long between two looks, at least 100ms")
	fs.IntVar(&o.count, "count", 0, "end after so many looks (default on Ctrl-C)")
	fs.IntVar(&o.pid, "pid", 0, "whose descriptors are counted: those of this `process`, a running server (default the shell's own)")
	fs.BoolVar(&o.json, "json", false, "print lines of JSON")
}

func (o *tuneOptions) checkWatch(fs *flag.FlagSet) error {
	switch {
	case time.Duration(o.interval) < watchIntervalMin || time.Duration(o.interval) > 24*time.Hour:
		return fmt.Errorf("--interval: %s is not %s to 24h", time.Duration(o.interval), watchIntervalMin)
	case given(fs, "count") && o.count < 1:
		return fmt.Errorf("--count: %d is not 1 or more", o.count)
	case o.pid < 0:
		return fmt.Errorf("--pid: there is no process %d", o.pid)
	}
	return nil
}

// tuneWatch shows counters until --count or Ctrl-C.
func tuneWatch(o *tuneOptions, stdout, stderr io.Writer) int {
	system, err := tuning.Live(o.pid)
	if err != nil {
		return o.failed(err, exitFailed, stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ticker := time.NewTicker(time.Duration(o.interval))
	defer ticker.Stop()
	return o.watch(ctx, system, ticker.C, stdout, stderr)
}

// watch looks once at the start and at each tick.
func (o *tuneOptions) watch(ctx context.Context, system tuning.System, ticks <-chan time.Time, stdout, stderr io.Writer) int {
	show := o.watchPrinter(stdout)
	var w tuning.Watch
	for n := 1; ; n++ {
		counters, err := system.Counters()
		if err != nil {
			return o.failed(err, exitFailed, stderr)
		}
		text, err := show(w.Look(counters, time.Now()))
		if err != nil {
			return o.failed(err, exitFailed, stderr)
		}
		if code := printed("tune watch", text, stdout, stderr); code != exitOK {
			return code
		}
		if n == o.count {
			return exitOK
		}
		select {
		case <-ctx.Done():
			return exitInterrupt
		case <-ticks:
		}
	}
}

// watchPrinter is how a look is written.
func (o *tuneOptions) watchPrinter(stdout io.Writer) func(tuning.Look) ([]byte, error) {
	if o.json {
		return func(l tuning.Look) ([]byte, error) {
			text, err := json.Marshal(l)
			return append(text, '\n'), err
		}
	}
	if f, ok := stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		rows := 0
		return func(l tuning.Look) ([]byte, error) {
			text := redrawn(watchTable(&l), rows)
			rows = bytes.Count(text, []byte("\n"))
			return text, nil
		}
	}
	return func(l tuning.Look) ([]byte, error) { return watchLine(&l), nil }
}

// redrawn goes back over the rows that were drawn before and writes over them, clearing what is left of each.
func redrawn(table []byte, rows int) []byte {
	var b bytes.Buffer
	if rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", rows)
	}
	b.Write(bytes.ReplaceAll(table, []byte("\n"), []byte("\x1b[K\n")))
	b.WriteString("\x1b[J")
	return b.Bytes()
}

// watchTable is a look for a terminal. All looks have as many rows as there are counters, and one for each warning.
func watchTable(l *tuning.Look) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s  %s\n", l.At.Format(time.TimeOnly), l.Level)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tused\tof\t%\trefused\tmore\t")
	for i := range l.Rows {
		r := &l.Rows[i]
		percent := "-"
		if r.Percent != tuning.NotTold {
			percent = strconv.FormatFloat(r.Percent, 'f', 1, 64)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t\n", r.Name, toldText(r.Used), toldText(r.Limit), percent, toldText(r.Refused), r.RefusedMore)
	}
	_ = t.Flush() // into memory
	for i := range l.Rows {
		if r := &l.Rows[i]; r.Warning != "" {
			fmt.Fprintf(&b, "%s: %s\n", strings.ToUpper(string(r.Level)), r.Warning)
		}
	}
	return b.Bytes()
}

// watchLine is a look for a log.
func watchLine(l *tuning.Look) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s", l.At.UTC().Format(time.RFC3339), l.Level)
	for i := range l.Rows {
		r := &l.Rows[i]
		switch {
		case r.Used == tuning.NotTold:
			fmt.Fprintf(&b, " %s=+%d", r.Name, r.RefusedMore)
			continue
		case r.Limit == tuning.NotTold || r.Limit == tuning.Unlimited:
			fmt.Fprintf(&b, " %s=%d", r.Name, r.Used)
		default:
			fmt.Fprintf(&b, " %s=%d/%d", r.Name, r.Used, r.Limit)
		}
		if r.RefusedMore > 0 {
			fmt.Fprintf(&b, "+%d", r.RefusedMore)
		}
	}
	return append(b.Bytes(), '\n')
}

// toldText is a number that the system may not have told.
func toldText(n int64) string {
	switch n {
	case tuning.NotTold:
		return "-"
	case tuning.Unlimited:
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}
