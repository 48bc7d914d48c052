package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// someJournal writes rounds of one turn each, in several files, and gives the parts of each turn. The last has parts in all directories.
func someJournal(t testing.TB, fs vfs.FS, dirs []string, turns uint64) map[uint64]uint {
	t.Helper()
	j := openTestJournal(t, JournalOptions{Dirs: dirs, FS: fs, SegmentBytes: 250})
	masks := map[uint64]uint{}
	for i := uint64(1); i <= turns; i++ {
		mask := uint(i)%(1<<len(dirs)-1) + 1
		if i == turns {
			mask = 1<<len(dirs) - 1
		}
		masks[i] = mask
		j.Submit(0, i, serialTurn(i, mask, len(dirs), 20))
		journalUntil(t, "durable", func() bool { return j.Durable(0) == i })
	}
	journalMust(t, j.Close())
	return masks
}

// isPrefix says whether what was read are whole turns from the first on, and how many.
func (s *journalSeen) isPrefix(masks map[uint64]uint) (int, bool) {
	for i := range uint64(len(s.masks)) {
		if s.masks[i+1] != masks[i+1] {
			return 0, false
		}
	}
	return len(s.masks), true
}

// checkDamaged reads a journal with one fault: it is read as it was, or it is damage and names the file, or the end is cut and that is reported.
// It says which.
func checkDamaged(t *testing.T, fs vfs.FS, dirs []string, masks map[uint64]uint, path, what string) string {
	t.Helper()
	seen := &journalSeen{}
	report, err := ReadJournals(fs, dirs, seen.take)
	n, whole := seen.isPrefix(masks)
	if seen.bad != nil || !whole && err == nil {
		t.Fatalf("%s: read %v, %v, %+v", what, seen.masks, seen.bad, report)
	}
	salvaged := &journalSeen{}
	again, salvageErr := SalvageJournals(fs, dirs, salvaged.take)
	if salvageErr != nil || salvaged.bad != nil || len(salvaged.masks) < n {
		t.Fatalf("%s: a salvage: %v, %v, %d of %d", what, salvageErr, salvaged.bad, len(salvaged.masks), n)
	}
	var damage *DamageError
	switch {
	case errors.As(err, &damage):
		if !errors.Is(err, ErrJournalDamaged) || damage.Path != path {
			t.Fatalf("%s: %v", what, err)
		}
		if len(again.Skipped) == 0 {
			t.Fatalf("%s: a salvage skipped nothing: %+v", what, again)
		}
		if len(salvaged.masks) < len(masks)-2 {
			t.Fatalf("%s: a salvage has %d of %d turns", what, len(salvaged.masks), len(masks))
		}
		return "damage"
	case err != nil:
		t.Fatalf("%s: %v", what, err)
	case n < len(masks):
		if n < len(masks)-1 || len(report.Cut) == 0 {
			t.Fatalf("%s: %d of %d turns are left, reported %+v", what, n, len(masks), report)
		}
		return "cut"
	}
	return "whole"
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, n := range []int{1, 2} {
		dirs, fs := journalDirs(n), vfs.NewMem()
		masks := someJournal(t, fs, dirs, 8)
		outcomes := map[string]int{}
		for _, dir := range dirs {
			names, err := fs.List(dir)
			must(t, err)
			for _, name := range names {
				path := fs.PathJoin(dir, name)
				good := journalReadFile(t, fs, path)
				for at := range good {
					bad := slices.Clone(good)
					bad[at] ^= 1 << rng.IntN(8)
					writeInPlace(t, fs, path, bad)
					where := checkDamaged(t, fs, dirs, masks, path, fmt.Sprintf("seed %d: %s, byte %d", seed, path, at))
					if where == "whole" && name != journalNoteFile && at >= segmentHeaderBytes {
						t.Fatalf("seed %d: %s, byte %d: nobody noticed", seed, path, at)
					}
					outcomes[where]++
				}
				writeInPlace(t, fs, path, good)
			}
		}
		if outcomes["damage"] < 300 || outcomes["cut"] < 50 {
			t.Errorf("outcomes %v", outcomes)
		}
		if got := checkDamaged(t, fs, dirs, masks, "", "as it was"); got != "whole" {
			t.Errorf("as it was: %s", got)
		}
	}
}

func writeInPlace(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	journalMust(t, err)
	_, err = f.WriteAt(b, 0)
	journalMust(t, errors.Join(err, f.Close()))
}

func TestAFileThatIsShorterOrZerosOrGone(t *testing.T) {
	for _, n := range []int{1, 2} {
		dirs, fs := journalDirs(n), vfs.NewMem()
		masks := someJournal(t, fs, dirs, 8)
		for _, dir := range dirs {
			files, err := listSegments(fs, dir)
			must(t, err)
			for i, file := range files {
				good := journalReadFile(t, fs, file.path)
				var outcomes []string
				for size := range good {
					what := fmt.Sprintf("%s, %d of %d bytes", file.path, size, len(good))
					journalWriteFile(t, fs, file.path, good[:size])
					shorter := damagedAnywhere(t, fs, dirs, masks, what)
					zeros := append(slices.Clone(good[:size]), make([]byte, len(good)-size)...)
					journalWriteFile(t, fs, file.path, zeros)
					outcomes = append(outcomes, shorter, damagedAnywhere(t, fs, dirs, masks, what+", then zeros"))
				}
				must(t, fs.Remove(file.path))
				outcomes = append(outcomes, damagedAnywhere(t, fs, dirs, masks, file.path+" is gone"))
				journalWriteFile(t, fs, file.path, good)
				if i < len(files)-1 && slices.Contains(outcomes, "cut") || i == len(files)-1 && !slices.Contains(outcomes, "cut") {
					t.Errorf("file %d of %d: %v", i+1, len(files), outcomes)
				}
			}
		}
	}
}

// damagedAnywhere is for faults that leave a whole file or round out: the end may be gone without a trace, and the place is the next one.
func damagedAnywhere(t *testing.T, fs vfs.FS, dirs []string, masks map[uint64]uint, what string) string {
	t.Helper()
	seen := &journalSeen{}
	_, err := ReadJournals(fs, dirs, seen.take)
	n, whole := seen.isPrefix(masks)
	switch {
	case seen.bad != nil || !whole && err == nil:
		t.Fatalf("%s: read %v, %v", what, seen.masks, seen.bad)
	case errors.Is(err, ErrJournalDamaged):
		return "damage"
	case err != nil:
		t.Fatalf("%s: %v", what, err)
	case n < len(masks):
		return "cut"
	}
	return "whole"
}

func TestASalvageGivesWhatIsLeftAndSaysWhatIsNot(t *testing.T) {
	dirs, fs := journalDirs(1), vfs.NewMem()
	j := openTestJournal(t, JournalOptions{Dirs: dirs, FS: fs})
	for i := uint64(1); i <= 20; i++ {
		j.Submit(0, i, serialTurn(i, 1, 1, 100))
		journalUntil(t, "durable", func() bool { return j.Durable(0) == i })
	}
	must(t, j.Close())
	path := fs.PathJoin(dirs[0], segmentName(1))
	b := journalReadFile(t, fs, path)
	round := partHeaderBytes + len(serialPart(1, 0, 100))
	for _, damaged := range []int{3, 11, 12} { // rounds from 0
		copy(b[segmentHeaderBytes+damaged*round+50:], "not what was here")
	}
	b[0]++ // the header too: the directory's id is used
	journalWriteFile(t, fs, path, b)
	seen := &journalSeen{}
	report, err := SalvageJournals(fs, dirs, seen.take)
	must(t, errors.Join(err, seen.bad))
	if want := []uint64{1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20}; !slices.Equal(seen.order, want) {
		t.Errorf("read %v", seen.order)
	}
	text := fmt.Sprint(report.Skipped)
	for _, want := range []string{"rounds 4 to 4 are missing", "rounds 12 to 13 are missing", path, fmt.Sprint(segmentHeaderBytes + 3*round)} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q: %s", want, text)
		}
	}
	must(t, fs.Remove(fs.PathJoin(dirs[0], journalNoteFile))) // the file's header has the id
	b[0]--
	journalWriteFile(t, fs, path, b)
	seen = &journalSeen{}
	if _, err = SalvageJournals(fs, dirs, seen.take); err != nil || len(seen.order) != 17 {
		t.Errorf("without the note: %v, %d turns", err, len(seen.order))
	}
	if _, err = ReadJournals(fs, dirs, seen.take); !errors.Is(err, ErrJournalDamaged) {
		t.Errorf("without the note: %v", err)
	}
}

// A message may hold what looks like a round. Behind a damaged place it must not be taken for one.
func TestAMessageThatLooksLikeARoundIsNotTaken(t *testing.T) {
	dirs, fs := journalDirs(1), vfs.NewMem()
	j := openTestJournal(t, JournalOptions{Dirs: dirs, FS: fs})
	forged := append(make([]byte, partHeaderBytes), serialPart(99, 0, 10)...)
	var other journalID // of another journal: this one's is not known
	h := partHeader{length: uint32(len(forged) - partHeaderBytes), round: 50, mask: 1}
	h.put(forged, other.salt())
	r := Record{Kind: RecordAppend, Payload: append(forged, []byte(strings.Repeat(partMagic, 1000))...)}
	j.Submit(0, 1, [][]byte{AppendRecord(nil, &r)})
	must(t, j.Close())
	path := fs.PathJoin(dirs[0], segmentName(1))
	b := journalReadFile(t, fs, path)
	b[segmentHeaderBytes+40]++
	journalWriteFile(t, fs, path, b)
	report, err := ReadJournals(fs, dirs, func(uint64, *Record) error { t.Error("a record"); return nil })
	if err != nil || len(report.Cut) != 1 || report.Cut[0].Offset != segmentHeaderBytes || report.Cut[0].Bytes != int64(len(b)-segmentHeaderBytes) {
		t.Errorf("%v, %+v", err, report)
	}
}

func TestFilesOfOtherJournalsAndVersions(t *testing.T) {
	dirs, fs := journalDirs(2), vfs.NewMem()
	if _, err := ReadJournals(fs, dirs, nil); !errors.Is(err, ErrJournalMissing) {
		t.Errorf("a directory that is not there: %v", err)
	}
	ids, err := JournalIDs(fs, dirs)
	must(t, err)
	again, err := JournalIDs(fs, dirs)
	must(t, err)
	if len(ids) != 2 || ids[0] == ids[1] || len(ids[0]) != 32 || !slices.Equal(ids, again) {
		t.Errorf("ids %v, then %v", ids, again)
	}
	if report, err := ReadJournals(fs, dirs, nil); err != nil || report.LastRound != 0 {
		t.Errorf("an empty journal: %+v, %v", report, err)
	}
	someJournal(t, fs, dirs[:1], 3)
	someJournal(t, fs, dirs[1:], 3)
	nothing := func(uint64, *Record) error { return nil }
	a, b := fs.PathJoin(dirs[0], segmentName(1)), fs.PathJoin(dirs[1], segmentName(1))
	good := journalReadFile(t, fs, a)
	journalWriteFile(t, fs, a, journalReadFile(t, fs, b))
	if _, err := ReadJournals(fs, dirs[:1], nothing); !errors.Is(err, ErrJournalDamaged) || !strings.Contains(err.Error(), "another journal") {
		t.Errorf("a file of another journal: %v", err)
	}
	must(t, fs.Rename(a, fs.PathJoin(dirs[0], segmentName(0))))
	journalWriteFile(t, fs, fs.PathJoin(dirs[0], segmentName(0)), good)
	if _, err := ReadJournals(fs, dirs[:1], nothing); !errors.Is(err, ErrJournalDamaged) || !strings.Contains(err.Error(), "name") {
		t.Errorf("a file with another name: %v", err)
	}
	h := segmentHeader{version: 2, first: 1}
	journalWriteFile(t, fs, b, h.bytes())
	if _, err := ReadJournals(fs, dirs[1:], nothing); !errors.Is(err, ErrStoreVersion) {
		t.Errorf("a later version: %v", err)
	}
	note := fs.PathJoin(dirs[0], journalNoteFile)
	journalWriteFile(t, fs, note, noteLine(noteTop, 2, ids[0]))
	if _, err := JournalIDs(fs, dirs); err == nil {
		t.Error("a short note was read")
	}
	journalWriteFile(t, fs, note, slices.Concat(noteLine(noteTop, 2, ids[0]), noteLine(noteSlot, 1, 1), noteLine(noteSlot, 1, 1)))
	if _, err := JournalIDs(fs, dirs); !errors.Is(err, ErrStoreVersion) {
		t.Errorf("a note of a later version: %v", err)
	}
	stop := errors.New("stop")
	someJournal(t, fs, []string{"data/other"}, 3)
	if _, err := ReadJournals(fs, []string{"data/other"}, func(uint64, *Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("f's error: %v", err)
	}
	if _, err := OpenJournal(JournalOptions{Dirs: []string{"data/other"}, FS: fs, Loops: 1, FirstRound: 1}); err == nil {
		t.Error("a first round that was there before")
	}
}

// FuzzReadJournals has a segment of anything, behind a sound header or not.
func FuzzReadJournals(f *testing.F) {
	fs, dirs := vfs.NewMem(), journalDirs(1)
	someJournal(f, fs, dirs, 3)
	path := fs.PathJoin(dirs[0], segmentName(1))
	good := journalReadFile(f, fs, path)
	f.Add(good[segmentHeaderBytes:], true, uint16(3))
	f.Add(good, false, uint16(700))
	f.Add([]byte(partMagic), true, uint16(0))
	f.Fuzz(func(t *testing.T, tail []byte, sound bool, flip uint16) {
		fs := vfs.NewMem()
		var note journalNote
		must(t, fs.MkdirAll(dirs[0], os.ModePerm))
		journalWriteFile(t, fs, fs.PathJoin(dirs[0], journalNoteFile), note.bytes())
		var b []byte
		if sound { // the id is all zeros, so that whatever is found may make rounds
			h := segmentHeader{version: segmentVersion, first: 1}
			b = h.bytes()
		}
		b = append(b, tail...)
		r := newJournalRound(1, 1)
		r.add(0, 1, [][]byte{serialPart(1, 0, 5)})
		r.seal(9, 0, []*journalWriter{{salt: note.id.salt()}})
		b = append(b, r.parts[0]...)
		if int(flip) < len(b) {
			b[flip] ^= 0x10
		}
		journalWriteFile(t, fs, fs.PathJoin(dirs[0], segmentName(1)), b)
		records, last := 0, uint64(0)
		count := func(round uint64, _ *Record) error {
			if round < last {
				t.Fatalf("round %d after %d", round, last)
			}
			records, last = records+1, round
			return nil
		}
		report, err := ReadJournals(fs, dirs, count)
		if err == nil && (uint64(records) != report.Records || records > 0 && report.LastRound != last) {
			t.Fatalf("%d records to round %d, reported %+v", records, last, report)
		}
		strict := records
		records, last = 0, 0
		if _, salvageErr := SalvageJournals(fs, dirs, count); err == nil && (salvageErr != nil || records < strict) {
			t.Fatalf("a salvage: %d of %d records, %v", records, strict, salvageErr)
		}
	})
}
