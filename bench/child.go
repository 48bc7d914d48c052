package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A child is a process that this one started and talks with over its standard input and output: one line each way.
//
//	child:  {"addr":"127.0.0.1:41234"}            once, when it is ready ("error" instead when it can't be)
//	parent: stat                                  child: one JSON object, see childStat
//	parent: settle                                child: the same, after collecting garbage and giving memory back
//	parent: grow N                                child: the same; connections are made meanwhile (workers only)
//	parent: logins                                child: login latencies (workers only)
//	parent: prepare                               child: the same; flights are made meanwhile (workers only)
//	parent: leave                                 child: the same; all sessions are cut, the next come by ticket (workers only)
//	parent: storm N                               child: the same; all sessions are cut and come back, N a second (workers only)
//	parent: end of input                          child ends
//
// bench/peers speaks it too, so that foreign servers can be compared.

// childHello is a child's first line.
type childHello struct {
	Addr  string `json:"addr"`
	Error string `json:"error,omitempty"`
}

// childStat is what a child answers.
type childStat struct {
	CPUNanos    int64  `json:"cpu_ns"`
	RSSBytes    int64  `json:"rss_bytes"`
	Connections int    `json:"connections"`       // open now
	Ready       int    `json:"ready"`             // workers: logged in
	Failed      int    `json:"failed"`            // workers: closed or refused
	Logins      []byte `json:"logins,omitempty"`  // workers: login latency as an encoded histogram
	Crowd       Crowd  `json:"crowd"`             // workers: of encrypted sessions
	Held        int    `json:"held"`              // crowds: connections that were made, or are to be made
	Talk        Talk   `json:"talk"`              // crowds: what was said and heard
	Closed      Closed `json:"closed"`            // crowds: sessions that the server has closed
	Failure     string `json:"failure,omitempty"` // workers: the first thing that went wrong with a session
	Error       string `json:"error,omitempty"`
}

// child is the parent's end.
type child struct {
	name  string
	addr  string // what it listens on; "" for workers
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	outFD deadliner
	tail  *tail

	patience time.Duration // how long an answer may take; 0: startTimeout
}

type deadliner interface{ SetReadDeadline(time.Time) error }

// startChild runs a program that speaks the protocol above and waits until it is ready. The child is killed when ctx
// ends; stop ends it in good order.
func startChild(ctx context.Context, name, program string, args ...string) (*child, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	c := &child{name: name, cmd: cmd, tail: &tail{}}
	cmd.Stderr = c.tail
	cmd.SysProcAttr = ownGroup()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrServer, name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrServer, name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: start %s: %w", ErrServer, name, err)
	}
	c.in, c.out = in, bufio.NewScanner(out)
	c.out.Buffer(make([]byte, 0, childLineBytesMax), childLineBytesMax)
	c.outFD, _ = out.(deadliner)
	var hello childHello
	if err := c.read(&hello); err != nil {
		return nil, err
	}
	if hello.Error != "" {
		c.stop()
		return nil, fmt.Errorf("%w: %s: %s", ErrServer, name, hello.Error)
	}
	c.addr = hello.Addr
	return c, nil
}

// ask sends one command and reads its answer.
func (c *child) ask(command string) (childStat, error) {
	if _, err := io.WriteString(c.in, command+"\n"); err != nil {
		return childStat{}, c.gone(err)
	}
	var st childStat
	if err := c.read(&st); err != nil {
		return st, err
	}
	if st.Error != "" {
		return st, fmt.Errorf("%w: %s: %s", ErrGenerator, c.name, st.Error)
	}
	return st, nil
}

// gone ends a child that does not answer and says what it printed, all of which has come once it has ended.
func (c *child) gone(err error) error {
	c.stop()
	return fmt.Errorf("%w: %s does not answer: %w%s", ErrServer, c.name, err, c.tail.said())
}

// read takes one line; a child that says nothing for startTimeout, or its own patience, is given up.
func (c *child) read(v any) error {
	if c.outFD != nil {
		_ = c.outFD.SetReadDeadline(time.Now().Add(max(c.patience, startTimeout)))
	}
	if !c.out.Scan() {
		err := c.out.Err()
		if err == nil {
			err = errors.New("it ended")
		}
		return c.gone(err)
	}
	if err := json.Unmarshal(c.out.Bytes(), v); err != nil {
		return fmt.Errorf("%w: %s answered %q: %w", ErrServer, c.name, c.out.Text(), err)
	}
	return nil
}

// stop closes the child's input, which ends it, and waits; a child that does not end is killed. Safe to call twice.
func (c *child) stop() {
	_ = c.in.Close()
	endProcess(c.cmd, stopTimeout)
}

// endProcess waits for a process that was asked to end, and kills it when it takes longer than the limit.
func endProcess(cmd *exec.Cmd, limit time.Duration) {
	kill := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // its exit status says nothing about the measurement
	kill.Stop()
}

// ownGroup keeps a terminal's Ctrl-C from the child: the parent ends it when it has stopped measuring.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// tail keeps the last bytes that a process printed, to explain why it failed.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write keeps the end of what was written so far.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - logTailBytesMax; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
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

// answerer is the child's side of the protocol: what it does with a command.
type answerer interface {
	// stat fills in what the child counts beside CPU and memory.
	stat(st *childStat)
	// grow begins to make connections until there are n of them. Servers answer with an error.
	grow(n int) error
	// logins hands out the login latencies so far. Servers answer with an error.
	logins() ([]byte, error)
}

// stormer is an answerer whose sessions can be cut and come back.
type stormer interface {
	prepare() error
	leave() error
	storm(perSecond int) error
}

// commander is an answerer with commands of its own; what they answer it puts into st.
type commander interface {
	command(line string, st *childStat) error
}

// serveParent answers commands until the input ends. ready is the first line.
func serveParent(ready childHello, a answerer, stdin io.Reader, stdout io.Writer) error {
	enc := json.NewEncoder(stdout)
	if err := enc.Encode(ready); err != nil {
		return err
	}
	lines := bufio.NewScanner(stdin)
	lines.Buffer(make([]byte, 0, childLineBytesMax), childLineBytesMax)
	for lines.Scan() {
		if err := enc.Encode(obey(lines.Text(), a)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// obey runs one command.
func obey(line string, a answerer) (st childStat) {
	var n int
	var err error
	switch {
	case line == "stat":
	case line == "settle":
		giveBackMemory()
	case line == "logins":
		st.Logins, err = a.logins()
	case scanned(line, "grow %d", &n):
		err = a.grow(n)
	default:
		if c, ok := a.(commander); ok {
			err = c.command(line, &st)
			break
		}
		err = obeyStorm(line, a)
	}
	var u usage
	if err == nil {
		u, err = ownUsage()
	}
	if err != nil {
		st.Error = err.Error()
		return st
	}
	st.CPUNanos, st.RSSBytes = int64(u.CPU), u.RSSBytes
	a.stat(&st)
	return st
}

// obeyStorm runs a command that only stormers take.
func obeyStorm(line string, a answerer) error {
	s, ok := a.(stormer)
	var n int
	switch {
	case ok && line == "prepare":
		return s.prepare()
	case ok && line == "leave":
		return s.leave()
	case ok && scanned(line, "storm %d", &n):
		return s.storm(n)
	}
	return fmt.Errorf("%w: unknown command %q", ErrInput, line)
}

// scanned reads a number out of a command; false when it is another command.
func scanned(line, format string, n *int) bool {
	_, err := fmt.Sscanf(line, format, n)
	return err == nil
}

// selfPath is the program to start again.
func (e Env) selfPath() (string, error) {
	if e.Executable != "" {
		return e.Executable, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("%w: find the own program: %w", ErrServer, err)
	}
	return path, nil
}
