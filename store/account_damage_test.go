package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// writtenDevices is enough for several blocks of a table.
const writtenDevices = 30

// written is a directory of accounts on the disk, with devices in tables and in the log.
func written(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "accounts")
	o := testOptions(vfs.NewMem()) // made in memory, whose syncs cost nothing
	o.tokensMax, o.revokedMax = writtenDevices, writtenDevices
	a, err := openAccounts(o)
	must(t, err)
	for i := range writtenDevices - 1 {
		must(t, a.Apply(registration(i)))
	}
	must(t, a.(*pebbleAccounts).db.Flush())
	must(t, a.Apply(registration(writtenDevices-1)))
	must(t, a.Close())
	if ok, err := vfs.Clone(o.fs, vfs.Default, o.dir, dir); !ok || err != nil {
		t.Fatalf("copy to the disk: %v, %v", ok, err)
	}
	return dir
}

func match(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	must(t, err)
	if len(found) == 0 {
		t.Fatalf("no %s in %s", pattern, dir)
	}
	return found[len(found)-1]
}

func rewrite(t *testing.T, path string, change func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, change(b), 0o600))
}

func middle(b []byte) []byte {
	for i := range 16 {
		b[len(b)/2+i] ^= 0xff
	}
	return b
}

func TestADamagedDirectoryIsNamedAndNotServed(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   error
	}{
		{"a table with flipped bytes", func(t *testing.T, dir string) { rewrite(t, match(t, dir, "*.sst"), middle) }, ErrAccountsDamaged},
		{"a table that is cut off", func(t *testing.T, dir string) {
			rewrite(t, match(t, dir, "*.sst"), func(b []byte) []byte { return b[:len(b)/2] })
		}, ErrAccountsDamaged},
		{"a table that is gone", func(t *testing.T, dir string) { must(t, os.Remove(match(t, dir, "*.sst"))) }, ErrAccountsDamaged},
		{"a manifest with flipped bytes", func(t *testing.T, dir string) {
			rewrite(t, match(t, dir, "MANIFEST-*"), func(b []byte) []byte { b[8] ^= 1; return b })
		}, ErrAccountsDamaged},
		{"a log with flipped bytes", func(t *testing.T, dir string) { rewrite(t, match(t, dir, "*.log"), middle) }, ErrAccountsDamaged},
		{"a log that is cut off", func(t *testing.T, dir string) {
			rewrite(t, match(t, dir, "*.log"), func(b []byte) []byte { return b[:len(b)/2] })
		}, ErrAccountsDamaged},
		{"a log that is gone", func(t *testing.T, dir string) { must(t, os.Remove(match(t, dir, "*.log"))) }, ErrAccountsDamaged},
		{"a note that can't be read", func(t *testing.T, dir string) {
			rewrite(t, match(t, dir, noteFile), func([]byte) []byte { return []byte("changes: many\n") })
		}, ErrAccountsDamaged},
		{"a manifest that is gone", func(t *testing.T, dir string) { must(t, os.Remove(match(t, dir, "MANIFEST-*"))) }, ErrAccountsDamaged},
		{"a manifest that is empty", func(t *testing.T, dir string) {
			rewrite(t, match(t, dir, "MANIFEST-*"), func([]byte) []byte { return nil })
		}, ErrAccountsDamaged},
		{"neither note nor manifest, but a table", func(t *testing.T, dir string) {
			must(t, os.Remove(match(t, dir, noteFile)))
			must(t, os.Remove(match(t, dir, "MANIFEST-*")))
		}, ErrAccountsDamaged},
		{"no database where there was one", func(t *testing.T, dir string) {
			for _, pattern := range []string{"marker.manifest.*", "MANIFEST-*", "*.sst", "*.log"} {
				must(t, os.Remove(match(t, dir, pattern)))
			}
		}, ErrAccountsDamaged},
		{"an engine's format of the future", func(t *testing.T, dir string) {
			marker := match(t, dir, "marker.format-version.*")
			must(t, os.Rename(marker, marker[:len(marker)-3]+"999"))
		}, ErrAccountsVersion},
		{"a later version", func(t *testing.T, dir string) { sign(t, dir, []byte{0, 2}) }, ErrAccountsVersion},
		{"version 0", func(t *testing.T, dir string) { sign(t, dir, []byte{0, 0}) }, ErrAccountsDamaged},
		{"a version of three bytes", func(t *testing.T, dir string) { sign(t, dir, []byte{0, 0, 1}) }, ErrAccountsDamaged},
		{"records without a version", func(t *testing.T, dir string) { sign(t, dir, nil) }, ErrAccountsDamaged},
		{"a token's record of another length", func(t *testing.T, dir string) {
			put(t, dir, tokenUseKey(3, [8]byte{1}), []byte{recordVersion})
		}, ErrAccountsDamaged},
		{"a revocation with a key of another length", func(t *testing.T, dir string) {
			put(t, dir, []byte{prefixRevocation, 1}, appendRevocation(nil, &Revocation{}))
		}, ErrAccountsDamaged},
		{"a revocation of a later version", func(t *testing.T, dir string) {
			v := appendRevocation(nil, &Revocation{})
			v[0]++
			put(t, dir, userDeviceKey(prefixRevocation, 3, 0), v)
		}, ErrAccountsDamaged},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := written(t)
			row.damage(t, dir)
			a, err := OpenAccounts(dir, nil)
			if err == nil {
				err = readAll(a)
				must(t, a.Close())
			}
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want %v in %s", err, row.want, dir)
			}
		})
	}
}

// readAll reads every device, and gives the first error.
func readAll(a Accounts) error {
	for i := range writtenDevices {
		if _, err := a.Device(uint64(i)+1, 0); err != nil {
			return err
		}
	}
	return nil
}

func sign(t *testing.T, dir string, version []byte) {
	t.Helper()
	put(t, dir, []byte{prefixMeta, metaVersion}, version)
}

// put writes a record behind the accounts' back; nil removes it.
func put(t *testing.T, dir string, key, value []byte) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{Logger: newTrouble(testOptions(nil).log)})
	must(t, err)
	if value == nil {
		must(t, db.Delete(key, pebble.Sync))
	} else {
		must(t, db.Set(key, value, pebble.Sync))
	}
	must(t, db.Close())
}

func TestADamagedRecordIsSaidWhenItIsRead(t *testing.T) {
	for _, row := range []struct {
		name  string
		value []byte
	}{
		{"cut off", appendDevice(nil, someDevice(7, 0, 1))[:deviceBytes-1]},
		{"too long", append(appendDevice(nil, someDevice(7, 0, 1)), 0)},
		{"of a later version", append([]byte{2}, appendDevice(nil, someDevice(7, 0, 1))[1:]...)},
		{"without a generation", appendDevice(nil, someDevice(7, 0, 0))},
	} {
		dir := written(t)
		put(t, dir, userDeviceKey(prefixDevice, 7, 0), row.value)
		a, err := OpenAccounts(dir, nil)
		must(t, err)
		if _, err := a.Device(7, 0); !errors.Is(err, ErrAccountsDamaged) || !strings.Contains(err.Error(), dir) {
			t.Errorf("a device's record %s: %v", row.name, err)
		}
		if err := a.Apply(&AccountChange{Device: someDevice(7, 0, 5)}); !errors.Is(err, ErrAccountsDamaged) {
			t.Errorf("a device's record %s is written over: %v", row.name, err)
		}
		if _, err := a.Device(8, 0); err != nil {
			t.Errorf("a device's record %s: its neighbour: %v", row.name, err)
		}
		must(t, a.Close())
	}
}

func TestOneProcessAtATimeHasTheDirectory(t *testing.T) {
	dir := written(t)
	a, err := OpenAccounts(dir, nil)
	must(t, err)
	if _, err := OpenAccounts(dir, nil); !errors.Is(err, ErrAccountsLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: %v", err)
	}
	must(t, readAll(a))
	must(t, a.Close())
}

func TestADirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := OpenAccounts(filepath.Join(file, "accounts"), nil); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("below a file: %v", err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(appendDevice(nil, someDevice(7, 3, 9)))
	f.Add(appendUser(nil, &User{User: 7, Devices: 3, CreatedSec: 5}))
	f.Add(appendTokenUse(nil, &TokenUse{User: 7, Device: 3, ExpiresSec: 9}))
	f.Add(appendRevocation(nil, &Revocation{User: 7, Device: 3, Gen: 5, UntilSec: 9}))
	f.Add(appendProfile(nil, someProfile(7)))
	f.Add(appendSettings(nil, someSettings(7, 3)))
	f.Add([]byte{})
	f.Add(binary.BigEndian.AppendUint64([]byte{recordVersion}, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, ok := parseDevice(7, 3, b); ok && string(appendDevice(nil, &d)) != string(b) {
			t.Errorf("device: %+v from %x", d, b)
		}
		if u, ok := parseUser(7, b); ok && string(appendUser(nil, &u)) != string(b) {
			t.Errorf("user: %+v from %x", u, b)
		}
		if u, ok := parseTokenUse(7, [8]byte{}, b); ok && string(appendTokenUse(nil, &u)) != string(b) {
			t.Errorf("token use: %+v from %x", u, b)
		}
		if p, ok := parseProfile(7, b); ok && string(appendProfile(nil, &p)) != string(b) {
			t.Errorf("profile: %+v from %x", p, b)
		}
		if s, ok := parseSettings(7, b); ok && string(appendSettings(nil, &s)) != string(b) {
			t.Errorf("settings: %+v from %x", s, b)
		}
		if r, ok := parseRevocation(7, 3, b); ok && b[1] == 0 && string(appendRevocation(nil, &r)) != string(b) {
			t.Errorf("revocation: %+v from %x", r, b)
		}
	})
}
