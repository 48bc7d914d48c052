package store

import (
	"errors"
)

// read serves loads until there are no more.
func (k *Keeper) read() {
	for {
		loop, q, ok := k.loads.take()
		if !ok {
			return
		}
		k.serve(loop, &q)
	}
}

// serve answers one load.
func (k *Keeper) serve(loop int, q *Load) {
	n := k.trays[loop].blank()
	n.about(q)
	var err error
	if q.Entries {
		k.counts.entryLoads.Add(1)
		err = k.readPiece(q, n)
	} else {
		k.counts.loads.Add(1)
		err = k.readUser(q, n)
	}
	if err != nil {
		n.empty()
		n.about(q)
		n.Failed = k.readFailed(q, err)
	}
	k.trays[loop].add(n)
}

// readUser reads the heads of a user's devices, and what of their mailboxes has expired.
func (k *Keeper) readUser(q *Load, n *News) error {
	heads, err := k.offline.Heads(q.User, nil)
	if err != nil {
		return err
	}
	for i := range heads {
		l := LoadedHead{Head: heads[i]}
		if q.ExpireBefore > 0 && l.Waiting() > 0 {
			if err := k.readExpired(&l, q.ExpireBefore); err != nil {
				return err
			}
		}
		n.Heads = append(n.Heads, l)
	}
	return nil
}

// expires says whether an entry is older than a time. A piece of a state never is.
func (e *Entry) expires(before uint32) bool { return e.Kind != KindState && e.TimeSec < before }

// readExpired counts the entries at the front of a mailbox that are older than a time.
func (k *Keeper) readExpired(l *LoadedHead, before uint32) error {
	return k.offline.Entries(l.User, l.Device, l.Acked, func(e *Entry, payload []byte) bool {
		if !e.expires(before) {
			return false
		}
		l.ExpiredTo = e.Seq
		l.Expired.Add(e.Kind, len(payload))
		return true
	})
}

// readPiece reads entries of a mailbox, as many as one piece takes. UpTo says how far it came.
func (k *Keeper) readPiece(q *Load, n *News) error {
	entries := 0
	return k.offline.Entries(q.User, q.Device, q.After, func(e *Entry, payload []byte) bool {
		if e.Seq > q.UpTo {
			return false
		}
		n.piece = appendEntry(n.piece, e, payload)
		if entries++; entries == PieceEntriesMax || len(n.piece) >= PieceBytesMax-entryFieldBytes-2-PayloadBytesMax {
			n.UpTo = e.Seq
			return false
		}
		return true
	})
}

// readFailed says what an error means to the loop, and logs it: damage by user and place, at most so many lines in a while.
func (k *Keeper) readFailed(q *Load, err error) Failure {
	k.counts.loadErrors.Add(1)
	if errors.Is(err, ErrOfflineFailed) {
		k.writer.urge() // it may have lost what only the writer still has
	}
	damaged := errors.Is(err, ErrOfflineDamaged)
	if k.readLog.allow(k.o.Now()) {
		if damaged {
			k.o.Log.Error("what waits for a user is damaged on the disk and is not served", "user", q.User, "device", q.Device, "entries", q.Entries, "err", err)
		} else {
			k.o.Log.Warn("what waits for a user can't be read now", "user", q.User, "err", err)
		}
	}
	if damaged {
		return LoadDamaged
	}
	return LoadRetry
}
