package server

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"trunkline/store"
)

// The files of a data directory.
const (
	lockFile = "lock" // held with flock(2) while a server runs; its text is that server's pid
	seedFile = "seed" // the placement seed, 16 hexadecimal digits, readable by its owner only

	// Of package store, which makes them: named here because nothing else may take their place.
	stateFile       = "state"     // incarnation, owner epoch, mode, whether the last server stopped cleanly
	mailboxesFolder = "mailboxes" // the offline store
	journalFolder   = "journal"   // the journal, unless Config.Journal names another place
)

// dataDir is what one server keeps on disk, locked for as long as the server lives.
// The zero value is a server that keeps nothing.
type dataDir struct {
	lock *os.File
	seed uint64
}

// openDataDir creates the directory when it is missing, takes its lock and reads or makes the seed. path "" keeps
// nothing: the seed is drawn for this process. Errors: ErrDataLocked, ErrDataBroken, or the system's.
func openDataDir(path string) (*dataDir, error) {
	if path == "" {
		seed, err := randomUint64()
		return &dataDir{seed: seed}, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := takeLock(filepath.Join(path, lockFile))
	if err != nil {
		return nil, err
	}
	if _, err := store.FinishSwitch(nil, path); err != nil { // of a tool that was interrupted
		return nil, errors.Join(fmt.Errorf("data directory: %w", err), lock.Close())
	}
	seed, err := loadSeed(filepath.Join(path, seedFile))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &dataDir{lock: lock, seed: seed}, nil
}

// Close gives the lock back. The file stays: removing it would let two servers lock two files of one name. Safe to call twice.
func (d *dataDir) Close() error {
	if d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close()
}

// takeLock locks the file with flock(2) and LOCK_NB: the kernel gives the lock back however the process ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		if err = notePid(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	holder, _ := io.ReadAll(io.LimitReader(f, 32)) // only for the message
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s is locked by process %s", ErrDataLocked, filepath.Dir(path), strings.TrimSpace(string(holder)))
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// notePid writes who holds the lock, for the message that the next server prints.
func notePid(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return nil
}

// loadSeed reads the seed, or draws it and writes it through a temporary name, so that it is there whole or not at all.
func loadSeed(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return createSeed(path)
	}
	if err != nil {
		return 0, fmt.Errorf("data directory: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(raw) != 8 {
		return 0, fmt.Errorf("%w: %s does not hold 16 hexadecimal digits", ErrDataBroken, path)
	}
	return binary.BigEndian.Uint64(raw), nil
}

func createSeed(path string) (uint64, error) {
	seed, err := randomUint64()
	if err != nil {
		return 0, err
	}
	if err := replaceFile(path, fmt.Sprintf("%016x\n", seed)); err != nil {
		return 0, fmt.Errorf("data directory: %w", err)
	}
	return seed, nil
}

// syncDir makes a rename in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// randomUint64 draws a number that is never zero.
func randomUint64() (uint64, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		if n := binary.BigEndian.Uint64(b[:]); n != 0 {
			return n, nil
		}
	}
}
