package server

import (
	"bytes"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/netpoll"
	"trunkline/store"
)

// registrarRig is a registrar over accounts in memory, a clock that stands, and loops that collect answers.
type registrarRig struct {
	t        *testing.T
	r        *registrar
	accounts *faultyAccounts
	verifier *scriptedVerifier
	nowMs    atomic.Int64
	answers  chan loginAnswer
	postErr  atomic.Pointer[error]
	dropped  chan struct{} // takes one for each answer that postErr refused
	log      *lockedBuffer
	asked    netpoll.ConnID
}

const rigStartSec = 1_800_000_000

func newRegistrarRig(t *testing.T) *registrarRig {
	t.Helper()
	accounts, err := store.OpenMemoryAccounts()
	if err != nil {
		t.Fatal(err)
	}
	rig := &registrarRig{
		t: t, accounts: &faultyAccounts{Accounts: accounts}, verifier: &scriptedVerifier{},
		answers: make(chan loginAnswer, 2*registrarQueueMax), dropped: make(chan struct{}, 1), log: &lockedBuffer{},
	}
	rig.nowMs.Store(rigStartSec * 1000)
	rig.start()
	t.Cleanup(func() {
		rig.r.close()
		if err := accounts.Close(); err != nil {
			t.Error(err)
		}
	})
	return rig
}

func (rig *registrarRig) start() {
	rig.t.Helper()
	r, err := newRegistrar(registrarConfig{
		accounts: rig.accounts, verifier: rig.verifier, post: rig.post, now: rig.nowMs.Load,
		ticketLife: 48 * time.Hour, companions: CompanionsMax, log: slog.New(slog.NewTextHandler(rig.log, nil)),
	})
	if err != nil {
		rig.t.Fatal(err)
	}
	rig.r = r
}

// restart is another process over the same accounts.
func (rig *registrarRig) restart() {
	rig.t.Helper()
	rig.r.close()
	rig.start()
}

func (rig *registrarRig) post(loop int, msg []byte) error {
	if err := rig.postErr.Load(); err != nil {
		rig.dropped <- struct{}{}
		return *err
	}
	if loop != 3 || len(msg) != loginAnswerBytes || msg[0] != askLogin {
		rig.t.Errorf("posted to loop %d: %x", loop, msg)
		return nil
	}
	rig.answers <- parseLoginAnswer(msg)
	return nil
}

// answer waits for one answer.
func (rig *registrarRig) answer() loginAnswer {
	rig.t.Helper()
	select {
	case a := <-rig.answers:
		return a
	case <-time.After(10 * time.Second):
		rig.t.Fatal("no answer")
		return loginAnswer{}
	}
}

// login asks and waits for the answer to just that.
func (rig *registrarRig) login(a loginAsk) loginAnswer {
	rig.t.Helper()
	rig.asked++
	a.loop, a.conn = 3, rig.asked
	if !rig.r.ask(&a) {
		rig.t.Fatal("the queue is full")
	}
	got := rig.answer()
	if got.conn != rig.asked {
		rig.t.Fatalf("answer for connection %d, want %d", got.conn, rig.asked)
	}
	return got
}

// enrol logs a device in for the first time and gives its generation.
func (rig *registrarRig) enrol(a loginAsk) uint16 {
	rig.t.Helper()
	got := rig.login(a)
	if got.code != codec.CodeNone || got.gen == 0 {
		rig.t.Fatalf("enrolling %d.%d: %+v", a.user, a.device, got)
	}
	return got.gen
}

func (rig *registrarRig) device(user uint64, device uint8) store.Device {
	rig.t.Helper()
	d, err := rig.accounts.Device(user, device)
	if err != nil {
		rig.t.Fatal(err)
	}
	return d
}

// scriptedVerifier says what it is told to. It keeps the last claim.
type scriptedVerifier struct {
	mu    sync.Mutex
	grant Grant
	err   error
	claim Claim
	asked int
}

func (v *scriptedVerifier) Verify(claim Claim, now uint64) (Grant, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.claim = claim
	v.asked++
	return v.grant, v.err
}

func (v *scriptedVerifier) says(grant Grant, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.grant, v.err = grant, err
}

func (v *scriptedVerifier) last() (Claim, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.claim, v.asked
}

// faultyAccounts fail when they are told to, and stop when they are held.
type faultyAccounts struct {
	store.Accounts
	readErr  atomic.Pointer[error]
	applyErr atomic.Pointer[error] // taken by one Apply
	entered  chan struct{}         // nil, or takes one for each read
	held     chan struct{}         // a read that was entered goes on when this is closed
	applies  atomic.Int64
}

func (f *faultyAccounts) Device(user uint64, device uint8) (store.Device, error) {
	if f.entered != nil {
		f.entered <- struct{}{}
		<-f.held
	}
	if err := f.readErr.Load(); err != nil {
		return store.Device{}, *err
	}
	return f.Accounts.Device(user, device)
}

func (f *faultyAccounts) Apply(change *store.AccountChange) error {
	f.applies.Add(1)
	if err := f.applyErr.Swap(nil); err != nil {
		return *err
	}
	return f.Accounts.Apply(change)
}

// lockedBuffer takes log lines of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) lines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte("\n"))
}

func staticKey(b byte) secure.PublicKey { return secure.PublicKey{b, 31: b} }
