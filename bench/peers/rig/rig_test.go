package rig

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fake is a Kind whose server is this test program itself, started again: see TestMain.
type fake struct {
	mode string // what the program does, see TestMain
	fail error  // of prepare
}

func (f fake) Name() string             { return "fake" }
func (f fake) Version() (string, error) { return "fake 1", nil }
func (f fake) Settings() string         { return f.mode }

func (f fake) prepare(dir string, _ Options) (launch, error) {
	if f.fail != nil {
		return launch{}, f.fail
	}
	addr, _, err := freeAddr()
	if err != nil {
		return launch{}, err
	}
	l := launch{program: os.Args[0], env: []string{"RIG_FAKE=" + f.mode, "RIG_ADDR=" + addr}, addr: addr}
	if f.mode == "shell" {
		l.input = true
		l.ready = func(ctx context.Context, s *Server) error { return s.shell(ctx, "ok") }
		l.collect = func(ctx context.Context, s *Server) error { return s.shell(ctx, "collect") }
	}
	return l, nil
}

// TestMain is the fake server when RIG_FAKE says so: "serve" listens until it is asked to end, "shell" also answers expressions, "die" ends at once.
func TestMain(m *testing.M) {
	switch mode := os.Getenv("RIG_FAKE"); mode {
	case "":
		os.Exit(m.Run())
	case "die":
		os.Stderr.WriteString("no such setting\n")
		os.Exit(1)
	default:
		fakeServer(mode)
	}
}

func fakeServer(mode string) {
	ln, err := net.Listen("tcp", os.Getenv("RIG_ADDR"))
	if err != nil {
		os.Exit(1)
	}
	if mode == "shell" {
		go fakeShell() // ends with the process
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			os.Exit(0)
		}
		_ = c.Close()
	}
}

// fakeShell answers each line as the Erlang shell would, but for the evaluation.
func fakeShell() {
	buf := make([]byte, 4096)
	for n := 1; ; n++ {
		k, err := os.Stdin.Read(buf)
		if err != nil {
			os.Exit(0)
		}
		value := "{error,unknown}"
		if line := string(buf[:k]); strings.Contains(line, "begin ok end") || strings.Contains(line, "begin collect end") {
			value = "ok"
		}
		os.Stdout.WriteString("answer-" + string(rune('0'+n)) + "-" + value + "\n")
	}
}

func begin(t *testing.T, k Kind) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	s, err := Start(ctx, k, Options{Users: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func TestAServerIsStartedMeasuredAndEnded(t *testing.T) {
	s := begin(t, fake{mode: "serve"})
	if _, err := net.Dial("tcp", s.Addr); err != nil {
		t.Fatalf("it does not accept: %v", err)
	}
	ctx := context.Background()
	if bytes, err := s.Settled(ctx); err != nil || bytes < 1<<20 {
		t.Fatalf("resident memory is %d bytes, %v", bytes, err)
	}
	if cpu, err := s.Quiet(ctx); err != nil || cpu <= 0 || cpu > time.Minute {
		t.Fatalf("CPU is %v, %v", cpu, err)
	}
	s.Stop()
	s.Stop() // twice does no harm
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Fatalf("its directory is still there: %v", err)
	}
	if _, err := s.CPU(); !errors.Is(err, ErrServer) {
		t.Fatalf("a server that has ended has a CPU time: %v", err)
	}
}

func TestAServerThatEndsSaysWhy(t *testing.T) {
	_, err := Start(context.Background(), fake{mode: "die"}, Options{})
	if !errors.Is(err, ErrServer) || !strings.Contains(err.Error(), "no such setting") {
		t.Fatalf("error %v", err)
	}
}

func TestAServerThatCannotBePreparedLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	want := errors.New("a reason")
	if _, err := Start(context.Background(), fake{fail: want}, Options{}); !errors.Is(err, want) {
		t.Fatalf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Fatalf("left: %v", left)
	}
}

func TestAServerThatNeverEndsIsGivenUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Start(ctx, fake{mode: "serve"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	cancel()
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
}

func TestTheShellSaysWhetherAnExpressionIsOK(t *testing.T) {
	s := begin(t, fake{mode: "shell"})
	if err := s.Collect(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.shell(context.Background(), "nonsense"); !errors.Is(err, ErrServer) {
		t.Fatalf("a failed expression: %v", err)
	}
}

func TestAProgramThatIsNotThereIsMissing(t *testing.T) {
	if _, err := (Trunkline{Program: "/nonexistent/trunkline"}).Version(); !errors.Is(err, ErrMissing) {
		t.Fatalf("error %v", err)
	}
}

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     time.Duration
		ok       bool
	}{
		{"a name with spaces and brackets", "12 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20", 3 * time.Second, true},
		{"too short", "12 (a) S 1 2 3", 0, false},
		{"not a number", "12 (a) S 1 2 3 4 5 6 7 8 9 10 x 50 0 0 20", 0, false},
		{"empty", "", 0, false},
	} {
		got, err := parseStat(c.in)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func TestParseRollup(t *testing.T) {
	if got, err := parseRollup("0-1 r\nRss:     123 kB\nPss: 1 kB\n"); got != 123<<10 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	for _, bad := range []string{"", "Pss: 1 kB", "Rss: x kB"} {
		if _, err := parseRollup(bad); !errors.Is(err, ErrServer) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// The servers themselves, where they are installed: each starts, takes a connection and ends.
func TestInstalledServersStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts other people's servers")
	}
	user := func(n int) string { return "u" + string(rune('0'+n)) }
	for _, k := range []Kind{Mosquitto{}, NATS{}, Ejabberd{User: user, Host: "localhost", Pass: "x"}} {
		t.Run(k.Name(), func(t *testing.T) {
			if v, err := k.Version(); errors.Is(err, ErrMissing) {
				t.Skip(err)
			} else if err != nil || v == "" {
				t.Fatalf("version %q, %v", v, err)
			}
			s := begin(t, k)
			if err := s.Collect(context.Background()); err != nil {
				t.Fatal(err)
			}
			if cpu, err := s.CPU(); err != nil || cpu <= 0 {
				t.Fatalf("CPU %v, %v", cpu, err)
			}
			s.Stop()
			if out, err := exec.Command("kill", "-0", "--", "-"+strconv.Itoa(s.PID)).CombinedOutput(); err == nil {
				t.Fatalf("something of it is left: %s", out)
			}
		})
	}
}
