package python

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything that must happen may take.
const patience = 60 * time.Second

// binary is the program under test, built by TestMain; empty without Python.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	if pythonMissing() != "" {
		return m.Run() // every test says why it is skipped
	}
	dir, err := os.MkdirTemp("", "trunkline")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "trunkline")
	if out, err := exec.Command("go", "build", "-o", binary, "trunkline/cmd/trunkline").CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// pythonMissing says what keeps these tests from running, or nothing.
func pythonMissing() string {
	if _, err := exec.LookPath("python3"); err != nil {
		return "there is no python3 on PATH"
	}
	if err := exec.Command("python3", "-c", "import sys; sys.exit(sys.version_info < (3, 9))").Run(); err != nil {
		return "python3 is older than 3.9"
	}
	return ""
}

func needPython(t *testing.T) {
	t.Helper()
	if why := pythonMissing(); why != "" {
		t.Skip(why)
	}
}

// output gathers what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a server or a client that runs. It is killed when the test ends, if it still does.
type process struct {
	t         *testing.T
	cmd       *exec.Cmd
	out, errs *output
	exited    chan struct{}
}

func start(t *testing.T, stdin io.Reader, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), out: &output{}, errs: &output{}, exited: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, p.out, p.errs
	p.cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.exited); _ = p.cmd.Wait() }() // ended by the process
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	return p
}

// waitFor polls until cond is true.
func (p *process) waitFor(what string, cond func() bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("waited %v for %s: %s%s", patience, what, p.out, p.errs)
		}
	}
}

// exit waits for the end and is the exit status; -1 after a kill.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%v does not end: %s%s", p.cmd.Args, p.out, p.errs)
		return -1
	}
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// kill ends it as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.exit()
}

// line is a line of JSON of send or recv, of either client.
type line struct {
	ID, From, To uint64
	Gen          uint16
	Kind         uint8
	Text, Tick   string
	TS           int64
}

// lines are the whole lines that it has printed.
func (p *process) lines() []line {
	p.t.Helper()
	var list []line
	for rest := p.out.String(); ; {
		text, behind, whole := strings.Cut(rest, "\n")
		if !whole {
			return list
		}
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			p.t.Fatalf("%q: %v", text, err)
		}
		list, rest = append(list, l), behind
	}
}

// prints waits for n lines.
func (p *process) prints(n int) []line {
	p.t.Helper()
	p.waitFor(strconv.Itoa(n)+" lines", func() bool { return len(p.lines()) >= n })
	return p.lines()
}

// done waits for an end with this exit status and is what it printed.
func (p *process) done(status int) []line {
	p.t.Helper()
	if got := p.exit(); got != status {
		p.t.Fatalf("%v ended with %d instead of %d: %s%s", p.cmd.Args, got, status, p.out, p.errs)
	}
	return p.lines()
}

// server is a real one with a folder for the states of its clients.
type server struct {
	*process
	addr, states string
}

func serve(t *testing.T) *server {
	t.Helper()
	needPython(t)
	t.Parallel() // most of a test is waiting for processes to start
	s := &server{states: t.TempDir()}
	s.listen(t, "127.0.0.1:0")
	return s
}

func (s *server) listen(t *testing.T, addr string) {
	t.Helper()
	s.process = start(t, nil, binary, "serve", "--listen", addr, "--admin", "off", "--data", "off",
		"--transport", "plain", "--registration", "open")
	s.waitFor("the banner", func() bool {
		select {
		case <-s.exited:
			t.Fatalf("the server ended: %s%s", s.out, s.errs)
		default:
		}
		return strings.Contains(s.out.String(), "Ctrl-C drains and ends.")
	})
	_, rest, _ := strings.Cut(s.out.String(), "chat ")
	s.addr = strings.Fields(rest)[0]
}

// stop drains it.
func (s *server) stop() {
	s.t.Helper()
	s.signal(syscall.SIGINT)
	if code := s.exit(); code != 0 {
		s.t.Fatalf("the server ended with %d: %s", code, s.errs)
	}
}

// restart is another server at the same address, which has lost all data.
func (s *server) restart() {
	s.t.Helper()
	s.listen(s.t, s.addr)
}

// state is the file of a user of the Python client.
func (s *server) state(user string) string { return filepath.Join(s.states, user+".json") }

// python starts the client in Python with the state of this user.
func (s *server) python(user, command string, args ...string) *process {
	s.t.Helper()
	return s.pythonWith(s.state(user), "", user, command, args...)
}

// pythonWith names the state and gives it text on its standard input.
func (s *server) pythonWith(state, stdin, user, command string, args ...string) *process {
	s.t.Helper()
	all := append([]string{"trunkline.py", "--verbose", "--server", s.addr, "--state", state, "--user", user, command, "--timeout", "60"}, args...)
	return start(s.t, strings.NewReader(stdin), "python3", all...)
}

// golang starts this project's own client.
func (s *server) golang(user, command string, args ...string) *process {
	s.t.Helper()
	all := append([]string{command, "--plain", "--server", s.addr, "--state", filepath.Join(s.states, "go"), "--user", user}, args...)
	return start(s.t, nil, binary, all...)
}
