package store

import (
	"encoding/binary"
	"math"

	"github.com/tidwall/btree"

	"trunkline/internal/slab"
)

// Mailboxes is the offline cache of one loop. It belongs to one goroutine.
//
// The slab holds the entries, those of a mailbox as a list; the table finds the first of a mailbox, the arena holds payloads. Long mailboxes
// are looked up in a tree, which has one entry in seekEvery: see seek. Append, Scan, Replace, Last and Drop allocate nothing but
// buckets of the table when it grows and, for long mailboxes, nodes of the tree.
type Mailboxes struct {
	table    *mailboxTable
	bodies   *slab.Slab[entryBody]
	payloads *slab.Arena
	bytes    int64 // of payloads, as sent; a shared one counts for each entry

	tree *btree.BTreeG[treeKey]
	hint btree.PathHint
	at   btree.IterG[treeKey]

	shared   [SharedLanes]uint32 // the entries whose payloads were shared last, by lane; 0: none. It may be gone
	scanning bool
	shown    Entry // what callbacks look at
}

// Stats are sizes of one Mailboxes.
type Stats struct {
	Entries      int
	PayloadBytes int64 // as sent; a payload shared by several entries counts for each
	ArenaBytes   int64 // as held: blocks, their rounding, and room
	EntryBytes   int64 // entries and table as held, and an estimate for the tree
}

// endKey lies above every entry. It stays in the tree, so the last entry's drop does not free the root.
var endKey = newKey(UserMax+1, 0, 0)

// NewMailboxes makes an empty Mailboxes with ArenaBytesDefault of room for payloads.
func NewMailboxes() *Mailboxes { return NewMailboxesWithin(ArenaBytesDefault) }

// NewMailboxesWithin makes an empty Mailboxes whose payloads take at most arenaBytesMax of memory.
func NewMailboxesWithin(arenaBytesMax int64) *Mailboxes {
	m := &Mailboxes{
		table:    newMailboxTable(),
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
	spot, err := m.mayAppend(&e.Key)
	if err != nil {
		return err
	}
	blob, err := m.keep(payload)
	if err != nil {
		return err
	}
	return m.insert(e, &spot, 0, blob)
}

// Restore adds an entry that comes back from disk, and a copy of its payload. It may lie anywhere among the device's; one that is
// there already stays as it is. Errors: ErrFull, ErrTooLarge, ErrUser. After an error nothing has changed.
func (m *Mailboxes) Restore(e *Entry, payload []byte) error {
	if e.User > UserMax {
		return ErrUser
	}
	spot := m.find(e.User, e.Device)
	next := uint32(0)
	if spot.first != 0 {
		if next = m.seek(spot.first, e.Seq); next != 0 && m.bodies.At(next).seq == e.Seq {
			return nil
		}
	}
	if len(payload) > PayloadBytesMax {
		return ErrTooLarge
	}
	blob, err := m.keep(payload)
	if err != nil {
		return err
	}
	return m.insert(e, &spot, next, blob)
}

// AppendShared adds an entry that holds the same payload as the entry `of`, kept once and until the last of them is
// dropped. Who shares several payloads by turns gives each a lane below SharedLanes, so that `of` is looked up once. Errors: those of Append, and
// ErrNoEntry when there is no entry `of`.
func (m *Mailboxes) AppendShared(e *Entry, of Key, lane int) error {
	shared := &m.shared[lane%SharedLanes]
	if !m.bodies.Live(*shared) || !m.bodies.At(*shared).is(&of) {
		if *shared = m.lookUp(&of); *shared == 0 {
			return ErrNoEntry
		}
	}
	spot, err := m.mayAppend(&e.Key)
	if err != nil {
		return err
	}
	blob := m.bodies.At(*shared).blob
	if blob != 0 {
		m.payloads.Retain(blob)
	}
	return m.insert(e, &spot, 0, blob)
}

// Replace changes the fields of an existing entry beside its key and payload (a receipt range that grows). ErrNoEntry.
func (m *Mailboxes) Replace(e *Entry) error {
	slot := m.lookUp(&e.Key)
	if slot == 0 {
		return ErrNoEntry
	}
	m.bodies.At(slot).set(e)
	return nil
}

// Scan calls f for the device's entries with seq > after, ascending, until f returns false. The entry and the payload
// are valid until f returns; the payload aliases the arena. f must not change the Mailboxes.
func (m *Mailboxes) Scan(user uint64, device uint8, after uint64, f func(e *Entry, payload []byte) bool) {
	if after == math.MaxUint64 || user > UserMax {
		return
	}
	slot := m.find(user, device).first
	if slot != 0 {
		slot = m.seek(slot, after+1)
	}
	if slot == 0 {
		return
	}
	e := &m.shown
	if m.scanning { // inside another scan's f
		e = new(Entry)
	} else {
		m.scanning = true
		defer func() { m.scanning = false }()
	}
	for slot != 0 {
		body := m.bodies.At(slot)
		body.show(e)
		if !f(e, m.payload(body)) {
			return
		}
		slot = body.next
	}
}

// Drop removes the device's entries with seq <= upTo, ascending, calling f (which may be nil) for each before it goes.
// The entry is valid until f returns; f must not change the Mailboxes.
func (m *Mailboxes) Drop(user uint64, device uint8, upTo uint64, f func(e *Entry, payloadBytes int)) (dropped int) {
	if user > UserMax {
		return 0
	}
	for spot := m.find(user, device); spot.first != 0; dropped++ {
		body := m.bodies.At(spot.first)
		if body.seq > upTo {
			break
		}
		size := len(m.payload(body))
		if f != nil {
			body.show(&m.shown)
			f(&m.shown, size)
		}
		m.bytes -= int64(size)
		m.removeFirst(&spot, body)
	}
	return dropped
}

// Last is the device's newest entry.
func (m *Mailboxes) Last(user uint64, device uint8) (e Entry, ok bool) {
	if user > UserMax {
		return Entry{}, false
	}
	spot := m.find(user, device)
	if spot.first == 0 {
		return Entry{}, false
	}
	m.bodies.At(m.bodies.At(spot.first).prev).show(&e)
	return e, true
}

// Stats are the sizes now.
func (m *Mailboxes) Stats() Stats {
	return Stats{
		Entries:      m.bodies.Len(),
		PayloadBytes: m.bytes,
		ArenaBytes:   m.payloads.Held(),
		EntryBytes:   m.bodies.Bytes() + m.table.bytes() + int64(m.tree.Len())*treeBytesPerEntry,
	}
}

// mayAppend says whether k is above every entry of its device.
func (m *Mailboxes) mayAppend(k *Key) (mailboxSpot, error) {
	if k.User > UserMax {
		return mailboxSpot{}, ErrUser
	}
	spot := m.find(k.User, k.Device)
	if spot.first != 0 && m.bodies.At(m.bodies.At(spot.first).prev).seq >= k.Seq {
		return spot, ErrOrder
	}
	return spot, nil
}

// keep copies a payload; 0: there is none.
func (m *Mailboxes) keep(payload []byte) (slab.Handle, error) {
	if len(payload) == 0 {
		return 0, nil
	}
	h, b := m.payloads.Alloc(lengthBytes + len(payload))
	if h == 0 {
		return 0, ErrFull
	}
	binary.NativeEndian.PutUint16(b, uint16(len(payload)))
	copy(b[lengthBytes:], payload)
	return h, nil
}

// insert adds an entry whose payload is already held by it, before another one of its mailbox (0: behind all). On an error the payload is let go.
func (m *Mailboxes) insert(e *Entry, spot *mailboxSpot, next uint32, blob slab.Handle) error {
	slot, body := m.bodies.Alloc()
	if body == nil {
		if blob != 0 {
			m.payloads.Free(blob)
		}
		return ErrFull
	}
	body.user, body.device, body.seq, body.blob = e.User, e.Device, e.Seq, blob
	body.set(e)
	m.link(spot, slot, body, next)
	if e.Seq%seekEvery == 0 {
		m.tree.SetHint(body.key(slot), &m.hint)
	}
	m.bytes += int64(len(m.payload(body)))
	return nil
}

// payload is an entry's payload in its block; nil when it has none.
func (m *Mailboxes) payload(body *entryBody) []byte {
	if body.blob == 0 {
		return nil
	}
	n := binary.NativeEndian.Uint16(m.payloads.Bytes(body.blob, lengthBytes))
	return m.payloads.Bytes(body.blob, lengthBytes+int(n))[lengthBytes:]
}
