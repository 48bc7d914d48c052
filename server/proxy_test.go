package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"trunkline/codec"
)

// The parts of a PROXY v2 header as the protocol's description has them, not as the library writes them.
const (
	v2Local = 0x20
	v2Proxy = 0x21

	v2Unspec = 0x00
	v2TCP4   = 0x11
	v2UDP4   = 0x12
	v2TCP6   = 0x21
	v2Unix   = 0x31
)

// v2Header builds a header whose length is that of body.
func v2Header(command, family byte, body []byte) []byte {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

// v2From is the header of a client's connection to port 5222, with TLVs behind the addresses.
func v2From(source string, tlvs ...byte) []byte {
	from := netip.MustParseAddrPort(source)
	family, to := byte(v2TCP4), netip.MustParseAddr("192.0.2.80")
	if from.Addr().Is6() {
		family, to = v2TCP6, netip.MustParseAddr("2001:db8::80")
	}
	body := append(from.Addr().AsSlice(), to.AsSlice()...)
	body = binary.BigEndian.AppendUint16(body, from.Port())
	body = binary.BigEndian.AppendUint16(body, 5222)
	return v2Header(v2Proxy, family, append(body, tlvs...))
}

// tlv is one type-length-value of n bytes.
func tlv(kind byte, n int) []byte {
	return append([]byte{kind, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{0xA5}, n)...)
}

func TestProxyHeadersAreReadWholeAndNothingElseIs(t *testing.T) {
	large := v2From("192.0.2.1:4000", tlv(0x20, ProxyHeaderBytesMax-proxyHeadBytes-12-3)...)
	if len(large) != ProxyHeaderBytesMax {
		t.Fatalf("the largest header has %d bytes", len(large))
	}
	for _, row := range []struct {
		name   string
		b      []byte
		source string // "": none
		fails  bool
	}{
		{"a client over IPv4", v2From("192.0.2.1:4000"), "192.0.2.1:4000", false},
		{"a client over IPv6", v2From("[2001:db8::1]:65535"), "[2001:db8::1]:65535", false},
		{"a client over IPv4 in IPv6 form", v2Header(v2Proxy, v2TCP6, v2From("[::ffff:192.0.2.1]:7")[proxyHeadBytes:]), "192.0.2.1:7", false},
		{"TLVs are skipped", v2From("192.0.2.1:4000", append(tlv(0x03, 4), tlv(0x20, 600)...)...), "192.0.2.1:4000", false},
		{"TLVs that are none are skipped, too", v2From("192.0.2.1:4000", 0xFF, 0xFF, 0xFF), "192.0.2.1:4000", false},
		{"the largest header", large, "192.0.2.1:4000", false},
		{"a health check of the balancer", v2Header(v2Local, v2Unspec, nil), "", false},
		{"a health check with TLVs", v2Header(v2Local, v2Unspec, tlv(0x03, 4)), "", false},
		{"a health check that names addresses", append(v2Header(v2Local, v2TCP4, make([]byte, 12)), nil...), "", false},
		{"one byte more than the largest", v2From("192.0.2.1:4000", tlv(0x20, ProxyHeaderBytesMax-proxyHeadBytes-12-2)...), "", true},
		{"the longest length there is", v2Header(v2Proxy, v2TCP4, make([]byte, 0xFFFF))[:proxyHeadBytes], "", true},
		{"version 1", []byte("PROXY TCP4 192.0.2.1 192.0.2.80 4000 5222\r\n"), "", true},
		{"version 3", append(append([]byte{}, v2From("192.0.2.1:4000")[:12]...), append([]byte{0x31}, v2From("192.0.2.1:4000")[13:]...)...), "", true},
		{"an unknown command", v2Header(0x22, v2TCP4, make([]byte, 12)), "", true},
		{"a client whose address is not told", v2Header(v2Proxy, v2Unspec, nil), "", true},
		{"datagrams", v2Header(v2Proxy, v2UDP4, make([]byte, 12)), "", true},
		{"a Unix socket", v2Header(v2Proxy, v2Unix, make([]byte, 216)), "", true},
		{"an unknown family", v2Header(v2Proxy, 0x41, make([]byte, 36)), "", true},
		{"IPv4 addresses that are too short", v2Header(v2Proxy, v2TCP4, make([]byte, 11)), "", true},
		{"IPv6 addresses that are too short", v2Header(v2Proxy, v2TCP6, make([]byte, 35)), "", true},
		{"a HELLO without a header", must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 1})), "", true},
		{"a web request", []byte("GET / HTTP/1.1\r\n\r\n"), "", true},
		{"a signature with one wrong byte", append([]byte("\r\n\r\n\x00\r\nQUIT\r"), make([]byte, 20)...), "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := append(bytes.Clone(row.b), "what the client says"...)
			source, used, more, err := proxyHeader(b)
			if row.fails {
				if !errors.Is(err, ErrProxyHeader) || used != 0 || more || source.IsValid() {
					t.Errorf("%v, %d used, more %v, %v", source, used, more, err)
				}
				return
			}
			if err != nil || used != len(row.b) || more || source.IsValid() != (row.source != "") || row.source != "" && source.String() != row.source {
				t.Errorf("%v, %d of %d used, more %v, %v", source, used, len(row.b), more, err)
			}
			for n := range row.b {
				if _, used, more, err := proxyHeader(row.b[:n]); !more || used != 0 || err != nil {
					t.Fatalf("%d of %d bytes: %d used, more %v, %v", n, len(row.b), used, more, err)
				}
			}
		})
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add(v2From("192.0.2.1:4000"))
	f.Add(v2From("[2001:db8::1]:1", tlv(0x20, 30)...))
	f.Add(v2Header(v2Local, v2Unspec, nil))
	f.Add(v2Header(v2Local, v2TCP6, nil))
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.80 4000 5222\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		source, used, more, err := proxyHeader(b)
		if used < 0 || used > min(len(b), ProxyHeaderBytesMax) || more && (used > 0 || err != nil || len(b) >= ProxyHeaderBytesMax) {
			t.Fatalf("%d of %d used, more %v, %v", used, len(b), more, err)
		}
		if done := err == nil && !more; done != (used >= proxyHeadBytes) || !done && source.IsValid() {
			t.Fatalf("%d used, more %v, %v, source %v", used, more, err, source)
		}
		if source.IsValid() {
			again := v2From(source.String())
			if s, n, _, err := proxyHeader(again); s != source || n != len(again) || err != nil {
				t.Fatalf("%v comes back as %v, %v", source, s, err)
			}
		}
	})
}

// balanced is a server with a listener for load balancers.
func balanced(t *testing.T, set func(*Config)) *running {
	t.Helper()
	noLeaks(t)
	r := start(t, func(c *Config) {
		c.ProxyListen = "127.0.0.1:0"
		if set != nil {
			set(c)
		}
	})
	t.Cleanup(func() { // before the server drains
		r.left(t)
	})
	return r
}

// left waits until everybody has gone and admission counts nobody any more.
func (r *running) left(t testing.TB) {
	t.Helper()
	r.eventually(t, "everybody has gone", func(s Status) bool { return s.Connections == 0 })
	waitFor(t, func() bool { s := r.admission.stats(); return s.open == 0 && s.addresses == 0 }, func() string {
		return fmt.Sprintf("nobody is there, and admission counts %+v", r.admission.stats())
	})
}

// bring connects as a load balancer at 127.0.0.1.
func (r *running) bring(t testing.TB, header []byte) *wire {
	t.Helper()
	w := r.dialFrom(t, "127.0.0.1", r.ProxyAddr().String())
	w.write(header)
	return w
}

// dialFrom connects from a loopback address.
func (r *running) dialFrom(t testing.TB, from, to string) *wire {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, conn: conn}
	t.Cleanup(func() { _ = conn.Close() })
	return w
}

// sentAway says whether a connection from a loopback address is closed before it has said anything. The reset may be there before
// connect(2) has returned.
func (r *running) sentAway(from, to string) bool {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		return true
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience)) // a failure shows in Read
	_, err = conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestClientsBehindALoadBalancerAreServedAndCountedByTheirOwnAddress(t *testing.T) {
	r := balanced(t, func(c *Config) { c.AddressConnections = 2 })
	p := &pair{t: t, a: r.bring(t, v2From("198.51.100.1:1")), b: r.bring(t, v2From("[2001:db8::1]:2", tlv(0x05, 16)...))}
	p.a.hello(codec.Hello{Version: 1, User: 1})
	p.b.hello(codec.Hello{Version: 1, User: 2})
	p.talk()
	second := r.bring(t, append(v2From("198.51.100.1:3"), must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 3}))...))
	second.expect(codec.KindSuccess)
	if s := r.admission.stats(); s.open != 3 || s.addresses != 2 {
		t.Errorf("three clients of two addresses are counted as %+v", s)
	}
	r.bring(t, v2From("198.51.100.1:4")).expectSilentClose()
	third := r.bring(t, v2From("198.51.100.2:4"))
	third.hello(codec.Hello{Version: 1, User: 4})
	p.talk()
	r.eventually(t, "the refusal is counted", func(s Status) bool { return s.Admission.Refused["address_connections"] == 1 })
	for _, w := range []*wire{p.a, p.b, second, third} {
		_ = w.conn.Close()
	}
}

func TestAProxyHeaderMayComeByteByByteAndTogetherWithWhatFollows(t *testing.T) {
	r := balanced(t, nil)
	all := append(v2From("198.51.100.1:1", tlv(0x03, 40)...), must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 1}))...)
	for _, piece := range []int{1, 15, 17, 60, len(all)} {
		w := r.bring(t, nil)
		for b := all; len(b) > 0; b = b[min(piece, len(b)):] {
			w.write(b[:min(piece, len(b))])
		}
		w.expect(codec.KindSuccess)
		w.ping()
		_ = w.conn.Close()
	}
}

func TestAHealthCheckIsServedWithTheBalancersOwnAddress(t *testing.T) {
	r := balanced(t, func(c *Config) { c.AddressConnections = 1 })
	w := r.bring(t, v2Header(v2Local, v2Unspec, nil))
	w.hello(codec.Hello{Version: 1, User: 1})
	if s := r.admission.stats(); s.open != 1 || s.addresses != 1 {
		t.Errorf("counted as %+v", s)
	}
	r.bring(t, v2Header(v2Local, v2TCP4, make([]byte, 12))).expectSilentClose() // the balancer's address has its one connection
	_ = w.conn.Close()
	_ = r.bring(t, nil).conn.Close() // a check that only looks whether somebody listens
	r.eventually(t, "all have gone", func(s Status) bool { return s.Connections == 0 })
	if n := r.Status().Admission.Refused["proxy_header"]; n != 0 {
		t.Errorf("%d bad headers are counted", n)
	}
}

func TestWhatIsNoProxyHeaderIsClosedWithoutAWord(t *testing.T) {
	r := balanced(t, quick)
	p := r.converse(t, 1)
	for i, row := range []struct {
		name string
		b    []byte
		half bool // the balancer ends there
	}{
		{"version 1", []byte("PROXY TCP4 192.0.2.1 192.0.2.80 4000 5222\r\n"), false},
		{"no header", must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 1})), false},
		{"garbage", bytes.Repeat([]byte{0xDB}, 10_000), false},
		{"an oversized header", v2Header(v2Proxy, v2TCP4, make([]byte, 5000)), false},
		{"a Unix socket", v2Header(v2Proxy, v2Unix, make([]byte, 216)), false},
		{"a header that ends too early", v2From("198.51.100.1:1")[:20], true},
		{"a header that never ends", v2From("198.51.100.1:1")[:27], false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := r.bring(t, row.b)
			if row.half {
				_ = w.conn.(*net.TCPConn).CloseWrite() // a failure shows as a server that waits
			}
			w.expectSilentClose()
			_ = w.conn.Close()
			p.talk()
			r.eventually(t, "it is counted", func(s Status) bool { return s.Admission.Refused["proxy_header"] == uint64(i+1) })
		})
	}
	r.bring(t, nil).expectSilentClose() // the login timeout; nothing to count
	if n := r.Status().Admission.Refused["proxy_header"]; n != 7 {
		t.Errorf("%d bad headers are counted, want 7", n)
	}
	_, _ = p.a.conn.Close(), p.b.conn.Close()
}

func TestOnlyLoadBalancersMayUseTheirListener(t *testing.T) {
	needLoopback(t, "127.0.0.9")
	r := balanced(t, func(c *Config) { c.ProxyFrom = "127.0.0.9/32,::1/128" })
	for range 3 {
		if !r.sentAway("127.0.0.1", r.ProxyAddr().String()) {
			t.Error("a stranger may connect")
		}
	}
	r.eventually(t, "they are counted", func(s Status) bool { return s.Admission.Refused["proxy_from"] == 3 })
	w := r.dialFrom(t, "127.0.0.9", r.ProxyAddr().String())
	w.write(v2From("198.51.100.1:1"))
	w.hello(codec.Hello{Version: 1, User: 1})
	_ = w.conn.Close()
}

func TestThePublicListenerTakesNoProxyHeader(t *testing.T) {
	r := balanced(t, nil)
	for i, b := range [][]byte{
		v2From("198.51.100.1:1"), v2Header(v2Local, v2Unspec, nil), []byte("PROXY TCP4 192.0.2.1 192.0.2.80 4000 5222\r\n"),
	} {
		w := r.dial(t)
		w.write(append(b, must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 1}))...))
		w.expectSilentClose()
		_ = w.conn.Close()
		r.eventually(t, "it is counted as malformed", func(s Status) bool { return s.MalformedFrames == uint64(i+1) })
	}
	if s := r.Status(); s.Logins != 0 || s.Admission.Refused["proxy_header"] != 0 {
		t.Errorf("a header on the public listener had an effect: %+v", s.Admission)
	}
}

func TestADrainClosesTheListenerForLoadBalancersToo(t *testing.T) {
	r := balanced(t, nil)
	addr := r.ProxyAddr().String()
	r.drain(t)
	if conn, err := net.Dial("tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("it still takes connections")
	}
	if _, err := New(plainConfig(Config{Listen: "127.0.0.1:0", Admin: AdminOff, ProxyListen: r.ProxyAddr().String() + "0"})); !errors.Is(err, ErrConfig) {
		t.Errorf("a wrong address for it: %v", err)
	}
	if !bytes.Equal(proxyproto.SIGV2, v2Header(0, 0, nil)[:12]) {
		t.Error("the signature of these tests is not that of the library")
	}
}
