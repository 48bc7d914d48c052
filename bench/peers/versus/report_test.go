package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/bench/peers/rig"
)

var update = flag.Bool("update", false, "rewrite testdata")

// testReport has two rounds of three systems.
func testReport() *report {
	z := short()
	z.Rounds = 2
	r := &report{stretch: stretch{Started: "2026-01-02T03:04:05Z", Rounds: 2, Seconds: 60, Load: [2]string{"0.10", "1.20"}}, Machine: "2 processors", Sizes: z, Absent: []string{"nats is not measured: rig: not installed: nats-server"},
		Systems: []described{{ours, "1", "--ack memory"}, {"mosquitto", "2", "persistence false"}}}
	for round := range 2 {
		x := float64(round)
		for _, s := range []sample{
			{System: ours, Figure: figureSession, Value: 400 + x}, {System: "mosquitto", Figure: figureSession, Value: 1000},
			{System: ours, Figure: "inflight 1", Value: 30 + 10*x, Rate: 2000}, {System: "mosquitto", Figure: "inflight 1", Value: 25 + 25*x, Rate: 1000},
			{System: ours, Figure: "inflight 16", Value: 3}, {System: "ejabberd", Figure: "inflight 16", Value: 100},
			{System: ours, Figure: "queue 101", Value: 2}, {System: "ejabberd", Figure: "queue 101", Value: 90}, {System: "ejabberd-disk", Figure: "queue 101", Value: 400},
			{System: "mosquitto", Figure: "drain 101", Value: 10, Lost: 3}, {System: ours + "-disk", Figure: "drain 101", Value: 1},
			{System: pricedNoise, Figure: figureContact, Value: 300},
		} {
			r.add(s)
		}
	}
	r.Figures = summarize(r.Samples)
	return r
}

func TestTheTable(t *testing.T) {
	path := filepath.Join("testdata", "results.md")
	got := testReport().markdown()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("the table has changed (go test -update):\n%s", got)
	}
	for _, part := range []string{"**missed**", "| reached |", "**lost 6,", "nats is not measured"} {
		if !strings.Contains(got, part) {
			t.Errorf("the table does not say %q", part)
		}
	}
}

func TestABusyMachineIsNamed(t *testing.T) {
	r := testReport()
	if got := r.busy(); got != "" {
		t.Errorf("a quiet machine: %q", got)
	}
	r.Earlier = []stretch{{Load: [2]string{"22.41", "3"}}}
	if got := r.busy(); !strings.Contains(got, "22.41") {
		t.Errorf("a busy machine: %q", got)
	}
}

func TestWhoeverHasLeastIsNamed(t *testing.T) {
	r := testReport()
	if got := r.winner("inflight 1"); got != ours { // 35 against 37.5
		t.Errorf("%q", got)
	}
	r.add(sample{System: "mosquitto", Figure: "inflight 1", Value: 1})
	r.add(sample{System: "mosquitto", Figure: "inflight 1", Value: 7})
	r.Figures = summarize(r.Samples)
	if got := r.winner("inflight 1"); got != "**mosquitto**, ours 2.19 times it" { // 35 against 16
		t.Errorf("%q", got)
	}
	if got := r.winner("login"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	got := ratios(testReport().Samples, "inflight 1", ours, "mosquitto")
	if len(got) != 2 || got[0] != 30.0/25 || got[1] != 40.0/50 {
		t.Fatalf("%v", got)
	}
	if got := ratios(testReport().Samples, "inflight 1", ours, "nats"); len(got) != 0 {
		t.Fatalf("%v", got)
	}
}

func TestASystemThatCameLaterIsComparedWithTheLastRounds(t *testing.T) {
	all := append(testReport().Samples, sample{System: ours + "-taken", Figure: "inflight 1", Value: 25})
	if got := ratios(all, "inflight 1", ours+"-taken", "mosquitto"); len(got) != 1 || got[0] != 25.0/50 {
		t.Fatalf("%v", got)
	}
}

func TestARunIsContinued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	if err := testReport().write(options{json: path}); err != nil {
		t.Fatal(err)
	}
	r := testReport()
	n := len(r.Samples)
	r.Systems = r.Systems[:1]
	if err := r.continues(path); err != nil {
		t.Fatal(err)
	}
	if len(r.Samples) != 2*n || len(r.Earlier) != 1 || r.Earlier[0].Rounds != 2 || len(r.Systems) != 2 {
		t.Fatalf("%d samples, earlier %+v, systems %+v", len(r.Samples), r.Earlier, r.Systems)
	}
	r.Machine = "another"
	if err := r.continues(path); err == nil {
		t.Fatal("another machine's figures are taken")
	}
	if err := r.continues(path + "x"); err == nil {
		t.Fatal("a file that is not there is taken")
	}
}

func TestARoundThatWasEndedDoesNotCount(t *testing.T) {
	r := testReport()
	n, saved := len(r.Samples), 0
	ctx, cancel := context.WithCancel(context.Background())
	fails := system{kind: rig.Trunkline{Program: "/nonexistent", Title: ours}}
	o := options{sizes: short(), steps: "sessions"}
	save := func() error { saved++; return nil }
	if err := rounds(ctx, []system{fails}, o, r, save, io.Discard); err == nil || saved != 1 || r.Rounds != 1 {
		t.Fatalf("a system that fails: %v, saved %d times, %d rounds", err, saved, r.Rounds)
	}
	cancel()
	if err := rounds(ctx, []system{fails}, o, r, save, io.Discard); !errors.Is(err, context.Canceled) || saved != 1 || len(r.Samples) != n {
		t.Fatalf("an ended run: %v, saved %d times, %d samples", err, saved, len(r.Samples))
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 5}, 5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median of %v is %v", c.in, got)
		}
	}
}

func TestWrongFlagsAndWhatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--nonsense"}, 2, "nonsense"},
		{[]string{"--rounds", "-1"}, 2, "rounds"},
		{[]string{"--duration", "10ms"}, 2, "duration"},
		{[]string{"more"}, 2, "nothing behind"},
		{[]string{"--help"}, 0, "--trunkline"},
		{[]string{"--trunkline", "/nonexistent/trunkline", "--only", ours}, 1, "make build"},
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), c.args, &out, &errs); code != c.code {
			t.Errorf("%v: exit status %d: %s", c.args, code, errs.String())
		}
		if !strings.Contains(strings.ReplaceAll(errs.String(), " -", " --"), c.says) {
			t.Errorf("%v: it says %s", c.args, errs.String())
		}
	}
}

func TestSizesByFlags(t *testing.T) {
	o, err := parseOptions([]string{"--short", "--rounds", "3", "--duration", "2s"}, &bytes.Buffer{})
	if err != nil || o.sizes.Rounds != 3 || o.sizes.Time != 2*time.Second || o.sizes.Pairs != short().Pairs {
		t.Fatalf("%+v, %v", o.sizes, err)
	}
	if o, err := parseOptions(nil, &bytes.Buffer{}); err != nil || o.sizes.Rounds != 5 || o.sizes.Pairs != 500 {
		t.Fatalf("%+v, %v", o.sizes, err)
	}
}

// Everything that a report has is written where it was asked for; a short run leaves the published table alone.
func TestFilesAreWritten(t *testing.T) {
	dir := t.TempDir()
	o := options{json: filepath.Join(dir, "a.json"), markdown: filepath.Join(dir, "a.md"), short: true}
	if err := testReport().write(o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.markdown); err == nil {
		t.Error("a short run wrote the table")
	}
	o.short = false
	if err := testReport().write(o); err != nil {
		t.Fatal(err)
	}
	md, _ := os.ReadFile(o.markdown)
	if js, err := os.ReadFile(o.json); err != nil || !bytes.Contains(js, []byte(`"figure": "inflight 1"`)) || len(md) == 0 {
		t.Errorf("json %.100s, %v", js, err)
	}
}

func TestTheLoadToolsReport(t *testing.T) {
	r, err := parseBench([]byte(`{"cpu_us_per_message":3.5,"lost":0,"server_rss_bytes_per_session":null,"login":{"plain":{"cpu_us":30},"contact":{"cpu_us":200}}}`))
	if err != nil || *r.CPUUs != 3.5 || r.Bytes != nil || r.Login.Contact.CPUUs != 200 || r.Login.Resume != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := parseBench([]byte("trunkline: no such command")); err == nil {
		t.Fatal("text passes for a report")
	}
}
