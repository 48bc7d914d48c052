package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// scenarioKeys are the keys of `bench run` that scripts read.
type scenarioKeys struct {
	Aborted bool
	Lost    *uint64
	Twice   *uint64            `json:"duplicated"`
	Moved   *uint64            `json:"reordered"`
	Latency map[string]float64 `json:"latency_ms"`
	Notes   []string
	Run     struct {
		Connections, Users int
		Agents             []struct{ Address, Lost string }
		Violations         []string
		Sent, Delivered    int64
		Rates              *struct {
			In  float64 `json:"messages_in_per_second"`
			Out float64 `json:"messages_out_per_second"`
		}
		Groups   int64
		Read     int64 `json:"read_receipts_got"`
		Typing   int64 `json:"typing_got"`
		Presence int64 `json:"presence_told"`
		Slow     *struct {
			Stalled, Ended int64
			By             string `json:"ended_by"`
		}
		Storm *struct {
			Cut     int64
			NotBack int64 `json:"not_back"`
		}
		Soak *struct {
			Taken   int `json:"looks_taken"`
			Overdue int64
		}
	}
}

// benchRunJSON runs `bench KIND` to its end, which must be good.
func benchRunJSON(t *testing.T, args ...string) (k scenarioKeys) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"bench"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &k)
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s\n%s", args, err, out, &stderr)
	}
	if *k.Lost+*k.Twice+*k.Moved != 0 || len(k.Run.Violations) > 0 || k.Run.Sent != 0 && k.Run.Delivered == 0 {
		t.Errorf("%v: lost %d, duplicated %d, reordered %d, %+v", args, *k.Lost, *k.Twice, *k.Moved, k.Run)
	}
	return k
}

func TestBenchRunPlaysItsScenarios(t *testing.T) {
	t.Parallel() // most of it is waiting until memory stands still
	t.Run("the published mix", func(t *testing.T) {
		t.Parallel()
		k := benchRunJSON(t, "run", "--json", "--scenario", "mix", "--connections", "160", "--factor", "1000", "--warmup", "100ms", "--duration", "1s")
		r := k.Run
		if r.Rates == nil || r.Rates.Out/r.Rates.In < 2.07 || r.Rates.Out/r.Rates.In > 2.09 || r.Users <= r.Connections || r.Groups != int64(r.Users/8) {
			t.Errorf("%+v", r)
		}
		if r.Read == 0 || r.Typing == 0 || r.Presence == 0 || r.Sent < 100 {
			t.Errorf("nothing came of receipts, typing or presence: %+v", r)
		}
	})
	t.Run("a storm of encrypted sessions", func(t *testing.T) {
		t.Parallel()
		k := benchRunJSON(t, "run", "--json", "--scenario", "storm", "--transport", "noise", "--connections", "100", "--rate", "100", "--duration", "300ms")
		if s := k.Run.Storm; s == nil || s.Cut != 90 || s.NotBack != 0 || k.Latency["count"] == 0 {
			t.Errorf("%+v", k.Run)
		}
	})
	t.Run("readers that stop", func(t *testing.T) {
		t.Parallel()
		k := benchRunJSON(t, "slow", "--json", "--connections", "40", "--rate", "200", "--stalled", "0.5", "--ack-timeout", "1s", "--stall", "3500ms", "--duration", "300ms")
		if s := k.Run.Slow; s == nil || s.Stalled != 10 || s.Ended != 10 || s.By != "ack_timeout 10" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a short soak", func(t *testing.T) {
		t.Parallel()
		k := benchRunJSON(t, "soak", "--json", "--connections", "80", "--factor", "1000", "--every", "1s", "--duration", "2s", "--warmup", "100ms")
		if s := k.Run.Soak; s == nil || s.Taken < 2 || s.Overdue != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// agentProcess is `bench agent` under test.
type agentProcess struct {
	cmd  *exec.Cmd
	errs *output
	addr string
}

// startAgent starts an agent on a free port. It is killed when the test ends, if it still runs.
func startAgent(t *testing.T, keyFile string) *agentProcess {
	t.Helper()
	a := &agentProcess{cmd: exec.Command(binary, "bench", "agent", "--listen", "127.0.0.1:0", "--key-file", keyFile), errs: &output{}}
	a.cmd.Stderr = a.errs
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.kill)
	at := regexp.MustCompile(`waits at (\S+:\d+) `)
	a.until(t, "it waits", func() bool { return at.MatchString(a.errs.String()) })
	a.addr = at.FindStringSubmatch(a.errs.String())[1]
	return a
}

func (a *agentProcess) kill() {
	_ = a.cmd.Process.Kill() // fails when it has ended
	_ = a.cmd.Wait()
}

func (a *agentProcess) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s\n%s", what, a.errs)
		}
	}
}

// noProcesses waits until nothing of the program is left but what the test holds itself.
func noProcesses(t *testing.T, but int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); len(processesOf(t, binary)) > but; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("processes left: %v", processesOf(t, binary))
		}
	}
}

func newKeyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if r := runBinary(t, "bench", "agent", "--new-key", path); r.code != exitOK {
		t.Fatal(r)
	}
	return path
}

func TestBenchRunOverAgentProcesses(t *testing.T) {
	key := newKeyFile(t)
	a, b := startAgent(t, key), startAgent(t, key)
	both := a.addr + "," + b.addr
	k := benchRunJSON(t, "run", "--json", "--agents", both, "--key-file", key, "--scenario", "mix", "--connections", "160", "--factor", "1000", "--warmup", "100ms", "--duration", "1s")
	if len(k.Run.Agents) != 2 || k.Run.Agents[1].Address != b.addr || k.Latency["count"] == 0 {
		t.Errorf("%+v", k.Run)
	}
	if r := runBinary(t, "bench", "run", "--agents", both, "--key-file", newKeyFile(t), "--connections", "10"); r.code != exitFailed || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "the keys differ") {
		t.Errorf("another key: %+v", r)
	}
	for _, row := range []struct {
		name string
		more []string
		code int
		want string
	}{
		{"a lost agent", nil, exitFailed, "an agent is lost"},
		{"a lost agent that is allowed", []string{"--allow-lost-agents"}, exitOK, "LOST: "},
	} {
		lost := startAgent(t, key)
		args := append([]string{"bench", "run", "--agents", a.addr + "," + lost.addr, "--key-file", key, "--connections", "40", "--rate", "200", "--duration", "3s"}, row.more...)
		ended := make(chan result, 1)
		go func() { ended <- runBinary(t, args...) }()
		lost.until(t, "its job begins", func() bool { return strings.Contains(lost.errs.String(), "job of") })
		lost.kill() // as kill -9
		if r := <-ended; r.code != row.code || !strings.Contains(r.stdout+r.stderr, row.want) {
			t.Errorf("%s: %+v", row.name, r)
		}
	}
	noProcesses(t, 2) // the agents: no generator, no server
}

func TestBenchRunEndsOnCtrlCWithWhatItHas(t *testing.T) {
	key := newKeyFile(t)
	a := startAgent(t, key)
	for _, more := range [][]string{nil, {"--agents", a.addr, "--key-file", key}} {
		data := t.TempDir()
		cmd := exec.Command(binary, append([]string{"bench", "run", "--json", "--connections", "40", "--rate", "200", "--warmup", "1ms", "--duration", "1h"}, more...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+data)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		deadline := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		waitForFile(t, filepath.Join(data, "trunkline-bench-*"))
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		deadline.Stop()
		var k scenarioKeys
		if err := json.Unmarshal(stdout.Bytes(), &k); err != nil || !k.Aborted || k.Lost != nil {
			t.Errorf("%v: %v, %+v\n%s", more, err, k, &stdout)
		}
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupt || !strings.Contains(stderr.String(), "aborted") {
			t.Errorf("%v: exit status %d, %s", more, code, &stderr)
		}
		if left, _ := filepath.Glob(filepath.Join(data, "*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		noProcesses(t, 1) // the agent
	}
}

func TestBenchRunRefusesWrongFlagsInOneLine(t *testing.T) {
	readable := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(readable, []byte(strings.Repeat("ab", 32)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ args, want string }{
		{"bench run --scenario flood", `scenario "flood"`},
		{"bench run --connections 0", "--connections must be above 0"},
		{"bench run --agents 127.0.0.1:1", "--key-file"},
		{"bench run --agents 127.0.0.1:1 --key-file " + readable, "others can read"},
		{"bench run --scenario mix --offline 0.9", "offline share is 0.9"},
		{"bench run --scenario mix --offline many", `"many" is not a number`},
		{"bench run --alias-base nowhere", "alias-base"},
		{"bench run --duration 0s", "--duration must be above 0"},
		{"bench slow --stalled 1.5", "stalled is 1.5"},
		{"bench slow --factor 2", "unknown flag --factor"},
		{"bench soak --every 10ms", "every is 10ms"},
		{"bench agent", "--key-file is missing"},
		{"bench agent --key-file /nowhere/at/all", "key file"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(row.args), strings.NewReader(""), &stdout, &stderr)
		if code != exitUsage || !strings.Contains(stderr.String(), row.want) || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", row.args, code, &stdout, &stderr)
		}
	}
}

func TestBenchRunPlansWithoutLoading(t *testing.T) {
	r := runBinary(t, "bench", "run", "--plan", "--scenario", "mix", "--connections", "2400000", "--per-process", "20000")
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	for _, word := range []string{"3755.1/s", "5583.7/s", "11624.5/s", "users away", "800000", "source addresses", "processes         120", "for each source"} {
		if !strings.Contains(r.stdout, word) {
			t.Errorf("the plan does not mention %q:\n%s", word, r.stdout)
		}
	}
}
