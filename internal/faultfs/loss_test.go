package faultfs

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestWhatWasNotSyncedIsGoneAfterACrash(t *testing.T) {
	cases := []struct {
		name string
		do   func(d *disk)
		seen []string // by the process
		left []string // after the crash
	}{
		{"a file without any sync", func(d *disk) { d.create("/d/a", "one") }, []string{"/d/a=one"}, []string{"/d/a=-"}},
		{"a file that was synced in a directory that was not", func(d *disk) { must(d.t, d.create("/d/a", "one").Sync()) },
			[]string{"/d/a=one"}, []string{"/d/a=-"}},
		{"a file in a synced directory", func(d *disk) { d.create("/d/a", "one"); d.syncDir("/d") }, []string{"/d/a=one"}, []string{"/d/a="}},
		{"both", func(d *disk) { d.keep("/d/a", "one") }, []string{"/d/a=one"}, []string{"/d/a=one"}},
		{"more behind a sync", func(d *disk) {
			f := d.create("/d/a", "one")
			must(d.t, f.SyncData())
			d.syncDir("/d")
			_, err := f.Write([]byte("two"))
			must(d.t, err)
		}, []string{"/d/a=onetwo"}, []string{"/d/a=one"}},
		{"an overwritten middle", func(d *disk) {
			d.keep("/d/a", strings.Repeat("a", 2000))
			f, err := d.OpenReadWrite("/d/a", anyCategory)
			must(d.t, err)
			_, err = f.WriteAt([]byte("XY"), 999)
			must(d.t, err)
		}, []string{"/d/a=" + strings.Repeat("a", 999) + "XY" + strings.Repeat("a", 999)}, []string{"/d/a=" + strings.Repeat("a", 2000)}},
		{"a rename", func(d *disk) { d.keep("/d/a", "one"); must(d.t, d.Rename("/d/a", "/d/b")) },
			[]string{"/d/a=-", "/d/b=one"}, []string{"/d/a=one", "/d/b=-"}},
		{"a synced rename over another file", func(d *disk) {
			d.keep("/d/a", "one")
			d.keep("/d/b", "two")
			must(d.t, d.Rename("/d/a", "/d/b"))
			d.syncDir("/d")
		}, []string{"/d/a=-", "/d/b=one"}, []string{"/d/a=-", "/d/b=one"}},
		{"a rename to another directory, of which only that one is synced", func(d *disk) {
			f := d.create("/d/a", "one")
			must(d.t, f.Sync())
			must(d.t, d.Rename("/d/a", "/e/a"))
			d.syncDir("/e")
			d.syncDir("/d")
		}, []string{"/d/a=-", "/e/a=one"}, []string{"/d/a=-", "/e/a=one"}},
		{"a removal", func(d *disk) { d.keep("/d/a", "one"); must(d.t, d.Remove("/d/a")) }, []string{"/d/a=-"}, []string{"/d/a=one"}},
		{"a synced removal", func(d *disk) { d.keep("/d/a", "one"); must(d.t, d.Remove("/d/a")); d.syncDir("/d") }, []string{"/d/a=-"}, []string{"/d/a=-"}},
		{"a file made anew", func(d *disk) {
			d.keep("/d/a", "one")
			must(d.t, d.create("/d/a", "two").Sync())
		}, []string{"/d/a=two"}, []string{"/d/a=one"}},
		{"a link", func(d *disk) { d.keep("/d/a", "one"); must(d.t, d.Link("/d/a", "/e/b")); d.syncDir("/d") },
			[]string{"/d/a=one", "/e/b=one"}, []string{"/d/a=one", "/e/b=-"}},
		{"a link whose first name goes before it", func(d *disk) {
			d.keep("/d/a", "one")
			must(d.t, d.Link("/d/a", "/e/b"))
			must(d.t, d.Remove("/d/a"))
			d.syncDir("/d")
			d.syncDir("/e")
		}, []string{"/d/a=-", "/e/b=one"}, []string{"/d/a=-", "/e/b=one"}},
		{"a sync that lies", func(d *disk) { must(d.t, d.Set("lie=sync")); d.keep("/d/a", "one") }, []string{"/d/a=one"}, []string{"/d/a="}},
		{"a directory's sync that lies", func(d *disk) { must(d.t, d.Set("lie=syncdir")); d.keep("/d/a", "one") }, []string{"/d/a=one"}, []string{"/d/a=-"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDisk(t, vfs.NewMem(), "")
			c.do(d)
			expect(t, d.FS, c.seen...)
			next := d.restarted()
			expect(t, next.FS, c.left...)
			expectNoHidden(t, next)
		})
	}
}

func expectNoHidden(t *testing.T, d *disk) {
	t.Helper()
	for _, dir := range []string{"/d", "/e"} {
		names, err := d.platter.List(dir)
		must(t, err)
		for _, name := range names {
			if strings.HasPrefix(name, hiddenPrefix) {
				t.Errorf("%s is left in %s", name, dir)
			}
		}
	}
}

func TestASyncThatFailsLosesWhatItHadInHandThoughItCanBeRead(t *testing.T) {
	d := newDisk(t, vfs.NewMem(), "seed=3")
	text := strings.Repeat("a", 64*sectorBytes)
	f := d.create("/d/a", text)
	d.syncDir("/d")
	must(t, d.Set("fail=sync:eio"))
	if f.Sync() == nil {
		t.Fatal("the sync did not fail")
	}
	must(t, d.Set(""))
	must(t, f.Sync()) // it has nothing to do any more
	expect(t, d.FS, "/d/a="+text)
	left := read(t, d.restarted().FS, "/d/a")
	if kept := strings.Count(left, "a") / sectorBytes; kept == 0 || kept == 64 {
		t.Errorf("%d of 64 sectors were kept", kept)
	}
}

// TestACutTearsBySectors: whatever reached the platter is old or new, sector by sector, and each of the ways to tear is met.
func TestACutTearsBySectors(t *testing.T) {
	const sectors = 20
	old, young := strings.Repeat("o", sectors*sectorBytes), strings.Repeat("n", sectors*sectorBytes)
	none, all, front, scattered, renamed := 0, 0, 0, 0, 0
	for seed := range uint64(200) {
		d := newDisk(t, vfs.NewMem(), "")
		d.faults.rng = rand.New(rand.NewPCG(seed, 1))
		d.keep("/d/a", old)
		f, err := d.OpenReadWrite("/d/a", anyCategory)
		must(t, err)
		_, err = f.WriteAt([]byte(young), 0)
		must(t, err)
		must(t, d.Rename("/d/a", "/d/b"))
		d.Cut()
		if _, err := f.Write([]byte("x")); err == nil || d.died != 1 {
			t.Fatalf("after the cut: %v, died %d times", err, d.died)
		}
		next := d.restarted()
		left := read(t, next.FS, "/d/a")
		if left == "-" {
			renamed++
			left = read(t, next.FS, "/d/b")
		}
		pattern := ""
		for i := range sectors {
			s := left[i*sectorBytes:][:sectorBytes]
			if strings.Count(s, s[:1]) != sectorBytes {
				t.Fatalf("seed %d: sector %d is half old, half new", seed, i)
			}
			pattern += s[:1]
		}
		switch {
		case !strings.Contains(pattern, "n"):
			none++
		case !strings.Contains(pattern, "o"):
			all++
		case !strings.Contains(pattern, "on"):
			front++
		default:
			scattered++
		}
	}
	if min(none, all, front, scattered, renamed) < 10 {
		t.Errorf("of 200: none %d, all %d, front %d, scattered %d, renamed %d", none, all, front, scattered, renamed)
	}
}

func TestThePowerIsCutAtTheChangeThatWasNamed(t *testing.T) {
	d := newDisk(t, vfs.NewMem(), "cut=3@/d/")
	d.keep("/e/a", "elsewhere")
	f := d.create("/d/a", "one") // create, write
	if err := f.Sync(); err == nil || d.died != 1 {
		t.Errorf("the third change: %v, died %d times", err, d.died)
	}
}

func TestFlipBitTurnsOneBit(t *testing.T) {
	mem := vfs.NewMem()
	d := newDisk(t, mem, "")
	before := strings.Repeat("a", 1000)
	d.keep("/d/a", before)
	at, err := FlipBit(mem, "/d/a", 100, rand.New(rand.NewPCG(1, 1)))
	must(t, err)
	after := read(t, mem, "/d/a")
	if at < 100 || after[:at] != before[:at] || after[at+1:] != before[at+1:] || after[at] == 'a' {
		t.Errorf("byte %d: %q", at, after[at])
	}
	d.keep("/d/b", "")
	if _, err := FlipBit(mem, "/d/b", 0, rand.New(rand.NewPCG(1, 1))); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty file: %v", err)
	}
}
