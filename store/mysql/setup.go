package mysql

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"trunkline/store"
)

// setUp is the making ready of all shards: one server at a time, told apart by a lock of each shard's server. A lock belongs to its
// connection, and everything is done on that connection: who has lost it can do no more.
type setUp struct {
	places []Place
	dbs    []*sql.DB
	conns  []*sql.Conn // with the shard's lock
	wait   time.Duration
}

// prepareShards locks all shards, brings their schemas up to date, and settles the placement. Errors: ErrSetUp, ErrPlacement,
// store.ErrAccountsVersion; they name the shard.
func prepareShards(places []Place, wait time.Duration) (p prepared, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), setUpDeadline)
	defer cancel()
	s := &setUp{places: places, dbs: make([]*sql.DB, len(places)), conns: make([]*sql.Conn, len(places)), wait: wait}
	defer s.close()
	steps, err := migrations()
	if err != nil {
		return p, err
	}
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	// The same order for everybody, however the shards are given: nobody waits for who waits for him.
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(places[a].String(), places[b].String()) })
	for _, i := range order {
		if err := s.enter(ctx, i); err != nil {
			return p, named(places, i, err)
		}
	}
	rows := make([]placed, len(places))
	for i, c := range s.conns {
		if err := migrate(ctx, c, steps); err != nil {
			return p, named(places, i, setUpError(err))
		}
		if rows[i], err = readPlaced(ctx, c); err != nil {
			return p, named(places, i, setUpError(err))
		}
	}
	if p.placement, err = s.place(ctx, rows); err != nil {
		return p, err
	}
	p.counts = make([]counts, len(places))
	for i, c := range s.conns { // here, where it may take long
		if p.counts[i], err = countRecords(ctx, c); err != nil {
			return p, named(places, i, setUpError(err))
		}
	}
	return p, nil
}

// prepared is what a set-up has found.
type prepared struct {
	placement placement
	counts    []counts // of each shard
}

// counts are the records that have a limit.
type counts struct {
	tokens, revocations int64
}

func countRecords(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (c counts, err error) {
	err = q.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM token_uses), (SELECT COUNT(*) FROM revocations)").Scan(&c.tokens, &c.revocations)
	return c, err
}

// enter connects to a shard and takes its lock.
func (s *setUp) enter(ctx context.Context, i int) error {
	config, err := s.places[i].config()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetUp, err)
	}
	connector, err := driver.NewConnector(config)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetUp, plain(err))
	}
	s.dbs[i] = sql.OpenDB(connector)
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if s.conns[i], err = s.dbs[i].Conn(dial); err != nil {
		return setUpError(err)
	}
	locked := sql.NullInt64{}
	name := sha256.Sum256([]byte("trunkline " + s.places[i].database)) // the lock's name is the whole server's
	err = s.conns[i].QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", hex.EncodeToString(name[:16]), int(s.wait/time.Second)).Scan(&locked)
	switch {
	case err != nil:
		return setUpError(err)
	case locked.Int64 != 1:
		return fmt.Errorf("%w: another server has been setting it up for %s", ErrSetUp, s.wait)
	}
	return nil
}

// place settles which shard keeps whom. In the first pass every shard learns its part, in the second that all have: only then are
// users placed, so what ends between them can be begun anew.
func (s *setUp) place(ctx context.Context, rows []placed) (p placement, err error) {
	p.shards = len(rows)
	seed, fresh, wrong, err := settle(rows)
	if err != nil {
		return p, named(s.places, wrong, err)
	}
	if p.seed = seed; fresh {
		_, _ = rand.Read(p.seed[:]) // never fails
		for i := range rows {
			rows[i] = placed{seed: p.seed, shards: len(rows), position: i}
			if err := writePlaced(ctx, s.conns[i], &rows[i]); err != nil {
				return p, named(s.places, i, setUpError(err))
			}
		}
	}
	for i := range rows {
		if rows[i].done {
			continue
		}
		rows[i].done = true
		if err := writePlaced(ctx, s.conns[i], &rows[i]); err != nil {
			return p, named(s.places, i, setUpError(err))
		}
	}
	return p, nil
}

// close gives the locks back, with their connections.
func (s *setUp) close() {
	for i := range s.dbs {
		if s.conns[i] != nil {
			_ = s.conns[i].Close() // into the pool, which ends it
		}
		if s.dbs[i] != nil {
			_ = s.dbs[i].Close()
		}
	}
}

// setUpError words why a shard can't be used.
func setUpError(err error) error {
	if errors.Is(err, store.ErrAccountsVersion) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrSetUp, plain(err))
}

// named puts the shard in front of an error.
func named(places []Place, i int, err error) error {
	return fmt.Errorf("accounts: shard %d of %d (%s): %w", i+1, len(places), places[i], err)
}
