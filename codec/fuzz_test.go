package codec_test

import (
	"bytes"
	"reflect"
	"testing"

	"trunkline/codec"
	"trunkline/internal/wirecases"
)

// seed adds the bytes of all rows of these kinds, or of all rows.
func seed(f *testing.F, kinds ...codec.Kind) {
	for _, c := range wirecases.Cases() {
		for _, k := range kinds {
			if c.Kind == k {
				f.Add(c.Bytes, uint8(c.Dir))
			}
		}
		if kinds == nil {
			f.Add(c.Bytes, uint8(c.Dir))
		}
	}
}

func FuzzNext(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte, _ uint8) {
		for _, limit := range []int{codec.PreLoginFrameBytesMax, codec.FrameBytesMax, 1 << 30} {
			frame, used, err := codec.Next(b, limit)
			if used < 0 || used > len(b) || used > min(limit, codec.FrameBytesMax) || used != 0 && err != nil {
				t.Fatalf("used %d of %d with limit %d, %v", used, len(b), limit, err)
			}
			if used == 0 {
				continue
			}
			if again, n, err := codec.Next(b[:used], limit); err != nil || n != used || !reflect.DeepEqual(again, frame) {
				t.Fatalf("the frame alone reads as %+v, %v", again, err)
			}
			codec.AppendXML(nil, frame, codec.ToServer)
			codec.AppendXML(nil, frame, codec.ToClient)
		}
	})
}

// fuzzFamily holds that a frame which is parsed comes back as the same bytes.
func fuzzFamily(f *testing.F, kinds ...codec.Kind) {
	seed(f, kinds...)
	f.Fuzz(func(t *testing.T, b []byte, dir uint8) {
		frame, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil || used == 0 {
			return
		}
		value, err := wirecases.Parse(frame, codec.Direction(dir%2+1))
		if err != nil || value == nil {
			return
		}
		again, err := wirecases.Append(nil, value)
		if err != nil || !bytes.Equal(again, b[:used]) {
			t.Fatalf("%+v\nfrom    %x\nencoded %x, %v", value, b[:used], again, err)
		}
	})
}

func FuzzLogin(f *testing.F) {
	fuzzFamily(f, codec.KindHello, codec.KindSuccess, codec.KindState, codec.KindTicket)
}

func FuzzRefusal(f *testing.F) {
	fuzzFamily(f, codec.KindError, codec.KindGoAway)
}

func FuzzMessage(f *testing.F) {
	fuzzFamily(f, codec.KindSend, codec.KindDeliver)
}

func FuzzAck(f *testing.F) {
	fuzzFamily(f, codec.KindAck, codec.KindReceipt)
}

func FuzzPresence(f *testing.F) {
	fuzzFamily(f, codec.KindTyping, codec.KindPresence, codec.KindSubscribe)
}

func FuzzNodeFrame(f *testing.F) {
	fuzzFamily(f, codec.KindNode)
}

// FuzzNode holds that a node has one encoding and that a tape stays within its bounds.
func FuzzNode(f *testing.F) {
	for _, c := range wirecases.Cases() {
		if frame, used, _ := codec.Next(c.Bytes, codec.FrameBytesMax); used != 0 && c.Kind == codec.KindNode {
			if v, err := codec.ParseNode(frame); err == nil {
				f.Add(v.Body, v.Flags&codec.FlagDeflate != 0)
			}
		}
	}
	var tape, second codec.Tape
	f.Fuzz(func(t *testing.T, body []byte, deflate bool) {
		n := codec.Node{Body: body}
		if deflate {
			n.Flags = codec.FlagDeflate
		}
		if err := tape.Parse(&n); err != nil {
			if tape.Root().Kind() != codec.ValueNone {
				t.Fatal("a tape that refused holds a node")
			}
			return
		}
		b := codec.NewBuilder(nil)
		b.Copy(tape.Root())
		out, err := b.Finish()
		if err != nil || !deflate && !bytes.Equal(out, body) {
			t.Fatalf("from    %x\nencoded %x, %v", body, out, err)
		}
		if err := second.Parse(&codec.Node{Body: out}); err != nil || !second.Root().Equal(tape.Root()) {
			t.Fatalf("%x is not equal, %v", out, err)
		}
	})
}

func FuzzExpand(f *testing.F) {
	f.Add([]byte{}, 100)
	f.Add([]byte{0x03, 0x00}, 0)
	for _, c := range wirecases.Cases() {
		if packed, ok := codec.CompressPayload(nil, c.Bytes); ok {
			f.Add(packed, len(c.Bytes))
			f.Add(packed[:len(packed)-1], len(c.Bytes))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit = int(uint(limit) % (1 << 20))
		out, err := codec.ExpandPayload([]byte("before"), b, limit)
		if !bytes.HasPrefix(out, []byte("before")) || len(out)-len("before") > limit {
			t.Fatalf("%d bytes with a limit of %d, %v", len(out), limit, err)
		}
		if err != nil {
			return
		}
		plain := out[len("before"):]
		packed, compressed := codec.CompressPayload(nil, plain)
		if !compressed {
			return
		}
		if back, err := codec.ExpandPayload(nil, packed, len(plain)); err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("%x came back as %x, %v", plain, back, err)
		}
	})
}
