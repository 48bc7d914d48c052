package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestProgressOnATerminalIsOneLineThatRedrawsItself(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.name, p.width = "connect", func() int { return 60 }
	p.phase("grow")
	p.since = time.Now().Add(-10 * time.Second)
	p.beat(Point{
		Server: &ServerPoint{Connections: 1_234_567, RSSBytes: 512e6, CPUCores: 1.5},
		Load:   &LoadPoint{Connections: 1_234_567, LoginsPerSecond: 4_321, P99Ms: ptr(12.34), Errors: 3},
	}, load{done: 1, of: 4})
	p.now("a line that stays")
	p.often("%d of %d", 5, 6)
	p.end()
	text := out.String()
	if n := strings.Count(text, "\n"); n != 1 {
		t.Errorf("%d lines: %q", n, text)
	}
	if !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("a line is left: %q", text)
	}
	for _, drawn := range strings.Split(text, "\r") {
		drawn, _, _ = strings.Cut(drawn, "\x1b[K")
		if utf8.RuneCountInString(drawn) > 59 {
			t.Errorf("%d columns: %q", utf8.RuneCountInString(drawn), drawn)
		}
	}
	for _, want := range []string{"bench: connect: grow | 1,234,567 connections, 4,321 logins", "bench: a line that stays\n", "bench: 5 of 6"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in %q", want, text)
		}
	}
}

func TestProgressElsewhereIsALineFromTimeToTime(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.name = "connect"
	p.phase("grow")
	for range 50 {
		p.beat(Point{Load: &LoadPoint{Connections: 9, P99Ms: ptr(1.5), Errors: 2}}, load{})
	}
	if out.Len() > 0 {
		t.Errorf("too soon: %q", out.String())
	}
	p.last = time.Now().Add(-progressEvery)
	p.beat(Point{Load: &LoadPoint{Connections: 9, P99Ms: ptr(1.5), Errors: 2}}, load{})
	p.beat(Point{Load: &LoadPoint{Connections: 10}}, load{})
	if want := "bench: connect: grow | 9 connections, p99 1.50 ms, 2 errors\n"; out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
}

func TestProgressWithoutAWriterIsSilent(t *testing.T) {
	p := newProgress(nil)
	p.width = func() int { t.Error("asked for a width"); return 1 }
	p.phase("a")
	p.now("b")
	p.often("c")
	p.beat(Point{Server: &ServerPoint{}}, load{})
	p.end()
}

func TestProgressKnowsWhenAPhaseWillBeOver(t *testing.T) {
	for _, row := range []struct {
		done, of int64
		took     time.Duration
		want     time.Duration
		known    bool
	}{
		{1, 4, 10 * time.Second, 30 * time.Second, true},
		{0, 4, 10 * time.Second, 0, false},
		{4, 4, 10 * time.Second, 0, false},
		{1, 0, 10 * time.Second, 0, false},
		{1, 4, time.Millisecond, 0, false},
	} {
		if got, ok := eta(row.done, row.of, row.took); got != row.want || ok != row.known {
			t.Errorf("%+v: %v, %v", row, got, ok)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.00123456: "0.00123", 0.5: "0.5", 1: "1", 1.234: "1.23", 12.345: "12.3", 123.45: "123", 1234567: "1,234,567", -98765: "-98,765", -0.5: "-0.5",
	} {
		if got := short(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567890: "1,234,567,890"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for columns, want := range map[int]string{0: "a", 1: "a", 3: "ab…", 6: "abcdef", 9: "abcdef"} {
		if got := cut("abcdef", columns); got != want {
			t.Errorf("in %d columns: %q, want %q", columns, got, want)
		}
	}
}
