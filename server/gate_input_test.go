package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// clock is a wall clock that a test steps; gates read it for what lives longer than a connection.
type clock struct{ offset atomic.Int64 }

func (c *clock) hooks() *hooks {
	return &hooks{nowSec: func() int64 { return time.Now().Unix() + c.offset.Load() }}
}

func TestWhatIsNoFirstFlightIsClosedWithoutAWordAndDisturbsNobody(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, func(c *Config) { c.LoginTimeout = Duration(2 * time.Second) })
	pa, pb := r.phone(t, 1, 0), r.phone(t, 2, 0)
	pair := &pair{t: t, a: pa.contact(), b: pb.contact()}
	_, good, err := secure.StartContact(&pa.static, &pa.server, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, v byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = v
		return b
	}
	for _, row := range []struct {
		name  string
		bytes []byte
	}{
		{"a plain HELLO", must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 1}))},
		{"an HTTP request", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"a TLS hello", []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}},
		{"a PROXY header, which has a listener of its own", append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"), make([]byte, 12)...)},
		{"a wrong magic", changed(0, 'X')},
		{"a server's flight", changed(4, 0x81)},
		{"a kind that nobody knows", changed(4, 9)},
		{"a byte that must be zero", changed(5, 1)},
		{"a contact flight that says it is longer", changed(7, 97)},
		{"a contact flight that says it is shorter", changed(7, 95)},
		{"a resume flight above 16 KiB", []byte{'T', 'L', 1, 1, 2, 0, 0x40, 0}},
		{"a resume flight without room for a ticket", []byte{'T', 'L', 1, 1, 2, 0, 0, 90}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := r.dial(t)
			w.write(row.bytes)
			w.expectSilentClose()
			w.conn.Close()
		})
	}
	pair.talk()
	r.eventually(t, "they are gone", func(s Status) bool { return s.Connections == 2 })
}

func TestAnotherVersionOrSuiteIsToldSoAndIsNoWayDown(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	p := r.phone(t, 1, 0)
	for _, at := range []int{2, 3} {
		w, v := p.dial()
		i, flight, err := secure.StartContact(&p.static, &p.server, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		flight[at]++
		w.write0(flight)
		if got := v.reply(t); got.Kind != secure.FlightRefusal || codec.ErrorCode(got.Code) != codec.CodeVersion {
			t.Errorf("byte %d: the answer is %#x, code %d", at, got.Kind, got.Code)
		}
		_ = i
		w.conn.Close()
	}
}

// write0 writes bytes that are no frames past the veil.
func (w *wire) write0(b []byte) {
	w.t.Helper()
	if _, err := w.conn.(*veil).raw(b); err != nil {
		w.t.Fatal(err)
	}
}

func TestASlowHandshakeIsEndedByTheLoginTimeout(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, func(c *Config) { c.LoginTimeout = Duration(400 * time.Millisecond) })
	p := r.phone(t, 1, 0)
	_, flight, err := secure.StartContact(&p.static, &p.server, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		bytes []byte // of which one is written each 20 ms until the server has enough
	}{
		{"a contact flight", flight},
		{"a large resume flight", append([]byte{'T', 'L', 1, 1, 2, 0, 0x3f, 0}, make([]byte, 0x3f00)...)},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := r.dial(t).conn
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			closed := make(chan error, 1)
			go func() { _, err := io.Copy(io.Discard, conn); closed <- err }() // ends with the connection
			began := time.Now()
			for at := 0; ; at++ {
				select {
				case <-closed:
					if passed := time.Since(began); passed < 400*time.Millisecond {
						t.Errorf("closed after %v", passed)
					}
					return
				case <-tick.C:
					_, _ = conn.Write(row.bytes[at%len(row.bytes) : at%len(row.bytes)+1]) // fails when the server has closed
				case <-time.After(patience):
					t.Fatal("the server keeps it open")
				}
			}
		})
	}
	r.eventually(t, "nothing is left", func(s Status) bool { return s.Connections == 0 && s.Handshakes.Pending == 0 })
}

func TestATicketThatIsNoGoodSendsTheClientBackToAContactFlightOnTheSameConnection(t *testing.T) {
	noLeaks(t)
	c := &clock{}
	set := func(cfg *Config) { cfg.hooks = c.hooks() }
	r, other := startNoise(t, set), startNoise(t, nil)
	p := r.phone(t, 1, 0)
	foreign := other.phone(t, 1, 0)
	foreign.contact().conn.Close()
	for _, row := range []struct {
		name  string
		spoil func()
	}{
		{"forged", func() { p.ticket.Sealed[40] ^= 1 }},
		{"of a key that never was", func() { p.ticket.Sealed[0]++ }},
		{"of another server", func() { p.ticket = foreign.ticket }},
		{"expired", func() { c.offset.Add(int64(p.ticket.LifetimeSec) + 1) }},
		{"of a device that was removed", func() {
			if err := r.transport.registrar.removeDevice(p.user, p.device); err != nil {
				t.Fatal(err)
			}
			p.gen = 0
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.nonce++
			p.contact().conn.Close()
			row.spoil()
			w, v := p.dial()
			_, flight := p.flight()
			w.write0(flight)
			if got := v.reply(t); got.Kind != secure.FlightRefusal || codec.ErrorCode(got.Code) != codec.CodeTicket {
				t.Fatalf("the answer is %#x, code %d", got.Kind, got.Code)
			}
			c.offset.Store(0)
			p.contactOn(v)
			w.write(must(codec.AppendHello(nil, ptr(p.hello()))))
			p.success(w)
			p.takeTicket(w)
			w.ping()
			w.conn.Close()
		})
	}
	r.eventually(t, "five tickets are refused", func(s Status) bool { return s.Handshakes.TicketsRefused == 5 })
}

func TestAClockThatStepsByAnHourLetsEverybodyComeBack(t *testing.T) {
	noLeaks(t)
	c := &clock{}
	r := startNoise(t, func(cfg *Config) { cfg.hooks = c.hooks() })
	p := r.phone(t, 1, 0)
	w := p.contact()
	for _, step := range []int64{3600, -7200, 3600} {
		c.offset.Add(step)
		w.ping() // who is connected does not notice
		w.conn.Close()
		w, _ = p.resume()
	}
	w.ping()
	r.eventually(t, "three came back with their tickets", func(s Status) bool {
		return s.Handshakes.Resumes == 3 && s.Handshakes.TicketsRefused == 0
	})
}

func TestAWrongServerKeyGetsTheCertificateAndTheConnectionGoesOn(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	p := r.phone(t, 1, 0)
	right := p.server
	p.server[3] ^= 1
	w, v := p.dial()
	for range FlightsMax {
		_, flight, err := secure.StartContact(&p.static, &p.server, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.write0(flight)
		got := v.reply(t)
		if got.Kind != secure.FlightCertificate || got.Certificate.Static != right {
			t.Fatalf("the answer is %#x", got.Kind)
		}
		key := r.ServerKey()
		if err := got.Certificate.Verify(key.Operator[:], uint64(time.Now().Unix())); err != nil {
			t.Errorf("the certificate: %v", err)
		}
	}
	p.server = right
	p.contactOn(v)
	w.write(must(codec.AppendHello(nil, ptr(p.hello()))))
	p.success(w)

	p.server[3] ^= 1 // once too often
	w, v = p.dial()
	for range FlightsMax + 1 {
		_, flight, err := secure.StartContact(&p.static, &p.server, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.write0(flight)
	}
	_ = v.SetReadDeadline(time.Now().Add(patience)) // a failure shows in the error
	if _, err := io.Copy(io.Discard, v.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server keeps answering")
	}
}

func TestDamagedRecordsEndTheConnectionWithoutAWordAndTheMailboxStays(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	a, b := r.phone(t, 1, 0), r.phone(t, 2, 0)
	wb := b.contact()
	ping := codec.AppendPing(nil)
	for _, row := range []struct {
		name  string
		write func(v *veil)
	}{
		{"a flipped bit", func(v *veil) { s := seal(t, v, ping); s[5] ^= 1; v.raw(s) }},
		{"a record twice", func(v *veil) { s := seal(t, v, ping); v.raw(s); v.raw(s) }},
		{"two records in the wrong order", func(v *veil) { x, y := seal(t, v, ping), seal(t, v, ping); v.raw(y); v.raw(x) }},
		{"a record left out", func(v *veil) { seal(t, v, ping); v.raw(seal(t, v, ping)) }},
		{"a record too short for a tag", func(v *veil) { v.raw([]byte{0, 15}) }},
		{"half a frame in a record", func(v *veil) { v.raw(seal(t, v, sendFrame(9, 2, "cut")[:9])) }},
		{"plain bytes", func(v *veil) { v.raw([]byte("\x00\x20hello, is anybody there? this is plain text")) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := a
			p.nonce++
			p.gen = 0
			w := p.contact()
			wb.send(1, row.name)
			row.write(w.conn.(*veil))
			w.expectClosed()
			w, _ = p.resume()
			if d := w.take(); string(d.Blob) != row.name {
				t.Errorf("got %q", d.Blob)
			}
			p.seen = w.seen
			w.conn.Close()
			wb.takeReceipt()
		})
	}
}

func seal(t *testing.T, v *veil, frames []byte) []byte {
	t.Helper()
	s, err := v.link.Seal(nil, frames)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatMustNotComeBeforeLoginClosesTheConnection(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	p := r.phone(t, 1, 0)
	for _, row := range []struct {
		name  string
		bytes []byte
	}{
		{"a SEND instead of HELLO", sendFrame(1, 2, "x")},
		{"a HELLO of 1 KiB and more", append([]byte{0x85, 0x08}, make([]byte, 1029)...)},
		{"no frame", []byte{0x80, 0x80, 0x80, 0x80}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, _ := p.knock()
			w.write(row.bytes)
			w.expectClosed()
		})
	}
	t.Run("a HELLO for somebody else behind a ticket", func(t *testing.T) {
		p.contact().conn.Close()
		h := p.hello()
		h.User = 99
		i, flight, err := secure.StartResume(p.ticket.Sealed, &p.ticket.PSK, must(codec.AppendHello(nil, &h)), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w, v := p.dial()
		p.finish(v, i, flight)
		w.expectError(codec.CodeNotAuthorized)
	})
}

func TestAnUnknownKeyIsNotTheDevice(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	p, thief := r.phone(t, 1, 0), r.phone(t, 1, 0)
	w := p.contact()
	tw, _ := thief.knock()
	tw.write(must(codec.AppendHello(nil, ptr(thief.hello()))))
	tw.expectError(codec.CodeNotRegistered)
	tw.expectClosed()
	w.ping()
	r.eventually(t, "only the device is there", func(s Status) bool {
		return s.Sessions == 1 && s.Connections == 1 && s.Closes[codec.CodeReplaced.String()] == 0
	})
}

func TestMoreFlightsThanThereIsTimeForAreToldWhenToComeBack(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, func(c *Config) {
		c.Loops, c.HandshakeShare, c.LoginTimeout = 1, 1, Duration(10*time.Second)
		c.AddressAccepts, c.AddressHandshakes, c.Accepts = Rate{None: true}, Rate{None: true}, Rate{None: true}
		c.AddressConnections = -1
	})
	pa, pb := r.phone(t, 1, 0), r.phone(t, 2, 0)
	pair := &pair{t: t, a: pa.contact(), b: pb.contact()}
	p := r.phone(t, 3, 0)
	const storm = 600
	type outcome struct {
		kind    secure.FlightKind
		code    codec.ErrorCode
		retryMs uint32
	}
	outcomes := make(chan outcome, storm)
	for i := range storm {
		_, flight, err := secure.StartContact(&p.static, &p.server, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		conn := r.dialFrom(t, fmt.Sprintf("127.0.1.%d", 1+i%200), r.Addr().String()).conn
		go func() { // ends with the answer, or with its deadline
			defer conn.Close()
			v := &veil{Conn: conn}
			_ = v.SetDeadline(time.Now().Add(patience)) // a failure shows in Read
			_, _ = v.raw(flight)
			for {
				got, used, err := secure.ParseReply(v.in)
				if used > 0 || err != nil {
					outcomes <- outcome{got.Kind, codec.ErrorCode(got.Code), got.RetryAfterMs}
					return
				}
				if v.more() != nil {
					outcomes <- outcome{}
					return
				}
			}
		}()
	}
	pair.talk() // while they come
	counts := map[secure.FlightKind]int{}
	late := uint32(0)
	for range storm {
		o := <-outcomes
		counts[o.kind]++
		if o.kind == secure.FlightRefusal {
			late = max(late, o.retryMs)
			if o.code != codec.CodeBusy || o.retryMs == 0 {
				t.Fatalf("refused with code %v, retry after %d ms", o.code, o.retryMs)
			}
		}
	}
	pair.talk()
	if counts[secure.FlightAccepted] == 0 || counts[secure.FlightRefusal] == 0 || counts[0] != 0 {
		t.Errorf("accepted %d, refused %d, without an answer %d", counts[secure.FlightAccepted], counts[secure.FlightRefusal], counts[0])
	}
	if time.Duration(late)*time.Millisecond <= RetryAfterMin {
		t.Errorf("all come back within %d ms", late)
	}
	r.eventually(t, "the tables are empty", func(s Status) bool { return s.Handshakes.Pending == 0 && s.Handshakes.Queued == 0 })
}
