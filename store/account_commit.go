package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// applyRequest is one change on its way through the committer.
type applyRequest struct {
	change *AccountChange // nil: people
	people *peopleChange
	err    error
	done   chan struct{} // closed when err is set
}

// Apply implements Accounts.
func (a *pebbleAccounts) Apply(change *AccountChange) error {
	return a.commitOne(&applyRequest{change: change})
}

// commitOne hands a change to the committer and waits for what becomes of it.
func (a *pebbleAccounts) commitOne(r *applyRequest) error {
	if err := a.trouble.failure(); err != nil {
		return a.explain("write", err)
	}
	r.done = make(chan struct{})
	select {
	case a.requests <- r:
	case <-a.quit:
		return ErrAccountsClosed
	case <-a.trouble.failed:
		return a.explain("write", a.trouble.err)
	}
	select {
	case <-r.done:
		return r.err
	case <-a.trouble.failed:
		return a.explain("write", a.trouble.err)
	}
}

// committer makes the changes. Everything in it belongs to one goroutine.
type committer struct {
	accounts      *pebbleAccounts
	group         []*applyRequest // that are synced together
	tokens        int             // records of used tokens
	revocations   int
	invalidBefore uint64
	changes       uint64 // durable since the accounts were made; what is written together counts as one
	purgedSec     uint64 // the callers' clock at the last purge
}

// count reads the counts at a start, and so reads these records once.
func (c *committer) count(db *pebble.DB) error {
	if err := scan(db, prefixTokenUse, func(k, v []byte) error {
		c.tokens++
		return checkParsed(readTokenUse(k, v))
	}); err != nil {
		return err
	}
	if err := scan(db, prefixRevocation, func(k, v []byte) error {
		c.revocations++
		return checkParsed(readRevocation(k, v))
	}); err != nil {
		return err
	}
	var err error
	if c.invalidBefore, err = readMeta(db, metaInvalidBefore); err != nil {
		return err
	}
	c.changes, err = readMeta(db, metaChanges)
	return err
}

// serve makes a change, and those that wait beside it. false: the store has failed.
func (c *committer) serve(first *applyRequest) bool {
	c.gather(first)
	if !c.accounts.ballast.ready() {
		c.answer(c.accounts.explain("write", ErrDiskFull))
		return true
	}
	if err := c.purgeInTime(first.nowSec()); err != nil {
		c.answer(c.accounts.explain("purge", err))
		return true
	}
	batch := c.accounts.db.NewIndexedBatch()
	for _, r := range c.group {
		if r.err = c.stageRequest(batch, r); r.err != nil {
			r.err = c.accounts.explain("write", r.err)
		}
	}
	err := c.write(batch)
	if err != nil {
		c.accounts.trouble.fail(err)
		err = c.accounts.explain("write", c.accounts.trouble.failure())
	}
	c.answer(err)
	if err == nil {
		c.noteInTime()
	}
	return err == nil
}

// write syncs a batch. After an error nobody knows what is on the disk.
func (c *committer) write(batch *pebble.Batch) error {
	if batch.Empty() {
		return batch.Close()
	}
	if err := setMeta(batch, metaChanges, c.changes+1); err != nil {
		return err
	}
	if err := c.accounts.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return err
	}
	if err := batch.SyncWait(); err != nil {
		return err
	}
	c.changes++
	return batch.Close()
}

// noteInTime keeps the note beside the database from falling far behind. It is no reason to stop when it can't be written.
func (c *committer) noteInTime() {
	place := c.accounts.place
	if c.changes-place.noted < noteEvery {
		return
	}
	if err := place.note(c.changes); err != nil {
		c.accounts.trouble.background(err)
	}
}

// gather takes what waits, as far as it goes into one sync.
func (c *committer) gather(first *applyRequest) {
	c.group = append(c.group[:0], first)
	for len(c.group) < applyGroupMax {
		select {
		case r := <-c.accounts.requests:
			c.group = append(c.group, r)
		default:
			return
		}
	}
}

// answer ends the requests of the group. Those that were refused one by one keep their own error.
func (c *committer) answer(err error) {
	for _, r := range c.group {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
	clear(c.group)
}

// nowSec is the caller's clock; 0: it said nothing of it.
func (r *applyRequest) nowSec() uint64 {
	if r.change == nil {
		return 0
	}
	return r.change.NowSec
}

func (c *committer) stageRequest(batch *pebble.Batch, r *applyRequest) error {
	if r.change == nil {
		return c.stagePeople(batch, r.people)
	}
	return c.stage(batch, r.change)
}

// stage puts a change into the batch, all of it or nothing. Reads see the changes before it in the batch.
func (c *committer) stage(batch *pebble.Batch, change *AccountChange) error {
	if err := change.Check(); err != nil {
		return err
	}
	user, err := c.stageUser(batch, change)
	if err != nil {
		return err
	}
	newToken, err := c.roomForToken(batch, change)
	if err != nil {
		return err
	}
	newRevocation, err := c.roomForRevocation(batch, change)
	if err != nil {
		return err
	}
	if err := c.stageRecords(batch, change, user); err != nil {
		return err
	}
	if change.InvalidBefore != 0 {
		c.invalidBefore, c.revocations = max(c.invalidBefore, change.InvalidBefore), 0
	}
	c.tokens += newToken
	c.revocations += newRevocation
	return nil
}

// stageUser checks the change's device and gives the user's record after it; nil: no device.
func (c *committer) stageUser(batch *pebble.Batch, change *AccountChange) (*User, error) {
	d := change.Device
	if d == nil {
		return nil, nil
	}
	user, err := getUser(batch, d.User)
	if errors.Is(err, ErrNoUser) {
		user, err = User{User: d.User, CreatedSec: change.NowSec}, nil
	}
	if err != nil {
		return nil, err
	}
	old, err := getDevice(batch, d.User, d.Device)
	if err != nil && !errors.Is(err, ErrNoDevice) {
		return nil, err
	}
	before, after := err == nil && !old.Removed(), !d.Removed()
	switch {
	case after && !before && user.Devices >= UserDevicesMax:
		return nil, ErrDevicesFull
	case after && !before:
		user.Devices++
	case before && !after:
		user.Devices--
	}
	return &user, nil
}

// roomForToken says how many records more there will be: 0 or 1.
func (c *committer) roomForToken(batch *pebble.Batch, change *AccountChange) (int, error) {
	u := change.Used
	if u == nil {
		return 0, nil
	}
	switch before, err := getTokenUse(batch, u.User, u.ID); {
	case err == nil && !u.SameUse(&before):
		return 0, ErrTokenUsed
	case !errors.Is(err, ErrTokenUnused):
		return 0, err
	}
	if c.tokens >= c.accounts.opts.tokensMax {
		return 0, ErrTokensFull
	}
	return 1, nil
}

// roomForRevocation says how many records more there will be: 0 or 1.
func (c *committer) roomForRevocation(batch *pebble.Batch, change *AccountChange) (int, error) {
	r := change.Revoke
	switch {
	case r == nil:
		return 0, nil
	case change.InvalidBefore != 0:
		return 1, nil // alone
	}
	held, err := has(batch, userDeviceKey(prefixRevocation, r.User, r.Device))
	if err != nil || held {
		return 0, err
	}
	if c.revocations >= c.accounts.opts.revokedMax {
		return 0, ErrRevocationsFull
	}
	return 1, nil
}

// stageRecords writes what stage has checked.
func (c *committer) stageRecords(batch *pebble.Batch, change *AccountChange, user *User) error {
	if change.InvalidBefore != 0 {
		if err := batch.DeleteRange([]byte{prefixRevocation}, []byte{prefixRevocation + 1}, nil); err != nil {
			return err
		}
		if err := setMeta(batch, metaInvalidBefore, max(c.invalidBefore, change.InvalidBefore)); err != nil {
			return err
		}
	}
	if d := change.Device; d != nil {
		if err := batch.Set(userKey(d.User), appendUser(nil, user), nil); err != nil {
			return err
		}
		if err := batch.Set(userDeviceKey(prefixDevice, d.User, d.Device), appendDevice(nil, d), nil); err != nil {
			return err
		}
	}
	if u := change.Used; u != nil {
		if err := batch.Set(tokenUseKey(u.User, u.ID), appendTokenUse(nil, u), nil); err != nil {
			return err
		}
	}
	if r := change.Revoke; r != nil {
		return batch.Set(userDeviceKey(prefixRevocation, r.User, r.Device), appendRevocation(nil, r), nil)
	}
	return nil
}
