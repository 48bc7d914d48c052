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
// It is the form in which entries are given and shown; what is kept is a treeKey and an entryBody.
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

// treeKey is an entry's place in the tree: 20 bytes, because nodes may be half empty and then every byte counts twice.
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

func keyOf(k Key) treeKey { return newKey(k.User, k.Device, k.Seq) }

func (k treeKey) who() uint64   { return uint64(k.whoHigh)<<32 | uint64(k.whoLow) }
func (k treeKey) seq() uint64   { return uint64(k.seqHigh)<<32 | uint64(k.seqLow) }
func (k treeKey) user() uint64  { return k.who() >> 4 }
func (k treeKey) device() uint8 { return uint8(k.whoLow<<4) | uint8(k.slotWord>>slotBits) }
func (k treeKey) slot() uint32  { return k.slotWord & (1<<slotBits - 1) }

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

// entryBody is the rest of an entry: 40 bytes in a slab.
type entryBody struct {
	peer       uint64
	first      uint64
	last       uint64
	timeSec    uint32
	blob       slab.Handle // 0: no payload
	gen        uint16
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

// show fills e from both halves.
func (b *entryBody) show(k treeKey, e *Entry) {
	e.Key = Key{User: k.user(), Seq: k.seq(), Device: k.device()}
	e.Peer, e.First, e.Last, e.TimeSec = b.peer, b.first, b.last, b.timeSec
	e.Gen, e.Kind, e.Flags, e.Code = b.gen, b.kind, b.flags, b.code
	e.PeerDevice, e.PayloadTag = b.peerDevice, b.payloadTag
}
