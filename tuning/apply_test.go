package tuning

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var freebsdFiles = map[string]string{
	"etc/sysctl.conf":  "# of the operator\nkern.maxfiles=50000\nsecurity.bsd.see_other_uids=0\n",
	"boot/loader.conf": "zfs_load=\"YES\"",
	"etc/login.conf":   "default:\\\n\t:openfiles=unlimited:\n",
	"etc/rc.conf":      "hostname=\"chat\"\ntrunkline_enable=\"YES\"\n",
}

func TestApplyWritesEachFileBetweenMarkersAndUndoPutsAllBack(t *testing.T) {
	for _, system := range []OS{FreeBSD, Linux} {
		t.Run(system.String(), func(t *testing.T) {
			files := freebsdFiles
			if system == Linux {
				files = map[string]string{"etc/sysctl.conf": "vm.swappiness = 10\n"}
			}
			dir, disk := image(t, system, files)
			before := tree(t, dir)
			b := bigBox(t, system)
			victim := firstOf(t, b, Sysctl, AtLeast)
			small := b.values[victim.Name]
			for i := range small.Count {
				small.Numbers[i] /= 2
			}
			b.values[victim.Name] = small
			s := Setup{Disk: disk, System: b}
			p, err := applied(t, s, b.machine, false)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.writes) != 1 || !strings.HasPrefix(b.writes[0], victim.Name+"=") {
				t.Errorf("wrote %q, want one value of %s", b.writes, victim.Name)
			}
			after := tree(t, dir)
			for _, f := range p.Files {
				text := after[f.Path]
				if !f.Done || !strings.HasPrefix(text, before[f.Path]) || strings.Count(text, BlockBegin+"\n") != 1 || !strings.HasSuffix(text, BlockEnd+"\n") {
					t.Errorf("%s: done %v, text:\n%s", f.Path, f.Done, text)
				}
				if backup, want := after[f.Path+backupSuffix], before[f.Path]; backup != want {
					t.Errorf("backup of %s is %q, want %q", f.Path, backup, want)
				}
			}
			again, err := applied(t, s, b.machine, false)
			if err != nil || len(b.writes) != 1 {
				t.Errorf("a second apply wrote %q: %v", b.writes, err)
			}
			for _, f := range again.Files {
				if f.Action != ActionSame {
					t.Errorf("a second apply wants to %s %s", f.Action, f.Path)
				}
			}
			if _, err := undone(t, s, b.machine); err != nil {
				t.Fatal(err)
			}
			if b.values[victim.Name] != small {
				t.Errorf("%s is %v after undo, want %v", victim.Name, b.values[victim.Name], small)
			}
			sameTree(t, "after undo", tree(t, dir), before)
			if _, err := undone(t, s, b.machine); !errors.Is(err, ErrNothingToUndo) {
				t.Errorf("a second undo: %v", err)
			}
		})
	}
}

// firstOf is a limit of one number that is set on the running system.
func firstOf(t *testing.T, b *testBox, kind Kind, rule Rule) *Limit {
	t.Helper()
	limits := Limits(b.machine.OS)
	for i := range limits {
		l := &limits[i]
		if v := b.values[l.Name]; l.Kind == kind && l.Rules[0] == rule && v.Count == 1 && v.Numbers[0] > 1 && v.Numbers[0] != Unlimited {
			return l
		}
	}
	t.Fatalf("%s has no such limit", b.machine.OS)
	return nil
}

// The property: whatever call fails, each file is the old one or the new one as a whole, an error that says that nothing was
// changed is true, and nothing is left behind that the next apply or undo trips over.
func TestAnyFailingCallLeavesEachFileWhole(t *testing.T) {
	m := bigBox(t, FreeBSD).machine
	reference := memoryImage(freebsdFiles)
	if _, err := applied(t, Setup{Disk: reference}, m, false); err != nil {
		t.Fatal(err)
	}
	whole := reference.tree()
	for _, stays := range []bool{false, true} {
		at := 1
		for ; ; at++ {
			disk := memoryImage(freebsdFiles)
			bad := &failingDisk{Disk: disk, at: at, err: syscall.ENOSPC, stays: stays}
			_, err := applied(t, Setup{Disk: bad}, m, false)
			if bad.calls < at {
				break
			}
			name := fmt.Sprintf("call %d fails (for good: %v)", at, stays)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%s: error %v", name, err)
			}
			checkHalfway(t, name, disk.tree(), whole, err, stays)
			finish(t, name, disk, m, whole)
		}
		if at < 25 {
			t.Errorf("apply made %d calls: too few for four files", at-1)
		}
	}
}

// checkHalfway looks at files after an apply that failed with err.
func checkHalfway(t *testing.T, name string, now, whole map[string]string, err error, stays bool) {
	t.Helper()
	for file, old := range freebsdFiles {
		switch text := now[file]; {
		case text != old && text != whole[file]:
			t.Errorf("%s: %s is neither old nor new:\n%s", name, file, text)
		case text != old && errors.Is(err, ErrNothing):
			t.Errorf("%s: %v, but %s is a new one", name, err, file)
		}
	}
	for file := range now {
		if strings.HasSuffix(file, tempSuffix) && !stays {
			t.Errorf("%s: %s was left behind", name, file)
		}
	}
}

// finish applies again on a disk that is well, and takes all back.
func finish(t *testing.T, name string, disk *memory, m Machine, whole map[string]string) {
	t.Helper()
	if _, err := applied(t, Setup{Disk: disk}, m, false); err != nil {
		t.Errorf("%s: the next apply: %v", name, err)
		return
	}
	sameTree(t, name+", then apply", disk.tree(), whole)
	if _, err := undone(t, Setup{Disk: disk}, m); err != nil {
		t.Errorf("%s: undo: %v", name, err)
		return
	}
	sameTree(t, name+", then undo", disk.tree(), freebsdFiles)
}

func TestAnyFailingCallOfUndoCanBeTakenUpAgain(t *testing.T) {
	m := bigBox(t, FreeBSD).machine
	for at := 1; ; at++ {
		disk := memoryImage(freebsdFiles)
		if _, err := applied(t, Setup{Disk: disk}, m, false); err != nil {
			t.Fatal(err)
		}
		bad := &failingDisk{Disk: disk, at: at, err: syscall.ENOSPC}
		_, err := undone(t, Setup{Disk: bad}, m)
		if bad.calls < at {
			if at < 15 || err != nil {
				t.Errorf("undo made %d calls: %v", bad.calls, err)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("call %d: %v", at, err)
		}
		if _, err := undone(t, Setup{Disk: disk}, m); err != nil && !errors.Is(err, ErrNothingToUndo) {
			t.Errorf("call %d: the second undo: %v", at, err)
		}
		sameTree(t, fmt.Sprintf("undo, call %d failed, undo", at), disk.tree(), freebsdFiles)
	}
}

func TestApplyNeverLowersUnlessTold(t *testing.T) {
	b := bigBox(t, FreeBSD)
	more, most := firstOf(t, b, Sysctl, AtLeast), firstOf(t, b, Sysctl, AtMost)
	b.values[more.Name] = Number(b.values[more.Name].Numbers[0] * 3)
	b.values[most.Name] = Number(b.values[most.Name].Numbers[0] * 3)
	was := maps.Clone(b.values)
	dir, disk := image(t, FreeBSD, freebsdFiles)
	p, err := applied(t, Setup{Disk: disk, System: b}, b.machine, false)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(b.values, was) || len(b.writes) > 0 {
		t.Errorf("wrote %q", b.writes)
	}
	text := tree(t, dir)["etc/sysctl.conf"]
	if got, want := lineOf(text, more.Name+"="+was[more.Name].String()), more.Name+"="+was[more.Name].String(); got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
	if got := lineOf(text, most.Name+"="); got != "" {
		t.Errorf("the file lowers %q", got)
	}
	kept := false
	for _, c := range p.Values {
		kept = kept || c.Limit.Name == most.Name && c.Action == ActionKeep
	}
	if !kept {
		t.Errorf("nobody is told that %s stays: %+v", most.Name, p.Values)
	}
	if _, err := applied(t, Setup{Disk: disk, System: b}, b.machine, true); err != nil {
		t.Fatal(err)
	}
	text = tree(t, dir)["etc/sysctl.conf"]
	for l, want := range map[*Limit]int64{more: was[more.Name].Numbers[0], most: was[most.Name].Numbers[0] / 3} {
		if b.values[l.Name] != Number(want) || lineOf(text, fmt.Sprintf("%s=%d", l.Name, want)) == "" {
			t.Errorf("--lower leaves %s at %v, want %d; the file has %q", l.Name, b.values[l.Name], want, lineOf(text, l.Name))
		}
	}
}

func TestWhatTheRestOfAFileSaysIsNotLowered(t *testing.T) {
	b := bigBox(t, FreeBSD)
	files := maps.Clone(freebsdFiles)
	files["etc/sysctl.conf"] = "kern.maxfiles=9000000 # of the operator\n"
	files["etc/rc.conf"] = "trunkline_limits=\"-v unlimited -n 7000000\"\n"
	dir, disk := image(t, FreeBSD, files)
	if _, err := applied(t, Setup{Disk: disk}, b.machine, false); err != nil {
		t.Fatal(err)
	}
	now := tree(t, dir)
	_, block, _ := strings.Cut(now["etc/sysctl.conf"], BlockBegin)
	if lineOf(block, "kern.maxfiles=") != "kern.maxfiles=9000000" {
		t.Errorf("block:\n%s", block)
	}
	_, block, _ = strings.Cut(now["etc/rc.conf"], BlockBegin)
	if lineOf(block, "trunkline_limits=") != `trunkline_limits="-v unlimited -n 7000000"` {
		t.Errorf("block:\n%s", block)
	}
}

func TestPlacesThatAreReadLaterAreNamed(t *testing.T) {
	b := bigBox(t, FreeBSD)
	block := BlockBegin + "\n" + BlockEnd + "\n"
	files := map[string]string{
		"etc/sysctl.conf":       block + "kern.maxfiles=77\n",
		"etc/sysctl.conf.local": "kern.maxfiles=78\n",
		"etc/login.conf":        "trunkline|chat:\\\n\t:openfiles=10:\n",
	}
	_, disk := image(t, FreeBSD, files)
	p, err := Setup{Disk: disk}.Propose(Load{Connections: testConnections}, b.machine, false)
	if err != nil {
		t.Fatal(err)
	}
	var notes string
	for _, f := range p.Files {
		notes += f.Path + " " + string(f.Action) + " " + strings.Join(f.Notes, "\n"+f.Path) + "\n"
	}
	for _, want := range []string{"a line behind the block sets kern.maxfiles to 77", "/etc/sysctl.conf.local sets kern.maxfiles to 78",
		"etc/login.conf same the class trunkline is defined outside"} {
		if !strings.Contains(notes, want) {
			t.Errorf("nobody is told %q:\n%s", want, notes)
		}
	}
}

func TestUndoLeavesWhatOthersHaveChangedSince(t *testing.T) {
	dir, disk := image(t, FreeBSD, freebsdFiles)
	b := bigBox(t, FreeBSD)
	l := firstOf(t, b, Sysctl, AtLeast)
	b.values[l.Name] = Number(2)
	s := Setup{Disk: disk, System: b}
	if _, err := applied(t, s, b.machine, false); err != nil {
		t.Fatal(err)
	}
	b.values[l.Name] = Number(3)
	name := filepath.Join(dir, "etc/rc.conf")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("first=\"1\"\n"+string(text)+"last=\"1\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := undone(t, s, b.machine)
	if err != nil {
		t.Fatal(err)
	}
	if b.values[l.Name] != Number(3) {
		t.Errorf("undo set %s to %v over what somebody else had set", l.Name, b.values[l.Name])
	}
	if got, want := tree(t, dir)["etc/rc.conf"], "first=\"1\"\n"+freebsdFiles["etc/rc.conf"]+"last=\"1\"\n"; got != want {
		t.Errorf("rc.conf is %q, want %q", got, want)
	}
	if len(p.Values) != 1 || !strings.Contains(p.Values[0].Reason, "somebody") {
		t.Errorf("values: %+v", p.Values)
	}
}

func TestUndoKnowsAValueThatTheSystemHasRoundedUp(t *testing.T) {
	_, disk := image(t, FreeBSD, freebsdFiles)
	b := bigBox(t, FreeBSD)
	l := firstOf(t, b, Sysctl, AtLeast)
	b.values[l.Name] = Number(2)
	s := Setup{Disk: disk, System: b}
	if _, err := applied(t, s, b.machine, false); err != nil {
		t.Fatal(err)
	}
	b.values[l.Name] = Number(b.values[l.Name].Numbers[0] + 5)
	if _, err := undone(t, s, b.machine); err != nil || b.values[l.Name] != Number(2) {
		t.Errorf("%s is %v: %v", l.Name, b.values[l.Name], err)
	}
}

func TestARefusedValueIsNamedAndStaysInTheRecord(t *testing.T) {
	_, disk := image(t, FreeBSD, freebsdFiles)
	b := bigBox(t, FreeBSD)
	l := firstOf(t, b, Sysctl, AtLeast)
	b.values[l.Name] = Number(2)
	s := Setup{Disk: disk, System: b}
	b.refuse[l.Name] = fmt.Errorf("%w: no", ErrRefused)
	p, err := applied(t, s, b.machine, false)
	if err != nil || len(p.Left()) != 1 || !strings.Contains(p.Left()[0].Problem, "refuses") {
		t.Fatalf("left %+v: %v", p.Left(), err)
	}
	delete(b.refuse, l.Name)
	if _, err := applied(t, s, b.machine, false); err != nil {
		t.Fatal(err)
	}
	b.refuse[l.Name] = ErrPermission
	if p, err = undone(t, s, b.machine); err != nil || p.Values[0].Problem == "" {
		t.Fatalf("%+v: %v", p.Values, err)
	}
	delete(b.refuse, l.Name)
	if p, err = undone(t, s, b.machine); err != nil || len(p.Files) != 0 || b.values[l.Name] != Number(2) {
		t.Errorf("the second undo leaves %v: %v, %v", b.values[l.Name], p, err)
	}
}

func TestWhatCanNotBeSetUpIsRefused(t *testing.T) {
	b := bigBox(t, FreeBSD)
	for _, row := range []struct {
		name string
		make func(dir string) error
		want error
	}{
		{"a BEGIN without an END", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "etc/rc.conf"), []byte(BlockBegin+"\nx\n"), 0o644)
		}, ErrMarkers},
		{"a file that ends within a line", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "etc/login.conf"), []byte("default:\\\n\t:cputime=1:\\\n"), 0o644)
		}, ErrContinued},
		{"a symbolic link", func(dir string) error { return os.Symlink("/etc/hosts", filepath.Join(dir, "etc/sysctl.conf")) }, ErrNotRegular},
		{"a directory", func(dir string) error { return os.Mkdir(filepath.Join(dir, "etc/sysctl.conf"), 0o755) }, ErrNotRegular},
		{"a file of 2 MiB", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "etc/rc.conf"), make([]byte, 2<<20), 0o644)
		}, ErrFileTooLarge},
		{"no etc", func(dir string) error { return os.Remove(filepath.Join(dir, "etc")) }, ErrNoSystem},
		{"a record that is damaged", func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, StateDir(FreeBSD)), 0o755), os.WriteFile(filepath.Join(dir, recordPath(FreeBSD)), []byte("{"), 0o600))
		}, ErrRecord},
		{"a record of a later version", func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, StateDir(FreeBSD)), 0o755), os.WriteFile(filepath.Join(dir, recordPath(FreeBSD)), []byte(`{"schema":9}`), 0o600))
		}, ErrRecord},
		{"a record that leads out of the root", func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, StateDir(FreeBSD)), 0o755),
				os.WriteFile(filepath.Join(dir, recordPath(FreeBSD)), []byte(`{"schema":1,"files":[{"path":"../x"}]}`), 0o600))
		}, ErrRecord},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, disk := image(t, FreeBSD, nil)
			if err := row.make(dir); err != nil {
				t.Fatal(err)
			}
			before := tree(t, dir)
			if _, err := applied(t, Setup{Disk: disk}, b.machine, false); !errors.Is(err, row.want) || !errors.Is(err, ErrNothing) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			sameTree(t, row.name, tree(t, dir), before)
		})
	}
}

func TestAJailHasNoLoader(t *testing.T) {
	dir, disk := image(t, FreeBSD, nil)
	if err := os.Remove(filepath.Join(dir, "boot")); err != nil {
		t.Fatal(err)
	}
	p, err := applied(t, Setup{Disk: disk}, bigBox(t, FreeBSD).machine, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Files {
		if (f.Format == LoaderConf) != (f.Action == ActionNone) {
			t.Errorf("%s: %s", f.Path, f.Action)
		}
	}
}

func TestTwoAtATimeAreKeptApart(t *testing.T) {
	_, disk := image(t, FreeBSD, nil)
	first, err := disk.Lock(FreeBSD)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Lock(FreeBSD); !errors.Is(err, ErrLocked) {
		t.Errorf("the second: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := disk.Lock(FreeBSD)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	_ = third.Close() // of a directory
}

func TestOwnerAndPermissionsOfAFileStay(t *testing.T) {
	dir, disk := image(t, FreeBSD, freebsdFiles)
	name := filepath.Join(dir, "etc/rc.conf")
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	uid := os.Getuid()
	if uid == 0 {
		uid = 12345
		if err := os.Chown(name, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := applied(t, Setup{Disk: disk}, bigBox(t, FreeBSD).machine, false); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if stat.Mode().Perm() != 0o640 || int(stat.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("mode %v, owner %v", stat.Mode(), stat.Sys())
	}
}
