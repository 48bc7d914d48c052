package client

import (
	"encoding/binary"
	"fmt"
	"time"
)

const (
	// entryBytes is an outbox row before the payload.
	entryBytes = 1 + 8 + 8 + 8 + 1 + 1 + 1 + 2 + 8 + 8
	// entryAddressed is the kind byte of a message whose row says to which devices it goes.
	entryAddressed = 3
)

// appendEntry adds the value of an outbox row: kind u8, peer u64, group u64, time i64 (unix ms), payloadKind u8,
// receiptKind u8, device u8, gen u16, first u64, last u64, [known u32, n u8, n x device], payload. What is in brackets is there with
// kind entryAddressed, which is a message with devices.
func appendEntry(b []byte, e *Entry) []byte {
	if b == nil {
		b = make([]byte, 0, entryBytes+4+1+len(e.Devices)+len(e.Payload))
	}
	kind := byte(e.Kind)
	if len(e.Devices) > 0 {
		kind = entryAddressed
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, e.Peer)
	b = binary.BigEndian.AppendUint64(b, e.Group)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMilli()))
	b = append(b, e.PayloadKind, e.ReceiptKind, e.Device)
	b = binary.BigEndian.AppendUint16(b, e.Gen)
	b = binary.BigEndian.AppendUint64(b, e.First)
	b = binary.BigEndian.AppendUint64(b, e.Last)
	if kind == entryAddressed {
		b = binary.BigEndian.AppendUint32(b, e.Known)
		b = append(b, byte(len(e.Devices)))
		b = append(b, e.Devices...)
	}
	return append(b, e.Payload...)
}

// parseEntry undoes appendEntry. Payload and devices are copied: v belongs to the transaction.
func parseEntry(k, v []byte) (Entry, error) {
	if len(k) != 8 || len(v) < entryBytes {
		return Entry{}, fmt.Errorf("outbox row of %d and %d bytes", len(k), len(v))
	}
	be := binary.BigEndian
	e := Entry{
		Cseq: be.Uint64(k), Kind: EntryKind(v[0]), Peer: be.Uint64(v[1:]), Group: be.Uint64(v[9:]),
		Time: time.UnixMilli(int64(be.Uint64(v[17:]))), PayloadKind: v[25], ReceiptKind: v[26], Device: v[27],
		Gen: be.Uint16(v[28:]), First: be.Uint64(v[30:]), Last: be.Uint64(v[38:]),
	}
	rest := v[entryBytes:]
	switch {
	case v[0] == entryAddressed:
		if len(rest) < 5 || rest[4] == 0 || len(rest) < 5+int(rest[4]) {
			return Entry{}, fmt.Errorf("outbox row of %d bytes ends in its devices", len(v))
		}
		e.Kind, e.Known, e.Devices = EntrySend, be.Uint32(rest), clonePart(rest[5:5+rest[4]])
		rest = rest[5+rest[4]:]
	case e.Kind != EntrySend && e.Kind != EntryReceipt:
		return Entry{}, fmt.Errorf("outbox row of kind %d", v[0])
	}
	e.Payload = append([]byte(nil), rest...)
	return e, nil
}
