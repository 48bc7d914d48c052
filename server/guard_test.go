package server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// guardOf is what /guard says.
func (r *running) guardOf(t *testing.T, query string) (doc GuardDocument) {
	t.Helper()
	code, body := r.get(t, "/guard"+query)
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestWhatTheGuardHoldsBackIsExplained: to its sender by a retry-after, to the operator with rule, numbers and words.
func TestWhatTheGuardHoldsBackIsExplained(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.GuardMessages, c.GuardYoungMessages = 9, 3 })
	w, other := r.login(t, 7, 0), r.login(t, 9, 0)
	for range 3 {
		w.expectTick(w.send(8, "spam"))
	}
	w.send(8, "too much")
	if e := w.refusal(); e.Ref != 4 || e.RetryAfterMs < 60_000 {
		t.Errorf("refused with %+v", e)
	}
	other.expectTick(other.send(8, "a neighbour"))
	doc := r.guardOf(t, "?user=7")
	waitFor(t, func() bool { doc = r.guardOf(t, "?user=7"); return doc.Guarded["messages"] == 1 }, func() string { return "the counts are behind" })
	if !doc.On || len(doc.Decisions) != 1 || len(doc.Silent) != 0 {
		t.Fatalf("%+v", doc)
	}
	d := doc.Decisions[0]
	if age := time.Since(time.UnixMilli(d.UnixMs)); age < -time.Second || age > patience {
		t.Errorf("it was %s ago", age)
	}
	d.UnixMs, d.RetryMs = 0, 0
	want := GuardDecision{
		User: 7, Peer: 8, Rule: "messages", Verdict: "delayed", Young: true, Number: 3, Limit: 3,
		Why: "3 messages within an hour, and 3 is the limit for a new device",
	}
	if d != want {
		t.Errorf("%+v, want %+v", d, want)
	}
	if doc = r.guardOf(t, "?user=9"); len(doc.Decisions) != 0 {
		t.Errorf("of a neighbour: %+v", doc.Decisions)
	}
	if doc = r.guardOf(t, ""); len(doc.Decisions) != 1 {
		t.Errorf("of all: %+v", doc.Decisions)
	}
	for _, query := range []string{"?user=0", "?user=x", "?user=-1", "?user=9223372036854775809"} {
		if code, body := r.get(t, "/guard"+query); code != 400 {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	if _, body := r.get(t, "/metrics"); !strings.Contains(body, `trunkline_guarded_total{rule="messages"} 1`) {
		t.Error("it is not in the metrics")
	}
}

// TestWhomOthersReportIsRefused: its messages come back for good, and it stays connected.
func TestWhomOthersReportIsRefused(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.GuardRefuseReports = 2 })
	w := r.login(t, 7, 0)
	w.expectTick(w.send(8, "hello"))
	for by := uint64(20); by < 22; by++ {
		r.login(t, by, 0).must(iq.Request{Op: iq.OpReport, User: 7, Text: "spam"})
	}
	for at := uint64(2); ; at++ { // the loop hears of a report behind the answer to it
		w.send(8, "spam")
		f, err := w.frame()
		for err == nil && f.Kind != codec.KindAck && f.Kind != codec.KindReceipt {
			f, err = w.frame()
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind == codec.KindAck {
			tick, _ := codec.ParseTick(f)
			for tick.UpHigh < at { // of an earlier one
				tick, _ = codec.ParseTick(w.expect(codec.KindAck))
			}
		}
		if len(r.guardOf(t, "").Decisions) > 0 {
			break
		}
	}
	d := r.guardOf(t, "?user=7").Decisions[0]
	if d.Verdict != "rejected" || d.Rule != "reports_refused" || d.Why != "2 others have reported this user within a day, and 2 is the limit" {
		t.Errorf("%+v", d)
	}
	r.eventually(t, "a rejection", func(st Status) bool { return st.Rejections["refused"] > 0 })
	w.ping()
}

// TestAGuardThatIsOff says so, and holds nothing back.
func TestAGuardThatIsOff(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.GuardSlowReports = -1 })
	if doc := r.guardOf(t, ""); doc.On || len(doc.Decisions) != 0 || doc.Decisions == nil {
		t.Errorf("%+v", doc)
	}
}

// TestGuardSettingsThatCannotBe name their key.
func TestGuardSettingsThatCannotBe(t *testing.T) {
	for key, set := range map[string]func(c *Config){
		"guard-messages":       func(c *Config) { c.GuardMessages = -1 },
		"guard-conversations":  func(c *Config) { c.GuardConversations = GuardHourlyMax + 1 },
		"guard-receivers":      func(c *Config) { c.GuardReceivers = 100_000 },
		"guard-young":          func(c *Config) { c.GuardYoung = Duration(time.Second) },
		"guard-slow-reports":   func(c *Config) { c.GuardSlowReports = 1_000 },
		"guard-slow-every":     func(c *Config) { c.GuardSlowEvery = Duration(time.Millisecond) },
		"guard-refuse-reports": func(c *Config) { c.GuardRefuseReports = -2 },
	} {
		c := DefaultConfig()
		set(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
