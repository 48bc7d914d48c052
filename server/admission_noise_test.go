package server

import (
	"bytes"
	"crypto/rand"
	"testing"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// dialFrom connects from a loopback address, with a PROXY header or without.
func (p *phone) dialFrom(from, to string, header []byte) (*wire, *veil) {
	p.t.Helper()
	w := p.r.dialFrom(p.t, from, to)
	w.write(header)
	v := &veil{Conn: w.conn}
	w.conn, w.user = v, p.user
	return w, v
}

// login makes a first contact on a connection.
func (p *phone) login(w *wire, v *veil) {
	p.t.Helper()
	p.contactOn(v)
	w.write(must(codec.AppendHello(nil, ptr(p.hello()))))
	p.success(w)
	p.takeTicket(w)
}

// conversePhones logs two devices in over the encrypted transport and lets them talk once.
func (r *running) conversePhones(t testing.TB, first uint64) *pair {
	t.Helper()
	p := &pair{t: t, a: r.phone(t, first, 0).contact(), b: r.phone(t, first+1, 0).contact()}
	p.talk()
	return p
}

// shakeHands sends a contact flight from an address and says what the server's flight was.
func (r *running) shakeHands(t testing.TB, user uint64, from string) secure.Reply {
	t.Helper()
	p := r.phone(t, user, 0)
	w, v := p.dialFrom(from, r.Addr().String(), nil)
	defer w.conn.Close()
	_, flight, err := secure.StartContact(&p.static, &p.server, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.raw(flight); err != nil {
		t.Fatal(err)
	}
	return v.reply(t)
}

func TestEncryptedClientsComeThroughALoadBalancer(t *testing.T) {
	r := balanced(t, func(c *Config) { c.Transport = TransportNoise })
	a, b := r.phone(t, 1, 0), r.phone(t, 2, 0)
	at := r.ProxyAddr().String()
	p := &pair{t: t}
	var veils [2]*veil
	p.a, veils[0] = a.dialFrom("127.0.0.1", at, v2From("198.51.100.1:1"))
	p.b, veils[1] = b.dialFrom("127.0.0.1", at, v2From("[2001:db8::1]:2", tlv(0x05, 16)...))
	a.login(p.a, veils[0])
	b.login(p.b, veils[1])
	p.talk()
	if s := r.admission.stats(); s.open != 2 || s.addresses != 2 {
		t.Errorf("two clients of two addresses are counted as %+v", s)
	}
	_ = p.a.conn.Close()
	a.seen = p.a.seen
	w, v := a.dialFrom("127.0.0.1", at, nil)
	i, flight := a.flight()
	if _, err := v.raw(append(v2From("198.51.100.1:3"), flight...)); err != nil { // header and flight in one piece
		t.Fatal(err)
	}
	reply := v.reply(t)
	link, err := i.Finish(reply.Body)
	if err != nil || reply.Kind != secure.FlightAccepted {
		t.Fatalf("the server's flight is %#x, %v", reply.Kind, err)
	}
	v.link = link
	w.write(nil) // confirms
	a.success(w)
	if _, err := v.raw(append(v2From("198.51.100.1:3"), make([]byte, 4000)...)); err != nil { // a second header is a bad record
		t.Fatal(err)
	}
	w.expectClosed()
	p.b.ping()
	p.end()
}

func TestMalformedFlightsCostTheirAddressItsHandshakes(t *testing.T) {
	noLeaks(t)
	c := newCrowd(t, 2)
	hostile, other := c.addrs[0], c.addrs[1]
	r := startNoise(t, func(c *Config) { c.AddressHandshakes = Rate{PerSecond: 1, Burst: 3 * OffenceHandshakes} })
	p := r.conversePhones(t, 1)
	if reply := r.shakeHands(t, 50, hostile); reply.Kind != secure.FlightAccepted {
		t.Fatalf("before any offence the server's flight is %#x, code %d", reply.Kind, reply.Code)
	}
	p.talkWhile(func() {
		for _, b := range [][]byte{
			[]byte("GET / HTTP/1.1\r\n\r\n"), v2From("198.51.100.1:1"), bytes.Repeat([]byte{0x5A}, 3000), []byte("PROXY TCP4 192.0.2.1"),
		} {
			w := r.dialFrom(t, hostile, r.Addr().String())
			w.write(b)
			w.expectSilentClose()
			_ = w.conn.Close()
		}
	})
	reply := r.shakeHands(t, 51, hostile)
	if reply.Kind != secure.FlightRefusal || codec.ErrorCode(reply.Code) != codec.CodeBusy || reply.RetryAfterMs == 0 {
		t.Errorf("after four offences the server's flight is %#x, code %d, retry after %d ms", reply.Kind, reply.Code, reply.RetryAfterMs)
	}
	if reply := r.shakeHands(t, 52, other); reply.Kind != secure.FlightAccepted {
		t.Errorf("another address is answered with %#x, code %d", reply.Kind, reply.Code)
	}
	p.talk()
	if st := r.Status().Admission; st.Offences != 4 || st.Refused["address_handshakes"] != 1 {
		t.Errorf("counted as %+v", st)
	}
	p.end()
	r.left(t)
}

func TestAFloodOfHandshakesFromManyAddressesMeetsTheLimitOfTheProcess(t *testing.T) {
	noLeaks(t)
	const burst, flood = 20, 60
	c := newCrowd(t, flood)
	r := startNoise(t, func(c *Config) { c.Handshakes = Rate{PerSecond: 1, Burst: burst} })
	p := r.conversePhones(t, 1)
	accepted, refused := 0, 0
	for i, from := range c.addrs {
		switch reply := r.shakeHands(t, uint64(100+i), from); {
		case reply.Kind == secure.FlightAccepted:
			accepted++
		case reply.Kind == secure.FlightRefusal && codec.ErrorCode(reply.Code) == codec.CodeBusy:
			refused++
		default:
			t.Fatalf("the server's flight is %#x, code %d", reply.Kind, reply.Code)
		}
		if i%10 == 0 {
			p.talk()
		}
	}
	if accepted < burst-2 || refused == 0 || accepted+refused != flood {
		t.Errorf("%d handshakes were done and %d refused, want %d and what is earned meanwhile", accepted, refused, burst-2)
	}
	r.eventually(t, "refusals are counted", func(s Status) bool { return s.Admission.Refused["handshakes"] == uint64(refused) })
	p.talk()
	p.end()
	r.left(t)
}
