package store

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// peopleChange is what the committer does for People. One of its fields says what.
type peopleChange struct {
	profile  *Profile
	settings *Settings
	forget   bool
	user     uint64       // to be forgotten
	revoke   []Revocation // with it
}

// SetProfile implements People.
func (a *pebbleAccounts) SetProfile(p *Profile) error {
	return a.commitOne(&applyRequest{people: &peopleChange{profile: p}})
}

// SetSettings implements People.
func (a *pebbleAccounts) SetSettings(s *Settings) error {
	return a.commitOne(&applyRequest{people: &peopleChange{settings: s}})
}

// Forget implements People.
func (a *pebbleAccounts) Forget(user uint64, revoke []Revocation) error {
	return a.commitOne(&applyRequest{people: &peopleChange{forget: true, user: user, revoke: revoke}})
}

// stagePeople puts a change into the batch, all of it or nothing. Reads see the changes before it in the batch.
func (c *committer) stagePeople(batch *pebble.Batch, p *peopleChange) error {
	switch {
	case p.forget:
		return c.stageForget(batch, p.user, p.revoke)
	case p.profile != nil:
		if err := p.profile.Check(); err != nil {
			return err
		}
		return batch.Set(recordKey(prefixProfile, p.profile.User), appendProfile(nil, p.profile), nil)
	}
	return stageSettings(batch, p.settings)
}

// stageSettings writes settings when they follow those that are kept.
func stageSettings(batch *pebble.Batch, s *Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	kept, err := getSettings(batch, s.User)
	if err != nil {
		return err
	}
	if s.Version == 0 || s.Version != kept.Version+1 {
		return ErrSettingsChanged
	}
	return batch.Set(recordKey(prefixSettings, s.User), appendSettings(nil, s), nil)
}

// stageForget deletes what is kept of a user and writes its last revocations.
func (c *committer) stageForget(batch *pebble.Batch, user uint64, revoke []Revocation) error {
	fresh, err := c.roomToForget(batch, user, revoke)
	if err != nil {
		return err
	}
	tokens := 0
	if err := scanUser(batch, prefixTokenUse, user, func(_, _ []byte) error { tokens++; return nil }); err != nil {
		return err
	}
	for _, prefix := range []byte{prefixDevice, prefixTokenUse} {
		if err := batch.DeleteRange(recordKey(prefix, user), recordKey(prefix, user+1), nil); err != nil {
			return err
		}
	}
	for _, prefix := range []byte{prefixUser, prefixProfile, prefixSettings} {
		if err := batch.Delete(recordKey(prefix, user), nil); err != nil {
			return err
		}
	}
	for i := range revoke {
		if err := batch.Set(userDeviceKey(prefixRevocation, user, revoke[i].Device), appendRevocation(nil, &revoke[i]), nil); err != nil {
			return err
		}
	}
	c.tokens -= tokens
	c.revocations += fresh
	return nil
}

// roomToForget says how many revocations more there will be.
func (c *committer) roomToForget(batch *pebble.Batch, user uint64, revoke []Revocation) (fresh int, err error) {
	if err := CheckForget(user, revoke); err != nil {
		return 0, err
	}
	for i := range revoke {
		held, err := has(batch, userDeviceKey(prefixRevocation, user, revoke[i].Device))
		if err != nil {
			return 0, err
		}
		if !held && !slices.ContainsFunc(revoke[:i], func(r Revocation) bool { return r.Device == revoke[i].Device }) {
			fresh++
		}
	}
	if fresh > 0 && c.revocations+fresh > c.accounts.opts.revokedMax {
		return 0, ErrRevocationsFull
	}
	return fresh, nil
}
