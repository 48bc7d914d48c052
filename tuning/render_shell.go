package tuning

import (
	"bytes"
	"fmt"
	"strings"
)

// shellHead begins the script: tune sets a limit where its numbers are not good enough yet, and boot only looks.
// The script may be run, or read with "." so that the descriptor limit is that of the shell itself: it does not exit.
const shellHead = `#
# tune NAME RULES NUMBER...: set NAME. Each number has a letter in RULES: + raise it and never lower it, - lower it and
# never raise it, = set it, . leave it.
trunkline_failed=0
tune() {
	name=$1 rules=$2 new=
	shift 2
	have=$(sysctl -n "$name") || { trunkline_failed=1; return 0; }
	for old in $have; do
		rule=${rules%"${rules#?}"} want=${1-$old}
		rules=${rules#?}
		case $rule in
		+) [ "$old" -lt "$want" ] || want=$old ;;
		-) [ "$old" -gt "$want" ] || want=$old ;;
		=) ;;
		*) want=$old ;;
		esac
		new="$new${new:+ }$want"
		[ $# -eq 0 ] || shift
	done
	[ "$new" = "$(echo $have)" ] || SYSCTL "$name=$new" || trunkline_failed=1
}
# boot NAME RULE NUMBER HOW: look whether NAME is good enough; only a reboot changes it.
boot() {
	have=$(sysctl -n "$1") || { trunkline_failed=1; return 0; }
	case $2 in
	+) [ "$have" -lt "$3" ] || return 0 ;;
	-) [ "$have" -gt "$3" ] || return 0 ;;
	*) [ "$have" != "$3" ] || return 0 ;;
	esac
	echo "$1 is $have, $3 is needed: $4 and reboot" >&2
	trunkline_failed=1
}
`

// renderShell writes a script whose last command fails when something could not be set or needs a reboot.
func renderShell(b *bytes.Buffer, lines []renderLine) {
	set := "sysctl"
	if len(lines) > 0 && lines[0].limit.OS == Linux {
		set = "sysctl -q -w"
	}
	b.WriteString(strings.Replace(shellHead, "SYSCTL", set, 1))
	for i := range lines {
		line := &lines[i]
		command := line.command(set)
		if command == "" {
			continue
		}
		explain(b, line)
		if line.limit.Optional {
			command = fmt.Sprintf("if sysctl -n %s >/dev/null 2>&1; then\n\t%s\nfi", line.limit.Name, command)
		}
		b.WriteString(command + "\n")
	}
	b.WriteString("#\n[ \"$trunkline_failed\" = 0 ]\n")
}

// command is one line's command; "" where sh(1) has none.
func (r *renderLine) command(set string) string {
	l, v := r.limit, r.value
	switch {
	case l.Kind == Rlimit && l.Name != "RLIMIT_NOFILE":
		return ""
	case l.Kind == Rlimit:
		n := v.String()
		return fmt.Sprintf("# It is that of this shell and of what it starts: read this file with \".\" before you start the server from it.\n"+
			"case $(ulimit -n) in\nunlimited) ;;\n*) [ \"$(ulimit -n)\" -ge %s ] || ulimit -S -n %s 2>/dev/null || ulimit -n %s || trunkline_failed=1 ;;\nesac", n, n, n)
	case v.Count == 0:
		return fmt.Sprintf("#%s '%s=%s'", set, l.Name, v)
	case l.Kind == Loader:
		return fmt.Sprintf("boot %s %s %s '%s'", l.Name, ruleLetters(l, 1), r.need.text(greatest), l.atBoot(v))
	}
	return fmt.Sprintf("tune %s %s %s", l.Name, ruleLetters(l, int(v.Count)), v.text(greatest))
}

// atBoot says how a limit is set for the next boot.
func (l *Limit) atBoot(v Value) string {
	if l.OS == Linux {
		return fmt.Sprintf("put %s=%s on the command line of the kernel", l.bootName(), v)
	}
	return fmt.Sprintf("set %s=%s in loader.conf", l.bootName(), v)
}

// ruleLetters are the rules of the first numbers of a limit, as the script's functions take them.
func ruleLetters(l *Limit, numbers int) string {
	letters := ""
	for _, rule := range l.Rules[:numbers] {
		switch rule {
		case AtLeast:
			letters += "+"
		case AtMost:
			letters += "-"
		case Equal:
			letters += "="
		default:
			letters += "."
		}
	}
	return letters
}
