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
