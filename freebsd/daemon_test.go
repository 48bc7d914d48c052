package freebsd_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// standInEnv turns the test binary into daemon(8).
const standInEnv = "TRUNKLINE_STAND_IN"

func TestMain(m *testing.M) {
	if os.Getenv(standInEnv) != "" {
		if err := daemon(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "daemon:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // a folder of ours in the temporary one
	}
	os.Exit(code)
}

// supervisor does what daemon(8) does with the flags that the service script gives it. On SIGTERM it hands the signal on and leaves
// without waiting for the child, as daemon(8) of FreeBSD 13 does: then nobody reads what the child still prints.
type supervisor struct {
	delay           time.Duration
	ownPid, kidPid  string
	logPath         string
	mu              sync.Mutex // guards log
	log             *os.File
	terminated, hup chan os.Signal
	args            []string
}

func daemon(args []string) error {
	s := &supervisor{terminated: make(chan os.Signal, 1), hup: make(chan os.Signal, 1)}
	fs := flag.NewFlagSet("daemon", flag.ContinueOnError)
	closeFds, reopen := fs.Bool("f", false, ""), fs.Bool("H", false, "")
	delay := fs.Int("R", 0, "")
	fs.StringVar(&s.ownPid, "P", "", "")
	fs.StringVar(&s.kidPid, "p", "", "")
	fs.StringVar(&s.logPath, "o", "", "")
	_, _ = fs.String("t", "", ""), fs.String("u", "", "") // a title, and a user who is none of this machine
	if err := fs.Parse(args); err != nil {
		return err
	}
	if !*closeFds || !*reopen || fs.NArg() == 0 {
		return fmt.Errorf("want -f, -H and a command, got %q", args)
	}
	s.delay, s.args = time.Duration(*delay)*time.Second, fs.Args()
	if os.Getenv(standInEnv) == "daemon" {
		return detach(s.ownPid)
	}
	return s.run()
}

// detach starts this program again, in a session of its own, and returns when its pid file is there.
func detach(pidfile string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), standInEnv+"=detached")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		return fmt.Errorf("%s was not written: %w", pidfile, err)
	}
	return nil
}

func (s *supervisor) run() error {
	signal.Notify(s.terminated, syscall.SIGTERM)
	signal.Notify(s.hup, syscall.SIGHUP)
	if err := s.open(); err != nil {
		return err
	}
	if err := os.WriteFile(s.ownPid, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	defer func() { _, _ = os.Remove(s.ownPid), os.Remove(s.kidPid) }() // gone with the process, as pidfile_remove(3) does it
	for first := true; ; first = false {
		again, err := s.once(first)
		if err != nil || !again || s.delay == 0 {
			return err
		}
		select {
		case <-s.terminated:
			return nil
		case <-time.After(s.delay):
		}
	}
}

// once runs the command. again is true when it ended by itself.
func (s *supervisor) once(first bool) (again bool, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return false, err
	}
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return false, err
	}
	_ = w.Close() // the child has it
	if err := os.WriteFile(s.kidPid, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return false, err
	}
	if first {
		fmt.Println("started")
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.copy(r); _ = cmd.Wait() }() // ends with the child, or with this process
	for {
		select {
		case <-ended:
			return true, nil
		case <-s.terminated:
			return false, cmd.Process.Signal(syscall.SIGTERM)
		case <-s.hup:
			if err := s.open(); err != nil {
				return false, err
			}
		}
	}
}

func (s *supervisor) open() error {
	f, err := os.OpenFile(s.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		_ = s.log.Close() // nothing is buffered
	}
	s.log = f
	return err
}

func (s *supervisor) copy(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		s.mu.Lock()
		fmt.Fprintln(s.log, lines.Text())
		s.mu.Unlock()
	}
}
