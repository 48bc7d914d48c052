package codec

import (
	"testing"
)

// mustFrame splits one frame that has to be whole.
func mustFrame(tb testing.TB, b []byte) Frame {
	tb.Helper()
	f, used, err := Next(b, FrameBytesMax)
	if err != nil || used != len(b) {
		tb.Fatalf("Next(%x) = used %d, %v", b, used, err)
	}
	return f
}

// stanzaRoundTrips encodes, decodes and encodes again each fixed stanza into the same buffer.
var stanzaRoundTrips = []struct {
	name string
	run  func(tb testing.TB, dst []byte) (first, second []byte)
}{
	{"hello", roundTrip(Hello{Version: 1, Device: 3, User: 1001, Gen: 7, Incarnation: 9, DownSeq: 1 << 41, Ticked: 12}, AppendHello, ParseHello)},
	{"success", roundTrip(Success{Incarnation: 9, Gen: 7, UpHigh: 12, KeepaliveSec: 240, WindowEntries: 64, WindowBytes: 1 << 18, TimeMs: 1}, AppendSuccess, ParseSuccess)},
	{"error", roundTrip(Error{Code: CodeCseqGap, Ref: 13, Text: textGap}, AppendError, ParseError)},
	{"goaway", roundTrip(GoAway{Code: CodeDraining, RetryAfterMs: 2000, Host: textGap}, AppendGoAway, ParseGoAway)},
	{"state", roundTrip(State{Active: 1}, AppendState, ParseState)},
	{"ticket", roundTrip(Ticket{LifetimeSec: 86400, PSK: [32]byte{1}, Sealed: make([]byte, 91)}, AppendTicket, ParseTicket)},
	{"send", roundTrip(Send{Cseq: 13, To: 1002, N: 2, Parts: twoParts}, AppendSend, ParseSend)},
	{"deliver", roundTrip(Deliver{Seq: 1 << 40, From: 1001, Gen: 7, ID: 13, TimeSec: 1_700_000_000, Blob: textGap, Ext: plainExt}, AppendDeliver, ParseDeliver)},
	{"tick", roundTrip(Tick{UpHigh: 13, TimeSec: 1_700_000_000}, AppendTick, ParseTick)},
	{"ack", roundTrip(Ack{Seq: 1 << 40, Ext: plainExt}, AppendAck, ParseAck)},
	{"receipt", roundTrip(Receipt{Seq: 5, Kind: ReceiptRead, Peer: 1002, Gen: 7, First: 1, Last: 13, Flags: FlagGroup, Group: GroupBit | 4}, AppendReceipt, ParseReceipt)},
	{"typing", roundTrip(Typing{Peer: 1002, State: 1}, AppendTyping, ParseTyping)},
	{"presence", roundTrip(Presence{Peer: 1002, State: 1}, AppendPresence, ParsePresence)},
	{"subscribe", roundTrip(Subscribe{Op: 1, N: 2, Peers: twoPeers}, AppendSubscribe, ParseSubscribe)},
	{"node", roundTrip(Node{Ref: 4, Body: textGap}, AppendNode, ParseNode)},
}

var (
	textGap  = []byte("expected 13")
	plainExt = Ext{}.Append(ExtItem{Type: 5, Value: []byte{1, 2}})
	twoParts = Parts{}.Append(Part{Kind: 1, Blob: []byte("hello")}).Append(Part{Device: 255, Kind: 1, Blob: nil})
	twoPeers = Peers{}.Append(1002).Append(1003)
)

// roundTrip keeps the values of one case outside the measured call: they are reached through function values and
// would be moved to the heap at each run.
func roundTrip[T any](v T, add func([]byte, *T) ([]byte, error), parse func(Frame) (T, error)) func(testing.TB, []byte) (first, second []byte) {
	var back T
	return func(tb testing.TB, dst []byte) (first, second []byte) {
		first, err := add(dst, &v)
		if err != nil {
			tb.Fatal(err)
		}
		if back, err = parse(mustFrame(tb, first)); err != nil {
			tb.Fatal(err)
		}
		second, err = add(first[len(first):], &back)
		if err != nil {
			tb.Fatal(err)
		}
		return first, second
	}
}

func TestEveryStanzaComesBackAsTheSameBytes(t *testing.T) {
	for _, c := range stanzaRoundTrips {
		t.Run(c.name, func(t *testing.T) {
			first, second := c.run(t, make([]byte, 0, 512))
			if len(first) == 0 || string(first) != string(second) {
				t.Fatalf("first  %x\nsecond %x", first, second)
			}
		})
	}
}

func TestStanzasAllocateNothing(t *testing.T) {
	buf := make([]byte, 0, 512)
	for _, c := range stanzaRoundTrips {
		if n := testing.AllocsPerRun(100, func() { c.run(t, buf) }); n != 0 {
			t.Errorf("%s: %v allocations for encode, decode, encode", c.name, n)
		}
	}
}

// The message path, on 20 bytes of payload as in the figures of the README.
var (
	benchSend    = Send{Cseq: 1 << 20, To: 1002, N: 1, Parts: Parts{}.Append(Part{Kind: 1, Blob: make([]byte, 20)})}
	benchDeliver = Deliver{Seq: 1 << 40, From: 1001, Gen: 7, ID: 13, TimeSec: 1_700_000_000, Blob: make([]byte, 20)}
)

func BenchmarkDecode(b *testing.B) {
	send, _ := AppendSend(nil, &benchSend)
	deliver, _ := AppendDeliver(nil, &benchDeliver)
	ack, _ := AppendAck(nil, &Ack{Seq: 1 << 40})
	receipt, _ := AppendReceipt(nil, &Receipt{Seq: 5, Kind: ReceiptRead, Peer: 1002, First: 1, Last: 1})
	b.Run("send", func(b *testing.B) { benchmarkDecode(b, send, ParseSend) })
	b.Run("deliver", func(b *testing.B) { benchmarkDecode(b, deliver, ParseDeliver) })
	b.Run("ack", func(b *testing.B) { benchmarkDecode(b, ack, ParseAck) })
	b.Run("receipt", func(b *testing.B) { benchmarkDecode(b, receipt, ParseReceipt) })
}

func benchmarkDecode[T any](b *testing.B, frame []byte, parse func(Frame) (T, error)) {
	b.ReportAllocs()
	for b.Loop() {
		f, _, err := Next(frame, FrameBytesMax)
		if err == nil {
			_, err = parse(f)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	b.Run("send", func(b *testing.B) { benchmarkEncode(b, &benchSend, AppendSend) })
	b.Run("deliver", func(b *testing.B) { benchmarkEncode(b, &benchDeliver, AppendDeliver) })
	b.Run("ack", func(b *testing.B) { benchmarkEncode(b, &Ack{Seq: 1 << 40}, AppendAck) })
	b.Run("receipt", func(b *testing.B) {
		benchmarkEncode(b, &Receipt{Seq: 5, Kind: ReceiptRead, Peer: 1002, First: 1, Last: 1}, AppendReceipt)
	})
}

func benchmarkEncode[T any](b *testing.B, v *T, add func([]byte, *T) ([]byte, error)) {
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := add(buf, v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNode(b *testing.B) {
	body, _ := buildQuery(nil)
	n := Node{Body: body}
	b.Run("parse", func(b *testing.B) {
		var tape Tape
		b.ReportAllocs()
		for b.Loop() {
			if err := tape.Parse(&n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("build", func(b *testing.B) {
		buf := make([]byte, 0, 256)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := buildQuery(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
