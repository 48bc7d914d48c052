package secure

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func fromHex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseHead(t *testing.T) {
	contact := Head{Version: 1, Suite: 1, Kind: FlightContact, Length: 96}
	resume := func(n uint16) Head { return Head{Version: 1, Suite: 1, Kind: FlightResume, Length: n} }
	for _, c := range []struct {
		name  string
		bytes string
		want  Head
		err   error
	}{
		{"a contact flight has 96 bytes", "544c 01 01 01 00 0060", contact, nil},
		{"what follows the head is not looked at", "544c 01 01 01 00 0060 ff", contact, nil},
		{"a resume flight without early data", "544c 01 01 02 00 008b", resume(139), nil},
		{"the longest resume flight", "544c 01 01 02 00 3ff8", resume(16_376), nil},
		{"nothing is right so far", "", Head{}, nil},
		{"seven bytes are right so far", "544c 01 01 02 00 3f", Head{}, nil},
		{"a frame of the plain transport is refused at its first byte", "2e", Head{}, ErrMagic},
		{"an HTTP request is refused at its first byte", "47", Head{}, ErrMagic},
		{"a TLS greeting is refused at its first byte", "16", Head{}, ErrMagic},
		{"a wrong second letter is refused", "5450", Head{}, ErrMagic},
		{"version 0 is refused", "544c 00", Head{}, ErrVersion},
		{"version 2 is refused", "544c 02", Head{}, ErrVersion},
		{"suite 0 is refused", "544c 01 00", Head{}, ErrSuite},
		{"suite 2 is refused", "544c 01 02", Head{}, ErrSuite},
		{"kind 0 is refused", "544c 01 01 00", Head{}, ErrFlightKind},
		{"kind 3 is refused", "544c 01 01 03", Head{}, ErrFlightKind},
		{"a server's flight is refused", "544c 01 01 81", Head{}, ErrFlightKind},
		{"a byte that must be zero is not", "544c 01 01 01 01", Head{}, ErrFlightKind},
		{"a contact flight of 95 bytes", "544c 01 01 01 00 005f", Head{}, ErrFlightLength},
		{"a contact flight of 97 bytes", "544c 01 01 01 00 0061", Head{}, ErrFlightLength},
		{"a contact flight is too long by its first length byte", "544c 01 01 01 00 01", Head{}, ErrFlightLength},
		{"a resume flight that has no room for a ticket", "544c 01 01 02 00 008a", Head{}, ErrFlightLength},
		{"a resume flight above 16 KiB", "544c 01 01 02 00 3ff9", Head{}, ErrFlightLength},
		{"a resume flight above 16 KiB by its first length byte", "544c 01 01 02 00 40", Head{}, ErrFlightLength},
	} {
		b := fromHex(t, c.bytes)
		h, ok, err := ParseHead(b)
		if h != c.want || err != c.err || ok != (c.want != Head{}) {
			t.Errorf("%s: %+v, %v, %v", c.name, h, ok, err)
		}
		if ok && !bytes.Equal(AppendHead(nil, h), b[:HeadBytes]) {
			t.Errorf("%s: written as %x", c.name, AppendHead(nil, h))
		}
	}
}

func TestParseReply(t *testing.T) {
	var certificate Certificate
	certificate.Static, certificate.NotBefore, certificate.NotAfter = PublicKey{1}, 2, 3
	accepted := "544c 01 01 81 00 0030" + strings.Repeat("ab", 48)
	signed := "544c 01 01 82 00 0071" + hex.EncodeToString(certificate.Append(nil))
	refused := "544c 01 01 83 00 0006 0067 00000bb8"
	for _, c := range []struct {
		name  string
		bytes string
		want  Reply
		used  int
		err   error
	}{
		{"an accepted flight", accepted, Reply{Kind: FlightAccepted, Body: bytes.Repeat([]byte{0xAB}, 48)}, 56, nil},
		{"records behind it are left", accepted + "0010", Reply{Kind: FlightAccepted, Body: bytes.Repeat([]byte{0xAB}, 48)}, 56, nil},
		{"an accepted flight without its last byte", accepted[:len(accepted)-2], Reply{}, 0, nil},
		{"a certificate", signed, Reply{Kind: FlightCertificate, Certificate: certificate}, 121, nil},
		{"a refusal", refused, Reply{Kind: FlightRefusal, Code: 103, RetryAfterMs: 3000}, 14, nil},
		{"a refusal by a server of version 2", "544c 02 01 83 00 0006 0043 00000000", Reply{Kind: FlightRefusal, Code: 67}, 14, nil},
		{"a refusal by a server of another suite", "544c 01 07 83 00 0006 0043 00000000", Reply{Kind: FlightRefusal, Code: 67}, 14, nil},
		{"nothing", "", Reply{}, 0, nil},
		{"half a head", "544c 01 01", Reply{}, 0, nil},
		{"a head", "544c 01 01 83 00 0006", Reply{}, 0, nil},
		{"a frame of the plain transport", "28 04", Reply{}, 0, ErrMagic},
		{"an accepted flight of version 2", "544c 02 01 81", Reply{}, 0, ErrVersion},
		{"an accepted flight of suite 2", "544c 01 02 81", Reply{}, 0, ErrSuite},
		{"a certificate of version 2 in its head", "544c 02 01 82", Reply{}, 0, ErrVersion},
		{"a client's flight", "544c 01 01 01", Reply{}, 0, ErrFlightKind},
		{"kind 0", "544c 01 01 00", Reply{}, 0, ErrFlightKind},
		{"a byte that must be zero is not", "544c 01 01 83 01", Reply{}, 0, ErrFlightKind},
		{"an accepted flight of 49 bytes", "544c 01 01 81 00 0031", Reply{}, 0, ErrFlightLength},
		{"a refusal of 65,535 bytes", "544c 01 01 83 00 ffff", Reply{}, 0, ErrFlightLength},
		{"a certificate of layout 2", signed[:21] + "02" + signed[23:], Reply{}, 0, ErrCertificate},
	} {
		b := fromHex(t, c.bytes)
		r, used, err := ParseReply(b)
		if used != c.used || err != c.err || r.Kind != c.want.Kind || !bytes.Equal(r.Body, c.want.Body) ||
			r.Certificate != c.want.Certificate || r.Code != c.want.Code || r.RetryAfterMs != c.want.RetryAfterMs {
			t.Errorf("%s: %+v, used %d, %v", c.name, r, used, err)
		}
	}
}

func TestServerFlightsAreWrittenAsTheyAreRead(t *testing.T) {
	c := Certificate{Static: PublicKey{1}, NotBefore: 2, NotAfter: 3, Signature: [64]byte{4}}
	b := AppendCertificate([]byte("x"), &c)
	if r, used, err := ParseReply(b[1:]); err != nil || used != 121 || len(b) != 122 || r.Certificate != c {
		t.Errorf("certificate: %+v, used %d, %v", r, used, err)
	}
	b = AppendRefusal([]byte("x"), 102, 1<<32-1)
	if r, used, err := ParseReply(b[1:]); err != nil || used != 14 || len(b) != 15 || r.Code != 102 || r.RetryAfterMs != 1<<32-1 {
		t.Errorf("refusal: %+v, used %d, %v", r, used, err)
	}
}

func TestFlightTicketIsWhatLiesBehindTheHead(t *testing.T) {
	r := newRig(t)
	sealed, psk := r.ticket(t)
	_, flight, err := StartResume(sealed, &psk, nil, nil)
	if err != nil || !bytes.Equal(FlightTicket(flight), sealed) {
		t.Errorf("ticket %x, %v", FlightTicket(flight), err)
	}
	if short := FlightTicket(flight[:98]); short != nil {
		t.Errorf("a flight that is too short has a ticket %x", short)
	}
}
