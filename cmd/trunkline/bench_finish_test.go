package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAnInterruptedBenchKeepsWhatItHas(t *testing.T) {
	for _, row := range []struct {
		kind, until string
		flags       []string
		figures     bool // the run has got as far as latencies
	}{
		{"message", "measur", []string{"--pairs", "5", "--rate", "500", "--duration", "1h", "--warmup", "100ms"}, true},
		{"connect", "connect: warming", []string{"--connections", "200", "--hold", "1h"}, false},
		{"storm", "storm (storm): calm", []string{"--clients", "200", "--calm", "1h"}, false},
	} {
		dir := t.TempDir()
		cmd := exec.Command(binary, append([]string{"bench", row.kind, "--out", dir}, row.flags...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		progress, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		deadline := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
		var said strings.Builder
		lines := bufio.NewScanner(progress)
		for asked := false; lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if !asked && strings.Contains(lines.Text(), row.until) {
				asked = true
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		deadline.Stop()
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupt {
			t.Errorf("%s: exit status %d\n%s", row.kind, code, said.String())
		}
		if !strings.Contains(stdout.String(), "aborted") || !strings.Contains(said.String(), "aborted") {
			t.Errorf("%s: stdout %q, stderr %q", row.kind, stdout.String(), said.String())
		}
		checkAborted(t, dir, row.kind, row.figures)
	}
}

// checkAborted reads what an interrupted run has kept.
func checkAborted(t *testing.T, dir, kind string, figures bool) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, kind+".json"))
	if err != nil {
		t.Error(err)
		return
	}
	var doc struct {
		Aborted bool           `json:"aborted"`
		Lost    *int           `json:"lost"`
		Command []string       `json:"command"`
		Latency map[string]any `json:"latency_ms"`
		Series  struct {
			Points []any `json:"points"`
		} `json:"series"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if !doc.Aborted || doc.Lost != nil || len(doc.Series.Points) == 0 || len(doc.Command) < 3 || doc.Command[2] != kind {
		t.Errorf("%s: aborted %v, lost %v, %d points, command %q", kind, doc.Aborted, doc.Lost, len(doc.Series.Points), doc.Command)
	}
	if figures && doc.Latency == nil {
		t.Errorf("%s: there is no latency", kind)
	}
	page, err := os.ReadFile(filepath.Join(dir, kind+".html"))
	if err != nil || !bytes.Contains(page, []byte("Interrupted:")) {
		t.Errorf("%s: the page does not say that it was interrupted: %v", kind, err)
	}
}

func TestBenchIsQuietWhenItIsTold(t *testing.T) {
	dir := t.TempDir()
	for _, flag := range []string{"--quiet", "--json"} {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(binary, "bench", "message", "--pairs", "2", "--rate", "100", "--duration", "300ms", "--out", dir, flag)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v: %s", flag, err, stderr.String())
		}
		if stderr.Len() > 0 || stdout.Len() == 0 {
			t.Errorf("%s: stderr %q, %d bytes on stdout", flag, stderr.String(), stdout.Len())
		}
	}
	file := filepath.Join(dir, "message.json")
	var stdout, stderr bytes.Buffer
	if code := run([]string{"bench", "compare", file, file}, nil, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), "µs a message") {
		t.Errorf("exit status %d, %s%s", code, stdout.String(), stderr.String())
	}
	page := filepath.Join(dir, "compare.html")
	stdout.Reset()
	if code := run([]string{"bench", "compare", file, "--json", file, "--html", page}, nil, &stdout, &stderr); code != exitOK || !json.Valid(stdout.Bytes()) {
		t.Errorf("exit status %d, %s%s", code, stdout.String(), stderr.String())
	}
	if b, err := os.ReadFile(page); err != nil || !bytes.HasPrefix(b, []byte("<!DOCTYPE html>")) {
		t.Errorf("the page: %v", err)
	}
	stderr.Reset()
	if code := run([]string{"bench", "compare", file, page}, nil, &stdout, &stderr); code != exitFailed || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("a page as a result: exit status %d, %q", code, stderr.String())
	}
}
