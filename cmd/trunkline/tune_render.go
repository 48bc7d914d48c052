package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"trunkline/tuning"
)

const tuneRenderHelp = `Usage: trunkline tune render --connections N --format FORMAT [--os OS --release R --cores C --memory BYTES] [--from FILE] [--json]

Prints settings for N connections, between the lines "# BEGIN trunkline" and "# END trunkline", with the reason of each. Equal flags give equal bytes.
It is written for this machine, for the one of --from, or for the one that --os, --release, --cores and --memory describe; for another
system than this one all of them are needed. What a box of that size has by itself is a comment, so that the file lowers nothing.
Exit status: 0 printed, 1 the machine could not be read, 2 wrong flags or a format of the other system.

Formats:
`

// renderHelp adds the formats.
func renderHelp(help string) string {
	for _, f := range tuning.Formats() {
		help += fmt.Sprintf("  %-16s %s\n", f, f.About())
	}
	return help
}

func (o *tuneOptions) renderFlags(fs *flag.FlagSet) {
	o.loadFlags(fs)
	fs.TextVar((*formatFlag)(&o.format), "format", new(formatFlag), "which kind of file, one of the above")
	o.machine.declare(fs)
	fs.StringVar(&o.from, "from", "", "for the machine that tune record has written into this `file`")
	fs.BoolVar(&o.json, "json", false, "print a JSON document")
}

// formatFlag is a format by its name.
type formatFlag tuning.Format

// MarshalText is the name; nothing for none.
func (f *formatFlag) MarshalText() ([]byte, error) {
	if *f == 0 {
		return nil, nil
	}
	return []byte(tuning.Format(*f).String()), nil
}

// UnmarshalText finds a format.
func (f *formatFlag) UnmarshalText(b []byte) error {
	format, err := tuning.ParseFormat(string(b))
	*f = formatFlag(format)
	if err != nil {
		return errors.New(tuneText(err))
	}
	return nil
}

func (o *tuneOptions) checkRender(fs *flag.FlagSet) error {
	if err := o.needsLoad(fs); err != nil {
		return err
	}
	if o.format == 0 {
		return errors.New("say which file: --format")
	}
	return o.machine.check(fs)
}

// rendered is what render prints as JSON.
type rendered struct {
	Schema  int            `json:"schema"`
	Format  string         `json:"format"`
	Path    string         `json:"path"` // where it belongs; empty for a script
	Machine tuning.Machine `json:"machine"`
	Text    string         `json:"text"`
}

// tuneRender prints one file.
func tuneRender(o *tuneOptions, stdout, stderr io.Writer) int {
	m, err := o.box(o.format.OS())
	if err != nil {
		return o.boxFailed(err, stderr)
	}
	text, err := tuning.Render(o.format, o.load, m)
	if err != nil {
		return o.failed(err, exitUsage, stderr)
	}
	path := o.format.Place()
	if path != "" {
		path = "/" + path
	}
	doc := rendered{tuning.Schema, o.format.String(), path, m, string(text)}
	return o.print(doc, func(w io.Writer) { _, _ = w.Write(text) }, stdout, stderr) // into memory
}

// boxFailed says why it is not known for which machine something is meant.
func (o *tuneOptions) boxFailed(err error, stderr io.Writer) int {
	var wrong usageProblem
	if errors.As(err, &wrong) {
		return o.failed(err, exitUsage, stderr)
	}
	return o.failed(err, exitFailed, stderr)
}
