package bench

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func loopback(system string, more ...string) PortFacts {
	f := PortFacts{System: system, Interface: "lo0", Low: 32768, High: 60999, Source: "a test", Loopback: true, Descriptors: 20_000, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	for _, a := range more {
		f.Addresses = append(f.Addresses, netip.MustParseAddr(a))
	}
	return f
}

func TestPlanPortsSaysWhatIsLacking(t *testing.T) {
	wide := func(f PortFacts) PortFacts { f.Low, f.High = 1024, 65535; return f }
	card := func(f PortFacts, own, base string) PortFacts {
		f.Loopback, f.Interface, f.Addresses = false, "vtnet0", []netip.Addr{netip.MustParseAddr(own)}
		if base != "" {
			f.AliasBase = netip.MustParseAddr(base)
		}
		return f
	}
	for _, row := range []struct {
		name                                        string
		facts                                       PortFacts
		connections, each, needed, lacking, unnamed int
		last                                        string // address in use
		err                                         string
	}{
		{"few connections need the one address that is there", loopback("freebsd"), 1_000, 24_703, 1, 0, 0, "127.0.0.1", ""},
		{"exactly what one address can do", loopback("linux"), 24_703, 24_703, 1, 0, 0, "127.0.0.1", ""},
		{"one more needs another address", loopback("linux"), 24_704, 24_703, 2, 0, 0, "127.0.0.2", ""},
		{"two million on Linux's loopback lack nothing", loopback("linux"), 2_000_000, 24_703, 81, 0, 0, "127.0.0.81", ""},
		{"addresses that end in 0 and 255 are left out", wide(loopback("linux")), 4_000_000, 32_000, 125, 0, 0, "127.0.0.125", ""},
		{"FreeBSD's loopback has to be given aliases", wide(loopback("freebsd")), 2_400_000, 56_448, 43, 42, 0, "127.0.0.1", "ifconfig lo0 inet 127.0.0.2/32 alias"},
		{"aliases that are there are used first", loopback("darwin", "127.0.0.3"), 60_000, 24_703, 3, 1, 0, "127.0.0.3", "127.0.0.2"},
		{"a card without a base names none", card(loopback("freebsd"), "10.0.0.5", ""), 50_000, 24_703, 3, 0, 2, "10.0.0.5", "--alias-base"},
		{"a card with a base counts on from it", card(loopback("linux"), "10.0.0.5", "10.0.0.254"), 70_000, 24_703, 3, 2, 0, "10.0.0.5", "ip address add 10.0.0.254/32 dev vtnet0"},
		{"IPv6 is one address", card(loopback("linux"), "2001:db8::1", ""), 50_000, 24_703, 3, 0, 2, "2001:db8::1", "--alias-base"},
	} {
		p, err := PlanPorts(row.facts, row.connections)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if p.PerSource != row.each || p.Needed != row.needed || len(p.Lacking) != row.lacking || p.Unnamed != row.unnamed {
			t.Errorf("%s: %d each, %d needed, %d lacking, %d unnamed", row.name, p.PerSource, p.Needed, len(p.Lacking), p.Unnamed)
		}
		if n := len(p.Sources); n+row.lacking+row.unnamed != row.needed || p.Sources[n-1].String() != row.last {
			t.Errorf("%s: sources %v", row.name, p.Sources)
		}
		text := strings.Join(p.Lines(), "\n")
		if err := p.Err(); (err != nil) != (row.err != "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: error %v, want %q", row.name, err, row.err)
		}
		if !strings.Contains(text, "lacking") || row.lacking > 0 && !strings.Contains(text, commandLine(aliasAdd(row.facts, p.Lacking[row.lacking-1]))) {
			t.Errorf("%s: the plan does not name the last command:\n%s", row.name, text)
		}
		if p.Processes != divideUp(row.connections, 20_000) {
			t.Errorf("%s: %d processes", row.name, p.Processes)
		}
	}
}

func TestPlanPortsCountsAcrossTheEndOfANet(t *testing.T) {
	f := loopback("freebsd")
	f.Low, f.High = 50_000, 50_007 // 7 connections each
	p, err := PlanPorts(f, 7*256)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Lacking {
		if b := a.As4(); b[3] == 0 || b[3] == 255 {
			t.Errorf("%s may be the address of a net", a)
		}
	}
	if last := p.Lacking[len(p.Lacking)-1].String(); last != "127.0.1.2" {
		t.Errorf("the last of 256 is %s", last)
	}
}

func TestPlanPortsRefusesWhatMakesNoSense(t *testing.T) {
	none, odd, closed := loopback("linux"), loopback("linux"), loopback("linux")
	none.Descriptors, odd.AliasBase, closed.Low = 0, netip.MustParseAddr("2001:db8::1"), 61_000
	narrow := loopback("linux")
	narrow.High = narrow.Low
	for name, row := range map[string]struct {
		facts       PortFacts
		connections int
	}{
		"no connections": {loopback("linux"), 0}, "no descriptors": {none, 10}, "aliases of IPv6": {odd, 10},
		"a range that ends before it begins": {closed, 10}, "more addresses than can be used": {narrow, SourcesMax + 1},
	} {
		if _, err := PlanPorts(row.facts, row.connections); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fakeAliases notes commands and fails at one of them.
type fakeAliases struct {
	said   []string
	failAt string
}

var errFake = errors.New("no")

func (f *fakeAliases) run(words []string) error {
	line := commandLine(words)
	f.said = append(f.said, line)
	if f.failAt != "" && strings.Contains(line, f.failAt) {
		return errFake
	}
	return nil
}

func TestAliasesAreSetForARunAndRemoved(t *testing.T) {
	p, err := PlanPorts(loopback("freebsd"), 60_000)
	if err != nil {
		t.Fatal(err)
	}
	var f fakeAliases
	a, err := setAliases(&p, f.run)
	if err != nil || p.Err() != nil || len(p.Sources) != 3 {
		t.Fatalf("%v, %v, sources %v", err, p.Err(), p.Sources)
	}
	if stuck := append(a.remove(), a.remove()...); len(stuck) > 0 {
		t.Errorf("left: %v", stuck)
	}
	want := []string{
		"ifconfig lo0 inet 127.0.0.2/32 alias", "ifconfig lo0 inet 127.0.0.3/32 alias", "ifconfig lo0 inet 127.0.0.2 -alias", "ifconfig lo0 inet 127.0.0.3 -alias",
	}
	if !reflect.DeepEqual(f.said, want) {
		t.Errorf("said %v", f.said)
	}
}

func TestAliasesThatCantAllBeSetLeaveNone(t *testing.T) {
	p, err := PlanPorts(loopback("freebsd"), 60_000)
	if err != nil {
		t.Fatal(err)
	}
	f := fakeAliases{failAt: "127.0.0.3/32"}
	if _, err := setAliases(&p, f.run); !errors.Is(err, errFake) {
		t.Fatalf("got %v", err)
	}
	if last := f.said[len(f.said)-1]; last != "ifconfig lo0 inet 127.0.0.2 -alias" || len(p.Lacking) != 2 {
		t.Errorf("the last command is %q, lacking %v", last, p.Lacking)
	}
	f = fakeAliases{failAt: "-alias"}
	a, err := setAliases(&p, f.run)
	if err != nil {
		t.Fatal(err)
	}
	if stuck := a.remove(); len(stuck) != 2 || !strings.Contains(a.left(stuck), "ifconfig lo0 inet 127.0.0.2 -alias") {
		t.Errorf("what could not be removed: %v", stuck)
	}
}

func TestPortFactsOfThisHost(t *testing.T) {
	f, err := readPortFacts("127.0.0.1:5222", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	if !f.Loopback || f.Low < 1 || f.High <= f.Low || f.Addresses[0].String() != "127.0.0.1" || f.Interface == "" || f.Source == "" {
		t.Errorf("%+v", f)
	}
}
