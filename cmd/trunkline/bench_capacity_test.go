package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// capacityKeys are the keys that scripts read.
type capacityKeys struct {
	RSS      *float64 `json:"server_rss_bytes_per_session"`
	CPU      *float64 `json:"cpu_us_per_message"`
	GCCPU    *float64 `json:"gc_cpu_ms_per_cycle"`
	GCPause  *float64 `json:"gc_pause_max_ms"`
	Back     *int64   `json:"sessions_back"`
	Lost     *int64   `json:"lost"`
	Twice    *int64   `json:"duplicated"`
	Moved    *int64   `json:"reordered"`
	Capacity struct {
		Sessions int64            `json:"sessions"`
		Enrolled int64            `json:"enrolled"`
		Dropped  int64            `json:"sessions_dropped"`
		Lost     int64            `json:"sessions_lost"`
		Told     int64            `json:"drain_told"`
		RSSRatio float64          `json:"rss_ratio"`
		Crowd    map[string]int64 `json:"crowd"`
		Talk     map[string]int64 `json:"talk"`
	} `json:"capacity"`
}

func runCapacity(t *testing.T, args ...string) (k capacityKeys) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"bench", "capacity", "--json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s\n%s", args, err, out, &stderr)
	}
	if err := json.Unmarshal(out, &k); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return k
}

func TestBenchCapacityPlaysTheWholeScenario(t *testing.T) {
	t.Parallel() // most of it is waiting until memory stands still
	devices, out := t.TempDir(), t.TempDir()
	if k := runCapacity(t, "--devices", devices, "--enrol", "--connections", "80", "--out", out); k.Capacity.Enrolled != 80 {
		t.Fatalf("%d of 80 were enrolled", k.Capacity.Enrolled)
	}
	k := runCapacity(t, "--devices", devices, "--connections", "120", "--from", "40", "--talk", "0.5", "--every", "50ms", "--hold", "1s", "--drop", "0.4", "--out", out)
	c := k.Capacity
	if c.Sessions != 120 || c.Dropped < 20 || c.Lost != 0 || k.Back == nil || *k.Back != c.Dropped || c.Crowd["resumed"] != c.Dropped {
		t.Errorf("the storm: %+v, %v are back", c, k.Back)
	}
	if c.Told != 120 {
		t.Errorf("%d of 120 were asked to leave", c.Told)
	}
	if *k.Lost+*k.Twice+*k.Moved != 0 || c.Talk["talkers"] < 30 || c.Talk["arrived"] < 100 || c.Talk["arrived"] != c.Talk["made"] || c.Talk["second"] != c.Talk["made"] {
		t.Errorf("lost %d, duplicated %d, reordered %d: %v", *k.Lost, *k.Twice, *k.Moved, c.Talk)
	}
	if k.RSS == nil || k.CPU == nil || *k.CPU <= 0 || k.GCCPU == nil || *k.GCCPU <= 0 || k.GCPause == nil || *k.GCPause <= 0 || c.RSSRatio <= 0 {
		t.Errorf("keys are missing: %+v", k)
	}
	for _, name := range []string{"capacity.json", "capacity.html"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBenchCapacityRefusesWhatItCanNotDo(t *testing.T) {
	for args, want := range map[string]string{
		"--connections 0":            "--connections must be above 0",
		"--connections 99999999":     "connections is 99999999",
		"--connections 10 --from 10": "from is 10",
		"--talk 1.5":                 "share that talks is 1.5",
		"--drop -0.1":                "share that drops out is -0.1",
		"--enrol":                    "--devices",
		"--enrol --devices x --server 127.0.0.1:1":      "a server of the run's own",
		"--server 127.0.0.1:1":                          "admin address",
		"--keepalive 1ms":                               "keepalive is 1ms",
		"--server 127.0.0.1:1 --admin 127.0.0.1:2 -- x": "already running",
	} {
		var stdout, stderr bytes.Buffer
		code := run(append([]string{"bench", "capacity"}, strings.Fields(args)...), strings.NewReader(""), &stdout, &stderr)
		if code != exitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit status %d: %s", args, code, &stderr)
		}
	}
}
