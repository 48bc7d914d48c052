package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// picture is every file below a directory of the system with its content.
func picture(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			all[path] = "folder"
			return nil
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	must(t.(*testing.T), err)
	return all
}

func samePicture(t *testing.T, before, after map[string]string) {
	t.Helper()
	for path, text := range before {
		if got, ok := after[path]; !ok || got != text {
			t.Errorf("%s has changed (there: %t)", path, ok)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			t.Errorf("%s is new", path)
		}
	}
}

func TestAnEngineOnAnOverlayWorksAndChangesNothingBelow(t *testing.T) {
	dir := t.TempDir()
	open := func(fs vfs.FS) *pebble.DB {
		t.Helper()
		db, err := pebble.Open(filepath.Join(dir, "db"), &pebble.Options{FS: fs, Logger: newTrouble(testOptions(nil).log)})
		must(t, err)
		return db
	}
	db := open(vfs.Default)
	for i := range 2000 {
		must(t, db.Set(fmt.Appendf(nil, "key %06d", i), bytes.Repeat([]byte{byte(i)}, 100), pebble.NoSync))
		if i%500 == 0 {
			must(t, db.Flush())
		}
	}
	must(t, db.Close())
	before := picture(t, dir)
	over := newOverlay(vfs.Default)
	for round := range 3 {
		db = open(over)
		for i := range 2000 {
			v, closer, err := db.Get(fmt.Appendf(nil, "key %06d", i))
			must(t, err)
			want := byte(i)
			if i < round*100 {
				want++
			}
			if v[0] != want {
				t.Fatalf("round %d: key %d is %d, want %d", round, i, v[0], want)
			}
			must(t, closer.Close())
		}
		for i := round * 100; i < round*100+100; i++ {
			must(t, db.Set(fmt.Appendf(nil, "key %06d", i), []byte{byte(i) + 1}, pebble.Sync))
		}
		must(t, db.Flush())
		must(t, db.Compact(t.Context(), []byte("a"), []byte("z"), false))
		must(t, db.Close())
	}
	samePicture(t, before, picture(t, dir))
}

func TestAnOverlayHidesWhatWasRemovedAndShowsWhatWasWritten(t *testing.T) {
	base := vfs.NewMem()
	for _, name := range []string{"/d/a", "/d/b", "/d/sub/c"} {
		putFile(t, base, name, "base")
	}
	o := newOverlay(base)
	must(t, o.Remove("/d/a"))
	must(t, o.RemoveAll("/d/sub"))
	must(t, o.Rename("/d/b", "/d/e"))
	putFile(t, o, "/d/f", "upper")
	must(t, o.Link("/d/e", "/d/g"))
	if err := o.Link("/d/e", "/d/g"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second link: %v", err)
	}
	for name, want := range map[string]string{"/d/a": "", "/d/b": "", "/d/sub/c": "", "/d/e": "base", "/d/f": "upper", "/d/g": "base"} {
		if got := textOf(o, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if _, err := o.Stat(name); errors.Is(err, os.ErrNotExist) != (want == "") {
			t.Errorf("stat %s: %v", name, err)
		}
	}
	if _, err := o.Open("/d/a"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open what was removed: %v", err)
	}
	names, err := o.List("/d")
	must(t, err)
	if got := fmt.Sprint(names); got != "[e f g]" {
		t.Errorf("list: %s", got)
	}
	if _, err := o.List("/nothing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("list of nothing: %v", err)
	}
	if a, b, c := textOf(base, "/d/a"), textOf(base, "/d/b"), textOf(base, "/d/sub/c"); a+b+c != "basebasebase" {
		t.Errorf("the base has changed: %q %q %q", a, b, c)
	}
}
