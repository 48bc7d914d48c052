package secure

import "encoding/binary"

// Version and the suites are the second and third byte of a flight's head. A new suite (a post-quantum hybrid, say) gets a new number.
const (
	Version               = 1
	SuiteX25519ChaChaPoly = 1 // Noise_*_25519_ChaChaPoly_SHA256
)

// FlightKind is what a flight is: the fourth byte of its head.
type FlightKind uint8

// Client flights, then server flights.
const (
	FlightContact FlightKind = 0x01 // Noise IK message 1: e, s, empty payload = 96 bytes
	FlightResume  FlightKind = 0x02 // ticket 91, then Noise NNpsk0 message 1: e, payload (early data: whole frames), tag

	FlightAccepted    FlightKind = 0x81 // Noise message 2: e, empty payload = 48 bytes; records follow
	FlightCertificate FlightKind = 0x82 // answer to a contact flight for another static key: Certificate, 113 bytes. The client may send another flight
	FlightRefusal     FlightKind = 0x83 // code u16 (codec.ErrorCode), retryAfterMs u32 = 6 bytes. Not authenticated: a hint only
)

// HeadBytes, and the sizes of what flights carry.
const (
	HeadBytes        = 8
	TicketBytes      = 91
	CertificateBytes = 113
	TagBytes         = 16

	keyBytes       = 32
	contactBytes   = keyBytes + keyBytes + TagBytes + TagBytes // e, s, empty payload
	resumeBytesMin = TicketBytes + keyBytes + TagBytes         // ticket, e, empty payload
	acceptedBytes  = keyBytes + TagBytes                       // e, empty payload
	refusalBytes   = 6
	magic0, magic1 = 'T', 'L'
	earlyAt        = HeadBytes + TicketBytes + keyBytes

	resumeBodyAt    = HeadBytes + TicketBytes
	resumeBodyBytes = FlightBytesMax - HeadBytes
)

// Head starts every flight.
// Layout, big-endian: magic 'T' 'L', version u8, suite u8, kind u8, zero u8, length u16 of the body = 8 bytes.
type Head struct {
	Version uint8
	Suite   uint8
	Kind    FlightKind
	Length  uint16
}

// ParseHead reads the head of a client's flight from the front of b; ok is false when b is shorter than HeadBytes and right so far. It refuses
// wrong bytes as soon as they are seen, and a length that is wrong for the kind (contact: exactly 96; resume: 139 to FlightBytesMax
// less the head).
// Errors: ErrMagic, ErrVersion, ErrSuite, ErrFlightKind, ErrFlightLength. Allocates nothing.
func ParseHead(b []byte) (h Head, ok bool, err error) {
	if err := checkHeadBytes(b); err != nil {
		return Head{}, false, err
	}
	if len(b) < 5 {
		return Head{}, false, nil
	}
	lengthMin, lengthMax := clientLengths(FlightKind(b[4]))
	if lengthMax == 0 {
		return Head{}, false, ErrFlightKind
	}
	if len(b) >= 6 && b[5] != 0 {
		return Head{}, false, ErrFlightKind
	}
	if len(b) >= 7 && (int(b[6]) < lengthMin>>8 || int(b[6]) > lengthMax>>8) {
		return Head{}, false, ErrFlightLength
	}
	if len(b) < HeadBytes {
		return Head{}, false, nil
	}
	h = readHead(b)
	if int(h.Length) < lengthMin || int(h.Length) > lengthMax {
		return Head{}, false, ErrFlightLength
	}
	return h, true, nil
}

// checkHeadBytes looks at magic, version and suite, as far as they have arrived.
func checkHeadBytes(b []byte) error {
	switch {
	case len(b) >= 1 && b[0] != magic0, len(b) >= 2 && b[1] != magic1:
		return ErrMagic
	case len(b) >= 3 && b[2] != Version:
		return ErrVersion
	case len(b) >= 4 && b[3] != SuiteX25519ChaChaPoly:
		return ErrSuite
	}
	return nil
}

// clientLengths are the bounds of a client flight's body; 0, 0 for what no client sends.
func clientLengths(kind FlightKind) (lengthMin, lengthMax int) {
	switch kind {
	case FlightContact:
		return contactBytes, contactBytes
	case FlightResume:
		return resumeBytesMin, resumeBodyBytes
	}
	return 0, 0
}

func readHead(b []byte) Head {
	return Head{Version: b[2], Suite: b[3], Kind: FlightKind(b[4]), Length: binary.BigEndian.Uint16(b[6:])}
}

// AppendHead writes a head.
func AppendHead(dst []byte, h Head) []byte {
	dst = append(dst, magic0, magic1, h.Version, h.Suite, byte(h.Kind), 0)
	return binary.BigEndian.AppendUint16(dst, h.Length)
}

// appendOwnHead is AppendHead for this version and suite.
func appendOwnHead(dst []byte, kind FlightKind, length int) []byte {
	return AppendHead(dst, Head{Version: Version, Suite: SuiteX25519ChaChaPoly, Kind: kind, Length: uint16(length)})
}

// FlightTicket is the sealed ticket of a resume flight, head included; it aliases the flight. nil when the flight is too short to have one.
func FlightTicket(flight []byte) []byte {
	if len(flight) < resumeBodyAt {
		return nil
	}
	return flight[HeadBytes:resumeBodyAt:resumeBodyAt]
}

// AppendRefusal adds a refusal flight: 14 bytes.
func AppendRefusal(dst []byte, code uint16, retryAfterMs uint32) []byte {
	dst = appendOwnHead(dst, FlightRefusal, refusalBytes)
	dst = binary.BigEndian.AppendUint16(dst, code)
	return binary.BigEndian.AppendUint32(dst, retryAfterMs)
}

// AppendCertificate adds a certificate flight: 121 bytes.
func AppendCertificate(dst []byte, c *Certificate) []byte {
	return c.Append(appendOwnHead(dst, FlightCertificate, CertificateBytes))
}
