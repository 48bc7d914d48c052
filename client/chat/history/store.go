package history

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver
)

const (
	// application marks the file as this program's: "TLCH" in SQLite's application_id.
	application = 0x544c4348
	// busyMillis is how long Open waits for another process to let the file go.
	busyMillis = 1000
	// Mode is the file's: nobody else reads what was said.
	Mode = 0o600
)

// Store is an open history.
type Store struct {
	db  *sql.DB
	era int64
}

// Open opens or creates the history of one device. fresh says that the device begins anew: its numbers count from 1 again.
// Errors: ErrInUse, ErrNotHistory, ErrNewer, ErrOtherDevice, ErrFull, the system's.
func Open(path string, user uint64, device uint8, fresh bool) (*Store, error) {
	return open(path, user, device, fresh, steps())
}

func open(path string, user uint64, device uint8, fresh bool, steps []string) (*Store, error) {
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	// One connection that holds the file. TRUNCATE and FULL: what was committed is on the disk, and one file is all there is at rest.
	q := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyMillis), "locking_mode(EXCLUSIVE)", "journal_mode(TRUNCATE)", "synchronous(FULL)", "trusted_schema(0)",
	}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	db.SetMaxOpenConns(1)
	s := &Store{db: db}
	if err := s.begin(user, device, fresh, steps); err != nil {
		return nil, errors.Join(told("open history "+path, err), db.Close())
	}
	return s, nil
}

// prepare makes the file before SQLite does, so that nobody else can read it even for a moment.
func prepare(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, Mode)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(Mode), f.Close())
}

// begin brings the schema up to date and checks whose file it is.
func (s *Store) begin(user uint64, device uint8, fresh bool, steps []string) error {
	return s.within(func(tx *sql.Tx) error {
		if err := migrate(tx, steps); err != nil {
			return err
		}
		var owner, dev int64
		err := tx.QueryRow("SELECT user, device, era FROM owner").Scan(&owner, &dev, &s.era)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			s.era = 1
			_, err = tx.Exec("INSERT INTO owner (user, device, era) VALUES (?, ?, ?)", int64(user), device, s.era)
			return err
		case err != nil:
			return err
		case uint64(owner) != user || dev != int64(device):
			return fmt.Errorf("%w: user %d device %d", ErrOtherDevice, owner, dev)
		}
		if fresh && s.used(tx) {
			s.era++
			_, err = tx.Exec("UPDATE owner SET era = ?", s.era)
		}
		return err
	})
}

// used says whether anything was sent in this era.
func (s *Store) used(tx *sql.Tx) bool {
	var n int
	err := tx.QueryRow("SELECT 1 FROM line WHERE era = ? AND cseq > 0 LIMIT 1", s.era).Scan(&n)
	return err == nil
}

// migrate takes the steps that the file has not seen.
func migrate(tx *sql.Tx, steps []string) error {
	var app, version, tables int
	if err := tx.QueryRow("PRAGMA application_id").Scan(&app); err != nil {
		return err
	}
	if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := tx.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	switch {
	case app != application && (app != 0 || version != 0 || tables != 0):
		return ErrNotHistory
	case version > len(steps):
		return fmt.Errorf("%w: its schema is %d, this one's %d", ErrNewer, version, len(steps))
	case version == len(steps) && app == application:
		return nil
	}
	for _, step := range steps[version:] {
		if _, err := tx.Exec(step); err != nil {
			return err
		}
	}
	_, err := tx.Exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, len(steps)))
	return err
}

// within runs f in a transaction: all of it is kept, or nothing.
func (s *Store) within(f func(tx *sql.Tx) error) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}

// Close lets the file go.
func (s *Store) Close() error { return s.db.Close() }
