package freebsd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// station is a folder with stand-ins for FreeBSD's commands, first in PATH, and what they are told to say.
type station struct {
	t   *testing.T
	dir string
	env []string
}

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{t: t, dir: t.TempDir()}
	s.env = append(os.Environ(), "PATH="+s.dir+":"+os.Getenv("PATH"), "TRUNKLINE_ALIASES="+s.path("state"), "HERE="+s.dir)
	if awk, err := exec.LookPath("original-awk"); err == nil { // the awk that FreeBSD has, where it is installed
		s.tool("awk", "exec "+awk+" \"$@\"")
	}
	s.vmstat("before", "")
	// sysctl(8): a file for each name; what is set is written into it, and noted.
	s.tool("sysctl", `
q=; while [ "${1#-}" != "$1" ]; do q=$q$1; shift; done
case "$1" in
*=*) [ ! -e "$HERE/refuse-${1%%=*}" ] || exit 1; echo "sysctl $1" >> "$HERE/calls"; echo "${1#*=}" > "$HERE/sysctl-${1%%=*}" ;;
*) cat "$HERE/sysctl-$1" 2> /dev/null ;;
esac`)
	// ifconfig(8): lo0 with a list of addresses.
	s.tool("ifconfig", `
[ "$1" = lo0 ] || { echo "ifconfig: interface $1 does not exist" >&2; exit 1; }
case "$*" in
"lo0") echo "lo0: flags=1008049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384"; sed 's/.*/	inet & netmask 0xff000000/' "$HERE/inet" ;;
*" -alias") echo "ifconfig $*" >> "$HERE/calls"; grep -vxF "${3%/*}" "$HERE/inet" > "$HERE/inet.new"; mv "$HERE/inet.new" "$HERE/inet" ;;
*" alias") [ ! -e "$HERE/refuse-${3%/*}" ] || { echo "ifconfig: ioctl (SIOCAIFADDR): Permission denied" >&2; exit 1; }
	echo "ifconfig $*" >> "$HERE/calls"; echo "${3%/*}" >> "$HERE/inet" ;;
*) echo "ifconfig: what is $*?" >&2; exit 1 ;;
esac`)
	s.write("inet", "127.0.0.1\n")
	for name, value := range map[string]string{
		"kern.openfiles": "1244", "kern.ipc.numopensockets": "214", "vm.stats.vm.v_wire_count": "100000", "hw.pagesize": "4096", "kern.osrelease": "14.1-RELEASE",
		"net.inet.ip.portrange.first": "49152", "net.inet.ip.portrange.last": "65535", "net.inet.ip.portrange.randomized": "1",
		"kern.maxfiles": "261000", "kern.ipc.maxsockets": "261000",
	} {
		s.write("sysctl-"+name, value+"\n")
	}
	return s
}

func (s *station) path(name string) string { return filepath.Join(s.dir, name) }

func (s *station) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *station) tool(name, text string) {
	s.t.Helper()
	s.write(name, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(s.path(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// vmstat lets vmstat(8) print the recorded tables of a stage.
func (s *station) vmstat(stage, malloc string) {
	s.t.Helper()
	dir := absolute(s.t, "testdata")
	if malloc == "" {
		malloc = stage
	}
	s.tool("vmstat", fmt.Sprintf("case $1 in -z) cat %s/vmstat-z.%s ;; -m) cat %s/vmstat-m.%s ;; *) exit 1 ;; esac", dir, stage, dir, malloc))
}

func (s *station) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(text)
}

// sh runs a script of this folder and returns what it printed and its exit code.
func (s *station) sh(script string, args ...string) (string, int) {
	s.t.Helper()
	cmd := command(s.t, "sh", append([]string{absolute(s.t, script)}, args...)...)
	cmd.Env, cmd.Dir = s.env, s.dir
	out, err := cmd.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); ok {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out), 0
}

func (s *station) want(script string, code int, texts []string, args ...string) string {
	s.t.Helper()
	out, got := s.sh(script, args...)
	if got != code {
		s.t.Errorf("%s %q: exit %d, want %d:\n%s", script, args, got, code, out)
	}
	for _, text := range texts {
		if !strings.Contains(squeezed(out), text) {
			s.t.Errorf("%s %q lacks %q:\n%s", script, args, text, out)
		}
	}
	return out
}

// squeezed makes one space of many, so that a table can be compared without its columns.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

const (
	measure = "capacity/measure.sh"
	aliases = "capacity/aliases.sh"
)

// grown is a box after 100,000 loopback connections: two sockets and two files each, a knote on the server's side only.
func (s *station) grown(stage, malloc string) {
	s.vmstat(stage, malloc)
	s.write("sysctl-kern.openfiles", "201244\n")
	s.write("sysctl-kern.ipc.numopensockets", "200214\n")
	s.write("sysctl-vm.stats.vm.v_wire_count", "230000\n")
}

func TestBytesForEachConnectionByZone(t *testing.T) {
	for _, row := range []struct{ name, before, after string }{
		{"as FreeBSD 14 prints it", "", ""}, {"as FreeBSD 12 prints it", "before12", "after12"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStation(t)
			s.vmstat("before", row.before)
			s.want(measure, 0, nil, "snapshot", "a")
			s.grown("after", row.after)
			s.want(measure, 0, nil, "snapshot", "b")
			s.want(measure, 0, []string{
				"100000 connections, 200000 more sockets, 200000 more files, FreeBSD 14.1-RELEASE",
				"tcpcb 1304 200000 2.000 2608.0\nsocket 1024 200000 2.000 2048.0\nKNOTE 160 100000 1.000 160.0\nFiles 80 200000 2.000 160.0\n",
				"tcp_inpcb ports 32 100000 1.000 32.0\n",
				"filedesc (malloc) 125.8\n", "kqueue (malloc) 8.2\n",
				"wired memory 5324.8",
			}, "compare", "a", "b", "100000")
			out := s.want(measure, 0, []string{"200000 connections, ", "socket 1024 200000 1.000 1024.0"}, "compare", "a", "b")
			if strings.Contains(out, "zio_buf") || strings.Contains(out, "mbuf_cluster") || strings.Contains(out, "CAM") {
				t.Errorf("zones that did not grow are listed:\n%s", out)
			}
		})
	}
}

func TestWhatTheKernelRefusedMeanwhileIsSaid(t *testing.T) {
	s := newStation(t)
	s.want(measure, 0, nil, "snapshot", "a")
	s.grown("refused", "after")
	s.want(measure, 0, nil, "snapshot", "b")
	s.want(measure, 3, []string{"the kernel refused 412 of zone socket meanwhile"}, "compare", "a", "b", "130000")
}

func TestMeasuringRefusesWhatItCanNotMeasure(t *testing.T) {
	s := newStation(t)
	s.want(measure, 0, nil, "snapshot", "a")
	s.want(measure, 1, []string{"no more sockets than before"}, "compare", "a", "a")
	s.want(measure, 1, []string{"none can't be read"}, "compare", "a", "none")
	s.write("other", "hello\n")
	s.want(measure, 1, []string{"other is no snapshot"}, "compare", "a", "other")
	s.want(measure, 1, []string{"can't be written"}, "snapshot", "/nonexistent/x")
	for _, args := range [][]string{nil, {"snapshot"}, {"compare", "a"}, {"compare", "a", "a", "many"}, {"nonsense"}} {
		s.want(measure, 2, []string{"measure.sh snapshot FILE"}, args...)
	}
	s.tool("vmstat", "exit 1")
	s.want(measure, 1, []string{"vmstat -z does not answer"}, "snapshot", "c")
}

func TestAddressesAreAddedAndTakenAwayAgain(t *testing.T) {
	s := newStation(t)
	s.want(aliases, 0, []string{"lo0: 260 addresses from 127.0.0.2 to 127.0.1.5"}, "add", "lo0", "127.0.0.2", "260")
	if n := strings.Count(s.read("inet"), "\n"); n != 261 || !strings.Contains(s.read("inet"), "\n127.0.1.0\n") {
		t.Errorf("%d addresses", n)
	}
	if first, random := s.read("sysctl-net.inet.ip.portrange.first"), s.read("sysctl-net.inet.ip.portrange.randomized"); first != "1024\n" || random != "0\n" {
		t.Errorf("ports from %q, random %q", first, random)
	}
	s.want(aliases, 1, []string{"run `aliases.sh undo' first"}, "add", "lo0", "127.0.0.2", "3")
	s.want(aliases, 0, []string{"undone"}, "undo")
	s.untouched()
	s.want(aliases, 0, []string{"nothing to undo"}, "undo")
}

// untouched holds the box against what it was.
func (s *station) untouched() {
	s.t.Helper()
	got := s.read("inet") + s.read("sysctl-net.inet.ip.portrange.first") + s.read("sysctl-net.inet.ip.portrange.last") + s.read("sysctl-net.inet.ip.portrange.randomized")
	if got != "127.0.0.1\n49152\n65535\n1\n" || s.read("state") != "" {
		s.t.Errorf("left behind: %q, state %q", got, s.read("state"))
	}
}

func TestAddressesThatWereThereStay(t *testing.T) {
	s := newStation(t)
	s.write("inet", "127.0.0.1\n127.0.0.3\n")
	s.want(aliases, 0, []string{"127.0.0.3 already"}, "add", "lo0", "127.0.0.2", "3")
	s.want(aliases, 0, nil, "undo")
	if got := s.read("inet"); got != "127.0.0.1\n127.0.0.3\n" {
		t.Errorf("left %q", got)
	}
}

func TestNothingStaysChangedWhenAnAddressIsRefused(t *testing.T) {
	s := newStation(t)
	s.write("refuse-127.0.0.5", "")
	s.want(aliases, 1, []string{"127.0.0.5 can't be added to lo0; everything is as it was"}, "add", "lo0", "127.0.0.2", "9")
	s.untouched()
	s = newStation(t)
	s.write("refuse-net.inet.ip.portrange.first", "")
	s.want(aliases, 1, []string{"the range of ports can't be set"}, "add", "lo0", "127.0.0.2", "9")
	s.untouched()
}

func TestWhatCanNotBeUndoneIsKeptForLater(t *testing.T) {
	s := newStation(t)
	s.want(aliases, 0, nil, "add", "lo0", "127.0.0.2", "2")
	s.write("refuse-net.inet.ip.portrange.first", "")
	s.want(aliases, 1, []string{"could not be undone: sysctl net.inet.ip.portrange.first 49152"}, "undo")
	if err := os.Remove(s.path("refuse-net.inet.ip.portrange.first")); err != nil {
		t.Fatal(err)
	}
	s.want(aliases, 0, []string{"undone"}, "undo")
	s.untouched()
}

func TestAddressesAreCounted(t *testing.T) {
	s := newStation(t)
	for _, row := range []struct{ want, connections, each string }{
		{"96", "2400000", ""}, {"38", "2400000", "64512"}, {"1", "25000", ""}, {"2", "25001", ""}, {"0", "0", ""},
	} {
		args := []string{"need", row.connections}
		if row.each != "" {
			args = append(args, row.each)
		}
		if out := s.want(aliases, 0, nil, args...); out != row.want+"\n" {
			t.Errorf("%q: %s, want %s", args, out, row.want)
		}
	}
	for _, args := range [][]string{
		nil, {"need"}, {"need", "many"}, {"need", "1", "0"}, {"need", "1000000000000"}, {"undo", "x"}, {"add", "lo0", "127.0.0.2"},
		{"add", "lo0", "127.0.0", "1"}, {"add", "lo0", "127.0.0.256", "1"}, {"add", "lo0", "127.0.0.2", "0"}, {"add", "lo0", "127.0.0.2", "4097"},
	} {
		s.want(aliases, 2, nil, args...)
	}
	s.want(aliases, 1, []string{"there is no interface em7"}, "add", "em7", "10.0.0.1", "1")
	s.untouched()
}
