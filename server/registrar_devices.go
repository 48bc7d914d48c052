package server

import (
	"errors"

	"trunkline/store"
)

// companionFits refuses a companion above the limit. Devices that are registered already, and primaries, are none.
func (r *registrar) companionFits(user uint64, device uint8, known *store.Device) error {
	if device == 0 || known != nil && !known.Removed() {
		return nil
	}
	u, err := r.accounts.User(user)
	if errors.Is(err, store.ErrNoUser) {
		return nil
	}
	if err != nil {
		return err
	}
	primary, err := r.device(user, 0)
	if err != nil {
		return err
	}
	companions := int(u.Devices)
	if primary != nil && !primary.Removed() {
		companions--
	}
	if companions >= r.companions {
		return errCompanionsFull
	}
	return nil
}

// lastGen is the generation that a device had reached which the accounts know no longer: its account was deleted, and tickets of it may still live.
func (r *registrar) lastGen(user uint64, device uint8) (gen uint16, known bool) {
	return r.revocations.present(user, device)
}

// forgetAll removes a user. Each device's next generation stays as a revocation for as long as a ticket of it can live; who registers anew goes on
// from there, so that nothing of the old registration is taken for the new one's.
func (r *registrar) forgetAll(people store.People, user uint64) error {
	devices, err := people.Devices(user)
	if err != nil {
		return err
	}
	var revoke []store.Revocation
	for i := range devices {
		next := devices[i]
		if !next.Removed() { // a removed device is at its next generation already
			next.Gen = nextGen(next.Gen)
		}
		revoke = append(revoke, *r.revocationOf(&next))
	}
	r.floor.Lock()
	defer r.floor.Unlock()
	err = people.Forget(user, revoke)
	if errors.Is(err, store.ErrRevocationsFull) {
		if err = r.raiseFloor(); err == nil {
			err = people.Forget(user, revoke)
		}
	}
	if err != nil {
		return err
	}
	for i := range revoke {
		r.revocations.set(&revoke[i], r.nowSec())
	}
	return nil
}

// raiseFloor has a second take the place of all revocations: no ticket from before it counts. r.floor is held.
func (r *registrar) raiseFloor() error {
	now := r.nowSec()
	before := r.revocations.nextBefore(now)
	if err := r.accounts.Apply(&store.AccountChange{NowSec: now, InvalidBefore: before}); err != nil {
		return err
	}
	r.revocations.invalidate(before)
	r.log.Warn("too many revocations: all tickets issued so far are refused", "before", before)
	return nil
}
