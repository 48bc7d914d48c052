package store

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// putFile writes a file and its folders, durably.
func putFile(t testing.TB, fs FS, path, text string) {
	t.Helper()
	dir := fs.PathDir(path)
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	for ; ; dir = fs.PathDir(dir) {
		if err := syncFolder(fs, dir); err != nil {
			t.Fatal(err)
		}
		if dir == fs.PathDir(dir) || dir == "." || dir == "/" {
			return
		}
	}
}

func textOf(fs FS, path string) string {
	f, err := fs.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	b, _ := io.ReadAll(f)
	return string(b)
}

// switchScene is a directory with two parts and a folder elsewhere; change switches both parts.
func switchScene(t *testing.T, fs FS) {
	t.Helper()
	putFile(t, fs, "/d/seed", "old")
	putFile(t, fs, "/d/mailboxes/a", "old")
	putFile(t, fs, "/j/1.log", "rounds")
}

func changeScene(fs FS, keep bool) error {
	next, err := beginSwitch(fs, "/d")
	if err != nil {
		return err
	}
	if err := fs.MkdirAll(fs.PathJoin(next, "mailboxes"), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"seed", "mailboxes/a"} {
		path := fs.PathJoin(next, name)
		if err := writeWhole(fs, fs.PathDir(path), path, []byte("new")); err != nil {
			return err
		}
	}
	s := &switchover{fs: fs, dir: "/d", aside: "damaged-7", keep: keep, parts: []string{"mailboxes", "seed"}, sweep: []string{"/j"}}
	if err := s.commit(); err != nil {
		return err
	}
	return s.finish()
}

// judgeScene fails unless the directory is all old or all new.
func judgeScene(t *testing.T, fs FS, keep bool, when string) (fresh bool) {
	t.Helper()
	seed, box := textOf(fs, "/d/seed"), textOf(fs, "/d/mailboxes/a")
	if seed != box || seed != "old" && seed != "new" {
		t.Fatalf("%s: the seed is %q and the mailboxes are %q", when, seed, box)
	}
	for _, name := range []string{"/d/next", "/d/switch"} {
		if there, err := exists(fs, name); err != nil || there {
			t.Fatalf("%s: %s is left (%v)", when, name, err)
		}
	}
	journal, swept := textOf(fs, "/j/1.log"), textOf(fs, "/j/damaged-7/1.log")
	aside := textOf(fs, "/d/damaged-7/seed") + textOf(fs, "/d/damaged-7/mailboxes/a")
	want := [3]string{"rounds", "", ""}
	if seed == "new" {
		want = [3]string{"", "rounds", ""}
		if keep {
			want[2] = "oldold"
		}
	}
	if got := [3]string{journal, swept, aside}; got != want {
		t.Fatalf("%s: journal, swept journal, parts aside: %q, want %q", when, got, want)
	}
	return seed == "new"
}

// brokenAfter fails every change of a file system from the n-th on, as for a process that was killed there. crash, when it is not nil, is
// called before the first failure.
func brokenAfter(fs FS, n int, crash func()) FS {
	var mu sync.Mutex
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if n--; n >= 0 {
			return nil
		}
		if n == -1 && crash != nil {
			crash()
		}
		return syscall.EIO
	}))
}

func TestASwitchIsWholeWhereverTheProcessIsKilled(t *testing.T) {
	for _, keep := range []bool{false, true} {
		seen := map[bool]int{}
		for step := 0; ; step++ {
			mem := vfs.NewMem()
			switchScene(t, mem)
			err := changeScene(brokenAfter(mem, step, nil), keep)
			_, finishErr := FinishSwitch(mem, "/d")
			must(t, finishErr)
			fresh := judgeScene(t, mem, keep, fmt.Sprintf("keep %t, step %d", keep, step))
			seen[fresh]++
			if err == nil {
				if !fresh {
					t.Fatal("a switch that was done has changed nothing")
				}
				break
			}
		}
		if seen[false] < 5 || seen[true] < 5 {
			t.Errorf("keep %t: %d times old, %d times new: the steps are not all there", keep, seen[false], seen[true])
		}
	}
}

func TestASwitchIsWholeWhereverThePowerIsCut(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, keep := range []bool{false, true} {
		for step := 0; ; step++ {
			var left *vfs.MemFS
			mem := vfs.NewCrashableMem()
			switchScene(t, mem)
			err := changeScene(brokenAfter(mem, step, func() {
				left = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(2) * 50, RNG: rng})
			}), keep)
			if err == nil {
				break
			}
			for again := 0; ; again++ { // the power is cut again and again while the switch is finished
				var next *vfs.MemFS
				_, err := FinishSwitch(brokenAfter(left, again, func() {
					next = left.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(2) * 50, RNG: rng})
				}), "/d")
				if err == nil {
					break
				}
				left = next
			}
			judgeScene(t, left, keep, fmt.Sprintf("keep %t, step %d, seed %d", keep, step, seed))
		}
	}
}

func TestASwitchThatCannotBeReadIsNamed(t *testing.T) {
	for _, text := range []string{"", "trunkline switch 1\n", "trunkline switch 2\naside \"x\" true\nend\n", "trunkline switch 1\naside \"../x\" true\nend\n",
		"trunkline switch 1\naside \"x\" true\npart \"a/b\"\nend\n", "trunkline switch 1\naside \"x\" true\nparts\nend\n"} {
		mem := vfs.NewMem()
		putFile(t, mem, "/d/switch", text)
		if _, err := FinishSwitch(mem, "/d"); !errors.Is(err, ErrOfflineDamaged) || !strings.Contains(err.Error(), "/d/switch") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
