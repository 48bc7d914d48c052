package store

import "errors"

// Errors of the tools that work on a data directory.
var (
	// ErrUnfinished: a tool was interrupted while it put new parts in place. FinishSwitch ends its work.
	ErrUnfinished = errors.New("store: a repair, a restore or a new seed waits to be put in place")
	// ErrSeedDamaged: the file of the seed is not what was written.
	ErrSeedDamaged = errors.New("store: the seed is damaged")
	// ErrBackup: a backup is not what was written, or none.
	ErrBackup = errors.New("store: not a whole backup")
	// ErrNoMailbox: a user, or a device of his, is not known.
	ErrNoMailbox = errors.New("store: there is no such mailbox")
	// ErrNotEmpty: what is to be made anew is there.
	ErrNotEmpty = errors.New("store: the directory is not empty")
	// ErrNoData: a directory holds nothing of a server.
	ErrNoData = errors.New("store: there are no mailboxes")
	// ErrCopyDiffers: what was copied is not what it was copied from. Nothing was replaced.
	ErrCopyDiffers = errors.New("store: the copy is not what it was made of")
)
