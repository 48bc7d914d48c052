package store

import (
	"errors"
	"fmt"
)

// Close ends the goroutines and gives the directory back. clean says that every desk has written back all it had: then the next
// start has nothing to recover and keeps the owner epoch. A keeper that can't finish cleanly leaves the directory as a crash would, and
// returns why. For a clean end each desk must have heard NewsWritten of its last slice and called Submit with its low water after that:
// what the desks say is checked.
func (k *Keeper) Close(clean bool) error {
	k.once.Do(func() { k.err = k.close(clean) })
	return k.err
}

func (k *Keeper) close(clean bool) error {
	var unclean error
	if clean {
		unclean = errors.Join(k.Settle(CloseSettleMax), k.allWritten())
	}
	k.backup.Lock() // of a backup that is under way
	defer k.backup.Unlock()
	close(k.stop)
	k.loads.end()
	k.ended.Wait()
	var err error
	if k.journal != nil {
		err = k.journal.Close()
	}
	if clean {
		unclean = errors.Join(unclean, err)
		if unclean == nil {
			unclean = k.endState()
		}
		if unclean != nil {
			unclean = fmt.Errorf("mailboxes in %s: not a clean end, the next start reads the journal: %w", k.o.Dir, unclean)
		}
		err = unclean
	}
	return errors.Join(err, k.offline.Close())
}

// allWritten says whether no desk needs the journal any more.
func (k *Keeper) allWritten() error {
	for loop, t := range k.trays {
		if low, last := t.lowWater.Load(), t.submitted.Load(); last > 0 && low <= last {
			return fmt.Errorf("%w: loop %d has noted turn %d and written back what is before turn %d", ErrNotSettled, loop, last, low)
		}
	}
	return nil
}

// endState writes the state of a clean end. All is flushed: the journals are not needed any more.
func (k *Keeper) endState() error {
	k.state.Replayed = true
	if err := writeState(k.o.FS, k.o.Dir, &k.state); err != nil {
		return err
	}
	if err := k.forgetJournals(); err != nil {
		return err
	}
	k.state.Clean, k.state.Replayed, k.state.Journals = true, false, nil
	return writeState(k.o.FS, k.o.Dir, &k.state)
}
