package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"trunkline/codec"
)

// heard notes what a dialect says.
type heard []string

func (h *heard) Ready(s *Session) { *h = append(*h, fmt.Sprintf("ready %d", s.Index)) }
func (h *heard) Arrived(s *Session, b []byte) {
	*h = append(*h, fmt.Sprintf("arrived %d %s", s.Index, b))
}
func (h *heard) Accepted(s *Session, n int) {
	*h = append(*h, fmt.Sprintf("accepted %d %d", s.Index, n))
}
func (h *heard) Confirmed(s *Session, n int) {
	*h = append(*h, fmt.Sprintf("confirmed %d %d", s.Index, n))
}
func (h heard) String() string { return strings.Join(h, "; ") }

// exchange is what a server sends, what the client is to answer, and what it is to make of it.
type exchange struct {
	in, out, heard string
}

// exchanges are the whole life of user 7 with each kind of server. One message to user 3 is sent before what "sent" says.
var exchanges = map[string]struct {
	d     Dialect
	hello string
	login []exchange
	send  string
	rest  []exchange
	bye   string
}{
	"mqtt": {
		d: MQTT{}, hello: "\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02u7",
		login: []exchange{
			{"\x20\x02\x00\x00", "\x82\x08\x00\x01\x00\x03u/7\x01", ""},
			{"\x90\x03\x00\x01\x01", "", "ready 7"},
		},
		send: "\x32\x0c\x00\x03u/3\x00\x01hello",
		rest: []exchange{
			{"\x40\x02\x00\x01", "", "accepted 7 1"},
			{"\x32\x0a\x00\x03u/7\x01\x02abc", "\x40\x02\x01\x02", "arrived 7 abc"},
			{"\x3a\x0a\x00\x03u/7\x01\x02abc\xd0\x00", "\x40\x02\x01\x02", "arrived 7 abc"},
			{"\x32\x0a\x00\x03u/7\x01\x03abc\x32\x0a\x00\x03u/7\x01\x04def", "\x40\x02\x01\x03\x40\x02\x01\x04", "arrived 7 abc; arrived 7 def"},
		},
		bye: "\xe0\x00",
	},
	"nats": {
		d: NATS{}, hello: "",
		login: []exchange{
			{"INFO {\"server_id\":\"x\"} \r\n", "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"go\",\"version\":\"1\",\"protocol\":1}\r\nSUB u.7 1\r\nPING\r\n", ""},
			{"PONG\r\n", "", "ready 7"},
		},
		send: "PUB u.3 u.7 5\r\nhello\r\n",
		rest: []exchange{
			{"MSG u.7 1 0\r\n\r\n", "", "confirmed 7 1"},
			{"MSG u.7 1 u.9 3\r\nabc\r\nPING\r\nINFO {}\r\n+OK\r\n", "PUB u.9 0\r\n\r\nPONG\r\n", "arrived 7 abc"},
		},
		bye: "",
	},
	"xmpp": {
		d: XMPP{}, hello: xmppStream,
		login: []exchange{
			{"<?xml version='1.0'?><stream:stream id='1' from='localhost'><stream:features><mechanisms><mechanism>PLAIN</mechanism></mechanisms></stream:features>",
				"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHU3AHNlY3JldA==</auth>", ""},
			{"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", xmppStream, ""},
			{"<?xml version='1.0'?><stream:stream id='2'><stream:features><bind xmlns='b'/></stream:features>",
				"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>", ""},
			{"<iq type='result' id='bind'><bind><jid>u7@localhost/r</jid></bind></iq>", "<presence/>", ""},
			{"<presence from='u7@localhost/r' to='u7@localhost/r'/>", "", "ready 7"},
		},
		send: "<message type='chat' to='u3@localhost/r' id='m1'><body>hello</body><request xmlns='urn:xmpp:receipts'/></message>",
		rest: []exchange{
			{"<iq from='localhost' type='result' id='1'/>", "", "accepted 7 1"},
			{"<message from='u3@localhost/r' type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>\n", "", "confirmed 7 1"},
			{"<message from='u9@localhost/r' id='m5' type='chat'><body>abc</body><request xmlns='urn:xmpp:receipts'/></message><presence type='unavailable'/>",
				"<message type='chat' to='u9@localhost/r'><received xmlns='urn:xmpp:receipts' id='m5'/></message>", "arrived 7 abc"},
			{"<iq type='get' id='q'><ping/></iq>", "<iq type='result' to='localhost' id='q'/>", ""},
		},
		bye: "</stream:stream>",
	},
	"trunkline": {
		d: Trunkline{}, hello: string(helloOf(7)),
		login: []exchange{{string(must(codec.AppendSuccess(nil, &codec.Success{Gen: 1, Incarnation: 2, WindowEntries: 64, WindowBytes: 1 << 18}))), "", "ready 7"}},
		send:  string(must(codec.AppendSend(nil, &codec.Send{Cseq: 1, To: userBase + 3, N: 1, Parts: codec.Parts(nil).Append(codec.Part{Blob: []byte("hello")})}))),
		rest: []exchange{
			{string(must(codec.AppendTick(nil, &codec.Tick{UpHigh: 1}))), "", "accepted 7 1"},
			{string(must(codec.AppendReceipt(nil, &codec.Receipt{Seq: 5, Kind: codec.ReceiptDelivered, Gen: 1, Peer: userBase + 3, First: 1, Last: 1}))), string(ackOf(5)), "confirmed 7 1"},
			{string(must(codec.AppendDeliver(nil, &codec.Deliver{Seq: 6, From: userBase + 9, Gen: 1, ID: 1, Blob: []byte("abc")}))) +
				string(must(codec.AppendDeliver(nil, &codec.Deliver{Seq: 7, From: userBase + 9, Gen: 1, ID: 2, Blob: []byte("def")}))), string(ackOf(7)), "arrived 7 abc; arrived 7 def"},
			{string(codec.AppendPing(nil)), string(codec.AppendPong(nil)), ""},
		},
		bye: "",
	},
}

func helloOf(user uint64) []byte {
	return must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: userBase + user, DownSeq: userBase + user, Epoch: 1}))
}

func ackOf(seq uint64) []byte { return must(codec.AppendAck(nil, &codec.Ack{Seq: seq})) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestEachDialectLogsInSendsAndAcknowledges(t *testing.T) {
	for name, c := range exchanges {
		t.Run(name, func(t *testing.T) {
			s := &Session{Index: 7}
			if got := string(c.d.Hello(nil, s)); got != c.hello {
				t.Fatalf("hello %q, want %q", got, c.hello)
			}
			for _, e := range c.login {
				play(t, c.d, s, e)
			}
			if got := string(c.d.Send(nil, s, 3, []byte("hello"))); got != c.send {
				t.Fatalf("send\n%q, want\n%q", got, c.send)
			}
			for _, e := range c.rest {
				play(t, c.d, s, e)
			}
			if got := string(c.d.Bye(nil, s)); got != c.bye {
				t.Fatalf("bye %q, want %q", got, c.bye)
			}
		})
	}
}

// play gives a dialect what a server sends, and compares.
func play(t *testing.T, d Dialect, s *Session, e exchange) {
	t.Helper()
	var h heard
	out, used, err := d.Take(nil, s, []byte(e.in), &h)
	if err != nil || used != len(e.in) {
		t.Fatalf("%.80q: %d of %d bytes used: %v", e.in, used, len(e.in), err)
	}
	if string(out) != e.out || h.String() != e.heard {
		t.Fatalf("%.80q: answered %q, heard %q; want %q and %q", e.in, out, h, e.out, e.heard)
	}
}

// What comes in pieces means the same as what comes at once.
func TestADialectWaitsForTheRest(t *testing.T) {
	for name, c := range exchanges {
		t.Run(name, func(t *testing.T) {
			s := &Session{Index: 7}
			c.d.Hello(nil, s)
			sent := false
			for _, e := range append(append([]exchange{}, c.login...), c.rest...) {
				if len(c.login) > 0 && e == c.rest[0] && !sent {
					c.d.Send(nil, s, 3, []byte("hello"))
					sent = true
				}
				var h heard
				var kept, out []byte
				for _, b := range []byte(e.in) {
					kept = append(kept, b)
					var used int
					var err error
					if out, used, err = c.d.Take(out, s, kept, &h); err != nil {
						t.Fatalf("%q: %v", kept, err)
					}
					kept = append([]byte{}, kept[used:]...)
				}
				if len(kept) != 0 || h.String() != e.heard {
					t.Fatalf("%.80q: %q is left, heard %q, want %q", e.in, kept, h, e.heard)
				}
			}
		})
	}
}

func TestADialectRefusesWhatItDoesNotExpect(t *testing.T) {
	for _, c := range []struct {
		name string
		d    Dialect
		in   string
	}{
		{"mqtt: a refusal", MQTT{}, "\x20\x02\x00\x05"},
		{"mqtt: a subscription without QoS 1", MQTT{}, "\x90\x03\x00\x01\x80"},
		{"mqtt: a length without an end", MQTT{}, "\x30\xff\xff\xff\xff"},
		{"mqtt: a huge packet", MQTT{}, "\x30\xff\xff\xff\x7f"},
		{"mqtt: a message that ends in its topic", MQTT{}, "\x32\x03\x00\x09u"},
		{"mqtt: a message of QoS 0", MQTT{}, "\x30\x05\x00\x03u/7"},
		{"mqtt: a packet for servers", MQTT{}, "\xc0\x00"},
		{"nats: an error", NATS{}, "-ERR 'Authorization Violation'\r\n"},
		{"nats: a message without a size", NATS{}, "MSG u.7 1\r\n"},
		{"nats: a message with a wrong size", NATS{}, "MSG u.7 1 -4\r\n"},
		{"nats: a line that never ends", NATS{}, strings.Repeat("x", natsLineBytesMax+1)},
		{"xmpp: a refused login", XMPP{}, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"},
		{"xmpp: a message that comes back", XMPP{}, "<message type='error'><body>x</body></message>"},
		{"xmpp: the end", XMPP{}, "</stream:stream>"},
		{"xmpp: text between elements", XMPP{}, "text<a/>"},
		{"xmpp: an empty tag", XMPP{}, "<>"},
		{"xmpp: an answer to what was not asked", XMPP{}, "<iq type='result' id='9'/>"},
		{"xmpp: a failed bind", XMPP{}, "<iq type='error' id='bind'/>"},
		{"xmpp: an element that never ends", XMPP{}, "<a>" + strings.Repeat("x", elementBytesMax)},
		{"trunkline: an error", Trunkline{}, string(must(codec.AppendError(nil, &codec.Error{Code: codec.CodeServerFull})))},
		{"trunkline: a tick for what was not sent", Trunkline{}, string(must(codec.AppendTick(nil, &codec.Tick{UpHigh: 1})))},
		{"trunkline: a receipt for what was not sent", Trunkline{}, string(must(codec.AppendReceipt(nil, &codec.Receipt{Seq: 5, Kind: codec.ReceiptDelivered, Gen: 1, Peer: 3, First: 1, Last: 1})))},
		{"trunkline: a frame that is none", Trunkline{}, "\x00\x00\x00"},
	} {
		var h heard
		if _, _, err := c.d.Take(nil, &Session{Index: 7}, []byte(c.in), &h); !errors.Is(err, ErrPeer) {
			t.Errorf("%s: error %v, heard %q", c.name, err, h)
		}
	}
}

// A user whom the server keeps does not subscribe again.
func TestAUserOfMQTTWhoIsKnownIsReadyAtOnce(t *testing.T) {
	s := &Session{Index: 7, Keeps: true}
	if got := (MQTT{}).Hello(nil, s); got[9] != 0 {
		t.Fatalf("a session that keeps connects with flags %#x", got[9])
	}
	play(t, MQTT{}, s, exchange{"\x20\x02\x01\x00", "", "ready 7"})
}

// A device that comes back says what it has.
func TestADeviceOfTrunklineComesBackWithWhatItHas(t *testing.T) {
	c := exchanges["trunkline"]
	s := &Session{Index: 7}
	c.d.Hello(nil, s)
	play(t, c.d, s, c.login[0])
	play(t, c.d, s, c.rest[2])
	f, _, err := codec.Next(c.d.Hello(nil, s), codec.FrameBytesMax)
	if err != nil {
		t.Fatal(err)
	}
	v, err := codec.ParseHello(f)
	if err != nil || v.Gen != 1 || v.Incarnation != 2 || v.DownSeq != 7 || v.Epoch != 2 {
		t.Fatalf("it comes back with %+v, %v", v, err)
	}
	play(t, c.d, s, c.login[0])
	play(t, c.d, s, exchange{c.rest[2].in, "", ""}) // what it has had is no news
}

// A patient device acknowledges second ticks with its next message, or when there are many; messages at once.
func TestAPatientDeviceAcknowledgesTicksTogether(t *testing.T) {
	d := Trunkline{Patient: true}
	s := &Session{Index: 7, sent: 100}
	tick := func(seq uint64) string {
		return string(must(codec.AppendReceipt(nil, &codec.Receipt{Seq: seq, Kind: codec.ReceiptDelivered, Gen: 1, Peer: userBase + 3, First: 1, Last: 1})))
	}
	play(t, d, s, exchange{tick(1) + tick(2), "", "confirmed 7 1; confirmed 7 1"})
	if got := d.Send(nil, s, 3, []byte("x")); !bytes.HasPrefix(got, ackOf(2)) {
		t.Fatalf("the next message leaves without the ACK: % x", got)
	}
	if got := d.Send(nil, s, 3, []byte("x")); bytes.Contains(got, ackOf(2)) {
		t.Fatalf("the ACK is said twice: % x", got)
	}
	message := string(must(codec.AppendDeliver(nil, &codec.Deliver{Seq: 3, From: userBase + 9, Gen: 1, ID: 1, Blob: []byte("abc")})))
	play(t, d, s, exchange{message, string(ackOf(3)), "arrived 7 abc"})
	for seq := uint64(4); seq < 4+ticksOwedMax-1; seq++ {
		play(t, d, s, exchange{tick(seq), "", "confirmed 7 1"})
	}
	play(t, d, s, exchange{tick(4 + ticksOwedMax), string(ackOf(4 + ticksOwedMax)), "confirmed 7 1"})
}

func TestANumberOfMQTTPacketsGoesRound(t *testing.T) {
	s := &Session{sent: 65534}
	a, b := (MQTT{}).Send(nil, s, 1, []byte("x")), (MQTT{}).Send(nil, s, 1, []byte("x"))
	if !bytes.Equal(a[7:9], []byte{0xff, 0xff}) || !bytes.Equal(b[7:9], []byte{0, 1}) {
		t.Fatalf("identifiers % x and % x", a[7:9], b[7:9])
	}
}

// FuzzTake: whatever a server sends, no dialect panics or takes more than there is.
func FuzzTake(f *testing.F) {
	for _, c := range exchanges {
		for _, e := range append(append([]exchange{}, c.login...), c.rest...) {
			f.Add([]byte(e.in))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for name, c := range exchanges {
			var h heard
			if _, used, _ := c.d.Take(nil, &Session{Index: 7}, in, &h); used < 0 || used > len(in) {
				t.Fatalf("%s: %d of %d bytes used", name, used, len(in))
			}
		}
	})
}
