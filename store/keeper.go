package store

import (
	"errors"
	"log/slog"
	"sync"
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
//
// Locks: backup, then those of stops, writer and loads, none of which is taken under another, then a tray's.
type Keeper struct {
	o        KeeperOptions
	state    state // as on the disk
	found    Recovery
	offline  *Offline
	journal  *Journal // nil in AckMemory mode
	journals []string // its directories

	trays   []*tray
	loads   *loads
	writer  *writer
	stops   stops
	counts  counts
	readLog lineLimit

	backup sync.Mutex    // one at a time
	stop   chan struct{} // closed by Close: sweeper and writer end
	ended  sync.WaitGroup
	once   sync.Once
	err    error // of Close
}

// KeeperOptions say where and how. Zero fields take defaults.
type KeeperOptions struct {
	Dir          string   // holds the state file, mailboxes/ and journal/
	Journals     []string // directories of the journal; none: Dir/journal
	Ack          Ack
	Loops        int
	Fragment     func(user uint64) uint16
	FS           vfs.FS // nil: the system's
	Linger       time.Duration
	JournalBytes int64         // on disk; over it there is trouble until the journal was truncated; 0: JournalBytesDefault
	FlushEvery   time.Duration // 0: FlushEvery
	Log          *slog.Logger
	Now          func() time.Time // for durations in logs and stats, and for the sweeper; nil: the system's

	// Wake is called when there is news for a loop: it must call Desk.News soon. It must not block.
	Wake func(loop int)

	// Home is the loop that is told of a user: NewsPending, NewsExpired. nil: there is one loop.
	Home func(user uint64) int

	// Retention is how long something may wait; 0: for ever. What is older is told with NewsExpired.
	Retention time.Duration

	after   func(time.Duration) <-chan time.Time // of pauses; tests have their own
	flush   <-chan time.Time                     // when a flush is due; nil: every FlushEvery
	look    <-chan time.Time                     // when the sweeper looks at the clock; nil: every SweepLookEvery
	ballast int                                  // of the offline store; 0: its own
}

// defaults fills in what is zero.
func (o *KeeperOptions) defaults() error {
	if o.Loops < 1 || o.Fragment == nil || o.Dir == "" {
		return errors.New("store: a keeper without a directory, loops or fragments")
	}
	if o.Home == nil {
		if o.Loops > 1 {
			return errors.New("store: a keeper with several loops and no homes")
		}
		o.Home = func(uint64) int { return 0 }
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wake == nil {
		o.Wake = func(int) {}
	}
	if o.JournalBytes == 0 {
		o.JournalBytes = JournalBytesDefault
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = FlushEvery
	}
	if o.after == nil {
		o.after = time.After
	}
	return nil
}

// OpenKeeper takes the directory, recovers what a crash has left in the journal, raises the owner epoch durably after an unclean end, and
// starts its goroutines. Errors: ErrStoreLocked, *DamageError, ErrJournalMissing, ErrJournalTaken, ErrStoreVersion, ErrDiskFull, the system's.
func OpenKeeper(o KeeperOptions) (*Keeper, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	k := &Keeper{o: o, stop: make(chan struct{}), trays: make([]*tray, o.Loops)}
	for i := range k.trays {
		k.trays[i] = &tray{wake: func() { o.Wake(i) }}
	}
	k.loads = newLoads(k.trays)
	k.stops = stops{log: o.Log, trays: k.trays}
	k.writer = newWriter(k, o.Loops)
	if err := k.recover(); err != nil {
		return nil, err
	}
	k.begin()
	return k, nil
}

// begin starts the goroutines: the readers, the writer, the sweeper, and the one that tells of what is to be gone on with.
func (k *Keeper) begin() {
	for range KeeperReaders {
		k.ended.Add(1)
		go func() { // ended by Close, through loads
			defer k.ended.Done()
			k.read()
		}()
	}
	flush, stopFlush := ticks(k.o.flush, k.o.FlushEvery)
	k.ended.Add(1)
	go func() { // ended by Close, through stop
		defer k.ended.Done()
		defer stopFlush()
		k.writer.run(k.stop, flush)
	}()
	k.ended.Add(1)
	go func() { // ended by itself, or by Close, through stop
		defer k.ended.Done()
		k.tellPending(k.stop)
	}()
	if k.o.Retention <= 0 {
		return
	}
	look, stopLook := ticks(k.o.look, SweepLookEvery)
	k.ended.Add(1)
	go func() { // ended by Close, through stop
		defer k.ended.Done()
		defer stopLook()
		k.sweep(k.stop, look)
	}()
}

// ticks is the given channel, or a ticker's.
func ticks(given <-chan time.Time, every time.Duration) (c <-chan time.Time, stop func()) {
	if given != nil {
		return given, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// Incarnation names the data: it changes only when data was lost, or came back from a backup that is older than what clients have seen.
func (k *Keeper) Incarnation() uint64 { return k.state.Incarnation }

// OwnerEpoch is the upper 24 bits of every seq that this process gives out.
func (k *Keeper) OwnerEpoch() uint32 { return k.state.Owner }

// Recovery says what the start has found and done.
func (k *Keeper) Recovery() Recovery { return k.found }

// Recovery is what a start has found.
type Recovery struct {
	New        bool // nothing was there
	Clean      bool // the last process had stopped cleanly
	DataLost   bool // ... in memory mode it had not: the incarnation is a new one
	Restored   bool // the directory was a backup: the incarnation is a new one
	OwnerEpoch uint32
	Journal    JournalReport
	Mailboxes  int           // that the journal's tail has changed
	Receipts   int           // second ticks told once more
	Took       time.Duration // all of it
}

// Settle waits until everything that desks have handed over is durable, applied and flushed, or until the timeout: ErrNotSettled.
func (k *Keeper) Settle(timeout time.Duration) error { return k.writer.settle(timeout, k.stop) }

// isDurable says whether a turn of a loop is durable.
func (k *Keeper) isDurable(loop int, turn uint64) bool {
	return k.journal == nil || turn == 0 || k.journal.Durable(loop) >= turn
}

// allDurable says whether a turn of each loop is durable.
func (k *Keeper) allDurable(turns []uint64) bool {
	for loop, turn := range turns {
		if !k.isDurable(loop, turn) {
			return false
		}
	}
	return true
}

// journalDurable is told by the journal when turns of a loop became durable.
func (k *Keeper) journalDurable(loop int) {
	k.trays[loop].nudge()
	k.writer.durable()
}
