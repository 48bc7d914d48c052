package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// trueMail fails unless everything that is shown was once sent, to that mailbox and with that seq. It says what is missing.
func trueMail(t testing.TB, when string, got, kept keptMail) (lost int) {
	t.Helper()
	for b, m := range got {
		for seq, payload := range m {
			var round, i int
			var user uint64
			var device uint8
			n, err := fmt.Sscanf(payload, "round %d of %d/%d: message %d", &round, &user, &device, &i)
			if n != 4 || err != nil || user != b.user || device != b.device || seq&(1<<40-1) != uint64(i+1) {
				t.Fatalf("%s: %v has under %x: %q", when, b, seq, payload)
			}
		}
	}
	for b, m := range kept {
		for seq, payload := range m {
			if got[b][seq] != payload {
				lost++
			}
		}
	}
	return lost
}

// repaired has a directory checked and repaired, and a real start open it. It fails unless what is lost was said.
func repaired(t testing.TB, when string, fs FS, kept keptMail) (r RepairReport, lost int) {
	t.Helper()
	before, _, _ := readState(fs, sceneDir)
	d := sceneDirectory(fs, sceneDir)
	r, err := d.Repair(false)
	if err != nil {
		t.Fatalf("%s: repair: %v", when, err)
	}
	seed, err := readSeed(fs, sceneDir)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	again, err := d.Check()
	if err != nil || len(again.Problems) > 0 {
		t.Fatalf("%s: behind the repair: %+v, %v", when, again, err)
	}
	k, err := OpenKeeper(KeeperOptions{Dir: sceneDir, Loops: 1, FS: fs, Fragment: func(u uint64) uint16 { return sceneFragment(seed, u) }})
	if err != nil {
		t.Fatalf("%s: a start behind the repair: %v", when, err)
	}
	mail, _ := heldBy(t, k.offline)
	if err := k.Close(true); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	lost = trueMail(t, when, mail, kept)
	if lost > 0 && !r.Lost && len(r.Found.Notes) == 0 { // a torn end, or the last round damaged: nobody can tell them apart
		t.Errorf("%s: %d messages are lost and nothing is said: %+v", when, lost, r)
	}
	if r.Needed && (r.NewIncarnation != r.Lost || r.NewIncarnation != (k.Incarnation() != before.Incarnation)) {
		t.Errorf("%s: lost %t, a new incarnation %t: %x after %x", when, r.Lost, r.NewIncarnation, k.Incarnation(), before.Incarnation)
	}
	if r.Needed && before.Owner >= k.OwnerEpoch() {
		t.Errorf("%s: owner epoch %d after %d", when, k.OwnerEpoch(), before.Owner)
	}
	return r, lost
}

func TestARepairOfWhatIsWholeChangesNothing(t *testing.T) {
	for _, clean := range []bool{true, false} {
		fs := vfs.NewMem()
		kept := makeScene(t, fs, sceneDir, 100, clean)
		before := snapshotOf(t, fs, sceneDir)
		check, err := sceneDirectory(fs, sceneDir).Check()
		must(t, err)
		if len(check.Problems)+len(check.Notes) > 0 || check.Lost || (check.Rounds > 0) == clean || clean && (check.Entries != kept.entries() || check.Mailboxes != len(kept)) {
			t.Errorf("clean %t: %+v", clean, check)
		}
		if r, lost := repaired(t, "whole", fs, kept); r.Needed || r.Done || lost > 0 {
			t.Errorf("clean %t: %+v, %d lost", clean, r, lost)
		}
		if clean {
			continue // the start has changed it
		}
		fs = vfs.NewMem()
		unpackTo(t, fs, before)
		if _, err := sceneDirectory(fs, sceneDir).Repair(false); err != nil {
			t.Fatal(err)
		}
		samePicture(t, before, snapshotOf(t, fs, sceneDir))
	}
}

// oneFile is the path of the only file, or the last, with a part in its name.
func oneFile(t testing.TB, fs FS, part string) string {
	t.Helper()
	files, err := filesBelow(fs, sceneDir)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(files) - 1; i >= 0; i-- {
		if strings.Contains(files[i], part) {
			return fs.PathJoin(sceneDir, files[i])
		}
	}
	t.Fatalf("no %s in %v", part, files)
	return ""
}

func TestATornTailIsSaidAndIsNoProblem(t *testing.T) {
	fs := vfs.NewMem()
	kept := makeScene(t, fs, sceneDir, 100, false)
	path := oneFile(t, fs, segmentSuffix)
	text := textOf(fs, path)
	putFile(t, fs, path, text[:len(text)-5])
	check, err := sceneDirectory(fs, sceneDir).Check()
	must(t, err)
	if len(check.Problems) > 0 || check.Lost || len(check.Notes) != 1 || check.Notes[0].Path != path || check.Notes[0].Offset <= 0 {
		t.Errorf("%+v", check)
	}
	r, _ := repaired(t, "torn", fs, keptMail{})
	if r.Needed {
		t.Errorf("%+v", r)
	}
	mail, _ := mailHeld(t, sceneDirectory(fs, sceneDir))
	if lost := trueMail(t, "torn", mail, kept); lost == 0 || lost > 50*8*2 {
		t.Errorf("%d messages of the last round are gone", lost)
	}
}

func TestEveryKindOfDamageIsNamedAndRepaired(t *testing.T) {
	base := vfs.NewMem()
	kept := makeScene(t, base, sceneDir, 600, false)
	whole := snapshotOf(t, base, sceneDir)
	remove := func(part string) func(fs FS) string {
		return func(fs FS) string {
			path := oneFile(t, fs, part)
			must(t, fs.Remove(path))
			return path
		}
	}
	flip := func(part string, share float64) func(fs FS) string {
		return func(fs FS) string {
			path := oneFile(t, fs, part)
			b := []byte(textOf(fs, path))
			b[int(float64(len(b)-1)*share)] ^= 0x40
			putFile(t, fs, path, string(b))
			return path
		}
	}
	for _, row := range []struct {
		name   string
		damage func(fs FS) (path string)
		part   string
		mayBe  int // messages that may be lost
	}{
		{"the seed is gone", remove("seed"), partSeed, 0},
		{"the seed is damaged", func(fs FS) string { putFile(t, fs, sceneDir+"/seed", "zz\n"); return sceneDir + "/seed" }, partSeed, 0},
		{"the state is gone", remove("state"), partState, 0},
		{"the state is damaged", flip("state", 0.5), partState, 0},
		{"a round is damaged", flip(segmentSuffix, 0.3), partJournal, 50 * 8 * 2},
		{"the journal's note is damaged", flip(journalNoteFile, 0.01), partJournal, 0},
		{"a block is damaged", flip(tableSuffix, 0.2), partMailboxes, 1000},
		{"a table's end is damaged", flip(tableSuffix, 1), partMailboxes, 0},
		{"the manifest is gone", remove("MANIFEST"), partMailboxes, 0},
		{"the mailboxes' note is damaged", flip(offlineNoteFile, 0.5), partMailboxes, 0},
		{"a table is gone", remove(tableSuffix), partMailboxes, 100_000},
	} {
		t.Run(row.name, func(t *testing.T) {
			fs := vfs.NewMem()
			unpackTo(t, fs, whole)
			path := row.damage(fs)
			before := snapshotOf(t, fs, sceneDir)
			dry, err := sceneDirectory(fs, sceneDir).Repair(true)
			must(t, err)
			samePicture(t, before, snapshotOf(t, fs, sceneDir))
			if !dry.Needed {
				t.Fatalf("a dry run finds nothing: %+v", dry)
			}
			if dry.Done || dry.Found.Problems[0].Part != row.part || dry.Found.Problems[0].Repair == "" {
				t.Errorf("a dry run: %+v", dry)
			}
			if named := dry.Found.Problems[0].Path; named != path && !strings.HasPrefix(path, named) && !strings.HasPrefix(named, fs.PathDir(path)) {
				t.Errorf("the problem names %s, damaged is %s", named, path)
			}
			r, lost := repaired(t, row.name, fs, kept)
			if !r.Done || lost > row.mayBe {
				t.Errorf("%d of %d messages are lost, %d may be: %+v", lost, kept.entries(), row.mayBe, r)
			}
			if there, err := exists(fs, fs.PathJoin(sceneDir, r.Aside, offlineFolder)); err != nil || !there {
				t.Errorf("what was there is not in %s (%v)", r.Aside, err)
			}
			t.Logf("%d of %d messages lost; %+v", lost, kept.entries(), r.Found.Problems)
		})
	}
}

func TestNoFlippedBitIsServedOrLosesWhatCanBeRead(t *testing.T) {
	base := vfs.NewMem()
	kept := makeScene(t, base, sceneDir, 150, false)
	whole := snapshotOf(t, base, sceneDir)
	rng := someSeed(t)
	worst := map[string]int{}
	for path, text := range whole {
		name := base.PathBase(path)
		if text == "" || name == ballastFile || strings.HasPrefix(name, "OPTIONS") || strings.HasPrefix(name, "marker") {
			continue
		}
		flips := 8
		if testing.Short() {
			flips = 1
		}
		for range flips {
			fs := vfs.NewMem()
			unpackTo(t, fs, whole)
			b := []byte(text)
			at := rng.IntN(len(b))
			b[at] ^= 1 << rng.IntN(8)
			putFile(t, fs, path, string(b))
			when := fmt.Sprintf("byte %d of %s", at, path)
			check, err := sceneDirectory(fs, sceneDir).Check()
			if errors.Is(err, ErrStoreVersion) {
				continue // a version that this program does not know is not touched
			}
			must(t, err)
			r, lost := repaired(t, when, fs, kept)
			if r.Needed != (len(check.Problems) > 0) {
				t.Errorf("%s: %+v, check: %+v", when, r, check)
			}
			worst[name] = max(worst[name], lost)
		}
	}
	t.Logf("most messages lost by a bit, of %d: %v", kept.entries(), worst)
}

func TestARepairIsWholeWhereverItIsInterrupted(t *testing.T) {
	rng := someSeed(t)
	fs := vfs.NewCrashableMem()
	kept := makeScene(t, fs, sceneDir, 20, false)
	putFile(t, fs, sceneDir+"/seed", "damaged")
	moments := everyMoment(fs, rng, func(fs FS) {
		r, err := sceneDirectory(fs, sceneDir).Repair(false)
		must(t, err)
		if !r.Done || r.Lost || !r.NewSeed {
			t.Errorf("%+v", r)
		}
	})
	behind := 0
	for i, left := range moments {
		if rng.IntN(5) > 0 {
			continue
		}
		if _, err := FinishSwitch(left, sceneDir); err != nil {
			t.Fatalf("moment %d: %v", i, err)
		}
		if _, err := readSeed(left, sceneDir); err == nil {
			behind++
		}
		if r, lost := repaired(t, fmt.Sprintf("moment %d", i), left, kept); lost > 0 {
			t.Errorf("moment %d: %d lost: %+v", i, lost, r)
		}
	}
	if behind == 0 || behind == len(moments) {
		t.Errorf("%d of %d moments are behind the commit", behind, len(moments))
	}
}

func TestARepairOnAFullDiskChangesNothing(t *testing.T) {
	base := vfs.NewMem()
	kept := makeScene(t, base, sceneDir, 200, false)
	putFile(t, base, sceneDir+"/seed", "damaged")
	whole := snapshotOf(t, base, sceneDir)
	for _, room := range []int64{0, 300, 20_000} {
		fs := vfs.NewMem()
		unpackTo(t, fs, whole)
		_, err := sceneDirectory(&meteredFS{FS: fs, room: room}, sceneDir).Repair(false)
		if !errors.Is(err, ErrDiskFull) && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d: %v", room, err)
		}
		samePicture(t, whole, snapshotOf(t, fs, sceneDir))
		if _, lost := repaired(t, "with room", fs, kept); lost > 0 {
			t.Errorf("%d lost", lost)
		}
	}
}
