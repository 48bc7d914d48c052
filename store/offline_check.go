package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// CheckReport is what Check has read.
type CheckReport struct {
	Tables    int
	Mailboxes int
	Entries   int
	Bytes     uint64 // payload of the messages
	Problems  int
}

// Check reads every table block by block, and every mailbox: whether each value can be read, heads count what waits, Acked < seq <= Last holds
// for each entry, and the index names those with something to go on with. f gets each problem, with file and offset where they are known. The store may be used meanwhile: what is not flushed is
// looked at as it is in memory. Errors: of the reading itself, not those that it finds.
func (o *Offline) Check(f func(problem *DamageError)) (r CheckReport, err error) {
	problem := func(d *DamageError) { r.Problems++; f(d) }
	err = o.read(func(db *pebble.DB) error {
		skips, err := o.checkTables(db, &r, problem)
		if err != nil {
			return err
		}
		skip := func(key []byte) []byte {
			for _, to := range skips {
				if bytes.Compare(to, key) > 0 {
					return to
				}
			}
			return nil
		}
		return o.walk(db, skip, problem, func(m *walked) error {
			if !m.indexed() {
				problem(o.indexProblem(m))
			}
			if m.empty() {
				return nil
			}
			r.Mailboxes++
			r.Entries += m.counts.Waiting() + m.acked
			r.Bytes += m.counts.Bytes
			if why := m.problem(); why != "" {
				problem(&DamageError{
					Path: o.opts.Dir, Offset: -1, Err: ErrOfflineDamaged,
					Why: fmt.Sprintf("user %d device %d: %s", m.user, m.device, why),
				})
			}
			return nil
		})
	})
	return r, err
}

// problem says what is wrong with a mailbox; "": nothing.
func (m *walked) problem() string {
	switch h := m.head; {
	case h == nil:
		return fmt.Sprintf("%d entries without a head", m.counts.Waiting())
	case m.acked > 0:
		return fmt.Sprintf("%d entries up to %d, which was acknowledged", m.acked, h.Acked)
	case m.last > h.Last:
		return fmt.Sprintf("an entry %d behind the last, %d", m.last, h.Last)
	case h.Acked > h.Last:
		return fmt.Sprintf("%d was acknowledged, and the last is %d", h.Acked, h.Last)
	case m.counts != h.Counts:
		return fmt.Sprintf("the head counts %+v, there are %+v", h.Counts, m.counts)
	}
	return ""
}

// checkTables reads every table, and says at which keys one can go on behind what can't be read, in order. The engine may replace tables by others
// meanwhile, which it does when it was just opened: those are read then.
func (o *Offline) checkTables(db *pebble.DB, r *CheckReport, problem func(d *DamageError)) (skips [][]byte, err error) {
	read := map[uint64]bool{}
	for replaced := true; replaced; {
		replaced = false
		tables, err := listTables(db)
		if err != nil {
			return nil, err
		}
		for _, number := range slices.Sorted(maps.Keys(tables)) {
			if read[number] {
				continue
			}
			read[number] = true
			more, gone, err := o.checkTable(db, number, tables[number], problem)
			if err != nil {
				return nil, err
			}
			if replaced = replaced || gone; !gone {
				r.Tables++
			}
			skips = append(skips, more...)
		}
	}
	slices.SortFunc(skips, bytes.Compare)
	return skips, nil
}

// listTables are the tables in use, each with a key behind all that are in it.
func listTables(db *pebble.DB) (map[uint64][]byte, error) {
	levels, err := db.SSTables()
	if err != nil {
		return nil, err
	}
	tables := map[uint64][]byte{}
	for _, level := range levels {
		for _, t := range level {
			number, behind := uint64(t.BackingSSTNum), append(bytes.Clone(t.Largest.UserKey), 0)
			if bytes.Compare(behind, tables[number]) > 0 {
				tables[number] = behind
			}
		}
	}
	return tables, nil
}

// checkTable reads one table, whose keys are before behind. gone: it is not in use any more, and was removed.
func (o *Offline) checkTable(db *pebble.DB, number uint64, behind []byte, problem func(d *DamageError)) (skips [][]byte, gone bool, err error) {
	damaged := false
	err = readTable(o.opts.FS, o.tablePath(number), tableVisit{
		span: func(tableSpan) {},
		problem: func(d *DamageError, next []byte) {
			damaged = true
			problem(d)
			if next != nil {
				skips = append(skips, next)
			}
		},
	})
	if errors.Is(err, os.ErrNotExist) {
		now, errList := listTables(db)
		if _, still := now[number]; !still {
			return nil, true, errList
		}
	}
	if err != nil {
		if !isDamage(err) {
			return nil, false, err
		}
		damaged = true
		problem(explainDamage(o.opts.Dir, "", err))
	}
	if damaged {
		skips = append(skips, behind)
	}
	return skips, false, nil
}

// tablePath is where a table is.
func (o *Offline) tablePath(number uint64) string {
	return o.place.path(fmt.Sprintf("%06d%s", number, tableSuffix))
}
