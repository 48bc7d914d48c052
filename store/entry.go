package store

import "trunkline/internal/slab"

// Key orders entries: all of a device together, by seq. User is at most UserMax.
type Key struct {
	User   uint64
	Seq    uint64
	Device uint8
}

// EntryKind tells a message from the other things a mailbox holds. The values are the shard's business.
type EntryKind uint8

// Entry is one waiting stanza without its payload. It has no pointers. Field meanings beside the key belong to the shard.
// It is the form in which entries are given and shown; what is kept is an entryBody.
type Entry struct {
	Key
	Kind       EntryKind
	Flags      uint8
	Code       uint8
	PeerDevice uint8
	PayloadTag uint8 // Part.Kind of a message
	Gen        uint16
	TimeSec    uint32
	Peer       uint64
	First      uint64 // the id of a message; the first id of a range
	Last       uint64
}

// treeKey is the place of an entry in the tree: 20 bytes.
//
//	who   user (60 bits), upper half of device (4 bits)     high word first
//	seq   seq (64 bits)                                     high word first
//	slot  lower half of device (4 bits), slot (28 bits)     of the entryBody; not part of the order
type treeKey struct {
	whoHigh, whoLow uint32
	seqHigh, seqLow uint32
	slotWord        uint32
}

const slotBits = 28

func newKey(user uint64, device uint8, seq uint64) treeKey {
	who := user<<4 | uint64(device>>4)
	return treeKey{
		whoHigh: uint32(who >> 32), whoLow: uint32(who),
		seqHigh: uint32(seq >> 32), seqLow: uint32(seq),
		slotWord: uint32(device) << slotBits,
	}
}

func (k treeKey) who() uint64  { return uint64(k.whoHigh)<<32 | uint64(k.whoLow) }
func (k treeKey) seq() uint64  { return uint64(k.seqHigh)<<32 | uint64(k.seqLow) }
func (k treeKey) slot() uint32 { return k.slotWord & (1<<slotBits - 1) }

// sameDevice says whether both are of one device.
func (k treeKey) sameDevice(o treeKey) bool {
	return k.who() == o.who() && k.slotWord>>slotBits == o.slotWord>>slotBits
}

// less orders by user, device, seq.
func less(a, b treeKey) bool {
	if x, y := a.who(), b.who(); x != y {
		return x < y
	}
	if x, y := a.slotWord>>slotBits, b.slotWord>>slotBits; x != y {
		return x < y
	}
	return a.seq() < b.seq()
}

// entryBody is an entry as it is held: 64 bytes in a slab, which is one line of a processor's cache.
//
// The entries of a mailbox are a list in the order of seqs. prev of the first is the last.
type entryBody struct {
	user       uint64
	seq        uint64
	peer       uint64
	first      uint64
	last       uint64
	timeSec    uint32
	blob       slab.Handle // 0: no payload
	next       uint32      // slot; 0: it is the last
	prev       uint32      // slot
	gen        uint16
	device     uint8
	kind       EntryKind
	flags      uint8
	code       uint8
	peerDevice uint8
	payloadTag uint8
}

// set takes every field of e but its key.
func (b *entryBody) set(e *Entry) {
	b.peer, b.first, b.last, b.timeSec = e.Peer, e.First, e.Last, e.TimeSec
	b.gen, b.kind, b.flags, b.code = e.Gen, e.Kind, e.Flags, e.Code
	b.peerDevice, b.payloadTag = e.PeerDevice, e.PayloadTag
}

// show fills e.
func (b *entryBody) show(e *Entry) {
	e.Key = Key{User: b.user, Seq: b.seq, Device: b.device}
	e.Peer, e.First, e.Last, e.TimeSec = b.peer, b.first, b.last, b.timeSec
	e.Gen, e.Kind, e.Flags, e.Code = b.gen, b.kind, b.flags, b.code
	e.PeerDevice, e.PayloadTag = b.peerDevice, b.payloadTag
}

// is says whether it is the entry with that key.
func (b *entryBody) is(k *Key) bool {
	return b.seq == k.Seq && b.user == k.User && b.device == k.Device
}

// key is its place in the tree.
func (b *entryBody) key(slot uint32) treeKey {
	k := newKey(b.user, b.device, b.seq)
	k.slotWord |= slot
	return k
}
