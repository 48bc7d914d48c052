package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// A segment file is a header and then parts of rounds, without gaps. Numbers are big-endian, sums are CRC-32C.
//
//	segment header, 40 bytes: magic 8, version u16, writer u8, zero u8, sum u32 of the rest, journal id 16, first round u64
//	part header, 32 bytes:    magic 4, sum u32 of id and bytes 8 to 32, sum u32 of the records, their length u32,
//	                          round u64, owner epoch u32, writers with a part u16 (bits), this writer u8, zero u8
//
// The id is random: nobody can put bytes into a message that a reader takes for a part while it looks behind a damaged place.
const (
	segmentMagic       = "tlsegmnt"
	segmentVersion     = 1
	segmentHeaderBytes = 40
	segmentSuffix      = ".journal"
	partMagic          = "\x8fTLR"
	partHeaderBytes    = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journalID names a directory of a journal.
type journalID [16]byte

// salt is what the sums of a journal begin with.
func (id *journalID) salt() uint32 { return crc32.Update(0, castagnoli, id[:]) }

// segmentName is the file that begins with a round.
func segmentName(first uint64) string { return fmt.Sprintf("%016x%s", first, segmentSuffix) }

// parseSegmentName is the inverse; ok false: it is no segment.
func parseSegmentName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 16, 64)
	return first, err == nil && segmentName(first) == name
}

// segmentHeader is what a segment file begins with.
type segmentHeader struct {
	version uint16
	writer  uint8
	id      journalID
	first   uint64
}

func (h *segmentHeader) bytes() []byte {
	b := make([]byte, 0, segmentHeaderBytes)
	b = append(b, segmentMagic...)
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = append(b, h.writer, 0, 0, 0, 0, 0)
	b = append(b, h.id[:]...)
	b = binary.BigEndian.AppendUint64(b, h.first)
	binary.BigEndian.PutUint32(b[12:], segmentSum(b))
	return b
}

// segmentSum is of all of the header but the sum itself.
func segmentSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[16:segmentHeaderBytes])
}

// parse reads a header. A wrong one has a reason.
func (h *segmentHeader) parse(b []byte) (why string) {
	switch {
	case string(b[:8]) != segmentMagic:
		return "not the beginning of a segment"
	case binary.BigEndian.Uint32(b[12:]) != segmentSum(b):
		return "the segment's header has a wrong sum"
	}
	h.version, h.writer, h.first = binary.BigEndian.Uint16(b[8:]), b[10], binary.BigEndian.Uint64(b[32:])
	copy(h.id[:], b[16:])
	return ""
}

// partHeader is what a part of a round begins with.
type partHeader struct {
	sum    uint32 // of the records
	length uint32
	round  uint64
	owner  uint32
	mask   uint16
	writer uint8
}

// put writes the header to the front of b.
func (h *partHeader) put(b []byte, salt uint32) {
	copy(b, partMagic)
	binary.BigEndian.PutUint32(b[8:], h.sum)
	binary.BigEndian.PutUint32(b[12:], h.length)
	binary.BigEndian.PutUint64(b[16:], h.round)
	binary.BigEndian.PutUint32(b[24:], h.owner)
	binary.BigEndian.PutUint16(b[28:], h.mask)
	b[30], b[31] = h.writer, 0
	binary.BigEndian.PutUint32(b[4:], crc32.Update(salt, castagnoli, b[8:partHeaderBytes]))
}

// parse reads a header. A wrong one has a reason.
func (h *partHeader) parse(b []byte, salt uint32) (why string) {
	switch {
	case string(b[:4]) != partMagic:
		return "not the beginning of a round"
	case binary.BigEndian.Uint32(b[4:]) != crc32.Update(salt, castagnoli, b[8:partHeaderBytes]):
		return "the round's header has a wrong sum"
	}
	h.sum, h.length = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	h.round, h.owner = binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint32(b[24:])
	h.mask, h.writer = binary.BigEndian.Uint16(b[28:]), b[30]
	return ""
}

// journalRound is what was handed over together. While it gathers it belongs to the journal's mu, then to the leader.
type journalRound struct {
	number uint64
	parts  [][]byte // by writer: room for the header, then records; empty: no part
	turns  []uint64 // by loop: the last that is in it; 0: none
	bytes  int      // of records
	since  time.Time
}

func newJournalRound(writers, loops int) *journalRound {
	return &journalRound{parts: make([][]byte, writers), turns: make([]uint64, loops)}
}

// add takes a turn.
func (r *journalRound) add(loop int, turn uint64, parts [][]byte) (bytes int) {
	for i, records := range parts {
		if len(records) == 0 {
			continue
		}
		if len(r.parts[i]) == 0 {
			r.parts[i] = append(r.parts[i], blankPartHeader[:]...)
		}
		r.parts[i] = append(r.parts[i], records...)
		bytes += len(records)
	}
	r.turns[loop] = turn
	r.bytes += bytes
	return bytes
}

var blankPartHeader [partHeaderBytes]byte

// seal numbers the round, writes the headers and says which writers have a part.
func (r *journalRound) seal(number uint64, owner uint32, writers []*journalWriter) (mask uint16) {
	r.number = number
	for i, part := range r.parts {
		if len(part) > 0 {
			mask |= 1 << i
		}
	}
	for i, part := range r.parts {
		if len(part) == 0 {
			continue
		}
		records := part[partHeaderBytes:]
		h := partHeader{
			sum: crc32.Checksum(records, castagnoli), length: uint32(len(records)),
			round: number, owner: owner, mask: mask, writer: uint8(i),
		}
		h.put(part, writers[i].salt)
	}
	return mask
}

// reset makes the round ready to gather again.
func (r *journalRound) reset() {
	for i := range r.parts {
		r.parts[i] = r.parts[i][:0]
		if cap(r.parts[i]) > journalBufferKept {
			r.parts[i] = nil
		}
	}
	clear(r.turns)
	r.bytes = 0
}
