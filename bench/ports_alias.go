package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// aliasAdd is the command that gives an interface one more address, aliasRemove the one that takes it away: ifconfig(8), ip-address(8).
func aliasAdd(f PortFacts, a netip.Addr) []string {
	if f.System == "linux" {
		return []string{"ip", "address", "add", a.String() + "/32", "dev", f.Interface}
	}
	return []string{"ifconfig", f.Interface, "inet", a.String() + "/32", "alias"}
}

func aliasRemove(f PortFacts, a netip.Addr) []string {
	if f.System == "linux" {
		return []string{"ip", "address", "del", a.String() + "/32", "dev", f.Interface}
	}
	return []string{"ifconfig", f.Interface, "inet", a.String(), "-alias"}
}

// aliases are the source addresses that a run has set. They belong to the goroutine that set them, and are removed by it.
type aliases struct {
	facts PortFacts
	set   []netip.Addr
	run   func(words []string) error
}

// setAliases gives the interface what a plan lacks. When one can't be set those before are removed.
func setAliases(p *PortPlan, run func(words []string) error) (*aliases, error) {
	a := &aliases{facts: p.Facts, run: run}
	if p.Unnamed > 0 {
		return a, p.Err()
	}
	for _, addr := range p.Lacking {
		if err := run(aliasAdd(p.Facts, addr)); err != nil {
			return a, fmt.Errorf("%w: source address %s: %w%s", ErrGenerator, addr, err, a.left(a.remove()))
		}
		a.set = append(a.set, addr)
	}
	p.Sources, p.Lacking = append(p.Sources, p.Lacking...), nil
	return a, nil
}

// remove takes away what was set and answers what could not be removed. Safe to call twice, and on nil.
func (a *aliases) remove() (stuck []string) {
	if a == nil {
		return nil
	}
	for _, addr := range a.set {
		words := aliasRemove(a.facts, addr)
		if err := a.run(words); err != nil {
			stuck = append(stuck, commandLine(words))
		}
	}
	a.set = nil
	return stuck
}

// left says which commands are still to be given, as the end of an error text.
func (a *aliases) left(stuck []string) string {
	if len(stuck) == 0 {
		return ""
	}
	return "; still to do by hand: " + strings.Join(stuck, "; ")
}

// runCommand runs ifconfig or ip and answers what it printed when it failed.
func runCommand(words []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), aliasTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", commandLine(words), err, strings.TrimSpace(string(out)))
	}
	return nil
}
