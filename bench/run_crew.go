package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// agentVersion is the version of commands and answers between a coordinator, its agents and their processes.
const agentVersion = 1

// crewHost is what one host may do for a run.
type crewHost struct {
	self       string // trunkline's own binary
	perProcess int
	processes  int // at least
	aliases    AliasMode
	aliasBase  netip.Addr
}

// hostCrew is the generator of one host: as many processes as its descriptor limit asks for. It belongs to one goroutine.
type hostCrew struct {
	host     crewHost
	children []*child
	aliases  *aliases
}

// crewPost is where a part of a load runs: this host, or an agent. One goroutine at a time.
type crewPost interface {
	// name is the address of an agent, or "this host".
	name() string
	// ask gives a command and waits for the answer. An error means that the post is lost.
	ask(ctx context.Context, cmd crewCommand) (crewStat, error)
	// close ends what runs there, and answers what could not be put back as it was. Safe to call twice.
	close() error
}

func newCrew(host crewHost) *hostCrew { return &hostCrew{host: host} }

func (c *hostCrew) name() string { return "this host" }

// ask implements crewPost.
func (c *hostCrew) ask(ctx context.Context, cmd crewCommand) (st crewStat, err error) {
	if err := ctx.Err(); err != nil {
		return st, err
	}
	switch {
	case cmd.Do == crewHello:
		return st, nil
	case cmd.Do == crewFacts && cmd.Orders != nil:
		st.Facts, err = c.facts(*cmd.Orders)
		return st, err
	case cmd.Do == crewBegin && cmd.Orders != nil:
		return st, c.begin(ctx, *cmd.Orders)
	case len(c.children) == 0:
		return st, fmt.Errorf("%w: command %q without a job", ErrInput, cmd.Do)
	}
	line, err := json.Marshal(cmd)
	if err != nil {
		return st, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	for _, one := range c.children {
		if _, err := io.WriteString(one.in, string(line)+"\n"); err != nil {
			return st, one.gone(err)
		}
	}
	merged := map[string]*hdrhistogram.Histogram{}
	for _, one := range c.children {
		var part crewStat
		if err := one.read(&part); err != nil {
			return st, err
		}
		mergeHists(merged, part.Hists)
		st = st.plus(part)
	}
	st.Hists = encodeHists(merged)
	if st.Error != "" {
		return st, fmt.Errorf("%w: %s", ErrGenerator, st.Error)
	}
	return st, nil
}

// facts looks at this host.
func (c *hostCrew) facts(o crewOrders) (*crewFactsAnswer, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unnamed"
	}
	facts, err := readPortFacts(o.Server, c.host.aliasBase)
	if err != nil {
		return nil, err
	}
	facts.Descriptors = c.host.perProcess
	plan, err := PlanPorts(facts, max(o.Connections, 1))
	plan.Processes = max(plan.Processes, c.host.processes)
	return &crewFactsAnswer{Name: host, Version: agentVersion, Machine: readMachine(), Plan: plan}, err
}

// begin starts the processes, with the source addresses that they need.
func (c *hostCrew) begin(ctx context.Context, o crewOrders) error {
	if len(c.children) > 0 {
		return fmt.Errorf("%w: a job is under way here", ErrInput)
	}
	facts, err := c.facts(o)
	if err != nil {
		return err
	}
	plan := &facts.Plan
	if c.host.aliases == AliasesApply {
		if c.aliases, err = setAliases(plan, runCommand); err != nil {
			return err
		}
	}
	if err := plan.Err(); err != nil {
		return err
	}
	o.Sources, o.PerSource = nil, plan.PerSource
	for _, a := range plan.Sources {
		o.Sources = append(o.Sources, a.String())
	}
	for i, part := range o.split(evenly(min(plan.Processes, o.users()/o.Cell))) {
		b, err := json.Marshal(part)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrGenerator, err)
		}
		one, err := startChild(ctx, "generator "+strconv.Itoa(i+1), c.host.self, childArgs(childCrew, string(b))...)
		if err != nil {
			return errors.Join(err, c.close())
		}
		c.children = append(c.children, one)
	}
	return nil
}

// evenly are n equal weights.
func evenly(n int) []int {
	weights := make([]int, max(n, 1))
	for i := range weights {
		weights[i] = 1
	}
	return weights
}

// close implements crewPost.
func (c *hostCrew) close() error {
	for _, one := range c.children {
		_ = one.in.Close() // all end at the same time
	}
	for _, one := range c.children {
		one.stop()
	}
	c.children = nil
	if stuck := c.aliases.remove(); len(stuck) > 0 {
		return fmt.Errorf("%w: source addresses are left%s", ErrGenerator, c.aliases.left(stuck))
	}
	return nil
}

// mergeHists adds encoded histograms by name; one that can't be read is left out, as the report then shows.
func mergeHists(into map[string]*hdrhistogram.Histogram, from map[string][]byte) {
	for name, b := range from {
		h, err := hdrhistogram.Decode(b)
		if err != nil {
			continue
		}
		if into[name] == nil {
			into[name] = newHistogram()
		}
		merge(into[name], h)
	}
}

func encodeHists(h map[string]*hdrhistogram.Histogram) map[string][]byte {
	if len(h) == 0 {
		return nil
	}
	out := make(map[string][]byte, len(h))
	for name, one := range h {
		out[name] = encodeHistogram(one)
	}
	return out
}
