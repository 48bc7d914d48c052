package store

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Offline holds on disk what waits: heads and entries of mailboxes, written behind by the loops and read when a mailbox comes back.
// It has no log of its own: what was applied since the last Flush is in the journal too.
//
// Keys, numbers big-endian, behind a prefix byte: 'h' fragment u16, user u64, device u8 -> head; 'e' fragment u16, user u64, device u8,
// seq u64 -> entry and payload; 'm' name -> meta. The first byte of each value is its version (1).
type Offline struct{}

// OfflineOptions say where.
type OfflineOptions struct {
	Dir      string
	FS       vfs.FS // nil: the system's
	Fragment func(user uint64) uint16
	Log      *slog.Logger
	Ballast  int // bytes; 0: offlineBallastBytes
}

// OpenOffline opens or makes the store in a directory. Errors: ErrOfflineDamaged with the place, ErrStoreLocked, ErrStoreVersion, ErrDiskFull, the system's.
func OpenOffline(o OfflineOptions) (*Offline, error) { panic("offline") }

// Heads adds the heads of all devices of a user to dst. Any goroutine, like all reads.
// Errors of reads: ErrOfflineDamaged (for good: nothing of it is served), or others (for now: try again).
func (o *Offline) Heads(user uint64, dst []Head) ([]Head, error) { panic("offline") }

// Head is the head of one mailbox; ok false: there is none.
func (o *Offline) Head(user uint64, device uint8) (h Head, ok bool, err error) { panic("offline") }

// Entries calls f for a mailbox's entries with after < seq, ascending, until f returns false. e and payload are valid until f returns.
func (o *Offline) Entries(user uint64, device uint8, after uint64, f func(e *Entry, payload []byte) bool) error {
	panic("offline")
}

// Each calls f for every head, in the order of keys, from the mailbox after the given one on; nil begins at the first.
func (o *Offline) Each(after *Key, f func(h *Head) bool) error { panic("offline") }

// OfflineBatch is a set of changes that are applied together. It is filled by one goroutine.
type OfflineBatch struct{}

// NewBatch makes an empty batch.
func (o *Offline) NewBatch() *OfflineBatch { panic("offline") }

// PutHead sets a head, counts included.
func (b *OfflineBatch) PutHead(h *Head) { panic("offline") }

// PutEntry sets an entry.
func (b *OfflineBatch) PutEntry(e *Entry, payload []byte) { panic("offline") }

// DropEntries removes a mailbox's entries with after < seq <= upTo.
func (b *OfflineBatch) DropEntries(user uint64, device uint8, after, upTo uint64) { panic("offline") }

// DropMailbox removes a mailbox: head and entries.
func (b *OfflineBatch) DropMailbox(user uint64, device uint8) { panic("offline") }

// Bytes is about what the batch will take on disk.
func (b *OfflineBatch) Bytes() int { panic("offline") }

// Apply makes a batch visible to reads, all of it or nothing. It outlives a crash once Flush has returned. An error is for now: the batch
// can be applied again.
func (o *Offline) Apply(b *OfflineBatch) error { panic("offline") }

// Flush makes durable what was applied before the call.
func (o *Offline) Flush() error { panic("offline") }

// Checkpoint puts a copy of what is durable into dir, which must not exist, by hard links where it can.
func (o *Offline) Checkpoint(dir string) error { panic("offline") }

// Clear removes everything.
func (o *Offline) Clear() error { panic("offline") }

// Stats are sizes now.
func (o *Offline) Stats() OfflineStats { panic("offline") }

// Close flushes and closes.
func (o *Offline) Close() error { panic("offline") }

// OfflineStats are sizes and counters of an Offline.
type OfflineStats struct {
	DiskBytes int64
	Reopened  uint64 // times that the engine had to be opened anew
	Errors    uint64
	Failed    bool // it can't be used just now
}
