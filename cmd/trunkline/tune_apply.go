package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"trunkline/tuning"
)

const tuneApplyHelp = `Usage: trunkline tune apply --connections N [--dry-run] [--lower] [--root DIR] [--json]
       trunkline tune apply --undo [--dry-run] [--root DIR] [--json]

Sets every limit that can be set now and writes the files for the next boot: on FreeBSD /boot/loader.conf, /etc/sysctl.conf, /etc/login.conf and /etc/rc.conf,
on Linux /etc/sysctl.d/99-trunkline.conf and a drop-in for trunkline.service. Only what stands between "# BEGIN trunkline" and "# END trunkline" is
replaced; a file whose markers are damaged is refused. Each file is replaced as a whole or not at all, and all are on the disk before the first is
replaced. FILE.trunkline-before is the file as it was. Nothing is made smaller without --lower, which lowers what should
be smaller and leaves what is more than needed. What needs a restart or a reboot is named.

--undo puts values and files back as they were before the first apply, but not what somebody else has changed since.
--root DIR sets up the system below DIR, an image or a jail, and leaves the running one alone; --os, --release, --cores and --memory describe the box that
will run it, where it is not one like this.
Exit status: 0 done (or said, with --dry-run), 1 something could not be done, 2 wrong flags.
`

func (o *tuneOptions) applyFlags(fs *flag.FlagSet) {
	o.loadFlags(fs)
	fs.StringVar(&o.root, "root", "/", "`directory` of the system to set up")
	fs.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and change nothing")
	fs.BoolVar(&o.lower, "lower", false, "make smaller what should be smaller, too")
	fs.BoolVar(&o.undo, "undo", false, "put everything back as it was before the first apply")
	fs.BoolVar(&o.json, "json", false, "print a JSON document")
	o.machine.declare(fs)
}

// Flags that do not describe a load.
var (
	machineFlagNames = []string{"os", "release", "arch", "cores", "memory", "page"}
	undoFlagNames    = []string{"undo", "dry-run", "root", "json", "os"}
)

func (o *tuneOptions) checkApply(fs *flag.FlagSet) error {
	root, err := filepath.Abs(o.root)
	if err != nil || o.root == "" {
		return errors.New("--root: it is no directory")
	}
	o.root = root
	if o.undo {
		var other string
		fs.Visit(func(f *flag.Flag) {
			if !hasName(undoFlagNames, f.Name) {
				other = f.Name
			}
		})
		if other != "" {
			return fmt.Errorf("--%s says nothing with --undo", other)
		}
	} else if err := o.needsLoad(fs); err != nil {
		return err
	}
	for _, name := range machineFlagNames {
		if given(fs, name) && o.onHost() {
			return fmt.Errorf("--%s describes the box of an image: give its --root, too", name)
		}
	}
	return o.machine.check(fs)
}

func hasName(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// onHost says whether the running system is the one to set up.
func (o *tuneOptions) onHost() bool { return o.root == "/" }

// tuneApply sets a system up, or takes that back.
func tuneApply(o *tuneOptions, stdout, stderr io.Writer) (code int) {
	disk, err := tuning.OpenRootDisk(o.root)
	if err != nil {
		return o.failed(fmt.Errorf("%s: %w", o.root, err), exitFailed, stderr)
	}
	defer func() { _ = disk.Close() }() // of a directory that was read
	setup := tuning.Setup{Disk: disk, Root: o.root}
	m, err := o.target(disk, &setup)
	if err != nil {
		return o.boxFailed(err, stderr)
	}
	if !o.dryRun {
		lock, err := o.lock(disk, m)
		if err != nil {
			return o.applyFailed(errors.Join(err, tuning.ErrNothing), stderr)
		}
		defer func() { _ = lock.Close() }() // the end of the process would do it
	}
	propose, run := o.proposer(&setup, m)
	p, err := propose()
	if err != nil {
		return o.applyFailed(errors.Join(err, tuning.ErrNothing), stderr)
	}
	if !o.dryRun {
		err = run(p)
	}
	if err == nil || !errors.Is(err, tuning.ErrNothing) {
		code = o.print(p, func(w io.Writer) { printProposal(w, p, o) }, stdout, stderr)
	}
	if err != nil {
		return o.applyFailed(err, stderr)
	}
	if o.undo && !o.dryRun {
		_ = disk.Remove(tuning.StateDir(m.OS)) // empty, or kept for what is left
	}
	if left := len(p.Left()); left > 0 && !o.dryRun {
		fmt.Fprintf(stderr, "trunkline tune apply: %s not as needed: see above\n", beText(left))
		return exitFailed
	}
	return code
}

// target is the machine to set up, with its running limits if it is this one.
func (o *tuneOptions) target(disk *tuning.RootDisk, setup *tuning.Setup) (tuning.Machine, error) {
	if !o.onHost() && o.undo {
		return o.undoTarget(disk)
	}
	if !o.onHost() {
		return o.box(0)
	}
	system, err := tuning.Live(0)
	if err != nil {
		return tuning.Machine{}, err
	}
	setup.System = system
	return system.Machine()
}

// undoTarget is the system of an image: what --os says, or the one whose record is there.
func (o *tuneOptions) undoTarget(disk *tuning.RootDisk) (tuning.Machine, error) {
	for _, system := range []tuning.OS{tuning.FreeBSD, tuning.Linux} {
		there, err := disk.HasDir(tuning.StateDir(system))
		if err != nil {
			return tuning.Machine{}, err
		}
		if there && (o.machine.os == "" || o.machine.os == system.String()) {
			return tuning.Machine{OS: system}, nil
		}
	}
	return tuning.Machine{}, tuning.ErrNothingToUndo
}

// lock keeps a second apply away. An undo of nothing leaves nothing behind.
func (o *tuneOptions) lock(disk *tuning.RootDisk, m tuning.Machine) (io.Closer, error) {
	if o.undo {
		if there, err := disk.HasDir(tuning.StateDir(m.OS)); err != nil || !there {
			return nil, cmp.Or(err, tuning.ErrNothingToUndo)
		}
	} else if there, err := disk.HasDir("etc"); err != nil || !there {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.root, tuning.ErrNoSystem), err)
	}
	return disk.Lock(m.OS)
}

// proposer is what is to be done, in two steps.
func (o *tuneOptions) proposer(setup *tuning.Setup, m tuning.Machine) (propose func() (*tuning.Proposal, error), run func(*tuning.Proposal) error) {
	if o.undo {
		return func() (*tuning.Proposal, error) { return setup.ProposeUndo(m) }, setup.Undo
	}
	return func() (*tuning.Proposal, error) { return setup.Propose(o.load, m, o.lower) }, setup.Apply
}

// applyFailed says what went wrong and what is to be done about it.
func (o *tuneOptions) applyFailed(err error, stderr io.Writer) int {
	hint := ""
	switch {
	case errors.Is(err, tuning.ErrMarkers):
		hint = "; mend the two lines, or remove what stands between them, and try again"
	case errors.Is(err, tuning.ErrNotRegular):
		hint = "; `trunkline tune render` prints what belongs there"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		hint = "; run it as root"
	case errors.Is(err, syscall.EROFS):
		hint = "; mount it for writing, or see `trunkline tune render`"
	}
	if errors.Is(err, tuning.ErrNothingToUndo) {
		err = tuning.ErrNothingToUndo // it says enough
	} else if !errors.Is(err, tuning.ErrNothing) {
		hint += "; `trunkline tune apply --undo` takes back what is done"
	}
	return o.failed(fmt.Errorf("%w%s", err, hint), exitFailed, stderr)
}

// printProposal writes for people what is done, or would be.
func printProposal(w io.Writer, p *tuning.Proposal, o *tuneOptions) {
	if len(p.Values) > 0 {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "limit\thave\tneed\tset to\twhat")
		for i := range p.Values {
			c := &p.Values[i]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.Limit.Name, valueText(c.Have), needText(c.Limit, c.Need), valueText(c.Set), changeText(c, o.dryRun))
		}
		_ = t.Flush() // the terminal may be gone
		fmt.Fprintln(w)
	} else if o.onHost() && !o.undo {
		fmt.Fprint(w, "every limit that can be set now is as needed\n\n")
	}
	for i := range p.Files {
		printFileChange(w, &p.Files[i], o)
	}
	if len(p.Next) > 0 {
		fmt.Fprintln(w, "left to do:")
		for _, command := range p.Next {
			fmt.Fprintf(w, "  %s\n", command)
		}
	}
	if o.dryRun {
		fmt.Fprintln(w, "nothing was changed (--dry-run)")
	}
}

// changeText says what became of one limit.
func changeText(c *tuning.Change, dryRun bool) string {
	switch {
	case c.Problem != "":
		return "PROBLEM: " + strings.ReplaceAll(c.Problem, "tuning: ", "")
	case c.Done:
		return "set"
	case dryRun && (c.Action == tuning.ActionSet || c.Action == tuning.ActionRestore):
		return "would be set"
	case c.Action == tuning.ActionReboot:
		return "after a reboot"
	case c.Action == tuning.ActionRestart:
		return "for processes that are started from now on"
	case c.Reason != "":
		return "left: " + c.Reason
	}
	return "left"
}

// printFileChange says what became of one file; with --dry-run, line by line.
func printFileChange(w io.Writer, f *tuning.FileChange, o *tuneOptions) {
	name := filepath.Join(o.root, f.Path)
	done := map[tuning.Action]string{tuning.ActionCreate: "written", tuning.ActionChange: "changed", tuning.ActionSame: "as needed", tuning.ActionNone: "left alone",
		tuning.ActionRestore: "put back", tuning.ActionRemove: "removed"}[f.Action]
	acts := f.Action != tuning.ActionSame && f.Action != tuning.ActionNone
	switch {
	case acts && o.dryRun:
		done = "would be " + done
	case acts && !f.Done:
		done = "NOT " + done
	}
	fmt.Fprintf(w, "%s: %s\n", name, done)
	if acts && o.dryRun {
		printLines(w, f.Before, f.Block)
	}
	for _, note := range f.Notes {
		fmt.Fprintf(w, "  note: %s\n", note)
	}
}

// printLines writes the settings that go and those that come; comments are left out.
func printLines(w io.Writer, before, after string) {
	was, is := settings(before), settings(after)
	for _, line := range was {
		if !hasName(is, line) {
			fmt.Fprintf(w, "  - %s\n", line)
		}
	}
	for _, line := range is {
		if !hasName(was, line) {
			fmt.Fprintf(w, "  + %s\n", line)
		}
	}
}

func settings(text string) []string {
	var list []string
	for _, line := range strings.Split(text, "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}
