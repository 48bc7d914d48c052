// Package freebsd_test checks what a FreeBSD operator installs, as far as a machine that is not FreeBSD can: the service script
// against a stand-in for rc.subr(8) and daemon(8) with the real server behind it, the scripts with recorded outputs of FreeBSD's commands,
// the rendered settings against package tuning, and that no shell script has what shellcheck warns of.
// There is no Go program for operators here but freebsd/pkg, which makes the package.
// It refuses to touch the machine: every place is a temporary folder, every command that changes settings is a stand-in.
package freebsd_test

import (
	"errors"
	"net"
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

const (
	commandTimeout = 60 * time.Second // for one run of a script; a start takes one second
	pollInterval   = 20 * time.Millisecond
)

// shellScripts lists every shell script that is shipped or used here.
func shellScripts(t *testing.T) []string {
	t.Helper()
	list := []string{script, "testdata/rc.subr"}
	for _, pattern := range []string{"*.sh", "capacity/*.sh", "periodic/*/*", "port/pkg-*-install"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}

// command is bounded in time, so that a script that waits for ever fails its test.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.WaitDelay = commandTimeout
	return cmd
}

// box is a folder that stands for a FreeBSD machine: the script with its places moved there, and its settings.
type box struct {
	t       *testing.T
	dir     string
	program string // what the script starts
	log     string
	admin   string // where the server answers
	conf    string // rc.conf
}

func newBox(t *testing.T, conf string) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir()}
	b.program = filepath.Join(b.dir, "program")
	b.log = filepath.Join(b.dir, "log")
	b.conf = "trunkline_program=" + b.program + "\n" + conf
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.Replace(string(text), ". /etc/rc.subr", ". "+absolute(t, "testdata/rc.subr"), 1)
	if moved == string(text) {
		t.Fatal("the script does not read rc.subr")
	}
	b.writeFile("program", "#!/bin/sh\nexit 1\n", 0o755)
	b.writeFile("trunkline", b.moved(moved), 0o755)
	return b
}

// moved puts the script's places into the folder, unless rc.subr only prints what it would run.
func (b *box) moved(text string) string {
	if strings.Contains(b.conf, "run: limits") {
		return text
	}
	text = strings.ReplaceAll(text, "/var/run/trunkline", filepath.Join(b.dir, "run"))
	return strings.ReplaceAll(text, "/usr/sbin/daemon", filepath.Join(b.dir, "daemon"))
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func (b *box) writeFile(name, text string, mode os.FileMode) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
}

// service runs a command of the script as service(8) does.
func (b *box) service(arg string) (string, error) {
	b.t.Helper()
	return b.run("trunkline", arg)
}

func (b *box) run(name string, args ...string) (string, error) {
	b.t.Helper()
	b.writeFile("rc.conf", b.conf, 0o600)
	cmd := command(b.t, "sh", append([]string{filepath.Join(b.dir, name)}, args...)...)
	cmd.Env = append(os.Environ(), "TEST_CONF="+filepath.Join(b.dir, "rc.conf"), "PATH="+b.dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *box) must(arg string) string {
	b.t.Helper()
	out, err := b.service(arg)
	if err != nil {
		log, _ := os.ReadFile(b.log) // none is fine
		b.t.Fatalf("%s: %v\n%s\nlog:\n%s", arg, err, out, log)
	}
	return out
}

// useServer builds the server and puts it, and stand-ins for daemon(8), limits(1), id(1) and install(1), into the box.
func (b *box) useServer() {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.Remove(b.program); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Symlink(theServer(b.t), b.program); err != nil {
		b.t.Fatal(err)
	}
	b.admin = freeAddress(b.t)
	b.writeFile("daemon", "#!/bin/sh\n"+standInEnv+"=daemon exec "+self+" \"$@\"\n", 0o755)
	b.writeFile("limits", "#!/bin/sh\n[ \"$1\" = -C ] && shift 2\nexec \"$@\"\n", 0o755)
	b.writeFile("id", "#!/bin/sh\nexit 0\n", 0o755)
	// install -d -o USER -m MODE DIR; install -o USER -m MODE /dev/null FILE: without the user, who is none of this machine.
	b.writeFile("install", "#!/bin/sh\nif [ \"$1\" = -d ]; then mkdir -p \"$6\" && chmod \"$5\" \"$6\"; else : > \"$6\"; fi\n", 0o755)
	b.conf += "trunkline_admin=" + b.admin + "\ntrunkline_datadir=" + filepath.Join(b.dir, "db") + "\ntrunkline_logfile=" + b.log + "\n"
	if !strings.Contains(b.conf, "trunkline_flags") {
		b.conf += "trunkline_flags='--listen 127.0.0.1:0 --loops 1'\n"
	}
	b.conf += "trunkline_start_wait=30\n"
	b.t.Cleanup(b.end)
}

// end leaves nothing running, whatever the test did.
func (b *box) end() {
	for _, name := range []string{"trunkline.pid", "server.pid"} {
		if pid := b.pid(name); pid != "" && alive(pid) {
			b.kill(pid)
		}
	}
}

func (b *box) pid(name string) string {
	text, err := os.ReadFile(filepath.Join(b.dir, "run", name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (b *box) ownPid() string { return strconv.Itoa(os.Getpid()) }

func (b *box) kill(pid string) {
	n, err := strconv.Atoi(pid)
	if err != nil || n < 2 {
		b.t.Fatalf("%q is no pid of ours", pid)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		b.t.Errorf("kill %d: %v", n, err)
	}
}

func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && syscall.Kill(n, 0) == nil
}

func (b *box) until(what string, done func() bool) {
	b.t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	timeout := time.After(commandTimeout)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			b.t.Fatalf("no %s within %s", what, commandTimeout)
		}
	}
}

// wantLog waits until a text stands so often in the logs, the one before a rotation included.
func (b *box) wantLog(text string, times int) {
	b.t.Helper()
	b.until(text+" in the log", func() bool {
		all := ""
		for _, path := range []string{b.log + ".0", b.log} {
			part, err := os.ReadFile(path)
			if err == nil {
				all += string(part)
			}
		}
		return strings.Count(all, text) == times
	})
}

// theServer is bin/trunkline as it is now, built once.
func theServer(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "trunkline-freebsd-")
		if built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "trunkline"), "trunkline/cmd/trunkline").CombinedOutput()
		if err != nil {
			built.err, built.out = err, string(out)
		}
	})
	if errors.Is(built.err, exec.ErrNotFound) {
		t.Skip("no go command to build the server with")
	}
	if built.err != nil {
		t.Fatalf("build the server: %v %s", built.err, built.out)
	}
	return filepath.Join(built.dir, "trunkline")
}

var built struct {
	once     sync.Once
	dir, out string
	err      error
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }() // only its number was wanted
	return ln.Addr().String()
}
