package faultfs

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// pretend is a directory as the words of this package describe it: what is seen, and what a crash leaves.
type pretend struct {
	seen, kept map[string]*content
}

// content is a file's, without its names.
type content struct{ seen, kept []byte }

// TestAnyScheduleIsSeenAndKeptAsDescribed runs random operations on a disk and on the model, and compares what is seen after each, and what a crash
// leaves after the last.
func TestAnyScheduleIsSeenAndKeptAsDescribed(t *testing.T) {
	first, runs := uint64(1), uint64(120)
	if s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		first, runs = s, 1
	}
	for seed := first; seed < first+runs; seed++ {
		d := newDisk(t, vfs.NewMem(), "")
		m := &pretend{seen: map[string]*content{}, kept: map[string]*content{}}
		rng := rand.New(rand.NewPCG(seed, 2))
		for round := range 3 {
			for step := range 60 {
				what := m.step(d, rng, round == 2)
				if diff := m.compare(d, func(c *content) []byte { return c.seen }, m.seen); diff != "" {
					t.Fatalf("SEED=%d: round %d, step %d, %s: %s", seed, round, step, what, diff)
				}
			}
			d = d.restarted()
			if diff := m.compare(d, func(c *content) []byte { return c.kept }, m.kept); diff != "" {
				t.Fatalf("SEED=%d: after crash %d: %s", seed, round, diff)
			}
			m.crash()
		}
	}
}

// crash makes what was kept all there is. Links are made before the last one only: the next process does not know of them.
func (m *pretend) crash() {
	for _, c := range m.kept {
		c.seen = slices.Clone(c.kept)
	}
	m.seen = maps.Clone(m.kept)
}

func (m *pretend) step(d *disk, rng *rand.Rand, links bool) string {
	name, other := fmt.Sprintf("/d/%c", 'a'+rune(rng.IntN(4))), fmt.Sprintf("/d/%c", 'a'+rune(rng.IntN(4)))
	c := m.seen[name]
	switch k := rng.IntN(10); {
	case k == 0 || c == nil:
		must(d.t, d.create(name, "").Close())
		m.seen[name] = &content{}
		return "create " + name
	case k <= 3:
		b, at := make([]byte, 1+rng.IntN(3000)), rng.IntN(len(c.seen)+1)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		m.onFile(d, name, func(f vfs.File) { _, err := f.WriteAt(b, int64(at)); must(d.t, err) })
		if grow := at + len(b) - len(c.seen); grow > 0 {
			c.seen = append(c.seen, make([]byte, grow)...)
		}
		copy(c.seen[at:], b)
		return fmt.Sprintf("write %d at %d to %s", len(b), at, name)
	case k <= 5:
		m.onFile(d, name, func(f vfs.File) { must(d.t, f.Sync()) })
		c.kept = slices.Clone(c.seen)
		return "sync " + name
	case k == 6:
		d.syncDir("/d")
		m.kept = maps.Clone(m.seen)
		return "sync the directory"
	case k == 7:
		must(d.t, d.Remove(name))
		delete(m.seen, name)
		return "remove " + name
	case k == 8 && links && m.seen[other] == nil:
		must(d.t, d.Link(name, other))
		m.seen[other] = c
		return "link " + name + " " + other
	default:
		must(d.t, d.Rename(name, other))
		if m.seen[other] != c { // two names of one file: nothing happens
			delete(m.seen, name)
			m.seen[other] = c
		}
		return "rename " + name + " " + other
	}
}

func (m *pretend) onFile(d *disk, name string, do func(f vfs.File)) {
	f, err := d.OpenReadWrite(name, anyCategory)
	must(d.t, err)
	do(f)
	must(d.t, f.Close())
}

// compare says how the disk differs from what it should show.
func (m *pretend) compare(d *disk, of func(c *content) []byte, names map[string]*content) string {
	list, err := d.List("/d")
	must(d.t, err)
	if len(list) != len(names) {
		return fmt.Sprintf("names are %v, want %d", list, len(names))
	}
	for name, c := range names {
		if got, want := read(d.t, d.FS, name), string(of(c)); got != want {
			return fmt.Sprintf("%s has %d bytes, want %d, or other ones", name, len(got), len(want))
		}
		if info, err := d.Stat(name); err != nil || info.Size() != int64(len(of(c))) || "/d/"+info.Name() != name {
			return fmt.Sprintf("stat of %s: %v", name, err)
		}
	}
	return ""
}
