package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// offlineNoteFile is the witness beside the engine's files: it says that there was a store, and how many flushes it had at least. An engine
// that finds none of its files makes an empty store, and one whose manifest breaks off opens what is before it; with this file either is noticed.
const offlineNoteFile = "MAILBOXES"

const offlineNoteFormat = "mailboxes of trunkline, kept by Pebble: see docs/operations.md\nversion: %d\ncreated: %d\nflushes: %d\n"

// offlineNoteSum ends the note: the CRC-32C of what is before it.
const offlineNoteSum = "sum: %08x\n"

// probeFile is written and removed to see whether the disk takes something again.
const probeFile = "probe"

const tableSuffix = ".sst"

// offlinePlace is the directory of an Offline, locked.
type offlinePlace struct {
	fs      vfs.FS
	dir     string
	lock    io.Closer
	created int64  // unix seconds
	noted   uint64 // flushes, as in the note
	old     bool   // the note was there
}

// take makes the directory if need be, locks it and reads the note.
func (p *offlinePlace) take() error {
	if err := p.fs.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(p.dir, p.fs)
	if err != nil {
		return explainLock(err)
	}
	p.lock = lock
	if err := p.readNote(); err != nil {
		return err
	}
	desc, err := pebble.Peek(p.dir, p.fs)
	if err == nil && p.old && !desc.Exists {
		return p.damaged("the engine's manifest is missing")
	}
	return nil // what else is wrong, opening says
}

// explainLock tells a directory in use from one that can't be written.
func explainLock(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.EAGAIN && errno != syscall.EACCES {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStoreLocked, err)
}

// leave gives the lock back.
func (p *offlinePlace) leave() error {
	if p.lock == nil {
		return nil
	}
	lock := p.lock
	p.lock = nil
	return lock.Close()
}

func (p *offlinePlace) readNote() error {
	f, err := p.fs.Open(p.path(offlineNoteFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil // new, or a first start that did not come to its end
	case err != nil:
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, offlineNoteBytesMax))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	var version int
	n, err := fmt.Sscanf(string(b), offlineNoteFormat, &version, &p.created, &p.noted)
	switch {
	case n >= 1 && version > offlineVersion:
		return fmt.Errorf("%w: version %d in %s, this server reads up to %d", ErrStoreVersion, version, p.path(offlineNoteFile), offlineVersion)
	case err != nil, version < 1, string(b) != string(p.content(p.noted)):
		return &DamageError{Path: p.path(offlineNoteFile), Offset: -1, Why: "it can't be read", Err: ErrOfflineDamaged}
	}
	p.old = true
	return nil
}

func (p *offlinePlace) content(flushes uint64) []byte {
	b := fmt.Appendf(nil, offlineNoteFormat, offlineVersion, p.created, flushes)
	return fmt.Appendf(b, offlineNoteSum, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// check compares the store with the note.
func (p *offlinePlace) check(flushes uint64) error {
	if flushes < p.noted {
		return p.damaged(fmt.Sprintf("%d of %d flushes are left", flushes, p.noted))
	}
	return nil
}

// note writes the note anew when it is not up to date. Everything up to flushes is durable already.
func (p *offlinePlace) note(flushes uint64) error {
	if p.old && flushes == p.noted {
		return nil
	}
	if !p.old {
		p.created = time.Now().Unix()
	}
	if err := writeWhole(p.fs, p.dir, p.path(offlineNoteFile), p.content(flushes)); err != nil {
		return err
	}
	p.old, p.noted = true, flushes
	return nil
}

// probe sees whether the disk takes a file.
func (p *offlinePlace) probe() error {
	if err := writeWhole(p.fs, p.dir, p.path(probeFile), []byte("probe\n")); err != nil {
		return err
	}
	return p.fs.Remove(p.path(probeFile))
}

// clearBeginnings removes what a first start left that a power cut ended; false: there is nothing of that kind.
func (p *offlinePlace) clearBeginnings() bool {
	return (&place{fs: p.fs, dir: p.dir, old: p.old}).clearBeginnings()
}

func (p *offlinePlace) path(name string) string { return p.fs.PathJoin(p.dir, name) }

func (p *offlinePlace) damaged(why string) *DamageError {
	return &DamageError{Path: p.dir, Offset: -1, Why: why, Err: ErrOfflineDamaged}
}

// judge tells damage from what the system refuses, for an error of the engine's opening.
func (p *offlinePlace) judge(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, ErrOfflineDamaged), errors.Is(err, ErrStoreVersion), errors.Is(err, ErrOfflineFailed):
		return err
	case vfs.IsNoSpaceError(err):
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case errors.As(err, &errno) && errno != syscall.ENOENT:
		return err
	case strings.Contains(err.Error(), "unknown format major version"): // the engine has no type for that
		return fmt.Errorf("%w: %w", ErrStoreVersion, err)
	case p.old, errors.Is(err, os.ErrNotExist), pebble.IsCorruptionError(err):
		return explainDamage(p.dir, "", err)
	}
	return err
}
