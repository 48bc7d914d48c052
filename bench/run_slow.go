package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// RunSlow is what readers that stop did to the server and to the others.
type RunSlow struct {
	Stalled       int      `json:"stalled"`             // sessions that stopped reading
	Ended         int64    `json:"ended"`               // of them the server ended
	EndedBy       string   `json:"ended_by"`            // close codes of the server that grew meanwhile
	Seconds       float64  `json:"seconds"`             // of the stall
	AckTimeout    float64  `json:"ack_timeout_seconds"` // after which the server is to end them
	BeforeMs      *Latency `json:"latency_before_ms"`   // of the others
	MeanwhileMs   *Latency `json:"latency_meanwhile_ms"`
	AfterMs       *Latency `json:"latency_after_ms"`
	Waiting       int64    `json:"deliveries_waiting"` // for them, when they read on
	GrownBytes    *int64   `json:"rss_grown_bytes"`    // of the server over the stall; null: not measured
	AllowedBytes  int64    `json:"rss_allowed_bytes"`  // what waits, and what the protocol lets be on the way to a session
	HeldBytes     *int64   `json:"output_bytes"`       // that the server kept for sockets when they had stalled for longest; null: not measured
	HeldAllowed   int64    `json:"output_bytes_allowed"`
	NotBack       int64    `json:"not_back"` // when all should be there again
	closes        map[string]uint64
	judgedStalled bool
}

// slowEntryBytes is about what the server takes for a message that waits, beside its payload: entry, table and arena; slowSessionBytes bounds the
// output that it keeps for one session (docs/operations.md, "output waiting for a client that does not read").
const (
	slowEntryBytes   = 256
	slowSessionBytes = 1 << 20
	slowFixedBytes   = 16 << 20 // what a server's memory moves by itself
)

// slow has a part of the readers stop reading, and read on.
func (r *run) slow(ctx context.Context) error {
	out := &RunSlow{AckTimeout: r.cfg.AckTimeout.Seconds(), Seconds: r.cfg.Stall.Seconds()}
	r.out.Slow = out
	var before, after int64
	r.glance(&before)
	r.closes(out, false)
	r.stage("stall")
	if _, err := r.span(spanEvent); err != nil {
		return err
	}
	st, err := r.ask(crewCommand{Do: crewStall})
	if err != nil {
		return err
	}
	out.Stalled = int(st.at(countStalled))
	closed := st.at(countClosed)
	if err := r.watch(ctx, r.cfg.Stall); err != nil {
		return err
	}
	r.held(out)
	out.Waiting = r.last.at(countBehind)
	r.glance(&after)
	if before > 0 && after > 0 {
		out.GrownBytes = ptr(after - before)
	}
	out.AllowedBytes = slowFixedBytes + out.Waiting*int64(r.cfg.Bytes+slowEntryBytes) + out.HeldAllowed
	if _, err := r.span(spanAfter); err != nil {
		return err
	}
	r.stage("read on")
	if err := r.do(crewUnstall); err != nil {
		return err
	}
	// Each of them finds its session ended, comes back, and gets what waits.
	there := func(st *crewStat) int64 { return st.at(countThere) + st.at(countDelivered) }
	err = r.await(ctx, "readers that come back", there, func(st *crewStat) bool {
		return st.at(countClosed)-closed >= int64(out.Stalled) && st.at(countThere) >= int64(r.connections())
	})
	out.Ended, out.NotBack = r.last.at(countClosed)-closed, int64(r.connections())-r.last.at(countThere)
	r.closes(out, true)
	if err != nil && !errors.Is(err, errStalled) {
		return err
	}
	out.judgedStalled = true
	return r.watch(ctx, min(r.cfg.Duration, stormAfter))
}

// held reads what the server keeps for sockets.
func (r *run) held(out *RunSlow) {
	out.HeldAllowed = int64(out.Stalled) * slowSessionBytes
	if st, ok := r.boundsOf(); ok {
		out.HeldBytes = ptr(st.Memory.Waiting)
	}
}

// bounds is what a server says of its limits at work.
type bounds struct {
	Memory struct {
		Waiting int64 `json:"waiting_bytes"` // that wait to be read or written
	} `json:"memory"`
	Closes map[string]uint64 `json:"closes"`
}

// boundsOf asks the server; false: nobody answers.
func (r *run) boundsOf() (b bounds, ok bool) {
	if r.target.admin == "" {
		return b, false
	}
	text, err := r.target.get(r.own, "/status")
	return b, err == nil && json.Unmarshal(text, &b) == nil
}

// closes compares the server's close codes before and behind.
func (r *run) closes(out *RunSlow, behind bool) {
	st, ok := r.boundsOf()
	if !ok {
		return
	}
	if !behind {
		out.closes = st.Closes
		return
	}
	for code, n := range st.Closes {
		if more := n - min(n, out.closes[code]); more > 0 {
			out.EndedBy += fmt.Sprintf("%s%s %d", comma(out.EndedBy), code, more)
		}
	}
}

func comma(before string) string {
	if before == "" {
		return ""
	}
	return ", "
}

// judge says whether the server has kept its limits.
func (s *RunSlow) judge(bad func(when bool, format string, args ...any)) {
	if s == nil || !s.judgedStalled {
		return
	}
	bad(s.Ended < int64(s.Stalled) && s.Seconds > s.AckTimeout+2, "%d of %d sessions that acknowledged nothing were still there %.0f s after %.0f s were over",
		int64(s.Stalled)-s.Ended, s.Stalled, s.Seconds-s.AckTimeout, s.AckTimeout)
	bad(s.NotBack > 0, "%d of the readers did not come back", s.NotBack)
	bad(s.GrownBytes != nil && *s.GrownBytes > s.AllowedBytes, "the server grew by %.1f MB, %.1f MB are explained", s.grownMB(), mb(s.AllowedBytes))
	bad(s.HeldBytes != nil && *s.HeldBytes > s.HeldAllowed, "the server held %.1f MB of output, %.1f MB are allowed", s.heldMB(), mb(s.HeldAllowed))
}

func (s *RunSlow) grownMB() float64 {
	if s.GrownBytes == nil {
		return 0
	}
	return mb(*s.GrownBytes)
}

func (s *RunSlow) heldMB() float64 {
	if s.HeldBytes == nil {
		return 0
	}
	return mb(*s.HeldBytes)
}

func (s *RunSlow) rows(t *table) {
	if s == nil {
		return
	}
	t.row("stalled", fmt.Sprintf("%d readers for %.0f s; the server ended %d of them (%s) after %.0f s without an ACK", s.Stalled, s.Seconds, s.Ended, s.EndedBy, s.AckTimeout))
	t.row("  waited for them", fmt.Sprintf("%d deliveries, all there afterwards but for what is lost", s.Waiting))
	if s.GrownBytes != nil {
		t.row("  server memory", fmt.Sprintf("%+.1f MB meanwhile, %.1f MB are explained", s.grownMB(), mb(s.AllowedBytes)))
	}
	if s.HeldBytes != nil {
		t.row("  output held", fmt.Sprintf("%.3f MB, %.1f MB are allowed", s.heldMB(), mb(s.HeldAllowed)))
	}
	t.latency("  others, before", s.BeforeMs)
	t.latency("  others, meanwhile", s.MeanwhileMs)
	t.latency("  others, after", s.AfterMs)
}
