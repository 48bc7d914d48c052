package store

import (
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestACopyOfAccountsOpensWithWhatWasDurable(t *testing.T) {
	fs := vfs.NewMem()
	a := openOn(t, fs)
	for i := range noteEvery + 10 {
		must(t, a.Apply(&AccountChange{NowSec: 5, Device: someDevice(uint64(i+1), 0, 1)}))
	}
	before := dump(t, a)
	var wg sync.WaitGroup
	wg.Go(func() { // ends when its devices are written
		for i := range 50 {
			if err := a.Apply(&AccountChange{NowSec: 5, Device: someDevice(uint64(i+1), 1, 1)}); err != nil {
				t.Error(err)
			}
		}
	})
	must(t, CheckpointAccounts(a, "copy"))
	wg.Wait()
	o := testOptions(fs)
	o.dir = "copy"
	b, err := openAccounts(o)
	must(t, err)
	defer b.Close()
	got := dump(t, b.(*pebbleAccounts))
	for key, value := range before {
		if key[0] == prefixDevice && got[key] != value {
			t.Fatalf("device %x is not in the copy as it was", key)
		}
	}
	must(t, b.Apply(&AccountChange{Device: someDevice(9, 9, 1)}))
	if reflect.DeepEqual(dump(t, a), dump(t, b.(*pebbleAccounts))) {
		t.Error("the copy and the original are one")
	}
	if err := CheckpointAccounts(a, "copy"); err == nil {
		t.Error("a copy onto a copy")
	}
	must(t, a.Close())
	if err := CheckpointAccounts(a, "other"); !errors.Is(err, ErrAccountsClosed) {
		t.Errorf("a copy of what is closed: %v", err)
	}
}
