package store

import "github.com/cockroachdb/pebble/v2/vfs"

// FS is the file system below the durable mailboxes: journal, offline store and state file. nil means the system's. Whoever puts faults
// into a disk to see what becomes of promises gives another one, without importing the engine for it.
type FS = vfs.FS
