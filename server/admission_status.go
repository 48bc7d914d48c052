package server

import "github.com/prometheus/client_golang/prometheus"

// AdmissionStatus is what admission knows and has refused.
type AdmissionStatus struct {
	Addresses   int64             `json:"addresses"`   // with open connections; those that share a cell count once
	Connections int64             `json:"connections"` // open, of addresses that are not exempt
	Shared      uint64            `json:"shared"`      // newcomers that had to share a cell
	Offences    uint64            `json:"offences"`    // malformed and forged flights
	Refused     map[string]uint64 `json:"refused"`     // by limit, all of them
}

func admissionStatus(s admissionStats) AdmissionStatus {
	st := AdmissionStatus{Addresses: s.addresses, Connections: s.open, Shared: s.shared, Offences: s.offences, Refused: map[string]uint64{}}
	for why, n := range s.refused {
		st.Refused[refusalNames[why]] = n
	}
	return st
}

// admissionMetrics are the metrics of the process's admission.
type admissionMetrics struct {
	refused, addresses, connections, shared, offences *prometheus.Desc
}

func newAdmissionMetrics() admissionMetrics {
	return admissionMetrics{
		refused: prometheus.NewDesc("trunkline_admission_refused_total",
			"Connections and handshakes refused, by limit.", []string{"limit"}, nil),
		addresses: prometheus.NewDesc("trunkline_admission_addresses",
			"Addresses with open connections.", nil, nil),
		connections: prometheus.NewDesc("trunkline_admission_connections",
			"Open connections that count against an address.", nil, nil),
		shared: prometheus.NewDesc("trunkline_admission_shared_total",
			"Connections whose address found no cell of its own and shares another's limits.", nil, nil),
		offences: prometheus.NewDesc("trunkline_admission_offences_total",
			"Malformed and forged flights, charged to their addresses.", nil, nil),
	}
}

func (m *admissionMetrics) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.refused, m.addresses, m.connections, m.shared, m.offences} {
		out <- d
	}
}

func (m *admissionMetrics) collect(out chan<- prometheus.Metric, s admissionStats) {
	for why, n := range s.refused {
		out <- prometheus.MustNewConstMetric(m.refused, counter, float64(n), refusalNames[why])
	}
	out <- prometheus.MustNewConstMetric(m.addresses, gauge, float64(s.addresses))
	out <- prometheus.MustNewConstMetric(m.connections, gauge, float64(s.open))
	out <- prometheus.MustNewConstMetric(m.shared, counter, float64(s.shared))
	out <- prometheus.MustNewConstMetric(m.offences, counter, float64(s.offences))
}
