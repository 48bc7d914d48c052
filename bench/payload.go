package bench

import (
	"encoding/binary"
	"hash/crc32"
)

// payloadHeadBytes is the fixed part of a payload: seq u32, at u64, sum u32.
const payloadHeadBytes = 16

// payload is what the generator puts into a message, so that the receiver can tell what it got.
//
//	0      4             12     16
//	+------+-------------+------+---------
//	| seq  | at (ns)     | sum  | filler
//	+------+-------------+------+---------
//
// seq counts the messages of one pair from 1, at is when the message was due, in nanoseconds of the run's clock, and sum
// is CRC-32C over the pair's number and everything else. The filler differs from message to message.
type payload struct {
	seq uint32
	at  int64
}

// payloadCodec writes and checks payloads. It belongs to one loop.
type payloadCodec struct {
	table *crc32.Table
}

func newPayloadCodec() payloadCodec { return payloadCodec{table: crc32.MakeTable(crc32.Castagnoli)} }

// fill writes p into dst, whose length is the payload's size (at least payloadHeadBytes).
func (c payloadCodec) fill(dst []byte, pair uint32, p payload) {
	binary.BigEndian.PutUint32(dst, p.seq)
	binary.BigEndian.PutUint64(dst[4:], uint64(p.at))
	fillers(dst[payloadHeadBytes:], p.seq)
	binary.BigEndian.PutUint32(dst[12:], c.sum(dst, pair))
}

// fillers writes bytes that depend on seq and place.
func fillers(dst []byte, seq uint32) {
	for i := range dst {
		dst[i] = byte(seq*31) + byte(i)
	}
}

// parse reads a payload; ok is false when it is not one that this pair sent.
func (c payloadCodec) parse(b []byte, pair uint32) (p payload, ok bool) {
	if len(b) < payloadHeadBytes || binary.BigEndian.Uint32(b[12:]) != c.sum(b, pair) {
		return payload{}, false
	}
	return payload{seq: binary.BigEndian.Uint32(b), at: int64(binary.BigEndian.Uint64(b[4:]))}, true
}

func (c payloadCodec) sum(b []byte, pair uint32) uint32 {
	sum := crc32.Update(pair, c.table, b[:12])
	return crc32.Update(sum, c.table, b[payloadHeadBytes:])
}
