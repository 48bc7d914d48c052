package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/tuning"
)

// boxFile writes a machine down that holds 100,000 connections, changed by change.
func boxFile(t *testing.T, change func(*tuning.Fixture)) string {
	t.Helper()
	m := tuning.Machine{OS: tuning.FreeBSD, Release: tuning.Release{Major: 14, Minor: 1}, Arch: "amd64", Cores: 8, MemoryBytes: 16 << 30, PageBytes: 4096}
	load, err := tuning.Load{Connections: 100_000}.Complete(m)
	if err != nil {
		t.Fatal(err)
	}
	f := &tuning.Fixture{Box: m, Values: map[string]tuning.Value{}, Refusals: map[string]error{}}
	limits := tuning.Limits(m.OS)
	for i := range limits {
		if need := limits[i].Need(load, m); !need.None() && limits[i].Kind != tuning.PerSocket {
			f.Values[limits[i].Name] = need
		}
	}
	change(f)
	file := filepath.Join(t.TempDir(), "box.json")
	if err := tuning.WriteFixture(file, f); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheExitStatusOfCheckSaysWhetherItFits(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*tuning.Fixture)
		code   int
		want   string
	}{
		{"all as needed", func(*tuning.Fixture) {}, 0, "\nfit\n"},
		{"something to be advised", func(f *tuning.Fixture) { f.Values["net.inet.tcp.syncookies"] = tuning.Number(0) }, 0, "fit (1 to be advised)"},
		{"advice that can't be read", func(f *tuning.Fixture) { f.Refusals["net.inet.tcp.syncookies"] = tuning.ErrPermission }, 0, "fit (1 unknown)"},
		{"too few files", func(f *tuning.Fixture) { f.Values["kern.maxfiles"] = tuning.Number(99) }, 1, "NOT FIT: 1 limit is SHORT"},
		{"a limit that is required and can't be read", func(f *tuning.Fixture) { f.Refusals["kern.maxfiles"] = tuning.ErrPermission }, 2, "CAN'T TELL"},
		{"too few files, and something that can't be read", func(f *tuning.Fixture) {
			f.Values["kern.maxfiles"] = tuning.Number(99)
			f.Refusals["kern.ipc.maxsockets"] = tuning.ErrPermission
		}, 1, "NOT FIT: 1 limit is SHORT (1 unknown"},
	} {
		file := boxFile(t, row.change)
		r := runBinary(t, "tune", "check", "--connections", "100000", "--from", file)
		if r.code != row.code || !strings.Contains(r.stdout, row.want) || r.stderr != "" {
			t.Errorf("%s: %+v; want exit status %d and %q", row.name, r, row.code, row.want)
		}
		r = runBinary(t, "tune", "check", "--connections", "100000", "--from", file, "--json")
		var doc struct {
			Schema  int    `json:"schema"`
			Verdict string `json:"verdict"`
			Limits  []struct{ Name, Verdict string }
		}
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.Schema != 1 || len(doc.Limits) < 20 {
			t.Errorf("%s: %v: %s", row.name, err, r.stdout)
		}
		if code := map[string]int{"fit": 0, "advice": 0, "short": 1, "unknown": 2}[doc.Verdict]; r.code != row.code || code != row.code {
			t.Errorf("%s: --json ends with %d and says %q, want %d", row.name, r.code, doc.Verdict, row.code)
		}
	}
}

func TestCheckThatCanNotTellEndsWithTwo(t *testing.T) {
	oneLineWith(t, runBinary(t, "tune", "check", "--connections", "1000", "--from", filepath.Join(t.TempDir(), "no")), 2, "no such file")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	cmd := exec.Command(binary, "tune", "check", "--connections", "1000", "--from", boxFile(t, func(*tuning.Fixture) {}))
	cmd.Stdout = full
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("a report that could not be written: %v", err)
	}
}

func TestWrongFlagsOfTuneAreOneLine(t *testing.T) {
	other, format := "linux", "loader.conf"
	if runtime.GOOS == "freebsd" {
		other, format = "freebsd", "systemd"
	}
	dir := t.TempDir()
	for _, row := range []struct {
		args string
		want string
	}{
		{"", "say what to do: check, plan, render, apply, watch, record"},
		{"chek", `"chek" is none of check`},
		{"check", "--connections N"},
		{"check --connections 0", "--connections: 0 is not 1 to 1073741824"},
		{"check --connections -5", "--connections: -5 is not"},
		{"check --connections 1000000000000", "--connections: 1000000000000 is not"},
		{"check --connections 1e6", `--connections: "1e6" is not a whole number`},
		{"check --connections 99999999999999999999", "is out of range"},
		{"check --connections", "a value is missing behind --connections"},
		{"check --connections 10 more", `"more" is not a flag`},
		{"check --connections 10 --loops 1000", "loops is 1000"},
		{"check --connections 10 --send-buffer 5XB", "--send-buffer"},
		{"check --connections 10 --pid -1", "there is no process -1"},
		{"check --connections 10 --pid 1 --from x", "exclude each other"},
		{"check --connections 10 --nonsense", "unknown flag --nonsense"},
		{"plan --connections 0", "--connections: 0"},
		{"render --connections 10", "say which file: --format"},
		{"render --connections 10 --format sysctl.cfg", `--format: "sysctl.cfg" is none of sysctl.conf, loader.conf`},
		{"render --connections 10 --format " + format, format + " is read by "},
		{"render --connections 10 --format " + format + " --os " + other, "--format " + format + " is read by "},
		{"render --connections 10 --format sh --os plan9", `--os: "plan9"`},
		{"render --connections 10 --format sh --release x", `--release: "x"`},
		{"render --connections 10 --format sh --cores 0", "--cores: 0"},
		{"render --connections 10 --format sh --memory 5", "--memory: 5"},
		{"apply", "--connections N"},
		{"apply --connections 10 --cores 4", "--cores describes the box of an image"},
		{"apply --undo --lower", "--lower says nothing with --undo"},
		{"apply --undo --connections 10", "--connections says nothing with --undo"},
		{"apply --connections 10 --root=", "--root: it is no directory"},
		{"watch --interval 1ms", "--interval: 1ms is not 100ms to 24h"},
		{"watch --interval x", "--interval"},
		{"watch --count 0", "--count: 0 is not 1 or more"},
		{"record", "say into which file"},
	} {
		args := append([]string{"tune"}, strings.Fields(row.args)...)
		oneLineWith(t, runBinary(t, args...), exitUsage, row.want)
	}
	oneLineWith(t, runBinary(t, "tune", "apply", "--connections", "10", "--root", filepath.Join(dir, "no")), exitFailed, "no such file")
	oneLineWith(t, runBinary(t, "tune", "record", dir), exitFailed, "is there already")
}

func TestEachVerbOfTuneHasHelp(t *testing.T) {
	for _, v := range tuneVerbs() {
		r := runBinary(t, "tune", v.name, "--help")
		if r.code != exitOK || r.stderr != "" || !strings.HasPrefix(r.stdout, "Usage: trunkline tune "+v.name) || !strings.Contains(r.stdout, "Exit status") {
			t.Errorf("%s: %+v", v.name, r)
		}
	}
	if r := runBinary(t, "tune", "--help"); r.code != exitOK || r.stdout != tuneHelp {
		t.Errorf("%+v", r)
	}
}

func TestTheFirstLinesOfARenderedFileMakeItAgain(t *testing.T) {
	for _, f := range tuning.Formats() {
		args := []string{"tune", "render", "--format", f.String(), "--connections", "2400000", "--loops", "12", "--send-buffer", "16KiB", "--stalled", "-1",
			"--memory", "96GiB", "--cores", "24", "--release", "14.1-RELEASE", "--os", "freebsd"}
		if f.OS() == tuning.Linux {
			args[len(args)-1] = "linux"
		}
		first := runBinary(t, args...)
		command := regexp.MustCompile(`(?m)^# trunkline (tune render .*)$`).FindStringSubmatch(first.stdout)
		if first.code != exitOK || command == nil {
			t.Fatalf("%s: %+v", f, first)
		}
		if again := runBinary(t, strings.Fields(command[1])...); again != first {
			t.Errorf("%s: `%s` gives something else:\n%s\nnot\n%s%s", f, command[1], again.stdout, first.stdout, again.stderr)
		}
		var doc rendered
		r := runBinary(t, append(args, "--json")...)
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.Text != first.stdout || doc.Schema != 1 || doc.Format != f.String() {
			t.Errorf("%s: %v: %+v", f, err, doc)
		}
	}
}

// imageTree is every file below dir.
func imageTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		files[strings.TrimPrefix(name, dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func freebsdImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "etc"), 0o755), os.MkdirAll(filepath.Join(dir, "boot"), 0o755),
		os.WriteFile(filepath.Join(dir, "etc/rc.conf"), []byte("hostname=\"chat\"\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAnImageIsSetUpAndPutBack(t *testing.T) {
	dir := freebsdImage(t)
	before := imageTree(t, dir)
	box := []string{"--root", dir, "--os", "freebsd", "--release", "14.1", "--cores", "24", "--memory", "128GiB"}
	apply := append([]string{"tune", "apply", "--connections", "2400000"}, box...)
	dry := runBinary(t, append(apply, "--dry-run")...)
	if dry.code != exitOK || !strings.Contains(dry.stdout, "  + trunkline_limits=\"-n 2400256\"\n") || !strings.Contains(dry.stdout, "nothing was changed") {
		t.Errorf("%+v", dry)
	}
	if after := imageTree(t, dir); !maps.Equal(before, after) {
		t.Errorf("--dry-run has changed %v", slices.Collect(maps.Keys(after)))
	}
	r := runBinary(t, apply...)
	if r.code != exitOK || !strings.Contains(r.stdout, dir+"/etc/rc.conf: changed\n") || !strings.Contains(r.stdout, "cap_mkdb "+dir+"/etc/login.conf") || strings.Contains(r.stdout, "reboot\n") {
		t.Errorf("%+v", r)
	}
	after := imageTree(t, dir)
	for _, name := range []string{"/etc/rc.conf", "/etc/sysctl.conf", "/etc/login.conf", "/boot/loader.conf"} {
		if !strings.Contains(after[name], tuning.BlockBegin) || !strings.HasPrefix(after[name], before[name]) {
			t.Errorf("%s: %q", name, after[name])
		}
	}
	r = runBinary(t, append(apply, "--json")...)
	var doc struct {
		Schema int `json:"schema"`
		Files  []struct {
			Path, Action string
			Done         bool
		} `json:"files"`
		Limits []any    `json:"limits"`
		Next   []string `json:"next"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.Schema != 1 || len(doc.Files) != 4 || doc.Files[0].Action != "same" || len(doc.Limits) != 0 {
		t.Errorf("%v: %s", err, r.stdout)
	}
	undo := []string{"tune", "apply", "--undo", "--root", dir}
	if r := runBinary(t, undo...); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	if after := imageTree(t, dir); !maps.Equal(before, after) {
		t.Errorf("after undo there is %v", after)
	}
	oneLineWith(t, runBinary(t, undo...), exitFailed, "nothing to take back")
}

func TestWhatCanNotBeAppliedIsOneLineAndChangesNothing(t *testing.T) {
	for _, row := range []struct {
		name string
		make func(dir string) error
		want string
	}{
		{"a damaged marker", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "etc/rc.conf"), []byte("# END trunkline\n"), 0o644)
		}, "/etc/rc.conf: the markers of our part are damaged"},
		{"a symbolic link", func(dir string) error { return os.Symlink("/etc/hosts", filepath.Join(dir, "etc/login.conf")) }, "/etc/login.conf: it is no regular file: it is a symbolic link"},
		{"no etc", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "etc")) }, "there is no directory etc in it"},
	} {
		dir := freebsdImage(t)
		if err := row.make(dir); err != nil {
			t.Fatal(err)
		}
		before := imageTree(t, dir)
		r := runBinary(t, "tune", "apply", "--connections", "1000", "--root", dir, "--os", "freebsd", "--release", "14.1", "--cores", "2", "--memory", "4GiB")
		oneLineWith(t, r, exitFailed, row.want)
		if strings.Contains(r.stderr, "nothing was changed") == strings.Contains(r.stderr, "takes back") {
			t.Errorf("%s: it does not say whether something was changed: %s", row.name, r.stderr)
		}
		if after := imageTree(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s: %v became %v", row.name, before, after)
		}
	}
}

func TestApplyWithoutPermissionSaysSo(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := freebsdImage(t)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(dir, 0o755) }()
	r := runBinary(t, "tune", "apply", "--connections", "1000", "--root", dir, "--os", "freebsd", "--release", "14.1", "--cores", "2", "--memory", "4GiB")
	oneLineWith(t, r, exitFailed, "run it as root")
}

// liveOnly skips where this system has no limits that are known.
func liveOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
		t.Skip("no limits are known of " + runtime.GOOS)
	}
}

func TestARecordedMachineIsThisMachine(t *testing.T) {
	liveOnly(t)
	file := filepath.Join(t.TempDir(), "box.json")
	if r := runBinary(t, "tune", "record", file); r.code != exitOK || !strings.Contains(r.stdout, file) {
		t.Fatalf("%+v", r)
	}
	live, recorded := runBinary(t, "tune", "plan", "--json"), runBinary(t, "tune", "plan", "--json", "--from", file)
	var a, b struct {
		Connections int64
		StoppedBy   string `json:"stopped_by"`
	}
	if err := errors.Join(json.Unmarshal([]byte(live.stdout), &a), json.Unmarshal([]byte(recorded.stdout), &b)); err != nil || a != b || a.Connections < 1 {
		t.Errorf("%+v and %+v: %v", a, b, err)
	}
	if r := runBinary(t, "tune", "plan", "--connections", "5000"); r.code != exitOK || !strings.Contains(r.stdout, "memory of 5000 connections") {
		t.Errorf("%+v", r)
	}
}

func TestWatchEndsAfterItsCountAndOnCtrlC(t *testing.T) {
	liveOnly(t)
	r := runBinary(t, "tune", "watch", "--count", "2", "--interval", "100ms", "--json")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var look struct {
		Schema   int                     `json:"schema"`
		Counters []struct{ Name string } `json:"counters"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &look); err != nil || r.code != exitOK || len(lines) != 2 || look.Schema != 1 || len(look.Counters) < 3 {
		t.Errorf("%v: %+v", err, r)
	}
	cmd := exec.Command(binary, "tune", "watch", "--interval", "24h")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, " sockets=") {
		t.Errorf("the first line: %q: %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its code says more
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupt {
		t.Errorf("Ctrl-C ended it with %d", code)
	}
}

// growing is a system whose counters grow with each look; the other methods are not called.
type growing struct {
	tuning.System
	looks int64
}

func (g *growing) Counters() (tuning.Counters, error) {
	g.looks++
	if g.looks > 4 {
		return nil, errors.New("no more")
	}
	return tuning.Counters{
		{Name: "files", Unit: "files", Used: 60 + 12*g.looks, Limit: 100, Refused: tuning.NotTold},
		{Name: "listen_overflows", Unit: "connections", Used: tuning.NotTold, Limit: tuning.NotTold, Refused: g.looks / 4},
		{Name: "sockets", Unit: "sockets", Used: g.looks, Limit: tuning.Unlimited, Refused: tuning.NotTold},
	}, nil
}

func TestALineOfWatchSaysLevelAndCounts(t *testing.T) {
	ticks := make(chan time.Time, 8)
	for range cap(ticks) {
		ticks <- time.Time{}
	}
	var out, errs output
	o := tuneOptions{verb: "watch"}
	if code := o.watch(context.Background(), &growing{}, ticks, &out, &errs); code != exitFailed || errs.String() != "trunkline tune watch: no more\n" {
		t.Errorf("code %d, %q", code, errs.String())
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		" fine files=72/100 listen_overflows=+0 sockets=1", " near files=84/100 listen_overflows=+0 sockets=2",
		" wall files=96/100 listen_overflows=+0 sockets=3", " wall files=108/100 listen_overflows=+1 sockets=4",
	} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d is %q, want %q behind the time", i+1, lines[i], want)
		}
	}
}

func TestATableOfWatchIsDrawnOverTheOneBefore(t *testing.T) {
	var w tuning.Watch
	system, at := &growing{looks: 1}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	counters, err := system.Counters()
	if err != nil {
		t.Fatal(err)
	}
	look := w.Look(counters, at)
	table := watchTable(&look)
	const want = "12:00:00  near\n" +
		"                  used         of     %  refused  more\n" +
		"             files    84        100  84.0        -     0\n" +
		"  listen_overflows     -          -     -        0     0\n" +
		"           sockets     2  unlimited     -        -     0\n" +
		"NEAR: files: 84 % of 100 files\n"
	if got := string(table); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
	if got := string(redrawn([]byte("a\nb\n"), 0)); got != "a\x1b[K\nb\x1b[K\n\x1b[J" {
		t.Errorf("first: %q", got)
	}
	if got := string(redrawn([]byte("a\n"), 7)); got != "\x1b[7Aa\x1b[K\n\x1b[J" {
		t.Errorf("then: %q", got)
	}
}

func TestTheManualHasTheKeysOfTune(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "\n## Tuning the system\n")
	if !found {
		t.Fatal("docs/operations.md has no section of tuning")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	o := tuneOptions{from: boxFile(t, func(f *tuning.Fixture) { f.Counted, _ = (&growing{}).Counters() })}
	system, err := o.system()
	if err != nil {
		t.Fatal(err)
	}
	report, err := tuning.Check(system, tuning.Load{Connections: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := tuning.Plan(system, tuning.Load{Connections: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	counters, _ := (&growing{}).Counters()
	change := tuning.Change{Limit: report.Rows[0].Limit}
	for _, v := range []any{
		report, plan, (&tuning.Watch{}).Look(counters, time.Now()), rendered{},
		tuning.Proposal{Machine: report.Machine, Values: []tuning.Change{change}, Files: []tuning.FileChange{{}}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"([a-z_]+)":`).FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(section, "`"+m[1]+"`") {
				t.Errorf("%T: docs/operations.md does not name the key `%s`", v, m[1])
			}
		}
	}
	for _, f := range tuning.Formats() {
		if !strings.Contains(section, fmt.Sprintf("| `%s` |", f)) {
			t.Errorf("docs/operations.md has no row of the format %s", f)
		}
	}
	for _, v := range tuneVerbs() {
		if !strings.Contains(section, fmt.Sprintf("| `%s` |", v.name)) {
			t.Errorf("docs/operations.md has no row of the verb %s", v.name)
		}
	}
}
