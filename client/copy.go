package client

import (
	"encoding/binary"
	"errors"

	"trunkline/codec"
)

// PayloadCopy is the kind of a payload that shows a device of a user what another one of its devices has sent to somebody.
// Layout: to u64, id u64, kind u8, payload. It means something only from the own user.
const PayloadCopy = 1

// copyHeadBytes is a copy without the payload.
const copyHeadBytes = 8 + 8 + 1

// copied is the content of a copy: what a device has sent to whom under which number.
type copied struct {
	to, id  uint64
	kind    uint8
	payload []byte
}

var errCopy = errors.New("not the form of a copy")

// appendCopy adds the payload of a copy.
func appendCopy(b []byte, v *copied) []byte {
	b = binary.BigEndian.AppendUint64(b, v.to)
	b = binary.BigEndian.AppendUint64(b, v.id)
	b = append(b, v.kind)
	return append(b, v.payload...)
}

// parseCopy undoes appendCopy; the payload aliases b.
func parseCopy(b []byte) (copied, error) {
	if len(b) < copyHeadBytes {
		return copied{}, errCopy
	}
	v := copied{to: binary.BigEndian.Uint64(b), id: binary.BigEndian.Uint64(b[8:]), kind: b[16], payload: b[copyHeadBytes:]}
	if v.to == 0 || v.to > codec.UserMax || v.id == 0 {
		return copied{}, errCopy
	}
	return v, nil
}

// isCopy says whether an entry is a copy for devices of that user.
func isCopy(e *Entry, user uint64) bool {
	return e.Peer == user && e.Group == 0 && e.PayloadKind&^codec.PayloadCompressed == PayloadCopy
}

// ownMessage makes of m what another device of this user has sent. A copy that can't be read, and one that somebody else has made, stays what it is: an
// ordinary message with a payload of that kind.
func ownMessage(m Message, user uint64) Message {
	if m.From != user {
		return m
	}
	if m.Group != 0 {
		m.Own = true
		return m
	}
	if m.Kind != PayloadCopy {
		return m
	}
	v, err := parseCopy(m.Payload)
	if err != nil {
		return m
	}
	m.Own, m.To, m.ID = true, v.to, v.id
	m.Payload, m.Kind = unpackPayload(v.payload, v.kind)
	return m
}
