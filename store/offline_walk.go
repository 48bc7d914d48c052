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
}

// walk visits every mailbox that has a head or entries, in the order of keys. problem gets what can't be read; skip then says where to go on behind a key
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
	heads.next(heads.it.First())
	entries.next(entries.it.First())
	for heads.key != nil || entries.key != nil {
		if err := o.walkOne(heads, entries, visit); err != nil {
			return err
		}
	}
	return errors.Join(heads.err(), entries.err())
}

// walkOne visits the first mailbox of those at which the two iterators are.
func (o *Offline) walkOne(heads, entries *walker, visit func(m *walked) error) error {
	at := heads.key
	if at == nil || entries.key != nil && bytes.Compare(entries.key[1:offlineMailboxBytes], at[1:]) < 0 {
		at = entries.key
	}
	mailbox := [offlineMailboxBytes - 1]byte(at[1:offlineMailboxBytes])
	m := walked{user: binary.BigEndian.Uint64(mailbox[2:]), device: mailbox[10]}
	if heads.key != nil && bytes.Equal(heads.key[1:], mailbox[:]) {
		if h, err := o.headOf(heads.key, heads.it.Value()); err != nil {
			heads.problem(err.(*DamageError))
		} else {
			m.head = &h
		}
		heads.next(heads.it.Next())
	}
	for entries.key != nil && bytes.Equal(entries.key[1:offlineMailboxBytes], mailbox[:]) {
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
	if m.head == nil && m.counts.Waiting() == 0 {
		return nil // all of it was a problem
	}
	return visit(&m)
}

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
