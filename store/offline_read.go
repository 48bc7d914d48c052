package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Heads adds the heads of all devices of a user to dst. Any goroutine, like all reads.
// Errors of reads: ErrOfflineDamaged (for good: nothing of it is served), or others (for now: try again).
func (o *Offline) Heads(user uint64, dst []Head) ([]Head, error) {
	prefix := mailboxKey(make([]byte, 0, offlineMailboxBytes), prefixOfflineHead, o.opts.Fragment(user), user, 0)[:offlineUserBytes]
	err := o.scan(prefix, keyAfter(prefix), prefix, func(k, v []byte) (bool, error) {
		h, err := o.headOf(k, v)
		if err == nil {
			dst = append(dst, h)
		}
		return true, err
	})
	return dst, o.explainRead(user, -1, err)
}

// Head is the head of one mailbox; ok false: there is none.
func (o *Offline) Head(user uint64, device uint8) (h Head, ok bool, err error) {
	key := mailboxKey(make([]byte, 0, offlineMailboxBytes), prefixOfflineHead, o.opts.Fragment(user), user, device)
	err = o.read(func(db *pebble.DB) error {
		v, closer, err := db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		h, err = o.headOf(key, v)
		ok = err == nil
		return errors.Join(err, closer.Close())
	})
	return h, ok, o.explainRead(user, int(device), err)
}

// Entries calls f for a mailbox's entries with after < seq, ascending, until f returns false. e and payload are valid until f returns. f must not
// write to the Offline.
func (o *Offline) Entries(user uint64, device uint8, after uint64, f func(e *Entry, payload []byte) bool) error {
	if after == ^uint64(0) {
		return nil
	}
	from := entryKey(make([]byte, 0, offlineEntryBytes), o.opts.Fragment(user), Key{User: user, Device: device, Seq: after + 1})
	mailbox := from[:offlineMailboxBytes]
	var e Entry
	err := o.scan(from, keyAfter(mailbox), mailbox, func(k, v []byte) (bool, error) {
		payload, err := o.entryOf(&e, k, v)
		return err == nil && f(&e, payload), err
	})
	return o.explainRead(user, int(device), err)
}

// Each calls f for every head, in the order of keys, from the mailbox after the given one on; nil begins at the first. It goes on until f returns false.
func (o *Offline) Each(after *Key, f func(h *Head) bool) error {
	from := []byte{prefixOfflineHead}
	if after != nil {
		from = append(mailboxKey(nil, prefixOfflineHead, o.opts.Fragment(after.User), after.User, after.Device), 0)
	}
	err := o.scan(from, []byte{prefixOfflineHead + 1}, nil, func(k, v []byte) (bool, error) {
		h, err := o.headOf(k, v)
		return err == nil && f(&h), err
	})
	if err != nil {
		return o.explain("read", err)
	}
	return nil
}

// scan visits what lies in a range until visit returns false or an error. prefix, when there is one, is looked up in the filters first.
func (o *Offline) scan(from, to, prefix []byte, visit func(k, v []byte) (bool, error)) error {
	return o.read(func(db *pebble.DB) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to, UseL6Filters: prefix != nil})
		if err != nil {
			return err
		}
		more := false
		if prefix != nil {
			more = it.SeekPrefixGE(from)
		} else {
			more = it.First()
		}
		for ; more && err == nil; more = more && it.Next() {
			var v []byte
			if v, err = it.ValueAndErr(); err == nil {
				more, err = visit(it.Key(), v)
			}
		}
		return errors.Join(err, it.Error(), it.Close())
	})
}

// read runs f while there is an engine and what it shows is the present. No lock is held meanwhile: f may read too.
func (o *Offline) read(f func(db *pebble.DB) error) error {
	e, err := o.reader()
	if err != nil {
		return err
	}
	defer e.readers.Done()
	err = f(e.db)
	if err != nil && !e.alive() {
		err = e.deadErr // whatever it met at the fence
	}
	return err
}

// reader is the engine to read from, which Close does not end before its readers are done.
func (o *Offline) reader() (*engine, error) {
	for try := 0; ; try++ {
		o.mu.RLock()
		e, closed := o.engine, o.closed
		usable := !closed && e.alive() && !o.lost.Load()
		if usable {
			e.readers.Add(1)
		}
		o.mu.RUnlock()
		switch {
		case usable:
			return e, nil
		case closed:
			return nil, ErrOfflineClosed
		case e.alive(), try > 0, !o.tryRevive():
			return nil, fmt.Errorf("%w: what was not flushed is not there yet", ErrOfflineFailed)
		}
	}
}

// tryRevive opens another engine when nobody else is about it.
func (o *Offline) tryRevive() bool {
	if !o.write.TryLock() {
		return false
	}
	defer o.write.Unlock()
	return o.closed || o.engine.alive() || o.revive() == nil
}

// headOf reads a head; what is no head is damage.
func (o *Offline) headOf(k, v []byte) (h Head, err error) {
	key, fragment, ok := parseOfflineKey(k)
	h.User, h.Device = key.User, key.Device
	if !ok || k[0] != prefixOfflineHead || fragment != o.opts.Fragment(key.User) || !parseHeadValue(&h, v) {
		return Head{}, o.place.damaged(fmt.Sprintf("a head of %d bytes at %x can't be read", len(v), k))
	}
	return h, nil
}

// entryOf reads an entry; what is no entry is damage.
func (o *Offline) entryOf(e *Entry, k, v []byte) (payload []byte, err error) {
	key, fragment, ok := parseOfflineKey(k)
	e.Key = key
	if ok && k[0] == prefixOfflineEntry && fragment == o.opts.Fragment(key.User) {
		if payload, ok = parseEntryValue(e, v); ok {
			return payload, nil
		}
	}
	return nil, o.place.damaged(fmt.Sprintf("an entry of %d bytes at %x can't be read", len(v), k))
}

// explainRead names the mailbox with the error; device -1: all of the user's.
func (o *Offline) explainRead(user uint64, device int, err error) error {
	if err == nil || errors.Is(err, ErrOfflineClosed) {
		return err
	}
	of := fmt.Sprintf("user %d", user)
	if device >= 0 {
		of = fmt.Sprintf("user %d device %d", user, device)
	}
	var already *DamageError
	if isDamage(err) && !errors.As(err, &already) {
		err = explainDamage(o.opts.Dir, of, err)
	}
	return fmt.Errorf("%s: %w", of, o.explain("read", err))
}
