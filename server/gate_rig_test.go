package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// startNoise runs a server with the encrypted transport and open registration.
func startNoise(t testing.TB, set func(*Config)) *running {
	t.Helper()
	return start(t, func(c *Config) {
		c.Transport, c.Registration = TransportNoise, RegistrationOpen
		if set != nil {
			set(c)
		}
	})
}

// veil is a connection whose records are sealed and opened on the way: Write takes whole frames, Read gives them.
type veil struct {
	net.Conn
	link  secure.Link
	in    []byte // records, the first of them opened as far as link knows
	bytes []byte // everything written, as it went over the wire: for whoever replays it
}

// Write seals b as one record.
func (v *veil) Write(b []byte) (int, error) {
	sealed, err := v.link.Seal(nil, b)
	if err == nil {
		_, err = v.raw(sealed)
	}
	return len(b), err
}

// raw writes bytes as they are.
func (v *veil) raw(b []byte) (int, error) {
	v.bytes = append(v.bytes, b...)
	return v.Conn.Write(b)
}

// Read gives what one record holds.
func (v *veil) Read(p []byte) (int, error) {
	for {
		plain, at, err := v.link.Plain(v.in)
		if err != nil {
			return 0, err
		}
		if len(plain) > 0 {
			n := copy(p, plain)
			v.in = v.in[at+n+v.link.Consume(n):]
			return n, nil
		}
		v.in = v.in[at:]
		if err := v.more(); err != nil {
			return 0, err
		}
	}
}

func (v *veil) more() error {
	buf := make([]byte, 64<<10)
	n, err := v.Conn.Read(buf)
	v.in = append(v.in, buf[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// reply reads the server's flight.
func (v *veil) reply(t testing.TB) secure.Reply {
	t.Helper()
	_ = v.SetReadDeadline(time.Now().Add(patience)) // a failure shows in Read
	for {
		r, used, err := secure.ParseReply(v.in)
		if err != nil {
			t.Fatalf("the server's flight: %v", err)
		}
		if used > 0 {
			r.Body = append([]byte(nil), r.Body...)
			v.in = v.in[used:]
			return r
		}
		if err := v.more(); err != nil {
			t.Fatalf("waiting for the server's flight: %v", err)
		}
	}
}

// phone is a device with keys, and what it remembers between connections.
type phone struct {
	t      testing.TB
	r      *running
	user   uint64
	device uint8
	static secure.PrivateKey
	sign   ed25519.PrivateKey
	token  []byte // registration token
	nonce  uint64 // HELLO's registration token
	gen    uint16
	inc    uint64
	seen   uint64
	ticked uint64
	epoch  uint32
	ticket codec.Ticket
	server secure.PublicKey
}

// phone makes a device that the server does not know yet.
func (r *running) phone(t testing.TB, user uint64, device uint8) *phone {
	t.Helper()
	p := &phone{t: t, r: r, user: user, device: device, nonce: user<<8 + uint64(device) + 1, server: r.ServerKey().Static}
	var err error
	if p.static, err = secure.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, p.sign, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	return p
}

// hello is the next HELLO of the device.
func (p *phone) hello() codec.Hello {
	p.epoch++
	h := codec.Hello{Version: 1, User: p.user, Device: p.device, Gen: p.gen, Incarnation: p.inc, DownSeq: p.seen, Ticked: p.ticked, Epoch: p.epoch}
	if p.gen == 0 {
		h.DownSeq = p.nonce
		h.Ext = h.Ext.Append(codec.ExtItem{Type: codec.ExtSignKey, Value: p.sign.Public().(ed25519.PublicKey)})
		if p.token != nil {
			h.Ext = h.Ext.Append(codec.ExtItem{Type: codec.ExtToken, Value: p.token})
		}
	}
	return h
}

// dial connects.
func (p *phone) dial() (*wire, *veil) {
	p.t.Helper()
	w := p.r.dial(p.t)
	v := &veil{Conn: w.conn}
	w.conn, w.user = v, p.user
	return w, v
}

// knock does the handshake of a first contact and says no HELLO yet.
func (p *phone) knock() (*wire, *veil) {
	p.t.Helper()
	w, v := p.dial()
	p.contactOn(v)
	return w, v
}

// contactOn does the handshake of a first contact on a connection.
func (p *phone) contactOn(v *veil) {
	p.t.Helper()
	i, flight, err := secure.StartContact(&p.static, &p.server, rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.finish(v, i, flight)
}

// finish writes the flight and takes the answer.
func (p *phone) finish(v *veil, i *secure.Initiator, flight []byte) {
	p.t.Helper()
	if _, err := v.raw(flight); err != nil {
		p.t.Fatal(err)
	}
	r := v.reply(p.t)
	if r.Kind != secure.FlightAccepted {
		p.t.Fatalf("user %d: the server's flight is %#x, code %d", p.user, r.Kind, r.Code)
	}
	var err error
	if v.link, err = i.Finish(r.Body); err != nil {
		p.t.Fatal(err)
	}
}

// contact logs in with a contact flight.
func (p *phone) contact() *wire {
	p.t.Helper()
	w, _ := p.knock()
	w.write(must(codec.AppendHello(nil, ptr(p.hello()))))
	p.success(w)
	p.takeTicket(w)
	return w
}

func ptr[T any](v T) *T { return &v }

// success takes SUCCESS.
func (p *phone) success(w *wire) codec.Success {
	p.t.Helper()
	s, err := codec.ParseSuccess(w.expect(codec.KindSuccess))
	if err != nil {
		p.t.Fatal(err)
	}
	p.gen, p.inc, p.ticked = s.Gen, s.Incarnation, s.UpHigh
	w.gen, w.inc, w.cseq = s.Gen, s.Incarnation, s.UpHigh
	return s
}

// takeTicket takes the TICKET that follows.
func (p *phone) takeTicket(w *wire) {
	p.t.Helper()
	v, err := codec.ParseTicket(w.expect(codec.KindTicket))
	if err != nil {
		p.t.Fatal(err)
	}
	v.Sealed = append([]byte(nil), v.Sealed...)
	p.ticket = v
}

// flight is a resume flight with HELLO and those SENDs.
func (p *phone) flight(sends ...[]byte) (*secure.Initiator, []byte) {
	p.t.Helper()
	early := must(codec.AppendHello(nil, ptr(p.hello())))
	for _, b := range sends {
		early = append(early, b...)
	}
	i, flight, err := secure.StartResume(p.ticket.Sealed, &p.ticket.PSK, early, rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	return i, flight
}

// resume comes back with the ticket, confirms at once, and takes SUCCESS. v.bytes is what went over the wire.
func (p *phone) resume(sends ...[]byte) (*wire, *veil) {
	p.t.Helper()
	w, v := p.dial()
	i, flight := p.flight(sends...)
	p.finish(v, i, flight)
	w.write(nil) // an empty record confirms
	p.success(w)
	w.cseq += uint64(len(sends))
	return w, v
}

// replay writes bytes that were recorded, over a connection of its own.
func (r *running) replay(t testing.TB, b []byte) net.Conn {
	t.Helper()
	w := r.dial(t)
	w.write(b)
	return w.conn
}
