package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Journal makes what loops note durable, in the order in which they hand it over.
//
// A loop hands over one turn's records at a time. What all loops have handed over since the last sync is a round: it is written and
// synced as one, by one writer for each directory in parallel, and counts when every writer that has a part of it is done. So a
// turn is durable whole or not at all, and after a crash the journal is a prefix of what was handed over, whichever
// loops and directories it went through.
//
// The leader is a goroutine that takes what waits, has it written, and says what is durable; with one directory it writes itself. While it
// does, the next round gathers. A round that could not be written is written again, into a new file, until the disk takes it.
//
// Locks: truncating, then files.mu. mu and the trouble's are taken alone, but for the callbacks, which run under the trouble's.
type Journal struct {
	opts    JournalOptions
	clock   journalClock
	durable []durableTurn

	mu       sync.Mutex
	gathered []*journalRound // not taken by the leader yet, oldest first; only the last takes more
	spare    []*journalRound
	closing  bool

	waiting atomic.Int64 // bytes handed over and not durable
	over    atomic.Bool  // ... were too many, and are not half of that yet

	wake     chan struct{} // the leader looks again
	requests chan func()   // run by the leader between two rounds, and while it waits for another try
	done     chan struct{} // closed when the leader has ended
	closeErr error         // after done
	linger   journalAlarm
	retry    journalAlarm
	overfull journalAlarm

	trouble *journalTrouble
	files   journalFiles

	truncating sync.Mutex
	held       int            // Holds; guarded by truncating
	notes      []*journalNote // by directory; guarded by truncating

	lead journalLeader // the leader's own
}

// durableTurn has a cache line of its own: a loop reads it while others' change.
type durableTurn struct {
	turn atomic.Uint64
	_    [56]byte
}

// JournalOptions say where and how.
type JournalOptions struct {
	Dirs         []string // one writer each, at most JournalsMax
	FS           vfs.FS   // nil: the system's
	Loops        int
	Owner        uint32        // the owner epoch, kept in each round; a new one after each end that was not clean
	FirstRound   uint64        // the report's LastRound + 1
	Linger       time.Duration // how long a round waits for company; 0: not at all
	RoundBytes   int           // a round of that size does not wait; 0: JournalRoundBytes
	SegmentBytes int64         // a file of that size is followed by a new one; 0: JournalSegmentBytes
	Log          *slog.Logger  // takes what does no harm; nil discards it

	// Durable is called by the journal's goroutine when something of a loop became durable. It must not block.
	Durable func(loop int)
	// Trouble is called by a goroutine of the journal's when rounds can't be made durable (err names path and errno; or ErrJournalSlow,
	// ErrJournalWaiting), once more for each other reason, and with nil when they can again. One call at a time. Until then
	// nothing is lost: rounds wait in memory. It must not block.
	Trouble func(err error)

	clock journalClock // nil: the system's
}

// OpenJournal makes the directories that are missing and starts the writers. What the directories hold stays until Truncate, whose first call
// removes it: by then it must be elsewhere. What a crash has left of FirstRound and later rounds never counts again.
func OpenJournal(o JournalOptions) (*Journal, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	j := &Journal{
		opts: o, clock: o.clock, durable: make([]durableTurn, o.Loops),
		wake: make(chan struct{}, 1), requests: make(chan func()), done: make(chan struct{}),
	}
	j.files.all, j.files.next = make([][]*journalSegment, len(o.Dirs)), o.FirstRound
	j.lead.writers = make([]*journalWriter, len(o.Dirs))
	j.lead.log = o.Log
	j.lead.results = make(chan *journalWriter, len(o.Dirs))
	if err := j.take(); err != nil {
		return nil, errors.Join(err, j.lead.closeFiles())
	}
	j.linger, j.retry, j.overfull = j.clock.alarm(j.look), j.clock.alarm(j.look), j.clock.alarm(j.tellWaiting)
	j.trouble = newJournalTrouble(o.Trouble, j.clock, fmt.Sprint(o.Dirs))
	for _, w := range j.lead.writers[1:] {
		w.jobs = make(chan *journalRound)
		go w.run(j.lead.results) // ends when the leader closes jobs, in Close
	}
	go j.run() // ends with Close
	return j, nil
}

// complete checks the options and fills in what is not set.
func (o *JournalOptions) complete() error {
	if len(o.Dirs) == 0 || len(o.Dirs) > JournalsMax || o.Loops < 1 || o.FirstRound == 0 {
		return fmt.Errorf("store: a journal with %d directories (1 to %d), %d loops, first round %d", len(o.Dirs), JournalsMax, o.Loops, o.FirstRound)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.RoundBytes == 0 {
		o.RoundBytes = JournalRoundBytes
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = JournalSegmentBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Durable == nil {
		o.Durable = func(int) {}
	}
	if o.clock == nil {
		o.clock = systemClock{}
	}
	return nil
}

// take reads what is there and begins a segment in each directory.
func (j *Journal) take() error {
	o := &j.opts
	old := false
	for i, dir := range o.Dirs {
		note, err := takeJournalNote(o.FS, dir)
		if err != nil {
			return err
		}
		segments, err := listSegments(o.FS, dir)
		if err != nil {
			return err
		}
		for n, s := range segments {
			if s.first > o.FirstRound {
				return fmt.Errorf("store: first round %d of the journal: %s is later", o.FirstRound, s.path)
			}
			info, err := o.FS.Stat(s.path)
			if err != nil {
				return fmt.Errorf("journal: %s: %w", s.path, err)
			}
			s.writer, s.size, s.newest, s.turns = i, info.Size(), o.FirstRound-1, make([]uint64, o.Loops)
			if n+1 < len(segments) {
				s.newest = segments[n+1].first - 1
			}
			old = old || s.first < o.FirstRound
		}
		j.notes, j.files.all[i] = append(j.notes, note), segments
		j.lead.writers[i] = &journalWriter{
			fs: o.FS, dir: dir, number: i, id: note.id, salt: note.id.salt(), loops: o.Loops, clock: o.clock, files: &j.files,
		}
	}
	for i, w := range j.lead.writers {
		if err := w.begin(o.FirstRound); err != nil {
			return err
		}
		if !old && j.notes[i].base < o.FirstRound {
			if err := j.notes[i].advance(o.FS, w.dir, o.FirstRound); err != nil {
				return err
			}
		}
	}
	return nil
}

// Submit hands over what a loop has noted in a turn: parts[i] are whole records for directory i (nil: none). It copies them and
// never blocks. Turns of a loop are handed over in order, from 1. After Close it does nothing.
func (j *Journal) Submit(loop int, turn uint64, parts [][]byte) {
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return
	}
	n := len(j.gathered)
	begins := n == 0 || j.gathered[n-1].bytes >= journalRoundMax
	if begins {
		j.gathered = append(j.gathered, j.blank())
		n++
	}
	r := j.gathered[n-1]
	before := r.bytes
	bytes := r.add(loop, turn, parts)
	reached := before < j.opts.RoundBytes && r.bytes >= j.opts.RoundBytes
	waiting := j.waiting.Add(int64(bytes))
	j.mu.Unlock()
	if begins || reached {
		j.look()
	}
	if waiting > JournalWaitingMax && j.over.CompareAndSwap(false, true) {
		j.overfull.Reset(0) // told from elsewhere: the leader may hang in a sync
	}
}

// blank is a round to gather in. Under mu.
func (j *Journal) blank() *journalRound {
	r := newOrSpare(&j.spare, len(j.opts.Dirs), j.opts.Loops)
	r.since = j.clock.now()
	return r
}

// tellWaiting says whether too much waits. It is also called to say that it does not any more.
func (j *Journal) tellWaiting() {
	j.trouble.waiting(func() int64 {
		if !j.over.Load() {
			return 0
		}
		return max(1, j.waiting.Load())
	})
}

// look has the leader look again. Spare calls do no harm.
func (j *Journal) look() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Durable is the last turn of a loop that is durable, and all before it. Any goroutine.
func (j *Journal) Durable(loop int) uint64 { return j.durable[loop].turn.Load() }

// Stats are the counters now. Any goroutine.
func (j *Journal) Stats() JournalStats {
	s := JournalStats{
		Rounds: j.lead.rounds.Load(), Bytes: j.lead.bytes.Load(), Records: j.lead.records.Load(),
		Errors: j.lead.errors.Load(), WaitingBytes: j.waiting.Load(),
	}
	if since := j.lead.since.Load(); since != 0 {
		s.LagSeconds = j.clock.now().Sub(time.Unix(0, since)).Seconds()
	} else {
		j.mu.Lock()
		if len(j.gathered) > 0 {
			s.LagSeconds = j.clock.now().Sub(j.gathered[0].since).Seconds()
		}
		j.mu.Unlock()
	}
	j.files.mu.Lock()
	defer j.files.mu.Unlock()
	for _, segments := range j.files.all {
		s.Segments += len(segments)
		for _, segment := range segments {
			s.DiskBytes += segment.size
		}
	}
	s.Fsync = j.files.syncs.quantiles()
	return s
}

// Close makes durable what was handed over, as far as the disk lets it, and closes the files. While there is trouble it tries once
// more and returns the error. It waits for a disk that hangs.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closing = true
	j.mu.Unlock()
	j.look()
	<-j.done
	return j.closeErr
}

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
