package store

import "encoding/binary"

// slice is what one loop writes back in one turn: mailboxes as they were at its end. It is bytes, so that it costs the garbage collector
// nothing while it waits, and can be applied again when the offline store has lost what it had not flushed.
//
// For each mailbox: user u64, device u8, gone u8 (1: it leaves the disk), the head's fields, messages u32, notices u32, rejections u32, bytes u64, gone after u64, gone up
// to u64, the length of all entries u64, entries as appendEntry writes them.
type slice struct {
	loop     int
	turn     uint64 // in which it was taken
	needs    uint64 // the turn that must be durable before it is applied
	lowWater uint64 // what the loop needs of the journal once this and all slices before it are on the disk
	heads    int
	entries  int
	b        []byte
}

const sliceHeadBytes = 8 + 1 + 1 + headFieldBytes + 4 + 4 + 4 + 8 + 8 + 8 + 8

// add adds a mailbox and the entries that scan shows, and returns the size of the slice.
func (s *slice) add(h *Head, gone SeqRange, scan func(f func(e *Entry, payload []byte) bool)) int {
	b := binary.BigEndian.AppendUint64(s.b, h.User)
	b = append(b, h.Device, 0)
	if h.Gone {
		b[len(b)-1] = 1
	}
	b = appendHeadFields(b, h)
	b = binary.BigEndian.AppendUint32(b, h.Messages)
	b = binary.BigEndian.AppendUint32(b, h.Notices)
	b = binary.BigEndian.AppendUint32(b, h.Rejections)
	b = binary.BigEndian.AppendUint64(b, h.Bytes)
	b = binary.BigEndian.AppendUint64(b, gone.After)
	b = binary.BigEndian.AppendUint64(b, gone.UpTo)
	length := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	scan(func(e *Entry, payload []byte) bool {
		b = appendEntry(b, e, payload)
		s.entries++
		return true
	})
	binary.BigEndian.PutUint64(b[length:], uint64(len(b)-length-8))
	s.b = b
	s.heads++
	return len(b)
}

// next puts the first mailbox of from into a batch and returns the rest.
func (s *slice) next(batch *OfflineBatch, from []byte) (rest []byte) {
	h := Head{User: binary.BigEndian.Uint64(from), Device: from[8]}
	h.Gone = from[9] != 0
	b := from[10:]
	parseHeadFields(&h, b)
	b = b[headFieldBytes:]
	h.Messages, h.Notices, h.Rejections = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	h.Bytes = binary.BigEndian.Uint64(b[12:])
	after, upTo, length := binary.BigEndian.Uint64(b[20:]), binary.BigEndian.Uint64(b[28:]), binary.BigEndian.Uint64(b[36:])
	b = from[sliceHeadBytes:]
	if h.Gone {
		batch.DropMailbox(h.User, h.Device)
		return b[length:]
	}
	batch.PutHead(&h)
	if upTo > after {
		batch.DropEntries(h.User, h.Device, after, upTo)
	}
	e := Entry{Key: Key{User: h.User, Device: h.Device}}
	for entries := b[:length]; len(entries) > 0; {
		var payload []byte
		payload, entries = nextEntry(&e, entries)
		batch.PutEntry(&e, payload)
	}
	return b[length:]
}
