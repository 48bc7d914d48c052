package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// afterCut is the disk as it may look after one, and how many batches had been flushed and begun then.
type afterCut struct {
	fs          *vfs.MemFS
	kept, begun int64
}

func TestAfterAnyPowerCutThereIsWhatWasFlushedOrMore(t *testing.T) {
	seed := testSeed(t)
	for _, percent := range []int{0, 50, 100} {
		t.Run(fmt.Sprintf("%d of 100 unsynced blocks survive", percent), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(percent)))
			disk, watch := vfs.NewCrashableMem(), rand.New(rand.NewPCG(seed, 99))
			var mu sync.Mutex
			var kept, begun atomic.Int64
			var cuts []afterCut
			fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				mu.Lock()
				defer mu.Unlock()
				if op.Kind.ReadOrWrite() == errorfs.OpIsRead || watch.IntN(3) > 0 {
					return nil
				}
				c := afterCut{kept: kept.Load()}
				c.fs = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, uint64(len(cuts))))})
				c.begun = begun.Load()
				cuts = append(cuts, c)
				return nil
			}))
			o, err := OpenOffline(offlineTestOptions(fs))
			must(t, err)
			p := newTable()
			texts := []string{p.text()}
			for i := range 18 {
				b := randomBatch(rng, o, p)
				mu.Lock()
				texts = append(texts, p.text())
				mu.Unlock()
				begun.Add(1)
				must(t, o.Apply(b))
				if i%3 == 2 {
					must(t, o.Flush())
					kept.Store(begun.Load())
				}
			}
			must(t, o.Close())
			if len(cuts) < 20 {
				t.Fatalf("%d power cuts only: the disk is not watched", len(cuts))
			}
			for i, c := range cuts {
				checkPowerCut(t, i, c, texts)
			}
		})
	}
}

func checkPowerCut(t *testing.T, i int, c afterCut, texts []string) {
	t.Helper()
	o, err := OpenOffline(offlineTestOptions(c.fs))
	if err != nil {
		t.Fatalf("power cut %d, %d batches were flushed: %v", i, c.kept, err)
	}
	defer func() { must(t, o.Close()) }()
	got, err := shown(o, modelUsers, modelDevices)
	must(t, err)
	if at := slices.Index(texts[c.kept:c.begun+1], got); at < 0 {
		t.Fatalf("power cut %d: what is there is none of the states %d to %d:\n%s", i, c.kept, c.begun, got)
	}
}

// sick refuses operations on files of a kind while it is ill.
type sick struct {
	ill  atomic.Bool
	in   string // part of the path
	err  error
	hits atomic.Int64
}

func (s *sick) String() string { return "a sick disk" }

func (s *sick) MaybeError(op errorfs.Op) error {
	if s.ill.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && strings.Contains(op.Path, s.in) {
		s.hits.Add(1)
		return fmt.Errorf("write %s: %w", op.Path, s.err)
	}
	return nil
}

func oneEntry(o *Offline, user uint64) *OfflineBatch {
	b := o.NewBatch()
	b.PutHead(&Head{User: user, Last: 1, Counts: Counts{Messages: 1, Bytes: 3}})
	b.PutEntry(&Entry{Key: Key{User: user, Seq: 1}, Kind: KindMessage}, []byte("abc"))
	return b
}

func there(t *testing.T, o *Offline, user uint64) bool {
	t.Helper()
	heads, err := o.Heads(user, nil)
	must(t, err)
	n := 0
	must(t, o.Entries(user, 0, 0, func(*Entry, []byte) bool { n++; return true }))
	if n != len(heads) {
		t.Errorf("user %d: %d heads and %d entries", user, len(heads), n)
	}
	return n == 1
}

func TestATableThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	for _, err := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
		t.Run(err.Error(), func(t *testing.T) {
			disk, mem := &sick{in: tableSuffix, err: err}, vfs.NewCrashableMem()
			options := offlineTestOptions(errorfs.Wrap(mem, disk))
			if err == syscall.ENOSPC {
				disk.in = ""
			}
			o, errOpen := OpenOffline(options)
			must(t, errOpen)
			defer o.Close()
			must(t, o.Apply(oneEntry(o, 1)))
			must(t, o.Flush())
			disk.ill.Store(true)
			must(t, o.Apply(oneEntry(o, 2)))
			for range 3 {
				if got := o.Flush(); !errors.Is(got, err) {
					t.Fatalf("Flush: %v", got)
				}
			}
			if err == syscall.ENOSPC && !errors.Is(o.Flush(), ErrDiskFull) {
				t.Error("a full disk is not called full")
			}
			if !o.Stats().Failed {
				t.Error("Stats do not say it")
			}
			if !there(t, o, 1) || !there(t, o, 2) {
				t.Error("reads do not go on")
			}
			disk.ill.Store(false)
			waitFor(t, func() bool { return o.Flush() == nil })
			if s := o.Stats(); s.Reopened != 0 || s.Failed || s.Errors == 0 {
				t.Errorf("%+v", s)
			}
			after := openOffline(t, mem.CrashClone(vfs.CrashCloneCfg{}))
			if !there(t, after, 1) || !there(t, after, 2) {
				t.Error("what was flushed is lost")
			}
		})
	}
}

// waitFor waits for something that another goroutine does soon.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
		<-time.After(time.Millisecond)
	}
}

func TestAnEngineThatGaveUpIsReplaced(t *testing.T) {
	disk, mem := &sick{in: "MANIFEST", err: syscall.EIO}, vfs.NewCrashableMem()
	o, err := OpenOffline(offlineTestOptions(errorfs.Wrap(mem, disk)))
	must(t, err)
	defer o.Close()
	must(t, o.Apply(oneEntry(o, 1)))
	must(t, o.Flush())
	must(t, o.Apply(oneEntry(o, 2)))
	disk.in = "" // whatever comes
	dead := o.engine
	o.engine.giveUp(syscall.EIO)
	if err := o.Flush(); !errors.Is(err, ErrOfflineLost) && !errors.Is(err, ErrOfflineFailed) {
		t.Fatalf("Flush: %v", err)
	}
	waitFor(t, func() bool { return errors.Is(o.Flush(), ErrOfflineLost) })
	if o.engine == dead {
		t.Fatal("the engine is the same")
	}
	for range 2 {
		if err := o.Apply(oneEntry(o, 3)); !errors.Is(err, ErrOfflineLost) {
			t.Errorf("Apply before Restore: %v", err)
		}
		if _, err := o.Heads(1, nil); !errors.Is(err, ErrOfflineFailed) {
			t.Errorf("the past is shown: %v", err)
		}
	}
	if !o.Stats().Failed {
		t.Error("Stats do not say it")
	}
	o.Restore()
	must(t, o.Apply(oneEntry(o, 2)))
	if _, err := o.Heads(1, nil); !errors.Is(err, ErrOfflineFailed) {
		t.Errorf("half of the past is shown: %v", err)
	}
	must(t, o.Apply(oneEntry(o, 3)))
	must(t, o.Flush())
	for user := uint64(1); user <= 3; user++ {
		if !there(t, o, user) {
			t.Errorf("user %d is lost", user)
		}
	}
	if s := o.Stats(); s.Reopened != 1 || s.Failed {
		t.Errorf("%+v", s)
	}
	after := openOffline(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	for user := uint64(1); user <= 3; user++ {
		if !there(t, after, user) {
			t.Errorf("user %d is lost after a power cut", user)
		}
	}
}

func TestAManifestThatCannotBeWrittenEndsOneEngineOnly(t *testing.T) {
	disk, mem := &sick{in: "MANIFEST", err: syscall.EIO}, vfs.NewCrashableMem()
	o, err := OpenOffline(offlineTestOptions(errorfs.Wrap(mem, disk)))
	must(t, err)
	defer o.Close()
	must(t, o.Apply(oneEntry(o, 1)))
	must(t, o.Flush())
	disk.ill.Store(true)
	must(t, o.Apply(oneEntry(o, 2)))
	if err := o.Flush(); !errors.Is(err, ErrOfflineFailed) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("Flush: %v", err)
	}
	if _, err := o.Heads(1, nil); !errors.Is(err, ErrOfflineFailed) {
		t.Errorf("Heads: %v", err)
	}
	disk.ill.Store(false)
	waitFor(t, func() bool { return errors.Is(o.Flush(), ErrOfflineLost) })
	o.Restore()
	must(t, o.Apply(oneEntry(o, 2)))
	must(t, o.Flush())
	if !there(t, o, 1) || !there(t, o, 2) {
		t.Error("something is lost")
	}
	must(t, o.Close())
	after := openOffline(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	if !there(t, after, 1) || !there(t, after, 2) {
		t.Error("something is lost after a power cut")
	}
}

func TestWithNothingToLoseAnotherEngineIsEnough(t *testing.T) {
	o := openOffline(t, vfs.NewMem())
	must(t, o.Apply(oneEntry(o, 1)))
	must(t, o.Flush())
	o.engine.giveUp(syscall.EIO)
	waitFor(t, func() bool { _, err := o.Heads(1, nil); return err == nil }) // a read opens it
	if !there(t, o, 1) {
		t.Error("it is lost")
	}
	must(t, o.Apply(oneEntry(o, 2)))
	must(t, o.Flush())
}

func TestAnotherEngineIsTriedNowAndThen(t *testing.T) {
	disk := &sick{err: syscall.EROFS}
	o := openOffline(t, errorfs.Wrap(vfs.NewMem(), disk))
	now := time.Unix(1000, 0)
	o.now = func() time.Time { return now }
	must(t, o.Apply(oneEntry(o, 1)))
	disk.ill.Store(true)
	o.engine.giveUp(syscall.EROFS)
	tries := func(n int, step time.Duration) (tried int64) {
		before := disk.hits.Load()
		for range n {
			if err := o.Flush(); !errors.Is(err, syscall.EROFS) {
				t.Fatalf("Flush: %v", err)
			}
			now = now.Add(step)
		}
		return disk.hits.Load() - before
	}
	if n := tries(100, 0); n != 1 {
		t.Errorf("%d operations without a pause", n)
	}
	if n := tries(600, time.Second); n < 20 || n > 60 {
		t.Errorf("%d tries in ten minutes", n)
	}
	disk.ill.Store(false)
	now = now.Add(offlineReopenMax)
	if err := o.Flush(); !errors.Is(err, ErrOfflineLost) {
		t.Errorf("Flush: %v", err)
	}
}

func TestBehindTheFenceNothingCanBeTouched(t *testing.T) {
	mem := vfs.NewMem()
	f := newFence(mem, func(string) error { return nil })
	file, err := f.Create("a", vfs.WriteCategoryUnspecified)
	must(t, err)
	must(t, f.MkdirAll("d", 0o700))
	_, err = file.Write([]byte("x"))
	must(t, err)
	f.sever()
	f.sever()
	paused, tried := 0, 0
	f.pause = func() { paused++ } // or what is left of an engine would try again without end
	for name, op := range map[string]func() error{
		"Write":     func() error { _, err := file.Write([]byte("y")); return err },
		"WriteAt":   func() error { _, err := file.WriteAt([]byte("y"), 0); return err },
		"Read":      func() error { _, err := file.Read(make([]byte, 1)); return err },
		"ReadAt":    func() error { _, err := file.ReadAt(make([]byte, 1), 0); return err },
		"Sync":      file.Sync,
		"SyncData":  file.SyncData,
		"SyncTo":    func() error { _, err := file.SyncTo(1); return err },
		"Stat":      func() error { _, err := file.Stat(); return err },
		"Prefetch":  func() error { return file.Prefetch(0, 1) },
		"Prealloc":  func() error { return file.Preallocate(0, 1) },
		"Create":    func() error { _, err := f.Create("b", ""); return err },
		"Open":      func() error { _, err := f.Open("a"); return err },
		"OpenRW":    func() error { _, err := f.OpenReadWrite("a", ""); return err },
		"OpenDir":   func() error { _, err := f.OpenDir("d"); return err },
		"Reuse":     func() error { _, err := f.ReuseForWrite("a", "b", ""); return err },
		"Link":      func() error { return f.Link("a", "b") },
		"Remove":    func() error { return f.Remove("a") },
		"RemoveAll": func() error { return f.RemoveAll("d") },
		"Rename":    func() error { return f.Rename("a", "b") },
		"MkdirAll":  func() error { return f.MkdirAll("e", 0o700) },
		"List":      func() error { _, err := f.List(""); return err },
		"StatPath":  func() error { _, err := f.Stat("a"); return err },
		"DiskUsage": func() error { _, err := f.GetDiskUsage(""); return err },
	} {
		if err := op(); !errors.Is(err, errFenced) {
			t.Errorf("%s: %v", name, err)
		}
		if tried++; paused != tried {
			t.Fatalf("%s is refused without a pause", name)
		}
	}
	if err := file.Close(); !errors.Is(err, errFenced) {
		t.Errorf("Close: %v", err)
	}
	names, err := mem.List("")
	must(t, err)
	if slices.Sort(names); !slices.Equal(names, []string{"a", "d"}) {
		t.Errorf("%v", names)
	}
}

func TestAFencedEngineChangesNothingBehindTheNextOne(t *testing.T) {
	mem := vfs.NewMem()
	o := openOffline(t, mem)
	must(t, o.Apply(oneEntry(o, 1)))
	must(t, o.Flush())
	must(t, o.Apply(oneEntry(o, 2)))
	old := o.engine
	var came atomic.Int64
	stop := old.fence.pause
	old.fence.pause = func() { // nobody is behind the fence yet
		if isEngineWork() {
			came.Add(1)
		}
		stop()
	}
	old.giveUp(syscall.EIO)
	waitFor(t, func() bool { return errors.Is(o.Flush(), ErrOfflineLost) })
	before, err := mem.List("mailboxes")
	must(t, err)
	_, errFlush := old.db.AsyncFlush()
	must(t, errFlush)
	waitFor(t, func() bool { return came.Load() == 1 }) // and stays there: it would try again for ever, and could panic
	after, err := mem.List("mailboxes")
	must(t, err)
	for _, name := range after { // the next one removes what it does not need
		if !slices.Contains(before, name) {
			t.Errorf("%s is new", name)
		}
	}
	if came.Load() != 1 || old.trouble() != nil {
		t.Errorf("%d tries, %v", came.Load(), old.trouble())
	}
}

func TestABallastGivesWayAndComesBack(t *testing.T) {
	disk, mem := &fullDisk{}, vfs.NewCrashableMem()
	o, err := OpenOffline(offlineTestOptions(errorfs.Wrap(mem, disk)))
	must(t, err)
	defer o.Close()
	must(t, o.Apply(oneEntry(o, 1)))
	must(t, o.Flush())
	must(t, o.Apply(oneEntry(o, 2)))
	disk.spare.Store(0)
	disk.full.Store(true)
	if err := o.Flush(); err != nil && !errors.Is(err, ErrDiskFull) { // 16 writes fit behind the ballast
		t.Fatal(err)
	}
	if !o.ballast.gone.Load() {
		t.Error("the ballast is still there")
	}
	must(t, o.Apply(oneEntry(o, 3)))
	disk.spare.Store(0)
	if err := o.Flush(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Flush: %v", err)
	}
	if !o.engine.alive() {
		t.Error("a full disk has ended the engine")
	}
	disk.full.Store(false)
	waitFor(t, func() bool { return o.Flush() == nil })
	if o.ballast.gone.Load() {
		t.Error("the ballast did not come back")
	}
	after := openOffline(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	for user := uint64(1); user <= 3; user++ {
		if !there(t, after, user) {
			t.Errorf("user %d is lost", user)
		}
	}
}

func TestWhatTheDiskRefusesForLongIsHeldInMemoryAndThenRefused(t *testing.T) {
	disk := &sick{in: tableSuffix, err: syscall.EIO}
	o := openOffline(t, errorfs.Wrap(vfs.NewMem(), disk))
	must(t, o.Apply(oneEntry(o, 1)))
	disk.ill.Store(true)
	b := o.NewBatch()
	payload := make([]byte, PayloadBytesMax)
	for seq := range uint64(16) {
		b.PutEntry(&Entry{Key: Key{User: 2, Seq: seq + 1}}, payload)
	}
	held := 0
	for o.Apply(b) == nil {
		if held += b.Bytes(); held > 2*offlineMemTables*offlineMemTableBytes {
			t.Fatal("memory has no end")
		}
	}
	if held < offlineMemTables*offlineMemTableBytes/2 {
		t.Errorf("only %d bytes were held", held)
	}
	if !there(t, o, 1) {
		t.Error("reads do not go on")
	}
	disk.ill.Store(false)
	waitFor(t, func() bool { return o.Apply(oneEntry(o, 3)) == nil })
	waitFor(t, func() bool { return o.Flush() == nil })
	if !there(t, o, 3) {
		t.Error("it is lost")
	}
}

// giveUp has the engine give up as it would for an error that it can't go on after.
func (e *engine) giveUp(err error) { e.fail(err) }

var _ pebble.Logger = (*engine)(nil)

// TestAFolderThatCannotBeSyncedEndsTheEngineAndNothingElse: the engine panics when it meets that, at its opening and whenever its manifest moves.
func TestAFolderThatCannotBeSyncedEndsTheEngineAndNothingElse(t *testing.T) {
	for _, healthy := range []int64{0, 1, 2, 3, 1000} {
		mem := vfs.NewMem()
		var left atomic.Int64
		left.Store(healthy)
		o, err := OpenOffline(offlineTestOptions(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSync && op.Path == "mailboxes" && left.Add(-1) < 0 {
				return syscall.EIO
			}
			return nil
		}))))
		if err != nil {
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("after %d syncs: %v", healthy, err)
			}
			continue
		}
		left.Store(0)
		b := o.NewBatch()
		b.PutHead(&Head{User: 5, Last: 1})
		must(t, o.Apply(b))
		lost := o.Flush() // it syncs the folder only when it has to
		left.Store(1 << 40)
		if err := o.Close(); err != nil && (lost == nil || !errors.Is(err, ErrOfflineLost)) {
			t.Errorf("after %d syncs: close: %v", healthy, err)
		}
	}
}
