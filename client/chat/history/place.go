package history

import (
	"database/sql"
	"errors"

	"trunkline/client"
	"trunkline/client/chat/talk"
)

// place gives own lines of groups their places, as long as these are before that of the line that comes next (nil: all of them), and answers
// what is left to do, and which lines were moved.
func (s *Store) place(tx *sql.Tx, places []client.GroupPlaced, next *talk.Line, moved []talk.Moved) ([]client.GroupPlaced, []talk.Moved, error) {
	var left []client.GroupPlaced
	for _, p := range places {
		if next != nil && (uint64(next.Peer) != p.Group || next.GroupSeq < p.GroupSeq) {
			left = append(left, p)
			continue
		}
		row, err := s.placeOne(tx, &p)
		if err != nil {
			return nil, nil, err
		}
		if row != 0 {
			moved = append(moved, talk.Moved{Peer: talk.Peer(p.Group), Cseq: p.ID, Row: row})
		}
	}
	return left, moved, nil
}

// placeOne notes the place of an own line, and moves it to the end when something that has a lower place was kept behind it: nothing with a higher
// place is kept by then. Row 0: it stays where it is, or is unknown.
func (s *Store) placeOne(tx *sql.Tx, p *client.GroupPlaced) (row int64, err error) {
	err = tx.QueryRow("UPDATE line SET gseq = ?1 WHERE era = ?2 AND cseq = ?3 AND peer = ?4 RETURNING row",
		int64(p.GroupSeq), s.era, int64(p.ID), int64(p.Group)).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var behind bool
	err = tx.QueryRow("SELECT EXISTS (SELECT 1 FROM line WHERE peer = ?1 AND row > ?2 AND gseq > 0 AND gseq < ?3)", int64(p.Group), row, int64(p.GroupSeq)).Scan(&behind)
	if err != nil || !behind {
		return 0, err
	}
	l, err := scanLine(tx.QueryRow("SELECT "+columns+" FROM line WHERE row = ?1", row))
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec("DELETE FROM line WHERE row = ?1", row); err != nil {
		return 0, err
	}
	return s.insert(tx, &l, s.era)
}
