package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// AgentConfig says how an agent waits for coordinators.
type AgentConfig struct {
	Listen     string     // address
	Key        []byte     // AgentKeyBytes, shared with coordinators
	PerProcess int        // connections of one generator process; default what its descriptor limit allows
	Processes  int        // at least; default one
	Aliases    AliasMode  // whether it sets source addresses that a job lacks
	AliasBase  netip.Addr // where they begin

	ready func(addr string) // told when it listens; nil: nobody
}

// AgentCounts is what an agent has met.
type AgentCounts struct {
	Jobs    int64 // that began
	Ended   int64 // of them, because the coordinator vanished
	WrongBy int64 // callers with another key
	Strange int64 // callers that spoke something else, too much, or nothing
	Busy    int64 // coordinators that came while a job was under way
}

// agent serves coordinators, one job at a time.
type agent struct {
	cfg       AgentConfig
	p         *progress
	host      crewHost
	strangers chan struct{} // one for each connection that has not proved the key
	job       sync.Mutex    // held by the coordinator whose job is under way

	jobs, vanished, wrong, strange, busy atomic.Int64
}

// Agent waits for coordinators and does what they order, until ctx ends. Whoever has the key may have this host load any server: keep it as one
// would keep an ssh key. env.Progress gets a line for each job and each refusal.
func Agent(ctx context.Context, cfg AgentConfig, env Env) (AgentCounts, error) {
	var counts AgentCounts
	if len(cfg.Key) != AgentKeyBytes {
		return counts, fmt.Errorf("%w: an agent needs a key (--key-file)", ErrInput)
	}
	self, err := env.selfPath()
	if err != nil {
		return counts, err
	}
	if cfg.PerProcess == 0 {
		cfg.PerProcess = descriptorsFor()
	}
	if err := errors.Join(within("connections of one process", cfg.PerProcess, 1, ConnectionsMax), within("processes", max(cfg.Processes, 1), 1, ProcessesMax)); err != nil {
		return counts, err
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return counts, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	a := &agent{cfg: cfg, p: newProgress(env.Progress), strangers: make(chan struct{}, agentStrangersMax)}
	a.host = crewHost{self: self, perProcess: cfg.PerProcess, processes: max(cfg.Processes, 1), aliases: cfg.Aliases, aliasBase: cfg.AliasBase}
	a.p.now("agent: waits at %s for coordinators, one job at a time", ln.Addr())
	if cfg.ready != nil {
		cfg.ready(ln.Addr().String())
	}
	err = a.serve(ctx, ln)
	return AgentCounts{Jobs: a.jobs.Load(), Ended: a.vanished.Load(), WrongBy: a.wrong.Load(), Strange: a.strange.Load(), Busy: a.busy.Load()}, err
}

// serve accepts until ctx ends, and waits for what it has begun.
func (a *agent) serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel() // ends the connections before they are waited for
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("%w: %w", ErrGenerator, err)
		case err != nil: // out of descriptors, or a caller that left while it came
			if err := sleep(ctx, unreachablePause); err != nil {
				return nil
			}
			continue
		}
		select {
		case a.strangers <- struct{}{}:
		default:
			a.strange.Add(1)
			_ = (&wire{conn: conn}).writeRecord([]byte{wireRefusedCrowd})
			_ = conn.Close()
			continue
		}
		work.Add(1)
		// Ends with the connection, which ends at the latest with ctx.
		go func() {
			defer work.Done()
			end := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer end()
			defer conn.Close()
			a.meet(ctx, conn)
		}()
	}
}

// meet has a caller prove the key, and serves it.
func (a *agent) meet(ctx context.Context, conn net.Conn) {
	from := conn.RemoteAddr().String()
	w, err := answerCaller(conn, a.cfg.Key)
	var first crewCommand
	if err == nil {
		err = w.hear(&first, agentHandshakeTimeout) // a flight of somebody else that is sent again gets this far, and no further
	}
	<-a.strangers
	switch {
	case errors.Is(err, errWireKey):
		a.wrong.Add(1)
		a.p.now("agent: refused %s: it has another key", from)
		return
	case err != nil:
		a.strange.Add(1)
		a.p.now("agent: refused %s: %v", from, err)
		return
	}
	if !a.job.TryLock() {
		a.busy.Add(1)
		a.p.now("agent: refused %s: a job is under way", from)
		_ = w.say(crewStat{Error: "a job of another coordinator is under way"}, agentHandshakeTimeout)
		return
	}
	defer a.job.Unlock()
	a.work(ctx, w, from, first)
}

// work obeys one coordinator until it leaves.
func (a *agent) work(ctx context.Context, w *wire, from string, cmd crewCommand) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newCrew(a.host)
	begun := false
	defer func() {
		if err := c.close(); err != nil {
			a.p.now("agent: %v", err)
		}
	}()
	for {
		st, err := c.ask(ctx, cmd)
		if ctx.Err() != nil {
			return // the agent ends: its coordinator sees that it is lost
		}
		if err != nil && st.Error == "" {
			st.Error = err.Error()
		}
		if cmd.Do == crewBegin && err == nil {
			begun = true
			a.jobs.Add(1)
			a.p.now("agent: job of %s: %d connections to %s", from, cmd.Orders.Connections, cmd.Orders.Server)
		}
		if err := w.say(st, agentSilenceMax); err != nil {
			a.lost(ctx, begun, from, err)
			return
		}
		cmd = crewCommand{}
		if err := w.hear(&cmd, agentSilenceMax); err != nil {
			a.lost(ctx, begun, from, err)
			return
		}
		if cmd.Do == crewEnd {
			a.p.now("agent: job of %s is done", from)
			return
		}
	}
}

// lost notes a coordinator that has gone without a word.
func (a *agent) lost(ctx context.Context, begun bool, from string, err error) {
	switch {
	case ctx.Err() != nil: // it is the agent that ends
	case begun:
		a.vanished.Add(1)
		if errors.Is(err, io.EOF) {
			err = errors.New("it hung up")
		}
		a.p.now("agent: the coordinator %s has vanished (%v): its job is ended", from, err)
	case !errors.Is(err, io.EOF):
		a.strange.Add(1)
		a.p.now("agent: %s: %v", from, err)
	}
}

// crewEnd says that a job is done; nothing is answered.
const crewEnd = "end"

// remote is an agent as a coordinator sees it.
type remote struct {
	addr string
	w    *wire
}

// dialAgent connects to an agent.
func dialAgent(ctx context.Context, addr string, key []byte) (*remote, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: agent %s: %w", ErrGenerator, addr, err)
	}
	w, err := callAgent(conn, key)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: agent %s: %w", ErrGenerator, addr, err)
	}
	return &remote{addr: addr, w: w}, nil
}

func (r *remote) name() string { return r.addr }

// ask implements crewPost. ctx that ends closes the connection: there is no half of an answer.
func (r *remote) ask(ctx context.Context, cmd crewCommand) (st crewStat, err error) {
	stop := context.AfterFunc(ctx, func() { _ = r.w.conn.Close() })
	defer stop()
	limit := agentSilenceMax
	if cmd.Do == crewBegin {
		limit = agentBeginMax
	}
	if err = r.w.say(cmd, agentSilenceMax); err == nil {
		err = r.w.hear(&st, limit)
	}
	switch {
	case ctx.Err() != nil:
		return st, ctx.Err()
	case err != nil:
		return st, fmt.Errorf("%w: agent %s: %w", errAgentLost, r.addr, err)
	case st.Error != "":
		return st, fmt.Errorf("%w: agent %s: %s", ErrGenerator, r.addr, st.Error)
	}
	return st, nil
}

// close implements crewPost: the agent ends what it runs, and hangs up when it is free for another job.
func (r *remote) close() error {
	if err := r.w.say(crewCommand{Do: crewEnd}, agentHandshakeTimeout); err == nil {
		_ = r.w.conn.SetReadDeadline(time.Now().Add(agentEndMax))
		_, _ = io.Copy(io.Discard, r.w.conn)
	}
	_ = r.w.conn.Close()
	return nil
}

// errAgentLost: an agent does not answer any more.
var errAgentLost = errors.New("bench: an agent is lost")
