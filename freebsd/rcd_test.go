// Package freebsd_test checks the service script as far as a machine that is not FreeBSD can:
// its syntax, and the command that it hands to rc.subr(8) for settings as rc.conf(5) would give them.
// There is no Go program here; the folder holds files that an operator installs.
// It refuses to start anything: rc.subr is replaced by a few lines that print.
package freebsd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const script = "rc.d/trunkline"

// standIn takes the place of rc.subr: settings come from $CONF, and the command is printed, not run.
const standIn = `
load_rc_config() { . "$CONF"; }
err() { shift; echo "error: $*"; exit 1; }
run_rc_command() {
	eval "user=\$${name}_user"
	eval "flags=\$${name}_flags"
	eval "limits=\$${name}_limits"
	echo "rcvar=$rcvar pidfile=$pidfile procname=$procname"
	echo "user=[$user] flags=[$flags] limits=[$limits]"
	echo "$command $command_args"
}
`

func TestTheScriptIsValidShell(t *testing.T) {
	if out, err := exec.Command("sh", "-n", script).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	info, err := os.Stat(script)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&0o111 == 0 {
		t.Error("the script is not executable")
	}
}

func TestTheScriptBuildsTheCommandFromRcConf(t *testing.T) {
	for _, row := range []struct {
		name, conf string
		want       []string
	}{
		{"defaults", "", []string{
			"rcvar=trunkline_enable pidfile=/var/run/trunkline/trunkline.pid procname=/usr/sbin/daemon",
			"/usr/sbin/daemon -f -P /var/run/trunkline/trunkline.pid -o /var/log/trunkline.log -t trunkline -u trunkline -- " +
				"/usr/local/bin/trunkline serve --data /var/db/trunkline  < /dev/null",
			"user=[] flags=[] limits=[]",
		}},
		{"user, flags and limits", "trunkline_user=chat\ntrunkline_flags='--loops 4 --listen 0.0.0.0:5222'\ntrunkline_limits='-n 1000000'\n", []string{
			"-u chat -- /usr/local/bin/trunkline serve --data /var/db/trunkline --loops 4 --listen 0.0.0.0:5222 < /dev/null",
			"user=[] flags=[] limits=[-n 1000000]", // daemon gets no flags of the server, and starts as root to drop to the user itself
		}},
		{"other places", "trunkline_program=/opt/t\ntrunkline_datadir=/data/t\ntrunkline_logfile=/log/t\n", []string{
			"-o /log/t -t trunkline -u trunkline -- /opt/t serve --data /data/t ",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := runScript(t, row.conf)
			for _, want := range row.want {
				if !strings.Contains(out, want) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
		})
	}
}

func runScript(t *testing.T, conf string) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	const subr = ". /etc/rc.subr"
	if !strings.Contains(string(text), subr) {
		t.Fatalf("the script does not read rc.subr")
	}
	files := map[string]string{
		"rc.subr": standIn, "rc.conf": conf,
		"trunkline": strings.Replace(string(text), subr, ". "+filepath.Join(dir, "rc.subr"), 1),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", filepath.Join(dir, "trunkline"), "start")
	cmd.Env = append(os.Environ(), "CONF="+filepath.Join(dir, "rc.conf"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
