package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limited is what rates and limits have held back since the start.
type Limited struct {
	Messages      uint64 `json:"messages"`      // refused for a while because of --messages
	Conversations uint64 `json:"conversations"` // refused for a while because of --conversations
	Begun         uint64 `json:"begun"`         // first messages that were let through
	Controls      uint64 `json:"controls"`      // times that a client was not read on because of --controls
	Sessions      uint64 `json:"sessions"`      // logins refused because of --user-sessions
}

// Mailboxes are the records of devices in memory.
type Mailboxes struct {
	Held    int64  `json:"held"`
	Idle    int64  `json:"idle"`    // of absent devices, with nothing waiting
	Culled  uint64 `json:"culled"`  // dropped because of --session-expiry, since the start
	Backlog int64  `json:"backlog"` // due to be looked at for that
}

// Returns is how fast clients that are sent away are asked to come back.
type Returns struct {
	PerSecond    float64 `json:"per_second"`
	QueueSeconds float64 `json:"queue_seconds"` // until the last of them is due
	ContactUs    float64 `json:"contact_us"`    // CPU of a first contact's handshake, averaged; 0: none was measured
	ResumeUs     float64 `json:"resume_us"`     // the same of a resume
}

// addLimited adds up what the loops have held back.
func (st *Status) addLimited(snap *snapshot) {
	for i := range snap.loops {
		l := &snap.loops[i].shard
		st.Limited.Messages += l.RateLimited
		st.Limited.Conversations += l.NotConversing
		st.Limited.Begun += l.Conversations
		st.Limited.Controls += l.Throttled
		st.Limited.Sessions += l.SessionLimited
		st.Mailboxes.Held += l.Mailboxes
		st.Mailboxes.Idle += l.MailboxesIdle
		st.Mailboxes.Culled += l.Culled
		st.Mailboxes.Backlog += l.CullBacklog
	}
}

// status is the capacity now.
func (c *capacity) status(now time.Time) Returns {
	contact, resume := c.handshakeMicros()
	return Returns{PerSecond: c.perSecond(), QueueSeconds: seconds(c.queued(now)), ContactUs: contact, ResumeUs: resume}
}

// limitedMetrics are what a loop has held back.
func limitedMetrics() []loopMetric {
	return []loopMetric{
		{name: "rate_limited_total", help: "Messages and read receipts refused for the time being because of --messages.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.RateLimited) }},
		{name: "conversations_total", help: "First messages of a device to a user it had not exchanged messages with lately.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Conversations) }},
		{name: "conversations_limited_total", help: "First messages refused for the time being because of --conversations.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.NotConversing) }},
		{name: "controls_limited_total", help: "Times that a client was not read on because of --controls.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Throttled) }},
		{name: "sessions_limited_total", help: "Logins refused because of --user-sessions.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.SessionLimited) }},
		{name: "mailboxes", help: "Mailboxes of devices in memory.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.Mailboxes) }},
		{name: "mailboxes_idle", help: "Mailboxes of absent devices with nothing waiting.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.MailboxesIdle) }},
		{name: "mailboxes_culled_total", help: "Mailboxes dropped because of --session-expiry.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Culled) }},
		{name: "cull_backlog", help: "Mailboxes due to be looked at for --session-expiry.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.CullBacklog) }},
	}
}

// returnMetrics are those of the capacity.
type returnMetrics struct{ perSecond, queue *prometheus.Desc }

func newReturnMetrics() returnMetrics {
	return returnMetrics{
		perSecond: prometheus.NewDesc("trunkline_returns_per_second", "Clients that are asked to come back in each second, from the measured cost of handshakes.", nil, nil),
		queue:     prometheus.NewDesc("trunkline_return_queue_seconds", "Time until the last client that was sent away is due to come back.", nil, nil),
	}
}

func (m *returnMetrics) describe(out chan<- *prometheus.Desc) {
	out <- m.perSecond
	out <- m.queue
}

func (m *returnMetrics) collect(out chan<- prometheus.Metric, c *capacity) {
	out <- prometheus.MustNewConstMetric(m.perSecond, gauge, c.perSecond())
	out <- prometheus.MustNewConstMetric(m.queue, gauge, seconds(c.queued(time.Now())))
}
