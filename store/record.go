package store

import (
	"encoding/binary"
	"slices"
)

// The kinds of entry that are counted apart. Every other kind is a notice.
const (
	KindMessage  EntryKind = 0x10
	KindRejected EntryKind = 0x04
	// KindState is a piece of a state that the shard keeps in a mailbox of its own; it is counted as a notice and never expires.
	KindState EntryKind = 0x20
)

// FlagGroup is set in the Flags of a message that belongs to a group's stream, and of receipts about such: its sender is told by the
// group, so a start tells nothing of it again.
const FlagGroup uint8 = 0x02

// HeadGone is set in the Flags of a mailbox whose device was removed. A head with it drops what waits up to its Acked, and no sender is told of a
// second tick for that: nobody took it.
const HeadGone uint8 = 0x80

// Mailboxes that no client reads. What waits in DevicePending must be gone on with after a start: the keeper tells the loop of such users
// (NewsPending). DeviceState holds a user's or group's state.
const (
	DevicePending = 254
	DeviceState   = 255
)

// Counts say what waits in one mailbox.
type Counts struct {
	Messages   uint32
	Notices    uint32 // receipts and rejections
	Rejections uint32 // of the notices
	Bytes      uint64 // payload of the messages
}

// Add counts one more entry.
func (c *Counts) Add(kind EntryKind, payloadBytes int) {
	switch kind {
	case KindMessage:
		c.Messages++
		c.Bytes += uint64(payloadBytes)
		return
	case KindRejected:
		c.Rejections++
	}
	c.Notices++
}

// Sub takes one entry off.
func (c *Counts) Sub(kind EntryKind, payloadBytes int) {
	switch kind {
	case KindMessage:
		c.Messages--
		c.Bytes -= uint64(payloadBytes)
		return
	case KindRejected:
		c.Rejections--
	}
	c.Notices--
}

// Waiting is how many entries that are.
func (c *Counts) Waiting() int { return int(c.Messages) + int(c.Notices) }

// Head is what outlives a process of one mailbox, beside its entries. Meanings belong to the shard, but for Last, Acked and the counts:
// every entry of the mailbox has Acked < seq <= Last. Both only ever grow.
type Head struct {
	User       uint64
	Device     uint8
	Flags      uint8
	Gen        uint16
	Registered uint16
	Token      uint32
	Epoch      uint32
	SeenSec    uint32
	Owner      uint32 // the owner epoch of the process that wrote it
	Mark       uint64
	Last       uint64
	Acked      uint64
	Counts     // not in a record of the journal: Replica counts
	// Gone, in WriteBack only: the mailbox leaves the disk, head and entries. Its entries were dropped before, by a record too, and nobody notes
	// anything of it any more but who begins it anew, with seqs above Last: the journal may have the old ones still.
	Gone bool
}

// RecordKind says what a Record changes.
type RecordKind uint8

// The kinds of record. Values are kept on disk: they are never given another meaning.
const (
	RecordAppend  RecordKind = iota + 1 // Entry and Payload are new; Head.Last rises to its seq
	RecordReplace                       // Entry has these fields from now on; its payload stays (notices only: it has none)
	RecordDrop                          // entries of Entry.User and Entry.Device up to Entry.Seq are gone; Head.Acked rises to it
	RecordMark                          // Head.User, Head.Device, Head.Mark
	RecordHead                          // Head, but for its counts; Last and Acked rise, the other fields are set
	recordAgain                         // on disk only: an append with the payload of one before it; a RecordReader makes it a RecordAppend
	recordEnd
)

// Record is one change of one mailbox: what the journal is made of, and what a Replica applies.
type Record struct {
	Kind    RecordKind
	Entry   Entry  // append, replace; of drop only the key
	Payload []byte // append
	Same    bool   // append: the payload is that of an append noted before it: it is compared with the last SharedMax, and a long one is written once
	Head    Head   // mark, head
}

// User is whose mailbox changes.
func (r *Record) User() uint64 {
	if r.Kind >= RecordMark {
		return r.Head.User
	}
	return r.Entry.User
}

// Lengths of records, in bytes, without their payload.
const (
	recordKeyBytes    = 1 + 8 + 1 // kind, user, device
	entryFieldBytes   = 8 + 5 + 2 + 4 + 3*8
	recordEntryBytes  = recordKeyBytes + entryFieldBytes
	recordAppendBytes = recordEntryBytes + 2
	recordAgainBytes  = recordEntryBytes + 2 + 4
	recordDropBytes   = recordKeyBytes + 8
	recordMarkBytes   = recordKeyBytes + 8
	headFieldBytes    = 1 + 2 + 2 + 4*4 + 3*8
	recordHeadBytes   = recordKeyBytes + headFieldBytes
	// RecordBytesMax is the longest record.
	RecordBytesMax = recordAppendBytes + PayloadBytesMax
)

// AppendRecord adds the bytes of r to dst, by itself: whatever Same says, its payload is among them.
//
// Layout, big-endian: kind u8, user u64, device u8, then
//
//	append, replace, again  seq u64, kind u8, flags u8, code u8, peer device u8, payload tag u8, gen u16, time u32, peer u64, first u64, last u64
//	append also             length u16, payload
//	again also              length u16, CRC-32C u32 of the payload, which is that of one of the last 32 (SharedMax) appends before it that
//	                        have one of 17 bytes (sharedLeast) or more: shorter ones do not count, and are never named
//	drop                    seq u64
//	mark                    mark u64
//	head                    flags u8, gen u16, registered u16, token u32, epoch u32, seen u32, owner u32, mark u64, last u64, acked u64
func AppendRecord(dst []byte, r *Record) []byte {
	switch r.Kind {
	case RecordAppend:
		dst, b := roomFor(dst, recordAppendBytes)
		putEntryRecord(b, RecordAppend, &r.Entry)
		binary.BigEndian.PutUint16(b[recordEntryBytes:], uint16(len(r.Payload)))
		return append(dst, r.Payload...)
	case RecordReplace:
		dst, b := roomFor(dst, recordEntryBytes)
		putEntryRecord(b, RecordReplace, &r.Entry)
		return dst
	case RecordDrop:
		dst = appendRecordKey(dst, r.Kind, r.Entry.User, r.Entry.Device)
		dst = binary.BigEndian.AppendUint64(dst, r.Entry.Seq)
	case RecordMark:
		dst = appendRecordKey(dst, r.Kind, r.Head.User, r.Head.Device)
		dst = binary.BigEndian.AppendUint64(dst, r.Head.Mark)
	case RecordHead:
		dst = appendRecordKey(dst, r.Kind, r.Head.User, r.Head.Device)
		dst = appendHeadFields(dst, &r.Head)
	}
	return dst
}

// roomFor makes dst longer by n bytes, which are b: whatever they were.
func roomFor(dst []byte, n int) (longer, b []byte) {
	longer = slices.Grow(dst, n)[:len(dst)+n]
	return longer, longer[len(dst):]
}

// recordBytes is the length of a record of that kind without its payload.
func recordBytes(kind RecordKind) int {
	switch kind {
	case RecordAppend:
		return recordAppendBytes
	case RecordReplace:
		return recordEntryBytes
	case RecordDrop:
		return recordDropBytes
	case RecordMark:
		return recordMarkBytes
	case recordAgain:
		return recordAgainBytes
	}
	return recordHeadBytes
}

func appendRecordKey(dst []byte, kind RecordKind, user uint64, device uint8) []byte {
	dst = append(dst, byte(kind))
	dst = binary.BigEndian.AppendUint64(dst, user)
	return append(dst, device)
}

// putEntryRecord writes what records with an entry begin with: recordEntryBytes.
func putEntryRecord(b []byte, kind RecordKind, e *Entry) {
	_ = b[recordEntryBytes-1]
	b[0] = byte(kind)
	binary.BigEndian.PutUint64(b[1:], e.User)
	b[9] = e.Device
	binary.BigEndian.PutUint64(b[10:], e.Seq)
	putEntryFields(b[18:], e)
}

// entryPartBytes is what an entry has beside its key.
const entryPartBytes = entryFieldBytes - 8

// appendEntryFields adds what an entry has beside its key: entryPartBytes.
func appendEntryFields(dst []byte, e *Entry) []byte {
	dst, b := roomFor(dst, entryPartBytes)
	putEntryFields(b, e)
	return dst
}

func putEntryFields(b []byte, e *Entry) {
	_ = b[entryPartBytes-1]
	b[0], b[1], b[2], b[3], b[4] = byte(e.Kind), e.Flags, e.Code, e.PeerDevice, e.PayloadTag
	binary.BigEndian.PutUint16(b[5:], e.Gen)
	binary.BigEndian.PutUint32(b[7:], e.TimeSec)
	binary.BigEndian.PutUint64(b[11:], e.Peer)
	binary.BigEndian.PutUint64(b[19:], e.First)
	binary.BigEndian.PutUint64(b[27:], e.Last)
}

func parseEntryFields(e *Entry, b []byte) {
	e.Kind, e.Flags, e.Code, e.PeerDevice, e.PayloadTag = EntryKind(b[0]), b[1], b[2], b[3], b[4]
	e.Gen = binary.BigEndian.Uint16(b[5:])
	e.TimeSec = binary.BigEndian.Uint32(b[7:])
	e.Peer = binary.BigEndian.Uint64(b[11:])
	e.First = binary.BigEndian.Uint64(b[19:])
	e.Last = binary.BigEndian.Uint64(b[27:])
}

// appendHeadFields adds what a head has beside user, device and counts: 45 bytes.
func appendHeadFields(dst []byte, h *Head) []byte {
	dst = append(dst, h.Flags)
	dst = binary.BigEndian.AppendUint16(dst, h.Gen)
	dst = binary.BigEndian.AppendUint16(dst, h.Registered)
	dst = binary.BigEndian.AppendUint32(dst, h.Token)
	dst = binary.BigEndian.AppendUint32(dst, h.Epoch)
	dst = binary.BigEndian.AppendUint32(dst, h.SeenSec)
	dst = binary.BigEndian.AppendUint32(dst, h.Owner)
	dst = binary.BigEndian.AppendUint64(dst, h.Mark)
	dst = binary.BigEndian.AppendUint64(dst, h.Last)
	return binary.BigEndian.AppendUint64(dst, h.Acked)
}

func parseHeadFields(h *Head, b []byte) {
	h.Flags = b[0]
	h.Gen = binary.BigEndian.Uint16(b[1:])
	h.Registered = binary.BigEndian.Uint16(b[3:])
	h.Token = binary.BigEndian.Uint32(b[5:])
	h.Epoch = binary.BigEndian.Uint32(b[9:])
	h.SeenSec = binary.BigEndian.Uint32(b[13:])
	h.Owner = binary.BigEndian.Uint32(b[17:])
	h.Mark = binary.BigEndian.Uint64(b[21:])
	h.Last = binary.BigEndian.Uint64(b[29:])
	h.Acked = binary.BigEndian.Uint64(b[37:])
}
