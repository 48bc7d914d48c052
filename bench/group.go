package bench

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// GroupConfig says how to write to a group. The zero value of a field means its default.
type GroupConfig struct {
	Target   Target        `json:"target"`        // the transport is Plain, and the server the run's own
	Members  int           `json:"members"`       // all are there; default 1,024
	Writers  int           `json:"writers"`       // of them; default 1
	Rate     int           `json:"rate"`          // messages a second of the paced rounds; default 20
	Inflight int           `json:"inflight"`      // flat out: messages on their way to somebody; default 4
	Bytes    int           `json:"payload_bytes"` // default 200
	Duration time.Duration `json:"duration_ns"`   // of one round on one server; default 3 s
	Rounds   int           `json:"rounds"`        // interleaved; default 5; the median counts
	Away     int           `json:"away"`          // messages that are written when nobody else is there; default 512
	Ack      AckMode       `json:"ack,omitempty"` // memory or disk; "": the server's default
	Moment   time.Duration `json:"moment_ns"`     // how long a member waits for more before it acknowledges fewer than 32; default 100 ms

	stall time.Duration // see MessageConfig
}

// withDefaults fills zero fields.
func (c GroupConfig) withDefaults() GroupConfig {
	c.Target.Transport = cmp.Or(c.Target.Transport, Plain)
	c.Members = cmp.Or(c.Members, 1_024)
	c.Writers = cmp.Or(c.Writers, 1)
	c.Rate = cmp.Or(c.Rate, 20)
	c.Inflight = cmp.Or(c.Inflight, 4)
	c.Bytes = cmp.Or(c.Bytes, 200)
	c.Duration = cmp.Or(c.Duration, 3*time.Second)
	c.Rounds = cmp.Or(c.Rounds, 5)
	c.Away = cmp.Or(c.Away, 512)
	c.Moment = cmp.Or(c.Moment, ackMomentDefault)
	c.stall = cmp.Or(c.stall, stallTimeout)
	return c
}

// validate reports the first setting that is out of its limits.
func (c GroupConfig) validate() error {
	switch c.Ack {
	case AckDefault, AckMemory, AckDisk:
	default:
		return fmt.Errorf("%w: ack is %q; it is memory or disk", ErrInput, c.Ack)
	}
	return cmp.Or(
		ownPlain(c.Target),
		within("members", c.Members, 2, GroupMembersMax),
		within("writers", c.Writers, 1, min(GroupWritersMax, c.Members)),
		within("rate", c.Rate, 1, RateMax),
		within("inflight", c.Inflight, 1, InflightMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		withinTime("duration", c.Duration, DurationMin, DurationMax),
		within("rounds", c.Rounds, 1, RoundsMax),
		within("messages to who is away", c.Away, 1, GroupAwayMax),
		withinTime("moment", c.Moment, time.Millisecond, 10*time.Second),
		c.Target.validate(),
		checkDescriptors((fanouts+1)*c.Members),
	)
}

// fanouts is how many servers that only write stand beside the group's.
const fanouts = 2

// groupBudget is what a group's server may take for each member above the socket write itself, us of CPU.
const groupBudget = 0.5

// GroupResult is what a run with a group found beyond the common keys of Report.
type GroupResult struct {
	Members      int         `json:"members"`
	Writers      int         `json:"writers"`
	PayloadBytes int         `json:"payload_bytes"`
	Ack          string      `json:"ack,omitempty"` // as the server says
	SetUpSeconds float64     `json:"set_up_seconds"`
	Cases        []GroupCase `json:"cases"`
	Away         *GroupAway  `json:"away"`
	Sent         uint64      `json:"sent"`      // of the group's side, in the whole run, as below
	Delivered    uint64      `json:"delivered"` // to all members together
	Corrupted    uint64      `json:"corrupted"`
	TicksMissing uint64      `json:"ticks_missing"` // first and second
	BudgetUs     float64     `json:"budget_us_above_socket"`
}

// GroupCase is one way of writing: on the group's server, and on the servers that only write.
type GroupCase struct {
	Name    string      `json:"name"`
	Rate    int         `json:"rate"` // 0: flat out
	Servers []GroupSide `json:"servers"`
}

// GroupSide is one server in one case: medians of the rounds.
type GroupSide struct {
	Name             string    `json:"name"`
	CPUUsPerMessage  float64   `json:"cpu_us_per_message"`
	CPUUsPerMember   float64   `json:"cpu_us_per_member"` // and message
	MessagesPerSec   float64   `json:"messages_per_second"`
	AbovePerMember   *float64  `json:"group_above_us_per_member"` // what the group's server takes more: the median of the rounds' differences
	LatencyMs        *Latency  `json:"latency_ms"`                // of all rounds: due to delivered, to each member
	FirstTickMs      *Latency  `json:"first_tick_ms"`
	JournalBytesEach *float64  `json:"journal_bytes_per_message"` // what the members' ACKs write included
	RoundsPerMember  []float64 `json:"cpu_us_per_member_rounds"`

	latency, tick               *hdrhistogram.Histogram
	perSecond, journal, perEach []float64
}

// GroupAway is what is kept of messages to members who are away.
type GroupAway struct {
	Messages      int     `json:"messages"`
	Members       int     `json:"members"`                 // who were away
	Entries       int64   `json:"entries"`                 // kept
	ArenaPerMsg   float64 `json:"arena_bytes_per_message"` // memory of payloads: it is there once for all members
	PayloadPerMsg float64 `json:"queue_bytes_per_message"` // as the mailboxes count it, once for each member
	RSSPerEntry   float64 `json:"rss_bytes_per_entry"`     // growth of the server's memory for each message and member, payload included
	JournalPerMsg float64 `json:"journal_bytes_per_message"`
}

// The names of the servers in a comparison.
const groupServer = "group"

// Group writes to a group whose members are all there, and to servers that do nothing but write the same frames to as many sockets.
func Group(ctx context.Context, cfg GroupConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	flags := []string{"--loops", "1", "--group-members", strconv.Itoa(max(cfg.Members, 2))} // one loop, as those that only write have
	if cfg.Ack != AckDefault {
		flags = append(flags, "--ack", string(cfg.Ack))
	}
	cfg.Target.Args = append(flags, cfg.Target.Args...)
	report, p := env.record(ctx, "group", cfg)
	r := &groupRun{
		cfg: cfg, report: report, p: p, clock: newClock(),
		out: &GroupResult{Members: cfg.Members, Writers: cfg.Writers, PayloadBytes: cfg.Bytes, BudgetUs: groupBudget},
	}
	r.report.Group = r.out
	defer r.close()
	err := r.open(ctx, env)
	if err == nil {
		err = r.run(ctx)
	}
	if err != nil {
		return report.ended(ctx, r.explain(err))
	}
	r.sum()
	return report.ended(ctx, nil)
}

// median fills the medians of a side from its rounds.
func (s *GroupSide) median(members int) {
	s.CPUUsPerMember, s.MessagesPerSec = middle(s.RoundsPerMember), middle(s.perSecond)
	s.CPUUsPerMessage = round(middle(s.perEach), 1)
	s.LatencyMs, s.FirstTickMs = latencyOf(s.latency), latencyOf(s.tick)
	if len(s.journal) > 0 {
		s.JournalBytesEach = ptr(round(middle(s.journal), 1))
	}
}

func (g *GroupResult) rows(t *table) {
	t.row("group", fmt.Sprintf("%d members who are there, %d of them write %d-byte payloads; ack %s; set up in %.1f s", g.Members, g.Writers, g.PayloadBytes, g.Ack,
		g.SetUpSeconds))
	for _, c := range g.Cases {
		t.row(c.Name, "")
		for i, s := range c.Servers {
			t.row("  "+s.Name, fmt.Sprintf("%.3f us a member, %.1f us a message, %.1f messages/s", s.CPUUsPerMember, s.CPUUsPerMessage, s.MessagesPerSec))
			if i > 0 {
				verdict := "within"
				if s.AbovePerMember != nil && *s.AbovePerMember > g.BudgetUs {
					verdict = "ABOVE"
				}
				t.row("    the group takes", fmt.Sprintf("%s us a member more: %s the budget of %.1f us", number(s.AbovePerMember, 3), verdict, g.BudgetUs))
			}
			t.latency("    delivered", s.LatencyMs)
			t.latency("    first tick", s.FirstTickMs)
			if s.JournalBytesEach != nil {
				t.row("    journal", fmt.Sprintf("%.0f B a message, %.1f B a member, ACKs included", *s.JournalBytesEach, *s.JournalBytesEach/float64(g.Members)))
			}
		}
	}
	if a := g.Away; a != nil {
		t.row("away", fmt.Sprintf("%d messages to %d members who are away: %d entries, %.1f B of memory each", a.Messages, a.Members, a.Entries, a.RSSPerEntry))
		t.row("  payload memory", fmt.Sprintf("%.0f B a message, once for all (each for itself: %.0f B)", a.ArenaPerMsg, a.PayloadPerMsg))
		t.row("  journal", fmt.Sprintf("%.0f B a message, %.1f B a member", a.JournalPerMsg, a.JournalPerMsg/float64(max(a.Members, 1))))
	}
	t.row("sent, arrived", fmt.Sprintf("%d, %d", g.Sent, g.Delivered))
	t.row("damaged", fmt.Sprint(g.Corrupted))
	t.row("ticks missing", fmt.Sprint(g.TicksMissing))
}
