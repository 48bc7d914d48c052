package store

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func TestABackupIsAMomentOfTheMailboxes(t *testing.T) {
	for _, journals := range [][]string{nil, {"/j/one", "/j/two"}} {
		mem := vfs.NewCrashableMem()
		w := newWorld(t, mem, 21)
		w.o.Journals = journals
		w.open()
		w.turns(80)
		w.allDurable()
		p := w.remember(nil)
		must(t, w.k.Backup("safe/monday"))
		p.complete(w)
		w.turns(50)
		incarnation, owner := w.k.Incarnation(), w.k.OwnerEpoch()
		mem = mem.CrashClone(vfs.CrashCloneCfg{}) // it is durable when Backup returns
		must(t, ignoreUnclean(w.k.Close(false)))

		w.o.FS, w.o.Dir, w.o.Journals = mem, "safe/monday", nil
		w.open()
		if r := w.k.Recovery(); !r.Restored || r.DataLost || r.Clean || w.k.Incarnation() == incarnation || w.k.OwnerEpoch() <= owner {
			t.Errorf("journals %v: %+v, incarnation %x of %x", journals, r, w.k.Incarnation(), incarnation)
		}
		if err := p.check(onDisk(t, w.k.offline)); err != nil {
			t.Errorf("journals %v: %v", journals, err)
		}
		restored := w.k.Incarnation()
		must(t, ignoreUnclean(w.k.Close(false)))
		w.open() // the second start is an ordinary one
		same(t, "incarnation", w.k.Incarnation(), restored)
		must(t, p.check(onDisk(t, w.k.offline)))
	}
}

func TestABackupInMemoryModeIsNotCleared(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 22)
	w.o.Ack = AckMemory
	w.open()
	w.turns(40)
	w.writeAll()
	want := onDisk(t, w.k.offline)
	must(t, w.k.Backup("copy"))
	w.o.Dir = "copy"
	w.open()
	if r := w.k.Recovery(); !r.Restored || r.DataLost || !onDisk(t, w.k.offline).equal(want) {
		t.Errorf("%+v", r)
	}
}

func TestABackupWantsAnEmptyPlaceWithRoom(t *testing.T) {
	mem := vfs.NewMem()
	w := newWorld(t, mem, 23).open()
	w.turns(30)
	must(t, mem.MkdirAll("full/of", 0o700))
	mustBe(t, "a place that is taken", w.k.Backup("full"), ErrBackupPlace)
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1000, TotalBytes: 1 << 30, UsedBytes: 1 << 30})
	mustBe(t, "a place without room", w.k.Backup("small"), ErrDiskFull)
	if _, err := mem.Stat("small"); err == nil {
		t.Error("the place of a backup that failed is still there")
	}
	mem.TestingSetDiskUsage(vfs.DiskUsage{})
	must(t, mem.MkdirAll("empty", 0o700))
	must(t, w.k.Backup("empty"))
	must(t, w.k.Close(false))
	mustBe(t, "after Close", w.k.Backup("late"), ErrKeeperClosed)
}

// TestABackupThatFailsLeavesNothing fails each write of one in turn.
func TestABackupThatFailsLeavesNothing(t *testing.T) {
	for fail := int64(1); ; fail++ {
		mem := vfs.NewMem()
		var n atomic.Int64
		var armed atomic.Bool
		w := newWorld(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !armed.Load() || op.Kind.ReadOrWrite() == errorfs.OpIsRead || !containsPath(op.Path, "safe") || op.Kind == errorfs.OpRemove || op.Kind == errorfs.OpRemoveAll {
				return nil
			}
			if n.Add(1) == fail {
				return syscall.EIO
			}
			return nil
		})), 24).open()
		w.turns(5)
		armed.Store(true)
		err := w.k.Backup("safe/here")
		if err == nil {
			if n.Load() >= fail {
				t.Errorf("write %d failed and nobody said so", fail)
			}
			must(t, ignoreUnclean(w.k.Close(false)))
			if fail < 15 {
				t.Errorf("a backup has %d writes only", n.Load())
			}
			return
		}
		if _, there := mem.Stat("safe/here"); there == nil || !errors.Is(err, syscall.EIO) {
			t.Errorf("write %d: %v, and the place is there: %v", fail, err, there == nil)
		}
		w.turns(5)
		w.writeAll()
		must(t, w.k.Close(true)) // the server is none the worse
	}
}
