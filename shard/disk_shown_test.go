package shard

import (
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

// A receipt keeps its seq when it grows, and a client that has the seq would drop what it has grown by.
func TestAfterAStartNoReceiptJoinsWhatAClientMayHaveSeen(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	gen := r.mailboxes.At(r.find(user, 0, 0)).gen
	delivered := message{kind: msgReceipt, user: user, gen: gen, peer: 2002, peerGen: 1, first: 1, last: 1, code: uint8(codec.ReceiptDelivered)}
	r.say(delivered) // pushed, and not acknowledged
	r.disk.sync()
	r.tick(10_000)
	r.disk.write()
	r.tick(0)

	last := r.mailboxes.At(r.find(user, 0, 0)).last

	r.start(2, nil)
	r.disk.records = nil
	early := message{kind: msgAttach, code: attachEarly, user: user, conn: connA + 1, gen: gen, peer: 7, first: last, seq: 2}
	r.say(early) // has the entries loaded, and has to wait
	r.settleLoads(1000)
	delivered.first, delivered.last = 2, 2
	r.say(delivered)
	r.settleLoads(1000)
	if len(r.disk.records) != 1 || r.disk.records[0].Entry.First != 2 {
		t.Errorf("the second receipt was noted as %+v", r.disk.records)
	}
	for _, rec := range r.disk.records {
		if rec.Kind == store.RecordReplace {
			t.Errorf("receipt %d has become %d to %d", rec.Entry.Seq, rec.Entry.First, rec.Entry.Last)
		}
	}
}
