package mysql

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"trunkline/store"
)

// Accounts is store.Accounts and store.People on shards.
type Accounts struct {
	placement placement
	shards    []*shard
	limits    limits
}

// limits of one shard; tests choose otherwise.
type limits struct {
	tokens, revocations int64
}

// options are what tests choose otherwise.
type options struct {
	log    *slog.Logger
	pace   pace
	limits limits
	wait   time.Duration
}

// Open connects to all shards, sets up those that are new, and refuses what is not as it was. The order of places matters. log takes
// what happens to the connections; nil discards it. Errors: ErrSetUp, ErrPlacement, store.ErrAccountsVersion; they name the shard by host and database.
func Open(places []Place, log *slog.Logger) (*Accounts, error) {
	return open(places, options{log: log, pace: defaultPace, wait: lockWait, limits: limits{
		tokens: store.TokenUsesMax, revocations: int64(max(store.RevocationsMax/max(len(places), 1), 1)), // all of them are in the server's memory
	}})
}

func open(places []Place, o options) (*Accounts, error) {
	if err := CheckPlaces(places); err != nil {
		return nil, err
	}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	p, err := prepareShards(places, o.wait)
	if err != nil {
		return nil, err
	}
	a := &Accounts{placement: p.placement, limits: o.limits}
	for i, place := range places {
		s, err := openShard(place, i, len(places), o.pace, o.log)
		if err != nil {
			return nil, errors.Join(named(places, i, fmt.Errorf("%w: %w", ErrSetUp, err)), a.Close())
		}
		s.tokens.Store(p.counts[i].tokens)
		s.revocations.Store(p.counts[i].revocations)
		a.shards = append(a.shards, s)
	}
	return a, nil
}

// CheckPlaces wants one to ShardsMax places, each once. Errors: ErrPlace.
func CheckPlaces(places []Place) error {
	if n := len(places); n < 1 || n > ShardsMax {
		return fmt.Errorf("%w: %d shards are not between 1 and %d", ErrPlace, n, ShardsMax)
	}
	seen := map[string]bool{}
	for i := range places {
		if name := places[i].String(); seen[name] {
			return fmt.Errorf("%w: %s is given twice", ErrPlace, name)
		} else {
			seen[name] = true
		}
	}
	return nil
}

// of is the user's shard.
func (a *Accounts) of(user uint64) *shard { return a.shards[a.placement.shard(user)] }

// User implements store.Accounts.
func (a *Accounts) User(user uint64) (u store.User, err error) {
	err = a.of(user).read(func(t *turn) error {
		u = store.User{User: user}
		return none(t.row(selectUser, user).Scan(&u.Devices, &u.CreatedSec), store.ErrNoUser)
	})
	return u, err
}

// Device implements store.Accounts.
func (a *Accounts) Device(user uint64, device uint8) (d store.Device, err error) {
	err = a.of(user).read(func(t *turn) (err error) {
		d, err = scanDevice(user, t.row(selectDevice, user, device))
		return none(err, store.ErrNoDevice)
	})
	return d, err
}

// Used implements store.Accounts.
func (a *Accounts) Used(user uint64, id [8]byte) (u store.TokenUse, err error) {
	err = a.of(user).read(func(t *turn) (err error) {
		u, err = scanTokenUse(user, id, t.row(selectTokenUse, user, id[:]))
		return none(err, store.ErrTokenUnused)
	})
	return u, err
}

// Revocations implements store.Accounts: those of all shards, and the highest second of all. Each shard is read by itself.
func (a *Accounts) Revocations() (all store.Revocations, err error) {
	for _, s := range a.shards {
		var part store.Revocations
		if err := s.read(func(t *turn) (err error) { part, err = readRevocations(t); return err }); err != nil {
			return store.Revocations{}, err
		}
		all.InvalidBefore = max(all.InvalidBefore, part.InvalidBefore)
		all.List = append(all.List, part.List...)
	}
	return all, nil
}

func readRevocations(t *turn) (all store.Revocations, err error) {
	if err := t.row(selectInvalidBefore).Scan(&all.InvalidBefore); err != nil {
		return all, err
	}
	rows, err := t.rows(selectRevocations)
	if err != nil {
		return all, err
	}
	for rows.Next() && err == nil {
		var r store.Revocation
		err = rows.Scan(&r.User, &r.Device, &r.Gen, &r.UntilSec)
		all.List = append(all.List, r)
	}
	return all, errors.Join(err, rows.Err(), rows.Close())
}

// Close ends the connections. Safe to call twice, and while others read or write: they get store.ErrAccountsClosed.
func (a *Accounts) Close() error {
	var errs []error
	for _, s := range a.shards {
		s.end() // of all first: none waits for another
	}
	for _, s := range a.shards {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// none makes "no row" what the caller calls it.
func none(err, missing error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

func scanDevice(user uint64, row scanner) (store.Device, error) {
	d := store.Device{User: user}
	var static, sign []byte
	if err := row.Scan(&d.Device, &d.LinkedBy, &d.Gen, &static, &sign, &d.Token, &d.RegisteredSec); err != nil {
		return d, err
	}
	if copy(d.Static[:], static) != len(d.Static) || copy(d.Sign[:], sign) != len(d.Sign) || d.Gen == 0 {
		return d, damaged("device", user)
	}
	return d, nil
}

func scanTokenUse(user uint64, id [8]byte, row scanner) (store.TokenUse, error) {
	u := store.TokenUse{User: user, ID: id}
	var static []byte
	if err := row.Scan(&u.Device, &static, &u.ExpiresSec); err != nil {
		return u, err
	}
	if copy(u.Static[:], static) != len(u.Static) {
		return u, damaged("token use", user)
	}
	return u, nil
}

func damaged(what string, user uint64) error {
	return fmt.Errorf("%w: a %s of user %d can't be read", store.ErrAccountsDamaged, what, user)
}
