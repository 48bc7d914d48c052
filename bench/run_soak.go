package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// RunSoak is a long run, looked at again and again.
type RunSoak struct {
	Looks      []SoakLook `json:"looks"` // the newest soakLooksMax
	Taken      int        `json:"looks_taken"`
	Overdue    int64      `json:"overdue"`  // over all looks
	Restarts   int        `json:"restarts"` // of the server, seen
	GrownPct   *float64   `json:"memory_grown_percent"`
	AllowedPct float64    `json:"memory_allowed_percent"`
	GrownBytes int64      `json:"memory_grown_bytes"`
	memory     []int64    // the server's, since its last start
	pid        int
	all        map[string]*hdrhistogram.Histogram
}

// SoakLook is one look at a soak.
type SoakLook struct {
	Seconds   float64  `json:"seconds"` // since the measurement began
	There     int64    `json:"there"`
	Sent      int64    `json:"sent"`      // so far
	Delivered int64    `json:"delivered"` // so far
	Behind    int64    `json:"behind"`    // deliveries that are still to come, most of them to users who are away
	Overdue   int64    `json:"overdue"`   // deliveries with a first tick that users have been without for a whole look, though they were there
	Errors    int64    `json:"errors"`    // duplicated, out of order, damaged; so far
	RSSBytes  *int64   `json:"rss_bytes"` // of the server, after it has collected its garbage; null: it did not answer
	LatencyMs *Latency `json:"latency_ms"`
	Server    string   `json:"server"` // "", "restarted" or "away"
}

// soakLooksMax bounds the looks that a report keeps: a day of minutes.
const soakLooksMax = 1_440

// soak measures for long, and looks at the run every minute.
func (r *run) soak(ctx context.Context) error {
	r.out.Soak = &RunSoak{AllowedPct: r.cfg.MemoryGrown, all: map[string]*hdrhistogram.Histogram{}}
	r.stage("soak")
	return r.steady(ctx, func() error {
		began := time.Now()
		if _, err := r.ask(crewCommand{Do: crewCheck}); err != nil { // what was sent before is in no look
			return err
		}
		for number := 1; ; number++ {
			left := r.cfg.Duration - time.Since(began)
			if left <= 0 {
				return nil
			}
			if _, err := r.span(number); err != nil {
				return err
			}
			if err := r.watch(ctx, min(left, r.cfg.Every)); err != nil {
				return err
			}
			if err := r.look(number, time.Since(began)); err != nil {
				return err
			}
		}
	})
}

// look checks what should have arrived, and weighs the server.
func (r *run) look(number int, since time.Duration) error {
	s := r.out.Soak
	st, err := r.ask(crewCommand{Do: crewCheck})
	if err != nil {
		return err
	}
	hists, err := r.ask(crewCommand{Do: crewTake, N: number})
	if err != nil {
		return err
	}
	l := SoakLook{
		Seconds: round(since.Seconds(), 1), There: st.at(countThere), Sent: st.at(countSent), Delivered: st.at(countDelivered), Behind: st.at(countBehind),
		Overdue: st.at(countOverdue), Errors: st.at(countDuplicated) + st.at(countReordered) + st.at(countCorrupted),
		LatencyMs: latencyIn(hists.Hists, histLatency),
	}
	mergeHists(s.all, hists.Hists)
	l.Server = s.server(r)
	var bytes int64
	if r.glance(&bytes); bytes > 0 {
		l.RSSBytes = &bytes
		s.memory = append(s.memory, bytes)
	}
	s.Overdue += l.Overdue
	s.Taken++
	if s.Looks = append(s.Looks, l); len(s.Looks) > soakLooksMax {
		s.Looks = slices.Delete(s.Looks, 0, 1)
	}
	s.grown()
	r.p.now("soak: %s", l)
	return nil
}

// server says whether the server is the one of the last look. One that was started again begins a new series of its memory.
func (s *RunSoak) server(r *run) string {
	if r.target.admin == "" {
		return ""
	}
	st, err := r.target.status(r.own)
	switch {
	case err != nil:
		return "away"
	case s.pid != 0 && s.pid != st.PID:
		s.pid, s.memory = st.PID, nil
		s.Restarts++
		return "restarted"
	}
	s.pid = st.PID
	return ""
}

// grown compares the last third of the weighings with the middle one: what comes first is the start.
func (s *RunSoak) grown() {
	s.GrownPct, s.GrownBytes = nil, 0
	third := len(s.memory) / 3
	if third < 2 {
		return
	}
	middle, last := median64(s.memory[third:2*third]), median64(s.memory[2*third:])
	s.GrownBytes = last - middle
	s.GrownPct = ptr(round(100*ratio(float64(s.GrownBytes), float64(middle)), 2))
}

func median64(list []int64) int64 {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// soakNoiseBytes is what a server's memory moves by itself: growth below is none.
const soakNoiseBytes = 8 << 20

func (s *RunSoak) judge(bad func(when bool, format string, args ...any)) {
	if s == nil {
		return
	}
	bad(s.Overdue > 0, "%d deliveries with a first tick were overdue to users who were there", s.Overdue)
	bad(s.GrownPct != nil && *s.GrownPct > s.AllowedPct && s.GrownBytes > soakNoiseBytes, "the server's memory grew by %.1f %% (%.1f MB) from the middle third of the looks to the last, %.1f %% are allowed",
		*orZero(s.GrownPct), mb(s.GrownBytes), s.AllowedPct)
}

func orZero(v *float64) *float64 {
	if v == nil {
		return new(float64)
	}
	return v
}

// String is one look in one line.
func (l SoakLook) String() string {
	text := fmt.Sprintf("%.0f s: %d there, %d sent, %d arrived, %d to come, %d overdue, %d errors", l.Seconds, l.There, l.Sent, l.Delivered, l.Behind, l.Overdue, l.Errors)
	if l.RSSBytes != nil {
		text += fmt.Sprintf(", server %.1f MB", mb(*l.RSSBytes))
	}
	if l.LatencyMs != nil {
		text += fmt.Sprintf(", p99 %.1f ms", l.LatencyMs.P99)
	}
	if l.Server != "" {
		text += ", server " + l.Server
	}
	return text
}

func (s *RunSoak) rows(t *table) {
	if s == nil {
		return
	}
	t.row("soak", fmt.Sprintf("%d looks, %d deliveries overdue, %d restarts of the server", s.Taken, s.Overdue, s.Restarts))
	if s.GrownPct != nil {
		t.row("  memory", fmt.Sprintf("%+.2f %% (%+.1f MB) from the middle third of the looks to the last, %.0f %% are allowed", *s.GrownPct, mb(s.GrownBytes), s.AllowedPct))
	} else {
		t.row("  memory", "not judged: too few looks, or the server could not be weighed")
	}
	for _, l := range s.Looks[max(len(s.Looks)-5, 0):] {
		t.row("  look", l.String())
	}
}
