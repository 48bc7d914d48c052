package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBenchRefusesWrongFlagsInOneLine(t *testing.T) {
	for _, row := range []struct {
		name, args, want string
	}{
		{"no kind", "bench", "Usage: trunkline bench"},
		{"a comparison of one", "bench compare a.json", "two result files are compared"},
		{"a comparison of three", "bench compare a b c --json", "two result files are compared"},
		{"a comparison with a flag that is none", "bench compare a b --out x", "unknown flag --out"},
		{"an unknown kind", "bench fly", `unknown kind "fly"`},
		{"an unknown flag", "bench message --speed 3", "unknown flag --speed"},
		{"a word that is no flag", "bench message fast", `"fast" is not a flag`},
		{"no number", "bench message --pairs many", "pairs"},
		{"no pairs", "bench message --pairs 0", "--pairs must be above 0"},
		{"too many pairs", "bench message --pairs 9999999", "pairs is 9999999, it must lie between 1 and"},
		{"a negative rate", "bench message --rate -1", "rate is -1"},
		{"no duration", "bench message --duration 0s", "--duration must be above 0"},
		{"a duration without unit", "bench message --duration 10", "duration"},
		{"a payload without room for its checksum", "bench message --size 3", "size is 3"},
		{"more in flight than the window", "bench message --inflight 65", "inflight is 65"},
		{"an admin address alone", "bench message --admin 127.0.0.1:1", "admin address without a server"},
		{"flags for a server that runs already", "bench message --server 127.0.0.1:1 -- --loops 1", "already running"},
		{"a lower count above the higher", "bench connect --connections 10 --from 20", "from is 20"},
		{"memory that can't be read", "bench connect --server 127.0.0.1:1", "admin address"},
		{"raw connections to a chat server", "bench connect --raw --server 127.0.0.1:1 --admin 127.0.0.1:2", "raw connections"},
		{"a list that is none", "bench echo --inflight 1,x", `"x" is not a number`},
		{"too many in flight", "bench echo --inflight 99999", "inflight is 99999"},
		{"a transport that is none", "bench message --transport tls", `transport "tls"`},
		{"two transports at once for messages", "bench message --transport both", `transport "both"`},
		{"a storm of nobody", "bench storm --clients 0", "--clients must be above 0"},
		{"a storm of more than there is room for", "bench storm --clients 9999999", "clients is 9999999"},
		{"a storm that offers nothing", "bench storm --offered -1", "offered is -1"},
		{"a storm without a calm", "bench storm --calm 0s", "--calm must be above 0"},
		{"a storm a hundred and one times too strong", "bench storm --factor 101", "factor is 101"},
		{"logins of a server whose CPU can't be read", "bench login --server 127.0.0.1:1", "admin address"},
		{"no logins", "bench login --logins 0", "--logins must be above 0"},
		{"no rounds", "bench echo --rounds 0", "--rounds must be above 0"},
		{"a group of one", "bench group --members 1", "members is 1"},
		{"a group without members", "bench group --members 0", "--members must be above 0"},
		{"a group with both ticks", "bench group --ack both", `ack is "both"`},
		{"nobody who watches", "bench presence --watchers 0", "--watchers must be above 0"},
		{"more watches than a session has", "bench presence --each 300", "watched by each is 300"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(row.args), strings.NewReader(""), &stdout, &stderr)
		if code != exitUsage {
			t.Errorf("%s: exit status %d, want %d", row.name, code, exitUsage)
		}
		if !strings.Contains(stderr.String(), row.want) || stdout.Len() > 0 {
			t.Errorf("%s: stdout %q, stderr %q, want %q", row.name, stdout.String(), stderr.String(), row.want)
		}
		if lines := strings.Count(stderr.String(), "\n"); lines != 1 && row.name != "no kind" {
			t.Errorf("%s: %d lines on stderr:\n%s", row.name, lines, stderr.String())
		}
	}
}

func TestBenchHelpListsTheFlags(t *testing.T) {
	for args, want := range map[string][]string{
		"bench --help":          {"echo", "connect", "message", "login", "storm"},
		"bench compare --help":  {"--json", "--html"},
		"bench message --help":  {"--out", "--quiet", "--pairs", "--rate", "--inflight", "--duration", "--size", "--warmup", "--transport", "--json", "--server"},
		"bench connect --help":  {"--connections", "--from", "--raw", "--transport", "--json", "--server"},
		"bench login --help":    {"--logins", "--rate", "--rounds", "--json", "--server"},
		"bench storm --help":    {"--clients", "--factor", "--offered", "--pairs", "--rate", "--calm", "--recover", "--out", "--json"},
		"bench group --help":    {"--members", "--rate", "--inflight", "--bytes", "--ack", "--rounds", "--away", "--json"},
		"bench presence --help": {"--watchers", "--users", "--each", "--flips", "--rate", "--rounds", "--json"},
		"bench echo --help":     {"--inflight", "--rounds", "--peer", "--json"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(strings.Fields(args), nil, &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Errorf("%s: exit status %d, %s", args, code, stderr.String())
		}
		for _, word := range want {
			if !strings.Contains(stdout.String(), word) {
				t.Errorf("%s does not mention %s:\n%s", args, word, stdout.String())
			}
		}
	}
}

func TestBenchSaysThatNobodyAnswers(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run([]string{"bench", "message", "--server", "127.0.0.1:1", "--pairs", "1"}, nil, &stdout, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "refused") {
		t.Errorf("exit status %d, %s", code, stderr.String())
	}
}

// benchKeys are the keys that scripts read.
type benchKeys struct {
	RSS       *float64           `json:"server_rss_bytes_per_session"`
	CPU       *float64           `json:"cpu_us_per_message"`
	PerSecond *float64           `json:"messages_per_second"`
	LatencyMs map[string]float64 `json:"latency_ms"`
	Lost      *uint64            `json:"lost"`
	Twice     *uint64            `json:"duplicated"`
	Moved     *uint64            `json:"reordered"`

	Connect struct {
		Transport string
		Plain     *struct{} `json:"plain"`
		More      *float64  `json:"more_bytes"`
	}
	Login struct{ Plain, Contact, Resume *benchCost }
	Group struct {
		Cases []struct {
			Servers []struct {
				CPU       float64            `json:"cpu_us_per_member"`
				PerSecond float64            `json:"messages_per_second"`
				Above     *float64           `json:"group_above_us_per_member"`
				LatencyMs map[string]float64 `json:"latency_ms"`
				TickMs    map[string]float64 `json:"first_tick_ms"`
				Journal   *float64           `json:"journal_bytes_per_message"`
			}
		}
		Away    struct{ Messages, Members, Entries int }
		Missing uint64 `json:"ticks_missing"`
	}
	Presence struct {
		Cases []struct {
			Offered         float64 `json:"flips_offered_per_second"`
			Told            float64 `json:"presence_told_per_second"`
			Sent, Delivered uint64
			Added           *float64 `json:"added_p99_ms"`
		}
	}
	Storm struct {
		Storm struct {
			Back   int
			Lost   int `json:"sessions_lost"`
			Crowd  map[string]int
			Points []struct{}
			Before int64 `json:"rss_before_bytes"`
			Peak   int64 `json:"rss_peak_bytes"`
			After  int64 `json:"rss_after_bytes"`
		}
	}
}

// benchCost is one kind of login in the report.
type benchCost struct {
	CPU       float64            `json:"cpu_us"`
	LatencyMs map[string]float64 `json:"latency_ms"`
}

func benchJSON(t *testing.T, args ...string) (keys benchKeys) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"bench"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s\n%s", args, err, out, stderr.String())
	}
	if err := json.Unmarshal(out, &keys); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return keys
}

func TestBenchLoadsAServerOfItsOwn(t *testing.T) {
	t.Parallel() // most of it is waiting until memory stands still
	t.Run("messages in a closed loop", func(t *testing.T) {
		t.Parallel()
		k := benchJSON(t, "message", "--json", "--pairs", "20", "--inflight", "4", "--duration", "300ms")
		checkMessages(t, k)
	})
	t.Run("messages at a pace", func(t *testing.T) {
		t.Parallel()
		k := benchJSON(t, "message", "--json", "--pairs", "20", "--rate", "1000", "--duration", "300ms")
		checkMessages(t, k)
	})
	t.Run("messages with flags for the server", func(t *testing.T) {
		t.Parallel()
		k := benchJSON(t, "message", "--json", "--pairs", "5", "--duration", "200ms", "--", "--loops", "1", "--place", "accept")
		checkMessages(t, k)
	})
	t.Run("idle sessions", func(t *testing.T) {
		t.Parallel()
		k := benchJSON(t, "connect", "--json", "--connections", "300", "--from", "100", "--hold", "100ms")
		if k.RSS == nil || k.LatencyMs["max"] <= 0 {
			t.Errorf("%+v", k)
		}
	})
}

func TestBenchLoadsAnEncryptedServerOfItsOwn(t *testing.T) {
	t.Parallel()
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		checkMessages(t, benchJSON(t, "message", "--json", "--transport", "noise", "--pairs", "10", "--rate", "1000", "--duration", "300ms"))
	})
	t.Run("idle sessions beside plain ones", func(t *testing.T) {
		t.Parallel()
		k := benchJSON(t, "connect", "--json", "--transport", "both", "--connections", "120", "--from", "40", "--hold", "100ms")
		if k.Connect.Transport != "noise" || k.Connect.Plain == nil || k.Connect.More == nil {
			t.Errorf("%+v", k.Connect)
		}
	})
	t.Run("logins", func(t *testing.T) {
		t.Parallel()
		k := benchJSON(t, "login", "--json", "--logins", "30", "--rounds", "1")
		for name, c := range map[string]*benchCost{"plain": k.Login.Plain, "contact": k.Login.Contact, "resume": k.Login.Resume} {
			if c == nil || c.CPU <= 0 || c.LatencyMs["count"] != 30 {
				t.Errorf("%s: %+v", name, c)
			}
		}
	})
	t.Run("a group", func(t *testing.T) {
		t.Parallel()
		checkGroup(t, benchJSON(t, "group", "--json", "--members", "300", "--writers", "2", "--rate", "40", "--rounds", "2", "--duration", "200ms", "--away", "5"))
	})
	t.Run("people who come and go", func(t *testing.T) {
		t.Parallel()
		k := benchJSON(t, "presence", "--json", "--watchers", "20", "--users", "50", "--each", "10", "--flips", "5000", "--pairs", "10", "--rate", "200", "--rounds", "1",
			"--duration", "1s")
		if len(k.Presence.Cases) != 2 || *k.Lost+*k.Twice+*k.Moved != 0 {
			t.Fatalf("%+v, lost %d, duplicated %d, reordered %d", k.Presence, *k.Lost, *k.Twice, *k.Moved)
		}
		for _, c := range k.Presence.Cases {
			if c.Offered <= 1 || c.Told <= 1 || c.Sent == 0 || c.Delivered != c.Sent || c.Added == nil {
				t.Errorf("%+v", c)
			}
		}
	})
	t.Run("a storm", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		k := benchJSON(t, "storm", "--json", "--clients", "200", "--pairs", "5", "--rate", "300",
			"--calm", "500ms", "--after", "300ms", "--out", dir, "--", "--handshake-share", "5")
		o := k.Storm.Storm
		if o.Back != 200 || o.Lost != 0 || o.Crowd["admitted"] < 200 || o.Crowd["resumed"] != 200 || len(o.Points) < 4 {
			t.Errorf("%+v", o)
		}
		if *k.Lost+*k.Twice+*k.Moved != 0 || k.LatencyMs["count"] == 0 {
			t.Errorf("lost %d, duplicated %d, reordered %d; %v", *k.Lost, *k.Twice, *k.Moved, k.LatencyMs)
		}
		if o.Before <= 0 || o.After <= 0 || o.Peak <= 0 {
			t.Errorf("memory: %d, %d, %d", o.Before, o.Peak, o.After)
		}
		for _, name := range []string{"storm.json", "storm.svg"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func checkGroup(t *testing.T, k benchKeys) {
	t.Helper()
	g := k.Group
	if len(g.Cases) != 2 || *k.Lost+*k.Twice+*k.Moved+g.Missing != 0 {
		t.Fatalf("%+v, lost %d, duplicated %d, reordered %d", g, *k.Lost, *k.Twice, *k.Moved)
	}
	for _, c := range g.Cases {
		if len(c.Servers) != 3 || c.Servers[0].Journal == nil || *c.Servers[0].Journal <= 200 {
			t.Fatalf("%+v", c)
		}
		for i, s := range c.Servers {
			if s.CPU <= 0 || s.PerSecond <= 0 || s.LatencyMs["count"] == 0 || s.TickMs["count"] == 0 || (i > 0) != (s.Above != nil) {
				t.Errorf("%+v", s)
			}
		}
	}
	if g.Away.Messages < 5 || g.Away.Members != 298 || g.Away.Entries != g.Away.Messages*298 {
		t.Errorf("%+v", g.Away)
	}
}

func checkMessages(t *testing.T, k benchKeys) {
	t.Helper()
	if k.CPU == nil || k.PerSecond == nil || k.Lost == nil || k.Twice == nil || k.Moved == nil {
		t.Fatalf("keys are missing: %+v", k)
	}
	if *k.CPU <= 0 || *k.PerSecond < 100 {
		t.Errorf("CPU %v us, %v messages/s", *k.CPU, *k.PerSecond)
	}
	if *k.Lost+*k.Twice+*k.Moved != 0 {
		t.Errorf("lost %d, duplicated %d, reordered %d", *k.Lost, *k.Twice, *k.Moved)
	}
	for _, p := range []string{"p50", "p99", "max"} {
		if k.LatencyMs[p] <= 0 {
			t.Errorf("latency_ms.%s is %v", p, k.LatencyMs[p])
		}
	}
}

func TestBenchEndsOnCtrlCAndEndsItsServer(t *testing.T) {
	data := t.TempDir()
	cmd := exec.Command(binary, "bench", "message", "--pairs", "5", "--rate", "100", "--duration", "1h")
	cmd.Env = append(os.Environ(), "TMPDIR="+data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer deadline.Stop()
	waitForFile(t, filepath.Join(data, "trunkline-bench-*"))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupt || !strings.Contains(stderr.String(), "aborted") {
		t.Errorf("exit status %d, %s", code, stderr.String())
	}
	if left, _ := filepath.Glob(filepath.Join(data, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if pids := processesOf(t, binary); len(pids) > 0 {
		t.Errorf("processes left: %v", pids)
	}
}

// waitForFile waits until something matches the pattern.
func waitForFile(t *testing.T, pattern string) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("nothing like %s appears", pattern)
		case <-tick.C:
		}
	}
}

// processesOf lists running processes of a program, where there is /proc.
func processesOf(t *testing.T, binary string) (pids []int) {
	t.Helper()
	exes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range exes {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(exe)))
		if target, readErr := os.Readlink(exe); err == nil && readErr == nil && target == binary && syscall.Kill(pid, 0) == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
