package store

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// journalDirs are n directories.
func journalDirs(n int) []string {
	var dirs []string
	for i := range n {
		dirs = append(dirs, fmt.Sprintf("data/journal%d", i))
	}
	return dirs
}

// serialPart is a part of a turn that says which one it is: the turn's number among all turns, and the part.
func serialPart(serial uint64, part int, padding int) []byte {
	r := Record{Kind: RecordAppend, Payload: make([]byte, padding)}
	r.Entry.User, r.Entry.Device, r.Entry.Seq = serial, uint8(part), serial
	for i := range r.Payload {
		r.Payload[i] = byte(serial) + byte(i)
	}
	return AppendRecord(nil, &r)
}

// serialTurn has a part for each bit of mask.
func serialTurn(serial uint64, mask uint, dirs, padding int) [][]byte {
	parts := make([][]byte, dirs)
	for i := range parts {
		if mask>>i&1 == 1 {
			parts[i] = serialPart(serial, i, padding)
		}
	}
	return parts
}

// journalSeen is what a reader was given: the parts of each turn.
type journalSeen struct {
	order []uint64        // serials as they came first
	masks map[uint64]uint // parts
	last  map[uint8]uint64
	mixed bool // loops number their turns on their own
	bad   error
}

func (s *journalSeen) take(_ uint64, r *Record) error {
	serial := r.Entry.Seq
	if s.masks == nil {
		s.masks, s.last = map[uint64]uint{}, map[uint8]uint64{}
	}
	if r.Kind != RecordAppend || r.Entry.User != serial {
		s.bad = fmt.Errorf("a record that nobody wrote: %+v", r)
	}
	for i, b := range r.Payload {
		if b != byte(serial)+byte(i) {
			s.bad = fmt.Errorf("turn %d: a payload that nobody wrote", serial)
		}
	}
	if s.masks[serial] == 0 {
		s.order = append(s.order, serial)
	}
	if s.masks[serial]>>r.Entry.Device&1 == 1 {
		s.bad = fmt.Errorf("turn %d: part %d twice", serial, r.Entry.Device)
	}
	if s.last[r.Entry.Device] >= serial && !s.mixed {
		s.bad = fmt.Errorf("turn %d after turn %d", serial, s.last[r.Entry.Device])
	}
	s.last[r.Entry.Device] = serial
	s.masks[serial] |= 1 << r.Entry.Device
	return nil
}

func readSeen(t testing.TB, fs vfs.FS, dirs []string) (*journalSeen, JournalReport) {
	t.Helper()
	seen := &journalSeen{}
	report, err := ReadJournals(fs, dirs, seen.take)
	journalMust(t, errors.Join(err, seen.bad))
	return seen, report
}

func openTestJournal(t testing.TB, o JournalOptions) *Journal {
	t.Helper()
	if o.Loops == 0 {
		o.Loops = 1
	}
	if o.FirstRound == 0 {
		o.FirstRound = 1
	}
	j, err := OpenJournal(o)
	journalMust(t, err)
	return j
}

func TestWhatWasHandedOverIsReadAgainInOrder(t *testing.T) {
	for _, dirs := range []int{1, 2, 4, JournalsMax} {
		t.Run(fmt.Sprint(dirs), func(t *testing.T) {
			fs, heard := vfs.NewCrashableMem(), make(chan int, 10_000)
			j := openTestJournal(t, JournalOptions{Dirs: journalDirs(dirs), FS: fs, Loops: 2, Owner: 7, SegmentBytes: 2000, Durable: func(l int) { heard <- l }})
			const turns = 300
			for i := uint64(1); i <= turns; i++ {
				j.Submit(int(i%2), (i+1)/2, serialTurn(i, uint(i)%(1<<dirs), dirs, int(i)))
				if i%7 == 0 {
					journalUntil(t, "durable", func() bool { return j.Durable(int(i%2)) == (i+1)/2 })
				}
			}
			journalUntil(t, "durable", func() bool { return j.Durable(0) == turns/2 && j.Durable(1) == turns/2 })
			s := j.Stats()
			if s.WaitingBytes != 0 || s.LagSeconds != 0 || s.Fsync.Count < s.Rounds || s.Segments < 2*dirs || s.Records == 0 || s.Errors != 0 {
				t.Errorf("%+v", s)
			}
			if len(heard) == 0 {
				t.Error("nobody was told")
			}
			crash := fs.CrashClone(vfs.CrashCloneCfg{}) // not closed
			seen, report := readSeen(t, crash, journalDirs(dirs))
			for i := uint64(1); i <= turns; i++ {
				if want := uint(i) % (1 << dirs); seen.masks[i] != want {
					t.Fatalf("turn %d with parts %b, want %b", i, seen.masks[i], want)
				}
			}
			if report.Owner != 7 || report.Rounds != s.Rounds || report.LastRound != s.Rounds || len(report.Cut) != 0 || report.Bytes != s.DiskBytes {
				t.Errorf("%+v of %+v", report, s)
			}
			journalMust(t, j.Close())
			j.Submit(0, turns, serialTurn(1, 1, dirs, 1)) // does nothing
			if err := j.Truncate([]uint64{1, 1}); !errors.Is(err, ErrJournalClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// stall is a disk whose syncs of segments wait.
type stall struct {
	mu   sync.Mutex
	gate chan struct{} // nil: open
	in   atomic.Int32
}

func (s *stall) ask(op, path string, _ int) (int, error) {
	if op != "sync" || !strings.HasSuffix(path, segmentSuffix) {
		return 0, nil
	}
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		s.in.Add(1)
		<-gate
		s.in.Add(-1)
	}
	return 0, nil
}

func (s *stall) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = make(chan struct{})
}

func (s *stall) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.gate)
	s.gate = nil
}

func TestWhileASyncRunsTheNextRoundGathersAndASlowOneIsTold(t *testing.T) {
	disk, clock, told := &stall{}, newJournalTestClock(), &journalTroubles{}
	j := openTestJournal(t, JournalOptions{
		Dirs: journalDirs(1), FS: &journalFaultFS{vfs.NewMem(), disk.ask}, clock: clock, Trouble: told.tell,
	})
	disk.shut()
	for i := uint64(1); i <= 100; i++ {
		j.Submit(0, i, serialTurn(i, 1, 1, 100))
		journalUntil(t, "the first sync", func() bool { return disk.in.Load() == 1 })
	}
	clock.advance(JournalSlowSync - 1)
	if len(told.list()) != 0 || j.Durable(0) != 0 || j.Stats().WaitingBytes == 0 {
		t.Fatalf("%v, durable %d, %+v", told.list(), j.Durable(0), j.Stats())
	}
	clock.advance(1)
	if got := told.list(); len(got) != 1 || !errors.Is(got[0], ErrJournalSlow) {
		t.Fatalf("told %v", got)
	}
	if lag := j.Stats().LagSeconds; lag != JournalSlowSync.Seconds() {
		t.Errorf("lag %v", lag)
	}
	disk.open()
	journalUntil(t, "durable", func() bool { return j.Durable(0) == 100 })
	if got := told.list(); len(got) != 2 || got[1] != nil {
		t.Errorf("told %v", got)
	}
	if s := j.Stats(); s.Rounds != 2 || s.Fsync.Max != JournalSlowSync.Seconds() || s.Fsync.Count != 2 {
		t.Errorf("%+v", s)
	}
	journalMust(t, j.Close())
}

func TestTooMuchThatWaitsIsToldAndTaken(t *testing.T) {
	disk, told := &stall{}, &journalTroubles{}
	j := openTestJournal(t, JournalOptions{
		Dirs: journalDirs(1), FS: &journalFaultFS{nullFS{vfs.NewMem()}, disk.ask}, Trouble: told.tell, clock: newJournalTestClock(),
	})
	disk.shut()
	part := [][]byte{make([]byte, 1<<20)}
	const turns = 2*JournalWaitingMax>>20 + 10
	for i := uint64(1); i <= turns; i++ {
		j.Submit(0, i, part)
	}
	journalUntil(t, "trouble", func() bool { return errors.Is(told.last(), ErrJournalWaiting) })
	if got := j.Stats().WaitingBytes; got != turns<<20 {
		t.Errorf("%d bytes wait", got)
	}
	disk.open()
	journalUntil(t, "durable", func() bool { return j.Durable(0) == turns })
	journalUntil(t, "well", func() bool { return told.last() == nil })
	if n := j.Stats().Rounds; n < 3 {
		t.Errorf("%d rounds: one of %d bytes", n, turns<<20)
	}
	journalMust(t, j.Close())
}

// nullFS keeps nothing of segments.
type nullFS struct{ vfs.FS }

type nullFile struct{ vfs.File }

func (nullFile) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (nullFile) SyncData() error                        { return nil }

func (f nullFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	return nullFile{file}, err
}

func TestARoundLingersUntilItIsLargeOrOld(t *testing.T) {
	clock := newJournalTestClock()
	j := openTestJournal(t, JournalOptions{Dirs: journalDirs(1), FS: vfs.NewMem(), clock: clock, Linger: time.Millisecond, RoundBytes: 1000})
	j.Submit(0, 1, serialTurn(1, 1, 1, 100))
	j.Submit(0, 2, serialTurn(2, 1, 1, 100))
	j.Submit(0, 3, serialTurn(3, 1, 1, 900)) // large
	journalUntil(t, "a large round", func() bool { return j.Durable(0) == 3 })
	j.Submit(0, 4, serialTurn(4, 1, 1, 100))
	// Whoever asks the leader comes after it has looked at the round.
	journalMust(t, j.ask(func() {}))
	if j.Durable(0) != 3 || j.Stats().Rounds != 1 {
		t.Fatal("a round did not linger")
	}
	journalUntil(t, "an old round", func() bool { clock.advance(time.Millisecond); return j.Durable(0) == 4 })
	j.Submit(0, 5, nil) // a turn without a record
	journalUntil(t, "an empty turn", func() bool { clock.advance(time.Millisecond); return j.Durable(0) == 5 })
	j.Submit(0, 6, serialTurn(6, 1, 1, 100))
	journalMust(t, j.Close()) // does not linger
	if j.Durable(0) != 6 || j.Stats().Rounds != 3 {
		t.Errorf("durable %d, %+v", j.Durable(0), j.Stats())
	}
}

// failing refuses operations while it is broken.
type failing struct {
	mu     sync.Mutex
	op     string
	in     string // part of the path
	err    error
	half   bool // of a write is done
	broken bool
	failed []string // paths
	after  []string // what was done on a path that had failed in a sync
}

func (f *failing) ask(op, path string, size int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if (op == "write" || op == "sync") && strings.HasSuffix(path, segmentSuffix) && slices.Contains(f.failed, path) {
		f.after = append(f.after, op+" "+path)
	}
	if op == "remove" && !f.broken {
		f.failed = slices.DeleteFunc(f.failed, func(p string) bool { return p == path }) // another file has the name now
	}
	if !f.broken || op != f.op || !strings.Contains(path, f.in) {
		if op == "remove" {
			f.failed = slices.DeleteFunc(f.failed, func(p string) bool { return p == path })
		}
		return 0, nil
	}
	f.failed = append(f.failed, path)
	if f.half {
		return size / 2, f.err
	}
	return 0, f.err
}

func (f *failing) set(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

func TestAnErrorIsToldAndHealedInANewFile(t *testing.T) {
	for _, row := range []struct {
		name, op, in string
		err          error
		half         bool
	}{
		{"full disk", "write", segmentSuffix, syscall.ENOSPC, false},
		{"full disk, half of it written", "write", segmentSuffix, syscall.ENOSPC, true},
		{"short write", "write", segmentSuffix, nil, true},
		{"no sync", "sync", segmentSuffix, syscall.EIO, false},
		{"one of the disks", "sync", "journal1/", syscall.EIO, false},
		{"not even a new file", "create", segmentSuffix, syscall.EROFS, false},
	} {
		for dirs := range 4 {
			dirs := dirs + 1
			t.Run(fmt.Sprintf("%s, %d directories", row.name, dirs), func(t *testing.T) {
				if strings.Contains(row.in, "journal1") && dirs < 2 {
					t.Skip("there is one only")
				}
				mem, clock, told := vfs.NewCrashableMem(), newJournalTestClock(), &journalTroubles{}
				disk := &failing{op: row.op, in: row.in, err: row.err, half: row.half}
				o := JournalOptions{Dirs: journalDirs(dirs), FS: &journalFaultFS{mem, disk.ask}, clock: clock, Trouble: told.tell, SegmentBytes: 100} // a file for each round
				j := openTestJournal(t, o)
				all := uint(1)<<dirs - 1
				for i := uint64(1); i <= 3; i++ {
					j.Submit(0, i, serialTurn(i, all, dirs, 200))
					journalUntil(t, "durable", func() bool { return j.Durable(0) == i })
				}
				disk.set(true)
				for i := uint64(4); i <= 6; i++ {
					j.Submit(0, i, serialTurn(i, all, dirs, 200))
				}
				want := row.err
				if want == nil {
					want = io.ErrShortWrite
				}
				journalUntil(t, "trouble", func() bool { return errors.Is(told.last(), want) })
				if text := told.last().Error(); !strings.Contains(text, "data/journal") {
					t.Errorf("told %q", text)
				}
				before := j.Durable(0)
				errs := j.Stats().Errors
				journalUntil(t, "another try", func() bool { clock.advance(journalRetry); return j.Stats().Errors > errs+1 })
				if j.Durable(0) != before || before >= 6 {
					t.Fatalf("durable %d", j.Durable(0))
				}
				if seen, _ := readSeen(t, mem.CrashClone(vfs.CrashCloneCfg{}), o.Dirs); len(seen.order) < int(before) {
					t.Errorf("%d turns after a crash", len(seen.order))
				}
				disk.set(false)
				journalUntil(t, "healed", func() bool { clock.advance(journalRetry); return j.Durable(0) == 6 })
				if told.last() != nil {
					t.Errorf("told %v", told.last())
				}
				if len(disk.after) != 0 {
					t.Errorf("a file that had failed was used again: %v", disk.after)
				}
				for _, fs := range []vfs.FS{mem, mem.CrashClone(vfs.CrashCloneCfg{})} {
					if seen, _ := readSeen(t, fs, o.Dirs); !slices.Equal(seen.order, []uint64{1, 2, 3, 4, 5, 6}) {
						t.Errorf("read %v", seen.order)
					}
				}
				journalMust(t, j.Close())
			})
		}
	}
}

func TestClosingOnABrokenDiskEndsWithTheError(t *testing.T) {
	disk := &failing{op: "sync", in: segmentSuffix, err: syscall.EIO}
	j := openTestJournal(t, JournalOptions{Dirs: journalDirs(2), FS: &journalFaultFS{vfs.NewMem(), disk.ask}, clock: newJournalTestClock()})
	disk.set(true)
	j.Submit(0, 1, serialTurn(1, 3, 2, 10))
	if err := j.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("closed with %v", err)
	}
	if j.Durable(0) != 0 || j.Stats().Errors != 2 {
		t.Errorf("durable %d after %d errors", j.Durable(0), j.Stats().Errors)
	}
}
