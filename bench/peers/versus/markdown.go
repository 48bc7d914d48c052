package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// columns are the systems of the main table, in its order.
var columns = [...]string{ours, "mosquitto", "nats", "ejabberd"}

// markdown is the whole page.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The same work, other servers\n\nMade by `bin/versus` (`make bench-peers`). %s. %s.\n%s", r.Machine, r.runs(), r.busy())
	fmt.Fprintf(&b, "A message has %d bytes, goes between %d pairs of users, and counts when it is delivered and acknowledged; µs are CPU of the server's process for each message or login. Medians; in brackets the least and most of the rounds, and how many there were.\n\n",
		r.Sizes.Bytes, r.Sizes.Pairs)
	r.mainTable(&b)
	r.rateTable(&b)
	r.verdicts(&b)
	r.priceTable(&b)
	r.methods(&b)
	return b.String()
}

// runs says when this was measured.
func (r *report) runs() string {
	var all []string
	for _, e := range append(slices.Clone(r.Earlier), r.stretch) {
		all = append(all, fmt.Sprintf("%s: %d rounds in which the systems take turns, %.0f s, load average %s before and %s after", e.Started, e.Rounds, e.Seconds, e.Load[0], e.Load[1]))
	}
	return strings.Join(all, "; ")
}

// busy warns when other work than this had the machine: a run begins with nothing of its own.
func (r *report) busy() string {
	for _, e := range append(slices.Clone(r.Earlier), r.stretch) {
		if load, err := strconv.ParseFloat(e.Load[0], 64); err == nil && load > busyLoad {
			return fmt.Sprintf("**Other work had most of the processors** (load average %s before): ratios within a round say more than the figures, and differences of a tenth say little.\n", e.Load[0])
		}
	}
	return ""
}

// busyLoad is the load average before a run above which its page says so.
const busyLoad = 1.0

// cell is one figure of one system.
func (r *report) cell(figure, name, unit string) string {
	v, ok := r.Figures[figure][name]
	if !ok {
		return "-"
	}
	text := number(v.Median) + " " + unit
	if v.Rounds > 1 {
		text += fmt.Sprintf(" (%s-%s, %d)", number(v.Least), number(v.Most), v.Rounds)
	}
	if v.Lost != 0 || v.Wrong != 0 {
		text += fmt.Sprintf(" **lost %d, doubled or reordered %d**", v.Lost, v.Wrong)
	}
	return text
}

// number has three figures that count.
func number(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (r *report) mainTable(b *strings.Builder) {
	b.WriteString("| |")
	for _, name := range columns {
		b.WriteString(" " + name + " |")
	}
	b.WriteString(" least |\n|---|")
	b.WriteString(strings.Repeat("---|", len(columns)+1) + "\n")
	for _, f := range figures(r.Sizes) {
		if !slices.ContainsFunc(columns[:], func(n string) bool { _, ok := r.Figures[f.name][n]; return ok }) {
			continue
		}
		fmt.Fprintf(b, "| %s |", f.title)
		for _, name := range columns {
			b.WriteString(" " + r.cell(f.name, name, f.unit) + " |")
		}
		b.WriteString(" " + r.winner(f.name) + " |\n")
	}
	b.WriteString("\n")
}

// winner is the system with the least of a figure.
func (r *report) winner(figure string) string {
	best := ""
	for _, name := range columns {
		v, ok := r.Figures[figure][name]
		if ok && (best == "" || v.Median < r.Figures[figure][best].Median) {
			best = name
		}
	}
	if best == "" || best == ours {
		return best
	}
	mine, ok := r.Figures[figure][ours]
	if !ok {
		return best
	}
	return fmt.Sprintf("**%s**, ours %s times it", best, number(mine.Median/max(r.Figures[figure][best].Median, 1e-9)))
}

// rateTable has the messages a second, with which the figures of a closed loop go together: server and generator share the machine.
func (r *report) rateTable(b *strings.Builder) {
	var rows []figure
	for _, f := range figures(r.Sizes) {
		if v, ok := r.Figures[f.name][ours]; ok && v.Rate > 0 {
			rows = append(rows, f)
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString("Messages a second meanwhile, server and generator together on this machine:\n\n| |")
	for _, name := range columns {
		b.WriteString(" " + name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, f := range rows {
		fmt.Fprintf(b, "| %s |", f.title)
		for _, name := range columns {
			if v, ok := r.Figures[f.name][name]; ok {
				fmt.Fprintf(b, " %.0f |", v.Rate)
			} else {
				b.WriteString(" - |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// verdicts holds our figures against what they are to reach.
func (r *report) verdicts(b *strings.Builder) {
	b.WriteString("Ours divided by the peer's, median of the rounds' ratios, against what is asked of it:\n\n| | ours | peer | ratio | asked | |\n|---|---|---|---|---|---|\n")
	for _, f := range figures(r.Sizes) {
		for _, t := range f.targets {
			mine := cmp.Or(t.mine, ours)
			all := ratios(r.Samples, f.name, mine, t.peer)
			if len(all) == 0 {
				continue
			}
			m, verdict := median(all), "reached"
			if m > t.most {
				verdict = "**missed**"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %.3f | <= %s | %s |\n", f.title, mine, t.peer, m, number(t.most), verdict)
		}
	}
	b.WriteString("\n")
}

// priceTable has what disk and encryption add.
func (r *report) priceTable(b *strings.Builder) {
	names := []string{ours, ours + "-one", ours + "-taken", ours + "-patient", ours + "-data", ours + "-disk", "ejabberd-disk", pricedPlain, pricedNoise}
	titles := []string{ours, "-one", "-taken", "-patient", "-data", "-disk", "ejabberd-disk", "load tool, plain", "load tool, Noise"}
	var rows []figure
	for _, f := range append(figures(r.Sizes), figure{name: figureContact, title: "first contact of a known device, Noise", unit: "µs"}) {
		if slices.ContainsFunc(names[1:], func(n string) bool { _, ok := r.Figures[f.name][n]; return ok }) {
			rows = append(rows, f)
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString("What other settings cost. `-one`: one loop, as Mosquitto has one thread. `-taken`: a message is done when it is delivered and the server has taken it, as Mosquitto's; second ticks come all the same, and nobody waits for them. " +
		"`-patient`: clients acknowledge second ticks with their next message. `-data`: what waits is written back to disk later. `-disk`: fsync before the first tick. `ejabberd-disk`: queues on disk, as installed. " +
		"The two columns of the load tool (`trunkline bench`) belong together; it counts a message as done when it has arrived.\n\n| | " + strings.Join(titles, " | ") + " |\n|---|")
	b.WriteString(strings.Repeat("---|", len(names)) + "\n")
	for _, f := range rows {
		fmt.Fprintf(b, "| %s |", f.title)
		for _, name := range names {
			b.WriteString(" " + r.cell(f.name, name, f.unit) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// methods says what was measured with which settings.
func (r *report) methods(b *strings.Builder) {
	b.WriteString("## Systems\n\n| system | version | settings |\n|---|---|---|\n")
	for _, s := range r.Systems {
		fmt.Fprintf(b, "| %s | %s | %s |\n", s.Name, s.Version, s.Settings)
	}
	for _, line := range r.Absent {
		fmt.Fprintf(b, "\n%s\n", line)
	}
	fmt.Fprintf(b, `
## What counts

* One generator drives all systems: users of one event loop that read all that is there and write once for each read. Only the bytes differ (package wire). Client
  libraries with goroutines of their own for each connection would take the two processors from the server and batch differently for each protocol.
* CPU is user and system time of the server's process: what its threads have run by the scheduler's count (/proc/PID/task/*/schedstat), never less than utime and stime in /proc/PID/stat. What the generator uses does not count, but it shares the processors.
* A message is under way until its receiver has it and its sender has heard all that the protocol says: with us the first and the second tick, with Mosquitto (QoS 1 on both hops) the
  PUBACK, with NATS the receiver's empty reply, with ejabberd the receiver's receipt (XEP-0184). Mosquitto's sender never hears whether the receiver has it.
* A login is everything until messages reach the user: HELLO; CONNECT and SUBSCRIBE; CONNECT, SUB and PING; stream, SASL PLAIN, bind and presence. Only ejabberd checks a password.
* Memory is the growth of resident memory from page tables, when it stands still. Then ours and ejabberd are asked to collect garbage and it is read again; Mosquitto has none and NATS no such command.
* Queues are filled by up to %d writers with %d messages under way each, in turns over their users, without any limit that drops. ejabberd says nothing of stored messages: its writers ask with a ping for each write.
  ejabberd has 1/%d of the users of the others or fewer, and %d messages at most. Fetching includes the logins, the acknowledgements, and what the writers are told.
* NATS core keeps nothing for users who are away.
`, writersMax, queueInflight, r.Sizes.SlowShare, slowMessagesMax)
}
