//go:build linux || freebsd || darwin

package netpoll

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv names what a process that a test has started of this very binary is to do.
const childEnv = "TRUNKLINE_NETPOLL_CHILD"

// child is another process that runs one test of this binary; it ends when its standard input closes.
type child struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Scanner
}

// startChild runs the test of that name, which does the child's work there and skips elsewhere.
func startChild(t testing.TB, name string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		rest, _ := io.ReadAll(stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child process: %v\n%s", err, rest)
		}
	})
	return &child{t, stdin, bufio.NewScanner(stdout)}
}

// says waits for a line of the child that begins so and returns the rest.
func (c *child) says(prefix string) string {
	c.t.Helper()
	for c.out.Scan() {
		if rest, ok := strings.CutPrefix(c.out.Text(), prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	c.t.Fatalf("the child ended without saying %q", prefix)
	return ""
}

// dial has a TestChildClient open n more connections.
func (c *child) dial(addr string, n int) {
	c.t.Helper()
	_, err := fmt.Fprintln(c.in, addr, n)
	must(c.t, err)
	c.says("DIALED")
}

// isChild says whether this process is the child of that name.
func isChild(name string) bool { return os.Getenv(childEnv) == name }

// TestChildClient opens connections as it is told and keeps them, for other tests and benchmarks.
func TestChildClient(t *testing.T) {
	if !isChild(t.Name()) {
		t.Skip("runs as the child process of other tests only")
	}
	for {
		var addr string
		var n int
		if _, err := fmt.Fscanln(os.Stdin, &addr, &n); err != nil {
			return // the parent has what it wanted; the connections end with this process
		}
		for range n {
			takeFD(t, dialTo(t, addr))
		}
		fmt.Println("DIALED")
	}
}

// openFilesMax is how many descriptors this process may have.
func openFilesMax() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(limit.Cur)
}

// awaitParent blocks until the parent closes our standard input.
func awaitParent() { _, _ = io.Copy(io.Discard, os.Stdin) }
