package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline/server"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// binary is the program under test, built once. TestMain sets it before any test runs.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trunkline-cmd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "trunkline")
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state")); err != nil { // nothing here touches the home of who runs it
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// result is how one run of the program ended.
type result struct {
	code           int
	stdout, stderr string
}

// runBinary runs the program to its end.
func runBinary(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// plainServe begins the command line of a server that keeps nothing and speaks frames without a handshake, whatever the defaults are.
func plainServe() []string {
	return []string{"serve", "--data", "off", "--transport", server.TransportPlain, "--registration", server.RegistrationOpen}
}

// serving is a server process that has printed its banner.
type serving struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *output
	errs   *output
	addr   string // where it listens for clients
	admin  string
	exited chan struct{}
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String is everything printed so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// serve starts a server on free ports. It is killed when the test ends, if it still runs.
func serve(t *testing.T, args ...string) *serving {
	t.Helper()
	s := &serving{t: t, out: &output{}, errs: &output{}, exited: make(chan struct{})}
	s.cmd = exec.Command(binary, append(append(plainServe(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"), args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.errs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(s.exited); _ = s.cmd.Wait() }() // ended by the process; its code is read by wait
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.exited })
	s.waitFor("the banner", func() bool { return strings.Contains(s.out.String(), "Ctrl-C drains and ends.") })
	s.addr = regexp.MustCompile(`chat +(\S+:\d+)`).FindStringSubmatch(s.out.String())[1]
	s.admin = regexp.MustCompile(`http://(\S+:\d+)/status`).FindStringSubmatch(s.out.String())[1]
	return s
}

func (s *serving) waitFor(what string, cond func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-s.exited:
			if cond() {
				return
			}
			s.t.Fatalf("the server ended while waiting for %s: %s%s", what, s.out, s.errs)
		case <-deadline:
			s.t.Fatalf("waited %s for %s: %s%s", patience, what, s.out, s.errs)
		}
	}
}

func (s *serving) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// wait is the exit code.
func (s *serving) wait() int {
	s.t.Helper()
	select {
	case <-s.exited:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		s.t.Fatalf("the server does not end: %s%s", s.out, s.errs)
		return -1
	}
}

func TestWrongUseIsOneLineAndExitStatus2(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.toml")
	if err := os.WriteFile(file, []byte("loops = 1\nlisen = \"127.0.0.1:1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"an unknown command", []string{"sevre"}, `unknown command "sevre"`},
		{"an unknown flag", []string{"serve", "--lisen", "x"}, "unknown flag --lisen"},
		{"a flag without its value", []string{"serve", "--listen"}, "a value is missing behind --listen"},
		{"a word that is no flag", []string{"serve", "now"}, `"now" is not a flag`},
		{"a number that is none", []string{"serve", "--loops", "two"}, `serve: --loops: "two" is not a whole number (`},
		{"a duration that is none", []string{"serve", "--keepalive", "soon"}, `"soon" is not a duration`},
		{"a number that no machine holds", []string{"serve", "--users", "99999999999999999999"}, `serve: --users: "99999999999999999999" is out of range (`},
		{"a yes that is none", []string{"serve", "--reuseport=maybe"}, `serve: --reuseport: "maybe" is not true or false (`},
		{"a user that is none", []string{"send", "--user", "0", "--to", "2", "x"}, `send: --user: "0": a user is a number`},
		{"a time without a unit", []string{"recv", "--user", "1", "--timeout", "5"}, `recv: --timeout: "5" is not a time like 10s or 4m (`},
		{"a mailbox of nothing, which is not the default", []string{"serve", "--mailbox-entries", "0"}, "--mailbox-entries: 0 is not between 1 and "},
		{"a drain of no time, which is not the default", []string{"serve", "--drain-timeout", "0s"}, "--drain-timeout: 0s is not between 1ms and 24h"},
		{"an address that a script left empty", []string{"serve", "--listen="}, `--listen: "" is not an address`},
		{"a size that is none", []string{"serve", "--mailbox-bytes", "much"}, `"much" is not a size`},
		{"a transport that is not there", []string{"serve", "--transport", "tls"}, `--transport: "tls" is not one of noise, plain`},
		{"tokens where nobody proves who they are", []string{"serve", "--registration=token", "--transport=plain"}, `--registration: token needs --transport=noise`},
		{"tokens that nobody could sign", []string{"serve", "--registration=token", "--transport=noise", "--data=off"}, `--registration: token needs keys that outlive the server: give --data DIR or --keys DIR, or --registration=open`},
		{"an admin address for everybody", []string{"serve", "--admin", "0.0.0.0:5280"}, "--admin-public"},
		{"a configuration file that is missing", []string{"serve", "--config", "/nowhere/x.toml"}, "/nowhere/x.toml"},
		{"a configuration file with an unknown key", []string{"serve", "--config", file}, file + `:2: unknown key "lisen"`},
		{"an admin address without a port", []string{"status", "--admin", "off"}, `--admin: "off" is not an address and port`},
		{"an unknown flag of status", []string{"status", "--all"}, "unknown flag --all"},
		{"help for an unknown command", []string{"help", "sevre"}, `unknown command "sevre"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := runBinary(t, row.args...)
			if r.code != exitUsage || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, row.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 and one line with %q", r.code, r.stdout, r.stderr, row.want)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	if r := runBinary(t); r.code != exitUsage || !strings.Contains(r.stderr, "Start with: trunkline serve") {
		t.Errorf("without arguments: %+v", r)
	}
	for _, args := range [][]string{{"help"}, {"--help"}, {"-h"}} {
		if r := runBinary(t, args...); r.code != exitOK || !strings.Contains(r.stdout, "serve ") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for _, args := range [][]string{{"serve", "--help"}, {"help", "serve"}, {"serve", "-h"}} {
		if r := runBinary(t, args...); r.code != exitOK || !strings.Contains(r.stdout, "--max-connections") || r.stderr != "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := runBinary(t, "version"); r.code != exitOK || !strings.HasPrefix(r.stdout, "trunkline "+server.Version()[:5]) {
		t.Errorf("version: %+v", r)
	}
}

func TestAPortInUseIsOneLineAndExitStatus1(t *testing.T) {
	s := serve(t)
	for _, args := range [][]string{
		append(plainServe(), "--listen", s.addr, "--admin", "off"),
		append(plainServe(), "--listen", "127.0.0.1:0", "--admin", s.admin),
	} {
		r := runBinary(t, args...)
		if r.code != exitFailed || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, ": bind: address already in use; is another server running?") || strings.Count(r.stderr, "listen on") != 1 {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestADataDirectoryInUseIsOneLineAndExitStatus1(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--data", dir)
	r := runBinary(t, append(plainServe(), "--listen", "127.0.0.1:0", "--admin", "off", "--data", dir)...)
	want := fmt.Sprintf("locked by process %d", s.cmd.Process.Pid)
	if r.code != exitFailed || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, want) {
		t.Errorf("%+v, want %q", r, want)
	}
}

func TestCtrlCDrainsAndEndsWith0(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			s := serve(t, "--drain-timeout", "200ms")
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s.signal(sig)
			if code := s.wait(); code != exitOK || !strings.Contains(s.out.String(), "drained, goodbye") {
				t.Errorf("exit %d: %s%s", code, s.out, s.errs)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience)) // a failure shows in Read
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open")
			}
		})
	}
}

func TestASecondCtrlCEndsAtOnceWith130(t *testing.T) {
	s := serve(t, "--drain-timeout", "1h")
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.waitFor("the connection", func() bool { return strings.Contains(runBinary(t, "status", "--admin", s.admin).stdout, "1 of ") })
	s.signal(os.Interrupt)
	s.waitFor("the drain", func() bool { return strings.Contains(s.out.String(), "draining") })
	s.signal(os.Interrupt)
	if code := s.wait(); code != exitInterrupt {
		t.Errorf("exit %d: %s%s", code, s.out, s.errs)
	}
}

func TestStatusPrintsATableOrJSON(t *testing.T) {
	s := serve(t, "--loops", "2")
	r := runBinary(t, "status", "--admin", s.admin)
	for _, want := range []string{fmt.Sprintf("pid %d, serving", s.cmd.Process.Pid), "on " + s.addr, "sessions", "loop  connections"} {
		if r.code != exitOK || !strings.Contains(r.stdout, want) {
			t.Errorf("lacks %q: %+v", want, r)
		}
	}
	r = runBinary(t, "status", "--admin", s.admin, "--json")
	if r.code != exitOK || !strings.HasPrefix(r.stdout, "{") || !strings.Contains(r.stdout, `"messages_in": 0`) {
		t.Errorf("%+v", r)
	}
}

func TestStatusOfNobodyIsOneLineAndExitStatus1(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	ln.Close()
	r := runBinary(t, "status", "--admin", nobody)
	if r.code != exitFailed || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "nobody listens on "+nobody) {
		t.Errorf("%+v", r)
	}
	s := serve(t)
	r = runBinary(t, "status", "--admin", s.addr) // the chat port does not speak HTTP
	if r.code != exitFailed || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, s.addr+" does not answer like") {
		t.Errorf("%+v", r)
	}
}

// fullDisk refuses what is written to it.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAStatusThatCanNotBeWrittenIsNoSuccess(t *testing.T) {
	s := serve(t)
	for _, args := range [][]string{{"status", "--admin", s.admin}, {"status", "--admin", s.admin, "--json"}} {
		var errs strings.Builder
		if code := run(args, nil, fullDisk{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%v: exit %d, %q", args, code, &errs)
		}
	}
}

func TestFlagsWinOverTheFileAndTheFileOverDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.toml")
	if err := os.WriteFile(file, []byte("loops = 3\nkeepalive = \"30s\"\nreuseport = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := parseServe([]string{"--loops", "4", "--config", file, "--users", "77"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Loops != 4 || time.Duration(cfg.Keepalive) != 30*time.Second || !cfg.ReusePort || cfg.Users != 77 || cfg.Listen != server.ListenDefault {
		t.Errorf("got %+v", cfg)
	}
	cfg, err = parseServe([]string{"--config", file, "--reuseport=false"})
	if err != nil || cfg.ReusePort {
		t.Errorf("a flag that says no: %v, %v", cfg.ReusePort, err)
	}
}

func TestEveryFlagIsAKeyOfTheFileAndARowOfTheManual(t *testing.T) {
	cfg := server.DefaultConfig()
	cfg.Loops = 0 // depends on the machine
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := 0
	serveFlags(&cfg, &serveOptions{}).VisitAll(func(f *flag.Flag) {
		flags++
		value := f.DefValue
		switch f.Name {
		case "loops":
			value = "processors"
		case "max-connections":
			value = "by descriptors"
		case "config":
			value = "none"
		case "data":
			value = "in your home"
		case "keys":
			value = "DATA/keys"
		case "exempt", "proxy-listen":
			value = "none"
		}
		row := fmt.Sprintf("| `--%s` | %s |", f.Name, value)
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/operations.md lacks a row that begins with %q", row)
		}
		if f.Name == "config" || f.Name == "explain-memory" || f.Name == "json" { // no settings of a server
			return
		}
		path := filepath.Join(t.TempDir(), "x.toml")
		text := fmt.Sprintf("%s = %q\n", f.Name, f.DefValue)
		if _, isNumber := f.Value.(flag.Getter); isNumber {
			switch f.Value.(flag.Getter).Get().(type) {
			case int, bool:
				text = fmt.Sprintf("%s = %s\n", f.Name, f.DefValue)
			}
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := server.DefaultConfig()
		if err := got.LoadFile(path); err != nil {
			t.Errorf("the file does not take %q: %v", text, err)
		}
	})
	if rows := strings.Count(string(doc), "\n| `--"); rows != flags {
		t.Errorf("docs/operations.md has %d rows for %d flags", rows, flags)
	}
}
