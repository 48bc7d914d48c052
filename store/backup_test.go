package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestABackupOfAStoppedServerIsRestoredWithANewIncarnation(t *testing.T) {
	for _, clean := range []bool{true, false} {
		for _, keys := range []bool{false, true} {
			top := t.TempDir()
			dir, to, back, far := filepath.Join(top, "data"), filepath.Join(top, "backup"), filepath.Join(top, "back"), filepath.Join(top, "far")
			kept := makeScene(t, vfs.Default, dir, 300, clean, filepath.Join(dir, journalFolder), far)
			must(t, os.MkdirAll(filepath.Join(dir, keysFolder), 0o700))
			must(t, os.WriteFile(filepath.Join(dir, keysFolder, "server"), []byte("secret"), 0o600))
			a, err := OpenAccounts(filepath.Join(dir, accountsFolder), nil)
			must(t, err)
			must(t, a.Apply(&AccountChange{NowSec: 5, Device: someDevice(7, 1, 3)}))
			must(t, a.Close())
			before := picture(t, top)
			d := sceneDirectory(vfs.Default, dir)
			c, err := d.Backup(to, keys)
			must(t, err)
			if c.Files < 5 || c.Keys != keys || c.MadeUnix != 1_800_000_000 {
				t.Errorf("copied: %+v", c)
			}
			after := picture(t, top)
			for path := range after {
				if strings.HasPrefix(path, to) {
					delete(after, path)
				}
			}
			samePicture(t, before, after)
			must(t, os.MkdirAll(back, 0o700))
			restored, err := sceneDirectory(vfs.Default, back).Restore(to)
			must(t, err)
			if restored.Files != c.Files || restored.Keys != keys {
				t.Errorf("restored: %+v, copied %+v", restored, c)
			}
			old, _, err := readState(vfs.Default, dir)
			must(t, err)
			k := opens(t, "restored", vfs.Default, back, kept)
			if k.Incarnation() == old.Incarnation || !k.Recovery().Restored || k.OwnerEpoch() <= old.Owner {
				t.Errorf("incarnation %x after %x, owner %d after %d, %+v", k.Incarnation(), old.Incarnation, k.OwnerEpoch(), old.Owner, k.Recovery())
			}
			if key := textOf(vfs.Default, filepath.Join(back, keysFolder, "server")); (key == "secret") != keys {
				t.Errorf("the key is %q", key)
			}
			a, err = OpenAccounts(filepath.Join(back, accountsFolder), nil)
			must(t, err)
			if dev, err := a.Device(7, 1); err != nil || dev.Gen != 3 {
				t.Errorf("an account: %+v, %v", dev, err)
			}
			must(t, a.Close())
			if _, err := d.Restore(to); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("over what is there: %v", err)
			}
			if _, err := d.Backup(to, keys); !errors.Is(err, ErrBackupPlace) {
				t.Errorf("over another backup: %v", err)
			}
		}
	}
}

func TestABackupOfARunningKeeperIsSealedAndRestored(t *testing.T) {
	top := t.TempDir()
	dir, to, back := filepath.Join(top, "data"), filepath.Join(top, "backup"), filepath.Join(top, "back")
	kept := makeScene(t, vfs.Default, dir, 300, true)
	k := sceneKeeper(t, vfs.Default, dir)
	desk := k.Desk(0, NewMailboxes())
	for u := range 100 {
		kept.receive(desk, k.OwnerEpoch()+1, uint64(u+1), 0)
	}
	desk.Submit(1)
	must(t, k.Settle(time.Minute))
	must(t, k.Backup(to))
	_, err := sceneDirectory(vfs.Default, dir).EndBackup(to, false)
	must(t, err)
	must(t, k.Close(false))
	must(t, os.MkdirAll(back, 0o700))
	_, err = sceneDirectory(vfs.Default, back).Restore(to)
	must(t, err)
	opens(t, "restored", vfs.Default, back, kept)
}

func TestADamagedBackupIsNotRestored(t *testing.T) {
	fs := vfs.NewMem()
	makeScene(t, fs, sceneDir, 50, false)
	_, err := sceneDirectory(fs, sceneDir).Backup("/b", false)
	must(t, err)
	files, err := filesBelow(fs, "/b")
	must(t, err)
	rng := someSeed(t)
	for _, name := range files {
		path := fs.PathJoin("/b", name)
		text := textOf(fs, path)
		if text == "" {
			continue
		}
		b := []byte(text)
		b[rng.IntN(len(b))] ^= 0x10
		putFile(t, fs, path, string(b))
		must(t, fs.MkdirAll("/back", 0o700))
		putFile(t, fs, "/back/lock", "1\n")
		if _, err := sceneDirectory(fs, "/back").Restore("/b"); !errors.Is(err, ErrBackup) {
			t.Errorf("%s damaged: %v", name, err)
		}
		if names, err := fs.List("/back"); err != nil || fmt.Sprint(names) != "[lock]" {
			t.Errorf("%s damaged: %v is left (%v)", name, names, err)
		}
		putFile(t, fs, path, text)
	}
	_, err = sceneDirectory(fs, "/back").Restore("/b")
	must(t, err)
}

func TestABackupOnAFullDiskIsRemoved(t *testing.T) {
	base := vfs.NewMem()
	kept := makeScene(t, base, sceneDir, 100, false)
	before := snapshotOf(t, base, sceneDir)
	for _, room := range []int64{0, 500, 5_000, 30_000} {
		fs := vfs.NewMem()
		unpackTo(t, fs, before)
		if _, err := sceneDirectory(&meteredFS{FS: fs, room: room}, sceneDir).Backup("/b", false); !errors.Is(err, ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d: %v", room, err)
		}
		if names, err := fs.List("/b"); err != nil || len(names) > 0 {
			t.Errorf("room for %d: %v is left (%v)", room, names, err)
		}
		opens(t, "after a backup that failed", fs, sceneDir, kept)
	}
}

func TestARestoreIsWholeWhereverItIsInterrupted(t *testing.T) {
	rng := someSeed(t)
	fs := vfs.NewCrashableMem()
	kept := makeScene(t, fs, sceneDir, 20, false)
	_, err := sceneDirectory(fs, sceneDir).Backup("/b", false)
	must(t, err)
	putFile(t, fs, "/back/lock", "1\n")
	whole := 0
	for i, left := range everyMoment(fs, rng, func(fs FS) {
		_, err := sceneDirectory(fs, "/back").Restore("/b")
		must(t, err)
	}) {
		if _, err := FinishSwitch(left, "/back"); err != nil {
			t.Fatalf("moment %d: %v", i, err)
		}
		if there, err := exists(left, "/back/state"); err != nil || !there {
			_, err := sceneDirectory(left, "/back").Restore("/b") // it was undone: once more
			must(t, err)
		} else {
			whole++
		}
		opens(t, fmt.Sprintf("moment %d", i), left, "/back", kept)
	}
	if whole < 3 {
		t.Errorf("%d moments were behind the commit", whole)
	}
}
