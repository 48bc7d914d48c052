package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"trunkline/tuning"
)

const tuneCheckHelp = `Usage: trunkline tune check --connections N [--loops L] [--pid PID | --from FILE] [--json]

Compares every limit of the system that N connections run into with what they need, and says of each: fit; advice (it works, and would be
better otherwise); unknown (it could not be read); SHORT (they can't be held). It changes nothing. The resource limits are those of this command and
what it would start; --pid looks at those of a running server.
Exit status: 0 fit, with or without advice; 1 not fit, something is SHORT; 2 can't tell: nothing is short, but something that is required could not
be read, or the system is not known, or the flags are wrong.
`

func (o *tuneOptions) checkFlags(fs *flag.FlagSet) {
	o.loadFlags(fs)
	o.systemFlags(fs)
	fs.BoolVar(&o.json, "json", false, "print a JSON document")
}

// tuneCheck compares. Whatever keeps it from an answer is no answer: exitNotTold.
func tuneCheck(o *tuneOptions, stdout, stderr io.Writer) int {
	system, err := o.system()
	if err != nil {
		return o.failed(err, exitNotTold, stderr)
	}
	report, err := tuning.Check(system, o.load)
	if err != nil {
		return o.failed(err, exitNotTold, stderr)
	}
	if o.print(report, func(w io.Writer) { printFit(w, &report) }, stdout, stderr) != exitOK {
		return exitNotTold
	}
	return report.Verdict.Exit()
}

// printFit writes a report for people.
func printFit(w io.Writer, r *tuning.Report) {
	fmt.Fprintf(w, "%s: %s on %s\n\n", boxText(r.Machine), loadText(&r.Load), count(r.Load.Loops, "loop"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "verdict\tlimit\thave\tneed\tset to\tunit\treason")
	short, unknown, advice := 0, 0, 0
	for i := range r.Rows {
		row := &r.Rows[i]
		verdict := row.Verdict.String()
		switch row.Verdict {
		case tuning.Short:
			short++
			verdict = "SHORT"
		case tuning.Unknown:
			unknown++
		case tuning.Advice:
			advice++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", verdict, row.Limit.Name, valueText(row.Have), needText(row.Limit, row.Need), valueText(row.Set), row.Limit.Unit, row.Reason)
	}
	_ = t.Flush() // the terminal may be gone
	var rest []string
	if unknown > 0 {
		rest = append(rest, fmt.Sprintf("%d unknown", unknown))
	}
	if advice > 0 {
		rest = append(rest, fmt.Sprintf("%d to be advised", advice))
	}
	tail := ""
	if len(rest) > 0 {
		tail = " (" + strings.Join(rest, ", ") + ")"
	}
	switch r.Verdict {
	case tuning.Short:
		fmt.Fprintf(w, "\nNOT FIT: %s SHORT%s. `trunkline tune apply --dry-run` with the same flags says what would change.\n", beText(short), tail)
	case tuning.Unknown:
		fmt.Fprintf(w, "\nCAN'T TELL%s: what could not be read is required.\n", tail)
	default:
		fmt.Fprintf(w, "\nfit%s\n", tail)
	}
}

func beText(n int) string {
	if n == 1 {
		return "1 limit is"
	}
	return fmt.Sprintf("%d limits are", n)
}

// boxText is a machine in a few words.
func boxText(m tuning.Machine) string {
	return fmt.Sprintf("%s %s %s, %s, %s", m.OS, m.Release, m.Arch, count(m.Cores, "core"), bytesText(m.MemoryBytes))
}

// loadText is what a machine shall hold.
func loadText(l *tuning.Load) string {
	text := fmt.Sprintf("%d connections", l.Connections)
	if l.Outbound > 0 {
		text += fmt.Sprintf(" and %d of its own from %s", l.Outbound, count2(l.OutboundAddresses, "address", "addresses"))
	}
	return text
}

// valueText is a value in a table.
func valueText(v tuning.Value) string {
	if v.None() {
		return "-"
	}
	return v.String()
}

// needText is what is needed, with "any" for the numbers of a list that nobody judges.
func needText(l *tuning.Limit, need tuning.Value) string {
	words := strings.Fields(valueText(need))
	for i, rule := range l.Rules {
		if rule == tuning.Any && i < len(words) && need.Count > 0 {
			words[i] = "any"
		}
	}
	return strings.Join(words, " ")
}

const tunePlanHelp = `Usage: trunkline tune plan [--connections N] [--pid PID | --from FILE] [--json]

Says how many connections this machine holds as it is set now and what stops it first, how many its memory would hold with every limit set as needed,
at how many connections each limit strikes, and where the memory of N connections goes (without --connections: of the most that it would
hold). It changes nothing. Exit status: 0 said, 1 the machine could not be read, 2 wrong flags.
`

func (o *tuneOptions) planFlags(fs *flag.FlagSet) { o.checkFlags(fs) }

// tunePlan says what a machine holds.
func tunePlan(o *tuneOptions, stdout, stderr io.Writer) int {
	system, err := o.system()
	if err != nil {
		return o.failed(err, exitFailed, stderr)
	}
	c, err := tuning.Plan(system, o.load)
	if err != nil {
		return o.failed(err, exitFailed, stderr)
	}
	return o.print(c, func(w io.Writer) { printCapacity(w, &c) }, stdout, stderr)
}

// printCapacity writes a capacity for people.
func printCapacity(w io.Writer, c *tuning.Capacity) {
	fmt.Fprintf(w, "%s, %s\n\n", boxText(c.Machine), count(c.Load.Loops, "loop"))
	fmt.Fprintf(w, "holds now    %d connections: %s stops it first\n", c.Connections, c.StoppedBy)
	fmt.Fprintf(w, "could hold   %d connections in %s of its memory, with every limit set as needed\n\n", c.Reachable, bytesText(c.BudgetBytes))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "stops at\tlimit\thave\tthen")
	for _, s := range c.Stops {
		have := valueText(s.Have)
		if s.Name == "memory" {
			have = bytesText(s.Have.Numbers[0])
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", s.Connections, s.Name, have, s.Reason)
	}
	_ = t.Flush() // the terminal may be gone
	if len(c.Unread) > 0 {
		fmt.Fprintf(w, "could not be read, and may stop it earlier: %s\n", strings.Join(c.Unread, ", "))
	}
	n := c.Load.Connections
	if n == 0 {
		n = c.Reachable
	}
	fmt.Fprintf(w, "\nmemory of %d connections\n", n)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "part\tbytes each\tin all\tsource")
	for _, p := range c.Model.Parts {
		each := "-"
		if p.Each > 0 {
			each = fmt.Sprint(p.Each)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Name, each, bytesText(p.Bytes), p.Source)
	}
	fmt.Fprintf(t, "sum\t%d\t%s\tof %s\n", c.Model.Bytes/max(n, 1), bytesText(c.Model.Bytes), bytesText(c.BudgetBytes))
	_ = t.Flush() // the terminal may be gone
}
