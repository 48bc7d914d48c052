package client

import (
	"bytes"
	"testing"

	"trunkline/codec"
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
		if len(c.down.pending) > PendingMax || c.up.ticked > 3 || cap(l.in.buf) > codec.FrameBytesMax {
			t.Errorf("pending %d, ticked %d, buffer %d", len(c.down.pending), c.up.ticked, cap(l.in.buf))
		}
	})
}
