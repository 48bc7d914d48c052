package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixtures are two results of `bench message` as runs have written them, on one machine, at two rates.
func fixtures(t *testing.T) *Comparison {
	t.Helper()
	c, err := CompareFiles("testdata/message_a.json", "testdata/message_b.json")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// compared finds a row.
func (c *Comparison) row(name string) Versus {
	for _, v := range c.Rows {
		if v.Name == name {
			return v
		}
	}
	return Versus{}
}

func TestCompareSetsTwoRunsSideBySide(t *testing.T) {
	c := fixtures(t)
	for _, want := range []Versus{
		{"cpu_us_per_message", "µs a message", ptr(40.5), ptr(36.45), ptr(-4.05), ptr(0.9), "B"},
		{"messages_per_second", "a second", ptr(2000.0), ptr(1000.0), ptr(-1000.0), ptr(0.5), "A"},
		{"latency_ms.p99", "ms", ptr(1.5), ptr(1.5), ptr(0.0), ptr(1.0), "same"},
		{"latency_ms.p99.9", "ms", ptr(2.5), ptr(3.5), ptr(1.0), ptr(1.4), "A"},
		{"latency_ms.count", "", ptr(20000.0), ptr(10000.0), ptr(-10000.0), ptr(0.5), ""},
		{"lost", "", ptr(0.0), ptr(2.0), ptr(2.0), nil, "A"},
		{"sessions_back", "", ptr(5.0), nil, nil, nil, ""},
		{"message.payload_bytes", "B", ptr(20.0), ptr(40.0), ptr(20.0), ptr(2.0), ""},
		{"message.generator_late_ms.p50", "ms", ptr(0.25), ptr(0.5), ptr(0.25), ptr(2.0), "A"},
	} {
		got, _ := json.Marshal(c.row(want.Name))
		expected, _ := json.Marshal(want)
		if !bytes.Equal(got, expected) {
			t.Errorf("%s is %s, want %s", want.Name, got, expected)
		}
	}
	if c.Rows[0].Name != "server_rss_bytes_per_session" {
		t.Errorf("the first row is %s", c.Rows[0].Name)
	}
}

func TestCompareWarnsWhatElseIsDifferent(t *testing.T) {
	c := fixtures(t)
	for _, want := range []string{
		"message_b.json was interrupted", "message_b.json failed", "message_b.json: the machine was busy", "the machines differ: cores is 2 and 4",
		"the inputs differ: rate is 2,000 and 1,000", "the inputs differ: duration is 10 s and 5 s",
	} {
		if !strings.Contains(strings.Join(c.Warnings, "\n"), want) {
			t.Errorf("no warning says %q: %q", want, c.Warnings)
		}
	}
	same, err := CompareFiles("testdata/message_a.json", "testdata/message_a.json")
	if err != nil || len(same.Warnings) != 0 || len(same.Inputs) != 0 {
		t.Errorf("a run beside itself: %q, %v", same.Warnings, err)
	}
	for _, v := range same.Rows {
		if v.Better != "" && v.Better != "same" || v.Change != nil && *v.Change != 0 {
			t.Errorf("a run beside itself: %+v", v)
		}
	}
}

func TestCompareRefusesWhatIsNoResult(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := "testdata/message_a.json"
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ path, want string }{
		{filepath.Join(dir, "absent"), "no such file"},
		{dir, "is a directory"},
		{file("text", "hello"), "invalid character"},
		{file("empty", ""), "unexpected end"},
		{file("list", "[]"), "cannot unmarshal array"},
		{file("other", `{"a":1}`), `has no "bench"`},
		{file("nameless", strings.Replace(string(b), `"bench": "message"`, `"bench": ""`, 1)), "does not say of which kind"},
		{file("wrong", strings.Replace(string(b), `"lost": 0`, `"lost": "none"`, 1)), "cannot unmarshal string"},
		{file("newer", strings.Replace(string(b), `"format": 1`, `"format": 99`, 1)), "has format 99"},
		{file("kind", strings.Replace(string(b), `"bench": "message"`, `"bench": "storm"`, 1)), "is of kind message and kind of kind storm"},
	} {
		_, err := CompareFiles(good, row.path)
		if !errors.Is(err, ErrResult) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", filepath.Base(row.path), err, row.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line: %v", filepath.Base(row.path), err)
		}
	}
	if _, err := parseResult("large", make([]byte, ResultBytesMax+1)); !errors.Is(err, ErrResult) {
		t.Errorf("a file without end: %v", err)
	}
}

func TestAComparisonIsWrittenInThreeForms(t *testing.T) {
	c := fixtures(t)
	checkPage(t, "the comparison", pageOf(t, c.WriteHTML))
	var table, document bytes.Buffer
	if err := c.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cpu", "40.5", "36.5", "-4.05", "0.900", "µs a message", "warning: the machines differ: cores is 2 and 4"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, table.String())
		}
	}
	if err := c.WriteJSON(&document); err != nil {
		t.Fatal(err)
	}
	var again Comparison
	if err := json.Unmarshal(document.Bytes(), &again); err != nil || len(again.Rows) != len(c.Rows) {
		t.Errorf("%d rows of %d, %v", len(again.Rows), len(c.Rows), err)
	}
}
