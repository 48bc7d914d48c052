package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func checkAll(t *testing.T, o *Offline) (r CheckReport, problems []string) {
	t.Helper()
	r, err := o.Check(func(d *DamageError) {
		if !errors.Is(d, ErrOfflineDamaged) {
			t.Errorf("%v", d)
		}
		problems = append(problems, d.Error())
	})
	must(t, err)
	if r.Problems != len(problems) {
		t.Errorf("%d problems were counted, %d named", r.Problems, len(problems))
	}
	return r, problems
}

// lived is a store in which records were applied in many pieces, so that tables hold old versions and removals, and what it shows.
func lived(t *testing.T, rng *rand.Rand, compact bool) (fs *vfs.MemFS, p *table) {
	t.Helper()
	fs, p = vfs.NewMem(), newTable()
	o, err := OpenOffline(offlineTestOptions(fs))
	must(t, err)
	list := noticesOnly(p, randomRecords(rng, 1500))
	for len(list) > 0 {
		n := min(len(list), 1+rng.IntN(200))
		o.dropKeys = rng.IntN(3)
		must(t, applyAll(t, NewReplica(o), list[:n]).WriteTo(o))
		list = list[n:]
	}
	if compact {
		must(t, o.engine.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false))
	}
	must(t, o.Close())
	return fs, p
}

func TestAStoreThatIsWholeHasNoProblems(t *testing.T) {
	rng := rand.New(rand.NewPCG(testSeed(t), 1))
	for _, compact := range []bool{false, true} {
		fs, p := lived(t, rng, compact)
		r, problems := checkAll(t, openOffline(t, fs))
		entries := 0
		for _, es := range p.entries {
			entries += len(es)
		}
		if len(problems) > 0 || r.Mailboxes != len(p.heads) || r.Entries != entries || r.Tables == 0 {
			t.Errorf("%+v, want %d mailboxes and %d entries: %s", r, len(p.heads), entries, problems)
		}
	}
}

func TestEachProblemOfAMailboxIsNamed(t *testing.T) {
	key := func(seq uint64) []byte { return entryKey(nil, testFragment(7), Key{User: 7, Seq: seq}) }
	headKey := mailboxKey(nil, prefixOfflineHead, testFragment(7), 7, 0)
	entry := appendEntryValue(nil, &Entry{Kind: KindMessage}, []byte("abc"))
	for _, row := range []struct {
		name string
		do   func(o *Offline)
		want string
	}{
		{"none", func(*Offline) {}, ""},
		{"no head", func(o *Offline) { must(t, o.engine.db.Delete(headKey, nosync)) }, "user 7 device 0: 1 entries without a head"},
		{"one too many", func(o *Offline) { putRaw(t, o, key(2), entry) }, "user 7 device 0: an entry 2 behind the last, 1"},
		{"one too few", func(o *Offline) { must(t, o.engine.db.Delete(key(1), nosync)) }, "user 7 device 0: the head counts"},
		{"acknowledged", func(o *Offline) { putRaw(t, o, headKey, appendHeadValue(nil, &Head{Last: 5, Acked: 3})) }, "1 entries up to 3, which was acknowledged"},
		{"acknowledged too far", func(o *Offline) {
			putRaw(t, o, headKey, appendHeadValue(nil, &Head{Last: 0, Acked: 1}))
			must(t, o.engine.db.Delete(key(1), nosync))
		}, "1 was acknowledged, and the last is 0"},
		{"a head that can't be read", func(o *Offline) { putRaw(t, o, headKey, []byte{1}) }, "a head of 1 bytes"},
		{"an entry that can't be read", func(o *Offline) { putRaw(t, o, key(1), []byte{1}) }, "an entry of 1 bytes"},
		{"a key that can't be read", func(o *Offline) { putRaw(t, o, []byte("hello"), []byte{1}) }, "key 68656c6c6f can't be read"},
		{"another fragment", func(o *Offline) {
			putRaw(t, o, mailboxKey(nil, prefixOfflineHead, 1, 7, 0), appendHeadValue(nil, &Head{}))
		}, "can't be read"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := openOffline(t, vfs.NewMem())
			for _, user := range []uint64{6, 7, 8} {
				must(t, o.Apply(oneEntry(o, user)))
			}
			row.do(o)
			_, problems := checkAll(t, o)
			if row.want == "" != (len(problems) == 0) || row.want != "" && !slices.ContainsFunc(problems, func(s string) bool { return strings.Contains(s, row.want) }) {
				t.Errorf("%q, want %q", problems, row.want)
			}
			for _, s := range problems {
				if strings.Contains(s, "user 6") || strings.Contains(s, "user 8") {
					t.Errorf("a neighbour: %s", s)
				}
			}
		})
	}
}

// salvaged brings what is left of a store into a new one, which must be whole.
func salvaged(t *testing.T, fs vfs.FS) (*Offline, SalvageReport, []string) {
	t.Helper()
	options := offlineTestOptions(fs)
	options.Dir = "saved"
	to, err := OpenOffline(options)
	must(t, err)
	t.Cleanup(func() { _ = to.Close() })
	var problems []string
	r, err := Salvage("mailboxes", to, func(d *DamageError) { problems = append(problems, d.Error()) })
	must(t, err)
	if r.Problems != len(problems) {
		t.Errorf("%d problems were counted, %d named", r.Problems, len(problems))
	}
	if _, still := checkAll(t, to); len(still) > 0 {
		t.Fatalf("what was saved is not whole: %s", still)
	}
	return to, r, problems
}

func TestWhatIsNotDamagedIsSaved(t *testing.T) {
	seed := testSeed(t)
	for _, row := range []struct {
		name   string
		damage func(t *testing.T, fs vfs.FS)
		all    bool // without a manifest
	}{
		{"nothing", func(*testing.T, vfs.FS) {}, false},
		{"no manifest", func(t *testing.T, fs vfs.FS) {
			for _, path := range filesOf(t, fs, "MANIFEST-") {
				must(t, fs.Remove(path))
			}
		}, true},
		{"no note that can be read", func(t *testing.T, fs vfs.FS) { setFile(t, fs, "mailboxes/MAILBOXES", nil) }, true},
		{"tables without an index", func(t *testing.T, fs vfs.FS) {
			for _, path := range filesOf(t, fs, tableSuffix) {
				b := fileBytes(t, fs, path)
				clear(b[len(b)-60:])
				setFile(t, fs, path, b)
			}
		}, true},
	} {
		for i, compact := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, compact %v", row.name, compact), func(t *testing.T) {
				fs, p := lived(t, rand.New(rand.NewPCG(seed, uint64(i))), compact)
				row.damage(t, fs)
				to, r, problems := salvaged(t, fs)
				got, err := shown(to, modelUsers, modelDevices)
				must(t, err)
				if got != p.text() {
					t.Errorf("saved:\n%s\nwant\n%s\n%+v %s", got, p.text(), r, problems)
				}
				if r.AllTables != row.all || r.Made > 0 {
					t.Errorf("%+v %s", r, problems)
				}
			})
		}
	}
}

func TestADamagedBlockCostsOnlyWhatIsInIt(t *testing.T) {
	const mailboxes = 3000
	fs, _ := heldMailboxes(t, mailboxes)
	path := filesOf(t, fs, tableSuffix)[0]
	b := fileBytes(t, fs, path)
	for _, at := range []int{len(b) / 4, len(b) / 2, len(b) * 9 / 10} { // entries, entries, heads
		b[at] ^= 4
	}
	setFile(t, fs, path, b)
	o := openOffline(t, fs)
	report, problems := checkAll(t, o)
	blocks := 0
	for _, s := range problems {
		if strings.Contains(s, path) {
			blocks++
		}
	}
	if blocks != 3 || report.Mailboxes < mailboxes-200 || report.Entries < 3*mailboxes-400 {
		t.Errorf("%d damaged blocks of %s: %+v", blocks, path, report)
	}
	must(t, o.Close())

	to, r, _ := salvaged(t, fs)
	if r.Problems != 3 || r.Made == 0 || r.Recounted == 0 || r.Entries < 3*mailboxes-400 {
		t.Errorf("%+v", r)
	}
	lost := 0
	for user := range uint64(mailboxes) {
		seqs := map[uint64]bool{}
		must(t, to.Entries(user, 0, 0, func(e *Entry, payload []byte) bool {
			seqs[e.Seq] = true
			if string(payload) != "x" || e.Peer != 99 || e.First != e.Seq {
				t.Errorf("%+v %q", e, payload)
			}
			return true
		}))
		h, ok, err := to.Head(user, 0)
		must(t, err)
		if lost += 3 - len(seqs); ok && (int(h.Messages) != len(seqs) || h.Last < slices.Max(append(slices.Collect(maps.Keys(seqs)), 0))) {
			t.Errorf("%+v with %v", h, seqs)
		}
	}
	if lost == 0 || lost > 400 {
		t.Errorf("%d entries are lost", lost)
	}
}
