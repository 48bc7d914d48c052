package store

import (
	"bytes"
	"slices"
)

// Base is what a Replica starts from: an Offline, or nothing (nil).
type Base interface {
	Head(user uint64, device uint8) (h Head, ok bool, err error)
	Entries(user uint64, device uint8, after uint64, f func(e *Entry, payload []byte) bool) error
}

// Replica is the mailboxes as a state machine: records in, state out, without a clock, chance or disk of its own. The single node feeds it
// from its journal when it starts; a replicated log can feed it later. Applying any suffix of what was applied once more
// changes nothing, so the base may be newer than the first record. It belongs to one goroutine.
type Replica struct {
	base     Base
	boxes    map[boxKey]*replicaBox
	payloads []byte            // room for the next payloads
	kept     [SharedMax][]byte // the payloads of sharedLeast bytes and more that were kept last
	keptAt   int
	ticks    map[stream]span
	silent   bool // what is dropped was taken by nobody
}

// boxKey names a mailbox.
type boxKey struct {
	user   uint64
	device uint8
}

// compareBoxes orders mailboxes.
func compareBoxes(a, b boxKey) int {
	if a.user != b.user {
		if a.user < b.user {
			return -1
		}
		return 1
	}
	return int(a.device) - int(b.device)
}

// replicaBox is a mailbox that records have changed: what differs from the base.
type replicaBox struct {
	head      Head
	baseAcked uint64 // entries of the base up to it are none of ours
	inBase    bool
	added     []held           // ascending
	replaced  map[uint64]Entry // of the base's entries, by seq
	past      []Entry          // messages of records that the base has dropped already; their keys hold only the seq
}

// held is an entry that the base does not have.
type held struct {
	entry   Entry
	payload []byte
}

// payloadRoom is how much memory for payloads is taken at once.
const payloadRoom = 1 << 20

// NewReplica makes a replica on a base. It keeps only what its records change.
func NewReplica(base Base) *Replica {
	return &Replica{base: base, boxes: map[boxKey]*replicaBox{}, ticks: map[stream]span{}}
}

// Mailboxes is how many mailboxes differ from the base.
func (r *Replica) Mailboxes() int { return len(r.boxes) }

// Apply takes one record. Errors are the base's.
//
// An append with seq <= Last, a replace or a drop with seq <= Acked change nothing; a head sets its fields but raises Last and Acked.
func (r *Replica) Apply(rec *Record) error {
	b, err := r.box(recordBox(rec))
	if err != nil {
		return err
	}
	switch rec.Kind {
	case RecordAppend:
		r.append(b, &rec.Entry, rec.Payload, rec.Same)
	case RecordReplace:
		r.noteTold(&rec.Entry)
		return r.replace(b, &rec.Entry)
	case RecordDrop:
		return r.drop(b, rec.Entry.Seq)
	case RecordMark:
		b.head.Mark = rec.Head.Mark
	case RecordHead:
		last, acked, counts := b.head.Last, b.head.Acked, b.head.Counts
		b.head = rec.Head
		b.head.Last, b.head.Acked, b.head.Counts = max(last, rec.Head.Last), acked, counts
		r.silent = rec.Head.Flags&HeadGone != 0
		err := r.drop(b, rec.Head.Acked)
		r.silent = false
		return err
	}
	return nil
}

func recordBox(rec *Record) boxKey {
	if rec.Kind >= RecordMark {
		return boxKey{rec.Head.User, rec.Head.Device}
	}
	return boxKey{rec.Entry.User, rec.Entry.Device}
}

// box finds a mailbox, in the base the first time.
func (r *Replica) box(k boxKey) (*replicaBox, error) {
	if b := r.boxes[k]; b != nil {
		return b, nil
	}
	b := &replicaBox{head: Head{User: k.user, Device: k.device}}
	if r.base != nil {
		h, ok, err := r.base.Head(k.user, k.device)
		if err != nil {
			return nil, err
		}
		if ok {
			b.head, b.inBase, b.baseAcked = h, true, h.Acked
		}
	}
	r.boxes[k] = b
	return b, nil
}

func (r *Replica) append(b *replicaBox, e *Entry, payload []byte, same bool) {
	r.noteTold(e)
	switch {
	case e.Seq > b.head.Last:
		b.head.Last = e.Seq
		b.head.Add(e.Kind, len(payload))
		b.added = append(b.added, held{*e, r.keep(payload, same)})
	case e.Seq <= b.head.Acked && e.tellsSender():
		b.past = append(b.past, *e)
	}
}

// keep copies a payload, unless it is one of those that were kept last. Short ones push out none of these, as in the records.
func (r *Replica) keep(payload []byte, same bool) []byte {
	if len(payload) == 0 {
		return nil
	}
	named := len(payload) >= sharedLeast
	for i := range SharedMax {
		if k := r.kept[(r.keptAt-1-i)&(SharedMax-1)]; named && same && bytes.Equal(payload, k) {
			return k
		}
	}
	if len(r.payloads)+len(payload) > cap(r.payloads) {
		r.payloads = make([]byte, 0, max(payloadRoom, len(payload)))
	}
	start := len(r.payloads)
	r.payloads = append(r.payloads, payload...)
	k := r.payloads[start:len(r.payloads):len(r.payloads)]
	if named {
		r.kept[r.keptAt&(SharedMax-1)] = k
		r.keptAt++
	}
	return k
}

// replace gives an entry other fields. One that is nowhere, though nobody has acknowledged it, is there from now on.
func (r *Replica) replace(b *replicaBox, e *Entry) error {
	if e.Seq <= b.head.Acked {
		return nil
	}
	if i, ok := b.find(e.Seq); ok {
		r.recount(b, b.added[i].entry.Kind, e.Kind, len(b.added[i].payload))
		b.added[i].entry = *e
		return nil
	}
	if old, ok := b.replaced[e.Seq]; ok {
		r.recount(b, old.Kind, e.Kind, 0)
		b.replaced[e.Seq] = *e
		return nil
	}
	found := false
	err := r.eachOfBase(b, e.Seq-1, func(old *Entry, payload []byte) bool {
		if found = old.Seq == e.Seq; found {
			r.recount(b, old.Kind, e.Kind, len(payload))
		}
		return false
	})
	switch {
	case err != nil:
		return err
	case found:
		if b.replaced == nil {
			b.replaced = map[uint64]Entry{}
		}
		b.replaced[e.Seq] = *e
		return nil
	}
	i, _ := b.find(e.Seq)
	b.added = slices.Insert(b.added, i, held{entry: *e})
	b.head.Add(e.Kind, 0)
	b.head.Last = max(b.head.Last, e.Seq)
	return nil
}

// find says where an added entry is, or would be.
func (b *replicaBox) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(b.added, seq, func(h held, seq uint64) int {
		switch {
		case h.entry.Seq < seq:
			return -1
		case h.entry.Seq > seq:
			return 1
		}
		return 0
	})
}

func (r *Replica) recount(b *replicaBox, old, now EntryKind, payloadBytes int) {
	b.head.Sub(old, payloadBytes)
	b.head.Add(now, payloadBytes)
}

// drop removes what is acknowledged.
func (r *Replica) drop(b *replicaBox, seq uint64) error {
	if seq <= b.head.Acked {
		r.dropPast(b, seq)
		return nil
	}
	err := r.eachOfBase(b, b.head.Acked, func(e *Entry, payload []byte) bool {
		if e.Seq > seq {
			return false
		}
		r.gone(b, e, len(payload))
		delete(b.replaced, e.Seq)
		return true
	})
	if err != nil {
		return err
	}
	n := 0
	for n < len(b.added) && b.added[n].entry.Seq <= seq {
		r.gone(b, &b.added[n].entry, len(b.added[n].payload))
		n++
	}
	if b.added = b.added[n:]; len(b.added) == 0 {
		b.added = nil
	}
	b.head.Acked = seq
	b.head.Last = max(b.head.Last, seq)
	return nil
}

// gone takes an entry off the counts; a message's sender is told.
func (r *Replica) gone(b *replicaBox, e *Entry, payloadBytes int) {
	if now, ok := b.replaced[e.Seq]; ok {
		e = &now
	}
	b.head.Sub(e.Kind, payloadBytes)
	if e.tellsSender() {
		r.tick(b.head.User, b.head.Device, e)
	}
}

// dropPast has the senders told of messages that were in the records but are gone from the base already.
func (r *Replica) dropPast(b *replicaBox, seq uint64) {
	b.past = slices.DeleteFunc(b.past, func(e Entry) bool {
		if e.Seq <= seq {
			r.tick(b.head.User, b.head.Device, &e)
		}
		return e.Seq <= seq
	})
}

// eachOfBase visits what the base has of a mailbox.
func (r *Replica) eachOfBase(b *replicaBox, after uint64, f func(e *Entry, payload []byte) bool) error {
	if !b.inBase {
		return nil
	}
	return r.base.Entries(b.head.User, b.head.Device, max(after, b.baseAcked), f)
}

// eachEntry visits what waits in a mailbox, in order.
func (r *Replica) eachEntry(b *replicaBox, f func(e *Entry, payload []byte)) error {
	next := 0
	before := func(seq uint64) {
		for ; next < len(b.added) && b.added[next].entry.Seq < seq; next++ {
			f(&b.added[next].entry, b.added[next].payload)
		}
	}
	err := r.eachOfBase(b, b.head.Acked, func(e *Entry, payload []byte) bool {
		before(e.Seq)
		if now, ok := b.replaced[e.Seq]; ok {
			e = &now
		}
		f(e, payload)
		return true
	})
	before(^uint64(0))
	return err
}

// sorted lists the mailboxes in order.
func (r *Replica) sorted() []boxKey {
	keys := make([]boxKey, 0, len(r.boxes))
	for k := range r.boxes {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareBoxes)
	return keys
}
