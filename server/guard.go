package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/codec"
	"trunkline/shard"
)

// GuardDocument is what /guard shows: what the guard has held back, and why. Keys are never renamed or removed, only added.
type GuardDocument struct {
	On        bool              `json:"on"`        // any rule is
	Guarded   map[string]uint64 `json:"guarded"`   // messages delayed or rejected since the start, by rule
	GivenUp   uint64            `json:"given_up"`  // users whose counts began anew for want of room
	Silent    []int             `json:"silent"`    // loops that did not answer: their decisions are missing
	Decisions []GuardDecision   `json:"decisions"` // the newest, the last one first
}

// GuardDecision is one message that was held back.
type GuardDecision struct {
	UnixMs  int64  `json:"unix_ms"`
	User    uint64 `json:"user"`
	Device  uint8  `json:"device"`
	Peer    uint64 `json:"peer"` // a user or a group
	Rule    string `json:"rule"`
	Verdict string `json:"verdict"` // "delayed", or "rejected"
	Young   bool   `json:"young"`   // the numbers for new devices were used
	Number  uint32 `json:"number"`
	Limit   uint32 `json:"limit"`
	RetryMs uint32 `json:"retry_ms"`
	Why     string `json:"why"`
}

// guardDesk asks the loops for what their guards have decided.
type guardDesk struct {
	mu sync.Mutex // one question at a time; the loops never take it
}

// guardReport is one loop's answer. The loop fills it and closes done; before that only the loop touches it.
type guardReport struct {
	done  chan struct{}
	user  uint64 // 0: of all
	found []shard.Decision
	lost  uint64
}

// reportGuard answers on the loop.
func (h *loopHandler) reportGuard() {
	r := h.guardAsked.Swap(nil)
	if r == nil {
		return
	}
	if h.rules != nil {
		r.lost = h.rules.Lost()
		for d := range h.rules.Decisions {
			if r.user == 0 || d.User == r.user {
				r.found = append(r.found, *d)
			}
		}
	}
	close(r.done)
}

// Guard gathers the document; user 0 is everybody. It may be called from any goroutine but those of the loops.
func (s *Server) Guard(user uint64) GuardDocument {
	doc := GuardDocument{Guarded: map[string]uint64{}, Silent: []int{}, Decisions: []GuardDecision{}}
	for rule, n := range guardedByRule(s.gather.gather()) {
		if name := shard.RuleName(uint8(rule)); name != "" && n > 0 {
			doc.Guarded[name] += n
		}
	}
	for i, r := range s.askGuards(user) {
		if r == nil {
			doc.Silent = append(doc.Silent, i)
			continue
		}
		doc.GivenUp += r.lost
		for j := range r.found {
			doc.Decisions = append(doc.Decisions, guardDecision(&r.found[j]))
		}
	}
	for _, h := range s.gather.handlers {
		doc.On = doc.On || h.rules != nil
	}
	slices.SortStableFunc(doc.Decisions, func(a, b GuardDecision) int { return cmp.Compare(b.UnixMs, a.UnixMs) })
	doc.Decisions = doc.Decisions[:min(len(doc.Decisions), GuardAnswerMax)]
	return doc
}

// askGuards posts the question to every loop and waits for the answers. An entry is nil where none came in time.
func (s *Server) askGuards(user uint64) []*guardReport {
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	asked := make([]*guardReport, len(s.gather.handlers))
	for i, h := range s.gather.handlers {
		r := &guardReport{done: make(chan struct{}), user: user}
		h.guardAsked.Store(r)
		if s.reactor.Post(i, []byte{askGuard}) == nil {
			asked[i] = r
		}
	}
	late, cancel := context.WithTimeout(context.Background(), StatsTimeout)
	defer cancel()
	for i, r := range asked {
		if r == nil {
			continue
		}
		select {
		case <-r.done:
		case <-late.Done():
			asked[i] = nil
		}
	}
	return asked
}

func guardDecision(d *shard.Decision) GuardDecision {
	verdict := "rejected"
	if d.Code == codec.CodeRateLimited {
		verdict = "delayed"
	}
	return GuardDecision{
		UnixMs: d.AtMs, User: d.User, Device: d.Device, Peer: d.PeerID(), Rule: shard.RuleName(d.Rule), Verdict: verdict,
		Young: d.Young, Number: d.Number, Limit: d.Limit, RetryMs: d.RetryMs, Why: whyGuarded(d),
	}
}

// whyGuarded says it for people.
func whyGuarded(d *shard.Decision) string {
	what := map[string]string{
		"reports_refused": "others have reported this user within a day", "reports_slowed": "others have reported this user within a day",
		"messages": "messages within an hour", "conversations": "new conversations within an hour", "receivers": "receivers within an hour",
	}[shard.RuleName(d.Rule)]
	kind := ""
	if d.Young {
		kind = " for a new device"
	}
	return fmt.Sprintf("%d %s, and %d is the limit%s", d.Number, what, d.Limit, kind)
}

// serveGuard answers GET /guard, of one user with ?user=U.
func (s *Server) serveGuard(w http.ResponseWriter, r *http.Request) {
	var user uint64
	if text := r.URL.Query().Get("user"); text != "" {
		var err error
		if user, err = strconv.ParseUint(text, 10, 64); err != nil || user == 0 || user > codec.UserMax {
			http.Error(w, fmt.Sprintf("%q is no user", text), http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s.Guard(user)) // the peer may be gone
}

// guardedByRule adds up the loops' counts.
func guardedByRule(snap *snapshot) (total [len(shard.Stats{}.Guarded)]uint64) {
	for i := range snap.loops {
		for rule, n := range snap.loops[i].shard.Guarded {
			total[rule] += n
		}
	}
	return total
}

// collectGuarded writes one value for each rule, also those that never happened.
func (c *collector) collectGuarded(out chan<- prometheus.Metric, snap *snapshot) {
	byName := map[string]uint64{}
	for rule, n := range guardedByRule(snap) {
		if name := shard.RuleName(uint8(rule)); name != "" {
			byName[name] += n
		}
	}
	for name, n := range byName {
		out <- prometheus.MustNewConstMetric(c.guarded, counter, float64(n), name)
	}
}
