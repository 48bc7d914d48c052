package client

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
)

// expectPing takes the next frame, which must be a PING.
func (p *peer) expectPing() {
	p.t.Helper()
	if f := p.any(); f.Kind != codec.KindPing {
		p.t.Fatalf("frame %v, want a PING", f.Kind)
	}
}

func (p *peer) pong() {
	p.t.Helper()
	p.write(codec.AppendPong(nil), nil)
}

func catchUp(t *testing.T, c *Client) uint64 {
	t.Helper()
	no, err := c.CatchUp()
	if err != nil {
		t.Fatalf("CatchUp: %v", err)
	}
	return no
}

func TestCaughtUpComesBehindEverythingThatWaited(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0), WithInbox())
		id := send(t, c, "to be rejected")
		p.expectSend(id)
		p.deliver(1, testPeer, 1, "one") // the window closes behind it
		wantText(t, c, "one")
		p.expectAck(1)
		p.deliver(2, testPeer, 2, "two") // of the next window
		p.tick(id)
		wantText(t, c, "two")
		want[Tick](t, c)
		no := catchUp(t, c)
		p.expectAck(2)
		p.expectPing() // behind the ACK
		p.receipt(3, codec.ReceiptRejected, testPeer, id, id)
		p.pong() // not the end: the ACK of this one may let out more
		if ev := want[Rejected](t, c); ev.ID != id {
			t.Errorf("%+v", ev)
		}
		p.expectAck(3)
		p.expectPing()
		noEvent(t, c)
		p.pong()
		if ev := want[CaughtUp](t, c); ev.No != no {
			t.Errorf("answer %d to question %d", ev.No, no)
		}
		p.quiet(time.Minute)
		closeClient(t, c)
		if _, err := c.CatchUp(); !errors.Is(err, ErrClosed) {
			t.Errorf("CatchUp of a closed client: %v", err)
		}
	})
}

func TestCatchUpWaitsForAck(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		p.deliver(1, testPeer, 1, "m")
		m := wantText(t, c, "m")
		catchUp(t, c)
		p.quiet(time.Minute)
		noEvent(t, c)
		ack(t, c, m)
		p.expectAck(1)
		p.expectPing()
		p.pong()
		want[CaughtUp](t, c)
		closeClient(t, c)
	})
}

func TestCatchUpIsAskedAgainOnTheNextConnectionAndOneAnswerMayBeForMany(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		catchUp(t, c)
		p.expectPing()
		late := catchUp(t, c) // not covered by the PING that is out
		p.pong()
		if ev := want[CaughtUp](t, c); ev.No != late-1 {
			t.Errorf("%+v answers the call %d", ev, late)
		}
		p.expectPing()
		p.close()
		late = catchUp(t, c)
		p, _ = f.again(c, welcome(0))
		p.expectPing()
		p.pong()
		if ev := want[CaughtUp](t, c); ev.No != late {
			t.Errorf("%+v, want %d", ev, late)
		}
		closeClient(t, c)
	})
}

func TestAKeepalivesPongIsNoAnswerToCatchUp(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		p.expectPing() // of the keepalive
		catchUp(t, c)
		p.expectPing()
		p.pong()
		noEvent(t, c)
		p.pong()
		want[CaughtUp](t, c)
		closeClient(t, c)
	})
}

func TestAServerThatDoesNotAnswerACatchUpIsLeft(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		catchUp(t, c)
		p.expectPing()
		before := time.Now()
		if ev := want[Disconnected](t, c); !errors.Is(ev.Err, ErrPongTimeout) || time.Since(before) > PongTimeout {
			t.Errorf("%+v after %v", ev, time.Since(before))
		}
		closeClient(t, c)
	})
}

func TestWhatTheHelloDidNotSayIsAcknowledgedWhenItHasComeAgain(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		p.deliver(1, testPeer, 1, "m")
		m := wantText(t, c, "m")
		p.close()
		want[Disconnected](t, c)
		p = f.accept()
		if h := p.hello(); h.DownSeq != 0 {
			t.Errorf("HELLO says %d is kept", h.DownSeq)
		}
		ack(t, c, m) // between HELLO and SUCCESS
		synctest.Wait()
		p.success(welcome(0))
		want[Connected](t, c)
		no := catchUp(t, c)
		p.quiet(time.Minute) // the server would not know what is meant
		p.deliver(1, testPeer, 1, "m")
		p.expectAck(1)
		p.expectPing()
		p.pong()
		if ev := want[CaughtUp](t, c); ev.No != no {
			t.Errorf("%+v", ev)
		}
		closeClient(t, c)
	})
}
