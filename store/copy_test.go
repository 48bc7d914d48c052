package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func sealedBackup(t *testing.T) (fs *vfs.MemFS, files []string) {
	t.Helper()
	fs = vfs.NewMem()
	files = []string{"/b/mailboxes/1.sst", "/b/state", "/b/accounts/x", "/b/keys/operator", `/b/a name "with" signs`}
	for i, name := range files {
		putFile(t, fs, name, strings.Repeat(fmt.Sprint(i), 100*i+1))
	}
	c, err := SealBackup(fs, "/b", 1_800_000_000)
	must(t, err)
	if c.Files != len(files) || c.Bytes != 1+101+201+301+401 || c.MadeUnix != 1_800_000_000 {
		t.Errorf("sealed: %+v", c)
	}
	return fs, files
}

func TestABackupIsCheckedAgainstItsSeal(t *testing.T) {
	fs, _ := sealedBackup(t)
	c, err := CheckBackup(fs, "/b")
	must(t, err)
	if want := (Copied{Dir: "/b", MadeUnix: 1_800_000_000, Files: 5, Bytes: 1005, Keys: true}); c != want {
		t.Errorf("checked: %+v, want %+v", c, want)
	}
	if _, err := SealBackup(fs, "/b", 1); !errors.Is(err, ErrBackup) {
		t.Errorf("a second seal: %v", err)
	}
}

func TestEveryChangedBitOfABackupIsFound(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	_, files := sealedBackup(t)
	for _, name := range append(files, "/b/"+sealFile) {
		for range 40 {
			fs, _ := sealedBackup(t)
			b := []byte(textOf(fs, name))
			at := rng.IntN(len(b))
			b[at] ^= 1 << rng.IntN(8)
			putFile(t, fs, name, string(b))
			if _, err := CheckBackup(fs, "/b"); !errors.Is(err, ErrBackup) && !errors.Is(err, ErrStoreVersion) {
				t.Fatalf("seed %d: byte %d of %s changed: %v", seed, at, name, err)
			}
		}
	}
}

func TestABackupWithMoreOrLessIsNamed(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(fs FS) error
		want   string
	}{
		{"a file is missing", func(fs FS) error { return fs.Remove("/b/accounts/x") }, "/b/accounts/x is missing"},
		{"it was looked at", func(fs FS) error { return writeWhole(fs, "/b", "/b/lock", []byte("1\n")) }, ""},
		{"a file is new", func(fs FS) error { return writeWhole(fs, "/b", "/b/more", nil) }, "/b/more does not belong to it"},
		{"a file is shorter", func(fs FS) error { return writeWhole(fs, "/b", "/b/state", []byte("1")) }, "/b/state has 1 bytes, it had 101"},
		{"it did not come to its end", func(fs FS) error { return fs.Remove("/b/" + sealFile) }, "did not come to its end"},
	} {
		fs, _ := sealedBackup(t)
		must(t, row.change(fs))
		_, err := CheckBackup(fs, "/b")
		if row.want == "" && err == nil {
			continue
		}
		if !errors.Is(err, ErrBackup) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

func TestACopyIsPrivateOnTheDisk(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	must(t, os.WriteFile(filepath.Join(from, "open"), []byte("x"), 0o644))
	must(t, os.MkdirAll(filepath.Join(from, "below"), 0o755))
	must(t, os.WriteFile(filepath.Join(from, "below", "lock"), []byte("x"), 0o644))
	must(t, copyTree(vfs.Default, from, to, func(name string) bool { return name == "below/lock" }))
	info, err := os.Stat(filepath.Join(to, "open"))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("a copied file has mode %v", info.Mode())
	}
	if info, err = os.Stat(to); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its folder: %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(to, "below", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was to be left out is there: %v", err)
	}
}
