package server

import (
	"errors"
	"math/rand/v2"

	"trunkline/store"
)

// decide says with which generation a device may log in. It runs on the user's worker.
//
//	device known, same key   HELLO's gen is the account's       that generation
//	                         another gen                        stale
//	                         gen 0, token that began the gen    that generation
//	                         gen 0, another token or none       the next generation; tickets of the old one are revoked
//	not known                the verifier allows it             HELLO's gen (the accounts were lost), or one drawn at random; of a deleted
//	                                                            account, gen 0: the next generation, else stale
//	other key, or removed    the verifier allows it             gen 0: the next generation, tickets revoked; else stale
func (r *registrar) decide(a *loginAsk) (gen uint16, err error) {
	if a.user > store.UserMax {
		return 0, store.ErrUser
	}
	known, err := r.device(a.user, a.device)
	switch {
	case err != nil:
		return 0, err
	case known == nil || known.Removed() || known.Static != a.static:
		return r.register(a, known)
	case a.gen == known.Gen:
		return known.Gen, nil
	case a.gen != 0:
		return 0, errGenerationStale
	case a.token != 0 && a.token == known.Token:
		return known.Gen, nil
	}
	next := *known
	next.Gen, next.Token = nextGen(known.Gen), a.token
	if next.Sign == ([32]byte{}) {
		next.Sign = a.sign // it came without one at first; whoever has the static key may name it
	}
	r.meters.generations.Add(1)
	return next.Gen, r.change(&store.AccountChange{Device: &next, Revoke: r.revocationOf(&next)})
}

// register enrols a device that is not known, comes with another key, or was removed.
func (r *registrar) register(a *loginAsk, known *store.Device) (gen uint16, err error) {
	grant, err := r.verify(a, known)
	if err != nil {
		return 0, err
	}
	last, deleted := uint16(0), false
	if known == nil {
		last, deleted = r.lastGen(a.user, a.device)
	}
	if a.gen != 0 && (known != nil || deleted) {
		return 0, errGenerationStale // what it remembers is of another registration; the token is not used up
	}
	if err := r.companionFits(a.user, a.device, known); err != nil {
		return 0, err
	}
	device := store.Device{
		User: a.user, Device: a.device, LinkedBy: grant.LinkedBy, Static: a.static, Sign: a.sign,
		Gen: a.gen, Token: a.token, RegisteredSec: r.nowSec(),
	}
	change := store.AccountChange{Device: &device}
	switch {
	case known != nil:
		device.Gen = nextGen(known.Gen)
		change.Revoke = r.revocationOf(&device)
	case deleted:
		device.Gen = nextGen(last)
		change.Revoke = r.revocationOf(&device)
	case a.gen == 0:
		device.Gen = firstGen()
	}
	if grant.SingleUse {
		change.Used = &store.TokenUse{User: a.user, ID: grant.TokenID, Device: a.device, Static: a.static, ExpiresSec: grant.ExpiresSec}
	}
	if err := r.change(&change); err != nil {
		return 0, err
	}
	r.meters.registered.Add(1)
	return device.Gen, nil
}

// verify asks the verifier, and refuses a token that was used before: also by the same key. A device that is still registered with
// that key needs no token; one that was removed, or whose key was replaced, must not come back with its old one.
func (r *registrar) verify(a *loginAsk, known *store.Device) (Grant, error) {
	claim := Claim{User: a.user, Device: a.device, Static: a.static, Sign: a.sign, Proof: a.proof}
	if known != nil && !known.Removed() {
		claim.Known = known
	}
	primary, err := r.device(a.user, 0)
	if err != nil {
		return Grant{}, err
	}
	if primary != nil && !primary.Removed() {
		claim.Primary = primary
	}
	grant, err := r.verifier.Verify(claim, r.nowSec())
	if err != nil || !grant.SingleUse {
		return grant, err
	}
	_, err = r.accounts.Used(a.user, grant.TokenID)
	switch {
	case err == nil:
		return grant, ErrTokenRefused
	case errors.Is(err, store.ErrTokenUnused):
		return grant, nil
	}
	return grant, err
}

// remove leaves the device's next generation only.
func (r *registrar) remove(user uint64, device uint8) error {
	known, err := r.device(user, device)
	switch {
	case err != nil:
		return err
	case known == nil || known.Removed():
		return store.ErrNoDevice
	}
	gone := store.Device{User: user, Device: device, LinkedBy: device, Gen: nextGen(known.Gen)}
	return r.change(&store.AccountChange{Device: &gone, Revoke: r.revocationOf(&gone)})
}

// change makes a change durable, and known to the loops before the client is told. When there is no room for one more revocation
// all of them give way to a second before which no ticket counts: everybody does one contact flight more.
func (r *registrar) change(change *store.AccountChange) error {
	err := r.changeOne(change)
	if !errors.Is(err, store.ErrRevocationsFull) {
		return err
	}
	r.floor.Lock()
	defer r.floor.Unlock()
	change.InvalidBefore = r.revocations.nextBefore(change.NowSec)
	if err := r.accounts.Apply(change); err != nil {
		return err
	}
	r.revocations.invalidate(change.InvalidBefore)
	r.revocations.set(change.Revoke, change.NowSec)
	r.log.Warn("too many revocations: all tickets issued so far are refused", "before", change.InvalidBefore)
	return nil
}

func (r *registrar) changeOne(change *store.AccountChange) error {
	r.floor.RLock()
	defer r.floor.RUnlock()
	change.NowSec = r.nowSec()
	if err := r.accounts.Apply(change); err != nil {
		return err
	}
	if change.Revoke != nil {
		r.revocations.set(change.Revoke, change.NowSec)
	}
	return nil
}

// device reads a device; nil: it is not known.
func (r *registrar) device(user uint64, device uint8) (*store.Device, error) {
	d, err := r.accounts.Device(user, device)
	if errors.Is(err, store.ErrNoDevice) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &d, nil
}

func (r *registrar) revocationOf(d *store.Device) *store.Revocation {
	until := r.nowSec() + uint64(r.ticketLife.Seconds()) + revocationMarginSec
	return &store.Revocation{User: d.User, Device: d.Device, Gen: d.Gen, UntilSec: until}
}

// nextGen is the generation after gen. 0 means none and is passed over.
func nextGen(gen uint16) uint16 {
	if gen++; gen == 0 {
		return 1
	}
	return gen
}

// firstGen draws the first generation of a device, so that a server that lost its accounts does not give out the numbers
// that peers remember. The lower half leaves room above.
func firstGen() uint16 { return uint16(1 + rand.N(firstGenMax)) }
