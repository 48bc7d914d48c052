package secure

import (
	"encoding/binary"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// Ticket is what a resume ticket says once opened.
// Layout of the plaintext, big-endian: user u64, device u8, zero u8, gen u16, issued u32, expires u32 (unix seconds), psk 32, key 8, zero 2 = 62 bytes.
type Ticket struct {
	User    uint64
	Device  uint8
	Gen     uint16 // generation of the device at issue: it is revoked by raising that
	Issued  uint32
	Expires uint32
	PSK     [32]byte
	Key     [8]byte // first bytes of SHA-256 of the device's static key
}

const (
	ticketPlainBytes = 62
	ticketNonceAt    = 1
	ticketSealedAt   = ticketNonceAt + chacha20poly1305.NonceSize
)

// TicketKeys seal and open tickets: the current key seals, the current and the one before open. Pointer-free, copied by value.
// Sealed ticket: key id u8, nonce 12, ciphertext 62, tag 16 = 91 bytes; the key id is associated data.
type TicketKeys struct {
	Current  TicketKey
	Previous TicketKey // ID 0: none
}

// TicketKey is one of them. ID 1 to 255, counting up with each rotation and around.
type TicketKey struct {
	ID      uint8
	Secret  [32]byte
	Created int64 // unix seconds
}

// Rotate makes a fresh current key and keeps the old one as previous; what was previous is gone, and its tickets with it. random nil
// is the system's. With an error nothing has changed. The nonces of a key are random: rotate long before 2^32 tickets.
func (k *TicketKeys) Rotate(now int64, random io.Reader) error {
	next := TicketKey{ID: k.Current.ID + 1, Created: now}
	if next.ID == 0 {
		next.ID = 1
	}
	if err := draw(random, next.Secret[:]); err != nil {
		return err
	}
	k.Current, k.Previous = next, k.Current
	return nil
}

// Seal appends a sealed ticket, 91 bytes. random nil is the system's.
// Errors: ErrTicket (there is no current key yet), or of the source of randomness; dst is then returned as it was.
func (k *TicketKeys) Seal(dst []byte, t *Ticket, random io.Reader) ([]byte, error) {
	if k.Current.ID == 0 {
		return dst, ErrTicket
	}
	aead, err := chacha20poly1305.New(k.Current.Secret[:])
	if err != nil {
		return dst, err
	}
	var head [ticketSealedAt]byte
	head[0] = k.Current.ID
	if err := draw(random, head[ticketNonceAt:]); err != nil {
		return dst, err
	}
	var plain [ticketPlainBytes]byte
	t.put(&plain)
	out := append(dst, head[:]...)
	return aead.Seal(out, head[ticketNonceAt:], plain[:], head[:ticketNonceAt]), nil
}

// Open reads a sealed ticket. It does not judge expiry or generation.
// Errors: ErrTicket (forged, of another server, or of a key that is gone).
func (k *TicketKeys) Open(sealed []byte) (Ticket, error) {
	if len(sealed) != TicketBytes || sealed[0] == 0 {
		return Ticket{}, ErrTicket
	}
	var key *TicketKey
	switch sealed[0] {
	case k.Current.ID:
		key = &k.Current
	case k.Previous.ID:
		key = &k.Previous
	default:
		return Ticket{}, ErrTicket
	}
	aead, err := chacha20poly1305.New(key.Secret[:])
	if err != nil {
		return Ticket{}, err
	}
	var plain [ticketPlainBytes]byte
	_, err = aead.Open(plain[:0], sealed[ticketNonceAt:ticketSealedAt], sealed[ticketSealedAt:], sealed[:ticketNonceAt])
	if err != nil {
		return Ticket{}, ErrTicket
	}
	return parseTicket(&plain)
}

func (t *Ticket) put(b *[ticketPlainBytes]byte) {
	binary.BigEndian.PutUint64(b[0:], t.User)
	b[8] = t.Device
	binary.BigEndian.PutUint16(b[10:], t.Gen)
	binary.BigEndian.PutUint32(b[12:], t.Issued)
	binary.BigEndian.PutUint32(b[16:], t.Expires)
	copy(b[20:], t.PSK[:])
	copy(b[52:], t.Key[:])
}

func parseTicket(b *[ticketPlainBytes]byte) (Ticket, error) {
	if b[9] != 0 || b[60] != 0 || b[61] != 0 {
		return Ticket{}, ErrTicket // of a later version
	}
	return Ticket{
		User:    binary.BigEndian.Uint64(b[0:]),
		Device:  b[8],
		Gen:     binary.BigEndian.Uint16(b[10:]),
		Issued:  binary.BigEndian.Uint32(b[12:]),
		Expires: binary.BigEndian.Uint32(b[16:]),
		PSK:     [32]byte(b[20:52]),
		Key:     [8]byte(b[52:60]),
	}, nil
}
