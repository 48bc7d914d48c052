package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// noteFile says how many changes the database had at least when it was written: at a close, and every noteEvery changes. An
// engine takes a log or a manifest that breaks off for one that a power cut tore, and opens what is before it; with this file
// the accounts notice that more is missing than a power cut takes. When files are gone altogether the engine would begin
// a new, empty database, and let strangers take the place of every device.
const noteFile = "ACCOUNTS"

const noteFormat = "accounts of trunkline, kept by Pebble: see docs/operations.md\nchanges: %d\n"

// place is the directory of accounts, locked.
type place struct {
	fs    vfs.FS
	dir   string
	lock  *pebble.Lock
	noted uint64 // changes, as in the note
	old   bool   // the note was there
}

// take makes the directory if need be, locks it and reads the note.
func (p *place) take() error {
	if err := p.fs.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(p.dir, p.fs)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAccountsLocked, err)
	}
	p.lock = lock
	if err := p.readNote(); err != nil {
		return err
	}
	desc, err := pebble.Peek(p.dir, p.fs)
	if err == nil && p.old && !desc.Exists {
		return fmt.Errorf("%w: the database's files are missing", ErrAccountsDamaged)
	}
	return nil // what else is wrong, opening says
}

// leave gives the lock back.
func (p *place) leave() error {
	if p.lock == nil {
		return nil
	}
	lock := p.lock
	p.lock = nil
	return lock.Close()
}

func (p *place) readNote() error {
	f, err := p.fs.Open(p.path(noteFile))
	if err != nil {
		return nil // new, or a first start that did not come to its end
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if n, err := fmt.Sscanf(string(b), noteFormat, &p.noted); n != 1 || err != nil {
		return fmt.Errorf("%w: %s can't be read", ErrAccountsDamaged, noteFile)
	}
	p.old = true
	return nil
}

// check compares the database with the note.
func (p *place) check(changes uint64) error {
	if changes < p.noted {
		return fmt.Errorf("%w: %d of %d changes are left", ErrAccountsDamaged, changes, p.noted)
	}
	return nil
}

// note writes the note anew when it is not up to date. Everything up to changes is durable already.
func (p *place) note(changes uint64) error {
	if p.old && changes == p.noted {
		return nil
	}
	if err := writeWhole(p.fs, p.dir, p.path(noteFile), fmt.Appendf(nil, noteFormat, changes)); err != nil {
		return err
	}
	p.old, p.noted = true, changes
	return nil
}

func (p *place) path(name string) string { return p.fs.PathJoin(p.dir, name) }

// clearBeginnings removes what a first start left that a power cut ended: without a note nobody was ever told of a change. The
// engine makes its files durable in an order that can leave it unable to open them. Tables are of a later time: with one of
// them there it does nothing. It says whether another try is worth it.
func (p *place) clearBeginnings() bool {
	names, err := p.fs.List(p.dir)
	if p.old || err != nil || slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".sst") }) {
		return false
	}
	removed := false
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST-") || strings.HasPrefix(name, "OPTIONS-") || strings.HasPrefix(name, "marker.") || strings.HasSuffix(name, ".log") {
			removed = p.fs.Remove(p.path(name)) == nil || removed
		}
	}
	return removed
}

// judge tells damage from what the system refuses, for an error of the engine's opening.
func (p *place) judge(err error) error {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno) && errno != syscall.ENOENT:
		return err
	case strings.Contains(err.Error(), "unknown format major version"): // the engine has no type for that
		return fmt.Errorf("%w: %w", ErrAccountsVersion, err)
	case p.old, errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrAccountsDamaged, err)
	}
	return err
}

// writeWhole puts a file in place, whole and durable, or not at all.
func writeWhole(fs vfs.FS, dir, path string, content []byte) error {
	temp := path + ".new"
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = fs.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, fs.Remove(temp))
	}
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
