package history

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"trunkline/client"
	"trunkline/client/chat/talk"
	"trunkline/codec"
)

const columns = "row, peer, sender, mine, kind, text, at, device, gen, id, gseq, seen, cseq, level, code"

// Start is everything that a new run shows first.
func (s *Store) Start() (talk.Start, error) {
	var in talk.Start
	lines, err := s.lines("SELECT " + columns + " FROM line WHERE row IN (SELECT max(row) FROM line GROUP BY peer) ORDER BY row")
	if err != nil {
		return in, told("read history", err)
	}
	unread := map[int64]int{}
	err = s.each("SELECT peer, count(*) FROM line WHERE seen = 0 GROUP BY peer", func(r *sql.Rows) error {
		var peer int64
		var n int
		err := r.Scan(&peer, &n)
		unread[peer] = n
		return err
	})
	if err != nil {
		return in, told("read history", err)
	}
	for _, l := range lines {
		in.Talks = append(in.Talks, talk.Summary{Peer: l.Peer, Last: l, Unread: unread[int64(l.Peer)]})
	}
	return in, told("read history", s.startKnown(&in))
}

func (s *Store) startKnown(in *talk.Start) error {
	err := s.each("SELECT user, name, about, picture, asked FROM person", func(r *sql.Rows) error {
		var p talk.Person
		var user, asked int64
		err := r.Scan(&user, &p.Name, &p.About, &p.Picture, &asked)
		p.User, p.Asked = uint64(user), time.UnixMilli(asked)
		in.People = append(in.People, p)
		return err
	})
	if err != nil {
		return err
	}
	return s.each("SELECT id, subject, gone, count FROM team", func(r *sql.Rows) error {
		var g talk.Group
		var id int64
		err := r.Scan(&id, &g.Subject, &g.Gone, &g.Count)
		g.Peer = talk.Peer(id)
		in.Groups = append(in.Groups, g)
		return err
	})
}

// Page reads lines of a conversation as Load asks for them.
func (s *Store) Page(q talk.Load) (talk.Page, error) {
	p := talk.Page{Load: q}
	var err error
	if q.After == 0 {
		before := q.Before
		if q.Around != 0 {
			before = q.Around + 1
		}
		if p.Lines, p.More, err = s.before(q.Peer, before); err != nil {
			return p, told("read history", err)
		}
	}
	if q.After != 0 || q.Around != 0 {
		newer, more, err := s.after(q.Peer, max(q.After, q.Around))
		if err != nil {
			return p, told("read history", err)
		}
		p.Lines, p.Newer = append(p.Lines, newer...), more
	}
	return p, nil
}

// before reads the page before a row (0: the newest) and says whether there are more.
func (s *Store) before(p talk.Peer, row int64) ([]talk.Line, bool, error) {
	query, args := "SELECT "+columns+" FROM line WHERE peer = ?1 AND (?2 = 0 OR row < ?2) ORDER BY row DESC LIMIT ?3", []any{int64(p), row, talk.PageLines + 1}
	lines, err := s.lines(query, args...)
	more := len(lines) > talk.PageLines
	lines = lines[:min(len(lines), talk.PageLines)]
	slices.Reverse(lines)
	return lines, more, err
}

// after reads the page behind a row and says whether there are more.
func (s *Store) after(p talk.Peer, row int64) ([]talk.Line, bool, error) {
	lines, err := s.lines("SELECT "+columns+" FROM line WHERE peer = ?1 AND row > ?2 ORDER BY row LIMIT ?3", int64(p), row, talk.PageLines+1)
	return lines[:min(len(lines), talk.PageLines)], len(lines) > talk.PageLines, err
}

// Find searches everything that was said for lines that hold all the words, newest first, at most talk.FoundMax. Words of three and more
// characters are found by the index, anywhere in a line; of shorter ones each line is looked at.
func (s *Store) Find(text string) ([]talk.Line, error) {
	var match []string
	query := "SELECT " + columns + " FROM line WHERE kind = 1"
	var args []any
	for _, w := range strings.Fields(text) {
		if utf8.RuneCountInString(w) >= 3 {
			match = append(match, `"`+strings.ReplaceAll(w, `"`, `""`)+`"`)
			continue
		}
		args = append(args, "%"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(w)+"%")
		query += fmt.Sprintf(` AND text LIKE ?%d ESCAPE '\'`, len(args))
	}
	if len(match) > 0 {
		args = append(args, strings.Join(match, " AND "))
		query += fmt.Sprintf(" AND row IN (SELECT rowid FROM words WHERE words MATCH ?%d)", len(args))
	}
	args = append(args, talk.FoundMax)
	lines, err := s.lines(query+fmt.Sprintf(" ORDER BY row DESC LIMIT ?%d", len(args)), args...)
	return lines, told("search history", err)
}

// Owed lists lines whose read receipts are not in the outbox, oldest first, at most n.
func (s *Store) Owed(n int) ([]talk.Line, error) {
	lines, err := s.lines("SELECT "+columns+" FROM line WHERE seen = 1 ORDER BY peer, row LIMIT ?", n)
	return lines, told("read history", err)
}

// Pending lists own lines of this era that have no number, oldest first, and the highest number there is.
func (s *Store) Pending() (lines []talk.Line, highest uint64, err error) {
	lines, err = s.lines("SELECT "+columns+" FROM line WHERE era = ? AND cseq = 0 AND era > 0 ORDER BY row", s.era)
	if err != nil {
		return nil, 0, told("read history", err)
	}
	var n int64
	err = s.db.QueryRow("SELECT coalesce(max(cseq), 0) FROM line WHERE era = ?", s.era).Scan(&n)
	return lines, uint64(n), told("read history", err)
}

// Unsettled lists the numbers of own lines that may still get ticks, newest first, at most n.
func (s *Store) Unsettled(n int) ([]uint64, error) {
	var list []uint64
	err := s.each("SELECT cseq FROM line WHERE era = ?1 AND cseq > 0 AND level < ?2 AND code = 0 ORDER BY cseq DESC LIMIT ?3", func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		list = append(list, uint64(n))
		return err
	}, s.era, client.TickRead, n)
	return list, told("read history", err)
}

// lines runs a query whose columns are those of a line.
func (s *Store) lines(query string, args ...any) ([]talk.Line, error) {
	var list []talk.Line
	err := s.each(query, func(r *sql.Rows) error {
		l, err := scanLine(r)
		list = append(list, l)
		return err
	}, args...)
	return list, err
}

// scanLine reads a row with the columns of a line.
func scanLine(r interface{ Scan(...any) error }) (l talk.Line, err error) {
	var peer, sender, at, id, gseq, cseq int64
	var level, code int
	err = r.Scan(&l.Row, &peer, &sender, &l.Mine, &l.Kind, &l.Text, &at, &l.Device, &l.Gen, &id, &gseq, &l.Seen, &cseq, &level, &code)
	l.Peer, l.From, l.At, l.ID, l.GroupSeq, l.Cseq = talk.Peer(peer), uint64(sender), time.UnixMilli(at), uint64(id), uint64(gseq), uint64(cseq)
	l.Level, l.Code = client.TickLevel(level), codec.ErrorCode(code)
	return l, err
}

// each calls f for every row that a query gives.
func (s *Store) each(query string, f func(*sql.Rows) error, args ...any) error {
	rows, err := s.db.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
