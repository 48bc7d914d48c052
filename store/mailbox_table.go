package store

import (
	"math/bits"
	"math/rand/v2"
)

// mailboxTable finds the first entry of a mailbox. It is many small hash tables, each of which grows and shrinks by itself, so that none takes long.
// It has no keys: what a bucket says is compared with the entry itself.
type mailboxTable struct {
	seed, salt uint64 // nobody knows which users share a bucket
	parts      [tableParts]tablePart
	buckets    int // of all parts
}

// tablePart is a hash table with linear probing. A bucket is 32 bits of the hash, and the slot of the mailbox's first entry; 0: it is free.
// A bucket's place is given by the upper of those bits.
type tablePart struct {
	buckets []uint64 // as many as a power of two, or none
	used    uint32
	shift   uint8 // what leaves a place of 32 bits of hash
}

// mailboxSpot is where a mailbox is in the table, or would be.
type mailboxSpot struct {
	part  *tablePart
	hash  uint32
	at    uint32 // the bucket, when first is not 0
	first uint32 // slot of the first entry; 0: the mailbox is empty
}

func newMailboxTable() *mailboxTable {
	return &mailboxTable{seed: rand.Uint64(), salt: rand.Uint64() | 1}
}

// spot begins a look-up.
func (t *mailboxTable) spot(user uint64, device uint8) mailboxSpot {
	high, low := bits.Mul64(user^t.seed, t.salt+uint64(device)*tableDeviceStep)
	h := high ^ low
	return mailboxSpot{part: &t.parts[h>>(64-tablePartBits)], hash: uint32(h)}
}

// find looks a mailbox up.
func (m *Mailboxes) find(user uint64, device uint8) mailboxSpot {
	s := m.table.spot(user, device)
	p := s.part
	if p.used == 0 {
		return s
	}
	mask := uint32(len(p.buckets) - 1)
	for i := s.hash >> p.shift; ; i = (i + 1) & mask {
		b := p.buckets[i]
		if b == 0 {
			return s
		}
		if uint32(b>>32) != s.hash {
			continue
		}
		if body := m.bodies.At(uint32(b)); body.user == user && body.device == device {
			s.at, s.first = i, uint32(b)
			return s
		}
	}
}

// put notes the first entry of a mailbox.
func (t *mailboxTable) put(s *mailboxSpot, first uint32) {
	p := s.part
	if s.first == 0 {
		if int(p.used) >= len(p.buckets)/4*3 {
			t.resize(p, max(tableBucketsMin, 2*len(p.buckets)))
		}
		s.at = p.insert(s.hash, first)
		p.used++
	} else {
		p.buckets[s.at] = uint64(s.hash)<<32 | uint64(first)
	}
	s.first = first
}

// remove takes a mailbox out, and closes the gap: what was pushed behind it by full buckets moves up.
func (t *mailboxTable) remove(s *mailboxSpot) {
	p := s.part
	mask := uint32(len(p.buckets) - 1)
	gap := s.at
	for i := (gap + 1) & mask; p.buckets[i] != 0; i = (i + 1) & mask {
		home := uint32(p.buckets[i]>>32) >> p.shift
		if (i-home)&mask >= (i-gap)&mask {
			p.buckets[gap] = p.buckets[i]
			gap = i
		}
	}
	p.buckets[gap] = 0
	p.used--
	s.first = 0
	if len(p.buckets) > tableBucketsKept && int(p.used) < len(p.buckets)/8 {
		t.resize(p, len(p.buckets)/2)
	}
}

// insert takes the next free bucket.
func (p *tablePart) insert(hash, first uint32) (at uint32) {
	mask := uint32(len(p.buckets) - 1)
	at = hash >> p.shift
	for p.buckets[at] != 0 {
		at = (at + 1) & mask
	}
	p.buckets[at] = uint64(hash)<<32 | uint64(first)
	return at
}

// resize gives a part so many buckets.
func (t *mailboxTable) resize(p *tablePart, n int) {
	old := p.buckets
	p.buckets, p.shift = make([]uint64, n), uint8(32-bits.TrailingZeros32(uint32(n)))
	for _, b := range old {
		if b != 0 {
			p.insert(uint32(b>>32), uint32(b))
		}
	}
	t.buckets += n - len(old)
}

// bytes is the memory held.
func (t *mailboxTable) bytes() int64 { return int64(t.buckets) * 8 }
