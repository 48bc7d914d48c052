package store

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// slotAt looks a mailbox up by its hash and the slot of its first entry.
func (p *tablePart) slotAt(hash, first uint32) (at uint32, ok bool) {
	if len(p.buckets) == 0 {
		return 0, false
	}
	mask := uint32(len(p.buckets) - 1)
	for at = hash >> p.shift; p.buckets[at] != 0; at = (at + 1) & mask {
		if p.buckets[at] == uint64(hash)<<32|uint64(first) {
			return at, true
		}
	}
	return 0, false
}

// TestATableKeepsWhatSharesABucket has few hashes, at the table's end too, where what is pushed on begins at its front again.
func TestATableKeepsWhatSharesABucket(t *testing.T) {
	rng := seedOf(t)
	hashes := []uint32{0, 1, 1 << 31, math.MaxUint32 - 1, math.MaxUint32, 7 << 29, rng.Uint32(), rng.Uint32()}
	table := newMailboxTable()
	part := &table.parts[0]
	held := map[uint32]uint32{} // hash by slot
	for round := range 40_000 {
		grows := round/1_000%2 == 0
		slot := 1 + rng.Uint32N(600)
		s := mailboxSpot{part: part, hash: hashes[rng.IntN(len(hashes))]}
		if hash, ok := held[slot]; ok {
			s.hash = hash
			if s.at, ok = part.slotAt(hash, slot); !ok {
				t.Fatalf("round %d: slot %d with hash %x is lost", round, slot, hash)
			}
			if s.first = slot; grows && rng.IntN(4) > 0 {
				continue
			}
			table.remove(&s)
			delete(held, slot)
		} else if grows || rng.IntN(8) == 0 {
			table.put(&s, slot)
			held[slot] = s.hash
			if at, ok := part.slotAt(s.hash, slot); !ok || at != s.at || s.first != slot {
				t.Fatalf("round %d: slot %d is at %d (%t), and was put at %d", round, slot, at, ok, s.at)
			}
		}
		if int(part.used) != len(held) || len(part.buckets) != table.buckets || int(part.used) > table.buckets {
			t.Fatalf("round %d: %d of %d are used, want %d", round, part.used, table.buckets, len(held))
		}
	}
	for slot, hash := range held {
		at, ok := part.slotAt(hash, slot)
		if !ok {
			t.Fatalf("slot %d is lost", slot)
		}
		table.remove(&mailboxSpot{part: part, hash: hash, at: at, first: slot})
	}
	same(t, "buckets kept", len(part.buckets), tableBucketsKept)
	for _, b := range part.buckets {
		same(t, "bucket", b, 0)
	}
}

// TestMailboxesOfOneHashAreToldApart: with nothing to tell them apart but the entries.
func TestMailboxesOfOneHashAreToldApart(t *testing.T) {
	m := NewMailboxes()
	m.table.salt = 0 // device 0 of everybody has the hash 0
	for user := range uint64(200) {
		must(t, m.Append(&Entry{Key: Key{User: user, Seq: user + 1}}, []byte{byte(user)}))
	}
	for user := uint64(0); user < 200; user += 3 {
		same(t, "dropped", m.Drop(user, 0, math.MaxUint64, nil), 1)
	}
	for user := range uint64(200) {
		e, ok := m.Last(user, 0)
		if ok == (user%3 == 0) || ok && (e.User != user || e.Seq != user+1) {
			t.Errorf("user %d: %+v, %t", user, e, ok)
		}
	}
}

// longMailbox is one with n entries, of seqs that are a little apart.
func longMailbox(t testing.TB, n int) (m *Mailboxes, seqs []uint64) {
	t.Helper()
	m = NewMailboxes()
	rng := rand.New(rand.NewPCG(1, 6))
	seq := uint64(1 << 40)
	for range n {
		seq += 1 + rng.Uint64N(3)
		if err := m.Append(&Entry{Key: Key{User: 7, Device: 3, Seq: seq}}, nil); err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
	}
	return m, seqs
}

func TestEverySeqOfALongMailboxIsFound(t *testing.T) {
	m, seqs := longMailbox(t, 3_000)
	must(t, m.Append(&Entry{Key: Key{User: 7, Device: 2, Seq: math.MaxUint64}}, nil))
	must(t, m.Append(&Entry{Key: Key{User: 7, Device: 4, Seq: 64}}, nil))
	for len(seqs) > 0 {
		for i, seq := range seqs {
			want := seqs[i:]
			if i > 0 && seqs[i-1]+1 < seq {
				want = seqs[i-1:]
				m.Scan(7, 3, seqs[i-1]-1, func(e *Entry, _ []byte) bool { same(t, "first", e.Seq, want[0]); return false })
			}
			m.Scan(7, 3, seq-1, func(e *Entry, _ []byte) bool { same(t, "first", e.Seq, seq); return false })
			if !m.has(7, 3, seq) || m.has(7, 3, seq+1) != (i+1 < len(seqs) && seqs[i+1] == seq+1) {
				t.Fatalf("seq %d of %d", i, len(seqs))
			}
		}
		gone := min(len(seqs), 1_000)
		same(t, "dropped", m.Drop(7, 3, seqs[gone-1], nil), gone)
		seqs = seqs[gone:]
	}
	same(t, "keys in the tree", m.tree.Len(), 2) // of device 4, and the end
}

func (m *Mailboxes) has(user uint64, device uint8, seq uint64) bool {
	return m.lookUp(&Key{User: user, Device: device, Seq: seq}) != 0
}

// TestAGroupsMessageLeavesNothing: one block for 1,024 entries, whichever of them goes last.
func TestAGroupsMessageLeavesNothing(t *testing.T) {
	rng := seedOf(t)
	m := NewMailboxes()
	payload := bytes.Repeat([]byte("sealed."), 30)
	for round := range 8 {
		first := Key{User: 1, Seq: uint64(round + 1)}
		must(t, m.Append(&Entry{Key: first}, payload))
		one := m.payloads.InUse()
		for user := uint64(2); user <= groupMembers; user++ {
			must(t, m.AppendShared(&Entry{Key: Key{User: user, Device: uint8(user % 3), Seq: first.Seq}}, first, 0))
		}
		same(t, "bytes in blocks", m.payloads.InUse(), one)
		same(t, "bytes of payloads", m.Stats().PayloadBytes, groupMembers*int64(len(payload)))
		for i, at := range rng.Perm(groupMembers) {
			user, device := uint64(at+1), uint8((at+1)%3)
			if user == 1 {
				device = 0
			}
			seen := 0
			m.Scan(user, device, 0, func(_ *Entry, b []byte) bool {
				if seen++; !bytes.Equal(b, payload) {
					t.Errorf("user %d has another payload", user)
				}
				return true
			})
			same(t, "seen", seen, 1)
			same(t, "dropped", m.Drop(user, device, first.Seq, func(_ *Entry, n int) { same(t, "bytes", n, len(payload)) }), 1)
			if last := i == groupMembers-1; last != (m.payloads.InUse() == 0) {
				t.Fatalf("%d of %d are gone, %d bytes in blocks", i+1, groupMembers, m.payloads.InUse())
			}
		}
		if s := m.Stats(); s.Entries != 0 || s.PayloadBytes != 0 || m.mailboxes() != 0 {
			t.Fatalf("%+v", s)
		}
	}
}

// TestAPayloadIsSharedOnlyWithWhatIsThere: an entry that is gone is no entry, though another one has its place.
func TestAPayloadIsSharedOnlyWithWhatIsThere(t *testing.T) {
	m := NewMailboxes()
	none := Key{} // as a free slot reads
	share := func(seq uint64, of Key) error { return m.AppendShared(&Entry{Key: Key{User: 5, Seq: seq}}, of, 0) }
	must(t, m.Append(&Entry{Key: none}, []byte("zero")))
	must(t, share(1, none))
	same(t, "dropped", m.Drop(0, 0, 0, nil), 1)
	mustBe(t, "of one that is gone", share(2, none), ErrNoEntry)
	must(t, m.Append(&Entry{Key: Key{User: 6, Seq: 1}}, []byte("other")))
	mustBe(t, "of one that is gone", share(2, none), ErrNoEntry)
	must(t, share(2, Key{User: 6, Seq: 1}))
	mustBe(t, "a seq that was used", share(2, Key{User: 6, Seq: 1}), ErrOrder)
	mustBe(t, "a user that is none", m.AppendShared(&Entry{Key: Key{User: UserMax + 1}}, Key{User: 6, Seq: 1}, 0), ErrUser)
	mustBe(t, "of a user that is none", share(3, Key{User: math.MaxUint64}), ErrNoEntry)
	got := ""
	m.Scan(5, 0, 0, func(_ *Entry, b []byte) bool { got += string(b) + " "; return true })
	same(t, "payloads", got, "zero other ")
	if !errors.Is(m.Append(&Entry{Key: Key{User: 5, Seq: 1}}, nil), ErrOrder) {
		t.Error("a seq below the last")
	}
}

// TestALaneOutlivesItsEntry: also when the memory of its entry's slot was given back, and when another entry has the slot.
func TestALaneOutlivesItsEntry(t *testing.T) {
	const fill, laneUsers = 3_000, 10_000 // the slots of the fill take more than one chunk
	m := NewMailboxes()
	take := func(from, to uint64, payload string) {
		for user := from; user < to; user++ {
			must(t, m.Append(&Entry{Key: Key{User: user, Seq: 1}}, []byte(payload)))
		}
	}
	share := func(lane int) error {
		e := Entry{Key: Key{User: uint64(2*laneUsers + lane), Seq: 1}}
		return m.AppendShared(&e, Key{User: uint64(laneUsers + lane%SharedLanes), Seq: 1}, lane)
	}
	take(0, fill, "")
	var slots [SharedLanes]uint32
	for lane := range SharedLanes {
		user := uint64(laneUsers + lane)
		take(user, user+1, fmt.Sprintf("of lane %d", lane))
		slots[lane] = m.lookUp(&Key{User: user, Seq: 1})
		must(t, share(lane))
	}
	same(t, "lanes", m.shared, slots)
	for user := range uint64(3 * laneUsers) {
		m.Drop(user, 0, 1, nil)
	}
	same(t, "entries", m.Stats().Entries, 0)
	for lane, slot := range slots {
		m.shared[lane] = slot
		if m.bodies.At(slot) != nil {
			t.Fatalf("slot %d of lane %d has its memory still", slot, lane)
		}
		mustBe(t, "without memory", share(lane), ErrNoEntry)
		same(t, "the lane", m.shared[lane], 0)
	}
	take(0, fill+2*SharedLanes, "other")
	for lane, slot := range slots {
		m.shared[lane] = slot // as if it had not been asked in between
		if b := m.bodies.At(slot); b == nil || b.user >= laneUsers {
			t.Fatalf("slot %d of lane %d has no other entry", slot, lane)
		}
		mustBe(t, "with another entry in its slot", share(lane), ErrNoEntry)
	}
	for lane := range 2 * SharedLanes { // those above share the lanes, not the payloads
		if lane < SharedLanes {
			take(uint64(laneUsers+lane), uint64(laneUsers+lane+1), fmt.Sprintf("of lane %d again", lane))
		}
		must(t, share(lane))
		got := ""
		m.Scan(uint64(2*laneUsers+lane), 0, 0, func(_ *Entry, b []byte) bool { got += string(b); return true })
		same(t, "payload", got, fmt.Sprintf("of lane %d again", lane%SharedLanes))
	}
}

// BenchmarkLongMailbox looks for one entry anywhere among 100,000 of one mailbox, and restores them all below as many others.
func BenchmarkLongMailbox(b *testing.B) {
	m, seqs := longMailbox(b, 100_000)
	b.Run("seek", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(2, 6))
		seen := 0
		b.ReportAllocs()
		for b.Loop() {
			m.Scan(7, 3, seqs[rng.IntN(len(seqs))]-1, func(*Entry, []byte) bool { seen++; return false })
		}
	})
	b.Run("restore", func(b *testing.B) {
		n := 0
		for b.Loop() {
			if n++; n%100_000 == 1 {
				b.StopTimer()
				m.Drop(7, 3, 1<<39, nil)
				b.StartTimer()
			}
			if err := m.Restore(&Entry{Key: Key{User: 7, Device: 3, Seq: uint64(n)}}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
