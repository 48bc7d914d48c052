package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// submitAll hands over turns from..to of loop 0, each in a round of its own, with a part in all directories.
func submitAll(t testing.TB, j *Journal, from, to uint64, dirs int) {
	t.Helper()
	for i := from; i <= to; i++ {
		j.Submit(0, i, serialTurn(i, 1<<dirs-1, dirs, 100))
		journalUntil(t, "durable", func() bool { return j.Durable(0) == i })
	}
}

func TestAnIdleJournalBecomesSmall(t *testing.T) {
	fs, dirs := vfs.NewCrashableMem(), journalDirs(2)
	j := openTestJournal(t, JournalOptions{Dirs: dirs, FS: fs, SegmentBytes: 1000})
	submitAll(t, j, 1, 30, 2)
	large := j.Stats()
	must(t, j.Truncate([]uint64{11})) // what is in a file with turn 11 or later stays
	some := j.Stats()
	seen, _ := readSeen(t, fs, dirs)
	if some.Segments >= large.Segments || seen.order[0] < 5 || seen.order[0] > 11 || len(seen.order) < 20 {
		t.Errorf("%d files, then %d, turns from %d on", large.Segments, some.Segments, seen.order[0])
	}
	must(t, j.Truncate([]uint64{1000})) // clipped to what is durable
	for _, disk := range []*vfs.MemFS{fs, fs.CrashClone(vfs.CrashCloneCfg{})} {
		seen, report := readSeen(t, disk, dirs)
		if len(seen.order) != 0 || report.LastRound != 30 || report.Bytes != 0 || len(report.Cut) != 0 {
			t.Errorf("all was removed: %v, %+v", seen.order, report)
		}
	}
	if s := j.Stats(); s.Segments != 0 || s.DiskBytes != 0 {
		t.Errorf("%+v", s)
	}
	must(t, j.Truncate([]uint64{1000}))
	submitAll(t, j, 31, 32, 2)
	must(t, j.Close())
	seen, report := readSeen(t, fs, dirs)
	if !slices.Equal(seen.order, []uint64{31, 32}) || report.LastRound != 32 {
		t.Errorf("read %v, %+v", seen.order, report)
	}

	// What an earlier process has left goes with the first call, and not before.
	j = openTestJournal(t, JournalOptions{Dirs: dirs, FS: fs, FirstRound: 33, Owner: 1})
	submitAll(t, j, 1, 3, 2)
	seen = &journalSeen{}
	if report, err := ReadJournals(fs, dirs, func(uint64, *Record) error { return nil }); err != nil || report.Rounds != 5 || report.Owner != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	must(t, j.Truncate([]uint64{1}))
	if seen, _ := readSeen(t, fs, dirs); !slices.Equal(seen.order, []uint64{1, 2, 3}) {
		t.Errorf("read %v", seen.order)
	}
	must(t, j.Close())
}

func TestAFileThatIsMissingAtTheFrontIsNoticed(t *testing.T) {
	fs, dirs := vfs.NewMem(), journalDirs(1)
	j := openTestJournal(t, JournalOptions{Dirs: dirs, FS: fs, SegmentBytes: 1})
	submitAll(t, j, 1, 9, 1)
	must(t, j.Truncate([]uint64{5}))
	must(t, j.Close())
	if seen, _ := readSeen(t, fs, dirs); !slices.Equal(seen.order, []uint64{5, 6, 7, 8, 9}) {
		t.Fatalf("read %v", seen.order)
	}
	must(t, fs.Remove(fs.PathJoin(dirs[0], segmentName(5))))
	_, err := ReadJournals(fs, dirs, func(uint64, *Record) error { return nil })
	if !errors.Is(err, ErrJournalDamaged) || !strings.Contains(err.Error(), "rounds 5 to 5 are missing") {
		t.Errorf("read %v", err)
	}
}

func TestAFullDiskIsHelpedByTruncate(t *testing.T) {
	for _, dirs := range []int{1, 2} {
		fs, clock, told := vfs.NewCrashableMem(), newJournalTestClock(), &journalTroubles{}
		var full, used atomic.Bool
		disk := &journalFaultFS{fs, func(op, path string, _ int) (int, error) {
			switch {
			case op == "remove" && full.Load() && used.Swap(true):
				full.Store(false) // the second file that goes makes room
			case op == "write" && strings.HasSuffix(path, segmentSuffix) && full.Load():
				return 0, syscall.ENOSPC
			}
			return 0, nil
		}}
		j := openTestJournal(t, JournalOptions{Dirs: journalDirs(dirs), FS: disk, clock: clock, Trouble: told.tell, SegmentBytes: 600})
		submitAll(t, j, 1, 9, dirs)
		full.Store(true)
		j.Submit(0, 10, serialTurn(10, 1<<dirs-1, dirs, 100))
		journalUntil(t, "trouble", func() bool { return errors.Is(told.last(), syscall.ENOSPC) })
		must(t, j.Truncate([]uint64{100}))
		if seen, _ := readSeen(t, fs.CrashClone(vfs.CrashCloneCfg{}), journalDirs(dirs)); len(seen.order) != 0 {
			t.Errorf("%d directories: read %v", dirs, seen.order)
		}
		full.Store(false)
		journalUntil(t, "healed", func() bool { clock.advance(journalRetry); return j.Durable(0) == 10 })
		must(t, j.Close())
		if seen, _ := readSeen(t, fs.CrashClone(vfs.CrashCloneCfg{}), journalDirs(dirs)); !slices.Equal(seen.order, []uint64{10}) {
			t.Errorf("%d directories: read %v", dirs, seen.order)
		}
	}
}

func TestTruncateThatCanNotSayWhatIsNeededRemovesNothing(t *testing.T) {
	fs := vfs.NewMem()
	var broken atomic.Bool
	disk := &journalFaultFS{fs, func(op, path string, _ int) (int, error) {
		if broken.Load() && (strings.HasSuffix(path, journalNoteFile) || op == "remove") {
			return 0, syscall.EIO
		}
		return 0, nil
	}}
	j := openTestJournal(t, JournalOptions{Dirs: journalDirs(2), FS: disk, SegmentBytes: 1})
	submitAll(t, j, 1, 5, 2)
	broken.Store(true)
	if err := j.Truncate([]uint64{6}); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), journalNoteFile) {
		t.Errorf("truncated: %v", err)
	}
	if seen, _ := readSeen(t, fs, journalDirs(2)); len(seen.order) != 5 {
		t.Errorf("read %v", seen.order)
	}
	broken.Store(false)
	must(t, j.Truncate([]uint64{6}))
	if s := j.Stats(); s.Segments != 0 {
		t.Errorf("%+v", s)
	}
	must(t, j.Close())
}

// copySnapshot is what an online backup does.
func copySnapshot(t testing.TB, from vfs.FS, files []JournalFile) (vfs.FS, []string) {
	t.Helper()
	to, dirs := vfs.NewMem(), []string{}
	for _, file := range files {
		dir := fmt.Sprintf("copy%d", file.Journal)
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
			journalMust(t, to.MkdirAll(dir, 0o700))
		}
		b := journalReadFile(t, from, file.Path)
		if int64(len(b)) < file.Bytes {
			t.Fatalf("%s has %d of %d bytes", file.Path, len(b), file.Bytes)
		}
		journalWriteFile(t, to, to.PathJoin(dir, from.PathBase(file.Path)), b[:file.Bytes])
	}
	return to, dirs
}

func TestACopyOfTheFilesWhileTheyAreWritten(t *testing.T) {
	fs, dirs := vfs.NewMem(), journalDirs(2)
	j := openTestJournal(t, JournalOptions{Dirs: dirs, FS: fs, Loops: 2, SegmentBytes: 2000})
	var serial atomic.Uint64
	serial.Store(1000)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() { // another loop, which ends with quit
		defer close(ended)
		for turn := uint64(1); ; turn++ {
			select {
			case <-quit:
				return
			default:
			}
			n := serial.Add(1)
			j.Submit(1, turn, serialTurn(n, 1+uint(n)%3, 2, 50))
			journalUntil(t, "durable", func() bool { return j.Durable(1) == turn })
		}
	}()
	for i := uint64(1); i <= 40; i++ {
		submitAll(t, j, i, i, 2)
		release := j.Hold()
		files, err := j.Snapshot()
		must(t, err)
		must(t, j.Truncate([]uint64{i, 0})) // waits for the copy
		to, copies := copySnapshot(t, fs, files)
		release()
		release()
		seen := &journalSeen{mixed: true}
		report, err := ReadJournals(to, copies, seen.take)
		must(t, errors.Join(err, seen.bad))
		if seen.masks[i] != 3 || len(report.Cut) != 0 {
			t.Fatalf("turn %d: %v, %+v", i, seen.masks[i], report)
		}
		must(t, j.Truncate([]uint64{i, j.Durable(1)}))
	}
	close(quit)
	<-ended
	must(t, j.Truncate([]uint64{41, j.Durable(1) + 1})) // what came behind the last one
	must(t, j.Close())
	if s := j.Stats(); s.Segments > 10 {
		t.Errorf("a hold was not given back: %+v", s)
	}
}

func TestManyLoopsAtOnce(t *testing.T) {
	const loops, turns = 8, 300
	fs, dirs := vfs.NewMem(), journalDirs(4)
	var serial, heard atomic.Uint64
	j := openTestJournal(t, JournalOptions{
		Dirs: dirs, FS: fs, Loops: loops, SegmentBytes: 20_000, RoundBytes: 3000, Durable: func(int) { heard.Add(1) },
	})
	var wg sync.WaitGroup
	for loop := range loops {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(loop)))
			last := uint64(0)
			for turn := uint64(1); turn <= turns; turn++ {
				// Serials are handed over in another order than they are taken: the directory's order is checked by the turns instead.
				n := serial.Add(1)
				j.Submit(loop, turn, serialTurn(uint64(loop)<<32|n, 1+uint(rng.IntN(15)), 4, rng.IntN(200)))
				if d := j.Durable(loop); d < last || d > turn {
					t.Errorf("loop %d: durable %d after %d", loop, d, last)
				} else {
					last = d
				}
				_ = j.Stats()
				if turn%50 == 0 {
					if _, err := j.Snapshot(); err != nil {
						t.Error(err)
					}
					if err := j.Truncate(make([]uint64, loops)); err != nil { // nothing goes
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	must(t, j.Close())
	for loop := range loops {
		if j.Durable(loop) != turns {
			t.Errorf("loop %d: durable %d", loop, j.Durable(loop))
		}
	}
	last, seen := map[[2]uint64]uint64{}, map[uint64]bool{}
	report, err := ReadJournals(fs, dirs, func(_ uint64, r *Record) error {
		at := [2]uint64{r.Entry.Seq >> 32, uint64(r.Entry.Device)}
		if last[at] >= r.Entry.Seq {
			t.Errorf("loop %d: %d after %d", at[0], r.Entry.Seq, last[at])
		}
		last[at], seen[r.Entry.Seq] = r.Entry.Seq, true
		return nil
	})
	if err != nil || len(seen) != loops*turns || report.Rounds != j.Stats().Rounds || heard.Load() == 0 {
		t.Errorf("%d of %d turns, %+v, %v", len(seen), loops*turns, report, err)
	}
}

func TestHandingOverAllocatesNothing(t *testing.T) {
	j := openTestJournal(t, JournalOptions{Dirs: journalDirs(2), FS: nullFS{vfs.NewMem()}})
	parts, turn := serialTurn(1, 3, 2, 200), uint64(0)
	one := func() {
		turn++
		j.Submit(0, turn, parts)
		for j.Durable(0) != turn { // the round too
			runtime.Gosched()
		}
	}
	for range 100 {
		one()
	}
	if n := testing.AllocsPerRun(1000, one); n >= 1 {
		t.Errorf("%v allocations for a turn and its round", n)
	}
	must(t, j.Close())
}
