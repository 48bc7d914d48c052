package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// powerCut takes a copy of the disk before some operation, and lets some operations fail.
type powerCut struct {
	mu       sync.Mutex
	rng      *rand.Rand
	disk     *vfs.MemFS
	faults   int // of 100 operations
	left     int // operations until the cut
	percent  int // unsynced blocks that survive
	durable  func() []uint64
	promised []uint64   // by loop, just before the copy
	clone    *vfs.MemFS // nil: not yet
}

func (p *powerCut) ask(op, path string, size int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clone != nil {
		return 0, syscall.EIO // the machine is off
	}
	if p.left--; p.left < 0 {
		if p.durable != nil {
			p.promised = p.durable()
		}
		p.clone = p.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.percent, RNG: p.rng})
		return 0, syscall.EIO
	}
	if p.rng.IntN(100) >= p.faults || !strings.HasSuffix(path, segmentSuffix) && p.durable == nil {
		return 0, nil
	}
	switch {
	case op == "write" && p.rng.IntN(2) == 0:
		return p.rng.IntN(size), syscall.ENOSPC
	case op == "sync" && p.rng.IntN(2) == 0:
		return 0, syscall.EIO
	}
	return 0, fmt.Errorf("%s: %w", op, syscall.EROFS)
}

func (p *powerCut) off() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clone != nil
}

// journalLife is what is known over several processes on one disk.
type journalLife struct {
	rng   *rand.Rand
	dirs  []string
	loops int
	masks map[uint64]uint // of all turns that were handed over
	order []uint64        // ... as they were
	first int             // of order: what is before may be truncated
}

// process runs one until the power fails, and gives the disk after it and what had been promised: the index in order of the
// last turn that was durable; -1: none.
func (l *journalLife) process(t *testing.T, disk *vfs.MemFS, report JournalReport, owner uint32) (*vfs.MemFS, int) {
	cut := &powerCut{rng: rand.New(rand.NewPCG(l.rng.Uint64(), 2)), disk: disk, left: l.rng.IntN(120), percent: []int{0, 30, 50, 80, 100}[l.rng.IntN(5)]}
	if l.rng.IntN(2) == 0 {
		cut.faults = 6
	}
	clock := newJournalTestClock()
	var j *Journal
	o := JournalOptions{
		Dirs: l.dirs, FS: &journalFaultFS{disk, cut.ask}, Loops: l.loops, Owner: owner, FirstRound: report.LastRound + 1,
		SegmentBytes: []int64{1, 400, 3000}[l.rng.IntN(3)], clock: clock,
	}
	j, err := OpenJournal(o)
	if err != nil {
		if !cut.off() {
			return disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: l.rng}), -1
		}
		return cut.clone, -1
	}
	cut.mu.Lock()
	cut.durable = func() []uint64 {
		list := make([]uint64, l.loops)
		for i := range list {
			list[i] = j.Durable(i)
		}
		return list
	}
	cut.mu.Unlock()
	turns := make([][]int, l.loops) // the index in order of each turn
	below := make([]uint64, l.loops)
	for !cut.off() {
		switch l.rng.IntN(10) {
		case 0:
			l.truncate(j, turns, below)
		case 1, 2, 3:
			clock.advance(journalRetry)
			loop := l.rng.IntN(l.loops)
			journalUntil(t, "durable or off", func() bool {
				clock.advance(journalRetry)
				return cut.off() || j.Durable(loop) == uint64(len(turns[loop]))
			})
		default:
			l.submit(j, turns)
		}
	}
	_ = j.Close() // the disk is off
	promised := -1
	for loop, turn := range cut.promised {
		if turn > 0 {
			promised = max(promised, turns[loop][turn-1])
		}
	}
	return cut.clone, promised
}

func (l *journalLife) submit(j *Journal, turns [][]int) {
	loop := l.rng.IntN(l.loops)
	serial := uint64(len(l.order)) + 1
	mask := 1 + uint(l.rng.IntN(1<<len(l.dirs)-1))
	if l.rng.IntN(3) > 0 {
		mask = 1 << l.rng.IntN(len(l.dirs))
	}
	l.masks[serial] = mask
	turns[loop] = append(turns[loop], len(l.order))
	l.order = append(l.order, serial)
	padding := l.rng.IntN(300)
	if l.rng.IntN(10) == 0 {
		padding = 5000
	}
	j.Submit(loop, uint64(len(turns[loop])), serialTurn(serial, mask, len(l.dirs), padding))
}

// truncate removes some of what is durable.
func (l *journalLife) truncate(j *Journal, turns [][]int, below []uint64) {
	first := len(l.order)
	for loop := range below {
		below[loop] = max(below[loop], 1+l.rng.Uint64N(j.Durable(loop)+1))
		if at := int(below[loop]) - 1; at < len(turns[loop]) {
			first = min(first, turns[loop][at])
		}
	}
	l.first = max(l.first, first) // even with an error some may be gone
	_ = j.Truncate(below)
}

// check compares what is read with what was handed over: all of it from what may be truncated on, to a turn that is at or behind what was
// promised, whole turns only. What was not promised and is not there is forgotten.
func (l *journalLife) check(t *testing.T, disk *vfs.MemFS, promised int) JournalReport {
	t.Helper()
	seen := &journalSeen{}
	report, err := ReadJournals(disk, l.dirs, seen.take)
	defer func() {
		if t.Failed() {
			dumpJournal(t, disk, l.dirs)
		}
	}()
	if err = errors.Join(err, seen.bad); err != nil {
		t.Fatalf("%v\n%v", err, disk)
	}
	last := -1
	for _, serial := range seen.order {
		last = max(last, int(serial)-1)
	}
	if last < promised && promised >= l.first {
		t.Fatalf("turn %d was durable, the last is %d; truncated below %d", promised, last, l.first)
	}
	for i := range l.order {
		want := l.masks[l.order[i]]
		got := seen.masks[l.order[i]]
		if i > last {
			break
		}
		if got != want && (i >= l.first || got != 0 && got&^want != 0) {
			t.Fatalf("turn %d has parts %b, want %b; last %d, truncated below %d", i, got, want, last, l.first)
		}
	}
	salvaged := &journalSeen{}
	again, err := SalvageJournals(disk, l.dirs, salvaged.take)
	if err != nil || salvaged.bad != nil || len(salvaged.order) != len(seen.order) || again.Records != report.Records || len(again.Skipped) != 0 {
		t.Fatalf("a salvage reads %d turns instead of %d: %v %v %+v", len(salvaged.order), len(seen.order), err, salvaged.bad, again)
	}
	if last+1 < len(l.order) {
		l.order = l.order[:max(last+1, min(l.first, len(l.order)))]
	}
	return report
}

func TestAfterAnyCrashTheJournalIsAPrefix(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	schedules := 1000
	if testing.Short() {
		schedules = 100
	}
	for n := range schedules {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		l := &journalLife{rng: rng, dirs: journalDirs([]int{1, 2, 4}[n%3]), loops: 1 + rng.IntN(3), masks: map[uint64]uint{}}
		ok := t.Run(fmt.Sprintf("seed %d schedule %d", seed, n), func(t *testing.T) {
			disk, report := vfs.NewCrashableMem(), JournalReport{}
			_, err := JournalIDs(disk, l.dirs)
			must(t, err)
			for owner := range uint32(1 + rng.IntN(4)) {
				var promised int
				disk, promised = l.process(t, disk, report, owner)
				t.Logf("owner %d: promised %d, handed over %d, truncated below %d, then %+v", owner, promised, len(l.order), l.first, report)
				report = l.check(t, disk, promised)
			}
		})
		if !ok {
			break
		}
	}
}

// dumpJournal lists what the files hold.
func dumpJournal(t *testing.T, fs vfs.FS, dirs []string) {
	t.Helper()
	for _, dir := range dirs {
		s, err := openJournalScanner(fs, dir, true)
		if err != nil {
			t.Log(dir, err)
			continue
		}
		for _, f := range s.files {
			t.Log(f.path)
		}
		for s.advance() == nil && s.have {
			t.Logf("%s at %d: round %d, owner %d, mask %b, writer %d, %d bytes; needed from %d", s.head.path, s.head.offset, s.head.round, s.head.owner, s.head.mask, s.head.writer, s.head.length, s.note.base)
			var serials []uint64
			var r Record
			var reader RecordReader
			for rest := s.head.records; len(rest) > 0; {
				used, err := reader.Next(&r, rest)
				if err != nil {
					break
				}
				serials, rest = append(serials, r.Entry.Seq), rest[used:]
			}
			t.Log(serials)
			s.have = false
		}
		for _, spot := range s.spots {
			t.Logf("%+v", spot)
		}
	}
}
