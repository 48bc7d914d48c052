package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"trunkline/server"
)

// End-to-end tests of register, link and of who talks to whom, against a server that is encrypted.

// guarded is a server that is encrypted and takes tokens, with its operator's keys.
type guarded struct {
	*serving
	key  string // what clients pin
	data string
}

func guard(t *testing.T, args ...string) *guarded {
	t.Helper()
	g := &guarded{data: t.TempDir()}
	g.start(t, args...)
	return g
}

// start starts it, for the first time or again on the same data.
func (g *guarded) start(t *testing.T, args ...string) {
	t.Helper()
	g.serving = serve(t, append([]string{"--transport", server.TransportNoise, "--registration", server.RegistrationToken, "--data", g.data}, args...)...)
	g.key = regexp.MustCompile(`key +(tlk1\S+)`).FindStringSubmatch(g.out.String())[1]
}

// token makes one.
func (g *guarded) token(t *testing.T, args ...string) string {
	t.Helper()
	r := runBinary(t, append([]string{"token", "--keys", filepath.Join(g.data, "keys")}, args...)...)
	if r.code != exitOK {
		t.Fatalf("token: %+v", r)
	}
	return strings.TrimSpace(r.stdout)
}

// enrolled is the line that register prints.
type enrolled struct {
	User       uint64 `json:"user"`
	Device     uint8  `json:"device"`
	Generation uint16 `json:"generation"`
	New        bool   `json:"new"`
	ServerKey  string `json:"server_key"`
}

// enrol runs register, which must succeed.
func enrol(t *testing.T, args ...string) enrolled {
	t.Helper()
	r := runBinary(t, append([]string{"register"}, args...)...)
	var e enrolled
	if err := json.Unmarshal([]byte(r.stdout), &e); err != nil || r.code != exitOK || r.stderr != "" || strings.Count(r.stdout, "\n") != 1 {
		t.Fatalf("register: %+v, %v", r, err)
	}
	return e
}

// oneLineWith holds a command that could not do its work.
func oneLineWith(t *testing.T, r result, code int, want string) {
	t.Helper()
	if r.code != code || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, want) {
		t.Errorf("%+v; want exit status %d and one line with %q", r, code, want)
	}
}

func TestADeviceRegistersOnceAndThenNeedsNoMoreThanItsState(t *testing.T) {
	g := guard(t)
	dir := t.TempDir()
	at := []string{"--server", g.addr, "--state", dir}
	me := append([]string{"--user", "1001"}, at...)
	oneLineWith(t, runBinary(t, append([]string{"recv"}, me...)...), exitFailed, "--server-key names it")
	oneLineWith(t, runBinary(t, append([]string{"recv", "--server-key", g.key}, me...)...), exitFailed, "trunkline register")
	token := g.token(t, "--user", "1001")
	first := enrol(t, append(me, "--token", token)...)
	if first.User != 1001 || first.Device != 0 || first.Generation == 0 || !first.New || first.ServerKey != g.key {
		t.Errorf("register printed %+v", first)
	}
	if again := enrol(t, append(me, "--token", token)...); again.New || again.Generation != first.Generation {
		t.Errorf("register printed %+v the second time", again)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(g.token(t, "--user", "1002")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	enrol(t, append(at, "--user", "1002", "--token-file", file, "--server-key", g.key)...)
	if r := runBinary(t, append([]string{"send", "--to", "1002"}, append(me, "hello")...)...); r.code != exitOK {
		t.Errorf("send: %+v", r)
	}
	r := runBinary(t, append([]string{"recv", "--user", "1002"}, at...)...)
	if got := lines(t, r.stdout); r.code != exitOK || len(got) != 1 || got[0].From != 1001 || *got[0].Text != "hello" {
		t.Errorf("recv: %+v", r)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		info, ierr := d.Info()
		if err == nil && ierr == nil && !d.IsDir() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	elsewhere := []string{"register", "--user", "1001", "--server", g.addr, "--server-key", g.key, "--state", t.TempDir()}
	oneLineWith(t, runBinary(t, append(elsewhere, "--token", token)...), exitFailed, "ask for a new one") // another key
	oneLineWith(t, runBinary(t, elsewhere...), exitFailed, "trunkline register")
}

func TestATokenComesFromStandardInputOrTheEnvironmentToo(t *testing.T) {
	g := guard(t)
	at := []string{"register", "--server", g.addr, "--server-key", g.key, "--state", t.TempDir()}
	p := talk(t, append(at, "--user", "1001", "--token", "-")...)
	p.say(g.token(t, "--user", "1001"))
	_ = p.stdin.Close()
	if r := p.wait(); r.code != exitOK {
		t.Errorf("from standard input: %+v", r)
	}
	t.Setenv("TRUNKLINE_TOKEN", g.token(t, "--user", "1002"))
	if r := runBinary(t, append(at, "--user", "1002")...); r.code != exitOK {
		t.Errorf("from the environment: %+v", r)
	}
}

func TestAServerWithAnotherKeyIsNotTalkedTo(t *testing.T) {
	g, impostor := guard(t), guard(t)
	dir := t.TempDir()
	me := []string{"--user", "1001", "--server", g.addr, "--state", dir}
	oneLineWith(t, runBinary(t, append([]string{"register", "--server-key", impostor.key}, me...)...), exitFailed, "SOMEBODY ELSE ANSWERS")
	e := enrol(t, append(me, "--server-key", g.key, "--token", g.token(t, "--user", "1001"))...)
	if e.ServerKey != g.key {
		t.Errorf("pinned is %s", e.ServerKey)
	}
	trusting := []string{"--user", "1002", "--server", g.addr, "--state", dir}
	e = enrol(t, append(trusting, "--trust-first", "--token", g.token(t, "--user", "1002"))...)
	if e.ServerKey == g.key || e.ServerKey[:40] != g.key[:40] {
		t.Errorf("pinned is %s: the same server without its operator was expected", e.ServerKey)
	}
	r := runBinary(t, append([]string{"send", "--to", "1001"}, append(trusting, "hello")...)...)
	if r.code != exitOK {
		t.Errorf("send: %+v", r)
	}
}

func TestANewServerKeyIsTakenFromTheOperatorAndANewOperatorIsNot(t *testing.T) {
	g := guard(t)
	me := []string{"--user", "1001", "--server", g.addr, "--state", t.TempDir()}
	old := enrol(t, append(me, "--server-key", g.key, "--token", g.token(t, "--user", "1001"))...).ServerKey
	rotate := func(what ...string) { // tickets go too, or nothing would ask for the key
		t.Helper()
		g.signal(syscall.SIGKILL)
		g.wait()
		keys := filepath.Join(g.data, "keys")
		for _, args := range [][]string{append(what, "--keys", keys), {"tickets", "--keys", keys}, {"tickets", "--keys", keys}} {
			if r := runBinary(t, append([]string{"keys", "rotate"}, args...)...); r.code != exitOK {
				t.Fatalf("keys rotate: %+v", r)
			}
		}
		g.start(t, "--listen", g.addr)
	}
	rotate("server")
	e := enrol(t, me...)
	if e.ServerKey == old || e.ServerKey != g.key || e.New {
		t.Errorf("after a rotation pinned is %+v, the server has %s", e, g.key)
	}
	rotate("operator", "--force")
	rotate("server")
	oneLineWith(t, runBinary(t, append([]string{"recv"}, me...)...), exitFailed, "SOMEBODY ELSE ANSWERS")
	if e := enrol(t, append(me, "--server-key", g.key)...); e.ServerKey != g.key || e.New {
		t.Errorf("told so, pinned is %+v", e)
	}
}

func TestAnOpenServerRegistersWhomeverComesWithItsKey(t *testing.T) {
	g := &guarded{data: t.TempDir()}
	g.start(t, "--registration", server.RegistrationOpen)
	dir := t.TempDir()
	a := talk(t, "chat", "--user", "1001", "--to", "1002", "--server", g.addr, "--state", dir, "--server-key", g.key)
	b := talk(t, "chat", "--user", "1002", "--to", "1001", "--server", g.addr, "--state", dir, "--server-key", g.key)
	a.sees("connected")
	b.sees("connected")
	a.say("are you there?")
	b.sees("1001: are you there?")
	a.sees("[read] are you there?")
	thief := runBinary(t, "recv", "--user", "1002", "--server", g.addr, "--state", t.TempDir(), "--server-key", g.key)
	oneLineWith(t, thief, exitFailed, "with another key")
}

func TestAChatComesBackToAServerThatWasKilled(t *testing.T) {
	addr := freeAddr(t)
	g := &guarded{data: t.TempDir()}
	g.start(t, "--listen", addr)
	at := []string{"--server", addr, "--state", t.TempDir(), "--server-key", g.key}
	for _, user := range []string{"1001", "1002"} {
		enrol(t, append(at, "--user", user, "--token", g.token(t, "--user", user))...)
	}
	a := talk(t, append([]string{"chat", "--user", "1001", "--to", "1002"}, at...)...)
	a.sees("connected")
	g.signal(syscall.SIGKILL)
	g.wait()
	a.sees("connection lost")
	a.say("written meanwhile")
	g.start(t, "--listen", addr)
	a.sees("connected again")
	a.sees("[sent] written meanwhile")
	r := runBinary(t, append([]string{"recv", "--user", "1002"}, at...)...)
	if r.code != exitOK || !strings.Contains(r.stdout, "written meanwhile") {
		t.Errorf("recv: %+v", r)
	}
}

func TestTheFirstDeviceLinksASecondOne(t *testing.T) {
	g := guard(t)
	first := []string{"--user", "1001", "--server", g.addr, "--state", t.TempDir()}
	second := []string{"--user", "1001", "--device", "1", "--server", g.addr, "--state", t.TempDir()}
	asked := runBinary(t, append([]string{"link", "request"}, second...)...)
	if asked.code != exitOK || asked.stderr != "" || !strings.HasPrefix(asked.stdout, "tlr1") || strings.Count(asked.stdout, "\n") != 1 {
		t.Fatalf("link request: %+v", asked)
	}
	approve := append([]string{"link", "approve", "--request", strings.TrimSpace(asked.stdout)}, first...)
	oneLineWith(t, runBinary(t, approve...), exitFailed, "has not registered")
	enrol(t, append(first, "--server-key", g.key, "--token", g.token(t, "--user", "1001"))...)
	signed := runBinary(t, approve...)
	if signed.code != exitOK || signed.stderr != "" || !strings.HasPrefix(signed.stdout, "tlt1") || strings.Count(signed.stdout, "\n") != 1 {
		t.Fatalf("link approve: %+v", signed)
	}
	token := strings.TrimSpace(signed.stdout)
	other := []string{"register", "--user", "1001", "--device", "1", "--server", g.addr, "--server-key", g.key, "--state", t.TempDir(), "--token", token}
	oneLineWith(t, runBinary(t, other...), exitFailed, "refused the registration token") // not the device that asked
	if e := enrol(t, append(second, "--server-key", g.key, "--token", token)...); e.Device != 1 || !e.New {
		t.Errorf("register printed %+v", e)
	}
	r := runBinary(t, append([]string{"send", "--to", "1001"}, append(second, "from the second")...)...)
	if r.code != exitOK {
		t.Errorf("send: %+v", r)
	}
	r = runBinary(t, append([]string{"recv"}, first...)...)
	if r.code != exitOK || !strings.Contains(r.stdout, `"device":1`) {
		t.Errorf("recv: %+v", r)
	}
}

func TestTransportsThatDoNotMatchAreExplained(t *testing.T) {
	g, open := guard(t), serve(t)
	state := t.TempDir()
	oneLineWith(t, runBinary(t, "recv", "--user", "1", "--plain", "--server", g.addr, "--state", state), exitFailed, "--plain is for a server with --transport=plain")
	oneLineWith(t, runBinary(t, "recv", "--user", "2", "--server-key", g.key, "--server", open.addr, "--state", state), exitFailed, "--plain is for a server with --transport=plain")
}

func TestWrongUseOfRegisterAndLinkIsOneLine(t *testing.T) {
	key := "tlk1" + strings.Repeat("A", 92)
	missing := filepath.Join(t.TempDir(), "token")
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, make([]byte, secretBytesMax+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nobody registers", []string{"register", "--token", "x"}, exitUsage, "--user says who you are"},
		{"a key with a typing error", []string{"register", "--user", "1", "--server-key", key}, exitUsage, "--server-key"},
		{"a key and no encryption", []string{"send", "--user", "1", "--to", "2", "--plain", "--trust-first", "x"}, exitUsage, "--plain proves nothing"},
		{"a token and no encryption", []string{"register", "--user", "1", "--plain", "--token", "x"}, exitUsage, "--plain proves nothing"},
		{"a token that is none", []string{"register", "--user", "1", "--token", "x"}, exitUsage, "--token: not a token"},
		{"two tokens", []string{"register", "--user", "1", "--token", "x", "--token-file", "y"}, exitUsage, "one too many"},
		{"a file that is not there", []string{"register", "--user", "1", "--token-file", missing}, exitFailed, "no such file"},
		{"a file that is too long", []string{"register", "--user", "1", "--token-file", long}, exitFailed, fmt.Sprintf("more than %d bytes", secretBytesMax)},
		{"an empty token from a pipe", []string{"register", "--user", "1", "--token", "-"}, exitUsage, "standard input: not a token"},
		{"a timeout below zero", []string{"register", "--user", "1", "--timeout", "-1s"}, exitUsage, "negative"},
		{"a link without a half", []string{"link", "--user", "1"}, exitUsage, "link request"},
		{"an unknown half", []string{"link", "accept", "--user", "1"}, exitUsage, "link request"},
		{"a request of the first device", []string{"link", "request", "--user", "1"}, exitUsage, "--device numbers the new device"},
		{"nothing to approve", []string{"link", "approve", "--user", "1"}, exitUsage, "--request is what the new device printed"},
		{"a time that is too long", []string{"link", "approve", "--user", "1", "--request", "x", "--valid", "9000h"}, exitUsage, "--valid"},
		{"a request that is none", []string{"link", "approve", "--user", "1", "--request", "x", "--state", t.TempDir()}, exitFailed, "not a link request"},
	} {
		t.Run(row.name, func(t *testing.T) { oneLineWith(t, runBinary(t, row.args...), row.code, row.want) })
	}
	for _, name := range []string{"register", "link"} {
		if r := runBinary(t, name, "--help"); r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, "--state folder") {
			t.Errorf("%s --help: %+v", name, r)
		}
	}
}
