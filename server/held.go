package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"trunkline/shard"
	"trunkline/store"
)

// HeldData is a data directory of which the lock is held, so that no server has it: for the tools that work on its files.
type HeldData struct {
	path string
	data dataDir
}

// HoldData takes the lock of a data directory. make makes the directory when it is missing; else that is an error.
// It writes nothing but this process's number into the lock, so that whoever is refused can say by whom.
// Errors: ErrDataLocked with the holder's number, os.ErrNotExist, or the system's.
func HoldData(path string, make bool) (*HeldData, error) {
	if make {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no data directory %s: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := takeLock(filepath.Join(path, lockFile))
	if err != nil {
		return nil, err
	}
	return &HeldData{path: path, data: dataDir{lock: lock}}, nil
}

// Mailboxes is what the tools of package store work on.
func (h *HeldData) Mailboxes() store.Directory {
	return store.Directory{Path: h.path, Fragment: FragmentOf}
}

// Close gives the lock back. Safe to call twice.
func (h *HeldData) Close() error { return h.data.Close() }

// FragmentOf places a user by a seed.
func FragmentOf(seed, user uint64) uint16 { return uint16(shard.Placement{Seed: seed}.Fragment(user)) }

// DrawSeed draws a seed of placement.
func DrawSeed() (uint64, error) { return randomUint64() }
