package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// groupPlace is the largest place of a group: the last user and as many groups as a number of 57 bits has.
const groupPlace = 1_000_000_000_000_000_000 - 1 + 1<<57 - 1

// shared is the append of one group message to one of its members.
func shared(user uint64, seq uint64, payload []byte) *Record {
	return &Record{Kind: RecordAppend, Same: true, Payload: payload, Entry: Entry{
		Key: Key{User: user, Seq: seq}, Kind: KindMessage, Flags: FlagGroup, Peer: 9, PeerDevice: 1, Gen: 1, First: 7, Last: 3, TimeSec: 100,
	}}
}

// TestAPayloadOfAThousandMailboxesIsWrittenOnce goes the whole way: desk, journal, power cut, start.
func TestAPayloadOfAThousandMailboxesIsWrittenOnce(t *testing.T) {
	const members = 1_000
	payload := bytes.Repeat([]byte("sealed "), 29)
	for _, journals := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d journals", journals), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			w := newWorld(t, fs, 41)
			for i := range journals {
				w.o.Journals = append(w.o.Journals, fmt.Sprintf("data/journal%d", i))
			}
			w.o.JournalBytes = 0
			w.open()
			for turn := range 2 {
				for user := range uint64(members) {
					w.loops[0].desk.Note(shared(3*user, uint64(turn+1), payload))
				}
				w.loops[0].desk.Submit(1)
			}
			w.allDurable()
			got := w.k.Stats().Journal.Bytes
			most := uint64(2 * (members*65 + journals*(len(payload)+200)))
			t.Logf("%d bytes, %.1f for each entry", got, float64(got)/(2*members))
			if got > most || got < 2*members*recordAgainBytes {
				t.Errorf("%d bytes of journal for %d entries, want at most %d", got, 2*members, most)
			}
			w.fs = fs.CrashClone(vfs.CrashCloneCfg{})
			must(t, w.k.Close(false))
			w.o.FS = w.fs
			w.open()
			same(t, "records", w.k.Recovery().Journal.Records, 2*members)
			for user := range uint64(members) {
				seen := 0
				must(t, w.k.offline.Entries(3*user, 0, 0, func(e *Entry, b []byte) bool {
					seen++
					want := shared(3*user, uint64(seen), nil).Entry
					if *e != want || !bytes.Equal(b, payload) {
						t.Errorf("user %d: %+v with %d bytes", 3*user, *e, len(b))
					}
					return true
				}))
				same(t, "entries", seen, 2)
			}
		})
	}
}

func TestAReplicaKeepsASharedPayloadOnce(t *testing.T) {
	payload := bytes.Repeat([]byte{7}, 300)
	r := NewReplica(nil)
	must(t, r.Apply(message(boxKey{1, 0}, boxKey{2, 0}, 1, 1)))
	for user := range uint64(1_000) {
		must(t, r.Apply(shared(user, 5, bytes.Clone(payload))))
	}
	same(t, "bytes kept", len(r.payloads), 1+len(payload))
	other := bytes.Repeat([]byte{8}, 300)
	must(t, r.Apply(shared(1, 6, other))) // whatever Same says
	if box := r.boxes[boxKey{1, 0}]; !bytes.Equal(box.added[2].payload, other) || !bytes.Equal(box.added[1].payload, payload) {
		t.Error("another payload")
	}
}

// TestPayloadsThatTakeTurnsAreWrittenOnce: as many as a reader remembers; one more, and each is written anew.
func TestPayloadsThatTakeTurnsAreWrittenOnce(t *testing.T) {
	for _, n := range []int{1, 4, SharedLanes, SharedMax, SharedMax + 1} {
		var w RecordWriter
		var list []*Record
		for user := range uint64(20) {
			for i := range n {
				r := shared(user, uint64(i+1), fmt.Appendf(nil, "payload %02d of a run", i))
				list = append(list, r)
				w.Add(r)
			}
		}
		want := n
		if n > SharedMax {
			want = len(list)
		}
		same(t, "payloads written", bytes.Count(w.Bytes(), []byte("payload ")), want)
		var reader RecordReader
		replica := NewReplica(nil)
		for b, i := w.Bytes(), 0; len(b) > 0; i++ {
			var r Record
			used, err := reader.Next(&r, b)
			must(t, err)
			if r.Entry != list[i].Entry || !bytes.Equal(r.Payload, list[i].Payload) {
				t.Fatalf("record %d of %d: %+v", i, len(list), r)
			}
			must(t, replica.Apply(&r))
			b = b[used:]
		}
		same(t, "bytes kept", len(replica.payloads), want*len("payload 00 of a run"))
	}
}

// TestWhatIsBetweenDoesNotPartAPayload: neither other records nor another payload.
func TestWhatIsBetweenDoesNotPartAPayload(t *testing.T) {
	payload, other := []byte("the same, long payload"), []byte("but of the same length")
	list := []*Record{
		shared(1, 1, payload),
		{Kind: RecordMark, Head: Head{User: 1, Mark: 3}},
		{Kind: RecordAppend, Same: true, Entry: Entry{Key: Key{User: 4, Seq: 1}, Kind: KindDelivered}}, // has none
		{Kind: RecordDrop, Entry: Entry{Key: Key{User: 1, Seq: 1}}},
		shared(2, 1, payload),
		shared(3, 1, other),
		shared(4, 2, other),
		shared(5, 1, payload),
		shared(groupPlace, 1, payload),
	}
	var w RecordWriter
	for _, r := range list {
		w.Add(r)
	}
	same(t, "payloads written", bytes.Count(w.Bytes(), payload)+bytes.Count(w.Bytes(), other), 2)
	var reader RecordReader
	for b, i := w.Bytes(), 0; len(b) > 0; i++ {
		var r Record
		n, err := reader.Next(&r, b)
		must(t, err)
		if r.Kind != list[i].Kind || r.Entry != list[i].Entry || !bytes.Equal(r.Payload, list[i].Payload) {
			t.Errorf("record %d: %+v", i, r)
		}
		b = b[n:]
	}
}

// TestAnAppendNeverGetsAnotherPayload: what a reader has not seen, or has seen otherwise, is no record.
func TestAnAppendNeverGetsAnotherPayload(t *testing.T) {
	payload := []byte("a payload to name")
	var w RecordWriter
	w.Add(shared(1, 1, payload))
	first := len(w.Bytes())
	w.Add(shared(2, 1, payload))
	again := w.Bytes()[first:]
	same(t, "bytes of an append without its payload", len(again), recordAgainBytes)
	for name, before := range map[string][]byte{
		"nothing":              nil,
		"an empty append":      AppendRecord(nil, &Record{Kind: RecordAppend}),
		"a longer payload":     AppendRecord(nil, shared(1, 1, []byte("a payload to name!"))),
		"one of equal length":  AppendRecord(nil, shared(1, 1, []byte("b payload to name"))),
		"a mark of the writer": AppendRecord(nil, &Record{Kind: RecordMark}),
	} {
		var reader RecordReader
		var r Record
		for b := before; len(b) > 0; {
			n, err := reader.Next(&r, b)
			must(t, err)
			b = b[n:]
		}
		if used, err := reader.Next(&r, again); !errors.Is(err, ErrRecord) || used != 0 {
			t.Errorf("behind %s: %d, %v", name, used, err)
		}
	}
	for n := range again {
		reader := RecordReader{last: [SharedMax]readPayload{{b: payload}}, next: 1}
		if used, err := reader.Next(new(Record), again[:n:n]); !errors.Is(err, ErrRecord) || used != 0 {
			t.Errorf("cut to %d bytes: %d, %v", n, used, err)
		}
	}
	w.Reset(bufferKeptMax)
	w.Add(shared(3, 1, payload))
	if !bytes.Contains(w.Bytes(), payload) {
		t.Error("a part has no payload of its own")
	}
}

func TestNotingASharedPayloadAllocatesNothing(t *testing.T) {
	var w RecordWriter
	run := []*Record{shared(1, 1, make([]byte, 16))} // a sender's place
	for i := range SharedLanes {
		run = append(run, shared(1, 1, bytes.Repeat([]byte{byte(i)}, 200)))
	}
	turn := func() {
		for range 100 {
			for _, r := range run {
				w.Add(r)
			}
		}
		w.Reset(bufferKeptMax)
	}
	turn()
	if n := testing.AllocsPerRun(20, turn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRecordReader reads anything as a part, and what can be read comes back from a writer.
func FuzzRecordReader(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 10))
	for range 10 {
		var w RecordWriter
		for _, r := range randomRecords(rng, 12) {
			w.Add(&r)
		}
		f.Add(bytes.Clone(w.Bytes()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var list []Record
		var reader RecordReader
		var w RecordWriter
		for len(b) > 0 {
			var r Record
			used, err := reader.Next(&r, b)
			if err != nil {
				if used != 0 || !errors.Is(err, ErrRecord) {
					t.Errorf("%d, %v", used, err)
				}
				break
			}
			if r.Kind >= recordAgain {
				t.Fatalf("kind %d", r.Kind)
			}
			list, b = append(list, r), b[used:]
			w.Add(&r)
		}
		reader = RecordReader{}
		for i, b := 0, w.Bytes(); len(b) > 0; i++ {
			var r Record
			used, err := reader.Next(&r, b)
			if err != nil || r.Kind != list[i].Kind || r.Entry != list[i].Entry || r.Head != list[i].Head || !bytes.Equal(r.Payload, list[i].Payload) {
				t.Fatalf("record %d: %+v, %v, it was %+v", i, r, err, list[i])
			}
			b = b[used:]
		}
	})
}

// BenchmarkNoteShared notes one message of a group of 1,024, and ends the turn.
func BenchmarkNoteShared(b *testing.B) {
	const members = 1_024
	r := shared(1, 1, make([]byte, 200))
	for _, same := range []bool{true, false} {
		b.Run(fmt.Sprintf("same %v", same), func(b *testing.B) {
			var w RecordWriter
			bytes := 0
			b.ReportAllocs()
			for b.Loop() {
				for user := range uint64(members) {
					r.Entry.User, r.Same = user, same
					w.Add(r)
				}
				bytes = len(w.Bytes())
				w.Reset(bufferKeptMax)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/members, "ns/record")
			b.ReportMetric(float64(bytes)/members, "B/record")
		})
	}
}

// TestAStartTellsNobodyOfWhatAGroupHasSent: the group does, and what lies in a mailbox of the server's own was taken by nobody.
func TestAStartTellsNobodyOfWhatAGroupHasSent(t *testing.T) {
	alice, bob := boxKey{1, 2}, boxKey{7, 5}
	r := NewReplica(nil)
	must(t, r.Apply(&Record{Kind: RecordHead, Head: Head{User: 1, Device: 2, Gen: 3}}))
	group := message(bob, alice, 1, 4)
	group.Entry.Flags = FlagGroup
	own := message(boxKey{groupPlace, DevicePending}, alice, 1, 5)
	direct := message(bob, alice, 2, 6)
	for _, rec := range []*Record{group, own, direct, dropped(boxKey{groupPlace, DevicePending}, 1)} {
		must(t, r.Apply(rec))
	}
	must(t, r.Apply(&Record{Kind: RecordAppend, Entry: Entry{ // the group's second tick, which says nothing of other messages
		Key: Key{User: 1, Device: 2, Seq: 1}, Kind: KindDelivered, Flags: FlagGroup, Peer: 7, PeerDevice: 5, Gen: 3, First: 1, Last: 9,
	}}))
	must(t, r.Apply(dropped(bob, 2)))
	n, err := r.TellAgain(2, 100)
	must(t, err)
	same(t, "told", n, 1)
	added := r.boxes[alice].added
	if e := added[len(added)-1].entry; e.Peer != 7 || e.First != 6 || e.Last != 6 || e.Flags != 0 {
		t.Errorf("%+v", e)
	}
}
