package tuning

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Render writes the lines that set up m for load, in one format, between BlockBegin and BlockEnd. It reads nothing of the
// machine that it runs on: equal input gives equal bytes. What a machine of this size has by itself is a comment, so that no
// line lowers it.
// Errors: ErrLoad, ErrMachine, ErrFormat when the other system reads the format.
func Render(f Format, load Load, m Machine) ([]byte, error) {
	if err := m.valid(); err != nil {
		return nil, err
	}
	if system := f.OS(); system != 0 && system != m.OS {
		return nil, fmt.Errorf("%w: %s is read by %s, and the box runs %s", ErrFormat, f, system.title(), m.OS.title())
	}
	complete, err := load.Complete(m)
	if err != nil {
		return nil, err
	}
	b := block{format: f, head: renderHead(f, load, m)}
	for _, line := range needs(complete, m) {
		b.lines = append(b.lines, f.fromNothing(line, m))
	}
	return b.text(), nil
}

// needs are the limits that a load needs on a machine, with what is suggested for them.
func needs(load Load, m Machine) []renderLine {
	var lines []renderLine
	limits := Limits(m.OS)
	for i := range limits {
		l := &limits[i]
		if need := l.Need(load, m); l.Exists(m.Release) && !need.None() {
			lines = append(lines, renderLine{limit: l, need: need, value: l.Suggested(load, m)})
		}
	}
	return lines
}

// fromNothing is a line for a machine on which nobody has set anything.
func (f Format) fromNothing(line renderLine, m Machine) renderLine {
	l, has := line.limit, usual(line.limit, m)
	if line.need.Count == 0 || f == Shell || f == RcConf && l.Name == "RLIMIT_NOFILE" {
		return line // a word; a script looks before it sets; a process can't raise the limit that its class has
	}
	if line.enough(m) && !f.says() {
		line.note = fmt.Sprintf("%s by itself on such a box, which is enough: no line.", has)
		line.value = Value{}
		return line
	}
	suggested := line.value
	line.value, _ = settle(l, has, line.need, suggested, true)
	for i, n := range suggested.Numbers[:suggested.Count] {
		if l.Rules[i] == AtLeast { // what a machine has by itself is worked out here, and might be less
			line.value.Numbers[i] = max(line.value.Numbers[i], n)
		}
	}
	if line.value.Numbers[0] > suggested.Numbers[0] {
		line.note = fmt.Sprintf("Such a box has it by itself; %s would do.", suggested)
	}
	return line
}

// enough says whether a machine on which nobody has set anything has enough by itself: as the table says, or twice what is
// suggested where it is worked out from the machine.
func (r *renderLine) enough(m Machine) bool {
	has := usual(r.limit, m)
	if !fitsNeed(r.limit, has, r.need) {
		return false
	}
	if ParseValue(r.limit.Default) == has {
		return true
	}
	for i, n := range r.value.Numbers[:r.value.Count] {
		if r.limit.Rules[i] == AtLeast && has.Numbers[i] < 2*n {
			return false
		}
	}
	return true
}

// says is true for formats in which also a value is written that a system has by itself: a service has limits of its own.
func (f Format) says() bool { return f == LoginConf || f == Systemd }

// renderLine is one limit in a file. Without a value only its note is written.
type renderLine struct {
	limit *Limit
	need  Value
	value Value
	note  string
}

// renderHead says for what the lines are, and how to make them again.
func renderHead(f Format, load Load, m Machine) []string {
	return []string{
		fmt.Sprintf("For %d connections on %s %s with %s and %s of memory:", load.Connections, m.OS.title(), m.Release, coresText(m.Cores), memoryText(m.MemoryBytes)),
		fmt.Sprintf("trunkline tune render --format %s%s%s", f, machineFlags(m), loadFlags(load)),
		"What stands between BEGIN and END is replaced by `trunkline tune apply`.",
	}
}

// machineFlags is a machine as flags of `trunkline tune`.
func machineFlags(m Machine) string {
	return fmt.Sprintf(" --os %s --release %s --arch %s --cores %d --memory %d --page %d", m.OS, m.Release, m.Arch, m.Cores, m.MemoryBytes, m.PageBytes)
}

// loadFlags is a load as flags of `trunkline tune`, what is left at zero left out.
func loadFlags(l Load) string {
	var b strings.Builder
	for _, row := range []struct {
		flag string
		n    int64
	}{
		{"connections", l.Connections}, {"loops", int64(l.Loops)}, {"send-buffer", l.SendBufferBytes}, {"receive-buffer", l.ReceiveBufferBytes},
		{"accepts", l.AcceptPerSecond}, {"stalled", l.StalledPerMille}, {"outbound", l.Outbound}, {"outbound-addresses", int64(l.OutboundAddresses)},
		{"memory-share", l.MemoryPerMille},
	} {
		if row.n != 0 {
			fmt.Fprintf(&b, " --%s %d", row.flag, row.n)
		}
	}
	return b.String()
}

func coresText(n int) string {
	if n == 1 {
		return "1 core"
	}
	return strconv.Itoa(n) + " cores"
}

func memoryText(n int64) string {
	if n >= 1<<30 {
		return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + " GiB"
	}
	return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
}

// title is a system's name as it writes itself.
func (o OS) title() string { return name(o, "FreeBSD", "Linux") }

// block is what stands between the markers of one file.
type block struct {
	format Format
	head   []string // comments above all
	lines  []renderLine
	rest   string // rc.conf: flags of limits(1) that a line outside has beside ours
}

// text writes the block. Lines that are not of the format's kind are left out.
func (k *block) text() []byte {
	var b bytes.Buffer
	if k.format == Shell {
		b.WriteString("#!/bin/sh\n")
	}
	b.WriteString(BlockBegin + "\n")
	for _, text := range k.head {
		b.WriteString("# " + text + "\n")
	}
	var mine []renderLine
	for _, line := range k.lines {
		if k.format.takes(line.limit.Kind) {
			mine = append(mine, line)
		}
	}
	switch k.format {
	case LoginConf:
		renderLogin(&b, mine)
	case RcConf:
		k.renderRc(&b, mine)
	case Shell:
		renderShell(&b, mine)
	default:
		renderPlain(&b, k.format, mine)
	}
	b.WriteString(BlockEnd + "\n")
	return b.Bytes()
}

// takes says whether limits of a kind are set in files of the format.
func (f Format) takes(k Kind) bool {
	switch f {
	case SysctlConf, LinuxSysctlD:
		return k == Sysctl
	case LoaderConf:
		return k == Loader
	case LoginConf:
		return k == LoginClass
	case RcConf, Systemd:
		return k == Rlimit
	case Shell:
		return k == Sysctl || k == Loader || k == Rlimit
	}
	return false
}

// comment writes text as lines of a comment, broken between words.
func comment(b *bytes.Buffer, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > commentColumns && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// explain writes above a line what it is for.
func explain(b *bytes.Buffer, line *renderLine) {
	b.WriteString("#\n")
	l := line.limit
	comment(b, l.Name+": "+l.Reason)
	comment(b, "If it does not fit: "+l.TooSmall+" See "+l.Manual+".")
	if !l.Required {
		comment(b, "Advice: the connections can be held without it.")
	}
	if line.note != "" {
		comment(b, line.note)
	}
}

// renderPlain writes formats in which each limit is a line of its own.
func renderPlain(b *bytes.Buffer, f Format, lines []renderLine) {
	if f == Systemd && len(lines) > 0 {
		b.WriteString("[Service]\n")
	}
	for i := range lines {
		line := &lines[i]
		explain(b, line)
		if line.value.None() {
			continue
		}
		prefix, l := "", line.limit
		if line.value.Count == 0 { // a word that the system did not choose by itself: somebody should know why before it is forced
			prefix = "#"
		}
		switch f {
		case LoaderConf:
			fmt.Fprintf(b, "%s%s=\"%s\"\n", prefix, l.bootName(), line.value.text(greatest))
		case LinuxSysctlD:
			if l.Optional {
				prefix += "-" // no error where the system does not have it
			}
			fmt.Fprintf(b, "%s%s = %s\n", prefix, l.Name, line.value.text(greatest))
		case Systemd:
			fmt.Fprintf(b, "%s=%s\n", systemdName(l.Name), line.value.text("infinity"))
		default:
			fmt.Fprintf(b, "%s%s=%s\n", prefix, l.Name, line.value.text(greatest))
		}
	}
}

// greatest is how a kernel writes a limit that is none.
const greatest = "9223372036854775807"

// bootName is the name under which the loader sets a limit.
func (l *Limit) bootName() string { return cmp.Or(l.Boot, l.Name) }

// systemdName is how systemd.exec(5) calls a resource limit: RLIMIT_NOFILE is LimitNOFILE.
func systemdName(rlimit string) string { return "Limit" + strings.TrimPrefix(rlimit, "RLIMIT_") }

// text is a value as files have it, with a word for numbers without limit.
func (v Value) text(unlimited string) string {
	return strings.ReplaceAll(v.String(), "unlimited", unlimited)
}

// renderLogin writes one class. Between its lines there is no room for comments: they stand above.
func renderLogin(b *bytes.Buffer, lines []renderLine) {
	for i := range lines {
		explain(b, &lines[i])
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "#\n%s:\\\n", ourClass)
	for _, line := range lines {
		if !line.value.None() {
			fmt.Fprintf(b, "\t:%s=%s:\\\n", line.limit.Name, line.value.String())
		}
	}
	b.WriteString("\t:tc=daemon:\n")
}

// renderRc writes what rc.subr(8) hands to limits(1) when it starts the service.
func (k *block) renderRc(b *bytes.Buffer, lines []renderLine) {
	flags := strings.Fields(k.rest)
	for i := range lines {
		flag := limitsFlag(lines[i].limit.Name)
		if flag == "" {
			continue
		}
		explain(b, &lines[i])
		if !lines[i].value.None() {
			flags = append(flags, flag+" "+lines[i].value.String())
		}
	}
	if len(flags) > 0 {
		fmt.Fprintf(b, "%s=\"%s\"\n", rcLimitsName, strings.Join(flags, " "))
	}
}

// limitsFlag is how limits(1) of FreeBSD calls a resource limit; "" for one that it does not know.
func limitsFlag(rlimit string) string {
	switch rlimit {
	case "RLIMIT_NOFILE":
		return "-n"
	case "RLIMIT_SBSIZE":
		return "-b"
	case "RLIMIT_KQUEUES":
		return "-k"
	case "RLIMIT_MEMLOCK":
		return "-l"
	case "RLIMIT_NPROC":
		return "-u"
	case "RLIMIT_AS":
		return "-v"
	}
	return ""
}
