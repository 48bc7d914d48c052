package freebsd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const capacityRun = "capacity/run.sh"

// withServer puts the real program behind a stand-in that answers `tune check` as it is told: 0 fit, 1 short, 2 unknown.
func (s *station) withServer(verdict string) {
	s.t.Helper()
	s.tool("program", "if [ \"$1 $2\" = 'tune check' ]; then echo \"asked: $*\"; exit "+verdict+"; fi\nexec "+theServer(s.t)+" \"$@\"")
	s.tool("vmstat", `
dir=`+absolute(s.t, "testdata")+`
stage=before; [ ! -e "$HERE/seen" ] || stage=after
case $1 in -z) cat "$dir/vmstat-z.$stage" ;; -m) cat "$dir/vmstat-m.$stage"; : > "$HERE/seen" ;; esac`)
}

func (s *station) runArgs(connections string, more ...string) []string {
	return append([]string{"-c", connections, "-p", s.path("program"), "-o", s.path("out"), "-t", "1", "-l", freeAddress(s.t), "-m", freeAddress(s.t)}, more...)
}

func TestAWholeCapacityRun(t *testing.T) {
	if testing.Short() {
		t.Skip("a run takes ten seconds")
	}
	s := newStation(t)
	s.withServer("0")
	s.want(capacityRun, 0, []string{"is the box fit for 60 connections, and for opening them itself?", "all 60 are connected", "tcpcb 1304 200000 3333.333", "everything is in "}, s.runArgs("60", "--", "--loops", "1")...)
	for name, want := range map[string]string{
		"tune.txt": "asked: tune check --connections 60 --outbound 60 --outbound-addresses 1\n", "status.json": `"connections": 60`, "bench.txt": "memory a session", "server.log": "drained, goodbye", "zones.txt": "sum",
	} {
		if text := s.read(filepath.Join("out", name)); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", name, want, text)
		}
	}
	s.untouched()
}

func TestARunNeedsAFitBoxUnlessToldOtherwise(t *testing.T) {
	if testing.Short() {
		t.Skip("a run takes ten seconds")
	}
	s := newStation(t)
	s.withServer("1")
	out := s.want(capacityRun, 1, []string{"asked: tune check", "-f goes on nevertheless"}, s.runArgs("20")...)
	if strings.Contains(out, "connected") {
		t.Errorf("it went on:\n%s", out)
	}
	s.want(capacityRun, 0, []string{"going on nevertheless", "all 20 are connected"}, s.runArgs("20", "-f")...)
}

func TestARunThatFailsUndoesWhatItChanged(t *testing.T) {
	s := newStation(t)
	s.withServer("0")
	s.want(capacityRun, 1, []string{"--loops", "the server ended"}, s.runArgs("60000", "--", "--loops", "9999")...)
	s.untouched()
	if calls := s.read("calls"); strings.Count(calls, " alias\n") != 2 || strings.Count(calls, " -alias\n") != 2 {
		t.Errorf("60,000 connections need two addresses beside the first:\n%s", calls)
	}
	s.withServer("1")
	s.want(capacityRun, 1, []string{"--outbound 60000 --outbound-addresses 3", "-f goes on nevertheless"}, s.runArgs("60000")...)
	s.untouched()
	s.write("refuse-127.0.0.3", "")
	s.want(capacityRun, 1, []string{"127.0.0.3 can't be added", "no source addresses"}, s.runArgs("60000")...)
	s.untouched()
	for _, args := range [][]string{{"-c", "many"}, {"-c", "0"}, {"-x"}, {"-t", "soon"}} {
		s.want(capacityRun, 2, []string{"run.sh [-c CONNECTIONS]"}, args...)
	}
}

const periodic = "periodic/daily/520.trunkline"

func TestTheDailyCheck(t *testing.T) {
	const on = "daily_trunkline_enable=YES daily_trunkline_program=program"
	for _, row := range []struct {
		name, env string
		code      int
		want      string
		not       string
		set       func(s *station)
	}{
		{"off, which is the default", "daily_trunkline_enable=NO", 0, "", "Trunkline", nil},
		{"all is well", on, 0, "Trunkline:\nnothing to report", "zone", nil},
		{"the server does not answer", on, 3, "the server does not answer: nobody there", "nothing to report", func(s *station) { s.tool("program", "echo nobody there; exit 1") }},
		{"the server answers nobody", on + " daily_trunkline_admin=off", 0, "nothing to report", "", func(s *station) { s.tool("program", "exit 1") }},
		{"another admin address", on + " daily_trunkline_admin=127.0.0.1:9", 0, "nothing", "", func(s *station) {
			s.tool("program", "[ \"$*\" = 'status --admin 127.0.0.1:9' ]")
		}},
		{"descriptors run out", on, 3, "descriptors (kern.maxfiles): 250000 of 261000", "sockets", func(s *station) { s.write("sysctl-kern.openfiles", "250000\n") }},
		{"sockets run out", on, 3, "sockets (kern.ipc.maxsockets): 260000 of 261000", "descr", func(s *station) { s.write("sysctl-kern.ipc.numopensockets", "260000\n") }},
		{"later, when told so", on + " daily_trunkline_full_percent=99", 0, "nothing", "", func(s *station) { s.write("sysctl-kern.openfiles", "250000\n") }},
		{"a zone is full and has refused", on, 3, "zone socket: 261000 of 261000\nzone socket: refused 412 times since the boot", "tcpcb", func(s *station) { s.vmstat("refused", "after") }},
		{"the listen queue ran over", on, 1, "listen queue overflows since the boot: 193", "zone", func(s *station) {
			s.tool("netstat", `echo "tcp:"; echo "	193 listen queue overflows"; echo "	0 SYN cache entries"`)
		}},
		{"a percentage that is none", on + " daily_trunkline_full_percent=most", 2, "is not a number: most", "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStation(t)
			s.tool("program", "exit 0")
			s.tool("netstat", `echo "tcp:"; echo "	0 listen queue overflows"`)
			s.env = append(s.env, strings.Fields(row.env)...)
			if row.set != nil {
				row.set(s)
			}
			out := s.want(periodic, row.code, []string{row.want})
			if row.not != "" && strings.Contains(out, row.not) {
				t.Errorf("says %q:\n%s", row.not, out)
			}
		})
	}
}

// shellcheckRequired makes a missing shellcheck a failure: .ci/run sets it where it has installed one.
const shellcheckRequired = "TRUNKLINE_SHELLCHECK_REQUIRED"

func TestShellScriptsAreCleanForShellcheck(t *testing.T) {
	if _, err := command(t, "shellcheck", "--version").Output(); err != nil {
		if os.Getenv(shellcheckRequired) != "" {
			t.Fatalf("shellcheck: %v, and %s is set", err, shellcheckRequired)
		}
		t.Skip("no shellcheck here")
	}
	if out, err := command(t, "sh", absolute(t, "../internal/house/shellcheck.sh")).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
