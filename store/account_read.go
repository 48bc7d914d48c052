package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Keys begin with the kind of record, and go on with what names it, big-endian. See the package doc.
const (
	prefixDevice     = 'd' // user u64, device u8
	prefixMeta       = 'm' // one of the three names below
	prefixProfile    = 'p' // user u64
	prefixRevocation = 'r' // user u64, device u8
	prefixSettings   = 's' // user u64
	prefixTokenUse   = 't' // user u64, id 8
	prefixUser       = 'u' // user u64

	metaVersion       = 'v' // accountsVersion, u16
	metaInvalidBefore = 'i' // unix seconds, u64
	metaChanges       = 'n' // how often something was made durable, u64

	accountsVersion = 1
)

func userKey(user uint64) []byte { return recordKey(prefixUser, user) }

func recordKey(prefix byte, user uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, user)
}

func userDeviceKey(prefix byte, user uint64, device uint8) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{prefix}, user), device)
}

func tokenUseKey(user uint64, id [8]byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{prefixTokenUse}, user), id[:]...)
}

// User implements Accounts.
func (a *pebbleAccounts) User(user uint64) (u User, err error) {
	err = a.read(func(db *pebble.DB) error { u, err = getUser(db, user); return err })
	return u, err
}

// Device implements Accounts.
func (a *pebbleAccounts) Device(user uint64, device uint8) (d Device, err error) {
	err = a.read(func(db *pebble.DB) error { d, err = getDevice(db, user, device); return err })
	return d, err
}

// Used implements Accounts.
func (a *pebbleAccounts) Used(user uint64, id [8]byte) (t TokenUse, err error) {
	err = a.read(func(db *pebble.DB) error { t, err = getTokenUse(db, user, id); return err })
	return t, err
}

// Revocations implements Accounts.
func (a *pebbleAccounts) Revocations() (all Revocations, err error) {
	err = a.read(func(db *pebble.DB) error {
		if all.InvalidBefore, err = readMeta(db, metaInvalidBefore); err != nil {
			return err
		}
		return scan(db, prefixRevocation, func(k, v []byte) error {
			r, err := readRevocation(k, v)
			all.List = append(all.List, r)
			return err
		})
	})
	return all, err
}

// read runs f while the database is open. What is not there is no trouble, and stays the bare error.
func (a *pebbleAccounts) read(f func(db *pebble.DB) error) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if err := a.trouble.failure(); err != nil {
		return a.explain("read", err)
	}
	if a.closed {
		return ErrAccountsClosed
	}
	err := f(a.db)
	switch {
	case err == nil, errors.Is(err, ErrNoUser), errors.Is(err, ErrNoDevice), errors.Is(err, ErrTokenUnused), errors.Is(err, ErrNoProfile):
		return err
	}
	return a.explain("read", err)
}

func getUser(r pebble.Reader, user uint64) (u User, err error) {
	err = get(r, userKey(user), ErrNoUser, func(v []byte) (ok bool) { u, ok = parseUser(user, v); return ok })
	return u, err
}

func getDevice(r pebble.Reader, user uint64, device uint8) (d Device, err error) {
	err = get(r, userDeviceKey(prefixDevice, user, device), ErrNoDevice,
		func(v []byte) (ok bool) { d, ok = parseDevice(user, device, v); return ok })
	return d, err
}

func getTokenUse(r pebble.Reader, user uint64, id [8]byte) (t TokenUse, err error) {
	err = get(r, tokenUseKey(user, id), ErrTokenUnused, func(v []byte) (ok bool) { t, ok = parseTokenUse(user, id, v); return ok })
	return t, err
}

// get reads one record; missing is what it returns when there is none.
func get(r pebble.Reader, key []byte, missing error, parse func(v []byte) bool) error {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	ok := parse(v)
	if err := closer.Close(); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: a record of %d bytes at %x can't be read", ErrAccountsDamaged, len(v), key)
	}
	return nil
}

func has(r pebble.Reader, key []byte) (bool, error) {
	err := get(r, key, pebble.ErrNotFound, func([]byte) bool { return true })
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func readTokenUse(k, v []byte) (TokenUse, error) {
	if len(k) == 17 {
		if t, ok := parseTokenUse(binary.BigEndian.Uint64(k[1:]), [8]byte(k[9:]), v); ok {
			return t, nil
		}
	}
	return TokenUse{}, fmt.Errorf("%w: a token's record at %x can't be read", ErrAccountsDamaged, k)
}

func readRevocation(k, v []byte) (Revocation, error) {
	if len(k) == 10 {
		if r, ok := parseRevocation(binary.BigEndian.Uint64(k[1:]), k[9], v); ok {
			return r, nil
		}
	}
	return Revocation{}, fmt.Errorf("%w: a revocation at %x can't be read", ErrAccountsDamaged, k)
}

func checkParsed[T any](_ T, err error) error { return err }

// scan visits the records of a prefix in the order of their keys. k and v are valid during the visit.
func scan(r pebble.Reader, prefix byte, visit func(k, v []byte) error) error {
	return scanRange(r, []byte{prefix}, []byte{prefix + 1}, visit)
}

// scanUser visits the records of a prefix that belong to one user.
func scanUser(r pebble.Reader, prefix byte, user uint64, visit func(k, v []byte) error) error {
	return scanRange(r, recordKey(prefix, user), recordKey(prefix, user+1), visit)
}

func scanRange(r pebble.Reader, from, to []byte, visit func(k, v []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = visit(it.Key(), it.Value())
	}
	return errors.Join(err, it.Error(), it.Close())
}

// readMeta reads a number of the accounts as a whole; 0: it was never set.
func readMeta(r pebble.Reader, name byte) (n uint64, err error) {
	err = get(r, []byte{prefixMeta, name}, pebble.ErrNotFound, func(v []byte) bool {
		if len(v) == 8 {
			n = binary.BigEndian.Uint64(v)
		}
		return len(v) == 8
	})
	if errors.Is(err, pebble.ErrNotFound) {
		err = nil
	}
	return n, err
}

func setMeta(batch *pebble.Batch, name byte, n uint64) error {
	return batch.Set([]byte{prefixMeta, name}, binary.BigEndian.AppendUint64(nil, n), nil)
}

// checkVersion refuses the accounts of a later version, and signs a new database.
func checkVersion(db *pebble.DB) error {
	key, version := []byte{prefixMeta, metaVersion}, uint16(0)
	err := get(db, key, pebble.ErrNotFound, func(v []byte) bool {
		if len(v) == 2 {
			version = binary.BigEndian.Uint16(v)
		}
		return len(v) == 2
	})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return signNew(db, key)
	case err != nil:
		return err
	case version > accountsVersion:
		return fmt.Errorf("%w: version %d, this server reads up to %d", ErrAccountsVersion, version, accountsVersion)
	case version == 0:
		return fmt.Errorf("%w: version 0", ErrAccountsDamaged)
	}
	return nil
}

// signNew writes the version into a database that has nothing in it.
func signNew(db *pebble.DB, key []byte) error {
	it, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	filled := it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return err
	}
	if filled {
		return fmt.Errorf("%w: records without a version", ErrAccountsDamaged)
	}
	return db.Set(key, binary.BigEndian.AppendUint16(nil, accountsVersion), pebble.Sync)
}
