package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"trunkline/store"
)

const storeCheckHelp = `Usage: trunkline store check [--data DIR] [--journal DIR]... [--json]

Reads all of what a stopped server keeps: seed, state, each round of the journal, each block of the mailboxes. Each problem is named with its file, the
place in it, and what a repair would do. The end of a journal that a crash has torn is no problem: it was never promised to anybody. It
changes nothing. Exit status: 0 nothing is wrong, 1 something is, or it could not be read, 2 wrong flags.
`

const storeRepairHelp = `Usage: trunkline store repair [--data DIR] [--dry-run] [--journal DIR]... [--json]

Makes a data directory whole again of what can be read: the mailboxes from each file by itself, then the journal's rounds in their order. The result
takes the place of what was there when it is complete; what was there is moved to DIR/damaged-TIME and never removed. --dry-run only says
what would be done. The owner epoch rises. If something could not be read there is a new incarnation: clients forget what they had acknowledged and send what has
no first tick; if nothing was lost the incarnation stays. A directory without problems is left as it is. It takes as much room as the mailboxes have.
Exit status: 0 nothing is wrong (any more), 1 something is wrong and was not repaired, or an error, 2 wrong flags.
`

func (o *storeOptions) repairFlags(fs *flag.FlagSet) {
	o.journalFlag(fs)
	fs.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and change nothing")
}

// storeCheck reads everything.
func storeCheck(o *storeOptions, stdout, stderr io.Writer) int {
	var r store.Findings
	d, held, err := o.hold(false)
	if err == nil {
		r, err = d.Check()
		err = errors.Join(err, held.Close())
	}
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	code := o.print(r, func(w io.Writer) { printCheck(w, &r) }, stdout, stderr)
	if code == exitOK && len(r.Problems) > 0 {
		return exitFailed
	}
	return code
}

func printCheck(w io.Writer, r *store.Findings) {
	fmt.Fprintf(w, "read: %s, %d entries, %s of payload; %s of the journal with %d records\n", count2(r.Mailboxes, "mailbox", "mailboxes"), r.Entries,
		bytesText(int64(r.PayloadBytes)), count(int(r.Rounds), "round"), r.Records)
	for _, p := range r.Notes {
		fmt.Fprintf(w, "note: %s: %s; a repair or a start does %s\n", where(&p), p.What, p.Repair)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "PROBLEM in the %s: %s: %s; a repair %s\n", p.Part, where(&p), p.What, p.Repair)
	}
	if r.More > 0 {
		fmt.Fprintf(w, "... and %d problems more\n", r.More)
	}
	switch {
	case len(r.Problems) == 0:
		fmt.Fprintln(w, "nothing is wrong")
	case r.Lost:
		fmt.Fprintln(w, "something of what was kept can't be read: a repair would take a new incarnation")
	default:
		fmt.Fprintln(w, "all of what was kept can be read")
	}
}

// where is the place of a problem.
func where(p *store.Problem) string {
	switch {
	case p.Offset < 0:
		return p.Path
	case p.Bytes > 0:
		return fmt.Sprintf("%s, bytes %d to %d", p.Path, p.Offset, p.Offset+p.Bytes-1)
	}
	return fmt.Sprintf("%s, byte %d", p.Path, p.Offset)
}

func count2(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// storeRepair mends.
func storeRepair(o *storeOptions, stdout, stderr io.Writer) int {
	var r store.RepairReport
	d, held, err := o.hold(!o.dryRun)
	if err == nil {
		r, err = d.Repair(o.dryRun)
		err = errors.Join(err, held.Close())
	}
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	code := o.print(r, func(w io.Writer) { printRepair(w, &r) }, stdout, stderr)
	if code == exitOK && r.Needed && !r.Done {
		return exitFailed
	}
	return code
}

func printRepair(w io.Writer, r *store.RepairReport) {
	printCheck(w, &r.Found)
	switch {
	case !r.Needed:
		return
	case r.DryRun:
		fmt.Fprintln(w, "nothing was changed (--dry-run)")
		return
	}
	fmt.Fprintf(w, "\nrepaired: %s with %d entries, %s of payload; %s of the journal applied\n", count2(r.Mailboxes, "mailbox", "mailboxes"), r.Entries,
		bytesText(int64(r.PayloadBytes)), count(int(r.Rounds), "round"))
	if r.HeadsMade > 0 {
		fmt.Fprintf(w, "of %s only entries were left: their heads were made anew\n", count2(r.HeadsMade, "mailbox", "mailboxes"))
	}
	if r.NewSeed {
		fmt.Fprintln(w, "a new hash seed was drawn")
	}
	stays := "stays: nothing was lost"
	if r.NewIncarnation {
		stays = "is new: something was lost"
	}
	fmt.Fprintf(w, "the incarnation %s %s; owner epoch %d\nwhat was there is in %s\n", r.Incarnation, stays, r.OwnerEpoch, r.Aside)
}
