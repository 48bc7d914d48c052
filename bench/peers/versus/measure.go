package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"trunkline/bench/peers/rig"
)

// sizes are how much of everything a run does.
type sizes struct {
	Rounds    int           `json:"rounds"`
	From      int           `json:"sessions_from"` // idle sessions at the first reading
	Sessions  int           `json:"sessions"`      // and at the second
	Logins    int           `json:"logins"`        // of users whom the server knows
	Pairs     int           `json:"pairs"`
	Bytes     int           `json:"payload_bytes"`
	Inflight  []int         `json:"inflight"`
	Rate      int           `json:"rate"` // messages a second over all pairs
	Warm      time.Duration `json:"warmup_ns"`
	Time      time.Duration `json:"duration_ns"`
	Backlogs  []backlog     `json:"backlogs"`
	SlowShare int           `json:"slow_share"` // ejabberd gets this fraction of the backlogs' users, 1/n, or fewer; at least one
}

// full is what the published table is made of; short is a check that everything runs.
func full() sizes {
	return sizes{Rounds: 5, From: 2_000, Sessions: 10_000, Logins: 2_000, Pairs: 500, Bytes: 200, Inflight: []int{1, 16}, Rate: 2_000,
		Warm: time.Second, Time: 4 * time.Second, Backlogs: []backlog{{200, 101}, {40, 1_001}, {10, 10_000}}, SlowShare: 4}
}

func short() sizes {
	return sizes{Rounds: 1, From: 500, Sessions: 2_000, Logins: 500, Pairs: 100, Bytes: 200, Inflight: []int{1, 16}, Rate: 2_000,
		Warm: 300 * time.Millisecond, Time: time.Second, Backlogs: []backlog{{40, 101}, {10, 1_001}}, SlowShare: 4}
}

// sample is one figure of one round.
type sample struct {
	System string  `json:"system"`
	Figure string  `json:"figure"`
	Value  float64 `json:"value"`
	Rate   float64 `json:"per_second,omitempty"` // messages a second in the meantime
	Lost   int64   `json:"lost"`
	Wrong  int64   `json:"doubled_or_reordered"`
}

// step is one measurement of a round: a server is started for it, and ended after it.
type step struct {
	name string
	fits func(s system) bool
	run  func(ctx context.Context, s system, z sizes, o func(sample)) error
}

// talkers are the variants of our server whose setting matters to those who talk; all but the last matter to nobody else.
var talkers = [...]string{ours + "-one", ours + "-taken", ours + "-patient", ours + "-disk"}

// steps are the measurements of a round. Each takes all systems in turn.
func steps(z sizes) []step {
	peersOnly := func(s system) bool { return !s.variant }
	all := []step{
		{"sessions", peersOnly, measureSessions},
		{"talk", func(s system) bool { return !s.variant || slices.Contains(talkers[:], s.kind.Name()) }, measureTalk},
	}
	for _, b := range z.Backlogs {
		all = append(all, step{fmt.Sprintf("backlog of %d", b.Messages), func(s system) bool {
			return s.queues && !(s.variant && slices.Contains(talkers[:len(talkers)-1], s.kind.Name()))
		}, func(ctx context.Context, s system, z sizes, o func(sample)) error {
			return measureBacklog(ctx, s, z, b, o)
		}})
	}
	return all
}

// withServer starts a server and a crowd of its users, and ends both.
func withServer(ctx context.Context, s system, o rig.Options, f func(ctx context.Context, server *rig.Server, c *crowd) error) error {
	server, err := rig.Start(ctx, s.kind, o)
	if err != nil {
		return err
	}
	defer server.Stop()
	c, err := newCrowd(server.Addr, s.dialect, o.Users)
	if err != nil {
		return err
	}
	defer c.close()
	if err := f(ctx, server, c); err != nil {
		return fmt.Errorf("%s: %w%s", s.kind.Name(), err, server.Said())
	}
	return nil
}

// perUnit is CPU in microseconds for each of n.
func perUnit(d time.Duration, n int64) float64 {
	return float64(d.Microseconds()) / float64(max(n, 1))
}

// measureSessions reads memory at two counts of idle sessions, and the CPU of logins of users whom the server has seen.
func measureSessions(ctx context.Context, s system, z sizes, o func(sample)) error {
	return withServer(ctx, s, rig.Options{Users: z.Sessions}, func(ctx context.Context, server *rig.Server, c *crowd) error {
		if err := c.enter(ctx, 0, z.From); err != nil {
			return err
		}
		first, err := readMemory(ctx, server)
		if err != nil {
			return err
		}
		if err := c.enter(ctx, z.From, z.Sessions); err != nil {
			return err
		}
		second, err := readMemory(ctx, server)
		if err != nil {
			return err
		}
		n := float64(z.Sessions - z.From)
		o(sample{System: s.kind.Name(), Figure: figureSession, Value: float64(second.asIs-first.asIs) / n})
		o(sample{System: s.kind.Name(), Figure: figureCollected, Value: float64(second.collected-first.collected) / n})
		if err := c.leave(ctx, 0, z.Sessions); err != nil {
			return err
		}
		cpu, err := server.Quiet(ctx)
		if err != nil {
			return err
		}
		if err := c.enter(ctx, 0, z.Logins); err != nil {
			return err
		}
		after, err := server.Quiet(ctx)
		o(sample{System: s.kind.Name(), Figure: figureLogin, Value: perUnit(after-cpu, int64(z.Logins))})
		return err
	})
}

// memory is a server's resident memory as it stands, and after it has collected its garbage where it can be asked to.
type memory struct{ asIs, collected int64 }

func readMemory(ctx context.Context, server *rig.Server) (m memory, err error) {
	if m.asIs, err = server.Steady(ctx); err != nil {
		return m, err
	}
	m.collected, err = server.Settled(ctx)
	return m, err
}

// measureTalk has pairs talk, with some messages under way and at a pace.
func measureTalk(ctx context.Context, s system, z sizes, o func(sample)) error {
	return withServer(ctx, s, rig.Options{Users: 2 * z.Pairs}, func(ctx context.Context, server *rig.Server, c *crowd) error {
		if err := c.enter(ctx, 0, 2*z.Pairs); err != nil {
			return err
		}
		t := newTalk(c, z.Pairs, z.Bytes)
		c.begin(t)
		for _, p := range plays(z) {
			m, err := t.run(ctx, server, p, z.Warm, z.Time)
			if err != nil {
				return err
			}
			lost, doubled, skipped := t.check()
			o(sample{System: s.kind.Name(), Figure: p.figure(), Value: perUnit(m.CPU, m.Messages), Rate: float64(m.Messages) / m.Seconds, Lost: lost, Wrong: doubled + skipped})
		}
		return nil
	})
}

// plays are the ways to talk.
func plays(z sizes) []play {
	var all []play
	for _, n := range z.Inflight {
		all = append(all, play{inflight: n})
	}
	return append(all, play{rate: z.Rate})
}

// measureBacklog fills queues and has their users come back.
func measureBacklog(ctx context.Context, s system, z sizes, b backlog, o func(sample)) error {
	if _, slow := s.kind.(rig.Ejabberd); slow {
		b.Users = max(min(b.Users/z.SlowShare, slowMessagesMax/b.Messages), 1)
	}
	writers := min(writersMax, b.Users)
	return withServer(ctx, s, rig.Options{Users: b.Users + writers, Queue: b.Messages}, func(ctx context.Context, server *rig.Server, c *crowd) error {
		a := newAway(c, b, writers, queueInflight, z.Bytes)
		if err := a.know(ctx); err != nil {
			return err
		}
		m, err := a.queue(ctx, server)
		if err != nil {
			return err
		}
		o(sample{System: s.kind.Name(), Figure: figureQueue(b.Messages), Value: perUnit(m.CPU, m.Messages), Rate: float64(m.Messages) / m.Seconds})
		if m, err = a.drain(ctx, server); err != nil {
			return err
		}
		lost, doubled, skipped := a.check()
		o(sample{System: s.kind.Name(), Figure: figureDrain(b.Messages), Value: perUnit(m.CPU, m.Messages), Rate: float64(m.Messages) / m.Seconds, Lost: lost, Wrong: doubled + skipped})
		return nil
	})
}

// slowMessagesMax bounds the messages of a backlog of ejabberd: the last of ten thousand in one queue take some milliseconds each.
const slowMessagesMax = 20_000

// queueInflight is how many messages each writer has under way while queues are filled.
const queueInflight = 16
