package store

import "errors"

// Errors of Append, AppendShared and Replace. After each of them nothing has changed.
var (
	// ErrOrder: the device has an entry with this seq or a higher one.
	ErrOrder = errors.New("store: seq is not above the device's entries")
	// ErrNoEntry: the key names no entry.
	ErrNoEntry = errors.New("store: no such entry")
	// ErrFull: the memory limit for payloads, or for entries, is reached.
	ErrFull = errors.New("store: mailbox memory is full")
	// ErrUser: the user is above UserMax.
	ErrUser = errors.New("store: user id is out of range")
	// ErrTooLarge: the payload is longer than PayloadBytesMax.
	ErrTooLarge = errors.New("store: payload is too large")
)
