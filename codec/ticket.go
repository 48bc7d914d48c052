package codec

import "encoding/binary"

// Ticket gives a client what it needs to come back in one round trip. The server sends one after each login over the encrypted
// transport; the newest replaces those before.
// Layout: lifetimeSec u32, psk 32 = 36 bytes, sealed to the end (1 to 255 bytes). It has no extension block.
type Ticket struct {
	LifetimeSec uint32 // from now on; after it a contact flight is due
	PSK         [32]byte
	Sealed      []byte // opaque to clients: secure.TicketBytes
}

const (
	ticketBytes          = 36
	ticketSealedBytesMax = 255
)

// ParseTicket reads a TICKET. Sealed aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength. Allocates nothing.
func ParseTicket(f Frame) (v Ticket, err error) {
	if err = f.is(KindTicket, 0); err != nil {
		return v, err
	}
	if f.Flags&FlagExt != 0 {
		return v, ErrFlags
	}
	if len(f.Body) <= ticketBytes || len(f.Body) > ticketBytes+ticketSealedBytesMax {
		return v, ErrBodyLength
	}
	v.LifetimeSec = binary.BigEndian.Uint32(f.Body)
	v.PSK = [32]byte(f.Body[4:ticketBytes])
	v.Sealed = f.Body[ticketBytes:]
	return v, nil
}

// AppendTicket adds a TICKET frame to dst: 131 bytes with the tickets of this version.
// Errors: ErrBodyLength; dst is then returned unchanged.
func AppendTicket(dst []byte, v *Ticket) ([]byte, error) {
	if len(v.Sealed) == 0 || len(v.Sealed) > ticketSealedBytesMax {
		return dst, ErrBodyLength
	}
	dst = appendHead(dst, KindTicket, 0, ticketBytes+len(v.Sealed))
	dst = binary.BigEndian.AppendUint32(dst, v.LifetimeSec)
	dst = append(dst, v.PSK[:]...)
	return append(dst, v.Sealed...), nil
}
