package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The parts of a data directory that tools read or replace.
const (
	accountsFolder = "accounts"
	keysFolder     = "keys"
	seedFile       = "seed"
)

// Directory is a data directory that no server has open: what `trunkline store` works on. The caller holds its lock.
type Directory struct {
	Path     string
	Journals []string                       // directories of the journal; nil: those that the state file names
	Keys     string                         // directory of the keys; "": Path/keys
	Fragment func(seed, user uint64) uint16 // where a user is placed
	FS       FS                             // nil: the system's
	Now      func() time.Time               // names folders and dates backups; nil: the system's
	Log      *slog.Logger                   // nil: nothing is logged
}

// settled is d with its defaults. An interrupted tool must have been finished: FinishSwitch.
func (d Directory) settled() (Directory, error) {
	if d.FS == nil {
		d.FS = vfs.Default
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Keys == "" {
		d.Keys = d.path(keysFolder)
	}
	there, err := exists(d.FS, d.path(switchFile))
	if err == nil && there {
		err = fmt.Errorf("%w: %s", ErrUnfinished, d.path(switchFile))
	}
	return d, err
}

func (d *Directory) path(name string) string { return d.FS.PathJoin(d.Path, name) }

// journalDirs are the directories of the journal: those that were given, else those that the state file names.
func (d *Directory) journalDirs(s *state) []string {
	if len(d.Journals) > 0 {
		return d.Journals
	}
	var dirs []string
	for _, j := range s.Journals {
		if filepath.IsAbs(j.Path) {
			dirs = append(dirs, j.Path)
		} else {
			dirs = append(dirs, d.path(j.Path))
		}
	}
	return dirs
}

// by is the placement with a seed.
func (d *Directory) by(seed uint64) func(user uint64) uint16 {
	return func(user uint64) uint16 { return d.Fragment(seed, user) }
}

// aside is a folder name that is free: prefix-TIME.
func (d *Directory) aside(prefix string) (string, error) {
	base := fmt.Sprintf("%s-%d", prefix, d.Now().Unix())
	for i, name := 1, base; ; i, name = i+1, fmt.Sprintf("%s.%d", base, i) {
		there, err := exists(d.FS, d.path(name))
		if err != nil || !there {
			return name, err
		}
	}
}

// readSeed reads the seed of placement: 16 hexadecimal digits. Errors: *DamageError (ErrSeedDamaged), os.ErrNotExist, the system's.
func readSeed(fs FS, dir string) (uint64, error) {
	path := fs.PathJoin(dir, seedFile)
	f, err := fs.Open(path)
	if err != nil {
		return 0, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(raw) != 8 {
		return 0, &DamageError{Path: path, Offset: -1, Why: "it does not hold 16 hexadecimal digits", Err: ErrSeedDamaged}
	}
	return binary.BigEndian.Uint64(raw), nil
}

// writeSeed puts the file in place, whole, durable and readable by its owner only.
func writeSeed(fs FS, dir string, seed uint64) error {
	return writePrivate(fs, dir, seedFile, fmt.Appendf(nil, "%016x\n", seed))
}

// writePrivate is writeWhole for something that only its owner may read.
func writePrivate(fs FS, dir, name string, content []byte) error {
	path := fs.PathJoin(dir, name)
	return inOrder(
		func() error { return writeWhole(fs, dir, path, content) },
		func() error { return makePrivate(fs, path) },
	)
}

// makePrivate takes a file from everybody but its owner. File systems in memory know no modes.
func makePrivate(fs FS, path string) error {
	if vfs.Root(fs) != vfs.Default {
		return nil
	}
	return os.Chmod(path, 0o600)
}

// filesBelow lists the files below a folder, by names relative to it, sorted. Folders themselves are not listed.
func filesBelow(fs FS, dir string) (files []string, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, name)
			continue
		}
		below, err := filesBelow(fs, fs.PathJoin(dir, name))
		if err != nil {
			return nil, err
		}
		for _, file := range below {
			files = append(files, name+"/"+file)
		}
	}
	return files, nil
}

// bytesBelow is what the files below a folder hold, and how many there are; a folder that is missing holds nothing.
func bytesBelow(fs FS, dir string) (files int, bytes int64, err error) {
	list, err := filesBelow(fs, dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0, nil
	}
	for _, name := range list {
		info, statErr := fs.Stat(fs.PathJoin(dir, name))
		if statErr != nil {
			return 0, 0, statErr
		}
		bytes += info.Size()
	}
	return len(list), bytes, err
}
