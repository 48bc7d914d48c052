package mysql

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"trunkline/store"
)

func TestFullLimitsRefuseAndWhatExpiredADayAgoMakesRoom(t *testing.T) {
	const now = 1_800_000_000
	a := opened(t, places(t, server(t), 1), quick(nil)) // of 8 each
	for i := range 8 {
		expires := uint64(now)
		if i >= 4 {
			expires = now + 10*purgeSlackSec
		}
		must(t, a.Apply(&store.AccountChange{NowSec: now, Used: &store.TokenUse{User: 9, ID: [8]byte{byte(i)}, ExpiresSec: expires}}))
		must(t, a.Apply(&store.AccountChange{NowSec: now, Revoke: &store.Revocation{User: 9, Device: uint8(i), UntilSec: expires}}))
	}
	full := func(nowSec uint64) {
		t.Helper()
		if err := a.Apply(&store.AccountChange{NowSec: nowSec, Used: &store.TokenUse{User: 9, ID: [8]byte{100}}}); err != store.ErrTokensFull {
			t.Errorf("one token more: %v", err)
		}
		if err := a.Apply(&store.AccountChange{NowSec: nowSec, Device: someDevice(9, 0, 1), Revoke: &store.Revocation{User: 9, Device: 100}}); err != store.ErrRevocationsFull {
			t.Errorf("one revocation more: %v", err)
		}
		if err := a.Forget(9, []store.Revocation{{User: 9, Device: 7}, {User: 9, Device: 100}}); err != store.ErrRevocationsFull {
			t.Errorf("one revocation more with Forget: %v", err)
		}
	}
	full(now)
	if _, err := a.Device(9, 0); err != store.ErrNoDevice {
		t.Errorf("half of a refused change: %v", err)
	}
	must(t, a.Apply(&store.AccountChange{NowSec: now, Used: &store.TokenUse{User: 9, ID: [8]byte{1}, ExpiresSec: now}, Revoke: &store.Revocation{User: 9, Device: 1, UntilSec: now}}))
	full(now + purgeSlackSec - 1) // a second too early; and it has been looked
	full(now + purgeSlackSec - 1 + purgeFullEverySec - 1)
	must(t, a.Apply(&store.AccountChange{
		NowSec: now + purgeSlackSec - 1 + purgeFullEverySec, Used: &store.TokenUse{User: 9, ID: [8]byte{100}}, Revoke: &store.Revocation{User: 9, Device: 100},
	}))
	if st := a.Shards()[0]; st.Tokens != 5 || st.Revocations != 5 {
		t.Errorf("%d tokens and %d revocations are left, want 5 and 5", st.Tokens, st.Revocations)
	}
	if _, err := a.Used(9, [8]byte{0}); err != store.ErrTokenUnused {
		t.Errorf("an expired token is still there: %v", err)
	}
	if _, err := a.Used(9, [8]byte{4}); err != nil {
		t.Errorf("a token that has not expired is gone: %v", err)
	}
	must(t, a.Apply(&store.AccountChange{InvalidBefore: 500, Revoke: &store.Revocation{User: 9}}))
	must(t, a.Forget(9, nil))
	if st := a.Shards()[0]; st.Tokens != 0 || st.Revocations != 1 {
		t.Errorf("%d tokens and %d revocations are left, want 0 and 1", st.Tokens, st.Revocations)
	}
}

func TestAClockSetBackDoesNotStopThePurge(t *testing.T) {
	a := opened(t, places(t, server(t), 1), quick(nil))
	must(t, a.Apply(&store.AccountChange{NowSec: 1 << 40, Used: &store.TokenUse{User: 9, ExpiresSec: 1_000}}))
	must(t, a.Apply(&store.AccountChange{NowSec: 2 * purgeSlackSec}))
	if _, err := a.Used(9, [8]byte{}); err != store.ErrTokenUnused {
		t.Errorf("the expired token is still there: %v", err)
	}
}

func TestAChangeIsOfOneUser(t *testing.T) {
	a := opened(t, places(t, server(t), 3), quick(nil))
	if err := a.Apply(&store.AccountChange{Device: someDevice(7, 0, 1), Used: &store.TokenUse{User: 8}}); err != store.ErrUser {
		t.Errorf("two users: %v", err)
	}
}

func TestATokenIsUsedOnceByServersThatShareTheShards(t *testing.T) {
	const servers, rounds = 4, 15
	list := places(t, server(t), 3)
	var all []*Accounts
	o := quick(nil)
	o.limits = limits{tokens: 1 << 20, revocations: 1 << 20}
	for range servers {
		all = append(all, opened(t, list, o))
	}
	for round := range uint64(rounds) {
		var won atomic.Int64
		var wg sync.WaitGroup
		for i, a := range all {
			wg.Go(func() { // ends with its change
				d := someDevice(round, uint8(i), 1)
				switch err := a.Apply(&store.AccountChange{Device: d, Used: &store.TokenUse{User: round, Device: d.Device, Static: d.Static}}); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrTokenUsed):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		devices, err := all[0].Devices(round)
		must(t, err)
		if u, err := all[0].User(round); err != nil || won.Load() != 1 || len(devices) != 1 || u.Devices != 1 {
			t.Errorf("round %d: %d servers used the token, %d devices, %+v, %v", round, won.Load(), len(devices), u, err)
		}
	}
}

func TestRevocationsOfAllShardsAreGathered(t *testing.T) {
	a := opened(t, places(t, server(t), 3), options{pace: defaultPace, wait: lockWait, limits: limits{tokens: 100, revocations: 100}})
	for user := range uint64(30) {
		must(t, a.Apply(&store.AccountChange{Revoke: &store.Revocation{User: user, Gen: 2, UntilSec: 1 << 40}}))
	}
	var on [3]uint64 // a user of each shard
	for user := uint64(100); on[0] == 0 || on[1] == 0 || on[2] == 0; user++ {
		on[a.placement.shard(user)] = user
	}
	for i, before := range []uint64{300, 500, 400} {
		kept := a.Shards()[i].Revocations
		must(t, a.Apply(&store.AccountChange{InvalidBefore: before, Revoke: &store.Revocation{User: on[i], Gen: 9, UntilSec: 1 << 40}}))
		if st := a.Shards()[i]; kept == 0 || st.Revocations != 1 {
			t.Errorf("shard %d had %d revocations and has %d", i, kept, st.Revocations)
		}
	}
	all, err := a.Revocations()
	must(t, err)
	if all.InvalidBefore != 500 || len(all.List) != 3 {
		t.Errorf("before %d, %+v", all.InvalidBefore, all.List)
	}
}

func TestADamagedRecordIsSaidWhenItIsRead(t *testing.T) {
	s := server(t)
	for _, row := range []struct {
		name, harm string
		read       func(a *Accounts) error
	}{
		{"a generation 0", "UPDATE %s.devices SET gen = 0 WHERE user_id = 7", func(a *Accounts) error { _, err := a.Device(7, 0); return err }},
		{"a generation 0 among others", "UPDATE %s.devices SET gen = 0 WHERE user_id = 7", func(a *Accounts) error { _, err := a.Devices(7); return err }},
		{"a list that is cut off", "UPDATE %s.settings SET contacts = 'abc' WHERE user_id = 7", func(a *Accounts) error { _, err := a.Settings(7); return err }},
		{"a list that descends", "UPDATE %s.settings SET blocked = CONCAT(REPEAT('b', 8), REPEAT('a', 8)) WHERE user_id = 7", func(a *Accounts) error { _, err := a.Settings(7); return err }},
		{"settings of version 0", "UPDATE %s.settings SET version = 0 WHERE user_id = 7", func(a *Accounts) error { return a.SetSettings(someSettings(7, 1)) }},
		{"a table that is gone", "DROP TABLE %s.profiles", func(a *Accounts) error { _, err := a.Profile(7); return err }},
	} {
		list := places(t, s, 1)
		a := opened(t, list, quick(nil))
		must(t, a.Apply(generation(7, 1)))
		must(t, a.Apply(generation(8, 1)))
		must(t, a.SetSettings(someSettings(7, 1)))
		s.Exec(t, strings.Replace(row.harm, "%s", list[0].database, 1))
		if err := row.read(a); !errors.Is(err, store.ErrAccountsDamaged) || !strings.Contains(err.Error(), list[0].String()) {
			t.Errorf("%s: %v", row.name, err)
		}
		if _, err := a.Device(8, 0); err != nil {
			t.Errorf("%s: its neighbour: %v", row.name, err)
		}
		if !reachable(a) {
			t.Errorf("%s: the shard counts as away", row.name)
		}
	}
}
