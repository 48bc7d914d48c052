package store

import "github.com/cockroachdb/pebble/v2"

// purgeInTime looks for expired records when the last look is long ago, sooner when a limit is reached. A clock that was set
// back starts the time anew.
func (c *committer) purgeInTime(nowSec uint64) error {
	if nowSec == 0 {
		return nil
	}
	every := uint64(purgeEverySec)
	if c.tokens >= c.accounts.opts.tokensMax || c.revocations >= c.accounts.opts.revokedMax {
		every = purgeFullEverySec
	}
	if nowSec >= c.purgedSec && nowSec-c.purgedSec < every {
		return nil
	}
	c.purgedSec = nowSec
	gone, err := c.purge(prefixTokenUse, nowSec, func(k, v []byte) (uint64, error) {
		t, err := readTokenUse(k, v)
		return t.ExpiresSec, err
	})
	c.tokens -= gone
	if err != nil {
		return err
	}
	gone, err = c.purge(prefixRevocation, nowSec, func(k, v []byte) (uint64, error) {
		r, err := readRevocation(k, v)
		return r.UntilSec, err
	})
	c.revocations -= gone
	return err
}

// purge deletes the records of a prefix that expired purgeSlackSec ago. It is not synced: what comes back after a crash is purged again.
func (c *committer) purge(prefix byte, nowSec uint64, expires func(k, v []byte) (uint64, error)) (gone int, err error) {
	batch := c.accounts.db.NewBatch()
	defer func() { _ = batch.Close() }()
	flush := func() error {
		n := int(batch.Count())
		if n == 0 {
			return nil
		}
		if err := c.accounts.db.Apply(batch, pebble.NoSync); err != nil {
			return err
		}
		gone += n
		_ = batch.Close()
		batch = c.accounts.db.NewBatch()
		return nil
	}
	err = scan(c.accounts.db, prefix, func(k, v []byte) error {
		at, err := expires(k, v)
		if err != nil || at > nowSec || nowSec-at < purgeSlackSec {
			return err
		}
		if err := batch.Delete(k, nil); err != nil {
			return err
		}
		if batch.Count() < purgeBatchMax {
			return nil
		}
		return flush()
	})
	if err != nil {
		return gone, err
	}
	return gone, flush()
}
