package store

import (
	"encoding/binary"
	"math"

	"github.com/tidwall/btree"

	"trunkline/internal/slab"
)

// Mailboxes is the offline cache of one loop. It belongs to one goroutine.
//
// The tree holds a treeKey for each entry, the slab its body, the arena its payload. Append, Scan, Replace, Last and
// Drop allocate nothing but nodes, and those only when one splits or two are joined.
type Mailboxes struct {
	tree     *btree.BTreeG[treeKey]
	hint     btree.PathHint
	bodies   *slab.Slab[entryBody]
	payloads *slab.Arena
	bytes    int64 // of payloads, as sent; a shared one counts for each entry

	at       btree.IterG[treeKey] // of Append, Last and Drop
	scan     btree.IterG[treeKey]
	scanning bool
	shown    Entry // what callbacks look at
	batch    [dropBatch]treeKey
}

// Stats are sizes of one Mailboxes.
type Stats struct {
	Entries      int
	PayloadBytes int64 // as sent; a payload shared by several entries counts for each
	ArenaBytes   int64 // as held: blocks, their rounding, and room
	EntryBytes   int64 // bodies as held, and an estimate for their keys in the tree
}

// endKey lies above every entry. It stays in the tree, so the last entry's drop does not free the root.
var endKey = newKey(UserMax+1, 0, 0)

// NewMailboxes makes an empty Mailboxes with ArenaBytesDefault of room for payloads.
func NewMailboxes() *Mailboxes { return NewMailboxesWithin(ArenaBytesDefault) }

// NewMailboxesWithin makes an empty Mailboxes whose payloads take at most arenaBytesMax of memory.
func NewMailboxesWithin(arenaBytesMax int64) *Mailboxes {
	m := &Mailboxes{
		tree:     btree.NewBTreeGOptions(less, btree.Options{Degree: treeDegree, NoLocks: true}),
		bodies:   slab.NewSlab[entryBody](EntriesMax),
		payloads: slab.NewArena(arenaBytesMax),
	}
	m.tree.Set(endKey)
	return m
}

// Append adds an entry and a copy of its payload. The key must be above every key of that device: ErrOrder otherwise.
// Other errors: ErrFull, ErrTooLarge, ErrUser. After an error nothing has changed.
func (m *Mailboxes) Append(e *Entry, payload []byte) error {
	if len(payload) > PayloadBytesMax {
		return ErrTooLarge
	}
	if err := m.mayAppend(e.Key); err != nil {
		return err
	}
	return m.take(e, payload)
}

// Restore adds an entry that comes back from disk, and a copy of its payload. It may lie anywhere among the device's; one that is
// there already stays as it is. Errors: ErrFull, ErrTooLarge, ErrUser. After an error nothing has changed.
func (m *Mailboxes) Restore(e *Entry, payload []byte) error {
	switch _, held := m.find(e.Key); {
	case held:
		return nil
	case len(payload) > PayloadBytesMax:
		return ErrTooLarge
	case e.User > UserMax:
		return ErrUser
	}
	return m.take(e, payload)
}

// take copies the payload and adds the entry.
func (m *Mailboxes) take(e *Entry, payload []byte) error {
	var blob slab.Handle
	if len(payload) > 0 {
		h, b := m.payloads.Alloc(lengthBytes + len(payload))
		if h == 0 {
			return ErrFull
		}
		binary.NativeEndian.PutUint16(b, uint16(len(payload)))
		copy(b[lengthBytes:], payload)
		blob = h
	}
	return m.insert(e, blob)
}

// AppendShared adds an entry that holds the same payload as the entry `of`, kept once and until the last of them is
// dropped. Errors: those of Append, and ErrNoEntry when there is no entry `of`.
func (m *Mailboxes) AppendShared(e *Entry, of Key) error {
	first, ok := m.find(of)
	if !ok {
		return ErrNoEntry
	}
	if err := m.mayAppend(e.Key); err != nil {
		return err
	}
	blob := m.bodies.At(first.slot()).blob
	if blob != 0 {
		m.payloads.Retain(blob)
	}
	return m.insert(e, blob)
}

// Replace changes the fields of an existing entry beside its key and payload (a receipt range that grows). ErrNoEntry.
func (m *Mailboxes) Replace(e *Entry) error {
	k, ok := m.find(e.Key)
	if !ok {
		return ErrNoEntry
	}
	m.bodies.At(k.slot()).set(e)
	return nil
}

// Scan calls f for the device's entries with seq > after, ascending, until f returns false. The entry and the payload
// are valid until f returns; the payload aliases the arena. f must not change the Mailboxes.
func (m *Mailboxes) Scan(user uint64, device uint8, after uint64, f func(e *Entry, payload []byte) bool) {
	if after == math.MaxUint64 || user > UserMax {
		return
	}
	from := newKey(user, device, after+1)
	it, e := &m.scan, &m.shown
	if m.scanning { // inside another scan's f
		inner := m.tree.Iter()
		it, e = &inner, new(Entry)
	} else {
		it.Init(m.tree, false)
		m.scanning = true
		defer func() { m.scanning = false }()
	}
	for ok := it.SeekHint(from, &m.hint); ok; ok = it.Next() {
		k := it.Item()
		if !k.sameDevice(from) {
			return
		}
		body := m.bodies.At(k.slot())
		body.show(k, e)
		if !f(e, m.payload(body)) {
			return
		}
	}
}

// Drop removes the device's entries with seq <= upTo, ascending, calling f (which may be nil) for each before it goes.
// The entry is valid until f returns; f must not change the Mailboxes.
func (m *Mailboxes) Drop(user uint64, device uint8, upTo uint64, f func(e *Entry, payloadBytes int)) (dropped int) {
	if user > UserMax {
		return 0
	}
	for {
		n := m.oldest(user, device, upTo)
		for _, k := range m.batch[:n] {
			m.remove(k, f)
		}
		dropped += n
		if n < len(m.batch) {
			return dropped
		}
	}
}

// Last is the device's newest entry.
func (m *Mailboxes) Last(user uint64, device uint8) (e Entry, ok bool) {
	if user > UserMax {
		return Entry{}, false
	}
	top := newKey(user, device, math.MaxUint64)
	m.at.Init(m.tree, false)
	found := m.at.SeekHint(top, &m.hint) // endKey at the latest
	if found && !m.at.Item().sameDevice(top) {
		found = m.at.Prev()
	}
	if !found || !m.at.Item().sameDevice(top) {
		return Entry{}, false
	}
	k := m.at.Item()
	m.bodies.At(k.slot()).show(k, &e)
	return e, true
}

// Stats are the sizes now.
func (m *Mailboxes) Stats() Stats {
	n := m.bodies.Len()
	return Stats{
		Entries:      n,
		PayloadBytes: m.bytes,
		ArenaBytes:   m.payloads.Held(),
		EntryBytes:   m.bodies.Bytes() + int64(n)*treeBytesPerEntry,
	}
}

// find looks up the tree's form of a key.
func (m *Mailboxes) find(k Key) (treeKey, bool) {
	if k.User > UserMax {
		return treeKey{}, false
	}
	return m.tree.GetHint(keyOf(k), &m.hint)
}

// mayAppend says whether k is above every entry of its device.
func (m *Mailboxes) mayAppend(k Key) error {
	if k.User > UserMax {
		return ErrUser
	}
	m.at.Init(m.tree, false)
	if m.at.SeekHint(keyOf(k), &m.hint) && m.at.Item().sameDevice(keyOf(k)) {
		return ErrOrder
	}
	return nil
}

// insert adds an entry whose payload is already held by it. On an error the payload is let go.
func (m *Mailboxes) insert(e *Entry, blob slab.Handle) error {
	slot, body := m.bodies.Alloc()
	if body == nil {
		if blob != 0 {
			m.payloads.Free(blob)
		}
		return ErrFull
	}
	body.set(e)
	body.blob = blob
	k := keyOf(e.Key)
	k.slotWord |= slot
	m.tree.SetHint(k, &m.hint)
	m.bytes += int64(len(m.payload(body)))
	return nil
}

// oldest fills the batch with the device's first entries up to upTo.
func (m *Mailboxes) oldest(user uint64, device uint8, upTo uint64) (n int) {
	from := newKey(user, device, 0)
	m.at.Init(m.tree, false)
	for ok := m.at.SeekHint(from, &m.hint); ok && n < len(m.batch); ok = m.at.Next() {
		k := m.at.Item()
		if !k.sameDevice(from) || k.seq() > upTo {
			break
		}
		m.batch[n] = k
		n++
	}
	return n
}

// remove takes one entry out and lets its payload go.
func (m *Mailboxes) remove(k treeKey, f func(e *Entry, payloadBytes int)) {
	body := m.bodies.At(k.slot())
	size := len(m.payload(body))
	if f != nil {
		body.show(k, &m.shown)
		f(&m.shown, size)
	}
	m.tree.DeleteHint(k, &m.hint)
	if body.blob != 0 {
		m.payloads.Free(body.blob)
	}
	m.bodies.Free(k.slot())
	m.bytes -= int64(size)
}

// payload is an entry's payload in its block; nil when it has none.
func (m *Mailboxes) payload(body *entryBody) []byte {
	if body.blob == 0 {
		return nil
	}
	n := binary.NativeEndian.Uint16(m.payloads.Bytes(body.blob, lengthBytes))
	return m.payloads.Bytes(body.blob, lengthBytes+int(n))[lengthBytes:]
}
