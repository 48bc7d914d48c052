package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/internal/wirecases"
)

// quick makes the server's patience short enough to wait for in a test.
func quick(c *Config) {
	c.LoginTimeout = Duration(300 * time.Millisecond)
	c.AckTimeout = Duration(time.Second)
	c.Keepalive = Duration(time.Second)
}

func TestBytesThatAreNoFrameEndTheConnectionWithoutAWordBeforeLogin(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	for i, row := range []struct {
		name string
		b    []byte
	}{
		{"a length in more bytes than it needs", []byte{0x83, 0x00, 0x01, 0x00}},
		{"a length of four bytes", []byte{0xFF, 0xFF, 0xFF, 0x01}},
		{"a frame too short for its type", []byte{0x01, 0x03}},
		{"a frame above the limit before login", []byte{0xFF, 0x08, byte(codec.KindHello), 0}},
		{"an unknown type below 0x80", []byte{0x02, 0x7F, 0x00}},
		{"reserved flags", []byte{0x02, byte(codec.KindPing), 0x80}},
		{"a HELLO with a short body", []byte{0x03, byte(codec.KindHello), 0x00, 0x01}},
		{"a request of another protocol", []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n")},
		{"a TLS greeting", []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := r.dial(t)
			w.write(row.b)
			w.expectSilentClose()
			p.talk()
			r.eventually(t, "the malformed frame is counted", func(s Status) bool { return s.MalformedFrames == uint64(i+1) })
		})
	}
}

func TestRandomBytesLeaveOthersUndisturbed(t *testing.T) {
	noLeaks(t)
	r := start(t, quick)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	p := r.converse(t, 1)
	for range 50 {
		b := make([]byte, 1+random.IntN(3000))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		w := r.dial(t)
		_, _ = w.conn.Write(b) // the server may have closed at the first byte
		w.expectClosed()
		p.talk()
	}
	r.eventually(t, "only the pair is left", func(s Status) bool { return s.Connections == 2 })
}

func TestAMalformedFrameAfterLoginIsOneErrorWithItsOffsetAndKeepsTheMailbox(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	for i, row := range []struct {
		name string
		b    []byte
		code codec.ErrorCode
	}{
		{"a length in more bytes than it needs", []byte{0x83, 0x00, 0x01, 0x00}, codec.CodeMalformed},
		{"a frame above the largest", []byte{0xFF, 0xFF, 0x03, byte(codec.KindSend), 0}, codec.CodeMalformed},
		{"an unknown type below 0x80", []byte{0x02, 0x7F, 0x00}, codec.CodeMalformed},
		{"a SEND whose parts run past its end", malformedSend(), codec.CodeMalformed},
		{"a second HELLO", must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 5})), codec.CodeUnexpected},
		{"a frame that only servers send", must(codec.AppendTick(nil, &codec.Tick{UpHigh: 1})), codec.CodeMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			user := uint64(100 + i)
			w := r.login(t, user, 0)
			sent := len(must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: user})))
			w.write(codec.AppendPing(nil))
			sent += len(codec.AppendPing(nil))
			w.write(row.b)
			e := w.expectError(row.code)
			if row.code == codec.CodeMalformed && e.Ref != uint64(sent) {
				t.Errorf("the error names offset %d, want %d", e.Ref, sent)
			}
			w.expectClosed()
			p.talk()
			p.a.send(user, "still here?")
			again := r.dial(t)
			again.hello(codec.Hello{Version: 1, User: user, Gen: w.gen, Incarnation: w.inc})
			if d := again.take(); string(d.Blob) != "still here?" {
				t.Errorf("the mailbox delivers %q", d.Blob)
			}
			p.a.takeReceipt()
		})
	}
}

// malformedSend is a SEND whose one part claims a byte more than there is.
func malformedSend() []byte {
	b := sendFrame(1, 2, "hello")
	i := bytes.LastIndex(b, []byte("hello"))
	b[i-1]++
	return b
}

func TestAFrameOfAnUnknownKindFrom0x80IsSkipped(t *testing.T) {
	r := start(t, nil)
	w := r.login(t, 1, 0)
	w.write([]byte{0x05, 0x90, 0x00, 1, 2, 3})
	w.ping()
}

func TestHalfAFrameForEverIsClosedAfterANamedTime(t *testing.T) {
	noLeaks(t)
	r := start(t, quick)
	p := r.converse(t, 1)
	hello := must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 50}))
	before := r.dial(t)
	before.write(hello[:len(hello)-1])
	before.expectSilentClose() // LoginTimeout
	p.talk()
	after := r.login(t, 51, 0)
	frame := sendFrame(1, 1, "the end of this never comes")
	after.write(frame[:len(frame)-1])
	p.a.ping()
	p.b.ping()
	after.expectError(codec.CodeIdle) // one and a half keepalives
	after.expectClosed()
}

func TestSilentClientsAreCulledAndTheirMailboxesStay(t *testing.T) {
	noLeaks(t)
	r := start(t, quick)
	w := r.login(t, 7, 0)
	w.expectError(codec.CodeIdle)
	w.expectClosed()
	r.eventually(t, "the session is gone and the user known", func(s Status) bool { return s.Sessions == 0 && s.Users == 1 })
	sender := r.login(t, 8, 0)
	sender.expectTick(sender.send(7, "for later"))
	again := r.dial(t)
	again.hello(codec.Hello{Version: 1, User: 7, Gen: w.gen, Incarnation: w.inc})
	if d := again.take(); string(d.Blob) != "for later" {
		t.Errorf("got %q", d.Blob)
	}
}

func TestAClientThatAcknowledgesNothingIsClosedAndKeepsItsMailbox(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.AckTimeout = Duration(500 * time.Millisecond) })
	p := r.converse(t, 1)
	lazy := r.login(t, 60, 0)
	sender := r.login(t, 61, 0)
	for i := range 200 { // more than the window
		sender.expectTick(sender.send(60, fmt.Sprint(i)))
	}
	p.talk()
	lazy.expectError(codec.CodeAckTimeout)
	lazy.expectClosed()
	p.talk()
	again := r.dial(t)
	again.hello(codec.Hello{Version: 1, User: 60, Gen: lazy.gen, Incarnation: lazy.inc})
	for i := range 200 {
		if d := again.take(); string(d.Blob) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, d.Blob)
		}
	}
}

func TestAClientThatNeverReadsItsAnswersIsClosedAtTheOutboundCap(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	deaf := r.login(t, 70, 0)
	r.eventually(t, "it is a session", func(s Status) bool { return s.Sessions == 3 })
	_ = deaf.conn.(*net.TCPConn).SetReadBuffer(4096) // smaller is sooner, no more
	pings := bytes.Repeat(codec.AppendPing(nil), 20_000)
	_ = deaf.conn.SetWriteDeadline(time.Now().Add(patience)) // a failure shows below
	var err error
	for err == nil {
		_, err = deaf.conn.Write(pings)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a client that reads nothing of its answers is still served")
	}
	p.talk()
	r.eventually(t, "closed as a slow consumer", func(s Status) bool { return s.Closes["slow_consumer"] == 1 && s.Connections == 2 && s.Sessions == 2 })
}

func TestAMessageToSomebodyUnknownWaitsForTheirFirstLogin(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	cseq := p.a.send(4711, "welcome")
	p.a.expectTick(cseq)
	p.talk()
	late := r.login(t, 4711, 0)
	if d := late.take(); d.From != 1 || string(d.Blob) != "welcome" {
		t.Errorf("got %+v", d)
	}
	if rc := p.a.takeReceipt(); rc.Kind != codec.ReceiptDelivered || rc.Last != cseq {
		t.Errorf("got %+v", rc)
	}
}

func TestASendToAnIdThatCannotNameAUserIsRejectedInOrder(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	for _, row := range []struct {
		name string
		part codec.Part
		to   uint64
		code codec.ErrorCode
	}{
		{"user 0", codec.Part{Blob: []byte("x")}, 0, codec.CodeInvalidReceiver},
		{"above the largest user", codec.Part{Blob: []byte("x")}, codec.UserMax + 1, codec.CodeInvalidReceiver},
		{"a group without the group flag", codec.Part{Blob: []byte("x")}, codec.GroupBit | 5, codec.CodeInvalidReceiver},
		{"a device that nobody has logged in", codec.Part{Device: 9, Blob: []byte("x")}, 2, codec.CodeNoSuchDevice},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.a.cseq++
			b, err := codec.AppendSend(nil, &codec.Send{Cseq: p.a.cseq, To: row.to, N: 1, Parts: codec.Parts(nil).Append(row.part)})
			if err != nil {
				t.Skipf("the codec itself refuses to encode it: %v", err)
			}
			p.a.write(b)
			rc := p.a.takeReceipt()
			if rc.Kind != codec.ReceiptRejected || codec.ErrorCode(rc.Code) != row.code || rc.First != p.a.cseq {
				t.Errorf("got %+v, want a rejection of %d with code %v", rc, p.a.cseq, row.code)
			}
			p.talk()
		})
	}
}

func TestAGapInTheSendersNumbersClosesAndResumes(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	w := r.login(t, 80, 0)
	w.expectTick(w.send(81, "one"))
	w.write(sendFrame(3, 81, "three"))
	if e := w.expectError(codec.CodeCseqGap); e.Ref != 2 {
		t.Errorf("the error names cseq %d, want 2", e.Ref)
	}
	w.expectClosed()
	p.talk()
	again := r.dial(t)
	if s := again.hello(codec.Hello{Version: 1, User: 80, Gen: w.gen, Incarnation: w.inc, Ticked: 1}); s.UpHigh != 1 {
		t.Errorf("the server has taken up to %d, want 1", s.UpHigh)
	}
	again.expectTick(again.send(81, "two"))
}

func TestAClientThatLostItsStateGetsAGenerationAndItsMailAgain(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	first := r.login(t, 90, 0)
	p.a.send(90, "kept")
	d := first.expect(codec.KindDeliver) // not acknowledged
	if d.Kind != codec.KindDeliver {
		t.Fatal("no message")
	}
	_ = first.conn.Close() // its state is gone with it
	second := r.login(t, 90, 0)
	if second.gen == first.gen || second.gen == 0 {
		t.Errorf("the new generation is %d after %d", second.gen, first.gen)
	}
	if d := second.take(); string(d.Blob) != "kept" {
		t.Errorf("got %q", d.Blob)
	}
	p.a.takeReceipt()
	second.expectTick(second.send(1, "numbers start again"))
	if d := p.a.take(); d.ID != 1 || d.Gen != second.gen {
		t.Errorf("got id %d of generation %d", d.ID, d.Gen)
	}
	stale := r.dial(t)
	stale.write(must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 90, Gen: first.gen, Incarnation: first.inc})))
	stale.expectError(codec.CodeGenerationStale)
	stale.expectClosed()
	p.talk()
}

func TestASecondClientOnTheSameDeviceReplacesTheFirst(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	first := r.login(t, 95, 3)
	second := r.dial(t)
	second.hello(codec.Hello{Version: 1, User: 95, Device: 3, Gen: first.gen, Incarnation: first.inc})
	first.expectError(codec.CodeReplaced)
	first.expectClosed()
	second.ping()
	other := r.login(t, 95, 4) // another device of the same user stays
	other.ping()
	second.ping()
	p.talk()
	r.eventually(t, "one was replaced", func(s Status) bool { return s.Closes["replaced"] == 1 && s.Sessions == 4 })
}

func TestEveryMalformedRowOfTheWireTableEndsOneConnectionOnly(t *testing.T) {
	noLeaks(t)
	r := start(t, quickLogin)
	p := r.converse(t, 1)
	rows := 0
	for i, c := range wirecases.Cases() {
		if c.Want != wirecases.Refused || c.Dir != codec.ToServer {
			continue
		}
		if errors.Is(c.WantErr, codec.ErrBlobTooLarge) || errors.Is(c.WantErr, codec.ErrExtCritical) {
			continue // refused by themselves: the next test
		}
		rows++
		t.Run(c.Name, func(t *testing.T) {
			if c.PreLogin || c.Kind == codec.KindHello {
				w := r.dial(t)
				w.write(c.Bytes)
				w.expectSilentClose()
				return
			}
			w := r.login(t, uint64(1000+i), 0)
			w.write(c.Bytes)
			if e := w.expectError(codec.CodeMalformed); e.Ref == 0 {
				t.Error("the error names no offset")
			}
			w.expectClosed()
		})
		if rows%16 == 0 {
			p.talk()
		}
	}
	if rows < 50 {
		t.Errorf("%d malformed rows: the table is not what it was", rows)
	}
	p.talk()
	r.eventually(t, "only the pair is left", func(s Status) bool { return s.Connections == 2 && s.Panics == 0 })
}

func TestASendThatIsRefusedByItselfIsRejectedAndTheSessionGoesOn(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	rows := 0
	for _, c := range wirecases.Cases() {
		if c.Kind != codec.KindSend || !errors.Is(c.WantErr, codec.ErrBlobTooLarge) && !errors.Is(c.WantErr, codec.ErrExtCritical) {
			continue
		}
		rows++
		p.a.cseq++
		at := bytes.IndexByte(c.Bytes, byte(codec.KindSend)) + 2 // the cseq follows type and flags
		binary.BigEndian.PutUint64(c.Bytes[at:], p.a.cseq)
		p.a.write(c.Bytes)
		want := codec.CodeTooLarge
		if errors.Is(c.WantErr, codec.ErrExtCritical) {
			want = codec.CodeUnsupported
		}
		if rc := p.a.takeReceipt(); rc.Kind != codec.ReceiptRejected || codec.ErrorCode(rc.Code) != want || rc.First != p.a.cseq {
			t.Errorf("%s: got %+v, want a rejection of %d with code %v", c.Name, rc, p.a.cseq, want)
		}
		p.talk()
	}
	if rows < 2 {
		t.Errorf("%d rows: the table is not what it was", rows)
	}
}

// quickLogin makes half a HELLO short to wait for.
func quickLogin(c *Config) { c.LoginTimeout = Duration(300 * time.Millisecond) }

func TestRowsThatAreGoodOnTheWireNeverCrashAServer(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	for i, c := range wirecases.Cases() {
		if c.Want == wirecases.Refused {
			continue
		}
		w := r.login(t, uint64(5000+i), 0)
		w.write(c.Bytes) // of either direction, in whatever state: an error, a close or an answer, but no panic
		_ = w.conn.Close()
	}
	p.talk()
	r.eventually(t, "only the pair is left", func(s Status) bool { return s.Connections == 2 && s.Panics == 0 })
}
