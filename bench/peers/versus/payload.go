package main

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
)

// A payload is text of the alphabet that every protocol carries as it is:
//
//	0        8        16       24
//	+--------+--------+--------+-----------
//	| lane   | seq    | sum    | filler
//	+--------+--------+--------+-----------
//
// The first three are u32 in hexadecimal. A lane is a row of messages to one user, numbered from 1; sum is CRC-32 over everything else.
const payloadHeadBytes = 24

// fill writes message seq of a lane into dst, whose length is the payload's.
func fill(dst []byte, lane, seq uint32) {
	put(dst[0:], lane)
	put(dst[8:], seq)
	for i := payloadHeadBytes; i < len(dst); i++ {
		dst[i] = 'a' + byte((seq+uint32(i))%26)
	}
	put(dst[16:], sum(dst))
}

func put(dst []byte, v uint32) {
	hex.Encode(dst[:8], []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

func sum(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(b[:16]), crc32.IEEETable, b[payloadHeadBytes:])
}

// parse reads a payload.
func parse(b []byte) (lane, seq uint32, err error) {
	if len(b) < payloadHeadBytes {
		return 0, 0, fmt.Errorf("a payload of %d bytes", len(b))
	}
	var head [12]byte
	if _, err := hex.Decode(head[:], b[:payloadHeadBytes]); err != nil {
		return 0, 0, fmt.Errorf("payload %.40q: %w", b, err)
	}
	u32 := func(b []byte) uint32 {
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	if u32(head[8:]) != sum(b) {
		return 0, 0, fmt.Errorf("payload %.40q is damaged", b)
	}
	return u32(head[0:]), u32(head[4:]), nil
}

// lane checks that its messages come once and in order.
type lane struct {
	last    uint32
	arrived int64
	doubled int64
	skipped int64 // passed over; those that come late all the same count as doubled
}

// take notes one message.
func (l *lane) take(seq uint32) (fresh bool) {
	if seq <= l.last {
		l.doubled++
		return false
	}
	l.skipped += int64(seq - l.last - 1)
	l.last = seq
	l.arrived++
	return true
}
