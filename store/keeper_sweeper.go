package store

import (
	"errors"
	"time"
)

// sweep looks for mailboxes with something older than the retention, every SweepEvery, until stop is closed.
func (k *Keeper) sweep(stop <-chan struct{}, look <-chan time.Time) {
	last := k.o.Now()
	for {
		select {
		case <-stop:
			return
		case <-look:
		}
		if now := k.o.Now(); now.Sub(last) >= SweepEvery {
			last = now
			k.sweepAll(stop, uint32(now.Add(-k.o.Retention).Unix()))
		}
	}
}

// sweepAll looks at all mailboxes once.
func (k *Keeper) sweepAll(stop <-chan struct{}, before uint32) {
	var after *Key
	for {
		begun := time.Now()
		next, seen, err := k.sweepSome(after, before)
		if err != nil {
			k.o.Log.Warn("the mailboxes can't be looked through for what is older than the retention", "err", err)
			return
		}
		if after = next; after == nil {
			k.counts.sweeps.Add(1)
			return
		}
		wait := time.Duration(seen)*time.Second/SweepHeadsPerSecond - time.Since(begun)
		select {
		case <-stop:
			return
		case <-k.o.after(max(wait, time.Millisecond)):
		}
	}
}

// sweepSome looks at the next mailboxes. next is the last of them; nil: there are no more.
func (k *Keeper) sweepSome(after *Key, before uint32) (next *Key, seen int, err error) {
	var waiting []Head
	err = k.offline.Each(after, func(h *Head) bool {
		if h.Waiting() > 0 && h.Device != DeviceState {
			waiting = append(waiting, *h)
		}
		seen++
		next = &Key{User: h.User, Device: h.Device}
		return seen < sweepPiece
	})
	if seen < sweepPiece {
		next = nil
	}
	var told Key // its user; a user has one or more mailboxes, one after the other
	var any bool
	for i := range waiting {
		h := &waiting[i]
		if err != nil || any && told.User == h.User {
			continue
		}
		old := false
		one := k.offline.Entries(h.User, h.Device, h.Acked, func(e *Entry, _ []byte) bool { old = e.expires(before); return false })
		if one != nil && !errors.Is(one, ErrOfflineDamaged) { // damage is named when the mailbox is loaded
			err = one
		}
		if old {
			told, any = Key{User: h.User}, true
			k.tellExpired(h.User)
		}
	}
	return next, seen, err
}

func (k *Keeper) tellExpired(user uint64) {
	t := k.trays[k.o.Home(user)]
	n := t.blank()
	n.Kind, n.User = NewsExpired, user
	t.add(n)
}
