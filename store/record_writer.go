package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// RecordWriter writes the records of one part of a turn: what one loop has noted in it for one journal. A payload that several appends have
// is written once, as long as it is one of the last SharedMax and has sharedLeast bytes. The zero RecordWriter is empty.
type RecordWriter struct {
	b    []byte
	last [SharedMax]writtenPayload // the newest at (next-1) modulo SharedMax
	next int
}

// writtenPayload is where a payload stands in what was written.
type writtenPayload struct {
	at, length int // length 0: there is none
	sum        uint32
	summed     bool
}

// Add writes one record. r and its payload are copied.
func (w *RecordWriter) Add(r *Record) {
	n := len(r.Payload)
	if r.Kind != RecordAppend || n < sharedLeast {
		w.b = AppendRecord(w.b, r)
		return
	}
	if r.Same {
		if p := w.find(r.Payload); p != nil {
			w.again(&r.Entry, p)
			return
		}
	}
	w.b = AppendRecord(w.b, r)
	w.last[w.next&(SharedMax-1)] = writtenPayload{at: len(w.b) - n, length: n}
	w.next++
}

// find is where a payload was written; nil: it was not, or a reader would take a newer one with the same sum for it.
func (w *RecordWriter) find(payload []byte) *writtenPayload {
	for i := range SharedMax {
		p := &w.last[(w.next-1-i)&(SharedMax-1)]
		if p.length != len(payload) || !bytes.Equal(payload, w.b[p.at:p.at+p.length]) {
			continue
		}
		for newer := range i {
			if q := &w.last[(w.next-1-newer)&(SharedMax-1)]; q.length == p.length && w.sum(q) == w.sum(p) {
				return nil
			}
		}
		return p
	}
	return nil
}

func (w *RecordWriter) sum(p *writtenPayload) uint32 {
	if !p.summed {
		p.sum, p.summed = crc32.Checksum(w.b[p.at:p.at+p.length], castagnoli), true
	}
	return p.sum
}

// again writes an append without its payload. Length and sum say which it is.
func (w *RecordWriter) again(e *Entry, p *writtenPayload) {
	sum := w.sum(p)
	var b []byte
	w.b, b = roomFor(w.b, recordAgainBytes)
	putEntryRecord(b, recordAgain, e)
	binary.BigEndian.PutUint16(b[recordEntryBytes:], uint16(p.length))
	binary.BigEndian.PutUint32(b[recordEntryBytes+2:], sum)
}

// Bytes is what was written. It is valid until the next Add or Reset.
func (w *RecordWriter) Bytes() []byte { return w.b }

// Reset begins another part. Memory up to keepMax is used again.
func (w *RecordWriter) Reset(keepMax int) {
	b := w.b[:0]
	if cap(b) > keepMax {
		b = nil
	}
	*w = RecordWriter{b: b}
}
