package mysql

import (
	"bytes"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"trunkline/store"
)

// kept is what every implementation is.
type kept interface {
	store.Accounts
	store.People
}

// implementations are the three: each must do the same.
func implementations(t *testing.T, check func(t *testing.T, open func() kept)) {
	t.Run("pebble", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "accounts")
		check(t, func() kept {
			a, err := store.OpenAccounts(dir, nil)
			must(t, err)
			t.Cleanup(func() { _ = a.Close() })
			return a.(kept)
		})
	})
	t.Run("memory", func(t *testing.T) {
		var one store.Accounts
		check(t, func() kept {
			if one == nil {
				var err error
				one, err = store.OpenMemoryAccounts()
				must(t, err)
			}
			return lasting{one.(kept)}
		})
	})
	for _, n := range []int{1, 3} {
		t.Run("mysql, shards: "+string(rune('0'+n)), func(t *testing.T) {
			list := places(t, server(t), n)
			o := quick(nil)
			o.limits = limits{tokens: store.TokenUsesMax, revocations: store.RevocationsMax}
			check(t, func() kept { return opened(t, list, o) })
		})
	}
}

// lasting is not closed: what is in memory would be gone.
type lasting struct{ kept }

func (lasting) Close() error { return nil }

// someDevice fills every field, so that a column that is forgotten is seen.
func someDevice(user uint64, device uint8, gen uint16) *store.Device {
	d := &store.Device{User: user, Device: device, LinkedBy: 3, Gen: gen, Token: 0xf122334455667788, RegisteredSec: 1_800_000_000}
	for i := range d.Static {
		d.Static[i], d.Sign[i] = byte(i+1), byte(0x80+i)
	}
	d.Sign[31] = 0 // a last zero is no padding
	return d
}

func someProfile(user uint64) *store.Profile {
	return &store.Profile{User: user, Name: "Ada ✓ 👍", About: "a\x00b ", Picture: []byte{9, 0, 0xff, 0}, ChangedSec: 1<<64 - 1}
}

func someSettings(user uint64, version uint32) *store.Settings {
	return &store.Settings{
		User: user, Version: version, Presence: 1, LastSeen: 2, Profile: 255, Contacts: []uint64{0, 5, store.UserMax}, Blocked: []uint64{7, 8},
		DevicesVersion: 0xfffffffe, Devices: []uint8{0, 2, 255}, Signature: bytes.Repeat([]byte{0xab}, store.SignatureBytesMax),
	}
}

func manyUsers(n int) (list []uint64) {
	for i := range n {
		list = append(list, uint64(i)*3+1)
	}
	return list
}

func TestAccountsAreReadBackAfterAnotherOpen(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		device := someDevice(store.UserMax, 255, 65_535)
		used := store.TokenUse{User: store.UserMax, ID: [8]byte{1, 2, 3, 4, 5, 6, 7, 0}, Device: 255, Static: device.Static, ExpiresSec: 1_900_000_000}
		revoked := store.Revocation{User: store.UserMax, Device: 255, Gen: 65_535, UntilSec: 1_850_000_000}
		a := open()
		must(t, a.Apply(&store.AccountChange{NowSec: 77, Device: device, Used: &used, Revoke: &revoked}))
		must(t, a.Close())
		a = open()
		gotDevice, err := a.Device(store.UserMax, 255)
		must(t, err)
		gotUsed, err := a.Used(store.UserMax, used.ID)
		must(t, err)
		gotUser, err := a.User(store.UserMax)
		must(t, err)
		if gotDevice != *device || gotUsed != used || gotUser != (store.User{User: store.UserMax, Devices: 1, CreatedSec: 77}) {
			t.Errorf("%+v, %+v, %+v", gotDevice, gotUsed, gotUser)
		}
		all, err := a.Revocations()
		must(t, err)
		if want := (store.Revocations{List: []store.Revocation{revoked}}); !reflect.DeepEqual(all, want) {
			t.Errorf("revocations: %+v, want %+v", all, want)
		}
		_, errUser := a.User(8)
		_, errDevice := a.Device(store.UserMax, 0)
		_, errUsed := a.Used(store.UserMax, [8]byte{})
		_, errProfile := a.Profile(store.UserMax)
		if errUser != store.ErrNoUser || errDevice != store.ErrNoDevice || errUsed != store.ErrTokenUnused || errProfile != store.ErrNoProfile {
			t.Errorf("what is not there: %v, %v, %v, %v", errUser, errDevice, errUsed, errProfile)
		}
	})
}

func TestRefusedChangesOfAccountsChangeNothing(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		a := open()
		for i := range store.UserDevicesMax {
			must(t, a.Apply(&store.AccountChange{Device: someDevice(7, uint8(i), 5)}))
		}
		must(t, a.Apply(&store.AccountChange{Used: &store.TokenUse{User: 7, ID: [8]byte{1}, Device: 3, ExpiresSec: 9}}))
		for _, row := range []struct {
			name   string
			change store.AccountChange
			want   error
		}{
			{"a user above the largest", store.AccountChange{Device: someDevice(store.UserMax+1, 0, 1)}, store.ErrUser},
			{"a token of such a user", store.AccountChange{Used: &store.TokenUse{User: store.UserMax + 1}}, store.ErrUser},
			{"a revocation of such a user", store.AccountChange{Revoke: &store.Revocation{User: store.UserMax + 1}}, store.ErrUser},
			{"generation 0", store.AccountChange{Device: someDevice(5, 0, 0)}, store.ErrGeneration},
			{"one device more", store.AccountChange{Device: someDevice(7, 200, 1), InvalidBefore: 5, Used: &store.TokenUse{User: 7, ID: [8]byte{2}}}, store.ErrDevicesFull},
			{"a token that another device used", store.AccountChange{Device: someDevice(7, 3, 9), InvalidBefore: 5, Used: &store.TokenUse{User: 7, ID: [8]byte{1}, Device: 4}}, store.ErrTokenUsed},
			{"a token that another key used", store.AccountChange{Device: someDevice(7, 3, 9), Used: &store.TokenUse{User: 7, ID: [8]byte{1}, Device: 3, Static: [32]byte{1}}}, store.ErrTokenUsed},
		} {
			if err := a.Apply(&row.change); !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
			}
		}
		u, err := a.User(7)
		must(t, err)
		d, err := a.Device(7, 3)
		must(t, err)
		all, err := a.Revocations()
		must(t, err)
		_, errUsed := a.Used(7, [8]byte{2})
		if u.Devices != store.UserDevicesMax || d.Gen != 5 || all.InvalidBefore != 0 || errUsed != store.ErrTokenUnused {
			t.Errorf("a refused change left something: %+v, gen %d, %+v, %v", u, d.Gen, all, errUsed)
		}
		// The same use again is a repetition.
		must(t, a.Apply(&store.AccountChange{Used: &store.TokenUse{User: 7, ID: [8]byte{1}, Device: 3, ExpiresSec: 10}}))
		if use, err := a.Used(7, [8]byte{1}); err != nil || use.ExpiresSec != 10 {
			t.Errorf("a repeated use: %+v, %v", use, err)
		}
	})
}

func TestARemovedDeviceMakesRoom(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		a := open()
		for i := range store.UserDevicesMax {
			must(t, a.Apply(&store.AccountChange{Device: someDevice(7, uint8(i), 5)}))
		}
		for range 2 {
			must(t, a.Apply(&store.AccountChange{Device: &store.Device{User: 7, Device: 3, Gen: 6}}))
		}
		if u, err := a.User(7); err != nil || u.Devices != store.UserDevicesMax-1 {
			t.Errorf("user after a removal: %+v, %v", u, err)
		}
		if d, err := a.Device(7, 3); err != nil || !d.Removed() || d.Gen != 6 {
			t.Errorf("removed device: %+v, %v", d, err)
		}
		must(t, a.Apply(&store.AccountChange{Device: someDevice(7, 100, 1)}))
		if err := a.Apply(&store.AccountChange{Device: someDevice(7, 3, 7)}); !errors.Is(err, store.ErrDevicesFull) {
			t.Errorf("a removed device came back although the user is full: %v", err)
		}
		list, err := a.Devices(7)
		if err != nil || len(list) != store.UserDevicesMax+1 || !slices.IsSortedFunc(list, func(x, y store.Device) int { return int(x.Device) - int(y.Device) }) {
			t.Errorf("%d devices, %v", len(list), err)
		}
		if list[3] != (store.Device{User: 7, Device: 3, Gen: 6}) || list[32] != *someDevice(7, 100, 1) {
			t.Errorf("devices: %+v, %+v", list[3], list[32])
		}
	})
}

func TestInvalidBeforeStandsForTheRevocationsOfItsShard(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		a := open()
		for i := range uint8(5) {
			must(t, a.Apply(&store.AccountChange{Revoke: &store.Revocation{User: 9, Device: i, UntilSec: 1 << 40}}))
		}
		last := store.Revocation{User: 9, Device: 100, Gen: 5, UntilSec: 1 << 40}
		must(t, a.Apply(&store.AccountChange{InvalidBefore: 500, Revoke: &last}))
		must(t, a.Apply(&store.AccountChange{InvalidBefore: 400, Revoke: &last}))
		must(t, a.Apply(&store.AccountChange{InvalidBefore: 450})) // of nobody
		must(t, a.Apply(&store.AccountChange{Revoke: &last}))
		must(t, a.Close())
		all, err := open().Revocations()
		must(t, err)
		if want := (store.Revocations{InvalidBefore: 500, List: []store.Revocation{last}}); !reflect.DeepEqual(all, want) {
			t.Errorf("revocations: %+v, want %+v", all, want)
		}
	})
}

func TestPeopleAreReadBackAfterAnotherOpen(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		a := open()
		full := someSettings(store.UserMax, 1)
		full.Contacts, full.Blocked = manyUsers(store.ContactsMax), manyUsers(store.BlockedMax)
		long := &store.Profile{
			User: 7, Name: strings.Repeat("n", store.NameBytesMax), About: strings.Repeat("é", store.AboutBytesMax/2), Picture: bytes.Repeat([]byte{1}, store.PictureBytesMax),
		}
		must(t, a.SetSettings(full))
		must(t, a.SetSettings(someSettings(6, 1)))
		must(t, a.SetSettings(&store.Settings{User: 6, Version: 2}))
		must(t, a.SetProfile(someProfile(store.UserMax)))
		must(t, a.SetProfile(someProfile(7)))
		must(t, a.SetProfile(long))
		must(t, a.SetProfile(&store.Profile{User: 8}))
		must(t, a.Close())
		a = open()
		for _, want := range []*store.Settings{full, {User: 6, Version: 2}, {User: 99}} {
			if got, err := a.Settings(want.User); err != nil || !reflect.DeepEqual(&got, want) {
				t.Errorf("settings: %+v, %v, want %+v", got, err, want)
			}
		}
		for _, want := range []*store.Profile{someProfile(store.UserMax), long, {User: 8}} {
			if got, err := a.Profile(want.User); err != nil || !reflect.DeepEqual(&got, want) {
				t.Errorf("profile: %+v, %v, want %+v", got, err, want)
			}
		}
		if list, err := a.Devices(9); err != nil || list != nil {
			t.Errorf("devices of nobody: %+v, %v", list, err)
		}
	})
}

func TestWhatIsTooMuchOfPeopleIsRefused(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		a := open()
		must(t, a.SetSettings(someSettings(1, 1)))
		with := func(change func(s *store.Settings)) error {
			s := someSettings(1, 2)
			change(s)
			return a.SetSettings(s)
		}
		for name, row := range map[string]struct{ err, want error }{
			"a name":             {a.SetProfile(&store.Profile{User: 1, Name: strings.Repeat("n", store.NameBytesMax+1)}), store.ErrTooLarge},
			"an about":           {a.SetProfile(&store.Profile{User: 1, About: strings.Repeat("n", store.AboutBytesMax+1)}), store.ErrTooLarge},
			"a picture":          {a.SetProfile(&store.Profile{User: 1, Picture: make([]byte, store.PictureBytesMax+1)}), store.ErrTooLarge},
			"a user":             {a.SetProfile(&store.Profile{User: store.UserMax + 1}), store.ErrUser},
			"contacts":           {with(func(s *store.Settings) { s.Contacts = manyUsers(store.ContactsMax + 1) }), store.ErrTooMany},
			"blocked":            {with(func(s *store.Settings) { s.Blocked = manyUsers(store.BlockedMax + 1) }), store.ErrTooMany},
			"a signature":        {with(func(s *store.Settings) { s.Signature = make([]byte, 65) }), store.ErrTooLarge},
			"a contact twice":    {with(func(s *store.Settings) { s.Contacts = []uint64{1, 1} }), store.ErrNotAscending},
			"the same version":   {with(func(s *store.Settings) { s.Version = 1 }), store.ErrSettingsChanged},
			"a version too far":  {with(func(s *store.Settings) { s.Version = 3 }), store.ErrSettingsChanged},
			"version 0":          {with(func(s *store.Settings) { s.User, s.Version = 2, 0 }), store.ErrSettingsChanged},
			"a user to forget":   {a.Forget(store.UserMax+1, nil), store.ErrUser},
			"another revocation": {a.Forget(1, []store.Revocation{{User: 2}}), store.ErrUser},
		} {
			if !errors.Is(row.err, row.want) {
				t.Errorf("%s: %v, want %v", name, row.err, row.want)
			}
		}
		if got, err := a.Settings(1); err != nil || !reflect.DeepEqual(&got, someSettings(1, 1)) {
			t.Errorf("settings: %+v, %v", got, err)
		}
		if _, err := a.Profile(1); err != store.ErrNoProfile {
			t.Errorf("profile: %v", err)
		}
	})
}

func TestAForgottenUserLeavesRevocationsOnly(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		a := open()
		for _, user := range []uint64{6, 7} {
			for i := range uint8(2) {
				must(t, a.Apply(&store.AccountChange{Device: someDevice(user, i, 5), Used: &store.TokenUse{User: user, ID: [8]byte{i}, Device: i}}))
			}
			must(t, a.SetProfile(someProfile(user)))
			must(t, a.SetSettings(someSettings(user, 1)))
		}
		must(t, a.Apply(&store.AccountChange{Revoke: &store.Revocation{User: 7, Device: 0, Gen: 5, UntilSec: 100}}))
		must(t, a.Forget(7, []store.Revocation{{User: 7, Device: 0, Gen: 9, UntilSec: 200}, {User: 7, Device: 1, Gen: 11, UntilSec: 300}}))
		must(t, a.Forget(7, nil))
		must(t, a.Close())
		a = open()
		_, errUser := a.User(7)
		_, errDevice := a.Device(7, 0)
		_, errUsed := a.Used(7, [8]byte{0})
		_, errProfile := a.Profile(7)
		settings, err := a.Settings(7)
		must(t, err)
		list, err := a.Devices(7)
		must(t, err)
		if errUser != store.ErrNoUser || errDevice != store.ErrNoDevice || errUsed != store.ErrTokenUnused || errProfile != store.ErrNoProfile ||
			settings.Version != 0 || len(list) != 0 {
			t.Errorf("left: %v, %v, %v, %v, %+v, %+v", errUser, errDevice, errUsed, errProfile, settings, list)
		}
		all, err := a.Revocations()
		must(t, err)
		if want := []store.Revocation{{User: 7, Device: 0, Gen: 9, UntilSec: 200}, {User: 7, Device: 1, Gen: 11, UntilSec: 300}}; !reflect.DeepEqual(all.List, want) {
			t.Errorf("revocations: %+v", all.List)
		}
		if got, err := a.Settings(6); err != nil || got.Version != 1 {
			t.Errorf("a neighbour's settings: %+v, %v", got, err)
		}
		if list, err := a.Devices(6); err != nil || len(list) != 2 {
			t.Errorf("a neighbour's devices: %+v, %v", list, err)
		}
		must(t, a.SetSettings(someSettings(7, 1))) // who comes back begins anew
	})
}

func TestOfManyAtOnceOneIsFirst(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		const writers, rounds = 8, 10
		a := open()
		var settings, tokens atomic.Int64
		for round := range uint32(rounds) {
			var wg sync.WaitGroup
			for w := range uint8(writers) {
				wg.Go(func() { // ends with its changes
					switch err := a.SetSettings(someSettings(7, round+1)); {
					case err == nil:
						settings.Add(1)
					case !errors.Is(err, store.ErrSettingsChanged):
						t.Error(err)
					}
					switch err := a.Apply(&store.AccountChange{Device: someDevice(7, w, 1), Used: &store.TokenUse{User: 7, ID: [8]byte{byte(round)}, Device: w}}); {
					case err == nil:
						tokens.Add(1)
					case !errors.Is(err, store.ErrTokenUsed):
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		got, err := a.Settings(7)
		must(t, err)
		u, err := a.User(7)
		must(t, err)
		list, err := a.Devices(7)
		must(t, err)
		if got.Version != rounds || settings.Load() != rounds || tokens.Load() != rounds || int(u.Devices) != len(list) {
			t.Errorf("version %d, %d changes of settings, %d tokens of %d rounds; %d devices counted of %d", got.Version, settings.Load(), tokens.Load(), rounds, u.Devices, len(list))
		}
	})
}

func TestManyGoroutinesRegisterOneUsersDevices(t *testing.T) {
	implementations(t, func(t *testing.T, open func() kept) {
		a := open()
		var wg sync.WaitGroup
		var full atomic.Int64
		for i := range uint8(store.UserDevicesMax + 8) {
			wg.Go(func() { // ends with its device
				switch err := a.Apply(&store.AccountChange{Device: someDevice(7, i, 1)}); {
				case errors.Is(err, store.ErrDevicesFull):
					full.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		list, err := a.Devices(7)
		must(t, err)
		if u, err := a.User(7); err != nil || u.Devices != store.UserDevicesMax || len(list) != store.UserDevicesMax || full.Load() != 8 {
			t.Errorf("%+v, %d devices, %d refused, %v", u, len(list), full.Load(), err)
		}
	})
}
