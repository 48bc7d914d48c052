package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
)

func TestANewDeviceRegistersAndLaterResumes(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, h := f.connect(welcome(0), WithState(state), WithDevice(3))
		if h.User != testUser || h.Device != 3 || h.Gen != 0 || h.Incarnation != 0 || h.DownSeq == 0 || h.Ticked != 0 || h.Version != codec.Version {
			t.Errorf("first HELLO is %+v", h)
		}
		p.deliver(9, testPeer, 1, "hi")
		m := want[Message](t, c)
		if err := c.Ack(m); err != nil {
			t.Fatal(err)
		}
		p.expectAck(9)
		send(t, c, "yo")
		p.expectSend(1)
		p.tick(1)
		if tick := want[Tick](t, c); tick.Level != TickServer || tick.First != 1 || tick.Last != 1 {
			t.Errorf("tick is %+v", tick)
		}
		closeClient(t, c)

		c, _, h = f.connect(welcome(1), WithState(state), WithDevice(3))
		if h.Gen != testGen || h.Incarnation != testIncarnation || h.DownSeq != 9 || h.Ticked != 1 {
			t.Errorf("second HELLO is %+v", h)
		}
		closeClient(t, c)
	})
}

func TestWhatLiesAboveUpHighIsSentAgainInOrder(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		for i := uint64(1); i <= 5; i++ {
			send(t, c, fmt.Sprint("m", i))
			p.expectSend(i)
		}
		p.close() // no tick arrived; the server has two of them
		p, h := f.again(c, welcome(2))
		if h.Ticked != 0 {
			t.Errorf("HELLO says %d are ticked", h.Ticked)
		}
		if tick := want[Tick](t, c); tick.First != 1 || tick.Last != 2 {
			t.Errorf("the lost tick is reported as %+v", tick)
		}
		for i := uint64(3); i <= 5; i++ {
			if got := p.expectSend(i); got != fmt.Sprint("m", i) {
				t.Errorf("SEND %d carries %q", i, got)
			}
		}
		if n := c.Outstanding(); n != 3 {
			t.Errorf("%d outstanding, want 3", n)
		}
		p.quiet(time.Minute)
		closeClient(t, c)
	})
}

func TestAConnectionThatDiesInTheMiddleOfAFrameLosesNothing(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		p.deliver(1, testPeer, 1, "one")
		m1 := want[Message](t, c)
		b, err := codec.AppendDeliver(nil, &codec.Deliver{Seq: 2, From: testPeer, Gen: 7, ID: 2, Blob: []byte("two")})
		p.write(b[:len(b)-2], err)
		p.close()
		p, h := f.again(c, welcome(0))
		if h.DownSeq != 0 {
			t.Errorf("HELLO says %d is kept, but nothing was acknowledged", h.DownSeq)
		}
		p.deliver(1, testPeer, 1, "one") // not acknowledged, so it comes again; this process has it already
		p.deliver(2, testPeer, 2, "two")
		m2 := want[Message](t, c)
		if string(m1.Payload) != "one" || string(m2.Payload) != "two" {
			t.Errorf("messages %q, %q", m1.Payload, m2.Payload)
		}
		if err := c.Ack(m2); err != nil { // cumulative
			t.Fatal(err)
		}
		p.expectAck(2)
		noEvent(t, c)
		closeClient(t, c)
	})
}

func TestAMessageNobodyAcknowledgedComesAgainInTheNextRun(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.deliver(1, testPeer, 1, "kept")
		p.deliver(2, testPeer, 2, "not kept")
		if err := c.Ack(want[Message](t, c)); err != nil {
			t.Fatal(err)
		}
		p.expectAck(1)
		want[Message](t, c)
		closeClient(t, c)

		c, p, h := f.connect(welcome(0), WithState(state))
		if h.DownSeq != 1 {
			t.Errorf("HELLO says %d is kept, want 1", h.DownSeq)
		}
		p.deliver(2, testPeer, 2, "not kept")
		if m := want[Message](t, c); string(m.Payload) != "not kept" {
			t.Errorf("message %q", m.Payload)
		}
		closeClient(t, c)
	})
}

func TestDuplicatesAreDroppedAndSettled(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		p.deliver(1, testPeer, 10, "a")
		m := want[Message](t, c)
		p.deliver(1, testPeer, 10, "a") // same entry again
		p.deliver(2, testPeer, 10, "a") // sent again by its sender after a lost tick: other seq, same id
		noEvent(t, c)
		p.deliver(3, testPeer, 9, "late") // rejected the first time, taken the second, behind one that was taken both times
		if m := want[Message](t, c); m.ID != 9 {
			t.Errorf("message %+v", m)
		}
		p.deliver(4, testPeer, 9, "late")
		noEvent(t, c)
		p.deliver(5, 1003, 10, "other stream")
		want[Message](t, c)
		p.write(codec.AppendDeliver(nil, &codec.Deliver{Seq: 6, From: testPeer, Gen: 8, ID: 1, Blob: []byte("new generation")}))
		if m := want[Message](t, c); m.ID != 1 || m.Gen != 8 {
			t.Errorf("message of the new generation is %+v", m)
		}
		p.deliver(7, testPeer, 10, "a") // the older generation's ids are not forgotten over it
		noEvent(t, c)
		p.deliver(1, 1007, 1, "b") // whatever it is: its seq was seen
		noEvent(t, c)
		if err := c.Ack(m); err != nil {
			t.Fatal(err)
		}
		p.expectAck(2) // the duplicate behind it needs nobody
		closeClient(t, c)
	})
}

func TestAcksAreCumulativeAndNeverCoverWhatIsNotKept(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		send(t, c, "x")
		p.expectSend(1)
		var got []Message
		for i := uint64(1); i <= 5; i++ {
			p.deliver(i, testPeer, i, "m")
			got = append(got, want[Message](t, c))
		}
		p.receipt(6, codec.ReceiptDelivered, testPeer, 1, 1) // behind messages that nobody has kept yet
		if tick := want[Tick](t, c); tick.Level != TickDelivered || tick.Peer != testPeer {
			t.Errorf("tick is %+v", tick)
		}
		p.quiet(30 * time.Second)
		for _, m := range got[:4] {
			if err := c.Ack(m); err != nil {
				t.Fatal(err)
			}
		}
		p.expectAck(4)
		p.quiet(30 * time.Second)
		if err := c.Ack(got[4]); err != nil {
			t.Fatal(err)
		}
		p.expectAck(6) // the receipt goes with it
		if err := c.Ack(Message{Seq: 3}); !errors.Is(err, ErrUnknownMessage) {
			t.Errorf("Ack of a made-up message: %v", err)
		}
		closeClient(t, c)
	})
}

func TestCodesThatSayDoNotReturnEndTheClientWithATypedError(t *testing.T) {
	for _, tc := range []struct {
		name string
		code codec.ErrorCode
		want error
	}{
		{"replaced by another client", codec.CodeReplaced, ErrReplaced},
		{"the device was registered again", codec.CodeGenerationStale, ErrGenerationStale},
		{"another version of the protocol", codec.CodeVersion, ErrVersion},
		{"not authorized", codec.CodeNotAuthorized, ErrNotAuthorized},
		{"a code of a later server", 95, &ServerError{Code: 95}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, f *fake) {
				c, p, _ := f.connect(welcome(0))
				p.refuse(tc.code, 0, 0)
				p.close()
				d := want[Disconnected](t, c)
				if !errors.Is(d.Err, tc.want) || d.RetryIn != 0 {
					t.Errorf("Disconnected is %+v", d)
				}
				if _, open := <-c.Events(); open {
					t.Error("events go on")
				}
				if !errors.Is(c.Err(), tc.want) {
					t.Errorf("Err is %v", c.Err())
				}
				if _, err := c.Send(t.Context(), 1, nil); !errors.Is(err, ErrClosed) || !errors.Is(err, tc.want) {
					t.Errorf("Send after the end: %v", err)
				}
				closeClient(t, c)
			})
		})
	}
}

func TestDialReturnsTheServersRefusal(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		done := make(chan error)
		go func() {
			_, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial))
			done <- err
		}()
		p := f.accept()
		p.hello()
		p.refuse(codec.CodeGenerationStale, 0, 0)
		p.close()
		if err := <-done; !errors.Is(err, ErrGenerationStale) {
			t.Errorf("Dial: %v", err)
		}
	})
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		go func() {
			p := f.accept()
			p.hello() // and not a word
			_, _ = io.Copy(io.Discard, p.conn)
		}()
		start := time.Now()
		_, err := Dial(ctx, "fake", WithUser(testUser), f.transport(), WithDialer(f.dial))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Dial after %v: %v", time.Since(start), err)
		}
	})
}

func TestTheClientComesBackNotBeforeRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		name  string
		leave func(p *peer)
		want  error
	}{
		{"ERROR with retry-after", func(p *peer) { p.refuse(codec.CodeBusy, 0, 20*time.Second) }, &ServerError{Code: codec.CodeBusy}},
		{"GOAWAY with retry-after", func(p *peer) {
			p.write(codec.AppendGoAway(nil, &codec.GoAway{Code: codec.CodeDraining, RetryAfterMs: 20_000}))
		}, ErrDraining},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, f *fake) {
				c, p, _ := f.connect(welcome(0))
				left := time.Now()
				tc.leave(p)
				p.close()
				d := want[Disconnected](t, c)
				if !errors.Is(d.Err, tc.want) || d.RetryIn < 20*time.Second || d.RetryIn > 20*time.Second+BackoffBase {
					t.Errorf("Disconnected is %+v", d)
				}
				p = f.accept()
				if waited := time.Since(left); waited < 20*time.Second {
					t.Errorf("came back after %v", waited)
				}
				p.hello()
				p.success(welcome(0))
				want[Connected](t, c)
				closeClient(t, c)
			})
		})
	}
}

func TestAClientThatWasSentAwayStillReadsItsTicks(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		send(t, c, "a")
		p.expectSend(1)
		p.write(codec.AppendGoAway(nil, &codec.GoAway{Code: codec.CodeDraining, RetryAfterMs: 1000}))
		synctest.Wait() // the client has read it
		send(t, c, "b") // waits for the next connection
		p.quiet(time.Second)
		start := time.Now()
		p.tick(1)
		want[Tick](t, c)
		if d := want[Disconnected](t, c); !errors.Is(d.Err, ErrDraining) || time.Since(start) != 0 {
			t.Errorf("Disconnected %v after the last tick is %+v", time.Since(start), d)
		}
		p = f.accept()
		p.hello()
		p.success(welcome(1))
		want[Connected](t, c)
		p.expectSend(2)
		start = time.Now()
		p.write(codec.AppendGoAway(nil, &codec.GoAway{Code: codec.CodeDraining}))
		want[Disconnected](t, c) // a tick that never comes holds nobody up for long
		if d := time.Since(start); d != goAwayLinger {
			t.Errorf("left after %v", d)
		}
		closeClient(t, c)
	})
}

func TestFailedAttemptsBackOffUntilTheServerIsThere(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		f.down.Store(true)
		c, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithOfflineStart(), WithBackoff(time.Second, 8*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, "written while away")
		for range 10 {
			d := want[Disconnected](t, c)
			if !errors.Is(d.Err, errNobodyThere) || d.RetryIn >= 8*time.Second {
				t.Errorf("Disconnected is %+v", d)
			}
		}
		synctest.Wait()
		f.down.Store(false)
		p := f.accept()
		p.hello()
		p.success(welcome(0))
		want[Connected](t, c)
		if got := p.expectSend(1); got != "written while away" {
			t.Errorf("SEND carries %q", got)
		}
		closeClient(t, c)
	})
}

func TestWithoutReconnectTheFirstLostConnectionEndsTheClient(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0), WithoutReconnect())
		p.close()
		if d := want[Disconnected](t, c); d.RetryIn != 0 || !errors.Is(d.Err, io.EOF) {
			t.Errorf("Disconnected is %+v", d)
		}
		if _, open := <-c.Events(); open || !errors.Is(c.Err(), io.EOF) {
			t.Errorf("open %v, err %v", open, c.Err())
		}
		closeClient(t, c)
	})
}

func TestAServerThatLostItsDataIsToldEverythingAgain(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		for i := uint64(1); i <= 3; i++ {
			send(t, c, fmt.Sprint("m", i))
			p.expectSend(i)
		}
		p.tick(1)
		want[Tick](t, c)
		p.deliver(100, testPeer, 1, "acknowledged")
		if err := c.Ack(want[Message](t, c)); err != nil {
			t.Fatal(err)
		}
		p.expectAck(100)
		p.deliver(101, testPeer, 2, "held")
		held := want[Message](t, c)
		p.close()

		want[Disconnected](t, c)
		p = f.accept()
		if h := p.hello(); h.Incarnation != testIncarnation || h.DownSeq != 100 || h.Ticked != 1 {
			t.Errorf("HELLO is %+v", h)
		}
		lost := welcome(1) // the server adopts the client's mark
		lost.Incarnation = 78
		p.success(lost)
		if ev := want[Connected](t, c); !ev.ServerLost || ev.Resumed {
			t.Errorf("Connected is %+v", ev)
		}
		p.expectSend(2)
		p.expectSend(3)
		p.deliver(5, testPeer, 2, "held") // its sender sent it again: a small seq of the new data, but a known id
		p.deliver(6, testPeer, 3, "new")
		m := want[Message](t, c)
		if string(m.Payload) != "new" || m.Seq != 6 {
			t.Errorf("message is %+v", m)
		}
		if err := c.Ack(held); err != nil { // belongs to the old data: seq 101 must not be told to this server
			t.Fatal(err)
		}
		p.expectAck(5)
		if err := c.Ack(m); err != nil {
			t.Fatal(err)
		}
		p.expectAck(6)
		p.close()
		_, h := f.again(c, lost)
		if h.Incarnation != 78 || h.DownSeq != 6 {
			t.Errorf("HELLO is %+v", h)
		}
		closeClient(t, c)
	})
}

func TestAtMostTheWindowIsInFlight(t *testing.T) {
	for _, tc := range []struct {
		name           string
		entries, bytes int
		want           int
	}{
		{"the server's window in entries", 5, 1 << 20, 5},
		{"never more than 64", 1000, 1 << 20, 64},
		{"a window of nothing is a window of one", 0, 1 << 20, 1},
		{"the server's window in bytes", 64, 35, 3},
		{"one message larger than the window goes alone", 64, 5, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, f *fake) {
				s := welcome(0)
				s.WindowEntries, s.WindowBytes = uint16(tc.entries), uint32(tc.bytes)
				c, p, _ := f.connect(s)
				for range 70 {
					send(t, c, "ten bytes.")
				}
				next := uint64(1)
				for range tc.want {
					p.expectSend(next)
					next++
				}
				p.quiet(3 * time.Second)
				p.tick(1)
				want[Tick](t, c)
				p.expectSend(next)
				p.quiet(3 * time.Second)
				closeClient(t, c)
			})
		})
	}
}

func TestATemporaryRefusalIsSentAgainFromThatNumberAfterRetryAfter(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		for i := uint64(1); i <= 4; i++ {
			send(t, c, "m")
			p.expectSend(i)
		}
		start := time.Now()
		p.refuse(codec.CodeRateLimited, 3, 9*time.Second)
		if r := want[Refused](t, c); r.Code != codec.CodeRateLimited || r.Ref != 3 || r.RetryIn != 9*time.Second {
			t.Errorf("Refused is %+v", r)
		}
		p.tick(2)
		want[Tick](t, c)
		send(t, c, "m")
		for i := uint64(3); i <= 5; i++ {
			p.expectSend(i)
		}
		if waited := time.Since(start); waited != 9*time.Second {
			t.Errorf("sent again after %v", waited)
		}
		p.refuse(codec.CodeServerFull, 2, time.Hour) // an old one: 2 has its tick
		want[Refused](t, c)
		send(t, c, "m")
		p.expectSend(6)
		p.refuse(codec.CodeTooMany, 3, 0) // about something else
		want[Refused](t, c)
		p.quiet(time.Second)
		closeClient(t, c)
	})
}

func TestARejectedMessageIsReportedOnceAndKeepsItsNumber(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		for i := uint64(1); i <= 3; i++ {
			send(t, c, "m")
			p.expectSend(i)
		}
		p.receipt(1, codec.ReceiptRejected, testPeer, 2, 2)
		if r := want[Rejected](t, c); r.ID != 2 || r.Code != codec.CodeMailboxFull || r.Peer != testPeer {
			t.Errorf("Rejected is %+v", r)
		}
		p.expectAck(1)
		if k := want[Tick](t, c); k.Level != TickServer || k.First != 1 || k.Last != 2 {
			t.Errorf("what is rejected was taken: %+v", k)
		}
		p.close()
		lost := welcome(2)
		lost.Incarnation++
		p, h := f.again(c, lost)
		if h.Ticked != 2 {
			t.Errorf("HELLO says %d are ticked: sending 2 again would reject it twice, leaving it out would be a gap", h.Ticked)
		}
		p.expectSend(3)
		p.receipt(1, codec.ReceiptRejected, testPeer, 2, 2)
		p.tick(3)
		want[Tick](t, c) // no second Rejected
		if s, ok := c.Sent(2); !ok || s.Rejected != uint8(codec.CodeMailboxFull) {
			t.Errorf("Sent(2) is %+v, %v", s, ok)
		}
		if n := c.Outstanding(); n != 0 {
			t.Errorf("%d outstanding", n)
		}
		closeClient(t, c)
	})
}

func TestTicksComeAsEventsAndAreRememberedAcrossRuns(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		for i := uint64(1); i <= 3; i++ {
			send(t, c, "m")
			p.expectSend(i)
		}
		p.tick(3)
		want[Tick](t, c)
		closeClient(t, c)

		c, p, _ = f.connect(welcome(3), WithState(state))
		p.receipt(1, codec.ReceiptDelivered, testPeer, 1, 3)
		if k := want[Tick](t, c); k.Level != TickDelivered || k.First != 1 || k.Last != 3 || k.Peer != testPeer {
			t.Errorf("tick is %+v", k)
		}
		p.expectAck(1)
		p.receipt(2, codec.ReceiptRead, testPeer, 2, 2)
		if k := want[Tick](t, c); k.Level != TickRead || k.First != 2 || k.Last != 2 {
			t.Errorf("tick is %+v", k)
		}
		p.expectAck(2)
		p.receipt(3, codec.ReceiptDelivered, testPeer, 2, 2) // overtaken by the read one
		p.expectAck(3)
		p.write(codec.AppendReceipt(nil, &codec.Receipt{Seq: 4, Kind: codec.ReceiptRead, Gen: testGen - 1, Peer: testPeer, First: 1, Last: 3}))
		p.expectAck(4) // of an older generation: settled without a word
		noEvent(t, c)
		for id, level := range map[uint64]TickLevel{1: TickDelivered, 2: TickRead, 3: TickDelivered} {
			if s, ok := c.Sent(id); !ok || s.Level != level || s.Peer != testPeer {
				t.Errorf("Sent(%d) is %+v, %v", id, s, ok)
			}
		}
		closeClient(t, c)
	})
}

func TestAnApplicationThatDoesNotReadStopsTheSocketAndLosesNothing(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		s := welcome(0)
		s.KeepaliveSec = 10
		c, p, _ := f.connect(s, WithEventBuffer(4))
		const messages = 20
		wrote := make(chan int, messages)
		go func() {
			for i := uint64(1); i <= messages; i++ {
				b, _ := codec.AppendDeliver(nil, &codec.Deliver{Seq: i, From: testPeer, Gen: 7, ID: i, Blob: []byte("m")})
				if _, err := p.conn.Write(b); err != nil {
					return
				}
				wrote <- 1
			}
		}()
		synctest.Wait()
		if n := len(wrote); n != 4+1 {
			t.Errorf("the client read %d messages with a buffer of 4", n)
		}
		for range 6 { // a minute of silence from the server proves nothing now: the client does not listen
			if fr := p.any(); fr.Kind != codec.KindPing {
				t.Fatalf("frame %#02x, want a ping", uint8(fr.Kind))
			}
		}
		for i := uint64(1); i <= messages; i++ {
			if m := want[Message](t, c); m.ID != i {
				t.Fatalf("message %d, want %d", m.ID, i)
			}
		}
		closeClient(t, c)
	})
}

func TestKeepaliveAndSilence(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		s := welcome(0)
		s.KeepaliveSec = 30
		c, p, _ := f.connect(s)
		start := time.Now()
		for i := 1; i <= 3; i++ {
			if fr := p.any(); fr.Kind != codec.KindPing {
				t.Fatalf("frame %#02x, want a ping", uint8(fr.Kind))
			}
			if at := time.Since(start); at != time.Duration(i)*30*time.Second {
				t.Errorf("ping %d after %v", i, at)
			}
			p.write(codec.AppendPong(nil), nil)
		}
		p.write(codec.AppendPing(nil), nil)
		if fr := p.next(); fr.Kind != codec.KindPong {
			t.Fatalf("frame %#02x in answer to a ping", uint8(fr.Kind))
		}
		p.quiet(20 * time.Second)
		send(t, c, "x") // a missing tick makes the client ask sooner, but not before there was time for it
		p.expectSend(1)
		asked := time.Now()
		if fr := p.any(); fr.Kind != codec.KindPing || time.Since(asked) != PongTimeout {
			t.Fatalf("frame %#02x after %v", uint8(fr.Kind), time.Since(asked))
		}
		d := want[Disconnected](t, c) // no answer
		if !errors.Is(d.Err, ErrPongTimeout) || time.Since(asked) != 2*PongTimeout {
			t.Errorf("after %v: %+v", time.Since(asked), d)
		}
		closeClient(t, c)
	})
}

func TestLongPayloadsTravelCompressed(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		text := strings.Repeat("all work and no play ", 50)
		send(t, c, text)
		v, err := codec.ParseSend(p.next())
		if err != nil {
			t.Fatal(err)
		}
		part, _, _ := v.Parts.Next()
		if part.Kind != codec.PayloadCompressed || len(part.Blob) >= len(text)/2 {
			t.Errorf("kind %#x, %d bytes of %d", part.Kind, len(part.Blob), len(text))
		}
		p.write(codec.AppendDeliver(nil, &codec.Deliver{Seq: 1, From: testPeer, ID: 1, Kind: part.Kind, Blob: part.Blob}))
		if m := want[Message](t, c); string(m.Payload) != text || m.Kind != 0 {
			t.Errorf("kind %#x, %d bytes", m.Kind, len(m.Payload))
		}
		bomb, _ := codec.CompressPayload(nil, bytes.Repeat([]byte{'0'}, ExpandedBytesMax+1))
		p.write(codec.AppendDeliver(nil, &codec.Deliver{Seq: 2, From: testPeer, ID: 2, Kind: 5 | codec.PayloadCompressed, Blob: bomb}))
		if m := want[Message](t, c); !bytes.Equal(m.Payload, bomb) || m.Kind != 5|codec.PayloadCompressed {
			t.Errorf("what expands too far has kind %#x, %d bytes", m.Kind, len(m.Payload))
		}
		closeClient(t, c)
	})
}

func TestPresenceIsAskedAgainAfterAReconnectAndTypingIsNot(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		users := make([]uint64, 100)
		for i := range users {
			users[i] = uint64(i + 1)
		}
		if err := c.Subscribe(t.Context(), users...); err != nil {
			t.Fatal(err)
		}
		expectSubscribe(t, p, watchAdd, 64)
		expectSubscribe(t, p, watchAdd, 36)
		if err := c.Unsubscribe(t.Context(), users[3:]...); err != nil {
			t.Fatal(err)
		}
		expectSubscribe(t, p, watchRemove, 64)
		expectSubscribe(t, p, watchRemove, 33)
		p.write(codec.AppendPresence(nil, &codec.Presence{Peer: 2, State: 0, LastSeenSec: 1_700_000_000}))
		if ev := want[Presence](t, c); ev.User != 2 || ev.Available || ev.LastSeen.Unix() != 1_700_000_000 {
			t.Errorf("Presence is %+v", ev)
		}
		p.write(codec.AppendTyping(nil, &codec.Typing{Peer: 2, Device: 1, State: 1}))
		if ev := want[Typing](t, c); ev.User != 2 || ev.State != TypingComposing {
			t.Errorf("Typing is %+v", ev)
		}
		p.close()
		want[Disconnected](t, c)
		if err := c.Typing(t.Context(), testPeer, TypingComposing); err != nil {
			t.Fatal(err)
		}
		p = f.accept()
		p.hello()
		p.success(welcome(0))
		want[Connected](t, c)
		expectSubscribe(t, p, watchAdd, 3)
		p.quiet(time.Second)
		if err := c.Typing(t.Context(), testPeer, TypingComposing); err != nil {
			t.Fatal(err)
		}
		if v, err := codec.ParseTyping(p.next()); err != nil || v.Peer != testPeer || v.State != 1 {
			t.Errorf("TYPING %+v, %v", v, err)
		}
		many := make([]uint64, SubscriptionsMax)
		for i := range many {
			many[i] = uint64(1000 + i)
		}
		if err := c.Subscribe(t.Context(), many...); !errors.Is(err, ErrTooManySubscriptions) {
			t.Errorf("Subscribe above the limit: %v", err)
		}
		closeClient(t, c)
	})
}

func expectSubscribe(t *testing.T, p *peer, op uint8, n int) {
	t.Helper()
	v, err := codec.ParseSubscribe(p.next())
	if err != nil || v.Op != op || int(v.N) != n {
		t.Fatalf("SUBSCRIBE %+v, %v; want op %d of %d", v, err, op, n)
	}
}

func TestReadReceiptsOfNeighboursShareOneNumber(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		s := welcome(0)
		s.WindowEntries = 1
		c, p, _ := f.connect(s)
		send(t, c, "keeps the window closed")
		p.expectSend(1)
		var got []Message
		for i := uint64(1); i <= 4; i++ {
			p.deliver(i, testPeer, 2*i, "m") // ids 2 4 6 8: the others went elsewhere
			got = append(got, want[Message](t, c))
		}
		for _, i := range []int{0, 1, 3} { // 6 is never marked as read
			if err := c.Read(t.Context(), got[i]); err != nil {
				t.Fatal(err)
			}
		}
		p.expectAck(4)
		p.tick(1)
		want[Tick](t, c)
		r, err := codec.ParseReceipt(p.next())
		if err != nil || r.Seq != 2 || r.Kind != codec.ReceiptRead || r.Peer != testPeer || r.Gen != 7 || r.First != 2 || r.Last != 4 {
			t.Errorf("RECEIPT %+v, %v", r, err)
		}
		p.deliver(5, testPeer, 10, "m")
		if err := c.Read(t.Context(), want[Message](t, c)); err != nil { // 3 is not written yet: 10 follows 8
			t.Fatal(err)
		}
		p.expectAck(5)
		p.tick(2)
		want[Tick](t, c)
		if r, err = codec.ParseReceipt(p.next()); err != nil || r.Seq != 3 || r.First != 8 || r.Last != 10 {
			t.Errorf("RECEIPT %+v, %v", r, err)
		}
		p.deliver(6, testPeer, 12, "m")
		if err := c.Read(t.Context(), want[Message](t, c)); err != nil { // 3 is on its way: it stays as it is
			t.Fatal(err)
		}
		p.expectAck(6)
		p.tick(3)
		want[Tick](t, c)
		if r, err = codec.ParseReceipt(p.next()); err != nil || r.Seq != 4 || r.First != 12 || r.Last != 12 {
			t.Errorf("RECEIPT %+v, %v", r, err)
		}
		closeClient(t, c)
	})
}

func TestAStateOlderThanTheServersMarkEndsTheClient(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		send(t, c, "a")
		p.expectSend(1)
		p.close()
		want[Disconnected](t, c)
		p = f.accept()
		p.hello()
		p.success(welcome(2)) // 2 was sent by a later copy of this state
		if d := want[Disconnected](t, c); !errors.Is(d.Err, ErrStateBehind) || d.RetryIn != 0 {
			t.Errorf("Disconnected is %+v", d)
		}
		closeClient(t, c)
	})
}

func TestAServerThatBreaksTheProtocolIsLeft(t *testing.T) {
	frame := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"a length that is not minimal":   {0x81, 0x00, 0x01},
		"a tick for what was never sent": frame(codec.AppendTick(nil, &codec.Tick{UpHigh: 9})),
		"a HELLO from the server":        frame(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 1})),
		"a second SUCCESS":               frame(codec.AppendSuccess(nil, &codec.Success{Gen: 1})),
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, f *fake) {
				c, p, _ := f.connect(welcome(0))
				p.write([]byte{2, 0xF0, 0}, nil) // an unknown kind above 0x7F is skipped
				p.write(b, nil)
				if d := want[Disconnected](t, c); !errors.Is(d.Err, ErrProtocol) || d.RetryIn == 0 && d.RetryIn > BackoffBase {
					t.Errorf("Disconnected is %+v", d)
				}
				closeClient(t, c)
			})
		})
	}
}

func TestCloseTellsWhatWasAcknowledged(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.deliver(1, testPeer, 1, "m")
		if err := c.Read(t.Context(), want[Message](t, c)); err != nil {
			t.Fatal(err)
		}
		go func() { _ = c.Close() }()
		p.expectAck(1)
		if r, err := codec.ParseReceipt(p.next()); err != nil || r.Seq != 1 {
			t.Errorf("RECEIPT %+v, %v", r, err)
		}
		if _, err := p.in.next(func() {}); err != io.EOF {
			t.Errorf("after the last frame: %v", err)
		}
		for range c.Events() {
		}
		if err := c.Err(); err != nil {
			t.Errorf("Err after Close: %v", err)
		}
		closeClient(t, c)
		if _, err := c.Send(t.Context(), 1, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
		snap, err := state.Load()
		if err != nil || snap.Marks.LastSeq != 1 || len(snap.Outbox) != 1 {
			t.Errorf("state holds %+v, %v", snap, err)
		}
	})
}

func TestCloseEndsAClientInEveryState(t *testing.T) {
	t.Run("while the application does not read", func(t *testing.T) {
		overBoth(t, func(t *testing.T, f *fake) {
			c, p, _ := f.connect(welcome(0), WithEventBuffer(1))
			p.deliver(1, testPeer, 1, "m")
			p.deliver(2, testPeer, 2, "m")
			synctest.Wait()
			closeClient(t, c)
		})
	})
	t.Run("while the server does not read", func(t *testing.T) {
		overBoth(t, func(t *testing.T, f *fake) {
			c, _, _ := f.connect(welcome(0))
			send(t, c, "nobody takes it")
			synctest.Wait()
			start := time.Now()
			closeClient(t, c)
			if d := time.Since(start); d > 2*closeLinger {
				t.Errorf("Close took %v", d)
			}
		})
	})
	t.Run("while it waits to reconnect", func(t *testing.T) {
		overBoth(t, func(t *testing.T, f *fake) {
			c, p, _ := f.connect(welcome(0))
			f.down.Store(true)
			p.close()
			want[Disconnected](t, c)
			closeClient(t, c)
		})
	})
	t.Run("while it logs in", func(t *testing.T) {
		overBoth(t, func(t *testing.T, f *fake) {
			c, p, _ := f.connect(welcome(0))
			p.close()
			want[Disconnected](t, c)
			p = f.accept()
			p.hello()
			closeClient(t, c)
		})
	})
}

func TestFlushWaitsForTheLastTick(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		send(t, c, "a")
		send(t, c, "b")
		done := make(chan error, 1)
		go func() { done <- c.Flush(t.Context()) }()
		p.expectSend(1)
		p.expectSend(2)
		p.tick(1)
		synctest.Wait()
		if len(done) != 0 {
			t.Error("Flush returned before the last tick")
		}
		p.tick(2)
		if err := <-done; err != nil {
			t.Error(err)
		}
		send(t, c, "c")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush with nobody ticking: %v", err)
		}
		p.expectSend(3)
		closeClient(t, c)
	})
}

func TestWhatCannotBeSentIsRefusedAtOnce(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		f.down.Store(true)
		c, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithOfflineStart(), WithEventBuffer(EventBufferMax+1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(t.Context(), testPeer, make([]byte, PayloadBytesMax+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("too large: %v", err)
		}
		for _, to := range []uint64{0, codec.UserMax + 1, codec.GroupBit | 5} {
			if _, err := c.Send(t.Context(), to, nil); !errors.Is(err, ErrReceiver) {
				t.Errorf("to %d: %v", to, err)
			}
		}
		for i := uint64(1); i <= OutboxEntriesMax; i++ {
			if id := send(t, c, "m"); id != i {
				t.Fatalf("id %d, want %d", id, i)
			}
		}
		if _, err := c.Send(t.Context(), testPeer, nil); !errors.Is(err, ErrOutboxFull) {
			t.Errorf("full: %v", err)
		}
		closeClient(t, c)
	})
}

func TestDialChecksItsOptions(t *testing.T) {
	for name, opts := range map[string][]Option{
		"no user":                      {},
		"a group as user":              {WithUser(codec.GroupBit | 1)},
		"no room for events":           {WithUser(1), WithEventBuffer(0)},
		"a backoff that ends too soon": {WithUser(1), WithBackoff(time.Second, time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Dial(t.Context(), "127.0.0.1:1", opts...); !errors.Is(err, ErrConfig) {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}
