package mysql

import (
	"context"

	"trunkline/store"
)

// purgeInTime looks for expired records when the last look is long ago, sooner when a limit is reached. A clock that was set back starts the
// time anew. Of callers at the same time one does it.
func (s *shard) purgeInTime(nowSec uint64, l limits) error {
	if nowSec == 0 {
		return nil
	}
	last, next := s.purgedSec.Load(), s.purgeNext.Load()
	if s.tokens.Load() >= l.tokens || s.revocations.Load() >= l.revocations {
		next = min(next, last+purgeFullEverySec)
	}
	if nowSec >= last && nowSec < next || !s.purgedSec.CompareAndSwap(last, nowSec) {
		return nil
	}
	s.purgeNext.Store(nowSec + purgeEverySec)
	if nowSec < purgeSlackSec {
		return nil
	}
	more := false
	err := s.change(func(t *turn) error {
		tokens, err := t.exec(purgeTokens, nowSec-purgeSlackSec, purgeBatchMax)
		if err != nil {
			return err
		}
		revocations, err := t.exec(purgeRevocations, nowSec-purgeSlackSec, purgeBatchMax)
		more = tokens == purgeBatchMax || revocations == purgeBatchMax
		return err
	})
	if more {
		s.purgeNext.Store(nowSec + purgeFullEverySec)
	}
	if err == nil {
		s.recount()
	}
	return err
}

// recount asks how many records there are: other servers write too, and a commit without an answer was not counted. When there is no answer in time
// the old numbers stay.
func (s *shard) recount() {
	ctx, cancel := context.WithTimeout(s.life, s.pace.attempt)
	defer cancel()
	c, err := countRecords(ctx, s.db)
	if err != nil {
		s.log.Warn("the tokens and revocations of a shard could not be counted", "err", plain(err))
		return
	}
	s.tokens.Store(c.tokens)
	s.revocations.Store(c.revocations)
}

var (
	_ store.Accounts = (*Accounts)(nil)
	_ store.People   = (*Accounts)(nil)
)
