// Package rig starts the servers that are compared, each as a process of its own on a free port of 127.0.0.1 with a temporary directory, reads what
// they use from /proc, and ends them by their process id. It touches no system service and no configuration outside of its directory.
//
// Main types: Kind (what to start), Server (one that runs), Options. Any goroutine, one at a time.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrServer: a server did not start, or does not do what it should.
var ErrServer = errors.New("rig: server")

// ErrMissing: a program is not installed.
var ErrMissing = errors.New("rig: not installed")

const (
	// startTimeout is how long a server may take until it accepts; over it the start fails.
	startTimeout = 60 * time.Second
	// stopTimeout is how long a server may take to end when asked; then it is killed.
	stopTimeout = 10 * time.Second
	// tailBytesMax is how much of what a server printed is kept for error texts; older output is dropped.
	tailBytesMax = 4 << 10
)

// Options say how large a server must be.
type Options struct {
	Users int // user numbers are below it
	Queue int // most messages that wait for one user
}

// Server is a process under measurement.
type Server struct {
	Name string
	Addr string
	PID  int // of the process that serves; the one that was started, or the same after its exec

	dir     string
	cmd     *exec.Cmd
	in      io.WriteCloser
	asked   int // expressions given to its shell
	tail    *tail
	ended   chan struct{} // closed when the process has ended
	collect func(ctx context.Context) error
}

// launch is what a Kind makes of Options.
type launch struct {
	program string
	args    []string
	env     []string
	addr    string
	input   bool // its standard input stays open, and takes commands
	ready   func(ctx context.Context, s *Server) error
	collect func(ctx context.Context, s *Server) error
}

// Start runs a server and waits until it takes connections. The process is killed when ctx ends; Stop ends it in good order.
func Start(ctx context.Context, k Kind, o Options) (*Server, error) {
	dir, err := os.MkdirTemp("", "trunkline-peers-")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	s, err := start(ctx, k, o, dir)
	if err != nil {
		_ = os.RemoveAll(dir) // the error counts
		return nil, fmt.Errorf("%s: %w", k.Name(), err)
	}
	return s, nil
}

func start(ctx context.Context, k Kind, o Options, dir string) (*Server, error) {
	l, err := k.prepare(dir, o)
	if err != nil {
		return nil, err
	}
	s := &Server{Name: k.Name(), Addr: l.addr, dir: dir, tail: &tail{}, ended: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, l.program, l.args...)
	s.cmd.Dir, s.cmd.Env = dir, append(os.Environ(), l.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.tail, s.tail
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for the run, which ends its servers itself
	s.cmd.WaitDelay = stopTimeout
	if l.input {
		if s.in, err = s.cmd.StdinPipe(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrServer, err)
		}
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	s.PID = s.cmd.Process.Pid
	// Ends with the process, which Stop or ctx ends.
	go func() {
		_ = s.cmd.Wait() // its exit status says nothing about the measurement
		close(s.ended)
	}()
	if l.collect != nil {
		s.collect = func(ctx context.Context) error { return l.collect(ctx, s) }
	}
	if err := s.await(ctx, l); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// await waits until the server accepts, and then for what its kind waits for.
func (s *Server) await(ctx context.Context, l launch) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.addr)
		if err == nil {
			_ = c.Close()
			break
		}
		if err := s.pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	if l.ready == nil {
		return nil
	}
	return l.ready(ctx, s)
}

// pause waits; it fails when the server or ctx has ended.
func (s *Server) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-s.ended:
		return fmt.Errorf("%w: it ended%s", ErrServer, s.tail.said())
	case <-ctx.Done():
		return fmt.Errorf("%w: %w%s", ErrServer, ctx.Err(), s.tail.said())
	case <-time.After(d):
		return nil
	}
}

// Said is the end of what the server printed, as the end of an error text.
func (s *Server) Said() string { return s.tail.said() }

// Collect asks the server to collect its garbage, where it has such a command.
func (s *Server) Collect(ctx context.Context) error {
	if s.collect == nil {
		return nil
	}
	return s.collect(ctx)
}

// Stop ends the process and removes its directory. Safe to call twice.
func (s *Server) Stop() {
	if s.in != nil {
		_ = s.in.Close() // an end of input ends those that read commands
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended by itself
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	_ = os.RemoveAll(s.dir)
}

// freeAddr finds a free loopback port; the servers can't be asked which one they got.
func freeAddr() (addr string, port int, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrServer, err)
	}
	defer ln.Close()
	return ln.Addr().String(), ln.Addr().(*net.TCPAddr).Port, nil
}

// program finds an executable, also where daemons are kept, which is not in everybody's PATH.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrMissing, name)
}

// versionLine runs a program that says its version, and gives the first line that it prints.
func versionLine(name string, args ...string) (string, error) {
	path, err := program(name)
	if err != nil {
		return "", err
	}
	out, _ := exec.Command(path, args...).CombinedOutput() // some say their version and exit with 1 or 3
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	return string(line), nil
}

// tail keeps the last bytes that a process printed.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write keeps the end of what was written so far.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailBytesMax; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

// has says whether something was printed lately.
func (t *tail) has(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.b, []byte(what))
}

// said is what was printed, as the end of an error text.
func (t *tail) said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.b) == 0 {
		return ""
	}
	return "; it said: " + strings.TrimSpace(string(t.b))
}
