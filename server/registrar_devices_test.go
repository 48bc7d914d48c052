package server

import (
	"errors"
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

func peopleOf(t *testing.T, rig *registrarRig) store.People {
	t.Helper()
	people, err := store.PeopleOf(rig.accounts.Accounts)
	if err != nil {
		t.Fatal(err)
	}
	return people
}

func TestADeletedAccountRegistersAnewBehindItsOldGenerations(t *testing.T) {
	rig := newRegistrarRig(t)
	people := peopleOf(t, rig)
	old := rig.enrol(loginAsk{user: 7, device: 0, token: 1, static: staticKey(1)})
	other := rig.enrol(loginAsk{user: 7, device: 3, token: 1, static: staticKey(2)})
	if err := rig.r.removeDevice(7, 3); err != nil {
		t.Fatal(err)
	}
	if err := rig.r.forget(people, 7); err != nil {
		t.Fatal(err)
	}
	if left, err := people.Devices(7); err != nil || len(left) != 0 {
		t.Errorf("left %+v, %v", left, err)
	}
	for range 2 {
		for device, gen := range map[uint8]uint16{0: old, 3: other} {
			if !rig.r.revoked(7, device, gen) {
				t.Errorf("tickets of device %d are still good", device)
			}
			if last, known := rig.r.lastGen(7, device); !known || last != nextGen(gen) {
				t.Errorf("device %d ended at generation %d, %v; it had %d", device, last, known, gen)
			}
		}
		rig.restart()
	}
	if got := rig.login(loginAsk{user: 7, device: 0, gen: old, static: staticKey(1)}); got.code != codec.CodeGenerationStale {
		t.Errorf("who remembers the old account is answered with code %d", got.code)
	}
	now := rig.enrol(loginAsk{user: 7, device: 0, token: 9, static: staticKey(1)})
	if now != nextGen(nextGen(old)) || rig.r.revoked(7, 0, now) || !rig.r.revoked(7, 0, old) {
		t.Errorf("generation %d after %d; revoked %v and %v", now, old, rig.r.revoked(7, 0, now), rig.r.revoked(7, 0, old))
	}
}

func TestAUserWithoutDevicesCanBeForgottenAndAFailureChangesNothing(t *testing.T) {
	rig := newRegistrarRig(t)
	people := &faultyPeople{People: peopleOf(t, rig)}
	if err := rig.r.forget(people, 8); err != nil {
		t.Errorf("a user whom nobody knows: %v", err)
	}
	gen := rig.enrol(loginAsk{user: 7, device: 0, token: 1, static: staticKey(1)})
	away := error(store.ErrAccountsAway)
	people.err.Store(&away)
	if err := rig.r.forget(people, 7); !errors.Is(err, store.ErrAccountsAway) {
		t.Errorf("got %v", err)
	}
	if rig.r.revoked(7, 0, gen) || rig.device(7, 0).Gen != gen {
		t.Error("something has changed")
	}
}

func TestCompanionsAreCountedWithoutThePrimaryAndTheRemoved(t *testing.T) {
	rig := newRegistrarRig(t)
	rig.r.companions = 2
	enrol := func(device uint8, token uint64) codec.ErrorCode {
		t.Helper()
		return rig.login(loginAsk{user: 7, device: device, token: token, static: staticKey(device + 1)}).code
	}
	for _, row := range []struct {
		what   string
		device uint8
		token  uint64
		remove bool
		want   codec.ErrorCode
	}{
		{what: "a first companion", device: 1, token: 1},
		{what: "a second one", device: 2, token: 1},
		{what: "a third one", device: 3, token: 1, want: codec.CodeNotAuthorized},
		{what: "the primary", device: 0, token: 1},
		{what: "a third one with a primary", device: 3, token: 1, want: codec.CodeNotAuthorized},
		{what: "a second one that comes anew", device: 2, token: 2},
		{what: "removing the first", device: 1, remove: true},
		{what: "the removed one when there is room", device: 1, token: 2},
		{what: "removing the first again", device: 1, remove: true},
		{what: "the third one when there is room", device: 3, token: 1},
		{what: "the removed one when there is none", device: 1, token: 3, want: codec.CodeNotAuthorized},
	} {
		if row.remove {
			if err := rig.r.removeDevice(7, row.device); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got := enrol(row.device, row.token); got != row.want {
			t.Errorf("%s: code %d, want %d", row.what, got, row.want)
		}
	}
	if c := rig.r.counters(); c.Companions != 3 || c.Faults != 0 || rig.log.lines() != 1 {
		t.Errorf("%d refused, %d faults, %d lines in the log", c.Companions, c.Faults, rig.log.lines())
	}
}
