package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"trunkline/server"
	"trunkline/tuning"
)

// exitNotTold is how `tune check` ends when it can't tell: the same as for wrong flags, so that a script has two outcomes it can act on.
const exitNotTold = exitUsage

const tuneHelp = `Usage: trunkline tune check  --connections N [--json]                does this machine hold so many? Exit status 0 yes, 1 no, 2 can't tell
       trunkline tune plan   [--connections N] [--json]              what it holds, what stops it first, where the memory goes
       trunkline tune render --connections N --format FORMAT         settings for this machine or another, as a file
       trunkline tune apply  --connections N [--dry-run] [--lower]   set what can be set now, and the files for the next boot
       trunkline tune apply  --undo                                  take all of that back
       trunkline tune watch  [--interval 1s] [--count N] [--json]    sockets, files, buffers, what is refused, live
       trunkline tune record FILE                                    write this machine's limits down, for --from elsewhere

"trunkline tune WHAT --help" says more about each. Exit status: 0 done, 1 it could not be done, 2 wrong flags, 130 after Ctrl-C.
`

// tuneVerb is one row of the table of what `trunkline tune` does.
type tuneVerb struct {
	name  string
	help  string
	run   func(o *tuneOptions, stdout, stderr io.Writer) int
	flags func(o *tuneOptions, fs *flag.FlagSet)
	check func(o *tuneOptions, fs *flag.FlagSet) error // looks at flags behind parsing; nil: nothing to look at
}

func tuneVerbs() []tuneVerb {
	return []tuneVerb{
		{"check", tuneCheckHelp, tuneCheck, (*tuneOptions).checkFlags, (*tuneOptions).needsLoad},
		{"plan", tunePlanHelp, tunePlan, (*tuneOptions).planFlags, (*tuneOptions).mayLoad},
		{"render", renderHelp(tuneRenderHelp), tuneRender, (*tuneOptions).renderFlags, (*tuneOptions).checkRender},
		{"apply", tuneApplyHelp, tuneApply, (*tuneOptions).applyFlags, (*tuneOptions).checkApply},
		{"watch", tuneWatchHelp, tuneWatch, (*tuneOptions).watchFlags, (*tuneOptions).checkWatch},
		{"record", tuneRecordHelp, tuneRecord, nil, (*tuneOptions).checkRecord},
	}
}

// runTune runs one verb.
func runTune(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	o := tuneOptions{}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		o.verb, args = args[0], args[1:]
	}
	for _, v := range tuneVerbs() {
		if v.name == o.verb {
			return o.start(&v, args, stdout, stderr)
		}
	}
	fs := flag.NewFlagSet("tune", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	err := parseFlags(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		return printed("tune", []byte(tuneHelp), stdout, stderr)
	}
	if err = errors.New("say what to do: " + tuneNames()); o.verb != "" {
		err = fmt.Errorf("%q is none of %s", o.verb, tuneNames())
	}
	return usageError("tune", fs, err, stdout, stderr)
}

func tuneNames() string {
	var names []string
	for _, v := range tuneVerbs() {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}

// start parses the flags of one verb and runs it.
func (o *tuneOptions) start(v *tuneVerb, args []string, stdout, stderr io.Writer) int {
	name := "tune " + v.name
	if v.name == "record" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		o.file, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	if v.flags != nil {
		v.flags(o, fs)
	}
	fs.VisitAll(func(f *flag.Flag) {
		if f.DefValue == "0" { // says that it was not given: each usage tells what holds then
			f.DefValue = ""
		}
	})
	err := parseFlags(fs, args)
	if err == nil && v.check != nil {
		err = v.check(o, fs)
	}
	if err != nil {
		return talkError(name, v.help, fs, err, stdout, stderr)
	}
	return v.run(o, stdout, stderr)
}

// tuneOptions are the flags of all verbs.
type tuneOptions struct {
	verb string
	load tuning.Load
	json bool
	from string // a recorded machine in place of this one
	pid  int    // whose resource limits and descriptors; 0: this process's
	file string // of record

	format  tuning.Format
	machine machineFlags

	root                string
	dryRun, lower, undo bool

	interval server.Duration
	count    int
}

// system is the machine that is looked at: this one, or a recorded one.
func (o *tuneOptions) system() (tuning.System, error) {
	if o.from != "" {
		return tuning.ReadFixture(o.from)
	}
	return tuning.Live(o.pid)
}

// failed prints the one line of a verb that could not do its work.
func (o *tuneOptions) failed(err error, code int, stderr io.Writer) int {
	fmt.Fprintf(stderr, "trunkline tune %s: %s\n", o.verb, tuneText(err))
	return code
}

// tuneText is an error in one line, without the names of package and kind that come before what happened.
func tuneText(err error) string {
	text := oneLine(err)
	for _, prefix := range []string{"tuning: ", tuning.ErrLoad.Error() + ": ", tuning.ErrMachine.Error() + ": ", tuning.ErrFormat.Error() + ": "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return strings.ReplaceAll(text, "tuning: ", "")
}

// print writes what a verb has found: as JSON, or for people.
func (o *tuneOptions) print(v any, table func(w io.Writer), stdout, stderr io.Writer) int {
	var b bytes.Buffer
	if o.json {
		if err := printIndented(&b, v); err != nil {
			return o.failed(err, exitFailed, stderr)
		}
	} else {
		table(&b)
	}
	return printed("tune "+o.verb, b.Bytes(), stdout, stderr)
}

const tuneRecordHelp = `Usage: trunkline tune record FILE

Writes down what this machine is, every limit that matters to many connections, and its counters. On another machine
"trunkline tune check --from FILE" and plan, render and apply --dry-run take it in place of that machine.
Exit status: 0 written, 1 it could not be written or read, 2 wrong flags.
`

func (o *tuneOptions) checkRecord(*flag.FlagSet) error {
	if o.file == "" {
		return errors.New("say into which file: trunkline tune record FILE")
	}
	return nil
}

// tuneRecord writes a machine down.
func tuneRecord(o *tuneOptions, stdout, stderr io.Writer) int {
	if _, err := os.Lstat(o.file); err == nil {
		return o.failed(fmt.Errorf("%s is there already", o.file), exitFailed, stderr)
	}
	system, err := tuning.Live(0)
	if err != nil {
		return o.failed(err, exitFailed, stderr)
	}
	fixture, err := tuning.Record(system)
	if err == nil {
		err = tuning.WriteFixture(o.file, fixture)
	}
	if err != nil {
		return o.failed(err, exitFailed, stderr)
	}
	return printed("tune record", fmt.Appendf(nil, "%s limits and %s of this machine are in %s\n",
		fmt.Sprint(len(fixture.Values)), count(len(fixture.Counted), "counter"), o.file), stdout, stderr)
}
