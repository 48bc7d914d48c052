package store

import "errors"

// tellPending tells each user of whom something in DevicePending was left by the last process to its loop, until all are told or stop is closed. A user
// is in the index until its mailbox is written with nothing in it: whoever is told and does nothing is told again by the next start.
func (k *Keeper) tellPending(stop <-chan struct{}) {
	var after *uint64
	for said := false; ; {
		next, more, err := k.tellSome(after)
		switch {
		case errors.Is(err, ErrOfflineDamaged):
			k.o.Log.Error("who has something to go on with can't be read: they go on when somebody comes; see `trunkline store check`", "err", err)
			return
		case err != nil && !said:
			said = true
			k.o.Log.Warn("who has something to go on with can't be read now", "err", err)
		case err == nil && !more:
			return
		}
		after = next
		select {
		case <-stop:
			return
		case <-k.o.after(pendingPause):
		}
	}
}

// tellSome tells of the next users, as many as trays take. next is the last of them.
func (k *Keeper) tellSome(after *uint64) (next *uint64, more bool, err error) {
	var piece []uint64
	if err := k.offline.EachPending(after, func(user uint64) bool {
		piece = append(piece, user)
		return len(piece) < pendingPiece
	}); err != nil {
		return after, true, err
	}
	next = after
	for i, user := range piece {
		t := k.trays[k.o.Home(user)]
		if t.bytes.Load() >= pendingTrayBytes {
			return next, true, nil
		}
		n := t.blank()
		n.Kind, n.User = NewsPending, user
		t.add(n)
		next = &piece[i]
	}
	return next, len(piece) == pendingPiece, nil
}
