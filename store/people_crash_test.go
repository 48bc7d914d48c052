package store

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// peopleSteps are settings, a profile and a registration of user 7 and its neighbour 8, then 7 is forgotten and comes back.
func peopleSteps() []step {
	last := []Revocation{{User: 7, Device: 0, Gen: 2, UntilSec: 1 << 40}, {User: 7, Device: 1, Gen: 9, UntilSec: 1 << 40}}
	return []step{
		func(a *pebbleAccounts) error { return a.Apply(registration(6)) }, // of user 7
		func(a *pebbleAccounts) error { return a.SetSettings(someSettings(7, 1)) },
		func(a *pebbleAccounts) error { return a.SetProfile(someProfile(7)) },
		func(a *pebbleAccounts) error { return a.SetProfile(someProfile(8)) },
		func(a *pebbleAccounts) error { return a.SetSettings(&Settings{User: 7, Version: 2}) },
		func(a *pebbleAccounts) error { return a.Forget(7, last) },
		func(a *pebbleAccounts) error { return a.SetSettings(someSettings(7, 1)) },
	}
}

func TestAfterAnyCrashPeopleAreAsAfterSomeChange(t *testing.T) {
	steps := peopleSteps()
	var states []map[string]string // after no step, after the first, ...
	a := openOn(t, vfs.NewMem())
	states = append(states, records(t, a))
	for _, s := range steps {
		must(t, s(a))
		states = append(states, records(t, a))
	}
	for _, percent := range []int{0, 30, 70, 100} {
		t.Run(fmt.Sprintf("%d of 100 unsynced blocks survive", percent), func(t *testing.T) {
			for i, c := range everyCrash(t, steps, percent) {
				b, err := openAccounts(testOptions(c.fs))
				if err != nil {
					t.Fatalf("crash %d: %v", i, err)
				}
				got := records(t, b.(*pebbleAccounts))
				must(t, b.Close())
				// What had returned is there; the change under way is there whole or not at all.
				if !reflect.DeepEqual(got, states[c.returned]) && (c.returned == len(steps) || !reflect.DeepEqual(got, states[c.returned+1])) {
					t.Fatalf("crash %d: after %d changes there are %d records, which no change left so", i, c.returned, len(got))
				}
			}
		})
	}
}

// records is every record but the number of changes and the version.
func records(t *testing.T, a *pebbleAccounts) map[string]string {
	t.Helper()
	all := dump(t, a)
	for key := range all {
		if key[0] == prefixMeta {
			delete(all, key)
		}
	}
	return all
}

func TestADamagedRecordOfPeopleIsSaidWhenItIsRead(t *testing.T) {
	profile, settings := appendProfile(nil, someProfile(7)), appendSettings(nil, someSettings(7, 1))
	for _, row := range []struct {
		name       string
		key, value []byte
	}{
		{"a profile that is cut off", recordKey(prefixProfile, 7), profile[:len(profile)-1]},
		{"a profile of a later version", recordKey(prefixProfile, 7), append([]byte{2}, profile[1:]...)},
		{"a profile without its head", recordKey(prefixProfile, 7), profile[:5]},
		{"settings that are too long", recordKey(prefixSettings, 7), append(settings[:len(settings):len(settings)], 0)},
		{"settings of a later version", recordKey(prefixSettings, 7), append([]byte{2}, settings[1:]...)},
		{"settings of version 0", recordKey(prefixSettings, 7), appendSettings(nil, someSettings(7, 0))},
		{"settings whose contacts descend", recordKey(prefixSettings, 7), appendSettings(nil, &Settings{Version: 1, Contacts: []uint64{2, 1}})},
		{"a device's record among others", userDeviceKey(prefixDevice, 7, 1), []byte{recordVersion}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := written(t)
			put(t, dir, row.key, row.value)
			o, err := OpenAccounts(dir, nil)
			must(t, err)
			a := o.(*pebbleAccounts)
			_, errProfile := a.Profile(7)
			_, errSettings := a.Settings(7)
			_, errDevices := a.Devices(7)
			found := errors.Join(errProfile, errSettings, errDevices)
			if !errors.Is(found, ErrAccountsDamaged) || !strings.Contains(found.Error(), dir) {
				t.Errorf("reading: %v", found)
			}
			if row.key[0] == prefixSettings {
				if err := a.SetSettings(someSettings(7, 1)); !errors.Is(err, ErrAccountsDamaged) {
					t.Errorf("it is written over: %v", err)
				}
			}
			if _, err := a.Settings(8); err != nil {
				t.Errorf("its neighbour: %v", err)
			}
			must(t, a.Forget(7, nil)) // who is damaged can still be forgotten
			must(t, a.Close())
		})
	}
}
