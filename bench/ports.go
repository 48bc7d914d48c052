package bench

import (
	"fmt"
	"net/netip"
	"strings"
)

// PortFacts is what a host has for connections to one server address.
type PortFacts struct {
	System      string       `json:"system"` // linux, freebsd or darwin
	Interface   string       `json:"interface"`
	Low         int          `json:"ports_low"` // the ports that the kernel gives out by itself, both inclusive
	High        int          `json:"ports_high"`
	Source      string       `json:"ports_source"`     // where the range was read
	Loopback    bool         `json:"loopback"`         // the server is on loopback
	Addresses   []netip.Addr `json:"source_addresses"` // of the interface towards the server, the system's own choice first
	Descriptors int          `json:"descriptors"`      // connections that one process may hold
	AliasBase   netip.Addr   `json:"alias_base"`       // where new aliases begin; invalid: nobody has said
}

// PortPlan says how a number of connections to one server address leave from one host.
type PortPlan struct {
	Facts       PortFacts    `json:"facts"`
	Connections int          `json:"connections"`
	PerSource   int          `json:"connections_per_source"`
	Needed      int          `json:"sources_needed"`
	Sources     []netip.Addr `json:"sources"` // that are there, in the order in which they are used: at most Needed
	Lacking     []netip.Addr `json:"sources_lacking"`
	Unnamed     int          `json:"sources_unnamed"` // lacking, and nobody has said which they may be
	Processes   int          `json:"processes"`       // generator processes
	MemoryBytes int64        `json:"generator_memory_bytes"`
}

// PlanPorts works out how many source addresses and processes connections need, and which addresses are lacking. A TCP connection is told apart by
// both addresses and both ports; towards one server address and port a source address is good for as many connections as it has ports to give.
// It is pure. Errors: ErrInput (no connections, a range without ports, more addresses than SourcesMax).
func PlanPorts(facts PortFacts, connections int) (PortPlan, error) {
	p := PortPlan{Facts: facts, Connections: connections}
	if err := within("connections", connections, 1, ConnectionsMax); err != nil {
		return p, err
	}
	if facts.Low < 1 || facts.High > portMax || facts.High < facts.Low {
		return p, fmt.Errorf("%w: the ports %d to %d (%s) are no range", ErrInput, facts.Low, facts.High, facts.Source)
	}
	if facts.Descriptors < 1 {
		return p, fmt.Errorf("%w: this process may hold no connection (ulimit -n)", ErrInput)
	}
	ports := facts.High - facts.Low + 1
	if base := facts.AliasBase; base.IsValid() && !base.Is4() {
		return p, fmt.Errorf("%w: aliases begin at an IPv4 address, %s is none", ErrInput, base)
	}
	p.PerSource = max(ports-ports/portsSpareShare, 1)
	if facts.System == "linux" {
		p.PerSource = min(p.PerSource, portsPerSourceLinux)
	}
	p.Needed = divideUp(connections, p.PerSource)
	if p.Needed > SourcesMax {
		return p, fmt.Errorf("%w: %d connections need %d source addresses of %d ports, at most %d can be used", ErrInput, connections, p.Needed, p.PerSource, SourcesMax)
	}
	p.Processes = divideUp(connections, facts.Descriptors)
	p.MemoryBytes = int64(connections)*runGeneratorBytes + int64(p.Processes)*runProcessBytes
	p.choose()
	return p, nil
}

// choose takes the addresses that are there and names those that are lacking. On Linux's loopback all of 127.0.0.0/8 is there.
func (p *PortPlan) choose() {
	have := map[netip.Addr]bool{}
	for _, a := range p.Facts.Addresses {
		if len(p.Sources) < p.Needed && !have[a] {
			p.Sources = append(p.Sources, a)
		}
		have[a] = true
	}
	next := p.Facts.AliasBase
	four := len(p.Facts.Addresses) > 0 && p.Facts.Addresses[0].Is4()
	if p.Facts.Loopback && four && !next.IsValid() {
		next = netip.AddrFrom4([4]byte{127, 0, 0, 2})
	}
	for len(p.Sources)+len(p.Lacking)+p.Unnamed < p.Needed {
		for next.IsValid() && (have[next] || unusable(next)) {
			next = next.Next()
		}
		switch {
		case !next.IsValid():
			p.Unnamed++
			continue
		case p.Facts.Loopback && p.Facts.System == "linux":
			p.Sources = append(p.Sources, next)
		default:
			p.Lacking = append(p.Lacking, next)
		}
		have[next] = true
	}
}

// unusable leaves out addresses that look like those of a net or of everybody on it.
func unusable(a netip.Addr) bool {
	b := a.As4()
	return b[3] == 0 || b[3] == 255
}

func divideUp(a, b int) int { return (a + b - 1) / b }

// Err is what is lacking as an error with the commands that mend it; nil when nothing is.
func (p PortPlan) Err() error {
	switch {
	case p.Unnamed > 0:
		return fmt.Errorf("%w: %d connections need %d source addresses of %d ports; %s has %d and %d are lacking: add them, or name the first with --alias-base ADDRESS --apply",
			ErrInput, p.Connections, p.Needed, p.PerSource, p.Facts.Interface, len(p.Sources), p.Unnamed)
	case len(p.Lacking) > 0:
		return fmt.Errorf("%w: %d connections need %d source addresses of %d ports; %s has %d and %d are lacking (%s): --apply sets them for the run, or: %s",
			ErrInput, p.Connections, p.Needed, p.PerSource, p.Facts.Interface, len(p.Sources), len(p.Lacking), spanOf(p.Lacking), commandLine(aliasAdd(p.Facts, p.Lacking[0])))
	}
	return nil
}

// Lines is the plan for people.
func (p PortPlan) Lines() []string {
	lines := []string{
		fmt.Sprintf("connections       %d from this host to one server address and port", p.Connections),
		fmt.Sprintf("ports             %d to %d (%s)", p.Facts.Low, p.Facts.High, p.Facts.Source),
		fmt.Sprintf("for each source   %d connections", p.PerSource),
		fmt.Sprintf("source addresses  %d needed, %d there on %s%s", p.Needed, len(p.Sources), p.Facts.Interface, inBrackets(spanOf(p.Sources))),
		fmt.Sprintf("processes         %d at %d connections each (descriptors)", p.Processes, p.Facts.Descriptors),
		fmt.Sprintf("memory            about %d MB for the generator", p.MemoryBytes>>20),
	}
	switch {
	case p.Unnamed > 0:
		lines = append(lines, fmt.Sprintf("lacking           %d source addresses: name the first free one of the net with --alias-base ADDRESS", p.Unnamed))
	case len(p.Lacking) > 0:
		lines = append(lines, fmt.Sprintf("lacking           %d source addresses (%s); --apply sets them for the run, or by hand:", len(p.Lacking), spanOf(p.Lacking)))
		for _, a := range p.Lacking {
			lines = append(lines, "  "+commandLine(aliasAdd(p.Facts, a)))
		}
	default:
		lines = append(lines, "lacking           nothing")
	}
	return lines
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// spanOf names the first and the last of a list.
func spanOf(list []netip.Addr) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0].String()
	}
	return list[0].String() + " to " + list[len(list)-1].String()
}

func commandLine(words []string) string { return strings.Join(words, " ") }
