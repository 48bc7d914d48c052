package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// errNoSettings stays inside: a user without settings has zero ones.
var errNoSettings = errors.New("store: no such settings")

// Profile implements People.
func (a *pebbleAccounts) Profile(user uint64) (p Profile, err error) {
	err = a.read(func(db *pebble.DB) error {
		return get(db, recordKey(prefixProfile, user), ErrNoProfile, func(v []byte) (ok bool) { p, ok = parseProfile(user, v); return ok })
	})
	return p, err
}

// Settings implements People.
func (a *pebbleAccounts) Settings(user uint64) (s Settings, err error) {
	err = a.read(func(db *pebble.DB) error { s, err = getSettings(db, user); return err })
	return s, err
}

func getSettings(r pebble.Reader, user uint64) (s Settings, err error) {
	err = get(r, recordKey(prefixSettings, user), errNoSettings, func(v []byte) (ok bool) { s, ok = parseSettings(user, v); return ok })
	if errors.Is(err, errNoSettings) {
		return Settings{User: user}, nil
	}
	return s, err
}

// Devices implements People.
func (a *pebbleAccounts) Devices(user uint64) (list []Device, err error) {
	err = a.read(func(db *pebble.DB) error {
		return scanUser(db, prefixDevice, user, func(k, v []byte) error {
			d, err := readDevice(k, v)
			list = append(list, d)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func readDevice(k, v []byte) (Device, error) {
	if len(k) == 10 {
		if d, ok := parseDevice(binary.BigEndian.Uint64(k[1:]), k[9], v); ok {
			return d, nil
		}
	}
	return Device{}, fmt.Errorf("%w: a device's record at %x can't be read", ErrAccountsDamaged, k)
}
