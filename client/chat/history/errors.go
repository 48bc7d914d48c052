package history

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Errors of Open and of every call.
var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("history: the file is in use by another process")
	// ErrNotHistory: the file is something else, or damaged.
	ErrNotHistory = errors.New("history: this is no history file, or it is damaged")
	// ErrNewer: a newer version of the program wrote the file.
	ErrNewer = errors.New("history: a newer version of trunkline-chat wrote this file")
	// ErrOtherDevice: the history belongs to another user or device.
	ErrOtherDevice = errors.New("history: the file belongs to another user or device")
	// ErrFull: the disk is full. Nothing of the call was kept; it may be tried again.
	ErrFull = errors.New("history: the disk is full")
)

// told makes SQLite's errors this package's.
func told(what string, err error) error {
	if err == nil {
		return nil
	}
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return fmt.Errorf("%s: %w", what, err)
	}
	known := error(nil)
	switch se.Code() & 0xff {
	case lib.SQLITE_FULL:
		known = ErrFull
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		known = ErrNotHistory
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		known = ErrInUse
	}
	if known == nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w (%s: SQLite's code %d)", known, what, se.Code())
}
