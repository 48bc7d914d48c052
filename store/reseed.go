package store

import (
	"errors"
	"fmt"
)

// Reseeded says what a new seed has moved.
type Reseeded struct {
	Before  Tally `json:"before"`
	After   Tally `json:"after"`   // the same, read from the new mailboxes
	Applied bool  `json:"applied"` // the last server had not stopped cleanly: its journal was applied first
}

// Reseed gives the directory another seed: all mailboxes are placed anew in a second store, which is compared with the first, and then both seed and store
// are switched as one. Until then the old ones are only read. It takes as much room on the disk as the mailboxes have.
// Errors: ErrNoData, ErrCopyDiffers, ErrUnfinished, ErrDiskFull, those of OpenKeeper, the system's. After each of them the directory is as it was, but that
// the journal may have been applied.
func (d Directory) Reseed(seed uint64) (r Reseeded, err error) {
	if d, err = d.settled(); err != nil {
		return r, err
	}
	old, err := readSeed(d.FS, d.Path)
	if err != nil {
		return r, err
	}
	if r.Applied, err = d.applied(old); err != nil {
		return r, err
	}
	next, err := beginSwitch(d.FS, d.Path)
	if err != nil {
		return r, err
	}
	if err := d.rekey(next, old, seed, &r); err != nil {
		return r, errors.Join(err, dropSwitch(d.FS, d.Path))
	}
	aside, err := d.aside("old")
	if err != nil {
		return r, errors.Join(err, dropSwitch(d.FS, d.Path))
	}
	s := &switchover{fs: d.FS, dir: d.Path, aside: aside, parts: []string{offlineFolder, seedFile}}
	if err := s.commit(); err != nil {
		return r, err // nobody knows whether it counts: the next tool or start sees
	}
	return r, s.finish()
}

// applied sees to it that the journal holds nothing: what it holds is applied as a start does.
func (d *Directory) applied(seed uint64) (did bool, err error) {
	s, ok, err := readState(d.FS, d.Path)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, fmt.Errorf("%w in %s", ErrNoData, d.Path)
	}
	if s.Clean {
		return false, nil
	}
	k, err := OpenKeeper(KeeperOptions{Dir: d.Path, Journals: d.journalDirs(&s), Ack: s.Ack, Loops: 1, Fragment: d.by(seed), FS: d.FS, Log: d.Log, Wake: func(int) {}})
	if err != nil {
		return false, err
	}
	return true, k.Close(true)
}

// rekey makes store and seed in next.
func (d *Directory) rekey(next string, old, seed uint64, r *Reseeded) (err error) {
	from, err := OpenOffline(OfflineOptions{Dir: d.path(offlineFolder), FS: newOverlay(d.FS), Fragment: d.by(old), Log: d.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	at := OfflineOptions{Dir: d.FS.PathJoin(next, offlineFolder), FS: d.FS, Fragment: d.by(seed), Log: d.Log}
	to, err := OpenOffline(at)
	if err != nil {
		return err
	}
	if r.Before, err = copyMailboxes(from, to); err != nil {
		return errors.Join(err, to.Close())
	}
	if err := to.Close(); err != nil {
		return err
	}
	at.FS = newOverlay(d.FS) // what is compared is what is on the disk
	if to, err = OpenOffline(at); err != nil {
		return err
	}
	r.After, err = compareMailboxes(from, to)
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	if r.After != r.Before {
		return fmt.Errorf("%w: %+v, it was %+v", ErrCopyDiffers, r.After, r.Before)
	}
	return inOrder(
		func() error { return writeSeed(d.FS, next, seed) },
		func() error { return syncTree(d.FS, next) },
	)
}
