package server

import (
	"encoding/json"
	"net/http"
	"sync"
)

// Report is what one user has said about another one, for operators.
type Report struct {
	UnixMs int64  `json:"unix_ms"`
	User   uint64 `json:"user"`            // who was reported
	By     uint64 `json:"by"`              // by whom
	Group  uint64 `json:"group,omitempty"` // where it was
	Seq    uint64 `json:"seq,omitempty"`   // of the message
	Reason string `json:"reason"`
}

// reportRing holds the newest ReportsMax reports in memory; a restart forgets them.
//
// Its lock is held for moments, under nothing else.
type reportRing struct {
	mu   sync.Mutex
	list []Report
	next int    // where the next one goes, when the ring is full
	all  uint64 // that ever came
}

func (r *reportRing) add(report Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all++
	if len(r.list) < ReportsMax {
		r.list = append(r.list, report)
		return
	}
	r.list[r.next] = report
	r.next = (r.next + 1) % ReportsMax
}

// newest lists them, the last one first.
func (r *reportRing) newest() []Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Report, 0, len(r.list))
	for i := len(r.list); i > 0; i-- {
		list = append(list, r.list[(r.next+i-1)%len(r.list)])
	}
	return list
}

// count is how many there were since the start.
func (r *reportRing) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}

// serveReports answers GET /reports with the newest first.
func (s *Server) serveReports(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s.clerk.reports.newest()) // the peer may be gone
}
