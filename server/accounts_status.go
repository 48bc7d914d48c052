package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/store/mysql"
)

// AccountShard is one database of --accounts.
type AccountShard struct {
	Place       string `json:"place"` // host and database
	Reachable   bool   `json:"reachable"`
	Calls       uint64 `json:"calls"`
	Retries     uint64 `json:"retries"`     // tries after the first
	Refused     uint64 `json:"refused"`     // calls that found too many before them
	Failures    uint64 `json:"failures"`    // calls that ended without an answer
	Inside      int64  `json:"inside"`      // calls that run or wait
	Connections int    `json:"connections"` // open
}

// accountsStatus is how it stands with registrar and accounts.
func (s *Server) accountsStatus() AccountsStatus {
	st := s.transport.accountsStatus()
	st.Kept, st.Shards = s.accountsKept(), s.accountShards()
	return st
}

// accountShards is never nil, so that it is a list in the document.
func (s *Server) accountShards() []AccountShard {
	list := []AccountShard{}
	if accounts, ok := s.accounts.(*mysql.Accounts); ok {
		for _, m := range accounts.Shards() {
			list = append(list, AccountShard{
				Place: m.Place, Reachable: m.Reachable, Calls: m.Calls, Retries: m.Retries, Refused: m.Refused,
				Failures: m.Failures, Inside: m.Inside, Connections: m.Connections,
			})
		}
	}
	return list
}

// shardMetric is one number of a database. There are none with embedded accounts.
type shardMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(s *AccountShard) float64
}

func newAccountShardMetrics() []shardMetric {
	row := func(name, help string, kind prometheus.ValueType, get func(s *AccountShard) float64) shardMetric {
		return shardMetric{prometheus.NewDesc("trunkline_account_shard_"+name, help, []string{"shard"}, nil), kind, get}
	}
	return []shardMetric{
		row("up", "1 while a database of the accounts answers.", gauge, func(s *AccountShard) float64 { return oneIf(s.Reachable) }),
		row("calls_total", "Calls to a database of the accounts.", counter, func(s *AccountShard) float64 { return float64(s.Calls) }),
		row("retries_total", "Tries after the first of such a call.", counter, func(s *AccountShard) float64 { return float64(s.Retries) }),
		row("refused_total", "Calls that found too many before them.", counter, func(s *AccountShard) float64 { return float64(s.Refused) }),
		row("failures_total", "Calls that ended without an answer.", counter, func(s *AccountShard) float64 { return float64(s.Failures) }),
		row("inside", "Calls that run or wait.", gauge, func(s *AccountShard) float64 { return float64(s.Inside) }),
		row("connections", "Open connections.", gauge, func(s *AccountShard) float64 { return float64(s.Connections) }),
	}
}

// collectShards writes what is known of each database; shards are numbered from 1, as in the log.
func (m *accountMetrics) collectShards(out chan<- prometheus.Metric, s *AccountsStatus) {
	out <- prometheus.MustNewConstMetric(m.kept, gauge, 1, s.Kept)
	for i := range s.Shards {
		for _, row := range m.shards {
			out <- prometheus.MustNewConstMetric(row.desc, row.kind, row.get(&s.Shards[i]), strconv.Itoa(i+1))
		}
	}
}
