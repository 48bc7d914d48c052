package codec

// Ticket gives a client what it needs to come back in one round trip. The server sends one after each login over the encrypted
// transport; the newest replaces those before.
// Layout: lifetime u32, psk 32, sealed to the end (1 to 255 bytes).
type Ticket struct {
	LifetimeSec uint32 // from now on; after it a contact flight is due
	PSK         [32]byte
	Sealed      []byte // opaque to clients: secure.TicketBytes
}

// Types of extension in a HELLO. Both are critical.
const (
	ExtToken   = 0x81 // a registration token: secure.Token's bytes
	ExtSignKey = 0x82 // the device's Ed25519 key, 32 bytes: kept at registration, it signs links of companions
)

// ParseTicket reads a TICKET. Sealed aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength. Allocates nothing.
func ParseTicket(f Frame) (v Ticket, err error) { panic("contract") }

// AppendTicket adds a TICKET frame to dst.
// Errors: ErrBodyLength; dst is then returned unchanged.
func AppendTicket(dst []byte, v *Ticket) ([]byte, error) { panic("contract") }
