package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"trunkline/codec/secure"
	"trunkline/netpoll"
)

// childCrew is the generator process of `bench run`. It answers each crewCommand, a line of JSON, with a crewStat.
const childCrew = "crew"

// crewChild is one generator process: one loop of users.
type crewChild struct {
	ctx    context.Context
	fleet  *fleet
	people *people
	o      crewOrders
	work   sync.WaitGroup // what bring began, and the pacer
}

// runCrewChild serves the parent until the input ends.
func runCrewChild(argument string, stdin io.Reader, stdout io.Writer) error {
	var o crewOrders
	if err := json.Unmarshal([]byte(argument), &o); err != nil {
		return fmt.Errorf("%w: orders %q: %w", ErrInput, argument, err)
	}
	if o.Cell < 1 || o.users() < o.Cell {
		return fmt.Errorf("%w: orders for %d users in cells of %d", ErrInput, o.users(), o.Cell)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &crewChild{ctx: ctx, o: o}
	var err error
	if c.fleet, err = c.newFleet(); err != nil {
		cancel()
		return err
	}
	c.fleet.startRecall(c.people.clock, func(int) int { return 0 })
	defer func() {
		cancel()
		c.work.Wait()
		c.fleet.close()
	}()
	return c.serve(stdin, stdout)
}

func (c *crewChild) newFleet() (*fleet, error) {
	k := newClock()
	f, err := newFleet(c.o.Server, 1, c.o.users(), func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		sl := newSessionLoop(f, l, k, c.o.First)
		if c.o.Transport == Noise && len(c.o.Key) == len(secure.PublicKey{}) {
			sl.withVeil(secure.PublicKey(c.o.Key))
		}
		c.people = newPeople(sl, c.o)
		return c.people
	})
	if err != nil {
		return nil, err
	}
	sources := make([]net.IP, 0, len(c.o.Sources))
	for _, s := range c.o.Sources {
		if ip := net.ParseIP(s); ip != nil {
			sources = append(sources, ip)
		}
	}
	f.dial.sourceOf = func(index int) net.IP {
		if len(sources) < 2 { // one address: the system chooses it by itself, and knows its ports best
			return nil
		}
		return sources[index%len(sources)]
	}
	return f, nil
}

// serve answers commands.
func (c *crewChild) serve(stdin io.Reader, stdout io.Writer) error {
	enc := json.NewEncoder(stdout)
	if err := enc.Encode(childHello{}); err != nil {
		return err
	}
	lines := bufio.NewScanner(stdin)
	lines.Buffer(make([]byte, 0, childLineBytesMax), childLineBytesMax)
	for lines.Scan() {
		var cmd crewCommand
		var st crewStat
		err := json.Unmarshal(lines.Bytes(), &cmd)
		if err == nil {
			st, err = c.obey(cmd)
		}
		if err != nil {
			st.Error = err.Error()
		}
		if err := enc.Encode(st); err != nil {
			return err
		}
	}
	return lines.Err()
}

// obey runs one command and reads the counters.
func (c *crewChild) obey(cmd crewCommand) (st crewStat, err error) {
	p := c.people
	var list []uint32
	var overdue int64
	order := func(f func()) { err = p.call(f) }
	switch cmd.Do {
	case crewStatus:
	case crewRegister:
		order(func() { list = p.register() })
		c.bring(list, c.o.Ramp)
	case crewCome:
		order(func() { list = p.come() })
		c.bring(list, c.o.Ramp)
	case crewGroups:
		order(p.makeGroups)
	case crewStart:
		order(p.start)
		c.pace(p.messages.start)
	case crewPhase:
		order(func() { p.phase(cmd.N) })
	case crewTake:
		order(func() { st.Hists = p.take(cmd.N) })
	case crewStall:
		order(p.stall)
	case crewUnstall:
		order(p.unstall)
	case crewCut:
		order(func() { list = p.cut(p.clock.now()) })
		c.bring(list, orElse(c.o.Back, atOnce))
	case crewCheck:
		order(func() { overdue = p.overdue(p.clock.now()) })
	case crewStop:
		order(p.stop)
	case crewFetch:
		order(func() { list = p.fetch() })
		c.bring(list, c.o.Ramp)
	default:
		err = fmt.Errorf("%w: unknown command %q", ErrInput, cmd.Do)
	}
	c.stat(&st)
	st.Counts[countOverdue] = overdue
	return st, err
}

// orElse is v, or w when v is 0.
func orElse(v, w float64) float64 {
	if v == 0 {
		return w
	}
	return v
}

// bring makes connections beside the commands.
func (c *crewChild) bring(list []uint32, perSecond float64) {
	c.work.Add(1)
	// Ends when all are begun, or with ctx.
	go func() {
		defer c.work.Done()
		c.people.bring(c.ctx, list, perSecond)
	}()
}

// pace wakes the loop when something is due. Messages count from start, and so do the wakes: each message is due at one of them.
func (c *crewChild) pace(start int64) {
	every := wakeEvery(c.o.Rate)
	c.work.Add(1)
	// Ends with ctx.
	go func() {
		defer c.work.Done()
		pace(c.ctx, c.people.clock, start, every, func() { _ = c.fleet.tell(c.ctx, cmdPace) })
	}()
}

// wakeEvery is the distance of two wakes for a number of messages a second: that of two messages, or a whole part of it that is at most
// runWakeMax.
func wakeEvery(perSecond float64) time.Duration {
	if perSecond <= 0 {
		return runWakeMax
	}
	every := time.Duration(float64(time.Second) / perSecond)
	return every / max((every+runWakeMax-1)/runWakeMax, 1)
}

// stat reads the counters as the loop published them last.
func (c *crewChild) stat(st *crewStat) {
	p := c.people
	for k := range st.Counts {
		st.Counts[k] = p.counts[k].Load()
	}
	st.Workers = 1
	if u, err := ownUsage(); err == nil {
		st.CPU, st.RSS = int64(u.CPU), u.RSSBytes
	}
	if text := p.failure.Load(); text != nil {
		st.Trouble = *text
	} else if err := c.fleet.dial.trouble.Load(); err != nil {
		st.Trouble = (*err).Error()
	}
	if err := p.broken.Load(); err != nil {
		st.Error = (*err).Error()
	}
}
