package store

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// someProfile fills every field, so that a record that forgets one is seen.
func someProfile(user uint64) *Profile {
	return &Profile{User: user, Name: "Ada", About: "counts ✓", Picture: []byte{9, 0, 9}, ChangedSec: 1_800_000_000}
}

// someSettings fills every field.
func someSettings(user uint64, version uint32) *Settings {
	return &Settings{
		User: user, Version: version, Presence: 1, LastSeen: 2, Profile: 3, Contacts: []uint64{0, 5, UserMax}, Blocked: []uint64{7, 8},
		DevicesVersion: 0x01020304, Devices: []uint8{0, 2, 255}, Signature: bytes.Repeat([]byte{0xab}, SignatureBytesMax),
	}
}

func manyUsers(n int) (list []uint64) {
	for i := range n {
		list = append(list, uint64(i)*3+1)
	}
	return list
}

func TestPeopleAreReadBackAfterAnotherOpen(t *testing.T) {
	fs := vfs.NewMem()
	a := openOn(t, fs)
	full := someSettings(UserMax, 1)
	full.Contacts, full.Blocked = manyUsers(ContactsMax), manyUsers(BlockedMax)
	long := &Profile{
		User: 7, Name: strings.Repeat("n", NameBytesMax), About: strings.Repeat("a", AboutBytesMax), Picture: bytes.Repeat([]byte{1}, PictureBytesMax),
	}
	must(t, a.SetSettings(full))
	must(t, a.SetSettings(someSettings(6, 1)))
	must(t, a.SetSettings(&Settings{User: 6, Version: 2}))
	must(t, a.SetProfile(someProfile(UserMax)))
	must(t, a.SetProfile(long))
	must(t, a.Apply(&AccountChange{Device: someDevice(7, 255, 5)}))
	must(t, a.Apply(&AccountChange{Device: &Device{User: 7, Device: 3, Gen: 6}}))
	must(t, a.Apply(&AccountChange{Device: someDevice(6, 0, 5)}))
	must(t, a.Apply(&AccountChange{Device: someDevice(8, 0, 5)}))
	must(t, a.Close())

	a = openOn(t, fs)
	for _, want := range []*Settings{full, {User: 6, Version: 2}, {User: 99}} {
		if got, err := a.Settings(want.User); err != nil || !reflect.DeepEqual(&got, want) {
			t.Errorf("settings: %+v, %v, want %+v", got, err, want)
		}
	}
	for _, want := range []*Profile{someProfile(UserMax), long} {
		if got, err := a.Profile(want.User); err != nil || !reflect.DeepEqual(&got, want) {
			t.Errorf("profile: %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := a.Profile(6); err != ErrNoProfile {
		t.Errorf("no profile: %v", err)
	}
	want := []Device{{User: 7, Device: 3, Gen: 6}, *someDevice(7, 255, 5)}
	if got, err := a.Devices(7); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("devices: %+v, %v", got, err)
	}
	if got, err := a.Devices(9); err != nil || got != nil {
		t.Errorf("devices of nobody: %+v, %v", got, err)
	}
}

func TestWhatIsTooMuchOfPeopleChangesNothing(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(a *pebbleAccounts) error
		want   error
	}{
		{"a name", func(a *pebbleAccounts) error {
			return a.SetProfile(&Profile{User: 1, Name: strings.Repeat("n", NameBytesMax+1)})
		}, ErrTooLarge},
		{"an about", func(a *pebbleAccounts) error {
			return a.SetProfile(&Profile{User: 1, About: strings.Repeat("n", AboutBytesMax+1)})
		}, ErrTooLarge},
		{"a picture", func(a *pebbleAccounts) error {
			return a.SetProfile(&Profile{User: 1, Picture: make([]byte, PictureBytesMax+1)})
		}, ErrTooLarge},
		{"a profile's user", func(a *pebbleAccounts) error { return a.SetProfile(&Profile{User: UserMax + 1}) }, ErrUser},
		{"contacts", settingsWith(func(s *Settings) { s.Contacts = manyUsers(ContactsMax + 1) }), ErrTooMany},
		{"blocked", settingsWith(func(s *Settings) { s.Blocked = manyUsers(BlockedMax + 1) }), ErrTooMany},
		{"devices", settingsWith(func(s *Settings) { s.Devices = make([]uint8, UserDevicesMax+1) }), ErrTooMany},
		{"a signature", settingsWith(func(s *Settings) { s.Signature = make([]byte, SignatureBytesMax+1) }), ErrTooLarge},
		{"a contact twice", settingsWith(func(s *Settings) { s.Contacts = []uint64{1, 1} }), ErrNotAscending},
		{"blocked that descend", settingsWith(func(s *Settings) { s.Blocked = []uint64{2, 1} }), ErrNotAscending},
		{"a device twice", settingsWith(func(s *Settings) { s.Devices = []uint8{3, 3} }), ErrNotAscending},
		{"a contact's user", settingsWith(func(s *Settings) { s.Contacts = []uint64{UserMax + 1} }), ErrUser},
		{"a blocked user", settingsWith(func(s *Settings) { s.Blocked = []uint64{UserMax + 1} }), ErrUser},
		{"settings' user", settingsWith(func(s *Settings) { s.User = UserMax + 1 }), ErrUser},
		{"the same version again", settingsWith(func(s *Settings) { s.Version = 1 }), ErrSettingsChanged},
		{"a version that is passed over", settingsWith(func(s *Settings) { s.Version = 3 }), ErrSettingsChanged},
		{"version 0", settingsWith(func(s *Settings) { s.User, s.Version = 2, 0 }), ErrSettingsChanged},
		{"somebody too large to forget", func(a *pebbleAccounts) error { return a.Forget(UserMax+1, nil) }, ErrUser},
		{"another's revocation", func(a *pebbleAccounts) error { return a.Forget(1, []Revocation{{User: 2}}) }, ErrUser},
		{"revocations", func(a *pebbleAccounts) error {
			return a.Forget(1, []Revocation{{User: 1, Device: 1}, {User: 1, Device: 7}, {User: 1, Device: 8}})
		}, ErrRevocationsFull},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := openOn(t, vfs.NewMem())
			for i := range 7 { // of 8
				must(t, a.Apply(&AccountChange{Device: someDevice(1, uint8(i), 1), Revoke: &Revocation{User: 1, Device: uint8(i), UntilSec: 1 << 40}}))
			}
			must(t, a.SetSettings(someSettings(1, 1)))
			before := dump(t, a)
			if err := row.change(a); !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			if after := dump(t, a); !reflect.DeepEqual(before, after) {
				t.Errorf("the refused change left something: %d records before, %d after", len(before), len(after))
			}
			must(t, a.SetSettings(someSettings(1, 2)))
		})
	}
}

// settingsWith changes settings that could be kept.
func settingsWith(change func(s *Settings)) func(a *pebbleAccounts) error {
	return func(a *pebbleAccounts) error {
		s := someSettings(1, 2)
		change(s)
		return a.SetSettings(s)
	}
}

func TestAForgottenUserLeavesRevocationsOnly(t *testing.T) {
	fs := vfs.NewMem()
	a := openOn(t, fs)
	for _, user := range []uint64{6, 7, 8} {
		for i := range uint8(2) {
			must(t, a.Apply(&AccountChange{
				Device: someDevice(user, i, 5), Used: &TokenUse{User: user, ID: [8]byte{i}, ExpiresSec: 1 << 40},
			}))
		}
		must(t, a.SetProfile(someProfile(user)))
		must(t, a.SetSettings(someSettings(user, 1)))
	}
	must(t, a.Apply(&AccountChange{Revoke: &Revocation{User: 7, Device: 0, Gen: 5, UntilSec: 100}}))
	neighbours := len(dump(t, a)) - 6 - 1 // without what user 7 has
	must(t, a.Forget(7, []Revocation{{User: 7, Device: 0, Gen: 9, UntilSec: 200}, {User: 7, Device: 1, Gen: 10, UntilSec: 300}, {User: 7, Device: 1, Gen: 11, UntilSec: 300}}))
	check := func(a *pebbleAccounts) {
		t.Helper()
		if n := len(dump(t, a)); n != neighbours-1+2 { // one token more of its own, and two revocations
			t.Errorf("%d records are left, want %d", n, neighbours+1)
		}
		all, err := a.Revocations()
		must(t, err)
		if want := []Revocation{{User: 7, Device: 0, Gen: 9, UntilSec: 200}, {User: 7, Device: 1, Gen: 11, UntilSec: 300}}; !reflect.DeepEqual(all.List, want) {
			t.Errorf("revocations: %+v", all.List)
		}
		if a.commit.tokens != 4 || a.commit.revocations != 2 {
			t.Errorf("%d tokens and %d revocations are counted, want 4 and 2", a.commit.tokens, a.commit.revocations)
		}
	}
	check(a)
	must(t, a.Close())
	a = openOn(t, fs)
	check(a)
	must(t, a.Forget(7, nil)) // once more: nothing is left to do
	must(t, a.SetSettings(someSettings(7, 1)))
	if u, err := a.User(6); err != nil || u.Devices != 2 {
		t.Errorf("a neighbour: %+v, %v", u, err)
	}
}

func TestOfManyWhoChangeSettingsAtOnceOneIsFirst(t *testing.T) {
	const writers, rounds = 8, 20
	a := openOn(t, vfs.NewMem())
	var won atomic.Int64
	for round := range uint32(rounds) {
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() { // ends with its change
				switch err := a.SetSettings(someSettings(7, round+1)); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrSettingsChanged):
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if got, err := a.Settings(7); err != nil || got.Version != rounds || won.Load() != rounds {
		t.Errorf("version %d after %d changes of %d rounds: %v", got.Version, won.Load(), rounds, err)
	}
}

func TestPeopleInMemoryAndAfterClose(t *testing.T) {
	m, err := OpenMemoryAccounts()
	must(t, err)
	p, err := PeopleOf(m)
	must(t, err)
	must(t, p.SetProfile(someProfile(7)))
	if got, err := p.Profile(7); err != nil || got.Name != "Ada" {
		t.Errorf("profile: %+v, %v", got, err)
	}
	must(t, m.Close())
	for _, err := range []error{p.SetProfile(someProfile(7)), p.SetSettings(someSettings(7, 1)), p.Forget(7, nil)} {
		if !errors.Is(err, ErrAccountsClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if _, err := p.Devices(7); !errors.Is(err, ErrAccountsClosed) {
		t.Errorf("a read after Close: %v", err)
	}
	if _, err := PeopleOf(nil); err == nil {
		t.Error("nobody keeps people in nothing")
	}
}
