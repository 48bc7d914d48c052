package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheSeedIsMadeOnceAndKeptForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first := mustOpenDataDir(t, dir)
	if first.seed == 0 {
		t.Error("the seed is zero")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, seedFile): 0o600, filepath.Join(dir, lockFile): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	second := mustOpenDataDir(t, dir)
	defer func() { _ = second.Close() }()
	if second.seed != first.seed {
		t.Errorf("the seed went from %x to %x", first.seed, second.seed)
	}
	other := mustOpenDataDir(t, t.TempDir())
	defer func() { _ = other.Close() }()
	if other.seed == first.seed {
		t.Error("two directories have the same seed")
	}
}

func TestASecondServerOnTheSameDirectoryIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	first := mustOpenDataDir(t, dir)
	_, err := openDataDir(dir)
	if !errors.Is(err, ErrDataLocked) {
		t.Fatalf("got %v, want ErrDataLocked", err)
	}
	if want := fmt.Sprintf("process %d", os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not name %s", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpenDataDir(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedSeedIsRefusedAndTheLockGivenBack(t *testing.T) {
	for _, row := range []struct{ name, text string }{
		{"an empty file", ""},
		{"too few digits", "1234\n"},
		{"no digits", "zzzzzzzzzzzzzzzz\n"},
		{"too many digits", "00112233445566778899\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, seedFile)
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := openDataDir(dir); !errors.Is(err, ErrDataBroken) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want ErrDataBroken that names %s", err, path)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := mustOpenDataDir(t, dir).Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestADirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(filepath.Join(file, "data")); err == nil {
		t.Error("a directory below a file was opened")
	}
}

func TestWithoutADirectoryTheSeedIsDrawnForThisProcess(t *testing.T) {
	a, b := mustOpenDataDir(t, ""), mustOpenDataDir(t, "")
	if a.seed == b.seed || a.seed == 0 {
		t.Errorf("seeds %x and %x", a.seed, b.seed)
	}
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

func mustOpenDataDir(t *testing.T, path string) *dataDir {
	t.Helper()
	d, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
