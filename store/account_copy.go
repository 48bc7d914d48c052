package store

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// CheckpointAccounts puts a copy of accounts into dir, which must not exist: what was durable at some moment during the call. It is made of hard
// links where the disk has them, and durable. Reads and changes go on.
// Errors: those of Accounts, ErrDiskFull, the system's.
func CheckpointAccounts(a Accounts, dir string) error {
	p, ok := a.(interface{ Checkpoint(dir string) error })
	if !ok {
		return errors.New("store: these accounts can't be copied")
	}
	return p.Checkpoint(dir)
}

// Checkpoint is CheckpointAccounts. The note is taken first: it may say less than the copy holds, and never more.
func (a *pebbleAccounts) Checkpoint(dir string) error {
	fs := a.opts.fs
	f, err := fs.Open(fs.PathJoin(a.opts.dir, noteFile))
	if err != nil {
		return a.explain("copy", err)
	}
	note, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return a.explain("copy", err)
	}
	err = a.read(func(db *pebble.DB) error { return db.Checkpoint(dir, pebble.WithFlushedWAL()) })
	if err != nil {
		return fmt.Errorf("accounts: copy to %s: %w", dir, noRoom(err))
	}
	return noRoom(writeWhole(fs, dir, fs.PathJoin(dir, noteFile), note))
}
