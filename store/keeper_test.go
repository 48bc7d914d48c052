package store

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestWhatLoopsNoteIsThereAfterACleanStop(t *testing.T) {
	for _, ack := range []Ack{AckDisk, AckMemory} {
		t.Run(ack.String(), func(t *testing.T) {
			w := newWorld(t, vfs.NewMem(), 1)
			w.o.Ack = ack
			w.open()
			same(t, "first start", w.k.Recovery().New, true)
			incarnation, owner := w.k.Incarnation(), w.k.OwnerEpoch()
			p := w.remember(nil)
			w.turns(200)
			w.writeAll()
			for _, l := range w.loops {
				p.durable[l.loop] = uint64(len(l.history))
			}
			p.complete(w)
			must(t, w.k.Close(true))
			w.open()
			r := w.k.Recovery()
			if !r.Clean || r.New || r.DataLost || r.Journal.Records > 0 || r.Mailboxes > 0 {
				t.Errorf("after a clean stop: %+v", r)
			}
			if w.k.Incarnation() != incarnation || w.k.OwnerEpoch() != owner {
				t.Errorf("incarnation %x, owner %d; before %x, %d", w.k.Incarnation(), w.k.OwnerEpoch(), incarnation, owner)
			}
			must(t, p.check(onDisk(t, w.k.offline)))
		})
	}
}

// TestAfterAnyCrashTheStateIsWhatLoopsDidTogether cuts the power at random moments, several times over the same data.
func TestAfterAnyCrashTheStateIsWhatLoopsDidTogether(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			w := newWorld(t, mem, seed)
			if seed%2 == 1 {
				w.o.Journals = []string{"/j/one", "/j/two", "/j/three"}
			}
			var base []modelState
			owner := uint32(0)
			for range 4 {
				w.open()
				if w.k.OwnerEpoch() <= owner {
					t.Fatalf("owner epoch %d after %d", w.k.OwnerEpoch(), owner)
				}
				owner = w.k.OwnerEpoch()
				w.continueFrom(base)
				w.turns(w.rng.IntN(300))
				if w.rng.IntN(2) == 0 {
					w.allDurable()
				}
				p := w.remember(base)
				clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: w.rng.IntN(101), RNG: w.rng})
				p.complete(w)
				must(t, ignoreUnclean(w.k.Close(false)))
				mem = clone
				w.fs, w.o.FS = mem, mem
				base = w.checkAfterCrash(p)
			}
		})
	}
}

// checkAfterCrash opens the disk, compares, and says what each loop has. Then the disk is as it was before, but for another crash.
func (w *keeperWorld) checkAfterCrash(p *past) (base []modelState) {
	w.t.Helper()
	w.open()
	disk := onDisk(w.t, w.k.offline)
	if err := p.check(disk); err != nil {
		w.t.Fatal(err)
	}
	same(w.t, "incarnation", w.k.Incarnation(), p.incarnat)
	if w.k.OwnerEpoch() <= p.owner {
		w.t.Errorf("owner epoch %d after %d", w.k.OwnerEpoch(), p.owner)
	}
	for loop := range w.loops {
		base = append(base, disk.of(loop))
	}
	must(w.t, ignoreUnclean(w.k.Close(false)))
	return base
}

// continueFrom gives the loops what the disk has.
func (w *keeperWorld) continueFrom(base []modelState) {
	for loop, m := range base {
		l := w.loops[loop]
		for k, box := range m {
			b := l.box(k.user, k.device)
			b.head = box.Head
			b.above, b.handed, b.freed = box.Head.Last, box.Head.Last, box.Head.Acked
			for i := range box.Entries {
				must(w.t, l.mail.Restore(&box.Entries[i], []byte(box.Sums[i])))
			}
		}
	}
}

func ignoreUnclean(error) error { return nil }

func TestTheOwnerEpochIsDurableBeforeADeskExists(t *testing.T) {
	mem := vfs.NewCrashableMem()
	w := newWorld(t, mem, 1).open()
	w.turns(20)
	w.allDurable()
	for range 3 {
		owner := w.k.OwnerEpoch()
		mem = mem.CrashClone(vfs.CrashCloneCfg{}) // right behind OpenKeeper: no desk has done anything
		w.fs, w.o.FS = mem, mem
		s, ok, err := readState(mem, "data")
		if must(t, err); !ok || s.Owner != owner || s.Clean {
			t.Fatalf("on the disk: %+v, owner epoch %d in use", s, owner)
		}
		w.open()
		same(t, "owner epoch after an unclean end", w.k.OwnerEpoch(), owner+1)
	}
}

func TestWithoutOwnerEpochsThereIsNoStart(t *testing.T) {
	mem := vfs.NewMem()
	w := newWorld(t, mem, 1).open()
	must(t, w.k.Close(false))
	s, _, err := readState(mem, "data")
	must(t, err)
	s.Owner = OwnerEpochMax
	must(t, writeState(mem, "data", &s))
	_, err = OpenKeeper(w.o)
	mustBe(t, "the last epoch is used", err, ErrOwnerEpochs)
}

func TestAnUncleanEndInMemoryModeIsANewIncarnation(t *testing.T) {
	mem := vfs.NewMem()
	w := newWorld(t, mem, 3)
	w.o.Ack = AckMemory
	w.open()
	incarnation, owner := w.k.Incarnation(), w.k.OwnerEpoch()
	w.turns(50)
	w.writeAll()
	must(t, w.k.Close(false))
	w.o.Ack = AckDisk // what counts is the mode of the process that has ended
	w.open()
	if r := w.k.Recovery(); !r.DataLost || r.Clean || w.k.Incarnation() == incarnation || w.k.OwnerEpoch() <= owner {
		t.Errorf("%+v, incarnation %x after %x, owner %d after %d", r, w.k.Incarnation(), incarnation, w.k.OwnerEpoch(), owner)
	}
	same(t, "what is there", onDisk(t, w.k.offline), modelState{})
}

func TestAckModesAreSwitchedBetweenStarts(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 4)
	var base []modelState
	for i, ack := range []Ack{AckDisk, AckMemory, AckMemory, AckDisk, AckMemory} {
		w.o.Ack = ack
		w.open()
		w.continueFrom(base)
		p := w.remember(base)
		w.turns(60)
		clean := i != 0 && i != 3 // a crash in disk mode loses nothing, and what comes after it is another mode
		if clean {
			w.writeAll()
		} else {
			w.allDurable()
		}
		for _, l := range w.loops {
			p.durable[l.loop] = uint64(len(l.history))
		}
		p.complete(w)
		incarnation := w.k.Incarnation()
		err := w.k.Close(clean)
		if must(t, err); clean {
			w.o.Ack = AckDisk
		}
		w.open()
		same(t, "incarnation", w.k.Incarnation(), incarnation)
		disk := onDisk(t, w.k.offline)
		must(t, p.check(disk))
		base = nil
		for loop := range w.loops {
			base = append(base, disk.of(loop))
		}
		must(t, w.k.Close(true))
	}
}

func TestJournalsMayMove(t *testing.T) {
	mem := vfs.NewCrashableMem()
	w := newWorld(t, mem, 5)
	var base []modelState
	for _, journals := range [][]string{nil, {"/a/j"}, {"/b/j", "/a/j"}, {"/b/j"}, {"/a/j", "/b/j", "/c/j"}, nil} {
		w.o.Journals = journals
		w.open()
		if base != nil { // the last journals were read where they were
			for loop := range w.loops {
				if !onDisk(t, w.k.offline).of(loop).equal(base[loop]) {
					t.Fatalf("journals %v: loop %d is not what it was", journals, loop)
				}
			}
		}
		w.continueFrom(base)
		w.turns(40)
		w.allDurable()
		base = nil
		for _, l := range w.loops {
			base = append(base, l.model())
		}
		mem = mem.CrashClone(vfs.CrashCloneCfg{})
		w.fs, w.o.FS = mem, mem
	}
	w.open()
	for _, dir := range []string{"/a/j", "/b/j", "/c/j"} {
		segments, err := listSegments(mem, dir)
		if err == nil && len(segments) > 0 {
			t.Errorf("%s still has %d files", dir, len(segments))
		}
	}
}

// model is what the loop's mailboxes are now.
func (l *worldLoop) model() modelState {
	m := modelState{}
	for k, b := range l.boxes {
		box := modelBox{Head: b.head}
		l.mail.Scan(k.user, k.device, 0, func(e *Entry, payload []byte) bool {
			box.Entries, box.Sums = append(box.Entries, *e), append(box.Sums, string(payload))
			return true
		})
		if box.Head != (Head{User: k.user, Device: k.device}) {
			m[k] = box
		}
	}
	return m
}

func TestAMissingOrForeignJournalIsNamed(t *testing.T) {
	mem := vfs.NewCrashableMem()
	w := newWorld(t, mem, 6)
	w.o.Journals = []string{"/a/j", "/b/j"}
	w.open()
	w.turns(30)
	w.allDurable()
	crash := func() *vfs.MemFS { return mem.CrashClone(vfs.CrashCloneCfg{}) }

	gone := crash()
	must(t, gone.RemoveAll("/b/j"))
	empty := crash()
	must(t, empty.RemoveAll("/b/j"))
	must(t, empty.MkdirAll("/b/j", 0o700))
	foreign := crash()
	must(t, foreign.RemoveAll("/b/j"))
	_, err := JournalIDs(foreign, []string{"/b/j"})
	must(t, err)
	for name, fs := range map[string]*vfs.MemFS{"gone": gone, "empty": empty, "another": foreign} {
		o := w.o
		o.FS = fs
		for _, journals := range [][]string{o.Journals, {"/c/j"}} { // what is configured now does not matter
			o.Journals = journals
			_, err := OpenKeeper(o)
			if !errors.Is(err, ErrJournalMissing) || !strings.Contains(err.Error(), "/b/j") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s, _, err := readState(fs, "data"); err != nil || s.Owner != w.k.OwnerEpoch() {
			t.Errorf("%s: a start that failed took an owner epoch: %+v, %v", name, s, err)
		}
	}

	other := w.o
	other.FS, other.Dir = crash(), "other"
	_, err = OpenKeeper(other)
	mustBe(t, "other mailboxes with these journals", err, ErrJournalTaken)
}

func TestADamagedOrMissingStateFileIsNamed(t *testing.T) {
	mem := vfs.NewMem()
	w := newWorld(t, mem, 7).open()
	w.turns(50)
	w.writeAll()
	must(t, w.k.Close(true))
	must(t, mem.Remove("data/state"))
	var damage *DamageError
	_, err := OpenKeeper(w.o)
	if !errors.Is(err, ErrStateDamaged) || !errors.As(err, &damage) || damage.Path != "data/state" {
		t.Errorf("without a state file: %v", err)
	}
	f, err := mem.Create("data/state", vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.Write([]byte("version: 1\n"))
	must(t, errors.Join(err, f.Close()))
	_, err = OpenKeeper(w.o)
	if !errors.Is(err, ErrStateDamaged) || !errors.As(err, &damage) || damage.Path != "data/state" {
		t.Errorf("a state file that ends: %v", err)
	}
}

// TestAStartMayEndAnywhere cuts the power before each write of a first start, and of a start after a crash.
func TestAStartMayEndAnywhere(t *testing.T) {
	mem := vfs.NewCrashableMem()
	w := newWorld(t, mem, 8)
	w.o.Journals = []string{"/a/j", "/b/j"}
	w.open()
	p := w.remember(nil)
	w.turns(60)
	w.allDurable()
	for _, l := range w.loops {
		p.durable[l.loop] = uint64(l.desk.tray.submitted.Load())
	}
	p.complete(w)
	filled := mem.CrashClone(vfs.CrashCloneCfg{})
	for name, fresh := range map[string]bool{"first": true, "after a crash": false} {
		disk := vfs.NewCrashableMem()
		if !fresh {
			disk = filled
		}
		crashes := crashesOf(disk, func(fs vfs.FS) {
			o := w.o
			o.FS = fs
			if !fresh {
				o.Journals = []string{"/b/j", "/c/j"}
			}
			k, err := OpenKeeper(o)
			must(t, err)
			must(t, ignoreUnclean(k.Close(false)))
		})
		if len(crashes) < 20 {
			t.Fatalf("%s: %d crashes only", name, len(crashes))
		}
		for i, fs := range crashes {
			o := w.o
			o.FS = fs
			o.Journals = []string{"/c/j"}
			k, err := OpenKeeper(o)
			if err != nil {
				t.Fatalf("%s: a start after crash %d of %d: %v", name, i, len(crashes), err)
			}
			if !fresh {
				if err := p.check(onDisk(t, k.offline)); err != nil {
					t.Errorf("%s: crash %d of %d: %v", name, i, len(crashes), err)
				}
				same(t, "incarnation", k.Incarnation(), p.incarnat)
			}
			must(t, ignoreUnclean(k.Close(false)))
		}
	}
}

func TestAKeeperEndsItsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		w := newWorld(t, vfs.NewMem(), 9)
		w.o.Retention = 1
		w.open()
		w.turns(20)
		must(t, w.k.Close(false))
		must(t, w.k.Close(true)) // a second one does nothing
	}
	w := newWorld(t, vfs.NewMem(), 9)
	w.until("goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func TestTwoKeepersDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, vfs.Default, 1)
	w.o.Dir = dir
	w.open()
	_, err := OpenKeeper(w.o)
	mustBe(t, "a second keeper", err, ErrStoreLocked)
	must(t, w.k.Close(true))
	if _, err := os.Stat(dir + "/journal/JOURNAL"); err == nil {
		t.Error("the journal of a clean end is still there")
	}
	w.open()
}
