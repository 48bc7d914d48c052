package bench

import (
	"crypto/rand"
	"errors"
	"testing"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// fakeVeil is the encrypted transport of the fake server. What follows the handshakes is under the server's lock.
type fakeVeil struct {
	responder *secure.Responder
	static    secure.PublicKey
	tickets   secure.TicketKeys

	flights   int // first flights so far
	contacts  int // handshakes done
	resumes   int
	refuse    func(flight int, kind secure.FlightKind) bool // that one is told to come back
	pauseMs   uint32
	hangUp    int    // the n-th flight is answered by closing
	noTickets bool   // no ticket is good any more
	early     []byte // the early data of the last resume
}

// startFakeVeil listens on loopback until the test ends, encrypted.
func startFakeVeil(t *testing.T, f fault) *fakeServer {
	t.Helper()
	key, err := secure.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	responder, err := secure.NewResponder(&key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := &fakeVeil{responder: responder, static: key.Public(), pauseMs: 5}
	if err := v.tickets.Rotate(1, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return startFake(t, &fakeServer{fault: f, veil: v})
}

var errFakeHangUp = errors.New("the fake server hangs up")

// take answers flights at the front of b and then takes records. It returns what is left.
func (v *fakeVeil) take(s *fakeServer, one *fakeSession, b []byte) ([]byte, error) {
	for !one.link.Keyed() {
		h, ok, err := secure.ParseHead(b)
		if err != nil || !ok || len(b) < secure.HeadBytes+int(h.Length) {
			return b, err
		}
		if b, err = v.flight(s, one, h, b); err != nil {
			return b, err
		}
	}
	for {
		plain, at, err := one.link.Plain(b)
		if err != nil || len(plain) == 0 {
			return b[at:], err
		}
		n, err := s.frames(one, plain)
		if err != nil {
			return b, err
		}
		b = b[at+n+one.link.Consume(n):]
	}
}

// flight answers one flight; the rest of b follows it.
func (v *fakeVeil) flight(s *fakeServer, one *fakeSession, h secure.Head, b []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.flights++
	flight, rest := b[:secure.HeadBytes+int(h.Length)], b[secure.HeadBytes+int(h.Length):]
	answer := func(reply []byte) ([]byte, error) {
		_, err := one.conn.Write(reply)
		return rest, err
	}
	switch {
	case v.flights == v.hangUp:
		return b, errFakeHangUp
	case v.refuse != nil && v.refuse(v.flights, h.Kind):
		return answer(secure.AppendRefusal(nil, uint16(codec.CodeBusy), v.pauseMs))
	case h.Kind == secure.FlightContact:
		reply, _, link, err := v.responder.Contact(nil, flight)
		if err != nil {
			return answer(secure.AppendCertificate(nil, &secure.Certificate{Static: v.static}))
		}
		one.link = link
		v.contacts++
		return answer(reply)
	}
	ticket, err := v.tickets.Open(secure.FlightTicket(flight))
	if err != nil || v.noTickets {
		return answer(secure.AppendRefusal(nil, uint16(codec.CodeTicket), 0))
	}
	reply, link, at, err := v.responder.Resume(nil, flight, &ticket.PSK)
	if err != nil {
		return b, err
	}
	one.link = link
	v.resumes++
	v.early = append(v.early[:0], flight[at:]...)
	if _, err := one.conn.Write(reply); err != nil {
		return b, err
	}
	return b[at:], nil
}

// ticket appends a TICKET to the answer of a login.
func (v *fakeVeil) ticket(dst []byte, hello codec.Hello) []byte {
	t := secure.Ticket{User: hello.User, Gen: 1, Issued: 1, Expires: 1 << 31}
	_, _ = rand.Read(t.PSK[:])
	sealed := must(v.tickets.Seal(nil, &t, rand.Reader))
	return must(codec.AppendTicket(dst, &codec.Ticket{LifetimeSec: 3600, PSK: t.PSK, Sealed: sealed}))
}
