package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crashed is the disk as it may look after a power cut, and how many changes had returned just before.
type crashed struct {
	fs       *vfs.MemFS
	returned int
}

// step is one change of accounts or people.
type step func(a *pebbleAccounts) error

// everyCrash runs changes on a disk and cuts the power before each of its operations, at the opening too.
func everyCrash(t *testing.T, changes []step, unsyncedPercent int) (all []crashed) {
	t.Helper()
	disk := vfs.NewCrashableMem()
	var mu sync.Mutex
	var returned atomic.Int64
	rng := rand.New(rand.NewPCG(1, uint64(unsyncedPercent)))
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		n := int(returned.Load()) // before the copy: what returns meanwhile may be in it or not
		all = append(all, crashed{disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsyncedPercent, RNG: rng}), n})
		return nil
	}))
	a, err := openAccounts(testOptions(fs))
	must(t, err)
	for _, c := range changes {
		must(t, c(a.(*pebbleAccounts)))
		returned.Add(1)
	}
	must(t, a.Close())
	mu.Lock()
	defer mu.Unlock()
	return append(all, crashed{disk.CrashClone(vfs.CrashCloneCfg{}), len(changes)})
}

// registration is what a registration with a token over another key writes: all records have the same number.
func registration(i int) *AccountChange {
	d := someDevice(uint64(i)+1, 0, uint16(i)+1)
	return &AccountChange{
		NowSec: 1, Device: d, Used: &TokenUse{User: d.User, ID: [8]byte{1}, Static: d.Static, ExpiresSec: 1 << 40},
		Revoke: &Revocation{User: d.User, Gen: d.Gen, UntilSec: 1 << 40},
	}
}

func TestAfterAnyCrashWhatHadReturnedIsThereAndTheRestIsWhole(t *testing.T) {
	const changes = 8
	var list []step
	for i := range changes {
		list = append(list, func(a *pebbleAccounts) error { return a.Apply(registration(i)) })
	}
	for _, percent := range []int{0, 20, 50, 80, 100} {
		t.Run(fmt.Sprintf("%d of 100 unsynced blocks survive", percent), func(t *testing.T) {
			all := everyCrash(t, list, percent)
			if len(all) < 3*changes {
				t.Fatalf("%d crashes only: the disk is not watched", len(all))
			}
			for i, c := range all {
				checkCrashed(t, i, c, changes)
			}
		})
	}
}

func checkCrashed(t *testing.T, i int, c crashed, changes int) {
	t.Helper()
	a, err := openAccounts(testOptions(c.fs))
	if err != nil {
		t.Fatalf("crash %d, %d changes had returned: %v", i, c.returned, err)
	}
	defer func() { must(t, a.Close()) }()
	revoked, err := a.Revocations()
	must(t, err)
	kept := 0
	for n := range changes {
		want := registration(n)
		d, errDevice := a.Device(want.Device.User, 0)
		_, errUser := a.User(want.Device.User)
		_, errUsed := a.Used(want.Used.User, want.Used.ID)
		switch {
		case errDevice == nil && errUser == nil && errUsed == nil && d == *want.Device:
			kept++
		case errDevice == ErrNoDevice && errUser == ErrNoUser && errUsed == ErrTokenUnused:
			if n < c.returned {
				t.Errorf("crash %d: change %d had returned and is lost", i, n)
			}
		default:
			t.Errorf("crash %d: half of change %d: device %v, user %v, token %v", i, n, errDevice, errUser, errUsed)
		}
	}
	if len(revoked.List) != kept {
		t.Errorf("crash %d: %d revocations beside %d devices", i, len(revoked.List), kept)
	}
	must(t, a.Apply(&AccountChange{Device: someDevice(999, 0, 1)}))
}

// fullDisk takes no more bytes when it is full, but for what the ballast made room for.
type fullDisk struct {
	full  atomic.Bool
	spare atomic.Int64 // writes that still fit
}

func (d *fullDisk) String() string { return "a full disk" }

func (d *fullDisk) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpRemove:
		d.spare.Add(16)
	case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpReuseForWrite:
		if d.full.Load() && (strings.Contains(op.Path, ballastFile) || d.spare.Add(-1) < 0) {
			return fmt.Errorf("write %s: %w", op.Path, syscall.ENOSPC)
		}
	}
	return nil
}

func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	disk, mem := &fullDisk{}, vfs.NewCrashableMem()
	a := openOn(t, errorfs.Wrap(mem, disk))
	must(t, a.Apply(registration(0)))
	disk.spare.Store(0)
	disk.full.Store(true)
	must(t, a.Apply(registration(1))) // it met the full disk; the ballast gave way
	if !a.ballast.gone.Load() {
		t.Fatal("the ballast is still there")
	}
	disk.spare.Store(0)
	for i := range 5 {
		if err := a.Apply(registration(2 + i)); !errors.Is(err, ErrDiskFull) {
			t.Fatalf("a change on a full disk: %v", err)
		}
	}
	if _, err := a.Device(2, 0); err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	checkCrashed(t, 0, crashed{mem.CrashClone(vfs.CrashCloneCfg{}), 2}, 2)

	disk.full.Store(false)
	must(t, a.Apply(registration(2)))
	if a.ballast.gone.Load() {
		t.Error("the ballast did not come back")
	}
	checkCrashed(t, 1, crashed{mem.CrashClone(vfs.CrashCloneCfg{}), 3}, 3)
}

func TestADiskThatIsFullAtTheStart(t *testing.T) {
	disk, mem := &fullDisk{}, vfs.NewCrashableMem()
	disk.full.Store(true)
	if _, err := openAccounts(testOptions(errorfs.Wrap(mem, disk))); !errors.Is(err, ErrDiskFull) {
		t.Fatalf("new accounts on a full disk: %v", err)
	}
	disk.full.Store(false)
	a := openOn(t, errorfs.Wrap(mem, disk))
	must(t, a.Apply(registration(0)))
	must(t, a.Close())

	disk.spare.Store(0)
	disk.full.Store(true)
	a = openOn(t, errorfs.Wrap(mem, disk)) // the ballast gave way
	disk.spare.Store(0)
	if err := a.Apply(registration(1)); !errors.Is(err, ErrDiskFull) {
		t.Errorf("a change: %v", err)
	}
	if _, err := a.Device(1, 0); err != nil {
		t.Errorf("a read: %v", err)
	}
	disk.full.Store(false)
	must(t, a.Apply(registration(1)))
}

func TestAfterAFailedWriteTheAccountsEndAndTheProcessGoesOn(t *testing.T) {
	for _, row := range []struct {
		name string
		kind errorfs.OpKind
	}{
		{"the log can't be written", errorfs.OpFileWrite},
		{"the log can't be synced", errorfs.OpFileSyncData},
	} {
		t.Run(row.name, func(t *testing.T) {
			var broken atomic.Bool
			mem := vfs.NewCrashableMem()
			a := openOn(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if broken.Load() && (op.Kind == row.kind || row.kind == errorfs.OpFileSyncData && op.Kind == errorfs.OpFileSync) {
					return syscall.EIO
				}
				return nil
			})))
			must(t, a.Apply(registration(0)))
			broken.Store(true)
			for range 2 {
				if err := a.Apply(registration(1)); !errors.Is(err, ErrAccountsFailed) || !errors.Is(err, syscall.EIO) {
					t.Errorf("Apply: %v", err)
				}
			}
			if _, err := a.Device(1, 0); !errors.Is(err, ErrAccountsFailed) {
				t.Errorf("what may not be on the disk is still served: %v", err)
			}
			if err := a.Close(); !errors.Is(err, ErrAccountsFailed) {
				t.Errorf("Close: %v", err)
			}
			checkCrashed(t, 0, crashed{mem.CrashClone(vfs.CrashCloneCfg{}), 1}, 2)
		})
	}
}

func TestACallThatMustNotReturnEndsTheAccountsOnly(t *testing.T) {
	a := openOn(t, vfs.NewMem())
	go a.trouble.Fatalf("engine: %w", syscall.EIO) // never ends, as the engine's own goroutine would not
	<-a.trouble.failed
	if err := a.Apply(registration(1)); !errors.Is(err, ErrAccountsFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("Apply: %v", err)
	}
}
