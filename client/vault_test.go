package client

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// vault is a scripted server's side of the encrypted transport: its keys, and how it shakes hands.
type vault struct {
	static   secure.PrivateKey
	operator ed25519.PrivateKey
	cert     secure.Certificate
	tickets  secure.TicketKeys
}

// hands is one handshake as the server saw it.
type hands struct {
	flights []secure.FlightKind // of the client, in their order
	device  secure.PublicKey    // zero after a resume
	opened  secure.Ticket       // of a resume: what its ticket says
	raw     [][]byte            // what the server answered, flight by flight
}

func newVault(t testing.TB) *vault {
	t.Helper()
	_, operator, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{operator: operator}
	if err := v.tickets.Rotate(0, rand.Reader); err != nil {
		t.Fatal(err)
	}
	v.rotate(t)
	return v
}

// rotate draws a static key and has the operator certify it for some days.
func (v *vault) rotate(t testing.TB) {
	t.Helper()
	var err error
	if v.static, err = secure.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	v.certify(time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour))
}

func (v *vault) certify(from, to time.Time) {
	static := v.static.Public()
	v.cert = secure.SignCertificate(v.operator, &static, uint64(from.Unix()), uint64(to.Unix()))
}

// key is what clients pin.
func (v *vault) key() secure.ServerKey {
	return secure.ServerKey{Static: v.static.Public(), Operator: [32]byte(v.operator.Public().(ed25519.PublicKey))}
}

// flight reads the client's next flight, which stays at the front of rc's input.
func flight(rc *recordConn) ([]byte, secure.Head, error) {
	for {
		b := rc.in[rc.from:]
		h, ok, err := secure.ParseHead(b)
		if err != nil {
			return nil, h, err
		}
		if end := secure.HeadBytes + int(h.Length); ok && len(b) >= end {
			return b[:end:end], h, nil
		}
		if err := rc.fill(); err != nil {
			return nil, h, err
		}
	}
}

// shake answers flights until one is accepted.
func (v *vault) shake(conn net.Conn) (*recordConn, hands, error) {
	var h hands
	rc := &recordConn{Conn: conn}
	r, err := secure.NewResponder(&v.static, rand.Reader)
	if err != nil {
		return nil, h, err
	}
	for {
		b, head, err := flight(rc)
		if err != nil {
			return nil, h, err
		}
		h.flights = append(h.flights, head.Kind)
		reply, accepted, err := v.answer(r, rc, b, &h)
		if err != nil {
			return nil, h, err
		}
		h.raw = append(h.raw, bytes.Clone(reply))
		if _, err := conn.Write(reply); err != nil {
			return nil, h, err
		}
		if !accepted {
			continue
		}
		if head.Kind == secure.FlightResume {
			err = rc.fill() // the record that confirms: a pipe holds nothing
		}
		return rc, h, err
	}
}

// answer is the reply to one flight, which is taken off the input.
func (v *vault) answer(r *secure.Responder, rc *recordConn, b []byte, h *hands) (reply []byte, accepted bool, err error) {
	var link secure.Link
	if secure.FlightKind(b[4]) == secure.FlightContact {
		rc.from += len(b)
		if reply, h.device, link, err = r.Contact(nil, b); errors.Is(err, secure.ErrHandshake) {
			return secure.AppendCertificate(nil, &v.cert), false, nil
		}
		rc.key(link)
		return reply, true, err
	}
	if h.opened, err = v.tickets.Open(secure.FlightTicket(b)); err != nil {
		rc.from += len(b)
		return secure.AppendRefusal(nil, uint16(codec.CodeTicket), 0), false, nil
	}
	at := 0
	reply, link, at, err = r.Resume(nil, b, &h.opened.PSK)
	rc.from += at
	rc.key(link)
	return reply, true, err
}

// issue is a TICKET frame for the device of these tests.
func (v *vault) issue(gen uint16, lifetime time.Duration) ([]byte, error) {
	t := secure.Ticket{User: testUser, Gen: gen, Expires: 1 << 31}
	if _, err := rand.Read(t.PSK[:]); err != nil {
		return nil, err
	}
	sealed, err := v.tickets.Seal(nil, &t, rand.Reader)
	if err != nil {
		return nil, err
	}
	return codec.AppendTicket(nil, &codec.Ticket{LifetimeSec: uint32(lifetime / time.Second), PSK: t.PSK, Sealed: sealed})
}

// newSecureFake is a fake that speaks the encrypted transport.
func newSecureFake(t *testing.T) *fake {
	f := newFake(t)
	f.vault = newVault(t)
	return f
}

// overBoth plays a test over both transports, each in a bubble of its own.
func overBoth(t *testing.T, play func(t *testing.T, f *fake)) {
	t.Run("plain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { play(t, newFake(t)) })
	})
	t.Run("encrypted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { play(t, newSecureFake(t)) })
	})
}

// encrypted plays a test over the encrypted transport.
func encrypted(t *testing.T, play func(t *testing.T, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { play(t, newSecureFake(t)) })
}

// transport is how clients of this fake connect.
func (f *fake) transport() Option {
	if f.vault == nil {
		return WithPlaintext()
	}
	return WithServerKey(f.vault.key())
}

// ticket sends a TICKET that lasts a day, and waits until the client has kept it.
func (p *peer) ticket(v *vault, state State) {
	p.t.Helper()
	p.write(v.issue(testGen, 24*time.Hour))
	before := identityOf(p.t, state).Ticket
	for range 100 {
		p.quiet(100 * time.Millisecond)
		if identityOf(p.t, state).Ticket != before {
			return
		}
	}
	p.t.Fatal("the ticket is not in the state")
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func identityOf(t testing.TB, state State) Identity {
	t.Helper()
	snap, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	return snap.Identity
}
