package faultfs

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestEachOperationMeetsItsFault(t *testing.T) {
	ops := map[string]func(d *disk, f vfs.File) error{
		"read":      func(d *disk, f vfs.File) error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"write":     func(d *disk, f vfs.File) error { _, err := f.Write([]byte("x")); return err },
		"sync":      func(d *disk, f vfs.File) error { return f.Sync() },
		"syncdir":   func(d *disk, f vfs.File) error { return d.trySyncDir("/d") },
		"create":    func(d *disk, f vfs.File) error { _, err := d.Create("/d/new", anyCategory); return err },
		"openwrite": func(d *disk, f vfs.File) error { _, err := d.OpenReadWrite("/d/a", anyCategory); return err },
		"rename":    func(d *disk, f vfs.File) error { return d.Rename("/d/a", "/d/b") },
		"remove":    func(d *disk, f vfs.File) error { return d.Remove("/d/a") },
		"link":      func(d *disk, f vfs.File) error { return d.Link("/d/a", "/d/c") },
		"mkdir":     func(d *disk, f vfs.File) error { return d.MkdirAll("/d/x", 0o700) },
	}
	for name, do := range ops {
		for _, on := range []string{name, "change"} {
			d := newDisk(t, vfs.NewMem(), "")
			d.keep("/d/a", "one")
			f, err := d.OpenReadWrite("/d/a", anyCategory)
			must(t, err)
			must(t, d.Set("fail="+on+":erofs@/d"))
			err = do(d, f)
			if on == "change" && name == "read" {
				must(t, err)
			} else if !errors.Is(err, syscall.EROFS) {
				t.Errorf("%s under fail=%s: %v", name, on, err)
			}
			must(t, d.Set("fail="+on+":erofs@elsewhere"))
			if err = do(d, f); err != nil {
				t.Errorf("%s elsewhere: %v", name, err)
			}
		}
	}
}

func TestADiskIsFullAtItsLimitAndHasRoomAgain(t *testing.T) {
	mem := vfs.NewMem()
	newDisk(t, mem, "").keep("/d/old", "12345")
	d := newDisk(t, mem, "limit=10")
	f := d.create("/d/a", "abc")
	if n, err := f.Write([]byte("defg")); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if _, err := f.WriteAt([]byte("XY"), 0); err != nil {
		t.Errorf("overwriting: %v", err)
	}
	if _, err := d.Create("/d/b", anyCategory); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("creating: %v", err)
	}
	if u, err := d.GetDiskUsage("/d"); err != nil || u.AvailBytes != 0 || u.UsedBytes != 10 {
		t.Errorf("usage %+v, %v", u, err)
	}
	if err := f.Preallocate(0, 11); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("preallocating: %v", err)
	}
	must(t, d.Remove("/d/old"))
	_, err := f.Write([]byte("fg"))
	must(t, err)
	expect(t, d.FS, "/d/a=XYcdefg")
	must(t, d.Set("limit=100"))
	_, err = f.Write([]byte("more"))
	must(t, err)
}

func TestWhatHangsOrStallsGoesOnWhenTheFaultIsTakenAway(t *testing.T) {
	for _, spec := range []string{"hang=sync", "stall=sync:1h"} {
		d := newDisk(t, vfs.NewMem(), "")
		f := d.create("/d/a", "one")
		must(t, d.Set(spec))
		done := make(chan error, 1)
		before := d.Stats().Syncs
		go func() { done <- f.Sync() }() // ended by Set
		for d.Stats().Syncs == before {
			select {
			case err := <-done:
				t.Fatalf("%s: returned %v", spec, err)
			case <-time.After(time.Millisecond):
			}
		}
		expect(t, d.FS, "/d/a=one") // others are not held up
		must(t, d.Set(""))
		must(t, <-done)
	}
}

func TestASyncThatStallsTakesItsTime(t *testing.T) {
	d := newDisk(t, vfs.NewMem(), "stall=sync:20ms")
	f := d.create("/d/a", "one")
	start := time.Now()
	must(t, f.Sync())
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

func TestFaultsComeAsOftenAsTheyShould(t *testing.T) {
	d := newDisk(t, vfs.NewMem(), "seed=5 fail=write:eio:0.25")
	f, err := d.Create("/d/a", anyCategory)
	must(t, err)
	failed := 0
	for range 1000 {
		if _, err := f.WriteAt([]byte("x"), 0); err != nil {
			failed++
		}
	}
	if failed < 200 || failed > 300 || d.Stats().Injected != uint64(failed) {
		t.Errorf("%d of 1000 failed; %s", failed, d.Stats())
	}
}
