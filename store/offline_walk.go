package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// walked is one mailbox as the store has it: the head, and what its entries are.
type walked struct {
	user   uint64
	device uint8
	head   *Head // nil: there is none
	counts Counts
	acked  int    // entries that the head says are acknowledged
	first  uint64 // seq of the first entry, and of the last
	last   uint64

	pending bool // it is in the index
}

// walk visits every mailbox that has a head or entries, or is in the index, in the order of keys. problem gets what can't be read; skip then says where to go on behind a key
// (nil: nowhere). Heads and entries lie apart, so two iterators go side by side.
func (o *Offline) walk(db *pebble.DB, skip func(key []byte) []byte, problem func(d *DamageError), visit func(m *walked) error) error {
	heads, err := o.newWalker(db, prefixOfflineHead, skip, problem)
	if err != nil {
		return err
	}
	defer heads.close()
	entries, err := o.newWalker(db, prefixOfflineEntry, skip, problem)
	if err != nil {
		return err
	}
	defer entries.close()
	index, err := o.newWalker(db, prefixOfflinePending, skip, problem)
	if err != nil {
		return err
	}
	defer index.close()
	all := []*walker{heads, entries, index}
	for _, w := range all {
		w.next(w.it.First())
	}
	for {
		mailbox, ok := firstMailbox(all)
		if !ok {
			return errors.Join(heads.err(), entries.err(), index.err())
		}
		if err := o.walkOne(mailbox, heads, entries, index, visit); err != nil {
			return err
		}
	}
}

// mailboxID is a head's key without its prefix.
type mailboxID = [offlineMailboxBytes - 1]byte

// firstMailbox is the first of those at which walkers are; ok false: all are at the end.
func firstMailbox(all []*walker) (first mailboxID, ok bool) {
	for _, w := range all {
		if w.key == nil {
			continue
		}
		if id := w.mailbox(); !ok || bytes.Compare(id[:], first[:]) < 0 {
			first, ok = id, true
		}
	}
	return first, ok
}

// walkOne visits one mailbox.
func (o *Offline) walkOne(mailbox mailboxID, heads, entries, index *walker, visit func(m *walked) error) error {
	m := walked{user: binary.BigEndian.Uint64(mailbox[2:]), device: mailbox[10]}
	if heads.at(&mailbox) {
		if h, err := o.headOf(heads.key, heads.it.Value()); err != nil {
			heads.problem(err.(*DamageError))
		} else {
			m.head = &h
		}
		heads.next(heads.it.Next())
	}
	for entries.at(&mailbox) {
		var e Entry
		payload, err := o.entryOf(&e, entries.key, entries.it.Value())
		switch {
		case err != nil:
			entries.problem(err.(*DamageError))
		case m.head != nil && e.Seq <= m.head.Acked:
			m.acked++
		default:
			m.counts.Add(e.Kind, len(payload))
			if m.first == 0 {
				m.first = e.Seq
			}
			m.last = e.Seq
		}
		entries.next(entries.it.Next())
	}
	if index.at(&mailbox) {
		if _, err := o.pendingOf(index.key, index.it.Value()); err != nil {
			index.problem(err.(*DamageError))
		}
		m.pending = true
		index.next(index.it.Next())
	}
	if m.empty() && !m.pending {
		return nil // all of it was a problem
	}
	return visit(&m)
}

// empty says whether there is nothing but a place in the index.
func (m *walked) empty() bool { return m.head == nil && m.counts.Waiting() == 0 }

// walker is an iterator that goes on behind what can't be read.
type walker struct {
	store   *Offline
	it      *pebble.Iterator
	key     []byte // where it is; nil: at the end
	last    []byte // the last key that could be read, or was skipped to
	skip    func(key []byte) []byte
	problem func(d *DamageError)
}

func (o *Offline) newWalker(db *pebble.DB, prefix byte, skip func(key []byte) []byte, problem func(d *DamageError)) (*walker, error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	return &walker{store: o, it: it, last: []byte{prefix}, skip: skip, problem: problem}, err
}

func (w *walker) close() { _ = w.it.Close() }

// mailbox is the one at which it is; the index is of those of DevicePending.
func (w *walker) mailbox() (id mailboxID) {
	if copy(id[:], w.key[1:]) < len(id) {
		id[len(id)-1] = DevicePending
	}
	return id
}

// at says whether it is at a mailbox.
func (w *walker) at(id *mailboxID) bool { return w.key != nil && w.mailbox() == *id }

// next takes note of where the iterator is. Keys that can't be read are passed over.
func (w *walker) next(ok bool) {
	for {
		for !ok && w.it.Error() != nil {
			err := w.it.Error()
			to := w.skip(w.last)
			if isDamage(err) && to == nil {
				w.problem(explainDamage(w.store.opts.Dir, fmt.Sprintf("behind key %x nothing can be read", w.last), err))
			}
			if to == nil {
				w.key = nil
				return
			}
			w.last = append(w.last[:0], to...)
			ok = w.it.SeekGE(to)
		}
		if !ok {
			w.key = nil
			return
		}
		w.key = w.it.Key()
		w.last = append(w.last[:0], w.key...)
		k, fragment, good := parseOfflineKey(w.key)
		if good && fragment == w.store.opts.Fragment(k.User) {
			return
		}
		w.problem(w.store.place.damaged(fmt.Sprintf("key %x can't be read", w.key)))
		ok = w.it.Next()
	}
}

// err is the error with which the iterator has ended, when it is none of damage.
func (w *walker) err() error {
	if err := w.it.Error(); err != nil && !isDamage(err) {
		return err
	}
	return nil
}
