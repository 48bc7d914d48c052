package shard_test

import (
	"testing"

	"trunkline/codec"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// conversation is two devices on two loops, logged in, each frame of theirs made by hand.
type conversation struct {
	w          *testkit.World
	a, b       *testkit.Conn
	userA      uint64
	userB      uint64
	cseq       uint64
	buf, parts []byte
}

func newConversation(t testing.TB, o testkit.Options) *conversation {
	t.Helper()
	w := testkit.NewWorld(o)
	c := &conversation{w: w, userA: w.UserOn(0, 0), userB: w.UserOn(o.Loops-1, 1)}
	c.a, c.b = login(t, w, c.userA), login(t, w, c.userB)
	return c
}

func login(t testing.TB, w *testkit.World, user uint64) *testkit.Conn {
	t.Helper()
	conn := w.Dial()
	hello, err := codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: user})
	if err != nil {
		t.Fatal(err)
	}
	conn.Write(hello)
	w.Run()
	f, _, err := codec.Next(conn.Output(), codec.FrameBytesMax)
	if err != nil || f.Kind != codec.KindSuccess {
		t.Fatalf("login of %d answered with %v, %v", user, f.Kind, err)
	}
	return conn
}

// exchange is one message with both ticks: SEND, DELIVER, first tick, ACK, RECEIPT, ACK.
func (c *conversation) exchange(t testing.TB, blob []byte) {
	c.cseq++
	c.parts = codec.Parts(c.parts[:0]).Append(codec.Part{Blob: blob})
	send := codec.Send{Cseq: c.cseq, To: c.userB, N: 1, Parts: c.parts}
	var err error
	if c.buf, err = codec.AppendSend(c.buf[:0], &send); err != nil {
		t.Fatal(err)
	}
	c.a.Write(c.buf)
	c.w.Run()
	deliver := c.only(t, c.b, codec.KindDeliver)
	d, err := codec.ParseDeliver(deliver)
	if err != nil || d.ID != c.cseq || d.From != c.userA || string(d.Blob) != string(blob) {
		t.Fatalf("delivered %+v, %v", d, err)
	}
	tick, err := codec.ParseTick(c.only(t, c.a, codec.KindAck))
	if err != nil || tick.UpHigh != c.cseq {
		t.Fatalf("ticked %+v, %v", tick, err)
	}
	c.ack(t, c.b, d.Seq)
	r, err := codec.ParseReceipt(c.only(t, c.a, codec.KindReceipt))
	if err != nil || r.Kind != codec.ReceiptDelivered || r.First != c.cseq || r.Last != c.cseq || r.Peer != c.userB {
		t.Fatalf("second tick %+v, %v", r, err)
	}
	c.ack(t, c.a, r.Seq)
}

func (c *conversation) ack(t testing.TB, conn *testkit.Conn, seq uint64) {
	var err error
	if c.buf, err = codec.AppendAck(c.buf[:0], &codec.Ack{Seq: seq}); err != nil {
		t.Fatal(err)
	}
	conn.Write(c.buf)
	c.w.Run()
}

// only is the single frame that a client got.
func (c *conversation) only(t testing.TB, conn *testkit.Conn, kind codec.Kind) codec.Frame {
	b := conn.Output()
	f, used, err := codec.Next(b, codec.FrameBytesMax)
	if err != nil || f.Kind != kind || used != len(b) {
		t.Fatalf("got %v (%d of %d bytes, %v), want one %v", f.Kind, used, len(b), err, kind)
	}
	return f
}

func TestAMessageHasBothTicksOnOneLoopAndOnTwo(t *testing.T) {
	for _, loops := range []int{1, 2} {
		for _, stay := range []bool{false, true} {
			c := newConversation(t, testkit.Options{Loops: loops, Seed: 1, StayPut: stay})
			for range 100 {
				c.exchange(t, []byte("hello, how are you?"))
			}
			st := c.w.Stats()
			if st.MessagesIn != 100 || st.MessagesOut != 100 || st.MessagesAcked != 100 || st.ReceiptsOut != 100 {
				t.Errorf("%d loops, stay %v: %+v", loops, stay, st)
			}
			if st.QueueEntries != 0 || st.Unexpected != 0 || st.Panics != 0 {
				t.Errorf("%d loops, stay %v: %+v", loops, stay, st)
			}
		}
	}
}

func TestARoutedMessageAllocatesNothing(t *testing.T) {
	blob := make([]byte, 100)
	for _, o := range []testkit.Options{{Loops: 1, Seed: 1}, {Loops: 2, Seed: 1}, {Loops: 2, Seed: 1, StayPut: true}} {
		c := newConversation(t, o)
		for range 1_000 {
			c.exchange(t, blob)
		}
		if n := testing.AllocsPerRun(1_000, func() { c.exchange(t, blob) }); n != 0 {
			t.Errorf("%d loops, stay %v: %v allocations for one message with both ticks", o.Loops, o.StayPut, n)
		}
	}
}

func benchmarkRouted(b *testing.B, loops int) {
	c := newConversation(b, testkit.Options{Loops: loops, Seed: 1})
	blob := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		c.exchange(b, blob)
	}
}

// One message with both ticks and both ACKs, the test world's own work included.
func BenchmarkRoutedSameLoop(b *testing.B)  { benchmarkRouted(b, 1) }
func BenchmarkRoutedOtherLoop(b *testing.B) { benchmarkRouted(b, 2) }

func BenchmarkLogin(b *testing.B) {
	w := testkit.NewWorld(testkit.Options{Loops: 1, Seed: 1, Config: func(c *shard.Config) { c.UsersMax = 1 << 26 }})
	hello, _ := codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: 1001})
	b.ReportAllocs()
	for b.Loop() {
		conn := w.Dial()
		conn.Write(hello)
		w.Run()
		conn.Drop()
		w.Run()
	}
}

// BenchmarkResume is a device that comes back with early data, is served at once, confirms and leaves.
func BenchmarkResume(b *testing.B) {
	w := testkit.NewWorld(testkit.Options{Loops: 1, Seed: 1, Proven: true})
	c := testkit.NewClient(w, 1001, 0)
	for c.Connect(); !c.Online(); c.Take() {
		w.Run()
	}
	c.Crash()
	w.Run()
	id := shard.Identity{User: 1001, Gen: c.Kept.Gen, Early: true}
	hello := codec.Hello{Version: codec.Version, User: 1001, Gen: c.Kept.Gen, Incarnation: c.Kept.Incarnation, Epoch: c.Kept.Epoch}
	frame := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		hello.Epoch++
		frame, _ = codec.AppendHello(frame[:0], &hello)
		conn := w.Dial()
		conn.Identify(id)
		conn.Write(frame)
		w.Run()
		conn.Confirm()
		w.Run()
		conn.Drop()
		w.Run()
	}
	if st := w.Stats(); st.EarlyHeld != 0 || st.EarlyTaken == 0 {
		b.Fatalf("%d flights taken at once, %d held", st.EarlyTaken, st.EarlyHeld)
	}
}
