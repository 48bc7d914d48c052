package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// Tests of who answers: changed keys, impostors, damaged and replayed flights and records.

// dialing is a Dial under way.
func (f *fake) dialing(opts ...Option) chan error {
	done := make(chan error, 1)
	opts = append([]Option{WithUser(testUser), WithDialer(f.dial), WithoutReconnect()}, opts...)
	go func() {
		c, err := Dial(f.t.Context(), "fake", opts...)
		if err == nil {
			err = c.Close()
		}
		done <- err
	}()
	return done
}

func TestACertifiedKeyIsPinnedAndTheConnectionGoesOn(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		old := f.transport()
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.ticket(f.vault, state)
		f.vault.rotate(t)
		p.close()
		p, _ = f.again(c, welcome(0)) // a ticket does not ask for the static key
		p.flightsWere(secure.FlightResume)
		f.vault.tickets = secure.TicketKeys{}
		if err := f.vault.tickets.Rotate(0, rand.Reader); err != nil {
			t.Fatal(err)
		}
		p.close()
		p, _ = f.again(c, welcome(0))
		p.flightsWere(secure.FlightResume, secure.FlightContact, secure.FlightContact)
		if id := identityOf(t, state); id.Server != f.vault.key() {
			t.Errorf("pinned is %v", id.Server)
		}
		closeClient(t, c)
		done := f.dialing(old, WithState(state)) // the application still names the old key
		p = f.accept()
		p.flightsWere(secure.FlightContact)
		p.hello()
		p.success(welcome(0))
		if err := <-done; err != nil {
			t.Errorf("Dial: %v", err)
		}
	})
}

func TestTheNewKeyIsDurableBeforeItIsUsed(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		k := &killable{State: NewMemoryState()}
		c, _, _ := f.connect(welcome(0), WithState(k))
		closeClient(t, c)
		old := f.transport()
		f.vault.rotate(t)
		k.kill()
		conn, done := f.begin(old, WithState(k))
		if b := answerOnce(t, conn, secure.AppendCertificate(nil, &f.vault.cert)); len(b) != 0 {
			t.Errorf("%d bytes behind a certificate that could not be kept", len(b))
		}
		if err := <-done; !errors.Is(err, ErrState) {
			t.Errorf("Dial: %v", err)
		}
	})
}

// begin dials and takes the connection as it is.
func (f *fake) begin(opts ...Option) (net.Conn, chan error) {
	done := f.dialing(opts...)
	return f.raw(), done
}

// answerOnce takes the client's first flight, answers it, and returns what else comes until the client hangs up.
func answerOnce(t *testing.T, conn net.Conn, reply []byte) []byte {
	t.Helper()
	rc := &recordConn{Conn: conn}
	if _, _, err := flight(rc); err != nil {
		t.Fatalf("first flight: %v", err)
	}
	rest := make(chan []byte, 1)
	go func() { // ends when the client hangs up
		b, _ := io.ReadAll(conn)
		rest <- b
	}()
	_, _ = conn.Write(reply) // the client may have hung up in the middle of it
	return <-rest
}

func TestWhoeverCanNotProveTheKeyGetsNothingAndEndsTheClient(t *testing.T) {
	for name, play := range map[string]func(t *testing.T, v *vault, key *secure.ServerKey) secure.Certificate{
		"another operator": func(t *testing.T, _ *vault, _ *secure.ServerKey) secure.Certificate { return newVault(t).cert },
		"a certificate that has run out": func(t *testing.T, v *vault, _ *secure.ServerKey) secure.Certificate {
			v.rotate(t)
			v.certify(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
			return v.cert
		},
		"a certificate for later": func(t *testing.T, v *vault, _ *secure.ServerKey) secure.Certificate {
			v.rotate(t)
			v.certify(time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
			return v.cert
		},
		"a certificate with another key put in": func(t *testing.T, v *vault, _ *secure.ServerKey) secure.Certificate {
			cert := v.cert
			cert.Static[0] ^= 1
			return cert
		},
		"no operator is pinned": func(t *testing.T, v *vault, key *secure.ServerKey) secure.Certificate {
			key.Operator = [32]byte{}
			v.rotate(t)
			return v.cert
		},
	} {
		t.Run(name, func(t *testing.T) {
			encrypted(t, func(t *testing.T, f *fake) {
				key := f.vault.key()
				cert := play(t, f.vault, &key)
				state := NewMemoryState()
				conn, done := f.begin(WithServerKey(key), WithState(state))
				if b := answerOnce(t, conn, secure.AppendCertificate(nil, &cert)); len(b) != 0 {
					t.Errorf("an impostor gets %d bytes", len(b))
				}
				err := <-done
				if !errors.Is(err, ErrServerKeyChanged) || !final(err) {
					t.Errorf("Dial: %v", err)
				}
				if id := identityOf(t, state); id.Server != key {
					t.Error("the impostor's key is pinned")
				}
			})
		})
	}
}

func TestTheFirstKeyIsTrustedOnlyWhenAskedForAndOnce(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		k := &killable{State: state}
		conn, done := f.begin(WithTrustFirst(), WithState(k))
		first := &recordConn{Conn: conn}
		b, _, err := flight(first)
		if err != nil {
			t.Fatal(err)
		}
		shown := bytes.Clone(b)
		first.from += len(b)
		if _, err := conn.Write(secure.AppendCertificate(nil, &f.vault.cert)); err != nil {
			t.Fatal(err)
		}
		if _, _, err = flight(first); err != nil { // it goes on with the key it was shown
			t.Fatal(err)
		}
		k.kill() // between the pin and the first login
		_ = conn.Close()
		if err := <-done; err == nil {
			t.Fatal("Dial without a login")
		}
		id := identityOf(t, state)
		if id.Server.Static != f.vault.static.Public() || id.Server.Operator != [32]byte{} || id.empty() {
			t.Errorf("pinned is %v", id.Server)
		}
		r, err := secure.NewResponder(&f.vault.static, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := r.Contact(nil, shown); !errors.Is(err, secure.ErrHandshake) {
			t.Errorf("the first flight told the server who asks: %v", err)
		}

		done = f.dialing(WithTrustFirst(), WithState(state)) // the state knows the key now
		p := f.accept()
		p.flightsWere(secure.FlightContact)
		if p.device != id.Key.Public() {
			t.Error("the device has another key")
		}
		p.hello()
		p.success(welcome(0))
		if err := <-done; err != nil {
			t.Errorf("Dial: %v", err)
		}

		f.vault.rotate(t)
		conn, done = f.begin(WithTrustFirst(), WithState(state))
		answerOnce(t, conn, secure.AppendCertificate(nil, &f.vault.cert))
		if err := <-done; !errors.Is(err, ErrServerKeyChanged) {
			t.Errorf("trusted a second time: %v", err)
		}
	})
}

func TestDamagedAndForeignServerFlightsEndTheAttempt(t *testing.T) {
	for name, row := range map[string]struct {
		change func(reply []byte) []byte
		want   error
	}{
		"another version":           {func(b []byte) []byte { b[2]++; return b }, secure.ErrVersion},
		"another suite":             {func(b []byte) []byte { b[3]++; return b }, secure.ErrSuite},
		"an unknown kind":           {func(b []byte) []byte { b[4] = 0x8f; return b }, secure.ErrFlightKind},
		"a client's flight":         {func(b []byte) []byte { b[4] = byte(secure.FlightContact); return b }, secure.ErrFlightKind},
		"another length":            {func(b []byte) []byte { b[7]++; return b }, secure.ErrFlightLength},
		"a damaged ephemeral key":   {func(b []byte) []byte { b[10] ^= 1; return b }, secure.ErrHandshake},
		"a damaged tag":             {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, secure.ErrHandshake},
		"frames without encryption": {func([]byte) []byte { return codec.AppendPing(nil) }, secure.ErrMagic},
		"half a flight":             {func(b []byte) []byte { return b[:len(b)/2] }, io.EOF},
		"half a head":               {func(b []byte) []byte { return b[:3] }, io.EOF},
		"nothing":                   {func(b []byte) []byte { return nil }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			encrypted(t, func(t *testing.T, f *fake) {
				conn, done := f.begin(f.transport())
				rc := &recordConn{Conn: conn}
				b, _, err := flight(rc)
				if err != nil {
					t.Fatal(err)
				}
				r, err := secure.NewResponder(&f.vault.static, rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				reply, _, _, err := r.Contact(nil, b)
				if err != nil {
					t.Fatal(err)
				}
				if b := row.change(reply); len(b) > 0 {
					_, _ = conn.Write(b) // the client may hang up in the middle of it
				}
				if row.want == io.EOF {
					_ = conn.Close()
				} else if rest, _ := io.ReadAll(conn); len(rest) != 0 {
					t.Errorf("%d bytes behind it", len(rest))
				}
				if err := <-done; !errors.Is(err, row.want) || row.want != io.EOF && !errors.Is(err, ErrProtocol) || final(err) {
					t.Errorf("Dial: %v", err)
				}
				_ = conn.Close()
			})
		})
	}
}

func TestAFlightOfAnEarlierConnectionIsRefused(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.ticket(f.vault, state)
		contact := p.raw[0]
		p.close()
		p, _ = f.again(c, welcome(0))
		resume := p.raw[0]
		closeClient(t, c)
		for name, reply := range map[string][]byte{"of a resume": resume, "of a contact": contact} {
			conn, done := f.begin(f.transport(), WithState(state))
			if b := answerOnce(t, conn, reply); len(b) != 0 {
				t.Errorf("%s: %d bytes behind a replay", name, len(b))
			}
			if err := <-done; !errors.Is(err, secure.ErrHandshake) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestFlightsThatLeadNowhereEndTheAttempt(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		leaveBehind(t, f, state)
		certificate := secure.AppendCertificate(nil, &f.vault.cert)
		conn, done := f.begin(f.transport(), WithState(state))
		answerOnce(t, conn, certificate) // in answer to a ticket
		if err := <-done; !errors.Is(err, ErrProtocol) {
			t.Errorf("a certificate in answer to a ticket: %v", err)
		}
		conn, done = f.begin(f.transport())
		answerOnce(t, conn, certificate)
		if err := <-done; !errors.Is(err, ErrProtocol) {
			t.Errorf("a certificate for the key that was asked for: %v", err)
		}
		old := f.transport()
		f.vault.rotate(t)
		conn, done = f.begin(old)
		certificate = secure.AppendCertificate(nil, &f.vault.cert)
		answerOnce(t, conn, append(certificate, certificate...))
		if err := <-done; !errors.Is(err, ErrProtocol) {
			t.Errorf("a second certificate: %v", err)
		}
	})
}

func TestARefusalIsAHintWithinBounds(t *testing.T) {
	for _, row := range []struct {
		name       string
		code       codec.ErrorCode
		retryAfter time.Duration
		want       time.Duration
	}{
		{"busy", codec.CodeBusy, 3 * time.Second, 3 * time.Second},
		{"busy for weeks", codec.CodeBusy, 500 * time.Hour, RefusalRetryMax},
		{"a version that is not spoken", codec.CodeVersion, 0, 0},
		{"a code that would end a client if it were proven", codec.CodeNotRegistered, 0, 0},
		{"a ticket that was not shown", codec.CodeTicket, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			encrypted(t, func(t *testing.T, f *fake) {
				conn, done := f.begin(f.transport())
				answerOnce(t, conn, secure.AppendRefusal(nil, uint16(row.code), uint32(row.retryAfter.Milliseconds())))
				err := <-done
				var se *ServerError
				if !errors.As(err, &se) || se.Code != row.code || se.RetryAfter != row.want || !se.Unproven || final(err) {
					t.Errorf("Dial: %v, final %v", err, final(err))
				}
			})
		})
	}
}

func TestATicketMayBeRefusedForOtherReasonsAndStays(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		leaveBehind(t, f, state)
		conn, done := f.begin(f.transport(), WithState(state))
		if b := answerOnce(t, conn, secure.AppendRefusal(nil, uint16(codec.CodeBusy), 10)); len(b) != 0 {
			t.Errorf("%d bytes behind the refusal", len(b))
		}
		var se *ServerError
		if err := <-done; !errors.As(err, &se) || se.Code != codec.CodeBusy {
			t.Errorf("Dial: %v", err)
		}
		if id := identityOf(t, state); id.Ticket == (Ticket{}) {
			t.Error("the ticket is gone")
		}
	})
}

func TestAWrongRecordEndsTheConnectionAndTheClientReturns(t *testing.T) {
	for name, damage := range map[string]func(one, two []byte) []byte{
		"forged":    func(one, _ []byte) []byte { one[5] ^= 1; return one },
		"reordered": func(_, two []byte) []byte { return two },
		"replayed":  func(one, _ []byte) []byte { return append(one, one...) },
		"too short": func([]byte, []byte) []byte { return []byte{0, 3, 1, 2, 3} },
	} {
		t.Run(name, func(t *testing.T) {
			encrypted(t, func(t *testing.T, f *fake) {
				c, p, _ := f.connect(welcome(0))
				rc := p.conn.(*recordConn)
				one, err1 := rc.seal.Seal(nil, codec.AppendPong(nil))
				two, err2 := rc.seal.Seal(nil, codec.AppendPong(nil))
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				_, _ = rc.Conn.Write(damage(one, two)) // the client may hang up in the middle of it
				d := want[Disconnected](t, c)
				if !errors.Is(d.Err, ErrProtocol) || !errors.Is(d.Err, secure.ErrRecord) || d.RetryIn == 0 {
					t.Errorf("%+v", d)
				}
				p = f.accept()
				p.hello()
				p.success(welcome(0))
				want[Connected](t, c)
				closeClient(t, c)
			})
		})
	}
}

func TestAKeyThatTheApplicationNamesIsTaken(t *testing.T) {
	a, b := secure.PublicKey{1}, secure.PublicKey{2}
	op, other := [32]byte{3}, [32]byte{4}
	ticket := Ticket{Expires: 9}
	for _, row := range []struct {
		name        string
		has, named  secure.ServerKey
		want        secure.ServerKey
		keepsTicket bool
	}{
		{"the same", secure.ServerKey{Static: a, Operator: op}, secure.ServerKey{Static: a, Operator: op}, secure.ServerKey{Static: a, Operator: op}, true},
		{"certified since by the same operator", secure.ServerKey{Static: b, Operator: op}, secure.ServerKey{Static: a, Operator: op}, secure.ServerKey{Static: b, Operator: op}, true},
		{"trusted at first sight, now with its operator", secure.ServerKey{Static: a}, secure.ServerKey{Static: a, Operator: op}, secure.ServerKey{Static: a, Operator: op}, true},
		{"another server", secure.ServerKey{Static: a, Operator: op}, secure.ServerKey{Static: b, Operator: other}, secure.ServerKey{Static: b, Operator: other}, false},
		{"another server without operators", secure.ServerKey{Static: a}, secure.ServerKey{Static: b}, secure.ServerKey{Static: b}, false},
		{"none was known", secure.ServerKey{}, secure.ServerKey{Static: a, Operator: op}, secure.ServerKey{Static: a, Operator: op}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			id := Identity{Server: row.has, Ticket: ticket}
			id.expect(row.named)
			if id.Server != row.want || (id.Ticket == ticket) != row.keepsTicket {
				t.Errorf("%+v", id)
			}
		})
	}
}

func TestBurstsAreCutBetweenFramesAndComeOutTheSame(t *testing.T) {
	v := newVault(t)
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	served := make(chan *recordConn, 1)
	go func() { // ends with the handshake
		rc, _, err := v.shake(theirs)
		if err != nil {
			t.Error(err)
		}
		served <- rc
	}()
	device, server := v.static, v.static.Public()
	i, first, err := secure.StartContact(&device, &server, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rc := &recordConn{Conn: ours}
	reply, err := exchangeFlights(rc, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := finish(rc, i, &reply); err != nil {
		t.Fatal(err)
	}
	var burst []byte
	for _, size := range []int{0, 60_000, 5_400, 10, codec.BlobBytesMax, 30_000, 30_000, 30_000} {
		parts := codec.Parts{}.Append(codec.Part{Blob: randomBytes(size)})
		if burst, err = codec.AppendSend(burst, &codec.Send{Cseq: 1, To: 2, N: 1, Parts: parts}); err != nil {
			t.Fatal(err)
		}
	}
	for rest := burst; len(rest) > 0; {
		n := cutFrames(rest)
		end := 0
		for end < n {
			_, used, err := codec.Next(rest[end:], codec.FrameBytesMax)
			if err != nil || used == 0 {
				t.Fatalf("cut at %d inside a frame: %v", n, err)
			}
			end += used
		}
		if end != n || n > secure.RecordPlainMax {
			t.Fatalf("cut at %d, a frame ends at %d", n, end)
		}
		rest = rest[n:]
	}
	wrote := make(chan error, 1)
	go func() { // ends when all of it was read
		_, err := rc.Write(burst)
		wrote <- err
	}()
	got := make([]byte, len(burst))
	if _, err := io.ReadFull(<-served, got); err != nil || !bytes.Equal(got, burst) {
		t.Errorf("what came is not what was written: %v", err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func TestDialBoundsTheHandshakeByItsContext(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := Dial(ctx, "fake", WithUser(testUser), f.transport(), WithDialer(f.dial))
			done <- err
		}()
		conn := f.raw()
		if _, err := io.ReadAll(conn); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial: %v", err)
		}
	})
}
