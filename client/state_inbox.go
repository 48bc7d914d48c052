package client

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// receivedBytes is an inbox row before the payload.
const receivedBytes = streamKeyBytes + 8 + 8 + 8 + 8 + 4 + 1

func (s *fileState) commitInbox(b *bbolt.Bucket, c *Change) error {
	for i := range c.Inbox {
		if err := b.Put(s.number(c.Inbox[i].No), appendReceived(nil, &c.Inbox[i])); err != nil {
			return err
		}
	}
	return dropUpTo(b, c.InboxGone)
}

// appendReceived adds the value of an inbox row: user u64, device u8, gen u16, group u64, id u64, before u64, seq u64,
// groupSeq u64, time u32 (unix seconds), kind u8, payload.
func appendReceived(b []byte, r *Received) []byte {
	if b == nil {
		b = make([]byte, 0, receivedBytes+len(r.Payload))
	}
	b = binary.BigEndian.AppendUint64(b, r.User)
	b = append(b, r.Device)
	b = binary.BigEndian.AppendUint16(b, r.Gen)
	b = binary.BigEndian.AppendUint64(b, r.Group)
	b = binary.BigEndian.AppendUint64(b, r.ID)
	b = binary.BigEndian.AppendUint64(b, r.Before)
	b = binary.BigEndian.AppendUint64(b, r.Seq)
	b = binary.BigEndian.AppendUint64(b, r.GroupSeq)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Time.Unix()))
	b = append(b, r.Kind)
	return append(b, r.Payload...)
}

// parseReceived undoes appendReceived. The payload is copied: v belongs to the transaction.
func parseReceived(k, v []byte) (Received, error) {
	if len(k) != 8 || len(v) < receivedBytes {
		return Received{}, fmt.Errorf("inbox row of %d and %d bytes", len(k), len(v))
	}
	be := binary.BigEndian
	return Received{
		No:        be.Uint64(k),
		StreamKey: StreamKey{User: be.Uint64(v), Device: v[8], Gen: be.Uint16(v[9:]), Group: be.Uint64(v[11:])},
		ID:        be.Uint64(v[19:]), Before: be.Uint64(v[27:]), Seq: be.Uint64(v[35:]), GroupSeq: be.Uint64(v[43:]),
		Time: seconds(be.Uint32(v[51:])), Kind: v[55], Payload: append([]byte(nil), v[receivedBytes:]...),
	}, nil
}
