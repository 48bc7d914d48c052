package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const otherSeed = 0x99aabbccddeeff00

func TestANewSeedPlacesEverybodyAnewAndLosesNothing(t *testing.T) {
	for _, clean := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "data")
		kept := makeScene(t, vfs.Default, dir, 2500, clean)
		d := sceneDirectory(vfs.Default, dir)
		_, heads := mailHeld(t, d)
		r, err := d.Reseed(otherSeed)
		must(t, err)
		if r.Before != r.After || r.After.Entries != kept.entries() || r.After.Mailboxes != len(kept) || r.Applied == clean || len(r.After.Sum) != 64 {
			t.Errorf("clean %t: %+v; want %d mailboxes, %d entries", clean, r, len(kept), kept.entries())
		}
		if seed, err := readSeed(vfs.Default, dir); err != nil || seed != otherSeed {
			t.Errorf("the seed is %x (%v)", seed, err)
		}
		mail, after := mailHeld(t, d)
		sameMail(t, "with another seed", mail, kept)
		for b, h := range heads {
			if after[b] != h {
				t.Fatalf("head of %v: %+v, was %+v", b, after[b], h)
			}
		}
		names, err := vfs.Default.List(dir)
		must(t, err)
		for _, name := range names {
			if strings.HasPrefix(name, "old") || name == nextFolder || name == switchFile {
				t.Errorf("%s is left", name)
			}
		}
		opens(t, "after a new seed", vfs.Default, dir, kept)
	}
}

// At every change that a new seed makes the process is killed, or the power is cut: a start finds the old or the new, whole.
func TestANewSeedIsWholeWhereverItIsInterrupted(t *testing.T) {
	rng := someSeed(t)
	fs := vfs.NewCrashableMem()
	kept := makeScene(t, fs, sceneDir, 12, true)
	moments := everyMoment(fs, rng, func(fs FS) {
		_, err := sceneDirectory(fs, sceneDir).Reseed(otherSeed)
		must(t, err)
	})
	seen := map[uint64]int{}
	for i, left := range moments {
		if _, err := FinishSwitch(left, sceneDir); err != nil {
			t.Fatalf("moment %d: finish: %v", i, err)
		}
		seed, err := readSeed(left, sceneDir)
		must(t, err)
		seen[seed]++
		opens(t, fmt.Sprintf("moment %d of %d, seed %x", i, len(moments), seed), left, sceneDir, kept)
	}
	if seen[sceneSeed] < 3 || seen[otherSeed] < 3 || len(seen) != 2 {
		t.Errorf("seeds found: %v", seen)
	}
}

func TestANewSeedOnAFullDiskChangesNothing(t *testing.T) {
	base := vfs.NewMem()
	kept := makeScene(t, base, sceneDir, 300, true)
	before := snapshotOf(t, base, sceneDir)
	for _, room := range []int64{0, 1000, 20_000} {
		fs := vfs.NewMem()
		unpackTo(t, fs, before)
		_, err := sceneDirectory(&meteredFS{FS: fs, room: room}, sceneDir).Reseed(otherSeed)
		if !errors.Is(err, ErrDiskFull) && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
		if got := snapshotOf(t, fs, sceneDir); len(got) != len(before) {
			t.Errorf("room for %d bytes: %d files, there were %d", room, len(got), len(before))
		}
		opens(t, "after a full disk", fs, sceneDir, kept)
	}
}
