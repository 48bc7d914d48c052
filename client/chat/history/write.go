package history

import (
	"database/sql"
	"errors"
	"fmt"

	"trunkline/client"
	"trunkline/client/chat/talk"
	"trunkline/codec"
)

// Write keeps a burst in one transaction and answers its lines with their rows (row 0 is a line that was there already), and own lines that were
// moved. Errors: ErrFull, SQLite's.
func (s *Store) Write(w *talk.Write) (kept []talk.Line, moved []talk.Moved, err error) {
	err = s.within(func(tx *sql.Tx) error {
		kept, moved = append([]talk.Line(nil), w.Lines...), nil
		places := w.Places
		for i := range kept {
			if places, moved, err = s.place(tx, places, &kept[i], moved); err != nil {
				return err
			}
			row, err := s.insert(tx, &kept[i], 0)
			if err != nil {
				return err
			}
			kept[i].Row = row
		}
		if _, moved, err = s.place(tx, places, nil, moved); err != nil {
			return err
		}
		for i := range w.Ticks {
			if err := s.raise(tx, &w.Ticks[i]); err != nil {
				return err
			}
		}
		for _, r := range w.Rejects {
			_, err := tx.Exec("UPDATE line SET code = ? WHERE era = ? AND cseq = ?", uint16(r.Code), s.era, int64(r.ID))
			if err != nil {
				return err
			}
		}
		return putKnown(tx, w)
	})
	if err != nil {
		return nil, nil, told("write history", err)
	}
	return kept, moved, nil
}

// insert adds a line; row 0 when its place in its stream is taken.
func (s *Store) insert(tx *sql.Tx, l *talk.Line, era int64) (row int64, err error) {
	r, err := tx.Exec(`INSERT INTO line (peer, sender, mine, kind, text, at, device, gen, id, gseq, seen, era, cseq, level, code)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		int64(l.Peer), int64(l.From), l.Mine, l.Kind, l.Text, l.At.UnixMilli(), l.Device, l.Gen, int64(l.ID), int64(l.GroupSeq), l.Seen,
		era, int64(l.Cseq), l.Level, uint16(l.Code))
	if err != nil {
		return 0, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return 0, err
	}
	return r.LastInsertId()
}

func (s *Store) raise(tx *sql.Tx, t *client.Tick) error {
	const update = "UPDATE line SET level = ?1 WHERE era = ?2 AND cseq BETWEEN ?3 AND ?4 AND level < ?1"
	args := []any{t.Level, s.era, int64(t.First), int64(t.Last)}
	if t.Level == client.TickServer {
		_, err := tx.Exec(update, args...)
		return err
	}
	peer := t.Peer
	if t.Group != 0 {
		peer = t.Group
	}
	_, err := tx.Exec(update+" AND peer = ?5", append(args, int64(peer))...)
	return err
}

// putKnown keeps what is known of people and groups.
func putKnown(tx *sql.Tx, w *talk.Write) error {
	for _, p := range w.People {
		picture := append([]byte{}, p.Picture...)
		if _, err := tx.Exec("INSERT OR REPLACE INTO person (user, name, about, picture, asked) VALUES (?, ?, ?, ?, ?)",
			int64(p.User), p.Name, p.About, picture, p.Asked.UnixMilli()); err != nil {
			return err
		}
	}
	for _, g := range w.Groups {
		if _, err := tx.Exec("INSERT OR REPLACE INTO team (id, subject, gone, count) VALUES (?, ?, ?, ?)",
			int64(g.Peer), g.Subject, g.Gone, g.Count); err != nil {
			return err
		}
	}
	return nil
}

// Plan keeps an own line before it is sent; Number says later which number the outbox gave it. A line without a number at the start of a
// run is one that a crash came between: Pending lists them.
func (s *Store) Plan(l *talk.Line) (row int64, err error) {
	l.Cseq, l.ID = 0, 0
	err = s.within(func(tx *sql.Tx) error {
		row, err = s.insert(tx, l, s.era)
		if err == nil && row == 0 {
			err = errors.New("the line has no place")
		}
		return err
	})
	return row, told("write history", err)
}

// Number gives an own line its number, how far it came, and why it will never arrive, if it will not.
func (s *Store) Number(row int64, cseq uint64, level client.TickLevel, code codec.ErrorCode) error {
	return s.one("UPDATE line SET cseq = ?2, level = max(level, ?3), code = ?4 WHERE row = ?1", row, int64(cseq), level, uint16(code))
}

// Remove takes a line out: one that could not be sent.
func (s *Store) Remove(row int64) error { return s.one("DELETE FROM line WHERE row = ?1", row) }

func (s *Store) one(query string, args ...any) error {
	return told("write history", s.within(func(tx *sql.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}))
}

// Reconcile takes what the SDK knows of own lines at the start of a run: how far they came, why they will never arrive.
func (s *Store) Reconcile(sent []client.Sent) error {
	return told("write history", s.within(func(tx *sql.Tx) error {
		for _, r := range sent {
			if _, err := tx.Exec("UPDATE line SET level = max(level, ?3), code = max(code, ?4) WHERE era = ?1 AND cseq = ?2 AND (level < ?3 OR code < ?4)",
				s.era, int64(r.ID), r.Level, r.Rejected); err != nil {
				return err
			}
		}
		return nil
	}))
}

// See marks what was said in a conversation as seen: the receipts are owed.
func (s *Store) See(p talk.Peer) error {
	return s.one("UPDATE line SET seen = ?2 WHERE peer = ?1 AND seen = ?3", int64(p), talk.SeenOwed, talk.SeenNot)
}

// Told notes that the receipts of these rows are in the outbox.
func (s *Store) Told(rows []int64) error {
	return told("write history", s.within(func(tx *sql.Tx) error {
		for _, row := range rows {
			if _, err := tx.Exec("UPDATE line SET seen = ? WHERE row = ?", talk.SeenTold, row); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Forget removes a conversation.
func (s *Store) Forget(p talk.Peer) error {
	return told("forget", s.within(func(tx *sql.Tx) error {
		for _, q := range []string{"DELETE FROM line WHERE peer = ?", "DELETE FROM team WHERE id = ?"} {
			if _, err := tx.Exec(q, int64(p)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// check is for tests: the file is whole, and so is its index.
func (s *Store) check() error {
	var answer string
	if err := s.db.QueryRow("PRAGMA integrity_check").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("integrity_check: %s", answer)
	}
	_, err := s.db.Exec("INSERT INTO words(words, rank) VALUES ('integrity-check', 1)")
	return err
}
