// Command versus does the same work against this project's server and against servers that others know: Mosquitto, NATS and ejabberd. It starts each of them by
// itself on a free port of 127.0.0.1 with a temporary directory, lets one crowd of users talk with it, and reads from /proc what the server used; what the
// crowd costs does not count. Systems take turns within each round, and the medians of the rounds count.
//
//	versus --trunkline bin/trunkline [--short] [--rounds 5] [--only trunkline,mosquitto] [--steps talk] [--json out/peers.json] [--markdown bench/peers/RESULTS.md]
//
// What is not installed is named and left out. Exit status: 0; 1 when something failed, or a message was lost, doubled or reordered; 2 for wrong flags.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	program, json, markdown string
	earlier                 string
	only, steps             string
	short                   bool
	rounds                  int
	time                    time.Duration
	sizes                   sizes
}

// parseOptions reads the flags.
func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("versus", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.program, "trunkline", "bin/trunkline", "our server")
	f.StringVar(&o.json, "json", "", "write all samples to this file")
	f.StringVar(&o.earlier, "continue", "", "the JSON of an earlier run on this machine, whose rounds count too")
	f.StringVar(&o.markdown, "markdown", "", "write the table to this file; not with --short, whose figures mean little")
	f.StringVar(&o.only, "only", "", "systems, with commas; default all that are installed")
	f.StringVar(&o.steps, "steps", "", "beginnings of the names of steps, with commas: sessions, talk, backlog, price; default all")
	f.BoolVar(&o.short, "short", false, "a small run of about two minutes that checks that everything works")
	f.IntVar(&o.rounds, "rounds", 0, "rounds; default 5, 1 with --short")
	f.DurationVar(&o.time, "duration", 0, "how long each way of talking is measured; default 4s, 1s with --short")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.sizes = full()
	if o.short {
		o.sizes = short()
	}
	if o.rounds != 0 {
		o.sizes.Rounds = o.rounds
	}
	if o.time != 0 {
		o.sizes.Time = o.time
	}
	if f.NArg() > 0 || o.sizes.Rounds < 1 || o.sizes.Rounds > roundsMax || o.sizes.Time < timeMin || o.sizes.Time > timeMax {
		err = fmt.Errorf("wrong flags: rounds 1 to %d, duration %v to %v, and nothing behind the flags", roundsMax, timeMin, timeMax)
		fmt.Fprintln(stderr, "versus:", err)
	}
	return o, err
}

const (
	// roundsMax bounds --rounds: a round takes some minutes.
	roundsMax = 99
	// timeMin and timeMax bound --duration: below, the unit of /proc's CPU times (10 ms) is most of what is read.
	timeMin = time.Second
	timeMax = time.Minute
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	all, absent := installed(systems(o.program), chosen(o.only))
	for _, line := range absent {
		fmt.Fprintln(stderr, "versus:", line)
	}
	if len(all) == 0 || all[0].kind.Name() != ours {
		fmt.Fprintf(stderr, "versus: nothing to compare without %s (make build)\n", o.program)
		return 1
	}
	r := newReport(o.sizes, all, absent)
	if o.earlier != "" {
		if err := r.continues(o.earlier); err != nil {
			fmt.Fprintln(stderr, "versus:", err)
			return 1
		}
	}
	save := func() error { // after each round, so that a run that is ended has its rounds
		r.finish()
		return r.write(o)
	}
	runErr := errors.Join(rounds(ctx, all, o, r, save, stderr), save())
	fmt.Fprint(stdout, r.markdown())
	if err := runErr; err != nil {
		fmt.Fprintln(stderr, "versus:", err)
		return 1
	}
	if r.wrong() {
		fmt.Fprintln(stderr, "versus: messages were lost, doubled or reordered")
		return 1
	}
	return 0
}

// chosen says whether a comma-separated list names something by its beginning; an empty list names everything.
func chosen(list string) func(name string) bool {
	parts := strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
	return func(name string) bool {
		return len(parts) == 0 || slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(name, p) })
	}
}

// installed leaves out what is not there, and says so.
func installed(all []system, want func(string) bool) (there []system, absent []string) {
	for _, s := range all {
		if !want(s.kind.Name()) {
			continue
		}
		if _, err := s.kind.Version(); err != nil {
			absent = append(absent, fmt.Sprintf("%s is not measured: %v", s.kind.Name(), err))
			continue
		}
		there = append(there, s)
	}
	return there, absent
}

// rounds measures everything, system after system within each step within each round. A system that fails is reported and goes on with its next step; of a
// round that was ended by ctx nothing counts, for systems are compared by whole rounds.
func rounds(ctx context.Context, all []system, o options, r *report, save func() error, progress io.Writer) (failed error) {
	for round := range o.sizes.Rounds {
		finished := len(r.Samples)
		failed = errors.Join(failed, oneRound(ctx, all, o, round, r.add, progress))
		if ctx.Err() != nil {
			r.Samples = r.Samples[:finished]
			return ctx.Err()
		}
		r.Rounds = round + 1
		if err := save(); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// oneRound is one round, counted from 0.
func oneRound(ctx context.Context, all []system, o options, round int, add func(sample), progress io.Writer) (failed error) {
	wanted := chosen(o.steps)
	for _, st := range steps(o.sizes) {
		for _, s := range all {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !wanted(st.name) || !st.fits(s) {
				continue
			}
			began := time.Now()
			err := st.run(ctx, s, o.sizes, add)
			fmt.Fprintf(progress, "round %d, %s, %s: %.1f s, load %s\n", round+1, st.name, s.kind.Name(), time.Since(began).Seconds(), loadAverage())
			if err != nil {
				err = fmt.Errorf("round %d, %s: %w", round+1, st.name, err)
				fmt.Fprintln(progress, "versus:", err)
				failed = errors.Join(failed, err)
			}
		}
	}
	if wanted("price") {
		failed = errors.Join(failed, prices(ctx, o, round, add))
	}
	return failed
}

// loadAverage is the machine's, of the last minute.
func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg") // empty where there is none
	before, _, _ := strings.Cut(string(b), " ")
	return before
}

// writeJSON writes v to a file, in a form that diffs well.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
