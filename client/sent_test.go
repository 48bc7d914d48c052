package client

import (
	"encoding/json"
	"testing"

	"trunkline/codec"
)

// textState is an application's own State: it writes all that it is given as text.
type textState struct {
	State
}

func (s textState) Load() (Snapshot, error) {
	snap, err := s.State.Load()
	if err != nil {
		return snap, err
	}
	text, err := json.Marshal(snap)
	if err != nil {
		return snap, err
	}
	var read Snapshot
	return read, json.Unmarshal(text, &read)
}

// TestARangeOfTicksIsTrueOfWhatGetsItsPlaceLater: a place is all that is needed, and comes before the first tick here.
func TestARangeOfTicksIsTrueOfWhatGetsItsPlaceLater(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		first, second, third := sendGroup(t, c, "one"), sendGroup(t, c, "two"), sendGroup(t, c, "three")
		for range 3 {
			p.anySend()
		}
		p.groupReceipt(1, codec.ReceiptDelivered, testGroup, first, third)
		want[Tick](t, c)
		levelOf(t, c, second, TickNone)
		p.expectAck(1)
		p.place(2, second, 8)
		want[GroupPlaced](t, c)
		levelOf(t, c, second, TickDelivered)
		closeClient(t, c)
	})
}

// TestAStateOfTheApplicationKeepsWhatARangeHasNoted: all that a Snapshot says can be written by somebody else, and Client.Sent shows none of it before
// it is true.
func TestAStateOfTheApplicationKeepsWhatARangeHasNoted(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		first, second, third := sendGroup(t, c, "one"), sendGroup(t, c, "two"), sendGroup(t, c, "three")
		for range 3 {
			p.anySend()
		}
		p.groupReceipt(1, codec.ReceiptDelivered, testGroup, first, third)
		want[Tick](t, c)
		p.expectAck(1)
		sentIs(t, c, Sent{ID: second, Peer: testGroup})
		closeClient(t, c)

		c, p, _ = f.connect(welcome(0), WithState(textState{State: state}))
		for range 3 {
			p.anySend()
		}
		sentIs(t, c, Sent{ID: second, Peer: testGroup})
		p.tick(third)
		want[Tick](t, c)
		sentIs(t, c, Sent{ID: second, Peer: testGroup, Level: TickDelivered})
		closeClient(t, c)
	})
}

// sentIs compares all that is said of a message.
func sentIs(t *testing.T, c *Client, s Sent) {
	t.Helper()
	if got, ok := c.Sent(s.ID); !ok || got != s {
		t.Errorf("message %d is %+v (known %v), want %+v", s.ID, got, ok, s)
	}
}
