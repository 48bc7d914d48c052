package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestReportJSONHasTheKeysThatScriptsRead(t *testing.T) {
	latency := &Latency{P50: 1, P99: 2, Max: 3}
	full := newReport("message", MessageConfig{}.withDefaults())
	full.RSSBytesPerSession, full.CPUUsPerMessage, full.MessagesPerSecond = ptr(1.5), ptr(2.5), ptr(3.5)
	full.LatencyMs = latency
	full.Lost, full.Duplicated, full.Reordered = ptr[uint64](4), ptr[uint64](5), ptr[uint64](6)
	full.Message = &MessageResult{}
	for name, r := range map[string]*Report{
		"a full report":                  full,
		"a report with nothing measured": newReport("echo", EchoConfig{}.withDefaults()),
	} {
		var out bytes.Buffer
		if err := r.WriteJSON(&out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var keys map[string]any
		if err := json.Unmarshal(out.Bytes(), &keys); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, key := range []string{
			"bench", "inputs", "machine", "server_rss_bytes_per_session", "cpu_us_per_message", "messages_per_second",
			"latency_ms", "lost", "duplicated", "reordered",
		} {
			if _, ok := keys[key]; !ok {
				t.Errorf("%s has no key %q", name, key)
			}
		}
		if r != full {
			continue
		}
		for _, key := range []string{"p50", "p99", "max"} {
			if _, ok := keys["latency_ms"].(map[string]any)[key]; !ok {
				t.Errorf("latency_ms has no key %q", key)
			}
		}
		if keys["lost"] != 4.0 || keys["duplicated"] != 5.0 || keys["reordered"] != 6.0 {
			t.Errorf("counts are %v, %v, %v", keys["lost"], keys["duplicated"], keys["reordered"])
		}
	}
}

func TestReportTableShowsWhatWasMeasured(t *testing.T) {
	r := newReport("message", MessageConfig{}.withDefaults())
	r.MessagesPerSecond, r.CPUUsPerMessage = ptr(1234.0), ptr(9.87)
	r.LatencyMs = &Latency{P50: 0.25, P99: 1.5, P999: 2, Max: 3.75}
	r.Lost, r.Duplicated, r.Reordered = ptr[uint64](41), ptr[uint64](42), ptr[uint64](43)
	r.Message = &MessageResult{Pairs: 17}
	r.note("something to know")
	var out bytes.Buffer
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1234/s", "17 pairs", "9.87 us", "p50 0.250 ms", "p99 1.500 ms", "max 3.750 ms", "41", "42", "43", "something to know"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table does not show %q:\n%s", want, out.String())
		}
	}
}

func TestReportFailsWhenTheServerLostSomething(t *testing.T) {
	for _, row := range []struct {
		name string
		r    Report
		want bool
	}{
		{"nothing checked is no failure", Report{}, false},
		{"nothing wrong is no failure", Report{Lost: ptr[uint64](0), Message: &MessageResult{}}, false},
		{"a lost message fails", Report{Lost: ptr[uint64](1)}, true},
		{"a doubled message fails", Report{Duplicated: ptr[uint64](1)}, true},
		{"a message out of order fails", Report{Reordered: ptr[uint64](1)}, true},
		{"a damaged message fails", Report{Message: &MessageResult{Corrupted: 1}}, true},
	} {
		if got := row.r.Failed(); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

func TestLatencyPercentilesAreThoseOfTheValues(t *testing.T) {
	h := newHistogram()
	if latencyOf(h) != nil {
		t.Error("percentiles of nothing")
	}
	for i := 1; i <= 1000; i++ {
		record(h, int64(i)*int64(time.Millisecond))
	}
	got := latencyOf(h)
	for _, row := range []struct {
		name      string
		got, want float64
	}{
		{"p50", got.P50, 500}, {"p90", got.P90, 900}, {"p99", got.P99, 990}, {"p99.9", got.P999, 999}, {"max", got.Max, 1000}, {"mean", got.Mean, 500.5},
	} {
		if row.got < row.want*0.998 || row.got > row.want*1.002 {
			t.Errorf("%s is %v ms, want %v", row.name, row.got, row.want)
		}
	}
	record(h, -5)
	record(h, int64(2*latencyMax))
	if got := latencyOf(h); got.Count != 1002 || got.Max < latencyMax.Seconds()*999 {
		t.Errorf("values outside the range were dropped: count %d, max %v", got.Count, got.Max)
	}
}
