package server

import (
	"runtime"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// loopMetric is one row of the table of per-loop metrics. No metric has a label that grows with users.
type loopMetric struct {
	name, help string
	kind       prometheus.ValueType
	get        func(*loopCounters) float64
	desc       *prometheus.Desc
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// netMetrics are what a loop counts about sockets.
func netMetrics() []loopMetric {
	return []loopMetric{
		{name: "connections", help: "Open connections.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.net.Connections) }},
		{name: "connections_accepted_total", help: "Connections accepted.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Accepted) }},
		{name: "connections_closed_total", help: "Connections closed.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Closed) }},
		{name: "connections_moved_total", help: "Connections given to another loop.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Moved) }},
		{name: "accept_errors_total", help: "Accepts that the system refused (descriptors, memory).", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.AcceptErrors) }},
		{name: "accept_refused_total", help: "Connections closed at once because of max-connections.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.AcceptRefused) }},
		{name: "bytes_in_total", help: "Bytes read from clients.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.BytesIn) }},
		{name: "bytes_out_total", help: "Bytes written to clients.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.BytesOut) }},
		{name: "reads_total", help: "Calls of read.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Reads) }},
		{name: "writes_total", help: "Calls of write.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Writes) }},
		{name: "writes_starved_total", help: "Writes for which the system had no buffers; they are repeated after a pause.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.WritesStarved) }},
		{name: "turns_total", help: "Turns of the loop.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Turns) }},
		{name: "wakes_total", help: "Wake-ups by another loop or thread.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Wakes) }},
		{name: "loop_messages_in_total", help: "Messages taken from other loops.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.MessagesIn) }},
		{name: "loop_messages_out_total", help: "Messages posted to other loops.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.MessagesOut) }},
		{name: "outbound_refused_total", help: "Frames refused because a client does not read.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.OutboundRefused) }},
		{name: "panics_total", help: "Steps that panicked and were recovered.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.Panics) }},
		{name: "stale_events_total", help: "Events for connections that were gone.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.net.StaleEvents) }},
		{name: "slot_bytes", help: "Memory of connection slots.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.net.SlotBytes) }},
		{name: "waiting_bytes", help: "Memory of bytes waiting to be read or written.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.net.ArenaBytes) }},
	}
}

// shardMetrics are what a loop's machines count.
func shardMetrics() []loopMetric {
	return []loopMetric{
		{name: "sessions", help: "Sessions that are logged in.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.LoggedIn) }},
		{name: "users", help: "Users known.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.Users) }},
		{name: "logins_total", help: "Logins.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Logins) }},
		{name: "resumes_total", help: "Logins that resumed a known generation.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Resumes) }},
		{name: "replaced_total", help: "Sessions replaced by another login of the same device.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Replaced) }},
		{name: "early_taken_total", help: "First flights taken before they were confirmed.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.EarlyTaken) }},
		{name: "early_held_total", help: "First flights that had to wait for their confirmation.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.EarlyHeld) }},
		{name: "early_unconfirmed_total", help: "First flights that were taken and not confirmed within the login timeout.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.EarlyUnconfirmed) }},
		{name: "messages_in_total", help: "Messages taken from senders (first tick).", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.MessagesIn) }},
		{name: "messages_out_total", help: "Messages written to recipients.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.MessagesOut) }},
		{name: "messages_acked_total", help: "Messages acknowledged by recipients (second tick).", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.MessagesAcked) }},
		{name: "group_messages_total", help: "Messages taken by groups (first tick), each once whatever the group's size.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.GroupMessages) }},
		{name: "group_delivered_total", help: "Entries that groups' messages and changes have become in members' mailboxes.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.GroupDelivered) }},
		{name: "group_missed_total", help: "Members' devices that went without a group's message: the mailbox was full, or can't be read.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.GroupMissed) }},
		{name: "group_changes_total", help: "Changes of groups.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.GroupChanges) }},
		{name: "replies_dropped_total", help: "Answers to requests that were too many to wait for the journal.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.RepliesDropped) }},
		{name: "blocked_total", help: "Messages whose receiver has blocked the sender: ticked and not kept.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Blocked) }},
		{name: "receipts_in_total", help: "Receipts from clients.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.ReceiptsIn) }},
		{name: "receipts_out_total", help: "Receipts written to clients.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.ReceiptsOut) }},
		{name: "receipts_dropped_total", help: "Receipts dropped: for nobody, or over the mailbox's cap.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.ReceiptsDropped) }},
		{name: "ephemeral_dropped_total", help: "Typing and unstored messages dropped: nobody there, or no room; and watchers that found no room to be remembered.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.EphemeralDropped) }},
		{name: "loop_messages_lost_total", help: "Messages between loops that were lost: 0, or a fault of the server.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.MessagesLost) }},
		{name: "refusals_total", help: "Messages refused for the time being.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Refusals) }},
		{name: "malformed_frames_total", help: "Frames that were not of the protocol.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.MalformedFrames) }},
		{name: "unexpected_events_total", help: "Events that a machine's state had no use for.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Unexpected) }},
		{name: "queue_entries", help: "Entries waiting in mailboxes.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.QueueEntries) }},
		{name: "queue_bytes", help: "Payload bytes waiting in mailboxes.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.QueueBytes) }},
		{name: "queue_arena_bytes", help: "Memory of payloads waiting in mailboxes.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.store.ArenaBytes) }},
	}
}

// collector turns one snapshot into metrics each time it is asked. Prometheus calls it on the scraper's goroutine.
type collector struct {
	server      *Server
	loop        []loopMetric
	rejections  *prometheus.Desc
	guarded     *prometheus.Desc
	closes      *prometheus.Desc
	admission   admissionMetrics
	accounts    accountMetrics
	requests    requestMetrics
	returns     returnMetrics
	durable     durableMetrics
	connections *prometheus.Desc
	descriptors *prometheus.Desc
	draining    *prometheus.Desc
	build       *prometheus.Desc
	started     *prometheus.Desc
}

func newCollector(s *Server) *collector {
	c := &collector{
		server:      s,
		loop:        slices.Concat(netMetrics(), shardMetrics(), presenceMetrics(), limitedMetrics(), gateMetrics(), residenceMetrics()),
		rejections:  prometheus.NewDesc("trunkline_rejections_total", "Messages rejected for good, by code.", []string{"code"}, nil),
		guarded:     prometheus.NewDesc("trunkline_guarded_total", "Messages that the guard has delayed or rejected, by rule.", []string{"rule"}, nil),
		closes:      prometheus.NewDesc("trunkline_session_closes_total", "Sessions closed by the server, by code.", []string{"code"}, nil),
		admission:   newAdmissionMetrics(),
		accounts:    newAccountMetrics(),
		requests:    newRequestMetrics(),
		returns:     newReturnMetrics(),
		durable:     newDurableMetrics(),
		connections: prometheus.NewDesc("trunkline_connections_limit", "Connections allowed.", nil, nil),
		descriptors: prometheus.NewDesc("trunkline_descriptor_limit", "Descriptors allowed by the system.", nil, nil),
		draining:    prometheus.NewDesc("trunkline_draining", "1 while the server drains.", nil, nil),
		build:       prometheus.NewDesc("trunkline_build_info", "Always 1; the labels say what runs.", []string{"version", "goversion"}, nil),
		started:     prometheus.NewDesc("trunkline_start_time_seconds", "Start of the server, unix seconds.", nil, nil),
	}
	for i := range c.loop {
		m := &c.loop[i]
		m.desc = prometheus.NewDesc("trunkline_"+m.name, m.help, []string{"loop"}, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for i := range c.loop {
		out <- c.loop[i].desc
	}
	c.admission.describe(out)
	c.accounts.describe(out)
	c.requests.describe(out)
	c.returns.describe(out)
	c.durable.describe(out)
	for _, d := range []*prometheus.Desc{c.rejections, c.guarded, c.closes, c.connections, c.descriptors, c.draining, c.build, c.started} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	snap := c.server.gather.gather()
	for i := range snap.loops {
		loop := strconv.Itoa(i)
		for m := range c.loop {
			out <- prometheus.MustNewConstMetric(c.loop[m].desc, c.loop[m].kind, c.loop[m].get(&snap.loops[i]), loop)
		}
	}
	c.collectCodes(out, c.rejections, snap.rejections(), false)
	c.collectCodes(out, c.closes, snap.closes(), true)
	c.collectGuarded(out, snap)
	c.admission.collect(out, c.server.admission.stats())
	c.accounts.collect(out, c.server.accountsStatus())
	c.requests.collect(out, c.server.clerk)
	c.returns.collect(out, c.server.capacity)
	c.durable.collect(out, c.server)
	out <- prometheus.MustNewConstMetric(c.connections, gauge, float64(c.server.cfg.MaxConnections))
	out <- prometheus.MustNewConstMetric(c.descriptors, gauge, float64(c.server.files.Soft))
	out <- prometheus.MustNewConstMetric(c.draining, gauge, oneIf(c.server.draining.Load()))
	out <- prometheus.MustNewConstMetric(c.build, gauge, 1, Version(), runtime.Version())
	out <- prometheus.MustNewConstMetric(c.started, gauge, float64(c.server.started.UnixMilli())/1000)
}

// collectCodes writes one value for each code of its half of the table, also those that never happened: a rate needs a zero.
func (c *collector) collectCodes(out chan<- prometheus.Metric, desc *prometheus.Desc, counts []uint64, closing bool) {
	for _, code := range namedCodes() {
		if code.Closes() == closing && int(code) < len(counts) {
			out <- prometheus.MustNewConstMetric(desc, counter, float64(counts[code]), code.String())
		}
	}
}

// newRegistry holds the server's metrics and those of the Go runtime and the process. It is the server's own: nothing is
// registered for the whole program.
func newRegistry(s *Server) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
