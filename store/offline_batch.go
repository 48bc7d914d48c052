package store

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// OfflineBatch is a set of changes that are applied together. It is filled by one goroutine. Later changes win over earlier ones. It is
// bound to no engine and can be applied as often as one likes.
type OfflineBatch struct {
	fragment func(user uint64) uint16
	ops      []byte                                 // see put and drop
	scratch  []byte                                 // the value that is being made
	key      []byte                                 // the key that is being made
	puts     map[[offlineMailboxBytes]byte]struct{} // mailboxes with an entry in ops
}

// The forms of a change in ops: put has the lengths of key u8 and value u32, key, value; drop has a mailbox's key and the two seqs; remove has the
// length of the key u8, and the key.
const (
	opPut    = 1
	opDrop   = 2
	opRemove = 3

	opPutBytes    = 1 + 1 + 4
	opRemoveBytes = 1 + 1
	opDropBytes   = 1 + offlineMailboxBytes + 8 + 8
)

// NewBatch makes an empty batch.
func (o *Offline) NewBatch() *OfflineBatch { return &OfflineBatch{fragment: o.opts.Fragment} }

// PutHead sets a head, counts included. The index of those with something to go on with follows.
func (b *OfflineBatch) PutHead(h *Head) {
	b.scratch = appendHeadValue(b.scratch[:0], h)
	b.key = mailboxKey(b.key[:0], prefixOfflineHead, b.fragment(h.User), h.User, h.Device)
	b.put()
	if h.Device == DevicePending {
		b.setPending(h.User, h.Waiting() > 0)
	}
}

// PutEntry sets an entry.
func (b *OfflineBatch) PutEntry(e *Entry, payload []byte) {
	b.scratch = appendEntryValue(b.scratch[:0], e, payload)
	b.key = entryKey(b.key[:0], b.fragment(e.User), e.Key)
	if b.puts == nil {
		b.puts = map[[offlineMailboxBytes]byte]struct{}{}
	}
	b.puts[[offlineMailboxBytes]byte(b.key)] = struct{}{}
	b.put()
}

// DropEntries removes a mailbox's entries with after < seq <= upTo.
func (b *OfflineBatch) DropEntries(user uint64, device uint8, after, upTo uint64) {
	if upTo <= after {
		return
	}
	b.ops = mailboxKey(append(b.ops, opDrop), prefixOfflineEntry, b.fragment(user), user, device)
	b.ops = binary.BigEndian.AppendUint64(b.ops, after)
	b.ops = binary.BigEndian.AppendUint64(b.ops, upTo)
}

// DropMailbox removes a mailbox: head and entries.
func (b *OfflineBatch) DropMailbox(user uint64, device uint8) {
	b.DropHead(user, device)
	b.DropEntries(user, device, 0, math.MaxUint64)
}

// DropHead removes a head. Without one its entries are nobody's.
func (b *OfflineBatch) DropHead(user uint64, device uint8) {
	b.key = mailboxKey(b.key[:0], prefixOfflineHead, b.fragment(user), user, device)
	b.remove()
	if device == DevicePending {
		b.setPending(user, false)
	}
}

// setPending puts a user into the index of those with something to go on with, or takes it out.
func (b *OfflineBatch) setPending(user uint64, waits bool) {
	b.key = pendingKey(b.key[:0], b.fragment(user), user)
	if !waits {
		b.remove()
		return
	}
	b.scratch = append(b.scratch[:0], offlinePendingVersion)
	b.put()
}

// Bytes is about what the batch will take on disk.
func (b *OfflineBatch) Bytes() int { return len(b.ops) }

// Reset makes the batch empty; its memory is used again.
func (b *OfflineBatch) Reset() {
	b.ops = b.ops[:0]
	clear(b.puts)
}

func (b *OfflineBatch) put() {
	b.ops = append(b.ops, opPut, byte(len(b.key)))
	b.ops = binary.BigEndian.AppendUint32(b.ops, uint32(len(b.scratch)))
	b.ops = append(b.ops, b.key...)
	b.ops = append(b.ops, b.scratch...)
}

func (b *OfflineBatch) remove() {
	b.ops = append(b.ops, opRemove, byte(len(b.key)))
	b.ops = append(b.ops, b.key...)
}

// stage puts the changes into a batch of the engine.
func (b *OfflineBatch) stage(db *pebble.DB, into *pebble.Batch, dropKeysMax int) error {
	d := dropper{db: db, into: into, batch: b, keysMax: dropKeysMax}
	defer d.close()
	for rest := b.ops; len(rest) > 0; {
		switch rest[0] {
		case opPut:
			k := opPutBytes + int(rest[1])
			v := k + int(binary.BigEndian.Uint32(rest[2:]))
			if err := into.Set(rest[opPutBytes:k], rest[k:v], nil); err != nil {
				return err
			}
			rest = rest[v:]
		case opRemove:
			k := opRemoveBytes + int(rest[1])
			if err := into.Delete(rest[opRemoveBytes:k], nil); err != nil {
				return err
			}
			rest = rest[k:]
		case opDrop:
			mailbox := rest[1 : 1+offlineMailboxBytes]
			seqs := rest[1+offlineMailboxBytes:]
			if err := d.drop(mailbox, binary.BigEndian.Uint64(seqs), binary.BigEndian.Uint64(seqs[8:])); err != nil {
				return err
			}
			rest = rest[opDropBytes:]
		default:
			return fmt.Errorf("store: a batch of mailboxes with a change %d", rest[0])
		}
	}
	return nil
}

// dropper removes ranges of entries. A range that the engine remembers as such costs each later read of the neighbourhood; so what is small is looked up and
// removed key by key.
type dropper struct {
	db      *pebble.DB
	into    *pebble.Batch
	batch   *OfflineBatch
	keysMax int
	it      *pebble.Iterator
}

func (d *dropper) close() {
	if d.it != nil {
		_ = d.it.Close()
	}
}

// drop removes the entries with after < seq <= upTo.
func (d *dropper) drop(mailbox []byte, after, upTo uint64) error {
	from := binary.BigEndian.AppendUint64(append(make([]byte, 0, offlineEntryBytes), mailbox...), after+1)
	to := append(binary.BigEndian.AppendUint64(append(make([]byte, 0, offlineEntryBytes+1), mailbox...), upTo), 0)
	_, fresh := d.batch.puts[[offlineMailboxBytes]byte(mailbox)]
	if !fresh && d.byKeys(from, to) {
		return nil
	}
	return d.into.DeleteRange(from, to, nil)
}

// byKeys removes what the store holds in a range; false: it is too much, or can't be read.
func (d *dropper) byKeys(from, to []byte) bool {
	if d.it == nil {
		it, err := d.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return false
		}
		d.it = it
	}
	d.it.SetBounds(from, to)
	n := 0
	for ok := d.it.SeekPrefixGE(from); ok; ok = d.it.Next() {
		if n++; n > d.keysMax || d.into.Delete(d.it.Key(), nil) != nil {
			return false
		}
	}
	return d.it.Error() == nil
}
