package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A switch puts new parts of a data directory in the place of old ones: all of them or none, whenever a crash comes.
//
// The new parts are made in the folder next. The file switch, written whole and durable, is the commit: from then on the new parts count.
// finish moves the old parts aside and the new ones in; each of its steps can be done again, so the next start or tool
// goes on where a crash has ended it. Without the file switch, what is in next was never complete and is removed.
const (
	switchFile = "switch"
	nextFolder = "next"
	// switchBytesMax bounds the file: a longer one is none of ours.
	switchBytesMax = 64 << 10
	switchTitle    = "trunkline switch 1"
)

// switchover is a switch under way: what the file switch holds.
type switchover struct {
	fs    FS
	dir   string
	aside string   // folder that takes the old parts
	keep  bool     // ... and stays; else it is removed with what it holds
	parts []string // names in dir and in next
	sweep []string // folders elsewhere whose files go into a folder below them that has the name of aside
}

// beginSwitch makes an empty folder for the new parts. Errors: the system's; an unfinished switch must be finished before.
func beginSwitch(fs FS, dir string) (next string, err error) {
	next = fs.PathJoin(dir, nextFolder)
	if there, err := exists(fs, fs.PathJoin(dir, switchFile)); err != nil || there {
		return "", errors.Join(err, fmt.Errorf("store: %s is not finished", fs.PathJoin(dir, switchFile)))
	}
	return next, inOrder(
		func() error { return fs.RemoveAll(next) },
		func() error { return fs.MkdirAll(next, 0o700) },
		func() error { return syncFolder(fs, dir) },
	)
}

// dropSwitch removes what was made for a switch that is not to be.
func dropSwitch(fs FS, dir string) error { return fs.RemoveAll(fs.PathJoin(dir, nextFolder)) }

// commit makes the switch count. The new parts must be durable.
func (s *switchover) commit() error {
	return inOrder(
		func() error { return syncFolder(s.fs, s.fs.PathJoin(s.dir, nextFolder)) },
		func() error { return syncFolder(s.fs, s.dir) },
		func() error { return writeWhole(s.fs, s.dir, s.fs.PathJoin(s.dir, switchFile), s.text()) },
	)
}

func (s *switchover) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\naside %q %t\n", switchTitle, s.aside, s.keep)
	for _, p := range s.parts {
		fmt.Fprintf(&b, "part %q\n", p)
	}
	for _, p := range s.sweep {
		fmt.Fprintf(&b, "sweep %q\n", p)
	}
	b.WriteString("end\n")
	return []byte(b.String())
}

// FinishSwitch ends what a tool was doing in a data directory when it was interrupted: forward if it had come to its commit,
// back if not. Whoever opens the directory calls it first, with its lock held. done says that something was moved.
func FinishSwitch(fs FS, dir string) (done bool, err error) {
	if fs == nil {
		fs = vfs.Default
	}
	s, err := readSwitch(fs, dir)
	if errors.Is(err, os.ErrNotExist) {
		if err := fs.Remove(fs.PathJoin(dir, switchFile+".new")); err != nil && !errors.Is(err, os.ErrNotExist) { // the commit did not come to its end
			return false, err
		}
		return false, dropSwitch(fs, dir) // if there is any
	}
	if err != nil {
		return false, err
	}
	return true, s.finish()
}

func readSwitch(fs FS, dir string) (*switchover, error) {
	path := fs.PathJoin(dir, switchFile)
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, switchBytesMax))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	s := &switchover{fs: fs, dir: dir}
	if !s.parse(strings.Split(string(b), "\n")) {
		return nil, &DamageError{Path: path, Offset: -1, Why: "it is not the list of a switch", Err: ErrOfflineDamaged}
	}
	return s, nil
}

func (s *switchover) parse(lines []string) bool {
	if len(lines) < 4 || lines[0] != switchTitle || lines[len(lines)-2] != "end" {
		return false
	}
	if n, err := fmt.Sscanf(lines[1], "aside %q %t", &s.aside, &s.keep); n != 2 || err != nil || !plainName(s.aside) {
		return false
	}
	for _, line := range lines[2 : len(lines)-2] {
		var part, sweep string
		if n, _ := fmt.Sscanf(line, "part %q", &part); n == 1 && plainName(part) {
			s.parts = append(s.parts, part)
		} else if n, _ := fmt.Sscanf(line, "sweep %q", &sweep); n == 1 && sweep != "" {
			s.sweep = append(s.sweep, sweep)
		} else {
			return false
		}
	}
	return true
}

// plainName is true for a name that stays in its folder.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\\x00")
}

// finish does what commit has promised.
func (s *switchover) finish() error {
	for _, part := range s.parts {
		if err := s.move(part); err != nil {
			return fmt.Errorf("store: put the new %s in place: %w", part, err)
		}
	}
	for _, folder := range s.sweep {
		if err := s.clear(folder); err != nil {
			return fmt.Errorf("store: move the old files of %s aside: %w", folder, err)
		}
	}
	return inOrder(
		func() error {
			if s.keep {
				return nil
			}
			return s.fs.RemoveAll(s.fs.PathJoin(s.dir, s.aside))
		},
		func() error { return s.fs.Remove(s.fs.PathJoin(s.dir, switchFile)) },
		func() error { return syncFolder(s.fs, s.dir) },
		func() error { return dropSwitch(s.fs, s.dir) },
	)
}

// move takes the old part out and the new one in. Without the new one in next, that was done before a crash. Folders are synced in
// between: after a power cut a part may be in both places, and never in none.
func (s *switchover) move(part string) error {
	place, fresh, old := s.fs.PathJoin(s.dir, part), s.fs.PathJoin(s.dir, nextFolder, part), s.fs.PathJoin(s.dir, s.aside, part)
	waits, err := exists(s.fs, fresh)
	if err != nil || !waits {
		return err
	}
	there, err := exists(s.fs, place)
	if err != nil {
		return err
	}
	taken, err := exists(s.fs, old)
	if err != nil {
		return err
	}
	switch {
	case there && taken: // a power cut has left a part in both places
		err = s.fs.RemoveAll(place)
	case there:
		err = inOrder(
			func() error { return s.fs.MkdirAll(s.fs.PathJoin(s.dir, s.aside), 0o700) },
			func() error { return syncFolder(s.fs, s.dir) },
			func() error { return s.fs.Rename(place, old) },
			func() error { return syncFolder(s.fs, s.fs.PathJoin(s.dir, s.aside)) },
		)
	}
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return syncFolder(s.fs, s.dir) },
		func() error { return s.fs.Rename(fresh, place) },
		func() error { return syncFolder(s.fs, s.dir) },
		func() error { return syncFolder(s.fs, s.fs.PathJoin(s.dir, nextFolder)) },
	)
}

// clear moves the files of a folder into one below it. What is there already went before a crash.
func (s *switchover) clear(folder string) error {
	names, err := s.fs.List(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.Sort(names)
	below := s.fs.PathJoin(folder, s.aside)
	if err := s.fs.MkdirAll(below, 0o700); err != nil {
		return err
	}
	for _, name := range names {
		path := s.fs.PathJoin(folder, name)
		info, err := s.fs.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			continue
		}
		if err := s.fs.Rename(path, s.fs.PathJoin(below, name)); err != nil {
			return err
		}
	}
	return inOrder(func() error { return syncFolder(s.fs, below) }, func() error { return syncFolder(s.fs, folder) })
}

// inOrder does one step after the other and ends at the first that fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// exists says whether there is something of that name.
func exists(fs FS, path string) (bool, error) {
	_, err := fs.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// syncFolder makes names in a folder durable.
func syncFolder(fs FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
