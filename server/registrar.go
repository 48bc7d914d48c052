package server

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/store"
)

// Verifier decides whether a device that is not known, or comes with another key than before, may register.
// It is called by the registrar's goroutines, several at once, never by a loop.
type Verifier interface {
	// Verify judges a claim at a unix second. Errors: ErrNotRegistered (nothing was shown that would allow it), ErrTokenRefused
	// (what was shown is forged, expired, or for somebody else); others count as faults of the server.
	Verify(claim Claim, now uint64) (Grant, error)
}

// Claim is what a device that wants to register brings, and what is known of it.
type Claim struct {
	User    uint64
	Device  uint8
	Static  secure.PublicKey // proved by the handshake
	Sign    [32]byte         // Ed25519; zero: none named
	Proof   []byte           // the registration token; empty: none. Not to be kept
	Primary *store.Device    // the user's device 0; nil: there is none
	Known   *store.Device    // the device, registered with another key; nil: not known, or removed
}

// Grant is what a verifier has to say about a claim that it allows.
type Grant struct {
	SingleUse  bool    // TokenID registers once: the registrar keeps it
	TokenID    [8]byte // the token's id, unique for the user
	ExpiresSec uint64  // unix second after which the verifier refuses that token by itself
	LinkedBy   uint8   // the device that signed the link; the claim's own device: none did
}

// registrarConfig is what a registrar works with.
type registrarConfig struct {
	accounts   store.Accounts
	verifier   Verifier
	post       func(loop int, msg []byte) error // to a loop, from any goroutine
	now        func() int64                     // unix milliseconds, from any goroutine
	ticketLife time.Duration                    // no ticket lives longer
	companions int                              // that may be registered beside a primary
	log        *slog.Logger
}

// registrar answers what loops ask about devices, so that no loop waits for the disk. A user's questions are answered one
// after the other by the worker that the user's number picks: two questions of one device can't begin two generations.
// Its methods may be called from any goroutine; loops call ask and revoked only, which never wait.
type registrar struct {
	registrarConfig
	revocations *revocations
	queues      [registrarWorkers]chan registrarJob
	quit        chan struct{} // closed by close
	closing     sync.Once
	workers     sync.WaitGroup
	meters      registrarMeters
	lastLogMs   atomic.Int64
	floor       sync.RWMutex // held alone while one second takes the place of all revocations, shared while one is made
}

// registrarJob is a question of a loop, or, when there is an order, that.
type registrarJob struct {
	ask   loginAsk
	order func() error
	done  chan error // takes the order's outcome; has room for it
}

// newRegistrar reads the revocations and starts the workers; close ends them. The accounts stay the caller's to close, afterwards.
func newRegistrar(cfg registrarConfig) (*registrar, error) {
	r := &registrar{registrarConfig: cfg, revocations: newRevocations(), quit: make(chan struct{})}
	if err := r.loadRevocations(); err != nil {
		return nil, err
	}
	for i := range r.queues {
		queue := make(chan registrarJob, registrarQueueMax/registrarWorkers)
		r.queues[i] = queue
		r.workers.Go(func() { r.work(queue) }) // ends with close
	}
	return r, nil
}

// loadRevocations fills the memory from the accounts. Accounts that are new know of no removal, so no older ticket is taken.
func (r *registrar) loadRevocations() error {
	all, err := r.accounts.Revocations()
	if err != nil {
		return err
	}
	if all.InvalidBefore == 0 {
		all.InvalidBefore = max(r.nowSec(), 1)
		if err := r.accounts.Apply(&store.AccountChange{NowSec: all.InvalidBefore, InvalidBefore: all.InvalidBefore}); err != nil {
			return err
		}
	}
	r.revocations.invalidate(all.InvalidBefore)
	for i := range all.List {
		r.revocations.set(&all.List[i], r.nowSec())
	}
	return nil
}

// close ends the workers after what they have in hand. Questions that still wait get no answer. Safe to call twice.
func (r *registrar) close() {
	r.closing.Do(func() { close(r.quit) })
	r.workers.Wait()
}

// ask takes a loop's question; the answer is posted to that loop. false: the queue is full, the client should come back later.
func (r *registrar) ask(a *loginAsk) bool {
	select {
	case r.queueOf(a.user) <- registrarJob{ask: *a}:
		r.meters.asks.Add(1)
		return true
	default:
		r.meters.full.Add(1)
		return false
	}
}

// removeDevice forgets a device's keys and revokes its tickets. A session that is live goes on until it ends.
// Errors: ErrRegistrarFull, ErrRegistrarClosed, store.ErrNoDevice, or the accounts'.
func (r *registrar) removeDevice(user uint64, device uint8) error {
	return r.carryOut(user, func() error { return r.remove(user, device) })
}

// forget removes a user from the accounts and revokes all tickets of its devices. Errors: ErrRegistrarFull, ErrRegistrarClosed, or the accounts'.
func (r *registrar) forget(people store.People, user uint64) error {
	return r.carryOut(user, func() error { return r.forgetAll(people, user) })
}

// carryOut has an order carried out by the user's worker, and waits for it.
func (r *registrar) carryOut(user uint64, order func() error) error {
	job := registrarJob{order: order, done: make(chan error, 1)}
	select {
	case r.queueOf(user) <- job:
	default:
		return ErrRegistrarFull
	}
	select {
	case err := <-job.done:
		return err
	case <-r.quit:
		return ErrRegistrarClosed
	}
}

// revoked says whether tickets of a generation of a device are refused. It allocates nothing and waits for no disk.
func (r *registrar) revoked(user uint64, device uint8, gen uint16) bool {
	return r.revocations.revoked(user, device, gen)
}

// ticketsInvalidBefore is the unix second that tickets must not be issued before. It rises when there were too many
// revocations to keep each of them, and when the accounts are new.
func (r *registrar) ticketsInvalidBefore() int64 { return r.revocations.before.Load() }

func (r *registrar) queueOf(user uint64) chan registrarJob { return r.queues[user%registrarWorkers] }

func (r *registrar) nowSec() uint64 { return uint64(max(r.now(), 0)) / 1000 }

// work is one worker's goroutine.
func (r *registrar) work(queue <-chan registrarJob) {
	for {
		select {
		case <-r.quit:
			return
		default:
		}
		select {
		case <-r.quit:
			return
		case job := <-queue:
			r.serve(&job)
		}
	}
}

func (r *registrar) serve(job *registrarJob) {
	began := time.Now()
	defer func() { r.meters.spentNs.Add(time.Since(began).Nanoseconds()) }()
	if job.order != nil {
		job.done <- job.order()
		return
	}
	gen, err := r.decide(&job.ask)
	answer := loginAnswer{conn: job.ask.conn, code: r.codeOf(&job.ask, err)}
	switch answer.code {
	case codec.CodeNone:
		answer.gen = gen
	case codec.CodeBusy:
		answer.retryAfterMs = uint32(registrarRetryAfter.Milliseconds()/2 + rand.Int64N(registrarRetryAfter.Milliseconds()))
	}
	r.meters.answered(answer.code)
	if err := r.post(job.ask.loop, appendLoginAnswer(make([]byte, 0, loginAnswerBytes), &answer)); err != nil {
		r.meters.lost.Add(1) // the loop is overrun, or gone; the connection ends by its login timeout
	}
}

// codeOf tells the peer's faults from the server's, which are logged once in a while and passed off as busy: the client comes back.
func (r *registrar) codeOf(a *loginAsk, err error) codec.ErrorCode {
	switch {
	case err == nil:
		return codec.CodeNone
	case errors.Is(err, ErrNotRegistered):
		return codec.CodeNotRegistered
	case errors.Is(err, ErrTokenRefused), errors.Is(err, store.ErrTokenUsed):
		return codec.CodeTokenRefused
	case errors.Is(err, errGenerationStale):
		return codec.CodeGenerationStale
	case errors.Is(err, store.ErrUser), errors.Is(err, store.ErrDevicesFull):
		return codec.CodeNotAuthorized
	case errors.Is(err, errCompanionsFull):
		r.meters.companions.Add(1)
		if r.mayLog() {
			r.log.Warn("a companion is not registered: the user has as many as --companions allows; remove one first (trunkline device remove)",
				"user", a.user, "device", a.device, "companions", r.companions)
		}
		return codec.CodeNotAuthorized
	}
	r.meters.faults.Add(1)
	if r.mayLog() {
		r.log.Error("logins are turned away: the accounts can't be used", "err", err, "user", a.user, "device", a.device)
	}
	return codec.CodeBusy
}

// mayLog keeps lines that strangers cause rare.
func (r *registrar) mayLog() bool {
	now, last := r.now(), r.lastLogMs.Load()
	return (last == 0 || now-last >= registrarLogEvery.Milliseconds() || now < last) && r.lastLogMs.CompareAndSwap(last, now)
}
