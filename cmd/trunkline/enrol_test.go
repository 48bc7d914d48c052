package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"trunkline/server"
)

// serveEncrypted starts a server that keeps its data and wants tokens.
func serveEncrypted(t *testing.T, data string, args ...string) *serving {
	t.Helper()
	return serve(t, append([]string{"--data", data, "--transport", server.TransportNoise, "--registration", server.RegistrationToken}, args...)...)
}

// shell runs one line of a banner as a person would, and gives what it printed.
func shell(t *testing.T, line string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", line, err, &errs)
	}
	return string(out)
}

func TestTheCommandsOfTheBannerAreAllThatTwoPeopleNeed(t *testing.T) {
	states := t.TempDir()
	t.Setenv("XDG_STATE_HOME", states)
	data := filepath.Join(states, "trunkline", "server") // where a serve without --data keeps it
	s := serveEncrypted(t, data)
	banner := s.out.String()
	registers := regexp.MustCompile(`(?m)^  (\S+ register .*)$`).FindAllStringSubmatch(banner, -1)
	if len(registers) != 2 || strings.Contains(banner, "WARNING") || strings.Contains(banner, "--keys") {
		t.Fatalf("the banner has %d commands that register:\n%s", len(registers), banner)
	}
	for i, line := range registers {
		if out := shell(t, line[1]); !strings.Contains(out, `"new":true`) || !strings.Contains(out, []string{"1001", "1002"}[i]) {
			t.Errorf("%s: %s", line[1], out)
		}
	}
	if out := shell(t, registers[0][1]); !strings.Contains(out, `"new":false`) {
		t.Errorf("the same command again: %s", out)
	}
	passOne(t, s, "hello")
	if r := runBinary(t, "register", "--user", "1003", "--server", s.addr, "--server-key", shownKey(t, filepath.Join(data, "keys")).String()); r.code != exitFailed || !strings.Contains(r.stderr, "trunkline token") {
		t.Errorf("somebody without a token: %+v", r)
	}

	for _, what := range []string{"tickets", "server"} {
		if r := runBinary(t, "keys", "rotate", what); r.code != exitOK {
			t.Fatalf("rotate %s: %+v", what, r)
		}
	}
	s.signal(syscall.SIGINT)
	if code := s.wait(); code != exitOK {
		t.Fatalf("exit %d: %s", code, s.errs)
	}
	again := serveEncrypted(t, data, "--listen", s.addr)
	if strings.Contains(again.out.String(), registers[0][1]) {
		t.Error("the banner still shows the old key")
	}
	passOne(t, again, "the key is another, the server the same") // who pinned the old key is shown the certificate
}

// passOne sends a message from 1001 to 1002, who are registered.
func passOne(t *testing.T, s *serving, text string) {
	t.Helper()
	if r := runBinary(t, "send", "--user", "1001", "--to", "1002", "--server", s.addr, text); r.code != exitOK {
		t.Fatalf("send: %+v", r)
	}
	if r := runBinary(t, "recv", "--user", "1002", "--server", s.addr, "--timeout", "20s"); r.code != exitOK || !strings.Contains(r.stdout, text) {
		t.Fatalf("recv: %+v", r)
	}
}

func TestAServerRefusesKeysThatOthersReadAndRunsWithoutTheOperators(t *testing.T) {
	data := t.TempDir()
	keys := filepath.Join(data, "keys")
	if r := runBinary(t, "keys", "init", "--keys", keys); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	path := filepath.Join(keys, "server")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	r := runBinary(t, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--data", data, "--transport", "noise", "--registration", "token")
	if r.code != exitFailed || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasSuffix(r.stderr, "mend it with: chmod 600 "+path+"\n") {
		t.Errorf("%+v", r)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(keys, "operator")); err != nil {
		t.Fatal(err)
	}
	s := serveEncrypted(t, data)
	for _, want := range []string{"key     " + shownKey(t, keys).String(), "where the operator's private key is kept: not here", "token --user 1001 --keys DIRECTORY"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, s.out)
		}
	}
}

func TestKeysInMemoryServeAnOpenTrial(t *testing.T) {
	s := serve(t, "--transport", server.TransportNoise)
	banner := s.out.String()
	key := regexp.MustCompile(`--server-key (tlk1\S+)`).FindStringSubmatch(banner)
	if key == nil || !strings.Contains(banner, "WARNING: --registration=open") || !strings.Contains(banner, "in memory only") || strings.Contains(banner, "NOT ENCRYPTED") {
		t.Fatal(banner)
	}
	if r := runBinary(t, "register", "--user", "1001", "--server", s.addr, "--server-key", key[1], "--state", t.TempDir()); r.code != exitOK {
		t.Errorf("%+v", r)
	}
}
