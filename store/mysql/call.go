package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"trunkline/store"
)

// turn is one try of a call.
type turn struct {
	ctx    context.Context
	s      *shard
	tx     *sql.Tx // nil: reading
	unsure bool    // an earlier try of the same call may have been kept
}

// row asks for one row.
func (t *turn) row(n statement, args ...any) *sql.Row {
	return t.statement(n).QueryRowContext(t.ctx, args...)
}

// rows asks for many.
func (t *turn) rows(n statement, args ...any) (*sql.Rows, error) {
	return t.statement(n).QueryContext(t.ctx, args...)
}

// exec changes something, and says how many rows.
func (t *turn) exec(n statement, args ...any) (int64, error) {
	r, err := t.statement(n).ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *turn) statement(n statement) *sql.Stmt {
	if t.tx == nil {
		return t.s.statements[n]
	}
	return t.tx.StmtContext(t.ctx, t.s.statements[n])
}

// read runs f, again when there was no answer.
func (s *shard) read(f func(t *turn) error) error { return s.call(f) }

// change runs f in a transaction. f may run several times; what it says with an error, or is not committed, has not happened. So it writes what
// is to be, not what is to be added, and a change whose commit got no answer can be made again.
func (s *shard) change(f func(t *turn) error) error {
	return s.call(func(t *turn) error {
		tx, err := s.db.BeginTx(t.ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		t.tx = tx
		if err := f(t); err != nil {
			_ = tx.Rollback() // a connection that can't is dropped, and the server rolls back
			return err
		}
		if err := tx.Commit(); err != nil {
			if rolledBack(err) {
				return err
			}
			return fmt.Errorf("%w: %w", errUnsure, plain(err))
		}
		return nil
	})
}

// call runs f until there is an answer, or callDeadline is over.
func (s *shard) call(f func(t *turn) error) error {
	if err := s.enter(); err != nil {
		return s.explain(err)
	}
	defer s.inside.Add(-1)
	ctx, cancel := context.WithTimeout(s.life, s.pace.deadline)
	defer cancel()
	unsure := false
	for try := 0; ; try++ {
		err := s.try(ctx, unsure, f)
		found := judge(err)
		if found != lost {
			s.answered()
		}
		if found == stands {
			return s.outcome(err, unsure)
		}
		unsure = unsure || errors.Is(err, errUnsure)
		if found == lost {
			s.silent(err)
		}
		if s.pause(ctx, try) {
			s.retries.Add(1)
			continue
		}
		if s.life.Err() != nil {
			return s.closed(unsure)
		}
		s.failures.Add(1)
		if found == lost {
			s.shut(err)
		}
		return s.explain(away(plain(err), unsure))
	}
}

// enter lets a call in. Errors: store.ErrAccountsClosed; store.ErrAccountsAway: too many are inside, or the shard is gone.
func (s *shard) enter() error {
	s.calls.Add(1)
	switch inside := s.inside.Add(1); {
	case s.life.Err() != nil:
		s.inside.Add(-1)
		return store.ErrAccountsClosed
	case s.gone.Load():
		s.inside.Add(-1)
		s.failures.Add(1)
		return away(errLost, false)
	case inside > callsMax:
		s.inside.Add(-1)
		s.refused.Add(1)
		return away(errBusy, false)
	}
	return nil
}

func (s *shard) try(ctx context.Context, unsure bool, f func(t *turn) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.pace.attempt)
	defer cancel()
	return f(&turn{ctx: ctx, s: s, unsure: unsure})
}

// pause waits before the next try. false: there is no time for one.
func (s *shard) pause(ctx context.Context, try int) bool {
	wait := min(backoffFirst<<min(try, 10), backoffMax)
	wait = wait/2 + rand.N(wait/2)
	if until, ok := ctx.Deadline(); ok && time.Until(until) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outcome is the answer of the last try.
func (s *shard) outcome(err error, unsure bool) error {
	if err == nil {
		return nil
	}
	return s.explain(ours(err, unsure))
}

func (s *shard) closed(unsure bool) error {
	if unsure {
		return fmt.Errorf("%w, %w", store.ErrAccountsClosed, store.ErrOutcomeUnknown)
	}
	return store.ErrAccountsClosed
}

// away says which of the two it is: nothing has changed, or nobody knows.
func away(err error, unsure bool) error {
	if unsure {
		return fmt.Errorf("%w, %w: %w", store.ErrAccountsAway, store.ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("%w, nothing has changed: %w", store.ErrAccountsAway, err)
}
