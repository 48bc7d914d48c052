package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/netpoll"
)

// LoginConfig says how often to log in. The zero value of a field means its default.
type LoginConfig struct {
	Target Target `json:"target"` // its transport is not looked at: both are measured
	Logins int    `json:"logins"` // of each kind in a round; default 1,000
	Rate   int    `json:"rate"`   // logins a second, below what the server's budget admits; default 400
	Rounds int    `json:"rounds"` // interleaved; the median counts; default 5
}

// withDefaults fills zero fields.
func (c LoginConfig) withDefaults() LoginConfig {
	c.Target.Transport = Noise
	c.Logins = cmp.Or(c.Logins, 1_000)
	c.Rate = cmp.Or(c.Rate, 400)
	c.Rounds = cmp.Or(c.Rounds, 5)
	return c
}

// validate reports the first number that is out of its limits.
func (c LoginConfig) validate() error {
	if c.Target.Server != "" && c.Target.Admin == "" {
		return fmt.Errorf("%w: the CPU of %s is read at its admin address, which is missing", ErrInput, c.Target.Server)
	}
	return cmp.Or(
		within("logins", c.Logins, 1, LoginsMax),
		within("rate", c.Rate, 1, OfferedMax),
		within("rounds", c.Rounds, 1, RoundsMax),
		c.Target.validate(),
		checkDescriptors(2*c.Logins),
	)
}

// LoginResult is what logins cost the server.
type LoginResult struct {
	Logins int `json:"logins"`
	Rounds int `json:"rounds"`

	Plain   *LoginCost `json:"plain,omitempty"` // the same on the plain transport, on a server of its own
	Contact *LoginCost `json:"contact"`         // Noise IK, of a device that the server knows
	Resume  *LoginCost `json:"resume"`          // Noise NNpsk0, by ticket

	// What encryption adds to a login, us of server CPU: the handshake, its records, the account's check and the ticket.
	ContactMoreUs *float64 `json:"contact_more_us,omitempty"`
	ResumeMoreUs  *float64 `json:"resume_more_us,omitempty"`

	Refused   int64  `json:"refused"` // by the server, came back later: their cost is in the figures
	Stale     int64  `json:"stale"`   // tickets refused
	CPUSource string `json:"cpu_source"`
}

// LoginCost is one kind of login: server CPU for the whole of it, from connect to SUCCESS, and TICKET after contact.
type LoginCost struct {
	CPUUs float64 `json:"cpu_us"` // median of the rounds
	// HandshakeUs is the part of the handshake itself, by the server's own clock on its loops: median of the rounds. What took the core
	// away meanwhile is in it.
	HandshakeUs  *float64  `json:"handshake_us,omitempty"`
	RoundsUs     []float64 `json:"rounds_us"`
	LatencyMs    *Latency  `json:"latency_ms"` // from connected to logged in
	handshakesUs []float64
	latency      *hdrhistogram.Histogram
}

// Login measures the server's CPU for a login: by contact, by ticket, and on the plain transport.
func Login(ctx context.Context, cfg LoginConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report, p := env.record(ctx, "login", cfg)
	out := &LoginResult{Logins: cfg.Logins, Rounds: cfg.Rounds, Contact: newLoginCost(), Resume: newLoginCost()}
	report.Login = out
	r := &loginRun{cfg: cfg, out: out, p: p}
	err := r.run(ctx, env)
	r.close()
	report.note("generator and server share this machine's %d cores", report.Machine.Cores)
	if err == nil {
		report.latency(out.Resume.latency)
		report.SessionsBack = ptr(uint64(out.Resume.latency.TotalCount()))
	}
	return report.ended(ctx, err)
}

func newLoginCost() *LoginCost { return &LoginCost{latency: newHistogram()} }

// loginRun is one run under way.
type loginRun struct {
	cfg          LoginConfig
	out          *LoginResult
	p            *progress
	plain, noise *crew
}

// run measures the rounds: plain, contact, resume, plain, ...
func (r *loginRun) run(ctx context.Context, env Env) (err error) {
	if r.noise, err = openCrew(ctx, r.cfg, Noise, env); err != nil {
		return err
	}
	if r.cfg.Target.Server == "" {
		r.out.Plain = newLoginCost()
		if r.plain, err = openCrew(ctx, r.cfg, Plain, env); err != nil {
			return err
		}
	}
	// The round that does not count registers the devices and fetches their first tickets.
	for _, c := range []*crew{r.plain, r.noise} {
		if c == nil {
			continue
		}
		if _, err := c.round(ctx, cmdContact); err != nil {
			return err
		}
	}
	for i := range r.cfg.Rounds {
		r.p.often("login: round %d of %d", i+1, r.cfg.Rounds)
		if r.plain != nil {
			if err := r.out.Plain.add(r.plain.round(ctx, cmdContact)); err != nil {
				return err
			}
		}
		if err := r.out.Contact.add(r.noise.round(ctx, cmdContact)); err != nil {
			return err
		}
		if err := r.out.Resume.add(r.noise.round(ctx, cmdResume)); err != nil {
			return err
		}
	}
	r.sum()
	return nil
}

// sum compares.
func (r *loginRun) sum() {
	crowd := r.noise.loop.counts.crowd()
	r.out.Refused, r.out.Stale, r.out.CPUSource = crowd.Refused+crowd.Dropped, crowd.Stale, r.noise.cpuSource
	for _, c := range []*LoginCost{r.out.Plain, r.out.Contact, r.out.Resume} {
		if c != nil {
			c.CPUUs = median(c.RoundsUs)
			if len(c.handshakesUs) > 0 {
				c.HandshakeUs = ptr(median(c.handshakesUs))
			}
			c.LatencyMs = latencyOf(c.latency)
		}
	}
	if r.out.Plain != nil {
		r.out.ContactMoreUs = ptr(round(r.out.Contact.CPUUs-r.out.Plain.CPUUs, 1))
		r.out.ResumeMoreUs = ptr(round(r.out.Resume.CPUUs-r.out.Plain.CPUUs, 1))
	}
}

func (r *loginRun) close() {
	for _, c := range []*crew{r.plain, r.noise} {
		if c != nil {
			c.close()
		}
	}
}

// median is the middle of the rounds.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return round((v[len(v)/2-1]+v[len(v)/2])/2, 1)
}

// loginRound is what one round found.
type loginRound struct {
	cpuUs       float64
	handshakeUs float64 // 0: there were none
	latency     *hdrhistogram.Histogram
}

// add takes one round, or its error.
func (c *LoginCost) add(r loginRound, err error) error {
	if err != nil {
		return err
	}
	c.RoundsUs = append(c.RoundsUs, r.cpuUs)
	if r.handshakeUs > 0 {
		c.handshakesUs = append(c.handshakesUs, r.handshakeUs)
	}
	if r.latency != nil {
		merge(c.latency, r.latency)
	}
	return nil
}

// crew logs in and out again, on a server with one transport.
type crew struct {
	cfg       LoginConfig
	target    *target
	fleet     *fleet
	loop      *sessionLoop
	clock     clock
	cpuSource string
}

func openCrew(ctx context.Context, cfg LoginConfig, transport Transport, env Env) (*crew, error) {
	cfg.Target.Transport = transport
	t, err := openTarget(ctx, cfg.Target, env, cfg.Logins)
	if err != nil {
		return nil, err
	}
	c := &crew{cfg: cfg, target: t, clock: newClock()}
	first := firstUser()
	c.fleet, err = newFleet(t.addr, 1, 2*cfg.Logins, func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		c.loop = newSessionLoop(f, l, c.clock, first)
		c.loop.devices = map[uint32]device{}
		t.veil(c.loop)
		return c.loop
	})
	if err != nil {
		t.close()
		return nil, err
	}
	c.fleet.startRecall(c.clock, func(int) int { return 0 })
	return c, nil
}

func (c *crew) close() {
	c.fleet.close()
	c.target.close()
}

// round logs everybody in at the configured pace and reads what that cost the server; then all leave.
func (c *crew) round(ctx context.Context, how byte) (out loginRound, err error) {
	if err := c.fleet.tell(ctx, how); err != nil {
		return out, err
	}
	before, err := c.target.usage(ctx)
	if err != nil {
		return out, err
	}
	shook, err := c.target.status(ctx)
	if err != nil {
		return out, err
	}
	indexes := make([]uint32, c.cfg.Logins)
	for i := range indexes {
		indexes[i] = uint32(i)
	}
	tickets := c.loop.counts.tickets.Load()
	c.fleet.recall.addPaced(indexes, c.clock.now(), time.Second/time.Duration(c.cfg.Rate))
	all := int64(c.cfg.Logins)
	if err := c.await(ctx, "logged in", all, c.loop.counts.ready.Load); err != nil {
		return out, err
	}
	if c.target.transport == Noise && how == cmdContact { // who comes with a good ticket gets no other
		got := func() int64 { return c.loop.counts.tickets.Load() - tickets }
		if err := c.await(ctx, "tickets", all, got); err != nil {
			return out, err
		}
	}
	after, err := c.target.usage(ctx)
	if err != nil {
		return out, err
	}
	if st, err := c.target.status(ctx); err == nil {
		n := st.Handshakes.Contacts + st.Handshakes.Resumes - shook.Handshakes.Contacts - shook.Handshakes.Resumes
		out.handshakeUs = round(ratio(1e6*(st.Handshakes.Seconds-shook.Handshakes.Seconds), float64(n)), 1)
	}
	c.cpuSource = after.CPUSource
	out.cpuUs = round(float64((after.CPU-before.CPU).Microseconds())/float64(all), 1)
	out.latency = c.logins(ctx)
	return out, c.leave(ctx)
}

// logins fetches the login latencies since the last time.
func (c *crew) logins(ctx context.Context) *hdrhistogram.Histogram {
	answer := make(chan []byte, 1)
	c.loop.wantLogins.Store(&answer)
	if c.fleet.tell(ctx, cmdLogins) != nil {
		return nil
	}
	select {
	case b := <-answer:
		h, err := hdrhistogram.Decode(b)
		if err != nil {
			return nil
		}
		return h
	case <-ctx.Done():
		return nil
	}
}

// leave cuts all sessions and waits until both sides have seen it.
func (c *crew) leave(ctx context.Context) error {
	if err := c.fleet.tell(ctx, cmdCut); err != nil {
		return err
	}
	return c.await(ctx, "ended", 0, c.loop.counts.open.Load)
}

// await waits until a counter has a value.
func (c *crew) await(ctx context.Context, what string, want int64, have func() int64) error {
	failed := func() bool { return c.loop.counts.failed.Load() > 0 }
	err := waitFor(ctx, stallTimeout, have, func() bool { return have() == want || failed() }, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && failed() {
		err = errors.New("sessions ended")
	}
	if err == nil {
		return nil
	}
	if text := c.loop.failure.Load(); text != nil {
		err = fmt.Errorf("%w: %s", err, *text)
	}
	return errNotBack(what, have(), want, err)
}

// rows prints the costs for people.
func (o *LoginResult) rows(t *table) {
	line := func(name string, c *LoginCost, more *float64) {
		if c == nil {
			return
		}
		text := fmt.Sprintf("%.0f us of server CPU a login (rounds %.0f to %.0f)", c.CPUUs, slices.Min(c.RoundsUs), slices.Max(c.RoundsUs))
		if more != nil {
			text += fmt.Sprintf(", %.0f us more than plain", *more)
		}
		if c.HandshakeUs != nil {
			text += fmt.Sprintf("; the handshake itself %.0f us", *c.HandshakeUs)
		}
		t.row(name, text)
		t.latency(name+" takes", c.LatencyMs)
	}
	t.row("logins", fmt.Sprintf("%d a round, %d rounds, CPU by %s", o.Logins, o.Rounds, o.CPUSource))
	line("contact (IK)", o.Contact, o.ContactMoreUs)
	line("resume (NNpsk0)", o.Resume, o.ResumeMoreUs)
	line("plain", o.Plain, nil)
	t.row("refused", fmt.Sprintf("%d for a while, %d tickets", o.Refused, o.Stale))
}
