package client

import (
	"bytes"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// FuzzServer feeds a logged-in client whatever a broken server may send: it must end the link or go on, within its bounds.
func FuzzServer(f *testing.F) {
	must := func(b []byte, err error) []byte {
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	tick := must(codec.AppendTick(nil, &codec.Tick{UpHigh: 2}))
	deliver := must(codec.AppendDeliver(nil, &codec.Deliver{Seq: 1, From: 5, ID: 1, Kind: codec.PayloadCompressed, Blob: []byte("x")}))
	receipt := must(codec.AppendReceipt(nil, &codec.Receipt{Seq: 2, Kind: codec.ReceiptRejected, Code: 5, Gen: testGen, Peer: testPeer, First: 1, Last: 1 << 60}))
	refusal := must(codec.AppendError(nil, &codec.Error{Code: codec.CodeServerFull, Ref: 1, RetryAfterMs: 1 << 31}))
	away := must(codec.AppendGoAway(nil, &codec.GoAway{Code: codec.CodeDraining}))
	f.Add(bytes.Join([][]byte{tick, deliver, receipt, refusal, away, codec.AppendPing(nil), {2, 0xFF, 0}}, nil))
	notice := must(iq.AppendNotice(nil, &iq.Notice{
		Devices: iq.DeviceList{User: testPeer, Version: 2, List: []uint8{0, 1}, Signature: make([]byte, 64)},
	}))
	stale := must(codec.AppendReceipt(nil, &codec.Receipt{Seq: 3, Kind: codec.ReceiptRejected, Code: uint8(codec.CodeDevicesStale), Gen: testGen, Peer: testPeer, First: 1, Last: 3}))
	event := must(iq.AppendEvent(nil, &iq.Event{Op: iq.OpGroupAdd, Epoch: 4, Users: []uint64{5}}))
	change := must(codec.AppendDeliver(nil, &codec.Deliver{
		Seq: 4, From: 5, ID: 1, Kind: codec.PayloadGroupEvent, Flags: codec.FlagGroup, Group: testGroup, GroupSeq: 7, Blob: event,
	}))
	answer := must(iq.AppendAnswer(nil, &iq.Answer{Ref: refMin, Op: iq.OpContactsGet, Users: []uint64{7}}))
	own := must(codec.AppendDeliver(nil, &codec.Deliver{Seq: 5, From: testUser, ID: 2, Kind: PayloadCopy, Blob: appendCopy(nil, &copied{to: 9, id: 3})}))
	typing := must(codec.AppendTyping(nil, &codec.Typing{Peer: 5, State: 1}))
	f.Add(bytes.Join([][]byte{notice, stale, change, answer, own, typing}, nil))
	f.Fuzz(func(t *testing.T, wire []byte) {
		c := offlineClient(t, NewMemoryState())
		c.generation = testGen
		go func() {
			for range c.events {
			}
		}()
		for range 3 {
			if _, err := c.Send(t.Context(), testPeer, []byte("m")); err != nil {
				t.Fatal(err)
			}
		}
		c.mu.Lock()
		if _, err := c.pose(&iq.Request{Op: iq.OpContactsGet}); err != nil {
			t.Fatal(err)
		}
		c.mu.Unlock()
		l := &link{conn: deadConn{bytes.NewReader(wire)}, in: &frameReader{conn: deadConn{bytes.NewReader(wire)}}}
		c.mu.Lock()
		c.link = l
		c.up.begin(64, 1<<20)
		w := writer{c: c}
		w.fill(l, c.cfg.now())
		c.mu.Unlock()
		if err := c.serve(l); err == nil {
			t.Error("the end of the wire was not noticed")
		}
		c.mu.Lock()
		w.fill(l, c.cfg.now())
		c.mu.Unlock()
		close(c.events)
		if len(c.down.pending) > PendingMax || c.up.ticked > 3*(1+RepeatsMax) || cap(l.in.buf) > codec.FrameBytesMax {
			t.Errorf("pending %d, ticked %d, buffer %d", len(c.down.pending), c.up.ticked, cap(l.in.buf))
		}
	})
}
