package secure

import "encoding/binary"

// Reply is a server's flight, parsed.
type Reply struct {
	Kind         FlightKind
	Body         []byte // FlightAccepted: for Finish; aliases b
	Certificate  Certificate
	Code         uint16
	RetryAfterMs uint32
}

// ParseReply reads one server flight at the front of b, at most 121 bytes. used == 0 with nil: more bytes are needed. A refusal is read
// whatever version and suite its head says, so that a server can refuse a version by name.
// Errors: ErrMagic, ErrVersion, ErrSuite, ErrFlightKind, ErrFlightLength, ErrCertificate. Allocates nothing.
func ParseReply(b []byte) (r Reply, used int, err error) {
	if err := checkReplyHead(b); err != nil {
		return Reply{}, 0, err
	}
	if len(b) < HeadBytes {
		return Reply{}, 0, nil
	}
	h := readHead(b)
	end := HeadBytes + int(h.Length)
	if len(b) < end {
		return Reply{}, 0, nil
	}
	body := b[HeadBytes:end:end]
	r.Kind = h.Kind
	switch h.Kind {
	case FlightAccepted:
		r.Body = body
	case FlightCertificate:
		if r.Certificate, err = ParseCertificate(body); err != nil {
			return Reply{}, 0, err
		}
	case FlightRefusal:
		r.Code = binary.BigEndian.Uint16(body)
		r.RetryAfterMs = binary.BigEndian.Uint32(body[2:])
	}
	return r, end, nil
}

// checkReplyHead refuses what can't become a server's flight, as far as it has arrived.
func checkReplyHead(b []byte) error {
	if err := checkHeadBytes(b[:min(len(b), 2)]); err != nil || len(b) < 5 {
		return err
	}
	kind := FlightKind(b[4])
	want := serverLength(kind)
	if want == 0 {
		return ErrFlightKind
	}
	if kind != FlightRefusal {
		if err := checkHeadBytes(b); err != nil {
			return err
		}
	}
	if len(b) >= 6 && b[5] != 0 {
		return ErrFlightKind
	}
	if len(b) >= HeadBytes && int(binary.BigEndian.Uint16(b[6:])) != want {
		return ErrFlightLength
	}
	return nil
}

// serverLength is how long a server flight's body is; 0 for what no server sends.
func serverLength(kind FlightKind) int {
	switch kind {
	case FlightAccepted:
		return acceptedBytes
	case FlightCertificate:
		return CertificateBytes
	case FlightRefusal:
		return refusalBytes
	}
	return 0
}
