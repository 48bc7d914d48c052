package server

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/netpoll"
	"trunkline/store"
)

func TestAFullQueueRefusesAndGoesOn(t *testing.T) {
	const user = 7
	rig := newRegistrarRig(t)
	rig.accounts.entered, rig.accounts.held = make(chan struct{}, 2*registrarQueueMax), make(chan struct{})
	ask := func(conn int) bool {
		return rig.r.ask(&loginAsk{loop: 3, conn: netpoll.ConnID(conn), user: user, token: 5, static: staticKey(1)})
	}
	if !ask(0) {
		t.Fatal("an empty queue is full")
	}
	<-rig.accounts.entered // the worker has it in hand
	const room = registrarQueueMax / registrarWorkers
	for i := range room {
		if !ask(1 + i) {
			t.Fatalf("full after %d questions", i)
		}
	}
	for range 3 {
		if ask(9999) {
			t.Fatal("a full queue took one more")
		}
	}
	if err := rig.r.removeDevice(user, 0); !errors.Is(err, ErrRegistrarFull) {
		t.Errorf("a removal on a full queue: %v", err)
	}
	if c := rig.r.counters(); c.Full != 3 || c.Queued != room || c.Asks != room+1 {
		t.Errorf("counters: full %d, queued %d, asks %d", c.Full, c.Queued, c.Asks)
	}
	if !rig.r.ask(&loginAsk{loop: 3, conn: 5000, user: user + 1, static: staticKey(2)}) {
		t.Error("the other worker's queue is full too")
	}
	close(rig.accounts.held)
	for range room + 2 {
		if a := rig.answer(); a.code != codec.CodeNone {
			t.Fatalf("answer %+v", a)
		}
	}
	if c := rig.r.counters(); c.Queued != 0 {
		t.Errorf("%d are left in the queue", c.Queued)
	}
}

func TestAccountsInTroubleMakeClientsComeBack(t *testing.T) {
	damaged := fmt.Errorf("accounts in /x: %w", store.ErrAccountsDamaged)
	full := fmt.Errorf("accounts in /x: %w", store.ErrDiskFull)
	rig := newRegistrarRig(t)
	gen := rig.enrol(loginAsk{user: 7, token: 1, static: staticKey(1)})
	inTrouble := func() {
		t.Helper()
		a := rig.login(loginAsk{user: 7, token: 2, static: staticKey(1)})
		least := uint32(registrarRetryAfter.Milliseconds() / 2)
		if a.code != codec.CodeBusy || a.retryAfterMs < least || a.retryAfterMs >= 3*least || a.gen != 0 {
			t.Errorf("answer %+v", a)
		}
	}
	rig.accounts.readErr.Store(&damaged)
	for range 3 {
		inTrouble()
	}
	if n := rig.log.lines(); n != 1 {
		t.Errorf("%d log lines for three faults in one interval", n)
	}
	rig.nowMs.Add(registrarLogEvery.Milliseconds())
	inTrouble()
	if n := rig.log.lines(); n != 2 {
		t.Errorf("%d log lines in two intervals", n)
	}
	rig.accounts.readErr.Store(nil)
	rig.accounts.applyErr.Store(&full)
	inTrouble()
	if rig.r.revoked(7, 0, gen) {
		t.Error("a generation that could not be begun revoked the tickets of the one before")
	}
	if got := rig.enrol(loginAsk{user: 7, token: 2, static: staticKey(1)}); got != gen+1 {
		t.Errorf("afterwards: generation %d, want %d", got, gen+1)
	}
	if c := rig.r.counters(); c.Faults != 5 || c.Answers[codec.CodeBusy] != 5 {
		t.Errorf("counters: %+v", c)
	}
}

func TestAClockSetBackDoesNotSilenceTheLog(t *testing.T) {
	rig := newRegistrarRig(t)
	broken := errors.New("broken")
	rig.accounts.readErr.Store(&broken)
	rig.login(loginAsk{user: 7, static: staticKey(1)})
	rig.nowMs.Add(-time.Hour.Milliseconds())
	rig.login(loginAsk{user: 7, static: staticKey(1)})
	if n := rig.log.lines(); n != 2 {
		t.Errorf("%d log lines, want 2", n)
	}
}

func TestTooManyRevocationsRefuseAllOlderTickets(t *testing.T) {
	rig := newRegistrarRig(t)
	for user := range uint64(4) {
		rig.enrol(loginAsk{user: user, token: 1, static: staticKey(1)})
		rig.enrol(loginAsk{user: user, token: 2, static: staticKey(1)})
	}
	old := rig.enrol(loginAsk{user: 9, token: 1, static: staticKey(1)})
	full := fmt.Errorf("accounts: %w", store.ErrRevocationsFull)
	rig.accounts.applyErr.Store(&full)
	rig.nowMs.Add(60_000)
	gen := rig.enrol(loginAsk{user: 9, token: 3, static: staticKey(1)})
	for range 2 {
		if got := rig.r.ticketsInvalidBefore(); got != rigStartSec+61 {
			t.Errorf("tickets count from %d, want %d", got, rigStartSec+61)
		}
		if c := rig.r.counters(); c.Revocations != 1 || !rig.r.revoked(9, 0, old) || rig.r.revoked(9, 0, gen) {
			t.Errorf("%d revocations, want the last one only", c.Revocations)
		}
		rig.restart()
	}
}

func TestRevocationsOutliveTheProcess(t *testing.T) {
	rig := newRegistrarRig(t)
	gens := map[uint64]uint16{}
	for user := range uint64(200) {
		rig.enrol(loginAsk{user: user, token: 1, static: staticKey(1)})
		gens[user] = rig.enrol(loginAsk{user: user, token: 2, static: staticKey(1)})
	}
	rig.nowMs.Add(1000)
	rig.restart()
	for user, gen := range gens {
		if !rig.r.revoked(user, 0, gen-1) || rig.r.revoked(user, 0, gen) || rig.r.revoked(user, 1, gen-1) {
			t.Errorf("user %d: generation %d", user, gen)
		}
	}
	if got := rig.r.ticketsInvalidBefore(); got != rigStartSec {
		t.Errorf("tickets count from %d: a start is no reason to refuse any", got)
	}
}

func TestNewAccountsTakeNoTicketsFromBefore(t *testing.T) {
	rig := newRegistrarRig(t)
	if got := rig.r.ticketsInvalidBefore(); got != rigStartSec {
		t.Errorf("tickets count from %d, want %d", got, rigStartSec)
	}
}

func TestRevocationsAreForgottenADayAfterTheyExpire(t *testing.T) {
	v := newRevocations()
	note := func(device uint8, until, now uint64) {
		v.set(&store.Revocation{User: 7, Device: device, Gen: 2, UntilSec: until}, now)
	}
	note(0, 1000, 500)
	note(1, 1000+revocationSlackSec, 500)
	note(2, 1<<40, 500+revocationPurgeSec-1)
	note(3, 1<<40, 1000+revocationSlackSec)
	if v.len() != 4 || !v.revoked(7, 0, 1) {
		t.Errorf("%d revocations on the last second of the slack, want 4", v.len())
	}
	note(3, 1<<40, 1000+revocationSlackSec+revocationPurgeSec)
	if v.len() != 3 || v.revoked(7, 0, 1) || !v.revoked(7, 1, 1) {
		t.Errorf("%d revocations later, want 3", v.len())
	}
	note(0, 1000, 1) // a clock that was set back
	if v.len() != 4 {
		t.Errorf("%d revocations after the clock was set back, want 4", v.len())
	}
}

func TestCloseEndsTheWorkersAndLeavesTheRest(t *testing.T) {
	rig := newRegistrarRig(t)
	rig.accounts.entered, rig.accounts.held = make(chan struct{}, 16), make(chan struct{})
	for range 3 {
		rig.r.ask(&loginAsk{loop: 3, user: 7, static: staticKey(1)})
	}
	<-rig.accounts.entered
	removed := make(chan error, 1)
	go func() { removed <- rig.r.removeDevice(7, 0) }() // ends with close
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(rig.r.close) // ends when the worker has let go
	}
	if err := <-removed; !errors.Is(err, ErrRegistrarClosed) {
		t.Errorf("a removal that waited: %v", err)
	}
	close(rig.accounts.held)
	wg.Wait()
	if n := len(rig.answers); n != 1 {
		t.Errorf("%d answers, want the one in hand", n)
	}
}

func TestAStartWithoutAccountsFails(t *testing.T) {
	accounts, err := store.OpenMemoryAccounts()
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := newRegistrar(registrarConfig{accounts: accounts}); !errors.Is(err, store.ErrAccountsClosed) {
		t.Errorf("newRegistrar: %v", err)
	}
}

func TestLookingForARevocationAllocatesNothing(t *testing.T) {
	rig := newRegistrarRig(t)
	rig.enrol(loginAsk{user: 7, token: 1, static: staticKey(1)})
	gen := rig.enrol(loginAsk{user: 7, token: 2, static: staticKey(1)})
	var hits int
	if n := testing.AllocsPerRun(100, func() {
		if rig.r.revoked(7, 0, gen-1) && !rig.r.revoked(8, 0, gen) && rig.r.ticketsInvalidBefore() > 0 {
			hits++
		}
	}); n != 0 || hits == 0 {
		t.Errorf("%v allocations, %d hits", n, hits)
	}
}

func BenchmarkRevoked(b *testing.B) {
	v := newRevocations()
	for user := range uint64(store.RevocationsMax) {
		v.set(&store.Revocation{User: user, Gen: 2, UntilSec: 1 << 40}, 1)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for user := uint64(0); pb.Next(); user++ {
			if v.revoked(user*2, 0, 2) {
				b.Error("the present generation is refused")
			}
		}
	})
}

// BenchmarkLoginOfAKnownDevice is what a worker spends on a contact flight of a registered device, accounts in memory.
func BenchmarkLoginOfAKnownDevice(b *testing.B) {
	accounts, err := store.OpenMemoryAccounts()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = accounts.Close() }()
	r := &registrar{registrarConfig: registrarConfig{accounts: accounts, now: func() int64 { return 1 }}, revocations: newRevocations()}
	for user := range uint64(1000) {
		d := store.Device{User: user, Gen: 5, Static: staticKey(1)}
		if err := accounts.Apply(&store.AccountChange{Device: &d}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := r.decide(&loginAsk{user: uint64(i % 1000), gen: 5, static: staticKey(1)}); err != nil {
			b.Fatal(err)
		}
	}
}
