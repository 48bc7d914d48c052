package store

import (
	"encoding/binary"
	"hash/crc32"
)

// RecordReader reads what RecordWriters have written: one part, or several of them one behind the other. It remembers the last SharedMax payloads
// of sharedLeast bytes and more, for the appends behind them that have the same. The zero RecordReader is at the beginning of a part.
type RecordReader struct {
	last [SharedMax]readPayload // the newest at (next-1) modulo SharedMax
	next int
}

// readPayload is a payload that was read; it aliases that.
type readPayload struct {
	b      []byte
	sum    uint32
	summed bool
}

// Next reads the first record of b into r and says how many bytes it took. Payload aliases b, or what an earlier call has read, which must still be
// as it was. Allocates nothing.
// Errors: ErrRecord. No bytes of a stranger get here: a record that can't be read is a damaged disk or a fault of ours.
func (x *RecordReader) Next(r *Record, b []byte) (used int, err error) {
	if len(b) < recordKeyBytes {
		return 0, ErrRecord
	}
	kind, user, device := RecordKind(b[0]), binary.BigEndian.Uint64(b[1:]), b[9]
	if kind == 0 || kind >= recordEnd || user > UserMax || len(b) < recordBytes(kind) {
		return 0, ErrRecord
	}
	*r = Record{Kind: kind}
	rest, used := b[recordKeyBytes:], recordBytes(kind)
	switch kind {
	case RecordAppend, RecordReplace, recordAgain:
		r.Entry.Key = Key{User: user, Device: device, Seq: binary.BigEndian.Uint64(rest)}
		parseEntryFields(&r.Entry, rest[8:])
	case RecordDrop:
		r.Entry.Key = Key{User: user, Device: device, Seq: binary.BigEndian.Uint64(rest)}
	case RecordMark:
		r.Head.User, r.Head.Device, r.Head.Mark = user, device, binary.BigEndian.Uint64(rest)
	case RecordHead:
		r.Head.User, r.Head.Device = user, device
		parseHeadFields(&r.Head, rest)
	}
	switch kind {
	case RecordAppend:
		n := int(binary.BigEndian.Uint16(b[used-2:]))
		if n > PayloadBytesMax || len(b) < used+n {
			return 0, ErrRecord
		}
		if n > 0 {
			r.Payload = b[used : used+n : used+n]
		}
		if n >= sharedLeast {
			x.last[x.next&(SharedMax-1)] = readPayload{b: r.Payload}
			x.next++
		}
		return used + n, nil
	case recordAgain:
		if !x.again(r, b[recordEntryBytes:used]) {
			return 0, ErrRecord
		}
	}
	return used, nil
}

// again makes r what was noted. Length and sum say which payload that was: with another one it is false.
func (x *RecordReader) again(r *Record, b []byte) bool {
	length, sum := int(binary.BigEndian.Uint16(b)), binary.BigEndian.Uint32(b[2:])
	for i := range SharedMax {
		p := &x.last[(x.next-1-i)&(SharedMax-1)]
		if len(p.b) == 0 || len(p.b) != length {
			continue
		}
		if !p.summed {
			p.sum, p.summed = crc32.Checksum(p.b, castagnoli), true
		}
		if p.sum == sum {
			r.Kind, r.Same, r.Payload = RecordAppend, true, p.b
			return true
		}
	}
	return false
}
