package store

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Journal makes what loops note durable, in the order in which they hand it over.
//
// A loop hands over one turn's records at a time. What all loops have handed over since the last sync is a round: it is written and
// synced as one, by one writer for each directory in parallel, and counts when every writer that has a part of it is done. So a
// turn is durable whole or not at all, and after a crash the journal is a prefix of what was handed over, whichever
// loops and directories it went through.
type Journal struct{}

// JournalOptions say where and how.
type JournalOptions struct {
	Dirs         []string // one writer each, at most JournalsMax
	FS           vfs.FS   // nil: the system's
	Loops        int
	Owner        uint32        // the owner epoch, kept in each round
	FirstRound   uint64        // above every round that is there
	Linger       time.Duration // how long a round waits for company; 0: not at all
	RoundBytes   int           // a round of that size does not wait; 0: JournalRoundBytes
	SegmentBytes int64         // a file of that size is followed by a new one; 0: JournalSegmentBytes
	Log          *slog.Logger

	// Durable is called by the journal's goroutine when something of a loop became durable. It must not block.
	Durable func(loop int)
	// Trouble is called by the journal's goroutine when rounds can't be made durable (err names path and errno), once more for each
	// other reason, and with nil when they can again. Until then nothing is lost: rounds wait in memory.
	Trouble func(err error)
}

// OpenJournal makes the directories that are missing and starts the writers. What the directories hold stays until Truncate.
func OpenJournal(o JournalOptions) (*Journal, error) { panic("journal") }

// Submit hands over what a loop has noted in a turn: parts[i] are whole records for directory i (nil: none). It copies them and
// never blocks. Turns of a loop are handed over in order, from 1.
func (j *Journal) Submit(loop int, turn uint64, parts [][]byte) { panic("journal") }

// Durable is the last turn of a loop that is durable, and all before it. Any goroutine.
func (j *Journal) Durable(loop int) uint64 { panic("journal") }

// Truncate removes files whose records are all of turns below below[loop], by loop. They need not be durable anywhere else after it.
func (j *Journal) Truncate(below []uint64) error { panic("journal") }

// Stats are the counters now. Any goroutine.
func (j *Journal) Stats() JournalStats { panic("journal") }

// Close makes durable what was handed over, as far as the disk lets it, and closes the files.
func (j *Journal) Close() error { panic("journal") }

// JournalStats are a journal's counters.
type JournalStats struct {
	Rounds       uint64
	Bytes        uint64 // written, headers included
	Records      uint64 // bytes of records, without headers
	WaitingBytes int64  // handed over and not durable
	DiskBytes    int64  // of the files that are there
	Segments     int
	Errors       uint64
	Fsync        Quantiles // of the last FsyncsRemembered syncs
	LagSeconds   float64   // age of the oldest thing that is not durable
}

// Quantiles of a duration, in seconds.
type Quantiles struct {
	P50, P90, P99, Max float64
	Count              uint64 // since the start
}

// JournalReport is what ReadJournals has found.
type JournalReport struct {
	Rounds    uint64
	Records   uint64
	Bytes     int64
	LastRound uint64   // the last that counts; 0: none
	Owner     uint32   // the highest owner epoch in it
	Cut       []CutEnd // torn ends, which were never durable
}

// CutEnd is a place behind which a journal was not written whole.
type CutEnd struct {
	Path   string
	Offset int64
	Bytes  int64 // that are ignored
	Why    string
}

// ReadJournals calls f for every record of every round that counts, in order. r is valid until f returns.
// A torn end is cut and reported: an incomplete round is the last one, or nothing of what follows it counts.
// Errors: a *DamageError (ErrJournalDamaged) when a round is damaged that others follow; f's error; the system's.
func ReadJournals(fs vfs.FS, dirs []string, f func(round uint64, r *Record) error) (JournalReport, error) {
	panic("journal")
}
