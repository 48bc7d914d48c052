package server

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/codec"
)

// clerkMeters count what the clerk does. The workers and the loops write them.
type clerkMeters struct {
	asks    atomic.Uint64
	full    atomic.Uint64
	lost    atomic.Uint64
	faults  atomic.Uint64
	changed atomic.Uint64
	removed atomic.Uint64
	deleted atomic.Uint64
	spentNs atomic.Int64
	answers [codesEnd]atomic.Uint64
}

func (m *clerkMeters) answered(code codec.ErrorCode) { m.answers[code%codesEnd].Add(1) }

// RequestsStatus is what clients have asked about users, since the start.
type RequestsStatus struct {
	Asked     uint64            `json:"asked"`
	Refused   map[string]uint64 `json:"refused"`   // answers with a code, by code
	Full      uint64            `json:"full"`      // refused because too many waited
	Lost      uint64            `json:"lost"`      // answers that no loop took
	Faults    uint64            `json:"faults"`    // that the accounts could not answer
	Conflicts uint64            `json:"conflicts"` // changes of settings that were made anew: somebody else was first
	Removed   uint64            `json:"removed"`   // devices
	Deleted   uint64            `json:"deleted"`   // accounts
	Reports   uint64            `json:"reports"`   // of users, see GET /reports
	Queued    int               `json:"queued"`    // that wait now
	Busy      float64           `json:"busy_seconds"`
}

// status is one look at the clerk. nil is a clerk that has done nothing.
func (c *clerk) status() RequestsStatus {
	st := RequestsStatus{Refused: map[string]uint64{}}
	if c == nil {
		return st
	}
	m := &c.meters
	counts := make([]uint64, codesEnd)
	for i := range m.answers {
		counts[i] = m.answers[i].Load()
	}
	counts[codec.CodeNone] = 0
	st.Refused = byName(counts)
	st.Asked, st.Full, st.Lost, st.Faults = m.asks.Load(), m.full.Load(), m.lost.Load(), m.faults.Load()
	st.Conflicts, st.Removed, st.Deleted, st.Reports = m.changed.Load(), m.removed.Load(), m.deleted.Load(), c.reports.count()
	st.Busy = seconds(time.Duration(m.spentNs.Load()))
	for _, queue := range c.queues {
		st.Queued += len(queue)
	}
	return st
}

// requestMetrics are those of the clerk.
type requestMetrics struct{ asked, refused, full, lost, faults, removed, deleted, reports, queued, busy *prometheus.Desc }

func newRequestMetrics() requestMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("trunkline_"+name, help, labels, nil)
	}
	return requestMetrics{
		asked:   desc("requests_total", "Requests of clients about users."),
		refused: desc("requests_refused_total", "Requests about users that were answered with a code, by code.", "code"),
		full:    desc("requests_full_total", "Requests about users refused because too many waited."),
		lost:    desc("requests_lost_total", "Answers to requests that no loop took."),
		faults:  desc("requests_faults_total", "Requests that the accounts could not answer."),
		removed: desc("devices_removed_total", "Devices removed from their accounts."),
		deleted: desc("accounts_deleted_total", "Accounts deleted."),
		reports: desc("reports_total", "Reports of users."),
		queued:  desc("requests_queued", "Requests about users that wait."),
		busy:    desc("requests_seconds_total", "Time spent on requests about users, waiting for the accounts included."),
	}
}

func (m *requestMetrics) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.asked, m.refused, m.full, m.lost, m.faults, m.removed, m.deleted, m.reports, m.queued, m.busy} {
		out <- d
	}
}

func (m *requestMetrics) collect(out chan<- prometheus.Metric, c *clerk) {
	st := c.status()
	count := func(d *prometheus.Desc, n uint64) { out <- prometheus.MustNewConstMetric(d, counter, float64(n)) }
	count(m.asked, st.Asked)
	for _, code := range namedCodes() {
		if n := st.Refused[code.String()]; !code.Closes() {
			out <- prometheus.MustNewConstMetric(m.refused, counter, float64(n), code.String())
		}
	}
	count(m.full, st.Full)
	count(m.lost, st.Lost)
	count(m.faults, st.Faults)
	count(m.removed, st.Removed)
	count(m.deleted, st.Deleted)
	count(m.reports, st.Reports)
	out <- prometheus.MustNewConstMetric(m.queued, gauge, float64(st.Queued))
	out <- prometheus.MustNewConstMetric(m.busy, counter, st.Busy)
}
