package bench

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
)

// MailboxConfig says how many messages wait when a server is weighed. The zero value of a field means its default.
type MailboxConfig struct {
	Target   Target `json:"target"`        // as in BacklogConfig
	From     int    `json:"from"`          // the lower count; default a fifth of Messages
	Messages int    `json:"messages"`      // the higher count; default 1,000,000
	Each     int    `json:"each"`          // for one device, at the higher count; default 100
	Bytes    int    `json:"payload_bytes"` // default 200
}

// withDefaults fills zero fields.
func (c MailboxConfig) withDefaults() MailboxConfig {
	c.Target.Transport = cmp.Or(c.Target.Transport, Plain)
	c.Messages = cmp.Or(c.Messages, 1_000_000)
	c.From = cmp.Or(c.From, max(c.Messages/5, 1))
	c.Each = cmp.Or(c.Each, 100)
	c.Bytes = cmp.Or(c.Bytes, 200)
	return c
}

// validate reports the first setting that is out of its limits.
func (c MailboxConfig) validate() error {
	return cmp.Or(
		ownPlain(c.Target),
		within("messages", c.Messages, 2, WaitingMax),
		within("from", c.From, 1, c.Messages-1),
		within("messages of one device", c.Each, 2, c.Messages),
		within("devices", c.Messages/c.Each, 1, DevicesMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		c.Target.validate(),
	)
}

// MailboxResult is what a message that waits takes of the server's memory.
type MailboxResult struct {
	From          int64    `json:"from"`
	To            int64    `json:"to"`
	PayloadBytes  int      `json:"payload_bytes"`
	RSSFromBytes  int64    `json:"rss_from_bytes"`
	RSSToBytes    int64    `json:"rss_to_bytes"`
	BytesEach     *float64 `json:"rss_bytes_per_message"` // slope
	AbovePayload  *float64 `json:"rss_bytes_above_payload"`
	ArenaFrom     int64    `json:"queue_arena_from_bytes"` // as the server counts its queues
	ArenaTo       int64    `json:"queue_arena_to_bytes"`
	ArenaEach     float64  `json:"queue_arena_bytes_per_message"`
	BudgetBytes   int      `json:"budget_bytes_above_payload"`
	WrittenPerSec float64  `json:"first_ticks_per_second"`
}

// mailboxBudget is what a message that waits may take beside its payload, bytes.
const mailboxBudget = 96

// Mailbox measures the server's memory for each message that waits, as the slope between two counts of them.
func Mailbox(ctx context.Context, cfg MailboxConfig, env Env) (*Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	devices := max(cfg.Messages/cfg.Each, 1)
	// Nothing may leave memory meanwhile: that is what is weighed.
	cfg.Target.Args = append([]string{"--store-bytes", strconv.FormatInt(2*int64(cfg.Messages)*int64(cfg.Bytes)+1<<30, 10),
		"--users", strconv.Itoa(2*devices + 4*fillWriters), "--mailbox-entries", strconv.Itoa(2 * cfg.Each)}, cfg.Target.Args...)
	report, p := env.record(ctx, "mailbox", cfg)
	t, err := openTarget(ctx, cfg.Target, env, fillWriters)
	if err != nil {
		return report.ended(ctx, err)
	}
	defer t.close()
	low := max(cfg.Each*cfg.From/cfg.Messages, 1)
	out := &MailboxResult{From: int64(low) * int64(devices), To: int64(cfg.Each) * int64(devices), PayloadBytes: cfg.Bytes, BudgetBytes: mailboxBudget}
	report.Mailbox = out
	order := fillOrder{addr: t.addr, first: firstUser(), devices: devices, to: low, bytes: cfg.Bytes, base: firstUser()}
	weigh := func() (rss, arena int64, err error) {
		if err := fill(ctx, order, func(done int64) { p.often("mailbox: %d of %d messages wait", done, order.messages()) }); err != nil {
			return 0, 0, err
		}
		if err := t.written(ctx); err != nil {
			return 0, 0, err
		}
		u, steady, err := t.settled(ctx)
		if err != nil {
			return 0, 0, err
		}
		if !steady {
			report.note("the server's memory did not stand still")
		}
		st, err := t.status(ctx)
		return u.RSSBytes, st.Memory.Queues, err
	}
	if out.RSSFromBytes, out.ArenaFrom, err = weigh(); err == nil {
		order.from, order.to, order.base = low, cfg.Each, firstUser()
		out.RSSToBytes, out.ArenaTo, err = weigh()
	}
	if err != nil {
		return report.ended(ctx, fmt.Errorf("%w%s", err, t.tail.said()))
	}
	more := float64(out.To - out.From)
	each := float64(out.RSSToBytes-out.RSSFromBytes) / more
	out.BytesEach, out.AbovePayload = ptr(round(each, 1)), ptr(round(each-float64(cfg.Bytes), 1))
	out.ArenaEach = round(float64(out.ArenaTo-out.ArenaFrom)/more, 1)
	return report.ended(ctx, nil)
}

func (m *MailboxResult) rows(t *table) {
	t.row("a waiting message", fmt.Sprintf("%s B of server RSS, %s B above its payload of %d B (budget %d B), slope between %d and %d", number(m.BytesEach, 1),
		number(m.AbovePayload, 1), m.PayloadBytes, m.BudgetBytes, m.From, m.To))
	t.row("server memory", fmt.Sprintf("%.1f MB with %d, %.1f MB with %d", mb(m.RSSFromBytes), m.From, mb(m.RSSToBytes), m.To))
	t.row("of it queues", fmt.Sprintf("%.1f B a message, as the server counts", m.ArenaEach))
}
