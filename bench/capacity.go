package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// CapacityConfig says how many sessions to hold and what happens to them. The zero value of a field means its default.
type CapacityConfig struct {
	Target      Target        `json:"target"`       // the transport is Noise
	Connections int           `json:"connections"`  // idle, encrypted, logged in; default 1,000,000
	From        int           `json:"from"`         // the lower count of the memory's slope; default a tenth of Connections
	Keepalive   time.Duration `json:"keepalive_ns"` // of a server of the run's own; default 30 min
	Talk        float64       `json:"talk"`         // the share of the sessions that talks; 0: nobody
	Every       time.Duration `json:"every_ns"`     // from one message of a talker to its next; default 10 s
	Bytes       int           `json:"payload_bytes"`
	Within      time.Duration `json:"within_ns"`  // how long the crowd may take to come in: those who are there by then are the crowd; 0: until all are
	Hold        time.Duration `json:"hold_ns"`    // how long the crowd is watched before the storm; default 1 min
	Drop        float64       `json:"drop"`       // the share that the storm cuts; 0: there is no storm
	Offered     int           `json:"offered"`    // that come back in each second of the storm; default twice the rate at which they came in
	Recover     time.Duration `json:"recover_ns"` // how long all may take to be back; default 10 min
	Devices     string        `json:"devices"`    // directory that keeps the devices and the server's data for another run; "": nothing is kept
	Enrol       bool          `json:"enrol"`      // only register the devices in Devices: the run itself then comes by ticket
	PerWorker   int           `json:"per_worker"` // connections of one generator process; default what its limit allows
	Seed        uint64        `json:"seed"`       // of who talks and who is cut; default 1

	stall time.Duration // how long nothing may move
}

// withDefaults fills zero fields.
func (c CapacityConfig) withDefaults() CapacityConfig {
	c.Target.Transport = Noise
	c.Connections = cmp.Or(c.Connections, 1_000_000)
	c.From = cmp.Or(c.From, max(c.Connections/10, 1))
	c.Keepalive = cmp.Or(c.Keepalive, 30*time.Minute)
	c.Every = cmp.Or(c.Every, 10*time.Second)
	c.Bytes = cmp.Or(c.Bytes, 200)
	c.Hold = cmp.Or(c.Hold, time.Minute)
	c.Recover = cmp.Or(c.Recover, 10*time.Minute)
	c.PerWorker = cmp.Or(c.PerWorker, descriptorsFor())
	c.Seed = cmp.Or(c.Seed, 1)
	c.stall = cmp.Or(c.stall, capacityStall)
	return c
}

// validate reports the first number that is out of its limits.
func (c CapacityConfig) validate() error {
	switch {
	case c.Enrol && c.Devices == "":
		return fmt.Errorf("%w: to enrol devices a directory must keep them: --devices", ErrInput)
	case c.Enrol && c.Target.Server != "":
		return fmt.Errorf("%w: devices are enrolled at a server of the run's own, which keeps its data beside them", ErrInput)
	case c.Target.Server != "" && c.Target.Admin == "":
		return fmt.Errorf("%w: the memory of %s is read at its admin address, which is missing", ErrInput, c.Target.Server)
	}
	return cmp.Or(
		within("connections", c.Connections, 2, ConnectionsMax),
		within("from", c.From, 1, c.Connections-1),
		withinTime("keepalive", c.Keepalive, time.Second, DurationMax/2),
		withinNumber("share that talks", c.Talk, 0, 1),
		withinTime("time between two messages", c.Every, time.Millisecond, DurationMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		withinTime("time to come in", c.Within, 0, DurationMax),
		withinTime("hold", c.Hold, DurationMin, DurationMax),
		withinNumber("share that drops out", c.Drop, 0, 1),
		within("offered", c.Offered, 0, OfferedMax),
		withinTime("recover", c.Recover, DurationMin, DurationMax),
		within("connections of one worker", c.PerWorker, 1, ConnectionsMax),
		c.Target.validate(),
	)
}

// Limits of a capacity run.
const (
	// capacityStall is how long nothing may move: longer than elsewhere, for a machine that is full to the brim answers late.
	capacityStall = time.Minute
	// capacityDrain is the --drain-timeout of a server of the run's own: half of it is for asking all to leave.
	capacityDrain = 10 * time.Minute
	// capacityLogin is its --login-timeout: on a machine that is full to the brim a login takes long.
	capacityLogin = time.Minute
	// capacityShare is its --handshake-share: while the crowd comes in there is nobody yet whom its handshakes could disturb.
	capacityShare = "90"
	// capacityLate is how long after the hush what is missing may come as long as nothing moves; then it counts as lost.
	capacityLate = 30 * time.Second
)

// capacityRun is one Capacity under way.
type capacityRun struct {
	cfg    CapacityConfig
	env    Env
	self   string
	p      *progress
	report *Report
	out    *CapacityResult
	target *target
	crowd  *workers
	book   deviceBook
	began  time.Time
}

// Capacity fills a server with idle encrypted sessions, has a share of them talk, cuts a share and lets it come back, and drains the server.
func Capacity(ctx context.Context, cfg CapacityConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	self, err := env.selfPath()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report, p := env.record(ctx, "capacity", cfg)
	out := &CapacityResult{Sessions: cfg.Connections}
	report.Capacity = out
	r := &capacityRun{cfg: cfg, env: env, self: self, p: p, report: report, out: out, began: time.Now()}
	if err := r.open(ctx); err != nil {
		return report.ended(ctx, err)
	}
	if cfg.Enrol {
		err = r.enrol(ctx)
	} else {
		err = r.play(ctx)
	}
	env.rec.follow(nil)
	if r.crowd != nil {
		stopAll(r.crowd.list)
	}
	r.target.close()
	return report.ended(ctx, err)
}

// open starts the server (or finds it), and reads whose devices the directory has.
func (r *capacityRun) open(ctx context.Context) (err error) {
	r.book.First = firstUser()
	if dir := r.cfg.Devices; dir != "" {
		if err := os.MkdirAll(filepath.Join(dir, "server"), 0o700); err != nil {
			return fmt.Errorf("%w: %w", ErrGenerator, err)
		}
		book, err := readBook(dir)
		if err != nil {
			return err
		}
		if book.First != 0 {
			r.book = book
		}
	}
	t := r.cfg.Target
	if t.Server == "" {
		own := []string{"--keepalive", r.cfg.Keepalive.String(), "--drain-timeout", capacityDrain.String(), "--handshake-share", capacityShare,
			"--login-timeout", capacityLogin.String()}
		if r.cfg.Devices != "" {
			own = append(own, "--data", filepath.Join(r.cfg.Devices, "server"))
		}
		t.Args = append(own, t.Args...)
	}
	connections := r.cfg.Connections
	if r.cfg.Enrol {
		connections = 0 // they come and go
	}
	r.target, err = openTarget(ctx, t, r.env, connections)
	return err
}

// play is the whole run.
func (r *capacityRun) play(ctx context.Context) error {
	steps := []struct {
		name string
		step func(context.Context) error
	}{
		{"coming in", r.fill},
		{"garbage", r.garbage},
		{"hold", r.hold},
		{"storm", r.storm},
		{"last words", r.settleWords},
		{"after the storm", r.weighAgain},
		{"drain", r.drain},
	}
	for _, s := range steps {
		r.env.rec.phase(s.name)
		if err := s.step(ctx); err != nil {
			return r.explain(fmt.Errorf("%s: %w", s.name, err))
		}
	}
	r.out.sum(r.report)
	return nil
}

// explain adds what a worker saw go wrong, and what the server printed.
func (r *capacityRun) explain(err error) error {
	text := ""
	if r.crowd != nil {
		text = r.crowd.said()
	}
	if r.target.tail != nil {
		text += r.target.tail.said()
	}
	return fmt.Errorf("%w%s", err, text)
}

// startCrowd starts the generator's processes for connections up to n.
func (r *capacityRun) startCrowd(ctx context.Context, n int, job crowdJob) error {
	r.crowd = &workers{cfg: ConnectConfig{Connections: n, PerWorker: r.cfg.PerWorker}, p: r.p}
	transport, key := r.target.speaks()
	for from := 0; from < n; from += r.cfg.PerWorker {
		o := crowdOrders{
			workerOrders: workerOrders{Addr: r.target.addr, From: from, First: r.book.First, Transport: transport, Key: key},
			Most:         min(r.cfg.PerWorker, n-from), Dir: r.cfg.Devices, Known: r.book.Devices, Purpose: job,
		}
		c, err := startChild(ctx, fmt.Sprintf("crowd %d", len(r.crowd.list)+1), r.self, childArgs(childCrowd, asArgument(o))...)
		if err != nil {
			return err
		}
		c.patience = r.cfg.stall
		r.crowd.list = append(r.crowd.list, c)
	}
	r.crowd.goal.Store(int64(n))
	r.env.rec.follow(r.load)
	return nil
}

// load is what the recorder reads.
func (r *capacityRun) load() load {
	l := r.crowd.load()
	if st := r.crowd.seen.Load(); st != nil {
		l.logins, l.messages = uint64(st.Held)+uint64(st.Crowd.Returned), uint64(st.Talk.Arrived)
	}
	return l
}

// await waits until done says so, as long as something moves.
func (r *capacityRun) await(ctx context.Context, what string, moves func(childStat) int64, done func(childStat) bool) (st childStat, err error) {
	read := func() int64 {
		if err == nil {
			if st, err = r.crowd.stat(); err == nil {
				seen := st
				r.crowd.seen.Store(&seen)
			}
		}
		return moves(st)
	}
	each := func() {
		if r.cfg.Enrol {
			r.p.often("capacity: %s: %d tickets of %d", what, st.Crowd.Tickets, r.cfg.Connections-r.book.Devices)
			return
		}
		r.p.often("capacity: %s: %d of %d there, %d messages of %d arrived", what, st.Ready, r.cfg.Connections, st.Talk.Arrived, st.Talk.Made)
	}
	stalled := waitFor(ctx, r.cfg.stall, read, func() bool { return err != nil || done(st) }, each)
	if err == nil && stalled != nil {
		err = fmt.Errorf("%w: %d of %d are there, %d messages of %d arrived: %w", ErrLogin, st.Ready, r.cfg.Connections, st.Talk.Arrived, st.Talk.Made, stalled)
	}
	return st, err
}
