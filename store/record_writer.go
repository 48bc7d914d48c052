package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// RecordWriter writes the records of one part of a turn: what one loop has noted in it for one journal. A payload that several appends have,
// one behind the other, is written once. The zero RecordWriter is empty.
type RecordWriter struct {
	b      []byte
	at     int    // where the payload of the last append that has one begins
	length int    // of it; 0: there was none
	sum    uint32 // of it
	summed bool
}

// Add writes one record. r and its payload are copied.
func (w *RecordWriter) Add(r *Record) {
	n := len(r.Payload)
	if r.Kind != RecordAppend || n == 0 {
		w.b = AppendRecord(w.b, r)
		return
	}
	if r.Same && n == w.length && bytes.Equal(r.Payload, w.b[w.at:w.at+n]) {
		w.again(&r.Entry)
		return
	}
	w.b = AppendRecord(w.b, r)
	w.at, w.length, w.summed = len(w.b)-n, n, false
}

// again writes an append without its payload. The sum is there so that a reader can't take another payload for this one.
func (w *RecordWriter) again(e *Entry) {
	if !w.summed {
		w.sum, w.summed = crc32.Checksum(w.b[w.at:w.at+w.length], castagnoli), true
	}
	var b []byte
	w.b, b = roomFor(w.b, recordAgainBytes)
	putEntryRecord(b, recordAgain, e)
	binary.BigEndian.PutUint16(b[recordEntryBytes:], uint16(w.length))
	binary.BigEndian.PutUint32(b[recordEntryBytes+2:], w.sum)
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
