package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// run is one run of a scenario under way. One goroutine drives it.
type run struct {
	cfg    RunConfig
	report *Report
	out    *RunResult
	p      *progress
	rec    *recorder
	target *target
	posts  []*runPost
	orders crewOrders
	rates  MixRates
	own    context.Context // of what a run starts and asks: it outlives Ctrl-C for as long as the rest takes

	mu    sync.Mutex // over last, which the sampler reads
	last  crewStat
	phase string
}

// runPost is a post with its part.
type runPost struct {
	crewPost
	orders crewOrders
	last   crewStat
	facts  *crewFactsAnswer
	lost   string // why it is lost; "": it is not
}

// Run plays a scenario from this host, or from agents, and reports what came of it. Ctrl-C (the end of ctx) ends it with what was measured.
func Run(ctx context.Context, cfg RunConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Scenario == ScenarioSlow && cfg.Target.Server == "" {
		cfg.Target.Args = append([]string{"--ack-timeout", cfg.AckTimeout.String()}, cfg.Target.Args...)
	}
	own, end := graceful(ctx)
	defer end()
	report, p := env.record(own, "run-"+string(cfg.Scenario), cfg)
	r := &run{cfg: cfg, report: report, p: p, rec: env.rec, own: own, out: &RunResult{Scenario: cfg.Scenario, LatencyBy: latencyBy}}
	report.Run = r.out
	err := r.open(env)
	if err == nil {
		err = r.play(ctx)
		r.sum()
	}
	r.rec.follow(nil)
	if left := r.close(); err == nil {
		err = left
	}
	if err != nil && ctx.Err() == nil {
		err = r.explain(err)
	}
	return report.ended(ctx, err)
}

// graceful is a context that ends some time after ctx, so that what was measured can still be read.
func graceful(ctx context.Context) (own context.Context, end func()) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var late *time.Timer
	var mu sync.Mutex
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		late = time.AfterFunc(runAbortTimeout, cancel)
	})
	return own, func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		if late != nil {
			late.Stop()
		}
		cancel()
	}
}

// PlanRun looks at the hosts of a run and says what each needs, without loading anything.
func PlanRun(ctx context.Context, cfg RunConfig, env Env) ([]string, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, own: ctx, p: newProgress(env.Progress)}
	defer r.close()
	r.orders, r.rates = cfg.orders()
	r.orders.Server = cfg.Target.Server
	if r.orders.Server == "" {
		r.orders.Server = "127.0.0.1:5222"
	}
	if err := r.muster(env); err != nil {
		return nil, err
	}
	if err := r.divide(); err != nil {
		return nil, err
	}
	lines := []string{fmt.Sprintf("scenario          %s with %d connections to %s", cfg.Scenario, r.orders.Connections, r.orders.Server)}
	if cfg.mixed() {
		lines = append(lines, r.rates.Lines()...)
	}
	for _, post := range r.posts {
		lines = append(lines, "", post.name()+": "+post.facts.Name+", "+post.facts.Machine.String())
		lines = append(lines, post.facts.Plan.Lines()...)
	}
	return lines, nil
}

// open opens the server, and gives each post its part.
func (r *run) open(env Env) error {
	r.orders, r.rates = r.cfg.orders()
	if r.cfg.Target.Server == "" {
		for _, a := range r.cfg.Agents {
			if !onLoopback(a) {
				return fmt.Errorf("%w: agent %s can't reach a server that the run starts on loopback: name one with --server", ErrInput, a)
			}
		}
	}
	if err := r.muster(env); err != nil { // first of all: an agent that refuses costs nothing yet
		return err
	}
	t, err := openTarget(r.own, r.cfg.Target, env, r.orders.Connections)
	if err != nil {
		return err
	}
	r.target = t
	r.orders.Server, r.orders.Transport, r.orders.First = t.addr, t.transport, firstUser()
	if t.transport == Noise {
		r.orders.Key = t.key[:]
	}
	if err := r.divide(); err != nil {
		return err
	}
	r.rec.follow(r.load)
	begin := func(post *runPost) crewCommand { return crewCommand{Do: crewBegin, Orders: &post.orders} }
	if _, err := r.askEach(begin); err != nil {
		return err
	}
	r.out.Connections, r.out.Users = r.orders.Connections, r.orders.users()
	if r.cfg.mixed() {
		r.out.Rates = &r.rates
		for _, line := range r.rates.Lines() {
			r.p.now("run: %s", line)
		}
	}
	return nil
}

// onLoopback says whether an address is this machine's.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// muster connects to the posts.
func (r *run) muster(env Env) error {
	if len(r.cfg.Agents) == 0 {
		self, err := env.selfPath()
		if err != nil {
			return err
		}
		host := crewHost{self: self, perProcess: r.cfg.PerProcess, processes: r.cfg.Processes, aliases: r.cfg.Aliases, aliasBase: r.cfg.AliasBase}
		r.posts = append(r.posts, &runPost{crewPost: newCrew(host)})
	}
	for _, addr := range r.cfg.Agents {
		post, err := dialAgent(r.own, addr, r.cfg.Key)
		if err != nil {
			return err
		}
		r.posts = append(r.posts, &runPost{crewPost: post})
	}
	return r.do(crewHello)
}

// divide gives each post its part, and asks what its host has for it.
func (r *run) divide() error {
	parts := r.orders.split(evenly(len(r.posts)))
	if len(parts) < len(r.posts) {
		return fmt.Errorf("%w: %d connections are too few for %d agents", ErrInput, r.orders.Connections, len(r.posts))
	}
	for i, post := range r.posts {
		post.orders = parts[i]
	}
	if _, err := r.askEach(func(post *runPost) crewCommand { return crewCommand{Do: crewFacts, Orders: &post.orders} }); err != nil {
		return err
	}
	for _, post := range r.posts {
		if post.facts = post.last.Facts; post.facts == nil || post.facts.Version != agentVersion {
			return fmt.Errorf("%w: %s is of another version", ErrGenerator, post.name())
		}
	}
	return nil
}

// ask gives a command to all posts at once and adds up their answers.
func (r *run) ask(cmd crewCommand) (crewStat, error) {
	return r.askEach(func(*runPost) crewCommand { return cmd })
}

// askEach is ask with a command for each. A post that is lost ends the run, or is left out from now on, and with it all that
// it has counted: whoever writes to each other is on one post, so the others' sums stay whole.
func (r *run) askEach(command func(post *runPost) crewCommand) (crewStat, error) {
	type answer struct {
		st  crewStat
		err error
	}
	answers := make([]answer, len(r.posts))
	var work sync.WaitGroup
	for i, post := range r.posts {
		if post.lost != "" {
			continue
		}
		work.Add(1)
		// Ends with the answer, for which each post has a time.
		go func() {
			defer work.Done()
			answers[i].st, answers[i].err = post.ask(r.own, command(post))
		}()
	}
	work.Wait()
	var sum crewStat
	merged := map[string]*hdrhistogram.Histogram{}
	alive := 0
	for i, post := range r.posts {
		a := answers[i]
		if post.lost == "" && a.err != nil {
			if err := r.lose(post, a.err); err != nil {
				return sum, err
			}
		}
		if post.lost != "" {
			continue
		}
		alive++
		post.last = a.st
		post.last.Hists = nil
		mergeHists(merged, a.st.Hists)
		sum = sum.plus(a.st)
	}
	if alive == 0 {
		return sum, fmt.Errorf("%w: no agent is left", errAgentLost)
	}
	sum.Hists = encodeHists(merged)
	r.mu.Lock()
	r.last = sum
	r.mu.Unlock()
	return sum, nil
}

// lose notes a post that is lost; an error: the run does not go on without it.
func (r *run) lose(post *runPost, err error) error {
	if !errors.Is(err, errAgentLost) || r.cfg.AllowLost != LostAllow {
		return err
	}
	post.lost = err.Error()
	_ = post.close()
	r.p.now("run: %v; the others go on without its %d connections", err, post.orders.Connections)
	r.report.note("%v: %d connections less from then on, and nothing of what it had counted is in the figures", err, post.orders.Connections)
	return nil
}

// connections are those of the posts that are left.
func (r *run) connections() (n int) {
	for _, post := range r.posts {
		if post.lost == "" {
			n += post.orders.Connections
		}
	}
	return n
}

// away are the users who are not to be there, of the posts that are left.
func (r *run) away() (n int) {
	for _, post := range r.posts {
		if post.lost == "" {
			n += post.orders.Away
		}
	}
	return n
}

// load is what the sampler shows of the generators, as of their last answers.
func (r *run) load() load {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := &r.last
	return load{
		connections: st.at(countOpen), sessions: st.at(countThere), done: st.at(countThere), of: int64(r.orders.Connections),
		opened: uint64(st.at(countLogins)), logins: uint64(st.at(countLogins)), messages: uint64(st.at(countDelivered)),
		errors: uint64(st.at(countClosed) + st.at(countDenied) + st.at(countUnreachable) + st.at(countCorrupted) + st.at(countDuplicated)),
	}
}

// stage names what the run does from now on.
func (r *run) stage(name string) {
	r.phase = name
	r.rec.phase(name)
}

// explain adds what a session saw go wrong, and what the server printed.
func (r *run) explain(err error) error {
	if text := r.last.Trouble; text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	if r.target != nil && r.target.tail != nil && (errors.Is(err, ErrServer) || errors.Is(err, ErrLogin)) {
		err = fmt.Errorf("%w%s", err, r.target.tail.said())
	}
	return err
}

// close ends the generators, and the server if it is the run's own.
func (r *run) close() error {
	var left []error
	for _, post := range r.posts {
		if post.lost == "" {
			left = append(left, post.close())
		}
	}
	if r.target != nil {
		r.target.close()
	}
	return errors.Join(left...)
}
