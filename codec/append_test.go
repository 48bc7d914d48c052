package codec

import (
	"errors"
	"testing"
)

func TestAppendRefusesWhatBreaksTheWire(t *testing.T) {
	damaged, critical := Ext{5, 9}, Ext{0x80, 0}
	large := make([]byte, BlobBytesMax+1)
	parts := Parts{}.Append(Part{Blob: []byte("x")})
	twoLarge := Parts{}.Append(Part{Blob: large[1:]}).Append(Part{Device: 1, Blob: large[:2000]})
	receipt := Receipt{Seq: 1, Kind: ReceiptRead, First: 1, Last: 1}
	withReceipt := func(change func(v *Receipt)) func([]byte) ([]byte, error) {
		v := receipt
		change(&v)
		return appender(v, AppendReceipt)
	}
	for _, c := range []struct {
		name string
		add  func(dst []byte) ([]byte, error)
		want error
	}{
		{"a HELLO with a damaged block", appender(Hello{Ext: damaged}, AppendHello), ErrExt},
		{"a HELLO with a critical extension", appender(Hello{Ext: critical}, AppendHello), ErrExtCritical},
		{"a HELLO with a block that is too long", appender(Hello{Ext: make(Ext, ExtBytesMax+1)}, AppendHello), ErrExt},
		{"a SUCCESS with a damaged block", appender(Success{Ext: damaged}, AppendSuccess), ErrExt},
		{"an ERROR with a damaged block", appender(Error{Ext: damaged}, AppendError), ErrExt},
		{"an ERROR with a text that is too long", appender(Error{Text: large[:TextBytesMax+1]}, AppendError), ErrText},
		{"an ERROR with a text that is no UTF-8", appender(Error{Text: []byte{0xFF}}, AppendError), ErrText},
		{"a GOAWAY with a damaged block", appender(GoAway{Ext: damaged}, AppendGoAway), ErrExt},
		{"a GOAWAY with a host that is too long", appender(GoAway{Host: large[:TextBytesMax+1]}, AppendGoAway), ErrText},
		{"a HELLO with two tokens", appender(Hello{Ext: Ext{}.Append(ExtItem{ExtToken, large[:9]}).Append(ExtItem{ExtToken, large[:9]})}, AppendHello), ErrExt},
		{"a HELLO with a short key", appender(Hello{Ext: Ext{}.Append(ExtItem{ExtSignKey, large[:31]})}, AppendHello), ErrExt},
		{"a SUCCESS with a token", appender(Success{Ext: Ext{}.Append(ExtItem{ExtToken, large[:9]})}, AppendSuccess), ErrExtCritical},
		{"a TICKET that seals nothing", appender(Ticket{}, AppendTicket), ErrBodyLength},
		{"a TICKET of more than 255 sealed bytes", appender(Ticket{Sealed: large[:256]}, AppendTicket), ErrBodyLength},
		{"a STATE of 2", appender(State{Active: 2}, AppendState), ErrValue},
		{"a STATE with a damaged block", appender(State{Ext: damaged}, AppendState), ErrExt},
		{"a SEND without parts", appender(Send{Cseq: 1}, AppendSend), ErrParts},
		{"a SEND with cseq 0", appender(Send{N: 1, Parts: parts}, AppendSend), ErrValue},
		{"a SEND with a flag for nodes", appender(Send{Cseq: 1, N: 1, Parts: parts, Flags: FlagDeflate}, AppendSend), ErrFlags},
		{"a SEND with a damaged block", appender(Send{Cseq: 1, N: 1, Parts: parts, Ext: damaged}, AppendSend), ErrExt},
		{"a SEND whose part was too large to add", appender(Send{Cseq: 1, N: 1, Parts: Parts{}.Append(Part{Blob: large})}, AppendSend), ErrParts},
		{"a SEND that fills more than a frame", appender(Send{Cseq: 1, N: 2, Parts: twoLarge}, AppendSend), ErrFrameTooLarge},
		{"a DELIVER with seq 0", appender(Deliver{}, AppendDeliver), ErrValue},
		{"a DELIVER that is not stored and has a seq", appender(Deliver{Seq: 1, Flags: FlagNoStore}, AppendDeliver), ErrValue},
		{"a DELIVER with a group and no flag", appender(Deliver{Seq: 1, Group: GroupBit}, AppendDeliver), ErrValue},
		{"a DELIVER with a place in a group and no flag", appender(Deliver{Seq: 1, GroupSeq: 1}, AppendDeliver), ErrValue},
		{"a DELIVER with a flag for nodes", appender(Deliver{Seq: 1, Flags: FlagDeflate}, AppendDeliver), ErrFlags},
		{"a DELIVER with a large payload", appender(Deliver{Seq: 1, Blob: large}, AppendDeliver), ErrBlobTooLarge},
		{"a DELIVER with a damaged block", appender(Deliver{Seq: 1, Ext: damaged}, AppendDeliver), ErrExt},
		{"a server's ACK with a damaged block", appender(Tick{Ext: damaged}, AppendTick), ErrExt},
		{"a client's ACK with a damaged block", appender(Ack{Ext: damaged}, AppendAck), ErrExt},
		{"a RECEIPT with seq 0", withReceipt(func(v *Receipt) { v.Seq = 0 }), ErrValue},
		{"a RECEIPT of no kind", withReceipt(func(v *Receipt) { v.Kind = 0 }), ErrValue},
		{"a RECEIPT whose range goes back", withReceipt(func(v *Receipt) { v.First = 2 }), ErrValue},
		{"a RECEIPT with a group and no flag", withReceipt(func(v *Receipt) { v.Group = GroupBit }), ErrValue},
		{"a RECEIPT with an urgent flag", withReceipt(func(v *Receipt) { v.Flags = FlagUrgent }), ErrFlags},
		{"a RECEIPT with a damaged block", withReceipt(func(v *Receipt) { v.Ext = damaged }), ErrExt},
		{"a TYPING of state 3", appender(Typing{State: 3}, AppendTyping), ErrValue},
		{"a TYPING with a damaged block", appender(Typing{Ext: damaged}, AppendTyping), ErrExt},
		{"a PRESENCE of state 2", appender(Presence{State: 2}, AppendPresence), ErrValue},
		{"a PRESENCE with a damaged block", appender(Presence{Ext: damaged}, AppendPresence), ErrExt},
		{"a SUBSCRIBE to nobody", appender(Subscribe{Op: 1}, AppendSubscribe), ErrPeers},
		{"a SUBSCRIBE with a wrong count", appender(Subscribe{Op: 1, N: 2, Peers: Peers{}.Append(1)}, AppendSubscribe), ErrPeers},
		{"a SUBSCRIBE of op 2", appender(Subscribe{Op: 2, N: 1, Peers: Peers{}.Append(1)}, AppendSubscribe), ErrValue},
		{"a SUBSCRIBE with a damaged block", appender(Subscribe{N: 1, Peers: Peers{}.Append(1), Ext: damaged}, AppendSubscribe), ErrExt},
		{"a NODE without a node", appender(Node{}, AppendNode), ErrBodyLength},
		{"a NODE with an urgent flag", appender(Node{Body: large[:1], Flags: FlagUrgent}, AppendNode), ErrFlags},
		{"a NODE with a damaged block", appender(Node{Body: large[:1], Ext: damaged}, AppendNode), ErrExt},
		{"a NODE that fills more than a frame", appender(Node{Body: make([]byte, bodyBytesMax-nodeBytes+1)}, AppendNode), ErrFrameTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := c.add([]byte("before"))
			if !errors.Is(err, c.want) || string(out) != "before" {
				t.Fatalf("%.40q, %v; want %v", out, err, c.want)
			}
		})
	}
}

func appender[T any](v T, add func([]byte, *T) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(dst []byte) ([]byte, error) { return add(dst, &v) }
}

func TestANodeFillsAFrameToItsLastByte(t *testing.T) {
	b, err := AppendNode(nil, &Node{Body: make([]byte, bodyBytesMax-nodeBytes)})
	if err != nil || len(b) != FrameBytesMax {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if _, used, err := Next(b, FrameBytesMax); err != nil || used != len(b) {
		t.Fatalf("used %d, %v", used, err)
	}
}

// A frame that was made by hand has not been through Next.
func TestParseRefusesAnotherKindAndForeignFlags(t *testing.T) {
	parsers := map[Kind]func(f Frame) error{
		KindHello:     func(f Frame) error { _, err := ParseHello(f); return err },
		KindSuccess:   func(f Frame) error { _, err := ParseSuccess(f); return err },
		KindError:     func(f Frame) error { _, err := ParseError(f); return err },
		KindGoAway:    func(f Frame) error { _, err := ParseGoAway(f); return err },
		KindState:     func(f Frame) error { _, err := ParseState(f); return err },
		KindTicket:    func(f Frame) error { _, err := ParseTicket(f); return err },
		KindSend:      func(f Frame) error { _, err := ParseSend(f); return err },
		KindDeliver:   func(f Frame) error { _, err := ParseDeliver(f); return err },
		KindAck:       func(f Frame) error { _, err := ParseAck(f); return err },
		KindReceipt:   func(f Frame) error { _, err := ParseReceipt(f); return err },
		KindTyping:    func(f Frame) error { _, err := ParseTyping(f); return err },
		KindPresence:  func(f Frame) error { _, err := ParsePresence(f); return err },
		KindSubscribe: func(f Frame) error { _, err := ParseSubscribe(f); return err },
		KindNode:      func(f Frame) error { _, err := ParseNode(f); return err },
	}
	parsers[KindAck|0x80] = func(f Frame) error { f.Kind &^= 0x80; _, err := ParseTick(f); return err }
	for kind, parse := range parsers {
		if err := parse(Frame{Kind: kind ^ 1, Body: make([]byte, 100)}); err != ErrKind {
			t.Errorf("%s: another kind: %v", kind, err)
		}
		for flag := FlagExt << 1; flag != 0; flag <<= 1 {
			if shapes[kind&^0x80].flags&flag != 0 {
				continue
			}
			if err := parse(Frame{Kind: kind, Flags: flag, Body: make([]byte, 100)}); err != ErrFlags {
				t.Errorf("%s: flag %#x: %v", kind, uint8(flag), err)
			}
		}
		if err := parse(Frame{Kind: kind}); err != ErrBodyLength {
			t.Errorf("%s: an empty body: %v", kind, err)
		}
		if shapes[kind&^0x80].flags&FlagExt == 0 {
			if err := parse(Frame{Kind: kind, Flags: FlagExt, Body: make([]byte, 100)}); err != ErrFlags {
				t.Errorf("%s: a block: %v", kind, err)
			}
			continue
		}
		if err := parse(Frame{Kind: kind, Flags: FlagExt}); err != ErrBodyLength {
			t.Errorf("%s: an empty body with a block: %v", kind, err)
		}
	}
}

func TestListsThatNobodyHasCheckedEndAtTheirFirstMistake(t *testing.T) {
	for _, p := range []Parts{nil, {0, 0, 0}, {0, 0, 0, 1}} {
		if part, _, ok := p.Next(); ok {
			t.Errorf("%x holds a part %+v", []byte(p), part)
		}
	}
	for _, e := range []Ext{nil, {5}, {5, 1}} {
		if item, _, ok := e.Next(); ok {
			t.Errorf("%x holds an item %+v", []byte(e), item)
		}
	}
	if e := (Ext{}).Append(ExtItem{Type: 1, Value: make([]byte, 256)}); len(e) != 0 {
		t.Errorf("an item of 256 bytes became %d", len(e))
	}
	two := Ext{}.Append(ExtItem{Type: 1, Value: []byte("a")}).Append(ExtItem{Type: 2})
	first, rest, _ := two.Next()
	second, end, _ := rest.Next()
	if first.Type != 1 || string(first.Value) != "a" || second.Type != 2 || len(second.Value) != 0 || len(end) != 0 {
		t.Errorf("walked %+v, %+v", first, second)
	}
}

func TestCodesSayWhatAClientDoes(t *testing.T) {
	for _, c := range []struct {
		code            ErrorCode
		closes, returns bool
	}{
		{CodeNone, false, true}, {CodeInvalidReceiver, false, true}, {63, false, true}, {CodeMalformed, true, false},
		{95, true, false}, {CodeDraining, true, true}, {CodeBusy, true, true}, {0xFFFF, true, true},
	} {
		if c.code.Closes() != c.closes || c.code.Returns() != c.returns {
			t.Errorf("code %d: closes %v, returns %v", c.code, c.code.Closes(), c.code.Returns())
		}
	}
	if CodeCseqGap.String() != "cseq_gap" || ErrorCode(50).String() != "" || ErrorCode(9999).String() != "" || Kind(0xFF).String() != "" {
		t.Error("names are wrong")
	}
}

func TestALargerLimitCountsAsTheFrameLimit(t *testing.T) {
	if _, _, err := Next([]byte{0xED, 0xFF, 0x03}, 1<<20); err != ErrFrameTooLarge {
		t.Errorf("one byte above the limit: %v", err)
	}
}

// Around 127 and 16,383 bytes the length prefix grows.
func TestFramesOfEveryLengthHaveTheShortestPrefix(t *testing.T) {
	blob := make([]byte, 17_000)
	for _, around := range []int{1 << 7, 1 << 14} {
		for size := around - 60; size < around+10; size++ {
			b, err := AppendDeliver(nil, &Deliver{Seq: 1, Blob: blob[:size]})
			if err != nil {
				t.Fatal(err)
			}
			if _, used, err := Next(b, FrameBytesMax); err != nil || used != len(b) {
				t.Fatalf("a payload of %d bytes: used %d of %d, %v", size, used, len(b), err)
			}
		}
	}
}
