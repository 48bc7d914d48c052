package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"trunkline/server"
)

func TestExplainMemoryPrintsAndEnds(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"serve", "--explain-memory", "2400000"}, strings.NewReader(""), &stdout, &stderr); code != exitOK {
		t.Fatalf("exit status %d: %s", code, &stderr)
	}
	for _, word := range []string{"2400000 idle encrypted sessions", "slot", "session", "crypto", "mailbox head", "ledger", "index by user", "kernel: freebsd", "kernel: linux"} {
		if !strings.Contains(stdout.String(), word) {
			t.Errorf("%q is missing:\n%s", word, &stdout)
		}
	}
	stdout.Reset()
	var e server.MemoryExplanation
	if code := run([]string{"serve", "--explain-memory", "1000", "--json"}, strings.NewReader(""), &stdout, &stderr); code != exitOK {
		t.Fatalf("exit status %d: %s", code, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &e); err != nil || e.Sessions != 1000 || len(e.Kernel) != 2 {
		t.Errorf("%v: %+v", err, e)
	}
	for _, args := range []string{"--explain-memory 0", "--explain-memory -4", "--explain-memory 99999999999", "--json", "--explain-memory 5 --listn x"} {
		stderr.Reset()
		if code := run(append([]string{"serve"}, strings.Fields(args)...), strings.NewReader(""), &stdout, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%s: exit status %d: %s", args, code, &stderr)
		}
	}
}

// TestExplainedMemoryIsWhatSessionsTake is run by `make bench-memory`: it takes a minute, and a machine that has time.
func TestExplainedMemoryIsWhatSessionsTake(t *testing.T) {
	if os.Getenv("TRUNKLINE_BENCH_MEMORY") == "" {
		t.Skip("TRUNKLINE_BENCH_MEMORY is not set")
	}
	const sessions = 18_000 // the server below 20,000 descriptors; the generators are processes of their own
	const from = 3_000
	k := benchJSON(t, "connect", "--json", "--transport", "noise", "--connections", strconv.Itoa(sessions), "--from", strconv.Itoa(from), "--out", t.TempDir())
	e, err := server.ExplainMemory(sessions, runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	if k.RSS == nil {
		t.Fatal("nothing was measured")
	}
	t.Logf("measured %.1f bytes a session, explained %.1f", *k.RSS, e.Each)
	if off := math.Abs(*k.RSS-e.Each) / e.Each; off > 0.10 {
		t.Errorf("measured %.1f bytes a session, explained %.1f: %.0f %% apart", *k.RSS, e.Each, 100*off)
	}
}
