package client

import (
	"errors"
	"testing"

	"trunkline/codec"
)

func TestWhatAnEarlierRunAcknowledgedCanStillBeRead(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		s := welcome(0)
		s.WindowEntries = 4
		c, p, _ := f.connect(s)
		of := func(id uint64) Message { return Message{From: testPeer, Device: 3, Gen: 9, ID: id} }
		inGroup := func(id, seq uint64) Message {
			return Message{From: testPeer, ID: id, Group: codec.GroupBit | 5, GroupSeq: seq}
		}
		if err := c.ReadEarlier(t.Context(), of(4), of(8)); err != nil {
			t.Fatal(err)
		}
		r, err := codec.ParseReceipt(p.next())
		if err != nil || r.Kind != codec.ReceiptRead || r.Peer != testPeer || r.Device != 3 || r.Gen != 9 || r.First != 4 || r.Last != 8 {
			t.Errorf("RECEIPT %+v, %v", r, err)
		}
		if err := c.ReadEarlier(t.Context(), inGroup(2, 10), inGroup(1, 12)); err != nil { // two senders: the group's numbers count
			t.Fatal(err)
		}
		r, err = codec.ParseReceipt(p.next())
		if err != nil || r.Kind != codec.ReceiptRead || r.Group != codec.GroupBit|5 || r.Peer != 0 || r.First != 12 || r.Last != 12 {
			t.Errorf("RECEIPT of a group %+v, %v", r, err)
		}
		own := of(1)
		own.Own = true
		other := of(9)
		other.Gen = 8
		for name, pair := range map[string][2]Message{
			"backwards": {of(2), of(1)}, "two streams": {of(1), other}, "an own one": {own, own}, "none": {{}, {}},
			"a direct one and one of a group": {of(1), inGroup(2, 2)}, "of a group without its number": {inGroup(1, 0), inGroup(1, 0)},
		} {
			if err := c.ReadEarlier(t.Context(), pair[0], pair[1]); !errors.Is(err, ErrUnknownMessage) {
				t.Errorf("%s: %v", name, err)
			}
		}
		p.tick(2)
		want[Tick](t, c)
		closeClient(t, c)
		if err := c.ReadEarlier(t.Context(), of(1), of(1)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
