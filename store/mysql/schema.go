package mysql

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"trunkline/store"
)

// migrationFiles are numbered from 0001 without a gap. Each may be applied again: a server that ends in the middle of one begins it anew.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema.
type migration struct {
	name       string
	statements []string
}

// migrations are all steps in their order: step i makes version i+1.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var list []migration
	for i, name := range names { // sorted
		if !strings.HasPrefix(name, fmt.Sprintf("migrations/%04d_", i+1)) {
			return nil, fmt.Errorf("migration %d is missing: %s stands in its place", i+1, name)
		}
		text, err := fs.ReadFile(migrationFiles, name)
		if err != nil {
			return nil, err
		}
		list = append(list, migration{name: name, statements: split(string(text))})
	}
	return list, nil
}

// split takes a file apart: a statement ends with a semicolon at the end of a line.
func split(text string) (list []string) {
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) != "" {
			list = append(list, statement)
		}
	}
	return list
}

// migrate brings a shard's schema to the newest version. The caller holds the shard's lock on c.
// Errors: store.ErrAccountsVersion: it is newer than that already.
func migrate(ctx context.Context, c *sql.Conn, steps []migration) error {
	if _, err := c.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS migrations (version INT UNSIGNED NOT NULL PRIMARY KEY, "+
		"applied_sec BIGINT UNSIGNED NOT NULL) ENGINE = InnoDB"); err != nil {
		return err
	}
	var version int
	if err := c.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM migrations").Scan(&version); err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("%w: schema %d, this server knows up to %d", store.ErrAccountsVersion, version, len(steps))
	}
	for i := version; i < len(steps); i++ {
		for _, statement := range steps[i].statements {
			if _, err := c.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", steps[i].name, err)
			}
		}
		if _, err := c.ExecContext(ctx, "INSERT INTO migrations (version, applied_sec) VALUES (?, ?)", i+1, time.Now().Unix()); err != nil {
			return fmt.Errorf("%s: %w", steps[i].name, err)
		}
	}
	return nil
}

// readPlaced reads what a shard says of the placement.
func readPlaced(ctx context.Context, c *sql.Conn) (p placed, err error) {
	if err := c.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM settings) OR EXISTS (SELECT 1 FROM profiles)").Scan(&p.users); err != nil {
		return p, err
	}
	var seed []byte
	err = c.QueryRowContext(ctx, "SELECT seed, shards, position, done FROM placement WHERE one = 1").Scan(&seed, &p.shards, &p.position, &p.done)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	p.there = copy(p.seed[:], seed) == seedBytes
	return p, err
}

// writePlaced writes it, done or not.
func writePlaced(ctx context.Context, c *sql.Conn, p *placed) error {
	_, err := c.ExecContext(ctx, "REPLACE INTO placement (one, seed, shards, position, done) VALUES (1, ?, ?, ?, ?)", p.seed[:], p.shards, p.position, p.done)
	return err
}
