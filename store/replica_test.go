package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// randomRecords are changes of few mailboxes; some of them come late, twice, or name what is not there. Appends in a row may have one payload.
func randomRecords(rng *rand.Rand, n int) []Record {
	last := map[boxKey]uint64{}
	var payload []byte // of the last append that has one
	list := make([]Record, n)
	for i := range list {
		k := boxKey{rng.Uint64N(modelUsers), uint8(rng.IntN(modelDevices))}
		seq := rng.Uint64N(last[k] + 3)
		r := &list[i]
		r.Kind = []RecordKind{RecordAppend, RecordAppend, RecordAppend, RecordReplace, RecordDrop, RecordMark, RecordHead}[rng.IntN(7)]
		switch r.Kind {
		case RecordAppend:
			last[k] += 1 + rng.Uint64N(2)
			r.Entry, r.Payload = someEntry(rng, Key{User: k.user, Device: k.device, Seq: last[k]})
			r.Entry.Peer, r.Entry.PeerDevice, r.Entry.Gen = rng.Uint64N(modelUsers), uint8(rng.IntN(modelDevices)), 1
			if rng.IntN(3) == 0 {
				r.Entry.Kind, r.Payload = []EntryKind{KindDelivered, 2, KindRejected}[rng.IntN(3)], nil
				continue
			}
			if rng.IntN(3) == 0 && len(payload) > 0 {
				r.Payload, r.Same = payload, true
			}
			if len(r.Payload) > 0 {
				payload = r.Payload
			}
		case RecordReplace:
			r.Entry, _ = someEntry(rng, Key{User: k.user, Device: k.device, Seq: seq})
			r.Entry.Kind = KindDelivered
		case RecordDrop:
			r.Entry.Key = Key{User: k.user, Device: k.device, Seq: seq}
		case RecordMark:
			r.Head = Head{User: k.user, Device: k.device, Mark: rng.Uint64()}
		case RecordHead:
			r.Head = randomHead(rng, k)
			r.Head.Last, r.Head.Acked, r.Head.Counts = min(seq+1, last[k]), seq/2, Counts{}
		}
	}
	return list
}

// take applies a record to maps, as the words of Replica.Apply have it.
func (p *table) take(r *Record) {
	k := recordBox(r)
	h, ok := p.heads[k]
	if !ok {
		h = Head{User: k.user, Device: k.device}
		p.entries[k] = map[uint64]tableEntry{}
	}
	es := p.entries[k]
	switch r.Kind {
	case RecordAppend:
		if r.Entry.Seq > h.Last {
			h.Last = r.Entry.Seq
			es[r.Entry.Seq] = tableEntry{r.Entry, string(r.Payload)}
		}
	case RecordReplace:
		if r.Entry.Seq > h.Acked {
			es[r.Entry.Seq] = tableEntry{r.Entry, es[r.Entry.Seq].payload}
			h.Last = max(h.Last, r.Entry.Seq)
		}
	case RecordDrop:
		h.Acked = max(h.Acked, r.Entry.Seq)
	case RecordMark:
		h.Mark = r.Head.Mark
	case RecordHead:
		old := h
		h = r.Head
		h.Last, h.Acked = max(h.Last, old.Last), max(h.Acked, old.Acked)
	}
	h.Last, h.Counts = max(h.Last, h.Acked), Counts{}
	for seq, e := range es {
		if seq <= h.Acked {
			delete(es, seq)
		} else {
			h.Add(e.entry.Kind, len(e.payload))
		}
	}
	p.heads[k] = h
}

func applyAll(t testing.TB, r *Replica, list []Record) *Replica {
	t.Helper()
	for i := range list {
		if err := r.Apply(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// notices have no payload: a record that makes a notice of a message is none that a shard writes.
func noticesOnly(p *table, list []Record) []Record {
	kept := list[:0]
	for _, r := range list {
		if r.Kind == RecordReplace {
			k := recordBox(&r)
			if e, ok := p.entries[k][r.Entry.Seq]; ok && e.entry.Kind == KindMessage {
				continue
			}
		}
		kept = append(kept, r)
		p.take(&r)
	}
	return kept
}

func TestAReplicaEndsAsMapsDo(t *testing.T) {
	seed := testSeed(t)
	for i := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, i))
		p := newTable()
		list := noticesOnly(p, randomRecords(rng, 300))
		o := openOffline(t, vfs.NewMem())
		for len(list) > 0 { // in pieces, each on what the one before has left
			n := min(len(list), 1+rng.IntN(200))
			must(t, applyAll(t, NewReplica(o), list[:n]).WriteTo(o))
			list = list[n:]
		}
		got, err := shown(o, modelUsers, modelDevices)
		must(t, err)
		if want := p.text(); got != want {
			t.Fatalf("round %d:\n%s\nwant\n%s", i, got, want)
		}
		must(t, o.Close())
	}
}

func TestAnySuffixOnceMoreChangesNothing(t *testing.T) {
	seed := testSeed(t)
	for i := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, i))
		o := openOffline(t, vfs.NewMem())
		before := noticesOnly(newTable(), randomRecords(rng, 200))
		half := rng.IntN(len(before))
		must(t, applyAll(t, NewReplica(o), before[:half]).WriteTo(o))
		list := before[half:]
		r := applyAll(t, NewReplica(o), list)
		want := r.Hash()
		for range 20 {
			if applyAll(t, r, list[rng.IntN(len(list)):]); r.Hash() != want {
				t.Fatalf("round %d: a suffix changes the state", i)
			}
		}
		must(t, o.Close())
	}
}

func TestABaseMayBeNewerThanTheFirstRecord(t *testing.T) {
	seed := testSeed(t)
	for i := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, i))
		p := newTable()
		list := noticesOnly(p, randomRecords(rng, 150))
		want := applyAll(t, NewReplica(nil), list).Hash()
		o := openOffline(t, vfs.NewMem())
		must(t, applyAll(t, NewReplica(nil), list[:rng.IntN(len(list)+1)]).WriteTo(o))
		r := applyAll(t, NewReplica(o), list)
		if got := r.Hash(); got != want {
			t.Fatalf("round %d: another state", i)
		}
		must(t, r.WriteTo(o))
		got, err := shown(o, modelUsers, modelDevices)
		must(t, err)
		if got != p.text() {
			t.Fatalf("round %d:\n%s\nwant\n%s", i, got, p.text())
		}
		if again := applyAll(t, r, list).Hash(); again != want {
			t.Fatalf("round %d: another state when the replica begins anew", i)
		}
		must(t, o.Close())
	}
}

func TestStatesThatDifferHaveOtherHashes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	list := noticesOnly(newTable(), randomRecords(rng, 60))
	seen := map[uint64]int{}
	r, p, states := NewReplica(nil), newTable(), map[string]bool{}
	for i := range list {
		must(t, r.Apply(&list[i]))
		p.take(&list[i])
		text := p.text()
		if other, ok := seen[r.Hash()]; ok && !states[text] {
			t.Errorf("records %d and %d: one hash for two states", other, i)
		}
		seen[r.Hash()], states[text] = i, true
	}
}

// message is the record of one from a sender's device to a recipient's.
func message(recipient, sender boxKey, seq, id uint64) *Record {
	return &Record{Kind: RecordAppend, Payload: []byte("x"), Entry: Entry{
		Key: Key{User: recipient.user, Device: recipient.device, Seq: seq}, Kind: KindMessage, Peer: sender.user, PeerDevice: sender.device, Gen: 3, First: id,
	}}
}

func dropped(k boxKey, seq uint64) *Record {
	return &Record{Kind: RecordDrop, Entry: Entry{Key: Key{User: k.user, Device: k.device, Seq: seq}}}
}

func TestSecondTicksThatTheRecordsLackAreToldAgain(t *testing.T) {
	alice, bob := boxKey{1, 2}, boxKey{7, 5}
	head := &Record{Kind: RecordHead, Head: Head{User: 1, Device: 2, Gen: 3, Last: 10, Acked: 10}}
	told := func(seq, first, last uint64) *Record {
		return &Record{Kind: RecordAppend, Entry: Entry{
			Key: Key{User: 1, Device: 2, Seq: seq}, Kind: KindDelivered, Peer: 7, PeerDevice: 5, Gen: 3, First: first, Last: last,
		}}
	}
	m := func(seq, id uint64) *Record { return message(bob, alice, seq, id) }
	for _, row := range []struct {
		name     string
		base     int // how many of the records the base has already
		records  []*Record
		owner    uint32
		receipts string
	}{
		{"one stream is one range", 0, []*Record{head, m(1, 4), m(2, 6), m(3, 9), dropped(bob, 2)}, 0, "11: 4-6 "},
		{"above the owner epoch", 0, []*Record{head, m(1, 4), dropped(bob, 2)}, 1, "1099511627777: 4-4 "},
		{"nothing was acknowledged", 0, []*Record{head, m(1, 4)}, 0, ""},
		{"it was told", 0, []*Record{head, m(1, 4), m(2, 6), dropped(bob, 2), told(11, 4, 6)}, 0, "11: 4-6 "},
		{"some of it was told", 0, []*Record{head, m(1, 4), m(2, 6), dropped(bob, 1), told(11, 4, 4), dropped(bob, 2)}, 0, "11: 4-4 12: 5-6 "},
		{"messages of the base", 3, []*Record{head, m(1, 4), m(2, 6), dropped(bob, 2)}, 0, "11: 4-6 "},
		{"the base has dropped them", 4, []*Record{head, m(1, 4), m(2, 6), dropped(bob, 2)}, 0, "11: 4-6 "},
		{"nobody has that mailbox", 0, []*Record{m(1, 4), dropped(bob, 2)}, 0, ""},
		{"another generation", 0, []*Record{
			{Kind: RecordHead, Head: Head{User: 1, Device: 2, Gen: 4, Last: 10, Acked: 10}}, m(1, 4), dropped(bob, 2),
		}, 0, ""},
		{"by a head", 0, []*Record{head, m(1, 4), {Kind: RecordHead, Head: Head{User: 7, Device: 5, Acked: 1}}}, 0, "11: 4-4 "},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := openOffline(t, vfs.NewMem())
			base := NewReplica(nil)
			for _, rec := range row.records[:row.base] {
				must(t, base.Apply(rec))
			}
			must(t, base.WriteTo(o))
			r := NewReplica(o)
			for _, rec := range row.records {
				must(t, r.Apply(rec))
			}
			_, err := r.TellAgain(row.owner, 99)
			must(t, err)
			if n, err := r.TellAgain(row.owner, 99); n != 0 || err != nil {
				t.Errorf("told twice: %d, %v", n, err)
			}
			must(t, r.WriteTo(o))
			got := ""
			must(t, o.Entries(1, 2, 0, func(e *Entry, _ []byte) bool {
				got += fmt.Sprintf("%d: %d-%d ", e.Seq, e.First, e.Last)
				if e.Kind != KindDelivered || e.Peer != 7 || e.PeerDevice != 5 || e.Gen != 3 {
					t.Errorf("%+v", e)
				}
				return true
			}))
			if got != row.receipts {
				t.Errorf("receipts %q, want %q", got, row.receipts)
			}
			heads, err := o.Heads(1, nil)
			must(t, err)
			for _, h := range heads {
				n := 0
				must(t, o.Entries(1, 2, 0, func(*Entry, []byte) bool { n++; return true }))
				if h.Waiting() != n {
					t.Errorf("head counts %d, there are %d", h.Waiting(), n)
				}
			}
		})
	}
}

func TestAMailboxIsToldOnlySoMuch(t *testing.T) {
	r := NewReplica(nil)
	must(t, r.Apply(&Record{Kind: RecordHead, Head: Head{User: 1, Gen: 3}}))
	for user := uint64(2); user < TellAgainMax+10; user++ {
		must(t, r.Apply(message(boxKey{user, 0}, boxKey{1, 0}, 1, user)))
		must(t, r.Apply(dropped(boxKey{user, 0}, 1)))
	}
	if n, err := r.TellAgain(1, 1); n != TellAgainMax || err != nil {
		t.Errorf("%d receipts, %v; want %d", n, err, TellAgainMax)
	}
}
