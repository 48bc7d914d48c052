package freebsd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const script = "rc.d/trunkline"

// printing takes the place of running: what rc.subr would hand to the shell is printed by it.
const printing = `
limits() { echo "run: limits $*"; }
id() { [ "$2" != nobody-knows ]; }
install() { echo "install $*"; }
`

func TestTheScriptIsValidShellAndExecutable(t *testing.T) {
	for _, path := range shellScripts(t) {
		out, err := command(t, "sh", "-n", path).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 && !strings.HasSuffix(path, "rc.subr") {
			t.Errorf("%s is not executable", path)
		}
	}
}

func TestTheScriptStartsDaemonWithTheServerBehindIt(t *testing.T) {
	const head = "run: limits -C daemon /usr/sbin/daemon -f -H -R 5 -P /var/run/trunkline/trunkline.pid -p /var/run/trunkline/server.pid "
	for _, row := range []struct {
		name, conf string
		want       []string
	}{
		{"defaults", "", []string{
			head + "-o /var/log/trunkline.log -t trunkline -u trunkline -- PROGRAM serve --data /var/db/trunkline\n",
			"install -d -o root -m 0755 /var/run/trunkline", "install -d -o trunkline -m 0700 /var/db/trunkline",
		}},
		{"user, flags and an admin address", "trunkline_user=chat\ntrunkline_flags='--loops 4 --listen 0.0.0.0:5222'\ntrunkline_admin=127.0.0.1:1\n", []string{
			"-u chat -- PROGRAM serve --data /var/db/trunkline --admin 127.0.0.1:1 --loops 4 --listen 0.0.0.0:5222\n",
		}},
		{"limits apply behind daemon, which takes the user's login class and forgets those before it", "trunkline_limits='-n 1000000'\n", []string{
			"run: limits -C daemon /usr/sbin/daemon -f ", "-u trunkline -- /usr/bin/limits -n 1000000 PROGRAM serve ",
		}},
		{"no restarts", "trunkline_restart_delay=NO\n", []string{"daemon -f -H -P /var/run/trunkline/trunkline.pid -p "}},
		{"slow restarts", "trunkline_restart_delay=60\n", []string{"daemon -f -H -R 60 -P "}},
		{"a login class for limits(1)", "trunkline_login_class=trunkline\n", []string{"run: limits -C trunkline /usr/sbin/daemon "}},
		{"other places", "trunkline_datadir=/data/t\ntrunkline_logfile=/log/t\n", []string{
			"-o /log/t -t trunkline -u trunkline -- PROGRAM serve --data /data/t\n", "install -o trunkline -m 0640 /dev/null /log/t",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBox(t, printing+"trunkline_enable=YES\ntrunkline_start_wait=0\n"+row.conf)
			out := b.must("start")
			for _, want := range row.want {
				if want = strings.ReplaceAll(want, "PROGRAM", b.program); !strings.Contains(out, want) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
		})
	}
}

func TestTheScriptStartsNothingThatIsNotWanted(t *testing.T) {
	for _, row := range []struct{ name, conf, want string }{
		{"not enabled", "", "Set trunkline_enable to YES"},
		{"a user that does not exist", "trunkline_enable=YES\ntrunkline_user=nobody-knows\n", "pw useradd nobody-knows"},
		{"a program that is not there", "trunkline_enable=YES\ntrunkline_program=/nonexistent/t\n", "/nonexistent/t is not readable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, _ := newBox(t, printing+row.conf).service("start")
			if !strings.Contains(out, row.want) || strings.Contains(out, "run:") {
				t.Errorf("want %q and nothing run, got:\n%s", row.want, out)
			}
		})
	}
}

func TestStandardInputOfTheServerIsEmpty(t *testing.T) {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	args := string(text)[strings.Index(string(text), "command_args="):]
	if args, _, _ = strings.Cut(args, "\n\n"); !strings.HasSuffix(args, `< /dev/null"`) || !strings.HasPrefix(args, `command_args="-f `) {
		t.Errorf("daemon is not told to read nothing:\n%s", args)
	}
}

func TestCommandsForAServerThatDoesNotRunSaySo(t *testing.T) {
	b := newBox(t, "trunkline_enable=YES\n")
	for _, row := range []struct{ arg, want string }{
		{"stop", "not running? (check "}, {"reload", "not running? (check "}, {"upgrade", "not running? (check "}, {"status", "trunkline is not running."},
	} {
		out, err := b.service(row.arg)
		if err == nil || !strings.Contains(out, row.want) {
			t.Errorf("%s: error %v, output:\n%s", row.arg, err, out)
		}
	}
}

// The commands in the order in which an operator meets them, with the real server and a stand-in for daemon(8).
func TestTheServiceThroughItsLife(t *testing.T) {
	b := newBox(t, "trunkline_enable=YES\n")
	b.useServer()
	b.must("start")
	b.wantLog("  chat    127.0.0.1:", 1) // what the server prints is in the log
	if out := b.must("status"); !strings.Contains(out, "is running as pid ") || !strings.Contains(out, "connections") {
		t.Errorf("status without an answer of the server:\n%s", out)
	}
	if out, err := b.service("start"); err == nil || !strings.Contains(out, "already running?") {
		t.Errorf("a second start: %v\n%s", err, out)
	}
	if err := os.Rename(b.log, b.log+".0"); err != nil { // as newsyslog does
		t.Fatal(err)
	}
	if out := b.must("reload"); !strings.Contains(out, "is opened anew") {
		t.Errorf("reload:\n%s", out)
	}
	if out, err := b.service("upgrade"); err == nil || !strings.Contains(out, "has no command upgrade") || !strings.Contains(out, "trunkline 0.") {
		t.Errorf("upgrade of a program that has none: %v\n%s", err, out)
	}
	first := b.pid("server.pid")
	b.must("restart")
	if again := b.pid("server.pid"); again == first || again == "" {
		t.Errorf("restart left pid %q in place of %q", again, first)
	}
	b.wantLog("drained, goodbye", 1) // the first server drained to its end: it was not killed by a log that nobody reads
	b.must("stop")
	b.wantLog("drained, goodbye", 2)
	if out, err := b.service("status"); err == nil || !strings.Contains(out, "is not running") {
		t.Errorf("status after a stop: %v\n%s", err, out)
	}
}

func TestAStartThatFailsSaysWhy(t *testing.T) {
	b := newBox(t, "trunkline_enable=YES\ntrunkline_flags='--loops 9999'\ntrunkline_restart_delay=600\n")
	b.useServer()
	out, err := b.service("start")
	if err == nil || !strings.Contains(out, "the server ended") || !strings.Contains(out, "--loops") {
		t.Errorf("start with a wrong flag: %v\n%s", err, out)
	}
	if out, err := b.service("status"); err == nil || !strings.Contains(out, "is about to start it anew") {
		t.Errorf("status while daemon waits: %v\n%s", err, out)
	}
	b.must("stop") // while daemon(8) waits to start the server anew
	if out, err := b.service("status"); err == nil || !strings.Contains(out, "trunkline is not running.") {
		t.Errorf("status after the stop: %v\n%s", err, out)
	}
}

func TestDaemonStartsAServerAnewThatDied(t *testing.T) {
	b := newBox(t, "trunkline_enable=YES\ntrunkline_restart_delay=1\n")
	b.useServer()
	b.must("start")
	first := b.pid("server.pid")
	b.kill(first)
	b.until("another server", func() bool { now := b.pid("server.pid"); return now != "" && now != first })
	b.until("an answer", func() bool { _, err := b.service("status"); return err == nil })
	b.must("stop")
}

func TestAServerWithoutItsSupervisorIsStopped(t *testing.T) {
	b := newBox(t, "trunkline_enable=YES\n")
	b.useServer()
	b.must("start")
	server := b.pid("server.pid")
	b.kill(b.pid("trunkline.pid"))
	b.until("no supervisor", func() bool {
		out, _ := b.service("status")
		return strings.Contains(out, "daemon(8), which supervised it, is gone")
	})
	b.must("stop")
	if alive(server) {
		t.Error("the server still runs")
	}
}

// A program that has the command is asked to upgrade, and the answer is its own.
func TestUpgradeIsLeftToTheProgram(t *testing.T) {
	b := newBox(t, "trunkline_enable=YES\ntrunkline_admin=127.0.0.1:7\n")
	b.writeFile("program", "#!/bin/sh\ncase \"$*\" in\n'help upgrade') exit 0 ;;\nupgrade*) echo \"asked: $*\"; exit 4 ;;\nesac\n", 0o755)
	b.writeFile("run/trunkline.pid", b.ownPid(), 0o644)
	out, err := b.service("upgrade")
	if err == nil || !strings.Contains(out, "asked: upgrade --admin 127.0.0.1:7") {
		t.Errorf("upgrade: %v\n%s", err, out)
	}
}

// rc.subr replaces the command by NAME_program and undoes what daemon(8) needs to be root for: those names must be empty for it.
func TestNamesThatMeanSomethingToRcSubrAreTaken(t *testing.T) {
	b := newBox(t, printing+"trunkline_enable=YES\ntrunkline_start_wait=0\n")
	text, err := os.ReadFile(filepath.Join(b.dir, "trunkline"))
	if err != nil {
		t.Fatal(err)
	}
	end := strings.Index(string(text), "extra_commands=")
	b.writeFile("names", string(text)[:end]+"\necho \"[$trunkline_program$trunkline_flags$trunkline_user$trunkline_limits]\"\n", 0o755)
	b.conf += "trunkline_program=/p\ntrunkline_flags=f\ntrunkline_user=u\ntrunkline_limits=l\n"
	if out, err := b.run("names"); err != nil || strings.TrimSpace(out) != "[]" {
		t.Errorf("%v: rc.subr would find %s", err, out)
	}
}
