package server

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"trunkline/codec"
	"trunkline/netpoll"
	"trunkline/store"
)

func TestAKnownDeviceLogsInByItsGeneration(t *testing.T) {
	for _, row := range []struct {
		name string
		gen  int // of the HELLO, from the account's
		code codec.ErrorCode
	}{
		{name: "its own generation", gen: 0},
		{name: "an older generation is stale", gen: -1, code: codec.CodeGenerationStale},
		{name: "a generation that was never given out is stale", gen: 1, code: codec.CodeGenerationStale},
	} {
		t.Run(row.name, func(t *testing.T) {
			rig := newRegistrarRig(t)
			first := rig.enrol(loginAsk{user: 7, token: 5, static: staticKey(1)})
			gen := rig.enrol(loginAsk{user: 7, token: 6, static: staticKey(1)})
			if gen != nextGen(first) {
				t.Fatalf("generations %d and %d", first, gen)
			}
			_, before := rig.verifier.last()
			got := rig.login(loginAsk{user: 7, gen: uint16(int(gen) + row.gen), static: staticKey(1)})
			if got.code != row.code || got.code == codec.CodeNone && got.gen != gen {
				t.Errorf("answer %+v, want code %d", got, row.code)
			}
			if _, after := rig.verifier.last(); after != before {
				t.Error("the verifier was asked about a device that is registered")
			}
		})
	}
}

func TestWithoutStateTheTokenNamesTheGeneration(t *testing.T) {
	rig := newRegistrarRig(t)
	first := rig.enrol(loginAsk{user: 7, token: 5, static: staticKey(1)})
	if first > firstGenMax {
		t.Errorf("the first generation is %d, at most %d is drawn", first, firstGenMax)
	}
	for _, row := range []struct {
		name  string
		token uint64
		want  uint16
	}{
		{"the token that began the generation gives it again", 5, first},
		{"and again", 5, first},
		{"another token begins the next", 6, first + 1},
		{"the old token begins one more", 5, first + 2},
		{"no token begins one", 0, first + 3},
		{"and one each time", 0, first + 4},
	} {
		if got := rig.enrol(loginAsk{user: 7, token: row.token, static: staticKey(1)}); got != row.want {
			t.Errorf("%s: generation %d, want %d", row.name, got, row.want)
		}
		if d := rig.device(7, 0); d.Gen != row.want || d.Token != row.token {
			t.Errorf("%s: kept %d of token %d", row.name, d.Gen, d.Token)
		}
		for gen := first; gen < row.want; gen++ {
			if !rig.r.revoked(7, 0, gen) {
				t.Errorf("%s: tickets of generation %d are still good", row.name, gen)
			}
		}
		if rig.r.revoked(7, 0, row.want) {
			t.Errorf("%s: tickets of generation %d are refused", row.name, row.want)
		}
	}
	if c := rig.r.counters(); c.Generations != 4 || c.Registered != 1 || c.Revocations != 1 || c.Asks != 7 || c.Answers[codec.CodeNone] != 7 {
		t.Errorf("counters: %+v", c)
	}
}

func TestTheGenerationAfterTheLastIsOne(t *testing.T) {
	rig := newRegistrarRig(t)
	if got := rig.enrol(loginAsk{user: 7, gen: 65_535, static: staticKey(1)}); got != 65_535 {
		t.Fatalf("a device that the accounts lost got generation %d", got)
	}
	if got := rig.enrol(loginAsk{user: 7, token: 9, static: staticKey(1)}); got != 1 {
		t.Errorf("generation %d follows 65,535", got)
	}
	if nextGen(1) != 2 || nextGen(65_534) != 65_535 {
		t.Error("nextGen does not count")
	}
}

func TestTheVerifierDecidesAboutOthers(t *testing.T) {
	oops := errors.New("no such table")
	for _, row := range []struct {
		name    string
		known   bool // the device is registered with another key
		removed bool
		gen     uint16 // of the HELLO
		err     error
		want    codec.ErrorCode
	}{
		{name: "an unknown device that is allowed is enrolled"},
		{name: "an unknown device that is not allowed is not", err: ErrNotRegistered, want: codec.CodeNotRegistered},
		{name: "an unknown device with a bad token is told so", err: fmt.Errorf("forged: %w", ErrTokenRefused), want: codec.CodeTokenRefused},
		{name: "a verifier in trouble is the server's fault", err: oops, want: codec.CodeBusy},
		{name: "another key that is allowed takes the place", known: true},
		{name: "another key that is not allowed does not", known: true, err: ErrNotRegistered, want: codec.CodeNotRegistered},
		{name: "another key with an old generation begins anew", known: true, gen: 9, want: codec.CodeGenerationStale},
		{name: "another key that is not allowed learns nothing of generations", known: true, gen: 9, err: ErrTokenRefused, want: codec.CodeTokenRefused},
		{name: "a removed device that is allowed is enrolled again", known: true, removed: true},
		{name: "a removed device that is not allowed stays away", known: true, removed: true, err: ErrNotRegistered, want: codec.CodeNotRegistered},
		{name: "a removed device with its old generation begins anew", known: true, removed: true, gen: 9, want: codec.CodeGenerationStale},
	} {
		t.Run(row.name, func(t *testing.T) {
			rig := newRegistrarRig(t)
			var old uint16
			if row.known {
				old = rig.enrol(loginAsk{user: 7, device: 2, token: 1, static: staticKey(1)})
			}
			if row.removed {
				if err := rig.r.removeDevice(7, 2); err != nil {
					t.Fatal(err)
				}
				old++
			}
			rig.verifier.says(Grant{LinkedBy: 2}, row.err)
			ask := loginAsk{user: 7, device: 2, gen: row.gen, token: 1, static: staticKey(9), sign: [32]byte{8}, proof: []byte("proof")}
			got := rig.login(ask)
			if got.code != row.want {
				t.Fatalf("code %d, want %d", got.code, row.want)
			}
			if row.want != codec.CodeNone {
				return
			}
			if row.known && got.gen != nextGen(old) {
				t.Errorf("generation %d after %d", got.gen, old)
			}
			if row.known && !rig.r.revoked(7, 2, old) {
				t.Error("the tickets of the old key are still good")
			}
			want := store.Device{User: 7, Device: 2, LinkedBy: 2, Gen: got.gen, Static: staticKey(9), Sign: [32]byte{8}, Token: 1, RegisteredSec: rigStartSec}
			if d := rig.device(7, 2); d != want {
				t.Errorf("kept %+v, want %+v", d, want)
			}
		})
	}
}

func TestTheVerifierSeesWhatIsKnown(t *testing.T) {
	rig := newRegistrarRig(t)
	rig.enrol(loginAsk{user: 7, device: 0, token: 1, static: staticKey(1), sign: [32]byte{1}})
	rig.enrol(loginAsk{user: 7, device: 2, token: 1, static: staticKey(2)})
	primary, known := rig.device(7, 0), rig.device(7, 2)
	for _, row := range []struct {
		name string
		ask  loginAsk
		want Claim
	}{
		{"a new companion", loginAsk{user: 7, device: 3, static: staticKey(3), proof: []byte{1}},
			Claim{User: 7, Device: 3, Static: staticKey(3), Proof: []byte{1}, Primary: &primary}},
		{"a companion with another key", loginAsk{user: 7, device: 2, static: staticKey(4), sign: [32]byte{4}},
			Claim{User: 7, Device: 2, Static: staticKey(4), Sign: [32]byte{4}, Primary: &primary, Known: &known}},
		{"a stranger", loginAsk{user: 8, device: 2, static: staticKey(4)}, Claim{User: 8, Device: 2, Static: staticKey(4)}},
	} {
		rig.verifier.says(Grant{}, ErrNotRegistered)
		rig.login(row.ask)
		if got, _ := rig.verifier.last(); !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
	for _, device := range []uint8{0, 2} {
		if err := rig.r.removeDevice(7, device); err != nil {
			t.Fatal(err)
		}
	}
	rig.login(loginAsk{user: 7, device: 2, static: staticKey(2)})
	if got, _ := rig.verifier.last(); got.Primary != nil || got.Known != nil {
		t.Errorf("removed devices are still known: %+v", got)
	}
}

func TestATokenRegistersOnce(t *testing.T) {
	rig := newRegistrarRig(t)
	grant := Grant{SingleUse: true, TokenID: [8]byte{1}, ExpiresSec: rigStartSec + 3600}
	rig.verifier.says(grant, nil)
	first := rig.enrol(loginAsk{user: 7, token: 5, static: staticKey(1)})
	if use, err := rig.accounts.Used(7, grant.TokenID); err != nil || use.Static != staticKey(1) || use.ExpiresSec != grant.ExpiresSec {
		t.Fatalf("the use is kept as %+v, %v", use, err)
	}
	if got := rig.enrol(loginAsk{user: 7, token: 5, static: staticKey(1)}); got != first {
		t.Errorf("the same device came again for its answer and got generation %d, want %d", got, first)
	}
	for _, row := range []struct {
		name string
		ask  loginAsk
	}{
		{"another key in its place", loginAsk{user: 7, token: 5, static: staticKey(2)}},
		{"the same key as another device", loginAsk{user: 7, device: 1, token: 5, static: staticKey(1)}},
	} {
		if got := rig.login(row.ask); got.code != codec.CodeTokenRefused {
			t.Errorf("%s: code %d", row.name, got.code)
		}
	}
	if err := rig.r.removeDevice(7, 0); err != nil {
		t.Fatal(err)
	}
	if got := rig.login(loginAsk{user: 7, token: 5, static: staticKey(1)}); got.code != codec.CodeTokenRefused {
		t.Errorf("a removed device came back with its old token: code %d", got.code)
	}
	rig.enrol(loginAsk{user: 8, token: 5, static: staticKey(1)}) // ids are each user's own
}

func TestAStaleGenerationDoesNotUseUpTheToken(t *testing.T) {
	rig := newRegistrarRig(t)
	rig.enrol(loginAsk{user: 7, token: 5, static: staticKey(1)})
	rig.verifier.says(Grant{SingleUse: true, TokenID: [8]byte{1}, ExpiresSec: rigStartSec + 3600}, nil)
	if got := rig.login(loginAsk{user: 7, gen: 77, static: staticKey(2)}); got.code != codec.CodeGenerationStale {
		t.Fatalf("code %d", got.code)
	}
	rig.enrol(loginAsk{user: 7, token: 6, static: staticKey(2)})
}

func TestASignKeyIsKeptOnceAndNotReplaced(t *testing.T) {
	rig := newRegistrarRig(t)
	rig.enrol(loginAsk{user: 7, token: 1, static: staticKey(1)})
	for i, want := range [][32]byte{{}, {4}, {4}} {
		ask := loginAsk{user: 7, token: uint64(i + 2), static: staticKey(1)}
		if i > 0 {
			ask.sign = [32]byte{byte(3 + i)}
		}
		rig.enrol(ask)
		if got := rig.device(7, 0).Sign; got != want {
			t.Errorf("login %d: the key is %x, want %x", i, got[0], want[0])
		}
	}
}

func TestARemovedDeviceIsForgottenAndItsTicketsAreRefused(t *testing.T) {
	rig := newRegistrarRig(t)
	gen := rig.enrol(loginAsk{user: 7, token: 5, static: staticKey(1)})
	rig.verifier.says(Grant{}, ErrNotRegistered)
	if err := rig.r.removeDevice(7, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !rig.r.revoked(7, 0, gen) {
			t.Error("the ticket is still good")
		}
		if got := rig.login(loginAsk{user: 7, gen: gen, static: staticKey(1)}); got.code != codec.CodeNotRegistered {
			t.Errorf("code %d", got.code)
		}
		rig.restart()
	}
	for _, device := range []uint8{0, 1} {
		if err := rig.r.removeDevice(7, device); !errors.Is(err, store.ErrNoDevice) {
			t.Errorf("removing device %d, which is not there: %v", device, err)
		}
	}
}

func TestIdsThatNobodyCanHaveAreRefused(t *testing.T) {
	rig := newRegistrarRig(t)
	if got := rig.login(loginAsk{user: store.UserMax + 1, static: staticKey(1)}); got.code != codec.CodeNotAuthorized {
		t.Errorf("code %d", got.code)
	}
	for i := range store.UserDevicesMax {
		rig.enrol(loginAsk{user: 7, device: uint8(i), static: staticKey(1)})
	}
	if got := rig.login(loginAsk{user: 7, device: 99, static: staticKey(1)}); got.code != codec.CodeNotAuthorized {
		t.Errorf("one device more than a user has: code %d", got.code)
	}
	if c := rig.r.counters(); c.Faults != 0 || c.Answers[codec.CodeNotAuthorized] != 2 {
		t.Errorf("counters: %+v", c)
	}
}

func TestTwoQuestionsAtOnceBeginOneGeneration(t *testing.T) {
	const users, times = 16, 8
	rig := newRegistrarRig(t)
	for user := range uint64(users) {
		for i := range times {
			conn := netpoll.ConnID(user*times + uint64(i))
			if !rig.r.ask(&loginAsk{loop: 3, conn: conn, user: user, token: 5, static: staticKey(1)}) {
				t.Fatal("the queue is full")
			}
		}
	}
	gens := map[uint64]uint16{}
	for range users * times {
		a := rig.answer()
		user := uint64(a.conn) / times
		if gens[user] == 0 {
			gens[user] = a.gen
		}
		if a.code != codec.CodeNone || a.gen != gens[user] {
			t.Errorf("user %d: %+v, want generation %d", user, a, gens[user])
		}
	}
	if applies := rig.accounts.applies.Load(); applies != users+1 {
		t.Errorf("%d changes for %d devices and one start", applies, users)
	}
}

func TestFirstGenerationsAreDrawn(t *testing.T) {
	seen := map[uint16]bool{}
	for range 64 {
		g := firstGen()
		if g == 0 || g > firstGenMax {
			t.Fatalf("drew %d", g)
		}
		seen[g] = true
	}
	if len(seen) < 32 {
		t.Errorf("64 draws gave %d generations", len(seen))
	}
}

func TestAnAnswerThatNoLoopTakesIsCounted(t *testing.T) {
	rig := newRegistrarRig(t)
	full := error(netpoll.ErrInboxFull)
	rig.postErr.Store(&full)
	if !rig.r.ask(&loginAsk{loop: 3, user: 7, static: staticKey(1)}) {
		t.Fatal("the queue is full")
	}
	<-rig.dropped
	rig.postErr.Store(nil)
	rig.login(loginAsk{user: 7, token: 1, static: staticKey(1)})
	if c := rig.r.counters(); c.Lost != 1 || c.Answers[codec.CodeNone] != 2 {
		t.Errorf("counters: %+v", c)
	}
}
