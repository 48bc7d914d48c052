package client

import (
	"fmt"
	"testing"

	"trunkline/codec"
)

// sendsAgain takes the next frame that is no ACK, which must be a SEND of a text under a new number.
func sendsAgain(t *testing.T, p *peer, cseq uint64, text string) {
	t.Helper()
	f := p.next()
	for f.Kind == codec.KindAck {
		f = p.next()
	}
	v, err := codec.ParseSend(f)
	if err != nil {
		t.Fatalf("expecting a SEND: %v", err)
	}
	if part, _, _ := v.Parts.Next(); v.Cseq != cseq || string(part.Blob) != text {
		t.Errorf("sent %q as %d, want %q as %d", part.Blob, v.Cseq, text, cseq)
	}
}

// keptForAGroup is how many messages wait for a rejection that may still come.
func keptForAGroup(t *testing.T, c *Client, n int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := len(c.up.held.groups.rows); got != n {
		t.Errorf("%d messages are kept behind their first tick, want %d", got, n)
	}
}

// TestARangeOfTicksSaysNothingOfWhatIsSentAgainBehindIt: it spoke of the number that was refused. Nobody has read the new one.
func TestARangeOfTicksSaysNothingOfWhatIsSentAgainBehindIt(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		first, second, third := sendGroup(t, c, "one"), sendGroup(t, c, "two"), sendGroup(t, c, "three")
		for range 3 {
			p.anySend()
		}
		p.groupReceipt(1, codec.ReceiptRead, testGroup, first, third)
		want[Tick](t, c)
		p.expectAck(1)
		levelOf(t, c, second, TickNone)
		p.reject(2, codec.CodeEpochStale, testGroup, second, second)
		sendsAgain(t, p, 4, "two")
		snap, err := state.Load()
		if err != nil || len(snap.Sent) != 3 || snap.Sent[1] != (Sent{ID: second, Peer: testGroup}) {
			t.Errorf("the state has %+v, %v", snap.Sent, err)
		}
		p.tick(4)
		for want[Tick](t, c).First != second { // the rejection was a first tick, too
		}
		levelOf(t, c, second, TickServer)
		p.place(3, 4, 9)
		p.expectAck(3)
		levelOf(t, c, second, TickServer)
		levelOf(t, c, third, TickRead)
		closeClient(t, c)
	})
}

// TestAMessageThatHasItsPlaceIsNotKeptForRepetition: its first tick came later, since the server had not taken an earlier number yet.
func TestAMessageThatHasItsPlaceIsNotKeptForRepetition(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		first, second := sendGroup(t, c, "one"), sendGroup(t, c, "two")
		p.anySend()
		p.anySend()
		p.place(1, second, 8)
		want[GroupPlaced](t, c)
		p.expectAck(1)
		p.tick(second)
		want[Tick](t, c)
		keptForAGroup(t, c, 1)
		p.reject(2, codec.CodeEpochStale, testGroup, first, first)
		sendsAgain(t, p, 3, "one")
		keptForAGroup(t, c, 0)
		p.place(3, 3, 9) // under its new number
		if ev := want[GroupPlaced](t, c); ev.ID != first {
			t.Errorf("placed %+v, want message %d", ev, first)
		}
		p.expectAck(3)
		p.tick(3)
		want[Tick](t, c)
		keptForAGroup(t, c, 0)
		closeClient(t, c)
	})
}

// TestOneNumberThatIsRejectedTwiceIsSentAgainOnce: the server was killed between rejecting it and remembering so.
func TestOneNumberThatIsRejectedTwiceIsSentAgainOnce(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		sendGroup(t, c, "to a group")
		send(t, c, "to a user")
		p.anySend()
		p.anySend()
		p.reject(1, codec.CodeEpochStale, testGroup, 1, 1)
		sendsAgain(t, p, 3, "to a group")
		p.reject(2, codec.CodeDevicesStale, testPeer, 2, 2)
		sendsAgain(t, p, 4, "to a user")
		p.reject(3, codec.CodeEpochStale, testGroup, 1, 1)
		p.reject(4, codec.CodeDevicesStale, testPeer, 2, 2)
		p.expectAck(4)
		if n := c.Outstanding(); n != 2 {
			t.Errorf("%d messages are on their way, want 2", n)
		}
		p.tick(4)
		noRejection(t, c)
		closeClient(t, c)
	})
}

// noRejection takes the events that there are, none of which may say that a message was rejected.
func noRejection(t *testing.T, c *Client) {
	t.Helper()
	want[Tick](t, c) // there is one at least
	for len(c.Events()) > 0 {
		if ev, is := (<-c.Events()).(Rejected); is {
			t.Errorf("%+v", ev)
		}
	}
}

// TestAGroupsMessagesAreKeptForRepetitionUpToABound: an application sees the bound as Rejected, so it stands here as a number.
func TestAGroupsMessagesAreKeptForRepetitionUpToABound(t *testing.T) {
	const bound = 1_024
	for _, sends := range []int{bound, bound + 1} {
		t.Run(fmt.Sprint(sends), func(t *testing.T) {
			c := offlineClient(t, NewMemoryState())
			for range sends {
				sendGroup(t, c, "m")
				tickAll(c)
			}
			c.mu.Lock()
			events := c.report(&codec.Receipt{Kind: codec.ReceiptRejected, Code: uint8(codec.CodeEpochStale), Group: testGroup, First: 1, Last: 1})
			c.mu.Unlock()
			if again := c.Outstanding() == 1 && len(events) == 0; again != (sends <= bound) {
				t.Errorf("%d are sent again, %+v", c.Outstanding(), events)
			}
			if sends <= bound {
				return
			}
			if ev, is := events[0].(Rejected); len(events) != 1 || !is || ev.ID != 1 || ev.Code != codec.CodeEpochStale {
				t.Errorf("the oldest of too many: %+v", events)
			}
		})
	}
}
