package store

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const testBallastBytes = 64 << 10

func openOn(t *testing.T, fs vfs.FS) *pebbleAccounts {
	t.Helper()
	a, err := openAccounts(testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	p := a.(*pebbleAccounts)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func testOptions(fs vfs.FS) accountOptions {
	return accountOptions{dir: "accounts", fs: fs, log: slog.New(slog.DiscardHandler), ballastBytes: testBallastBytes, tokensMax: 8, revokedMax: 8}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// someDevice fills every field, so that a record that forgets one is seen.
func someDevice(user uint64, device uint8, gen uint16) *Device {
	d := &Device{User: user, Device: device, LinkedBy: 3, Gen: gen, Token: 0x1122334455667788, RegisteredSec: 1_800_000_000}
	for i := range d.Static {
		d.Static[i], d.Sign[i] = byte(i+1), byte(0x80+i)
	}
	return d
}

func TestAChangeIsReadBackAfterAnotherOpen(t *testing.T) {
	fs := vfs.NewMem()
	device := someDevice(UserMax, 255, 65_535)
	used := TokenUse{User: UserMax, ID: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Device: 255, Static: device.Static, ExpiresSec: 1_900_000_000}
	revoked := Revocation{User: UserMax, Device: 255, Gen: 65_535, UntilSec: 1_850_000_000}
	a := openOn(t, fs)
	must(t, a.Apply(&AccountChange{NowSec: 77, Device: device, Used: &used, Revoke: &revoked}))
	must(t, a.Close())

	a = openOn(t, fs)
	gotDevice, err := a.Device(UserMax, 255)
	must(t, err)
	if gotDevice != *device {
		t.Errorf("device: %+v, want %+v", gotDevice, *device)
	}
	gotUsed, err := a.Used(UserMax, used.ID)
	must(t, err)
	if gotUsed != used {
		t.Errorf("token use: %+v, want %+v", gotUsed, used)
	}
	gotUser, err := a.User(UserMax)
	must(t, err)
	if want := (User{User: UserMax, Devices: 1, CreatedSec: 77}); gotUser != want {
		t.Errorf("user: %+v, want %+v", gotUser, want)
	}
	all, err := a.Revocations()
	must(t, err)
	if want := (Revocations{List: []Revocation{revoked}}); !reflect.DeepEqual(all, want) {
		t.Errorf("revocations: %+v, want %+v", all, want)
	}
	if a.commit.tokens != 1 || a.commit.revocations != 1 {
		t.Errorf("counted %d tokens and %d revocations, want 1 and 1", a.commit.tokens, a.commit.revocations)
	}
}

func TestRecordsHaveTheirDocumentedSizes(t *testing.T) {
	for _, row := range []struct {
		name      string
		got, want int
	}{
		{"a device has 84 bytes", len(appendDevice(nil, &Device{})), deviceBytes},
		{"a user has 10 bytes", len(appendUser(nil, &User{})), userBytes},
		{"the use of a token has 42 bytes", len(appendTokenUse(nil, &TokenUse{})), tokenUseBytes},
		{"a revocation has 12 bytes", len(appendRevocation(nil, &Revocation{})), revocationBytes},
		{"a device's key has 10 bytes", len(userDeviceKey(prefixDevice, 1, 2)), 10},
		{"a user's key has 9 bytes", len(userKey(1)), 9},
		{"a token's key has 17 bytes", len(tokenUseKey(1, [8]byte{})), 17},
	} {
		if row.got != row.want {
			t.Errorf("%s: it has %d", row.name, row.got)
		}
	}
}

func TestWhatIsNotThereIsSaidPlainly(t *testing.T) {
	a := openOn(t, vfs.NewMem())
	must(t, a.Apply(&AccountChange{Device: someDevice(7, 1, 1)}))
	if _, err := a.User(8); err != ErrNoUser {
		t.Errorf("User: %v", err)
	}
	if _, err := a.Device(7, 0); err != ErrNoDevice {
		t.Errorf("Device: %v", err)
	}
	if _, err := a.Used(7, [8]byte{}); err != ErrTokenUnused {
		t.Errorf("Used: %v", err)
	}
	if all, err := a.Revocations(); err != nil || len(all.List) != 0 || all.InvalidBefore != 0 {
		t.Errorf("Revocations: %+v, %v", all, err)
	}
}

func TestAChangeThatIsRefusedChangesNothing(t *testing.T) {
	full := func(t *testing.T, a Accounts) {
		for i := range UserDevicesMax {
			must(t, a.Apply(&AccountChange{Device: someDevice(7, uint8(i), 1)}))
		}
		for i := range 8 {
			must(t, a.Apply(&AccountChange{NowSec: 1, Used: &TokenUse{User: 9, ID: [8]byte{byte(i)}, ExpiresSec: 1 << 40}}))
			must(t, a.Apply(&AccountChange{NowSec: 1, Revoke: &Revocation{User: 9, Device: uint8(i), UntilSec: 1 << 40}}))
		}
	}
	fresh := [8]byte{0xff}
	for _, row := range []struct {
		name   string
		change AccountChange
		want   error
	}{
		{"a user above the largest", AccountChange{Device: someDevice(UserMax+1, 0, 1)}, ErrUser},
		{"a token of a user above the largest", AccountChange{Device: someDevice(5, 0, 1), Used: &TokenUse{User: UserMax + 1}}, ErrUser},
		{"a revocation of a user above the largest", AccountChange{Device: someDevice(5, 0, 1), Revoke: &Revocation{User: UserMax + 1}}, ErrUser},
		{"generation 0", AccountChange{Device: someDevice(5, 0, 0)}, ErrGeneration},
		{"one device more than a user may have", AccountChange{Device: someDevice(7, 200, 1), InvalidBefore: 5}, ErrDevicesFull},
		{"a token that another key has used", AccountChange{Device: someDevice(5, 0, 1), Used: &TokenUse{User: 9, ID: [8]byte{1}, Static: [32]byte{1}}}, ErrTokenUsed},
		{"a token that another device has used", AccountChange{Device: someDevice(5, 0, 1), Used: &TokenUse{User: 9, ID: [8]byte{1}, Device: 1}}, ErrTokenUsed},
		{"one token more than are kept", AccountChange{Device: someDevice(5, 0, 1), Used: &TokenUse{User: 9, ID: fresh}}, ErrTokensFull},
		{"one revocation more than are kept", AccountChange{
			Device: someDevice(5, 0, 1), Used: &TokenUse{User: 9, ID: [8]byte{1}}, Revoke: &Revocation{User: 9, Device: 200},
		}, ErrRevocationsFull},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := openOn(t, vfs.NewMem())
			full(t, a)
			before := dump(t, a)
			if err := a.Apply(&row.change); !errors.Is(err, row.want) {
				t.Errorf("Apply: %v, want %v", err, row.want)
			}
			if after := dump(t, a); !reflect.DeepEqual(before, after) {
				t.Errorf("the refused change left something: %d records before, %d after", len(before), len(after))
			}
			must(t, a.Apply(&AccountChange{Device: someDevice(7, 0, 2), Used: &TokenUse{User: 9, ID: [8]byte{1}}, Revoke: &Revocation{User: 9, Device: 1}}))
		})
	}
}

// dump is every record there is.
func dump(t *testing.T, a *pebbleAccounts) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, prefix := range []byte{prefixDevice, prefixMeta, prefixProfile, prefixRevocation, prefixSettings, prefixTokenUse, prefixUser} {
		must(t, scan(a.db, prefix, func(k, v []byte) error { all[string(k)] = string(v); return nil }))
	}
	return all
}

func TestARemovedDeviceMakesRoomAndKeepsItsGeneration(t *testing.T) {
	a := openOn(t, vfs.NewMem())
	for i := range UserDevicesMax {
		must(t, a.Apply(&AccountChange{Device: someDevice(7, uint8(i), 5)}))
	}
	must(t, a.Apply(&AccountChange{Device: &Device{User: 7, Device: 3, Gen: 6}}))
	must(t, a.Apply(&AccountChange{Device: &Device{User: 7, Device: 3, Gen: 6}}))
	if u, err := a.User(7); err != nil || u.Devices != UserDevicesMax-1 {
		t.Errorf("user after a removal: %+v, %v", u, err)
	}
	if d, err := a.Device(7, 3); err != nil || !d.Removed() || d.Gen != 6 {
		t.Errorf("removed device: %+v, %v", d, err)
	}
	must(t, a.Apply(&AccountChange{Device: someDevice(7, 100, 1)}))
	if err := a.Apply(&AccountChange{Device: someDevice(7, 3, 7)}); !errors.Is(err, ErrDevicesFull) {
		t.Errorf("a removed device came back although the user is full: %v", err)
	}
}

func TestWhatExpiredADayAgoIsPurgedAndMakesRoom(t *testing.T) {
	const now = 1_800_000_000
	a := openOn(t, vfs.NewMem())
	for i := range 8 {
		expires := uint64(now)
		if i >= 4 {
			expires = now + 10*purgeSlackSec
		}
		must(t, a.Apply(&AccountChange{NowSec: now, Used: &TokenUse{User: 9, ID: [8]byte{byte(i)}, ExpiresSec: expires}}))
		must(t, a.Apply(&AccountChange{NowSec: now, Revoke: &Revocation{User: 9, Device: uint8(i), UntilSec: expires}}))
	}
	more := AccountChange{NowSec: now + purgeSlackSec - 1, Used: &TokenUse{User: 9, ID: [8]byte{100}}, Revoke: &Revocation{User: 9, Device: 100}}
	if err := a.Apply(&more); !errors.Is(err, ErrTokensFull) {
		t.Fatalf("a second too early: %v", err)
	}
	more.NowSec += purgeFullEverySec - 1
	if err := a.Apply(&more); !errors.Is(err, ErrTokensFull) {
		t.Fatalf("a full store looks for expired records once in %d s: %v", purgeFullEverySec, err)
	}
	more.NowSec++
	must(t, a.Apply(&more))
	if a.commit.tokens != 5 || a.commit.revocations != 5 {
		t.Errorf("%d tokens and %d revocations are left, want 5 and 5", a.commit.tokens, a.commit.revocations)
	}
	if _, err := a.Used(9, [8]byte{0}); err != ErrTokenUnused {
		t.Errorf("an expired token is still there: %v", err)
	}
	if _, err := a.Used(9, [8]byte{4}); err != nil {
		t.Errorf("a token that has not expired is gone: %v", err)
	}
}

func TestAClockSetBackDoesNotStopThePurge(t *testing.T) {
	a := openOn(t, vfs.NewMem())
	must(t, a.Apply(&AccountChange{NowSec: 1 << 40, Used: &TokenUse{User: 9, ExpiresSec: 1_000}}))
	must(t, a.Apply(&AccountChange{NowSec: 2 * purgeSlackSec}))
	if _, err := a.Used(9, [8]byte{}); err != ErrTokenUnused {
		t.Errorf("the expired token is still there: %v", err)
	}
}

func TestInvalidBeforeStandsForAllRevocations(t *testing.T) {
	fs := vfs.NewMem()
	a := openOn(t, fs)
	for i := range 8 {
		must(t, a.Apply(&AccountChange{Revoke: &Revocation{User: 9, Device: uint8(i), UntilSec: 1 << 40}}))
	}
	kept := Revocation{User: 9, Device: 100, Gen: 5, UntilSec: 1 << 40}
	must(t, a.Apply(&AccountChange{InvalidBefore: 500, Revoke: &kept}))
	must(t, a.Apply(&AccountChange{InvalidBefore: 400, Revoke: &kept}))
	must(t, a.Close())
	a = openOn(t, fs)
	all, err := a.Revocations()
	must(t, err)
	if want := (Revocations{InvalidBefore: 500, List: []Revocation{kept}}); !reflect.DeepEqual(all, want) {
		t.Errorf("revocations: %+v, want %+v", all, want)
	}
	if a.commit.revocations != 1 {
		t.Errorf("%d revocations are counted, want 1", a.commit.revocations)
	}
}

func TestManyGoroutinesWriteAtOnce(t *testing.T) {
	const writers, each = 8, 20
	a := openOn(t, vfs.NewMem())
	var wg sync.WaitGroup
	errs := make(chan error, writers*each)
	for w := range writers {
		wg.Go(func() { // ends when its devices are written
			for i := range each {
				user := uint64(w*each + i + 1)
				errs <- a.Apply(&AccountChange{Device: someDevice(user, 0, 1)})
				if _, err := a.Device(user, 0); err != nil {
					errs <- fmt.Errorf("user %d: %w", user, err)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
}

func TestAfterCloseEverythingIsRefused(t *testing.T) {
	a := openOn(t, vfs.NewMem())
	must(t, a.Close())
	must(t, a.Close())
	if err := a.Apply(&AccountChange{Device: someDevice(7, 0, 1)}); !errors.Is(err, ErrAccountsClosed) {
		t.Errorf("Apply: %v", err)
	}
	if _, err := a.Device(7, 0); !errors.Is(err, ErrAccountsClosed) {
		t.Errorf("Device: %v", err)
	}
}

func TestMemoryAccountsKeepNothing(t *testing.T) {
	for range 2 {
		a, err := OpenMemoryAccounts()
		must(t, err)
		if _, err := a.Device(7, 0); err != ErrNoDevice {
			t.Errorf("a new register knows a device: %v", err)
		}
		must(t, a.Apply(&AccountChange{Device: someDevice(7, 0, 1)}))
		must(t, a.Close())
	}
}

func TestTheNoteBesideTheDatabaseIsNotFarBehind(t *testing.T) {
	fs := vfs.NewMem()
	a := openOn(t, fs)
	for i := range noteEvery + 5 {
		must(t, a.Apply(&AccountChange{Device: someDevice(uint64(i), 0, 1)}))
	}
	noted := func() uint64 {
		p := place{fs: fs, dir: "accounts"}
		must(t, p.readNote())
		return p.noted
	}
	if n := noted(); n < noteEvery-1 || n > noteEvery+5 {
		t.Errorf("after %d changes the note says %d", noteEvery+5, n)
	}
	must(t, a.Close())
	if n := noted(); n != noteEvery+5 {
		t.Errorf("after the close the note says %d, want %d", n, noteEvery+5)
	}
}
