package store

import (
	"errors"
	"fmt"
	"slices"
)

// Restore makes the directory of a backup. Path must be empty but for the lock. Both backup and copy are compared with the seal first. The state
// file says that this is a backup, so the next start draws a new incarnation: clients have seen more than it holds.
// Errors: ErrBackup, ErrNotEmpty, ErrDiskFull, the system's. After each of them Path is empty.
func (d Directory) Restore(from string) (c Copied, err error) {
	if d, err = d.settled(); err != nil {
		return c, err
	}
	names, err := d.FS.List(d.Path)
	if err != nil {
		return c, err
	}
	for _, name := range names {
		if name != lockFile && name != nextFolder {
			return c, fmt.Errorf("%w: %s has %q", ErrNotEmpty, d.Path, name)
		}
	}
	if c, err = CheckBackup(d.FS, from); err != nil {
		return c, err
	}
	next, err := beginSwitch(d.FS, d.Path)
	if err != nil {
		return c, err
	}
	if err := d.unpack(from, next); err != nil {
		return c, errors.Join(noRoom(err), dropSwitch(d.FS, d.Path))
	}
	parts, err := d.FS.List(next)
	if err != nil {
		return c, errors.Join(err, dropSwitch(d.FS, d.Path))
	}
	slices.Sort(parts)
	s := &switchover{fs: d.FS, dir: d.Path, aside: "empty", parts: parts}
	if err := s.commit(); err != nil {
		return c, err
	}
	return c, s.finish()
}

// unpack copies a backup, compares the copy with the seal and takes the seal off.
func (d *Directory) unpack(from, next string) error {
	return inOrder(
		func() error { return copyTree(d.FS, from, next, nil) },
		func() error { _, err := CheckBackup(d.FS, next); return err },
		func() error { return d.FS.Remove(d.FS.PathJoin(next, sealFile)) },
		func() error { return d.markBackup(next) },
		func() error { return syncTree(d.FS, next) },
	)
}

// markBackup has the state file say what it is of.
func (d *Directory) markBackup(next string) error {
	s, ok, err := readState(d.FS, next)
	if err == nil && !ok {
		err = fmt.Errorf("%w: it has no state file", ErrBackup)
	}
	if err != nil || s.Backup {
		return err
	}
	s.Backup = true
	return writeState(d.FS, next, &s)
}

// lockFile is the lock of a data directory, which the caller holds.
const lockFile = "lock"
