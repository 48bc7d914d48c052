package store

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Ack is what the first tick promises.
type Ack uint8

// The modes.
const (
	AckDisk   Ack = iota // the message is fsynced in the journal: it survives a crash and a power cut
	AckMemory            // the message is in memory: it survives a clean stop
)

// String is the mode's name: "disk" or "memory".
func (a Ack) String() string {
	if a == AckMemory {
		return "memory"
	}
	return "disk"
}

// Keeper is the durable half of a process's mailboxes: the journal, the offline store, and the goroutines between them and the loops.
//
//	loop  Desk.Note, Desk.Submit -> Journal -> NewsDurable
//	loop  Desk.Load -> readers -> NewsUser, NewsEntries
//	loop  Desk.WriteBack -> writer (waits until the journal has what it saw) -> Offline.Apply -> NewsWritten; Flush; Journal.Truncate
type Keeper struct{}

// KeeperOptions say where and how. Zero fields take defaults.
type KeeperOptions struct {
	Dir          string   // holds the state file, mailboxes/ and journal/
	Journals     []string // directories of the journal; none: Dir/journal
	Ack          Ack
	Loops        int
	Fragment     func(user uint64) uint16
	FS           vfs.FS // nil: the system's
	Linger       time.Duration
	JournalBytes int64 // on disk; over it there is trouble until the journal was truncated
	Log          *slog.Logger
	Now          func() time.Time // for durations in logs and stats; nil: the system's

	// Wake is called when there is news for a loop: it must call Desk.News soon. It must not block.
	Wake func(loop int)
}

// OpenKeeper takes the directory, recovers what a crash has left in the journal, raises the owner epoch durably after an unclean end, and
// starts its goroutines. Errors: ErrStoreLocked, *DamageError, ErrJournalMissing, ErrStoreVersion, ErrDiskFull, the system's.
func OpenKeeper(o KeeperOptions) (*Keeper, error) { panic("keeper") }

// Incarnation names the data: it changes only when data was lost. OwnerEpoch is the upper part of every new seq. Recovery says what the start found.
func (k *Keeper) Incarnation() uint64 { panic("keeper") }

// OwnerEpoch is the upper 24 bits of every seq that this process gives out.
func (k *Keeper) OwnerEpoch() uint32 { panic("keeper") }

// Recovery says what the start has found and done.
func (k *Keeper) Recovery() Recovery { panic("keeper") }

// Desk makes the desk of one loop, whose waiting entries are in m.
func (k *Keeper) Desk(loop int, m *Mailboxes) *Desk { panic("keeper") }

// Settle waits until everything that desks have handed over is durable, applied and flushed, or until the timeout.
func (k *Keeper) Settle(timeout time.Duration) error { panic("keeper") }

// Backup puts a copy of the mailboxes into dir while the server runs: what was durable at some moment during the call.
func (k *Keeper) Backup(dir string) error { panic("keeper") }

// Stats are the counters now. Any goroutine.
func (k *Keeper) Stats() KeeperStats { panic("keeper") }

// Close ends the goroutines and gives the directory back. clean says that every desk has written back all it had: then the next
// start has nothing to recover and keeps the owner epoch. A keeper that can't finish cleanly leaves the directory as a crash would.
func (k *Keeper) Close(clean bool) error { panic("keeper") }

// Recovery is what a start has found.
type Recovery struct {
	New        bool // nothing was there
	Clean      bool // the last process had stopped cleanly
	DataLost   bool // ... in memory mode it had not: the incarnation is a new one
	OwnerEpoch uint32
	Journal    JournalReport
	Mailboxes  int           // that the journal's tail has changed
	Receipts   int           // second ticks told once more
	Took       time.Duration // all of it
}

// KeeperStats are the counters of a Keeper.
type KeeperStats struct {
	Journal      JournalStats
	Offline      OfflineStats
	Trouble      string // why intake is stopped; "": it is not
	Loads        uint64 // users read
	EntryLoads   uint64 // pieces of mailboxes read
	LoadErrors   uint64
	WriteBacks   uint64 // slices applied
	WrittenHeads uint64
	Written      uint64 // entries
	WrittenBytes uint64
	SliceBytes   Quantiles // of WriteBacks; in bytes
	Flushes      uint64
	Truncations  uint64
}
