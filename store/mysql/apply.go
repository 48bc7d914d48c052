package mysql

import (
	"errors"

	"trunkline/store"
)

// Apply implements store.Accounts. All of a change is about one user: its shard keeps it in one transaction.
func (a *Accounts) Apply(change *store.AccountChange) error {
	if err := change.Check(); err != nil {
		return err
	}
	user, ok := userOf(change)
	if !ok {
		return store.ErrUser
	}
	s := a.of(user)
	if err := s.purgeInTime(change.NowSec, a.limits); err != nil {
		return err
	}
	var tokens, revocations int64
	err := s.change(func(t *turn) (err error) {
		tokens, revocations, err = t.apply(change, a.limits)
		return err
	})
	if err != nil {
		return err
	}
	s.tokens.Add(tokens)
	if change.InvalidBefore != 0 {
		s.revocations.Store(revocations)
	} else {
		s.revocations.Add(revocations)
	}
	return nil
}

// userOf is the one user that a change is about; 0 for none, whose shard keeps what is nobody's.
func userOf(c *store.AccountChange) (user uint64, ok bool) {
	var named []uint64
	if c.Device != nil {
		named = append(named, c.Device.User)
	}
	if c.Used != nil {
		named = append(named, c.Used.User)
	}
	if c.Revoke != nil {
		named = append(named, c.Revoke.User)
	}
	for _, u := range named {
		if u != named[0] {
			return 0, false
		}
	}
	if len(named) == 0 {
		return 0, true
	}
	return named[0], true
}

// apply makes a change, and says how many tokens and revocations there are more.
func (t *turn) apply(change *store.AccountChange, limits limits) (tokens, revocations int64, err error) {
	if change.InvalidBefore != 0 {
		if _, err := t.exec(deleteRevocations); err != nil {
			return 0, 0, err
		}
		if _, err := t.exec(setInvalidBefore, change.InvalidBefore); err != nil {
			return 0, 0, err
		}
	}
	if change.Device != nil {
		if err := t.applyDevice(change.Device, change.NowSec); err != nil {
			return 0, 0, err
		}
	}
	if change.Used != nil {
		if tokens, err = t.applyUse(change.Used, limits.tokens); err != nil {
			return 0, 0, err
		}
	}
	if change.Revoke != nil {
		held := t.s.revocations.Load()
		if change.InvalidBefore != 0 {
			held = 0
		}
		revocations, err = t.applyRevocation(change.Revoke, limits.revocations-held)
	}
	return tokens, revocations, err
}

// applyDevice locks the user, so that its devices are counted by one at a time.
func (t *turn) applyDevice(d *store.Device, nowSec uint64) error {
	if _, err := t.exec(ownUser, d.User, nowSec); err != nil {
		return err
	}
	var devices uint8
	if err := t.row(lockUser, d.User).Scan(&devices); err != nil {
		return err
	}
	old, err := scanDevice(d.User, t.row(selectDevice, d.User, d.Device))
	err = none(err, store.ErrNoDevice)
	if err != nil && !errors.Is(err, store.ErrNoDevice) {
		return err
	}
	before, after := err == nil && !old.Removed(), !d.Removed()
	switch {
	case after && !before && devices >= store.UserDevicesMax:
		return store.ErrDevicesFull
	case after && !before:
		devices++
	case before && !after:
		devices--
	}
	if _, err := t.exec(setUserDevices, devices, d.User); err != nil {
		return err
	}
	_, err = t.exec(setDevice, d.User, d.Device, d.LinkedBy, d.Gen, d.Static[:], d.Sign[:], d.Token, d.RegisteredSec)
	return err
}

// applyUse writes the use of a token that nobody else has used.
func (t *turn) applyUse(u *store.TokenUse, most int64) (more int64, err error) {
	before, err := scanTokenUse(u.User, u.ID, t.row(lockTokenUse, u.User, u.ID[:]))
	err = none(err, store.ErrTokenUnused)
	switch {
	case err == nil && !u.SameUse(&before):
		return 0, store.ErrTokenUsed
	case errors.Is(err, store.ErrTokenUnused):
		if t.s.tokens.Load() >= most {
			return 0, store.ErrTokensFull
		}
		more = 1
	case err != nil:
		return 0, err
	}
	statement := setTokenUse
	if more == 1 {
		statement = insertTokenUse
	}
	_, err = t.exec(statement, u.User, u.ID[:], u.Device, u.Static[:], u.ExpiresSec)
	return more, err
}

// applyRevocation writes a revocation; room is for how many more there is.
func (t *turn) applyRevocation(r *store.Revocation, room int64) (more int64, err error) {
	var held int
	err = none(t.row(lockRevocation, r.User, r.Device).Scan(&held), errNone)
	switch {
	case errors.Is(err, errNone) && room <= 0:
		return 0, store.ErrRevocationsFull
	case errors.Is(err, errNone):
		more = 1
	case err != nil:
		return 0, err
	}
	_, err = t.exec(setRevocation, r.User, r.Device, r.Gen, r.UntilSec)
	return more, err
}
