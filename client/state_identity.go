package client

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"trunkline/codec/secure"
)

// identityBytes is the identity row.
const identityBytes = 32 + 32 + 32 + 32 + secure.TicketBytes + 32 + 8

// loadIdentity reads the one row; a file that never had one has an empty identity.
func loadIdentity(b *bbolt.Bucket) (Identity, error) {
	v := b.Get([]byte(keyIdentity))
	if v == nil {
		if k, _ := b.Cursor().First(); k != nil {
			return Identity{}, fmt.Errorf("identity of version %q", k)
		}
		return Identity{}, nil
	}
	if len(v) != identityBytes {
		return Identity{}, fmt.Errorf("identity has %d bytes", len(v))
	}
	return parseIdentity(v), nil
}

func commitIdentityRow(b *bbolt.Bucket, id *Identity) error {
	if id == nil {
		return nil
	}
	return b.Put([]byte(keyIdentity), appendIdentity(nil, id))
}

// appendIdentity adds the value of the row: key 32, signing seed 32, server's static key 32, operator's key 32, sealed ticket 91,
// psk 32, expires i64 (unix seconds; 0: no ticket).
func appendIdentity(b []byte, id *Identity) []byte {
	b = append(b, id.Key[:]...)
	b = append(b, id.SignSeed[:]...)
	b = append(b, id.Server.Static[:]...)
	b = append(b, id.Server.Operator[:]...)
	b = append(b, id.Ticket.Sealed[:]...)
	b = append(b, id.Ticket.PSK[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(id.Ticket.Expires))
}

// parseIdentity undoes appendIdentity; the caller has checked the length.
func parseIdentity(v []byte) Identity {
	var id Identity
	for _, field := range [][]byte{
		id.Key[:], id.SignSeed[:], id.Server.Static[:], id.Server.Operator[:], id.Ticket.Sealed[:], id.Ticket.PSK[:],
	} {
		v = v[copy(field, v):]
	}
	id.Ticket.Expires = int64(binary.BigEndian.Uint64(v))
	return id
}
