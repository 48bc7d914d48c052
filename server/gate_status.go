package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/codec"
)

// Handshakes are what the encrypted transport counts; all zero with the plain one.
type Handshakes struct {
	Contacts       uint64  `json:"contacts"`        // first contacts (Noise IK) done
	Resumes        uint64  `json:"resumes"`         // resumes (Noise NNpsk0) done
	Seconds        float64 `json:"seconds"`         // time that both took
	Certificates   uint64  `json:"certificates"`    // answers to clients that pinned another server key
	Tickets        uint64  `json:"tickets"`         // issued
	TicketsRefused uint64  `json:"tickets_refused"` // forged, of another server, expired or revoked
	Busy           uint64  `json:"busy"`            // refused with a retry-after
	Refused        uint64  `json:"refused"`         // devices that may not log in
	Malformed      uint64  `json:"malformed"`       // flights and records that are not of the protocol
	Unconfirmed    uint64  `json:"unconfirmed"`     // closed without a first record: replays, and clients that died
	Records        uint64  `json:"records"`         // sealed
	Queued         int64   `json:"queued"`          // flights that wait for their turn
	Pending        int64   `json:"pending"`         // connections between first flight and login
	LinkBytes      int64   `json:"link_bytes"`      // memory of the keys of connections
}

// AccountsStatus is where the accounts are, and what the registrar counts: all zero with the plain transport.
type AccountsStatus struct {
	Kept   string         `json:"kept"`   // "embedded", "memory" or "mysql"
	Shards []AccountShard `json:"shards"` // the databases; none but with "mysql"

	Asks        uint64            `json:"asks"`        // first contacts that it looked up
	Answers     map[string]uint64 `json:"answers"`     // by code, those that happened; "none": the device may log in
	Full        uint64            `json:"full"`        // not looked up because too many waited
	Faults      uint64            `json:"faults"`      // that the accounts could not answer
	Registered  uint64            `json:"registered"`  // devices enrolled: new ones, and ones with another key
	Generations uint64            `json:"generations"` // begun anew by a known device without state
	Seconds     float64           `json:"seconds"`     // time of the workers, disk included
	Queued      int               `json:"queued"`      // that wait now
	Revocations int               `json:"revocations"` // in memory
}

// handshakes adds the loops' gates up.
func handshakes(snap *snapshot) (h Handshakes) {
	var took uint64
	for i := range snap.loops {
		g := &snap.loops[i].gate
		took += g.HandshakesNs
		h.Contacts += g.Contacts
		h.Resumes += g.Resumes
		h.Certificates += g.Certificates
		h.Tickets += g.Tickets
		h.TicketsRefused += g.TicketsBad
		h.Busy += g.Busy
		h.Refused += g.Refused
		h.Malformed += g.Malformed
		h.Unconfirmed += g.Replays
		h.Records += g.Records
		h.Queued += g.Queued
		h.Pending += g.Pending
		h.LinkBytes += g.LinkBytes
	}
	h.Seconds = seconds(time.Duration(took))
	return h
}

// accountsStatus reads the registrar's counters.
func (t *transport) accountsStatus() AccountsStatus {
	if t == nil {
		return AccountsStatus{Answers: map[string]uint64{}}
	}
	c := t.registrar.counters()
	st := AccountsStatus{
		Asks: c.Asks, Answers: byName(c.Answers), Full: c.Full, Faults: c.Faults, Registered: c.Registered,
		Generations: c.Generations, Seconds: seconds(c.Spent), Queued: c.Queued, Revocations: c.Revocations,
	}
	if n := c.Answers[codec.CodeNone]; n > 0 {
		delete(st.Answers, "other")
		st.Answers[codec.CodeNone.String()] = n
	}
	return st
}

// gateMetrics are what a loop's gate counts.
func gateMetrics() []loopMetric {
	of := func(get func(*gateStats) uint64) func(*loopCounters) float64 {
		return func(l *loopCounters) float64 { return float64(get(&l.gate)) }
	}
	return []loopMetric{
		{name: "handshake_contacts_total", help: "First contacts (Noise IK) done.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Contacts })},
		{name: "handshake_resumes_total", help: "Resumes (Noise NNpsk0) done.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Resumes })},
		{name: "handshake_seconds_total", help: "Time that handshakes took on the loop.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.gate.HandshakesNs) / 1e9 }},
		{name: "handshake_certificates_total", help: "Answers to clients that pinned another server key.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Certificates })},
		{name: "handshake_busy_total", help: "Connections refused with a retry-after: no time, or no room.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Busy })},
		{name: "handshake_refused_total", help: "Devices that may not log in.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Refused })},
		{name: "handshake_malformed_total", help: "Flights and records that are not of the protocol.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Malformed })},
		{name: "handshake_unconfirmed_total", help: "Connections that ended without a first record: replays, and clients that died.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Replays })},
		{name: "tickets_issued_total", help: "Resume tickets given out.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Tickets })},
		{name: "tickets_refused_total", help: "Resume tickets that were forged, of another server, expired or revoked.", kind: counter, get: of(func(g *gateStats) uint64 { return g.TicketsBad })},
		{name: "records_total", help: "Records sealed.", kind: counter, get: of(func(g *gateStats) uint64 { return g.Records })},
		{name: "handshakes_queued", help: "Flights that wait for their turn.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.gate.Queued) }},
		{name: "logins_pending", help: "Connections between their first flight and login.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.gate.Pending) }},
		{name: "link_bytes", help: "Memory of the keys of connections.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.gate.LinkBytes) }},
	}
}

// accountMetrics are the metrics of the process's registrar.
type accountMetrics struct {
	answers, full, faults, registered, queued, spent, kept *prometheus.Desc
	shards                                                 []shardMetric
}

func newAccountMetrics() accountMetrics {
	return accountMetrics{
		answers:    prometheus.NewDesc("trunkline_account_answers_total", "First contacts looked up, by the code they were answered with.", []string{"code"}, nil),
		full:       prometheus.NewDesc("trunkline_account_full_total", "First contacts that were not looked up because too many waited.", nil, nil),
		faults:     prometheus.NewDesc("trunkline_account_faults_total", "First contacts that the accounts could not answer.", nil, nil),
		registered: prometheus.NewDesc("trunkline_account_registered_total", "Devices enrolled: new ones, and ones with another key.", nil, nil),
		queued:     prometheus.NewDesc("trunkline_account_queued", "First contacts that wait to be looked up.", nil, nil),
		spent:      prometheus.NewDesc("trunkline_account_seconds_total", "Time of the registrar's workers, disk included.", nil, nil),
		kept:       prometheus.NewDesc("trunkline_account_kept", "Where accounts are kept: embedded, memory or mysql.", []string{"kept"}, nil),
		shards:     newAccountShardMetrics(),
	}
}

func (m *accountMetrics) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.answers, m.full, m.faults, m.registered, m.queued, m.spent, m.kept} {
		out <- d
	}
	for _, row := range m.shards {
		out <- row.desc
	}
}

func (m *accountMetrics) collect(out chan<- prometheus.Metric, s AccountsStatus) {
	codes := []codec.ErrorCode{codec.CodeNone, codec.CodeNotRegistered, codec.CodeTokenRefused, codec.CodeGenerationStale, codec.CodeBusy, codec.CodeInternal}
	for _, code := range codes {
		out <- prometheus.MustNewConstMetric(m.answers, counter, float64(s.Answers[code.String()]), code.String())
	}
	out <- prometheus.MustNewConstMetric(m.full, counter, float64(s.Full))
	out <- prometheus.MustNewConstMetric(m.faults, counter, float64(s.Faults))
	out <- prometheus.MustNewConstMetric(m.registered, counter, float64(s.Registered))
	out <- prometheus.MustNewConstMetric(m.queued, gauge, float64(s.Queued))
	out <- prometheus.MustNewConstMetric(m.spent, counter, s.Seconds)
	m.collectShards(out, &s)
}
