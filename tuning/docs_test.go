package tuning

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

const docsPage = "../docs/tuning.md"

// docsLoads are the numbers of connections that the page shows values for, on a machine of 24 cores and 128 GiB.
var docsLoads = []int64{100_000, 1_000_000, 2_400_000}

func docsMachine(os OS) Machine {
	release := Release{14, 0}
	if os == Linux {
		release = Release{6, 18}
	}
	return Machine{OS: os, Release: release, Arch: "amd64", Cores: 24, MemoryBytes: 128 << 30, PageBytes: 4096}
}

func TestThePageAboutTuningIsWhatTheTablesSay(t *testing.T) {
	text, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, part := range map[string]string{
		"freebsd": docsTable(FreeBSD), "linux": docsTable(Linux), "memory": docsMemory(), "counters": docsCounters(),
	} {
		want = replacePart(t, want, name, part)
	}
	if want == string(text) {
		return
	}
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(docsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what the tables say (go test ./tuning -run PageAboutTuning -update writes it anew)", docsPage)
}

// replacePart puts a part between its two marks.
func replacePart(t *testing.T, text, name, part string) string {
	t.Helper()
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	head, rest, found := strings.Cut(text, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no marks for %s", docsPage, name)
	}
	return head + begin + part + end + tail
}

func docsTable(os OS) string {
	var b strings.Builder
	b.WriteString("| Limit | Set by | 100,000 | 1,000,000 | 2,400,000 | Default | Why, and what is seen when it does not fit | Manual |\n|---|---|---|---|---|---|---|---|\n")
	for _, l := range Limits(os) {
		how := l.Kind.String()
		if !l.Required {
			how += ", advice"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s |", l.Name, docsReleases(&l), how)
		m := docsMachine(os)
		for _, n := range docsLoads {
			fmt.Fprintf(&b, " %s |", docsValue(&l, Load{Connections: n}.filled(m), m))
		}
		fmt.Fprintf(&b, " %s | %s *%s* | %s |\n", l.Default, l.Reason, l.TooSmall, l.Manual)
	}
	return b.String()
}

// docsValue is what is suggested, with the unit and the rules; a dash where a load does not need it.
func docsValue(l *Limit, load Load, m Machine) string {
	v := l.Suggested(load, m)
	if l.Name == "net.inet.ip.portrange.first" || l.Name == "net.inet.ip.portrange.last" || l.Name == "net.ipv4.ip_local_port_range" || l.Name == "net.ipv4.tcp_tw_reuse" {
		return "for `Outbound` only"
	}
	if v.None() {
		return "-"
	}
	rules := ""
	if l.Rules == atMost {
		rules = "at most "
	}
	return rules + v.String()
}

func docsReleases(l *Limit) string {
	switch {
	case l.Removed != (Release{}):
		return " (before " + l.Removed.String() + ")"
	case l.Since != (Release{}):
		return " (since " + l.Since.String() + ")"
	case l.Optional:
		return " (where it is loaded)"
	}
	return ""
}

func docsMemory() string {
	var b strings.Builder
	for _, row := range []struct {
		title   string
		os      OS
		release Release
	}{{"FreeBSD 14 and 15", FreeBSD, Release{14, 0}}, {"FreeBSD 13", FreeBSD, Release{13, 0}}, {"Linux", Linux, Release{6, 18}}} {
		m := docsMachine(row.os)
		m.Release = row.release
		model := Memory(Load{Connections: 2_400_000}.filled(m), m, nil)
		fmt.Fprintf(&b, "%s, 2,400,000 connections, 24 loops: %d MB\n\n| Part | Bytes a connection | MB | Source |\n|---|---|---|---|\n", row.title, model.Bytes/1e6)
		for _, p := range model.Parts {
			each := "-"
			if p.Each > 0 {
				each = fmt.Sprint(p.Each)
			}
			fmt.Fprintf(&b, "| %s | %s | %d | %s |\n", p.Name, each, p.Bytes/1e6, p.Source)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func docsCounters() string {
	var b strings.Builder
	b.WriteString("| Counter | Unit | Meaning |\n|---|---|---|\n")
	for _, c := range counterNames {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.name, c.unit, c.meaning)
	}
	return b.String()
}
