package mysql

import (
	"encoding/binary"
	"reflect"

	"trunkline/store"
)

// Profile implements store.People.
func (a *Accounts) Profile(user uint64) (p store.Profile, err error) {
	err = a.of(user).read(func(t *turn) error {
		p = store.Profile{User: user}
		var picture []byte
		if err := t.row(selectProfile, user).Scan(&p.Name, &p.About, &picture, &p.ChangedSec); err != nil {
			return none(err, store.ErrNoProfile)
		}
		p.Picture = append(p.Picture, picture...) // nil when empty
		return nil
	})
	return p, err
}

// SetProfile implements store.People.
func (a *Accounts) SetProfile(p *store.Profile) error {
	if err := p.Check(); err != nil {
		return err
	}
	return a.of(p.User).change(func(t *turn) error {
		_, err := t.exec(setProfile, p.User, []byte(p.Name), []byte(p.About), bytesOf(p.Picture), p.ChangedSec)
		return err
	})
}

// Settings implements store.People.
func (a *Accounts) Settings(user uint64) (s store.Settings, err error) {
	err = a.of(user).read(func(t *turn) (err error) {
		s, err = scanSettings(user, t.row(selectSettings, user))
		if err = none(err, errNone); err == errNone {
			s, err = store.Settings{User: user}, nil
		}
		return err
	})
	return s, err
}

// SetSettings implements store.People.
func (a *Accounts) SetSettings(s *store.Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	return a.of(s.User).change(func(t *turn) error {
		kept, err := scanSettings(s.User, t.row(lockSettings, s.User))
		err = none(err, errNone)
		statement := updateSettings
		if err == errNone {
			statement, err = insertSettings, nil
		}
		switch {
		case err != nil:
			return err
		case t.unsure && reflect.DeepEqual(kept, normal(s)):
			return nil // the try before was kept
		case s.Version == 0 || s.Version != kept.Version+1:
			return store.ErrSettingsChanged
		}
		_, err = t.exec(statement, s.Version, s.Presence, s.LastSeen, s.Profile, usersBytes(s.Contacts), usersBytes(s.Blocked),
			s.DevicesVersion, bytesOf(s.Devices), bytesOf(s.Signature), s.User)
		return err
	})
}

// Devices implements store.People.
func (a *Accounts) Devices(user uint64) (list []store.Device, err error) {
	err = a.of(user).read(func(t *turn) error {
		list = nil
		rows, err := t.rows(selectDevices, user)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // after an error of its own
		for rows.Next() {
			d, err := scanDevice(user, rows)
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Forget implements store.People.
func (a *Accounts) Forget(user uint64, revoke []store.Revocation) error {
	if err := store.CheckForget(user, revoke); err != nil {
		return err
	}
	s := a.of(user)
	var tokens, revocations int64
	err := s.change(func(t *turn) (err error) {
		tokens, revocations, err = t.forget(user, revoke, a.limits.revocations)
		return err
	})
	if err != nil {
		return err
	}
	s.tokens.Add(-tokens)
	s.revocations.Add(revocations)
	return nil
}

// forget deletes what is kept of a user and writes its last revocations. It says how many tokens are fewer and how many revocations more.
func (t *turn) forget(user uint64, revoke []store.Revocation, most int64) (tokens, revocations int64, err error) {
	if _, err := t.exec(deleteUser, user); err != nil { // first: it locks the user
		return 0, 0, err
	}
	for _, n := range []statement{deleteUserDevices, deleteUserProfile, deleteUserSettings} {
		if _, err := t.exec(n, user); err != nil {
			return 0, 0, err
		}
	}
	if tokens, err = t.exec(deleteUserTokens, user); err != nil {
		return 0, 0, err
	}
	room := most - t.s.revocations.Load()
	for i := range revoke {
		more, err := t.applyRevocation(&revoke[i], room-revocations)
		if err != nil {
			return 0, 0, err
		}
		revocations += more
	}
	return tokens, revocations, nil
}

func scanSettings(user uint64, row scanner) (store.Settings, error) {
	s := store.Settings{User: user}
	var contacts, blocked, devices, signature []byte
	err := row.Scan(&s.Version, &s.Presence, &s.LastSeen, &s.Profile, &contacts, &blocked, &s.DevicesVersion, &devices, &signature)
	if err != nil {
		return s, err
	}
	s.Contacts, s.Blocked = usersIn(contacts), usersIn(blocked)
	s.Devices, s.Signature = append(s.Devices, devices...), append(s.Signature, signature...)
	if len(contacts)%8 != 0 || len(blocked)%8 != 0 || s.Version == 0 || s.Check() != nil {
		return s, damaged("record of settings", user)
	}
	return s, nil
}

// normal is settings as they are read back: nil for empty lists.
func normal(s *store.Settings) store.Settings {
	n := *s
	n.Contacts, n.Blocked = append([]uint64(nil), s.Contacts...), append([]uint64(nil), s.Blocked...)
	n.Devices, n.Signature = append([]uint8(nil), s.Devices...), append([]byte(nil), s.Signature...)
	return n
}

// usersBytes packs a list of users: 8 bytes each, big-endian.
func usersBytes(list []uint64) []byte {
	b := make([]byte, 0, 8*len(list))
	for _, user := range list {
		b = binary.BigEndian.AppendUint64(b, user)
	}
	return b
}

// usersIn reads a packed list; nil for an empty one.
func usersIn(b []byte) (list []uint64) {
	for ; len(b) >= 8; b = b[8:] {
		list = append(list, binary.BigEndian.Uint64(b))
	}
	return list
}

// bytesOf is b, which the driver takes for NULL when it is nil.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
