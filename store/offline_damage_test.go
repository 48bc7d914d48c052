package store

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// heldMailboxes are a store in memory, closed, with all of it in tables, and what it shows.
func heldMailboxes(t *testing.T, mailboxes int) (fs *vfs.MemFS, text string) {
	t.Helper()
	fs = vfs.NewMem()
	o, err := OpenOffline(offlineTestOptions(fs))
	must(t, err)
	r := NewReplica(o)
	for user := range uint64(mailboxes) {
		must(t, r.Apply(&Record{Kind: RecordHead, Head: Head{User: user, Gen: 1, SeenSec: 7}}))
		for seq := uint64(1); seq <= 3; seq++ {
			must(t, r.Apply(message(boxKey{user, 0}, boxKey{99, 0}, seq, seq)))
		}
	}
	must(t, r.WriteTo(o))
	text, err = shown(o, mailboxes, 1)
	must(t, err)
	must(t, o.Close())
	return fs, text
}

func fileBytes(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	b, err := io.ReadAll(f)
	must(t, errors.Join(err, f.Close()))
	return b
}

func setFile(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, "")
	must(t, err)
	_, err = f.Write(b)
	must(t, errors.Join(err, f.Close()))
}

// filesOf lists the paths in a directory whose names begin or end with a part.
func filesOf(t *testing.T, fs vfs.FS, part string) (paths []string) {
	t.Helper()
	names, err := fs.List("mailboxes")
	must(t, err)
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, part) || strings.HasSuffix(name, part) {
			paths = append(paths, fs.PathJoin("mailboxes", name))
		}
	}
	if len(paths) == 0 {
		t.Fatalf("no %s in %v", part, names)
	}
	return paths
}

// TestNoFlippedBitIsServed flips a bit in each byte of the tables, the manifest and the note, one after the other.
func TestNoFlippedBitIsServed(t *testing.T) {
	const mailboxes = 4
	fs, want := heldMailboxes(t, mailboxes)
	rng := rand.New(rand.NewPCG(testSeed(t), 5))
	for _, part := range []string{tableSuffix, "MANIFEST-", offlineNoteFile} {
		said, total := 0, 0
		paths := filesOf(t, fs, part)
		path := paths[len(paths)-1]
		whole := fileBytes(t, fs, path)
		for at := range whole {
			if testing.Short() && rng.IntN(16) > 0 {
				continue
			}
			total++
			other := vfs.NewMem()
			_, err := vfs.Clone(fs, other, "mailboxes", "mailboxes")
			must(t, err)
			b := slices.Clone(whole)
			b[at] ^= 1 << rng.IntN(8)
			setFile(t, other, path, b)
			got, err := openAndShow(other, mailboxes)
			var damage *DamageError
			switch {
			case err == nil && got != want:
				t.Fatalf("%s, byte %d of %d: served\n%s", path, at, len(whole), got)
			case err == nil: // a byte that says nothing
			case errors.Is(err, ErrStoreVersion) && part != tableSuffix:
				said++
			case !errors.As(err, &damage) || !errors.Is(err, ErrOfflineDamaged):
				t.Fatalf("%s, byte %d: %v", path, at, err)
			case part != "MANIFEST-" && damage.Path != path:
				t.Errorf("%s, byte %d: the error names %s: %v", path, at, damage.Path, err)
			default:
				said++
			}
		}
		t.Logf("%s: %d of %d flipped bytes are said", path, said, total)
		if said < total {
			t.Errorf("%s: only %d of %d flipped bytes are said", path, said, total)
		}
	}
}

func openAndShow(fs vfs.FS, mailboxes int) (string, error) {
	o, err := OpenOffline(offlineTestOptions(fs))
	if err != nil {
		return "", err
	}
	text, err := shown(o, mailboxes, 1)
	return text, errors.Join(err, o.Close())
}

func TestADamagedStoreIsNamedAndNotServed(t *testing.T) {
	const mailboxes = 100
	from, want := heldMailboxes(t, mailboxes)
	remove := func(part string) func(t *testing.T, fs vfs.FS) {
		return func(t *testing.T, fs vfs.FS) {
			for _, path := range filesOf(t, fs, part) {
				must(t, fs.Remove(path))
			}
		}
	}
	change := func(part string, f func(b []byte) []byte) func(t *testing.T, fs vfs.FS) {
		return func(t *testing.T, fs vfs.FS) {
			paths := filesOf(t, fs, part)
			path := paths[len(paths)-1]
			setFile(t, fs, path, f(fileBytes(t, fs, path)))
		}
	}
	half := func(b []byte) []byte { return b[:len(b)/2] }
	for _, row := range []struct {
		name   string
		damage func(t *testing.T, fs vfs.FS)
		want   error
	}{
		{"nothing", func(*testing.T, vfs.FS) {}, nil},
		{"no note", remove(offlineNoteFile), nil},
		{"a table is gone", remove(tableSuffix), ErrOfflineDamaged},
		{"a table is cut off", change(tableSuffix, half), ErrOfflineDamaged},
		{"a table is empty", change(tableSuffix, func([]byte) []byte { return nil }), ErrOfflineDamaged},
		{"a manifest is gone", remove("MANIFEST-"), ErrOfflineDamaged},
		{"a manifest is cut off", change("MANIFEST-", half), ErrOfflineDamaged},
		{"a manifest is empty", change("MANIFEST-", func([]byte) []byte { return nil }), ErrOfflineDamaged},
		{"a manifest without its last bytes", change("MANIFEST-", func(b []byte) []byte { return b[:len(b)-1] }), ErrOfflineDamaged},
		{"all of the engine's files are gone", func(t *testing.T, fs vfs.FS) {
			for _, part := range []string{"marker.manifest", "marker.format", "MANIFEST-", tableSuffix, "OPTIONS"} {
				remove(part)(t, fs)
			}
		}, ErrOfflineDamaged},
		{"a note of words", change(offlineNoteFile, func([]byte) []byte { return []byte("flushes: many\n") }), ErrOfflineDamaged},
		{"an empty note", change(offlineNoteFile, func([]byte) []byte { return nil }), ErrOfflineDamaged},
		{"a note of more flushes", change(offlineNoteFile, func([]byte) []byte { return (&offlinePlace{}).content(9) }), ErrOfflineDamaged},
		{"a later version", change(offlineNoteFile, func(b []byte) []byte {
			return []byte(strings.Replace(string(b), "version: 1", "version: 2", 1))
		}), ErrStoreVersion},
		{"an engine's format of the future", func(t *testing.T, fs vfs.FS) {
			marker := filesOf(t, fs, "marker.format-version.")[0]
			must(t, fs.Rename(marker, marker[:len(marker)-3]+"999"))
		}, ErrStoreVersion},
	} {
		t.Run(row.name, func(t *testing.T) {
			fs := vfs.NewMem()
			_, err := vfs.Clone(from, fs, "mailboxes", "mailboxes")
			must(t, err)
			row.damage(t, fs)
			before, err := fs.List("mailboxes")
			must(t, err)
			got, err := openAndShow(fs, mailboxes)
			if row.want == nil {
				if err != nil || got != want {
					t.Fatalf("%v", err)
				}
				return
			}
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), "mailboxes") {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			for _, name := range before { // for whoever repairs it
				if strings.HasSuffix(name, tableSuffix) {
					if _, err := fs.Stat(fs.PathJoin("mailboxes", name)); err != nil {
						t.Errorf("%v", err)
					}
				}
			}
		})
	}
}

// nosync is for writes behind the store's back.
var nosync = pebble.NoSync

// putRaw writes a record behind the store's back.
func putRaw(t *testing.T, o *Offline, key, value []byte) {
	t.Helper()
	must(t, o.engine.db.Set(key, value, nosync))
}

func TestAValueThatCannotBeReadIsNamed(t *testing.T) {
	h := appendHeadValue(nil, &Head{User: 7})
	e := appendEntryValue(nil, &Entry{}, []byte("abc"))
	headKey := mailboxKey(nil, prefixOfflineHead, testFragment(7), 7, 0)
	entry := entryKey(nil, testFragment(7), Key{User: 7, Seq: 1})
	for _, row := range []struct {
		name  string
		key   []byte
		value []byte
	}{
		{"a head cut off", headKey, h[:len(h)-1]},
		{"a head too long", headKey, append(slices.Clone(h), 0)},
		{"a head of a later version", headKey, append([]byte{2}, h[1:]...)},
		{"an empty head", headKey, nil},
		{"an entry cut off", entry, e[:offlineEntryValueBytes-1]},
		{"an entry of a later version", entry, append([]byte{2}, e[1:]...)},
		{"an entry too long", entry, append(slices.Clone(e), make([]byte, PayloadBytesMax)...)},
		{"an entry's key too long", append(slices.Clone(entry), 1), e},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := openOffline(t, vfs.NewMem())
			must(t, o.Apply(oneEntry(o, 8)))
			putRaw(t, o, row.key, row.value)
			_, err := o.Heads(7, nil)
			if err == nil {
				err = o.Entries(7, 0, 0, func(*Entry, []byte) bool { return true })
			} else {
				_, _, one := o.Head(7, 0)
				if !errors.Is(one, ErrOfflineDamaged) || !errors.Is(o.Each(nil, func(*Head) bool { return true }), ErrOfflineDamaged) {
					t.Errorf("Head: %v", one)
				}
			}
			var damage *DamageError
			if !errors.As(err, &damage) || !errors.Is(err, ErrOfflineDamaged) || !strings.Contains(err.Error(), "user 7") {
				t.Errorf("%v", err)
			}
			if !there(t, o, 8) {
				t.Error("its neighbour is not served")
			}
		})
	}
}

func TestADamagedBlockOnDiskNamesFileAndOffset(t *testing.T) {
	fs, _ := heldMailboxes(t, 2000)
	dir := filepath.Join(t.TempDir(), "mailboxes")
	_, err := vfs.Clone(fs, vfs.Default, "mailboxes", dir)
	must(t, err)
	path := match(t, dir, "*"+tableSuffix)
	rewrite(t, path, middle)
	options := offlineTestOptions(vfs.Default)
	options.Dir = dir
	o, err := OpenOffline(options)
	must(t, err)
	defer o.Close()
	bad, good := 0, 0
	for user := range uint64(2000) {
		_, err := o.Heads(user, nil)
		if err == nil {
			err = o.Entries(user, 0, 0, func(*Entry, []byte) bool { return true })
		}
		var damage *DamageError
		switch {
		case err == nil:
			good++
		case !errors.As(err, &damage) || damage.Path != path || damage.Offset <= 0 || !strings.Contains(err.Error(), fmt.Sprintf("user %d", user)):
			t.Fatalf("%v (%s)", err, path)
		default:
			bad++
		}
	}
	if bad == 0 || good < 1000 {
		t.Errorf("%d users are damaged, %d are not", bad, good)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
