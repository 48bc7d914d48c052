package tuning

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the rendered files in testdata anew; read the difference")

// boxFor is a machine as somebody would buy it for so many connections.
func boxFor(system OS, connections int64) Machine {
	m := Machine{OS: system, Release: Release{14, 1}, Arch: "amd64", Cores: 8, MemoryBytes: 16 << 30, PageBytes: 4096}
	if system == Linux {
		m.Release = Release{6, 12}
	}
	switch {
	case connections > 1_000_000:
		m.Cores, m.MemoryBytes = 24, 128<<30
	case connections > 100_000:
		m.Cores, m.MemoryBytes = 16, 64<<30
	}
	return m
}

// systemsOf are the systems that read a format.
func systemsOf(f Format) []OS {
	if f.OS() != 0 {
		return []OS{f.OS()}
	}
	return []OS{FreeBSD, Linux}
}

func TestRenderedFilesAreAsTheyWere(t *testing.T) {
	for _, connections := range []int64{100_000, 1_000_000, 2_400_000} {
		for _, f := range Formats() {
			for _, system := range systemsOf(f) {
				m := boxFor(system, connections)
				got, err := Render(f, Load{Connections: connections}, m)
				if err != nil {
					t.Fatal(err)
				}
				if again, _ := Render(f, Load{Connections: connections}, m); !bytes.Equal(got, again) {
					t.Errorf("%s: equal input gives two files", f)
				}
				name := filepath.Join("testdata", "render", fmt.Sprint(connections), f.String())
				if f.OS() == 0 {
					name += "." + system.String()
				}
				golden(t, name, got)
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, got, 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what Render writes (go test ./tuning -run Rendered -update writes it anew):\n%s", name, firstDifference(string(got), string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is\n%s\nand was\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("it has %d lines and had %d", len(g), len(w))
}

func randomBox(r *rand.Rand, system OS) (Load, Machine) {
	m := boxFor(system, 0)
	m.Cores = 1 + r.IntN(128)
	m.MemoryBytes = 1<<30 + r.Int64N(1<<40)
	if system == FreeBSD {
		m.Release = Release{13 + r.IntN(3), r.IntN(5)}
	}
	l := Load{Connections: 1 + r.Int64N(1<<uint(1+r.IntN(24)))}
	if r.IntN(3) == 0 {
		l.Outbound, l.OutboundAddresses = 1+r.Int64N(1<<20), 1+r.IntN(100)
	}
	if r.IntN(3) == 0 {
		l.SendBufferBytes, l.ReceiveBufferBytes, l.StalledPerMille = 1+r.Int64N(1<<20), 1+r.Int64N(1<<20), r.Int64N(1000)
	}
	return l, m
}

// The property: each value of a rendered file fits the load and is not worse than what such a box has by itself, and what has no
// line is good enough by itself.
func TestEachRenderedValueFits(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 7))
	for range 300 {
		for _, f := range Formats() {
			for _, system := range systemsOf(f) {
				load, m := randomBox(r, system)
				text, err := Render(f, load, m)
				if err != nil {
					t.Fatalf("seed %d: %+v: %v", seed, load, err)
				}
				complete, err := load.Complete(m)
				if err != nil {
					t.Fatal(err)
				}
				if f != SysctlConf && f != LoaderConf && f != LinuxSysctlD {
					continue
				}
				lines := confLines(text)
				for _, line := range needs(complete, m) {
					l := line.limit
					if !f.takes(l.Kind) || line.need.Count == 0 {
						continue
					}
					got, by := lastOf(lines, l.bootName()), usual(l, m)
					if got.None() {
						got = by
					}
					if !fitsNeed(l, got, line.need) {
						t.Errorf("seed %d: %s for %+v on %+v: %s is %v, and %v is needed", seed, f, load, m, l.Name, got, line.need)
					}
					for i, rule := range l.Rules {
						if rule == AtLeast && !by.None() && got.Numbers[i] < by.Numbers[i] {
							t.Errorf("seed %d: %s lowers %s from %v to %v", seed, f, l.Name, by, got)
						}
						if rule == Any && i < int(got.Count) && got.Numbers[i] == 0 {
							t.Errorf("seed %d: %s sets %s to %v, though nobody judges its number %d", seed, f, l.Name, got, i+1)
						}
					}
				}
			}
		}
	}
}

func TestRenderRefusesTheOtherSystemAndNonsense(t *testing.T) {
	freebsd, linux := boxFor(FreeBSD, 1000), boxFor(Linux, 1000)
	for _, row := range []struct {
		name string
		f    Format
		l    Load
		m    Machine
		want error
	}{
		{"a FreeBSD file for Linux", LoaderConf, Load{Connections: 1000}, linux, ErrFormat},
		{"a Linux file for FreeBSD", Systemd, Load{Connections: 1000}, freebsd, ErrFormat},
		{"no connections", SysctlConf, Load{}, freebsd, ErrLoad},
		{"a million million connections", SysctlConf, Load{Connections: 1e12}, freebsd, ErrLoad},
		{"no memory", SysctlConf, Load{Connections: 1000}, Machine{OS: FreeBSD, Cores: 1, PageBytes: 4096}, ErrMachine},
		{"no system", Shell, Load{Connections: 1000}, Machine{Cores: 1, MemoryBytes: 1 << 30, PageBytes: 4096}, ErrMachine},
	} {
		if _, err := Render(row.f, row.l, row.m); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if _, err := ParseFormat("sysctl.cfg"); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "sysctl.conf, loader.conf") {
		t.Errorf("an unknown format: %v", err)
	}
}

// sysctlStandIn answers `sysctl -n NAME` from a directory with a file for each name, and writes NAME=VALUE into it.
const sysctlStandIn = `#!/bin/sh
while :; do
	case $1 in
	-n) shift; [ -f "$BOX/$1" ] && exec cat "$BOX/$1"; echo "unknown oid '$1'" >&2; exit 1 ;;
	-q | -w) shift ;;
	*=*) echo "$1" >>"$BOX/.log"; echo "${1#*=}" >"$BOX/${1%%=*}"; exit ;;
	*) exit 64 ;;
	esac
done
`

// scriptBox is a box for the rendered script: a directory of values.
type scriptBox struct{ dir, script string }

func newScriptBox(t *testing.T, load Load, m Machine, values map[string]Value) *scriptBox {
	t.Helper()
	text, err := Render(Shell, load, m)
	if err != nil {
		t.Fatal(err)
	}
	b := &scriptBox{dir: t.TempDir()}
	b.script = filepath.Join(b.dir, ".script")
	err = errors.Join(os.WriteFile(b.script, text, 0o755), os.Mkdir(filepath.Join(b.dir, ".bin"), 0o755),
		os.WriteFile(filepath.Join(b.dir, ".bin", "sysctl"), []byte(sysctlStandIn), 0o755))
	for name, v := range values {
		err = errors.Join(err, os.WriteFile(filepath.Join(b.dir, name), []byte(strings.ReplaceAll(v.text(greatest), " ", "\t")+"\n"), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run answers whether the script ended well, and what it wrote.
func (b *scriptBox) run(t *testing.T) (good bool, out, log string) {
	t.Helper()
	cmd := exec.Command("sh", b.script)
	cmd.Env = append(os.Environ(), "BOX="+b.dir, "PATH="+filepath.Join(b.dir, ".bin")+":"+os.Getenv("PATH"))
	text, err := cmd.CombinedOutput()
	written, _ := os.ReadFile(filepath.Join(b.dir, ".log")) // nothing was written: no file
	_ = os.Remove(filepath.Join(b.dir, ".log"))
	return err == nil, string(text), string(written)
}

func TestTheScriptRaisesWhatIsTooSmallAndLowersNothing(t *testing.T) {
	for _, system := range []OS{FreeBSD, Linux} {
		t.Run(system.String(), func(t *testing.T) {
			load, m := Load{Connections: 5000}, boxFor(system, 1000) // few: the descriptor limit of the machine of the test must allow them
			complete, err := load.Complete(m)
			if err != nil {
				t.Fatal(err)
			}
			fine, worse, better := map[string]Value{}, map[string]Value{}, map[string]Value{}
			lines := needs(complete, m)
			for _, line := range lines {
				l, v := line.limit, line.value
				fine[l.Name], worse[l.Name], better[l.Name] = v, v, v
				if l.Kind == Sysctl {
					worse[l.Name], better[l.Name] = around(l, v)
				}
			}
			for what, values := range map[string]map[string]Value{"fits": fine, "is better than needed": better} {
				if good, out, log := newScriptBox(t, load, m, values).run(t); !good || log != "" {
					t.Errorf("where all %s it writes %q, says %q and ends well: %v", what, log, out, good)
				}
			}
			good, out, log := newScriptBox(t, load, m, worse).run(t)
			if !good {
				t.Errorf("where nothing fits it says %q", out)
			}
			written := confLines([]byte(log))
			for _, line := range lines {
				got := lastOf(written, line.limit.Name)
				if line.limit.Kind == Sysctl && worse[line.limit.Name] != line.value && !fitsNeed(line.limit, got, line.need) {
					t.Errorf("%s was %v and is set to %v, %v is needed", line.limit.Name, worse[line.limit.Name], got, line.need)
				}
			}
		})
	}
}

// around is a value that does not fit where v is needed, if there is one, and one that is better.
func around(l *Limit, v Value) (worse, better Value) {
	worse, better = v, v
	for i := range v.Count {
		switch l.Rules[i] {
		case AtLeast:
			worse.Numbers[i], better.Numbers[i] = max(v.Numbers[i]/2, 0), v.Numbers[i]*2
		case AtMost:
			worse.Numbers[i], better.Numbers[i] = v.Numbers[i]+1, v.Numbers[i]/2
		}
	}
	return worse, better
}

func TestTheScriptSaysWhatNeedsAReboot(t *testing.T) {
	load, m := Load{Connections: 5000}, boxFor(FreeBSD, 1000)
	complete, err := load.Complete(m)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]Value{}
	for _, line := range needs(complete, m) {
		values[line.limit.Name] = line.value
	}
	const name = "net.inet.tcp.syncache.hashsize"
	values[name] = Number(2)
	good, out, log := newScriptBox(t, load, m, values).run(t)
	if good || log != "" || !strings.Contains(out, name+" is 2, ") || !strings.Contains(out, "in loader.conf and reboot") {
		t.Errorf("it writes %q, says %q and ends well: %v", log, out, good)
	}
}
