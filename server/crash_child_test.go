package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/internal/faultfs"
	"trunkline/store"
)

// crashJob serves on a disk that fails: job is the configuration file, the data directory, and the words of a faultfs.Spec. Commands, a line each:
// "faults SPEC" replaces the faults, "cut" cuts the power while writing, "hold" has the accounts forget nobody from now on, "stop" drains. It ends at the end of its input, too.
func crashJob(job []string, in *bufio.Reader) error {
	cfg := plainConfig(Config{Listen: "127.0.0.1:0", Admin: AdminOff, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	withoutLimits(&cfg)
	if err := cfg.LoadFile(job[0]); err != nil {
		return err
	}
	roots := append([]string{job[1]}, cfg.Journal...)
	disk, err := faultfs.System(strings.Join(job[2:], " "), roots...)
	if err != nil {
		return err
	}
	var people heldPeople
	cfg.Data, cfg.hooks = job[1], &hooks{fs: disk, keeper: quickKeeper, people: people.before}
	s, err := New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }() // ended by cancel
	fmt.Println("ready", s.Addr())
	for {
		line, err := in.ReadString('\n')
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case err != nil || word == "stop":
			cancel()
			return <-done
		case word == "hold":
			people.hold.Store(true)
			fmt.Println("set")
		case word == "cut":
			disk.Cut()
		case word == "faults":
			if err := disk.Set(rest); err != nil {
				return err
			}
			fmt.Println("set")
		default:
			return fmt.Errorf("no command %q", line)
		}
	}
}

// quickKeeper has a process of a few hundred milliseconds flush, begin new segments and truncate the journal, as others do in minutes.
func quickKeeper(o *store.KeeperOptions) {
	o.FlushEvery = 60 * time.Millisecond
	o.JournalBytes = 1 << 20 // segments have an eighth of it
}

// victim is a server process that is going to be killed.
type victim struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string   // of its output
	exited chan struct{} // closed when it has ended
	err    error         // how
	log    *os.File
}

// startVictim starts a server on a data directory; its log is added to a file beside it.
func startVictim(t testing.TB, settings, dir, spec string) *victim {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(filepath.Dir(dir), "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{cmd: exec.Command(self), lines: make(chan string, 16), exited: make(chan struct{}), log: log}
	v.cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{"crash", settings, dir, spec}, " "))
	v.cmd.Stderr = log
	if v.in, err = v.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go v.watch(out) // ends with the process
	return v
}

// watch takes the output, then the end.
func (v *victim) watch(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		v.lines <- lines.Text()
	}
	v.err = v.cmd.Wait()
	_ = v.log.Close() // what it has is written
	close(v.exited)
}

var (
	errVictimEnded  = errors.New("the server has ended")
	errVictimSilent = errors.New("the server says nothing")
)

// expect waits for a line that begins with a word, and returns the rest.
func (v *victim) expect(word string, limit time.Duration) (string, error) {
	select {
	case line := <-v.lines:
		rest, ok := strings.CutPrefix(line, word)
		if !ok {
			return "", fmt.Errorf("the server says %q", line)
		}
		return strings.TrimSpace(rest), nil
	case <-v.exited:
		return "", errVictimEnded
	case <-time.After(limit):
		return "", errVictimSilent
	}
}

// say gives a command; one to a process that has ended is lost.
func (v *victim) say(line string) { _, _ = io.WriteString(v.in, line+"\n") }

// faults replaces the faults of its disk.
func (v *victim) faults(spec string) error {
	v.say("faults " + spec)
	_, err := v.expect("set", patience)
	return err
}

// kill ends the process as kill -9 does, and waits for its end.
func (v *victim) kill() {
	_ = v.cmd.Process.Kill() // it may have ended by itself
	<-v.exited
}

// killed says whether it came to a violent end, by us or by itself.
func (v *victim) killed() bool {
	state, ok := v.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && state.Signaled() && state.Signal() == syscall.SIGKILL
}
