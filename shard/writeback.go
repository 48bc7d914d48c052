package shard

import "trunkline/store"

// Write-back: a mailbox that has changed is written some seconds later, with what still waits then. Most messages have been
// acknowledged by that time and never reach the disk but in the journal.

// slice is a mailbox that was handed to the disk in a turn.
type slice struct {
	turn, since uint64
	ledger      uint32
}

// sliceList is a queue of slices, in the order of turns; at most as many as there are dirty mailboxes in WriteBackMs.
type sliceList struct {
	l    []slice
	head int
}

// LowWater is the first turn of which something is neither on the disk nor in the present slice: the journal is needed from there on.
func (s *Shard) LowWater() uint64 {
	if s.cfg.Disk == nil {
		return 0
	}
	low := s.cfg.Disk.Turn()
	if s.slices.head < len(s.slices.l) {
		low = min(low, s.slices.l[s.slices.head].since)
	}
	if s.dirty.first != 0 {
		low = min(low, s.ledgers.At(s.dirty.first).since)
	}
	return low
}

// writeBack hands over the mailboxes that have been dirty for long enough, a slice in each turn.
func (s *Shard) writeBack(now int64) {
	if now < s.diskFullMs && s.dirty.first != 0 {
		s.host.WakeAt(s.diskFullMs)
		return
	}
	for n := 0; s.dirty.first != 0; n++ {
		if wait := s.untilDue(now); wait > 0 {
			s.host.WakeAt(now + wait)
			return
		}
		bytes := 0
		if n < sliceMailboxesMax {
			bytes = s.handOver()
		}
		switch {
		case bytes >= store.SliceWaitingMax: // of all loops: the disk is behind, and more would only take memory
			s.diskFullMs = now + diskFullRetryMs
			return
		case n == sliceMailboxesMax, bytes >= sliceBytesMax:
			s.host.WakeAt(now + starvedRetryMs)
			return
		}
	}
}

// untilDue is how long the oldest dirty mailbox may stay dirty, in milliseconds.
func (s *Shard) untilDue(now int64) int64 {
	if s.dirtyBytes >= s.cfg.DirtyBytesMax {
		return 0
	}
	age := int64(moment(now) - s.ledgers.At(s.dirty.first).dirtyMs)
	return s.cfg.WriteBackMs - age
}

// handOver puts the oldest dirty mailbox into the slice of this turn.
func (s *Shard) handOver() (sliceBytes int) {
	i := s.dirty.first
	l := s.ledgers.At(i)
	if s.dirty.first = l.next; s.dirty.first == 0 {
		s.dirty.last = 0
	}
	s.dirty.count--
	m := s.mailboxes.At(l.index)
	s.slices.l = append(s.slices.l, slice{turn: s.cfg.Disk.Turn(), since: l.since, ledger: i})
	l.flags &^= ledgerDirty
	l.writing++
	s.dirtyBytes -= int64(l.dirtyBytes)
	l.dirtyBytes = 0
	head := m.head(&s.world)
	gone := store.SeqRange{After: l.freed, UpTo: min(m.acked, l.handed)}
	sliceBytes = s.cfg.Disk.WriteBack(&head, max(l.above, m.acked), gone)
	l.handed, l.above = max(l.handed, m.last), m.last
	l.freed = max(l.freed, min(m.acked, l.handed)) // what was acknowledged before it was handed over never gets there
	return sliceBytes
}

// written takes the slices off that the disk has.
func (s *Shard) written(turn uint64) {
	q := &s.slices
	for q.head < len(q.l) && q.l[q.head].turn <= turn {
		i := q.l[q.head].ledger
		q.head++
		l := s.ledgers.At(i)
		l.writing--
		s.offer(i, l)
	}
	if q.head > len(q.l)/2 {
		q.l, q.head = q.l[:copy(q.l, q.l[q.head:])], 0
	}
}

// offer lets go of a ledger that is written, or has its entries leave memory when there is need.
func (s *Shard) offer(i uint32, l *ledger) {
	index := l.index
	m := s.mailboxes.At(index)
	s.freeLedger(m)
	s.offerGone(index, m)
	if m.ledger != 0 && s.evictable(m, l) && l.flags&ledgerEvictable == 0 {
		l.flags |= ledgerEvictable
		s.evictables = append(s.evictables, i)
	}
}

// WriteBackAll hands over what is dirty, whatever its age, a slice at a time, and says how many mailboxes are not on the disk yet. It is
// for the end, when no event comes any more: call it, submit, and settle, until nothing is left.
func (s *Shard) WriteBackAll() (left int) {
	if s.cfg.Disk == nil {
		return 0
	}
	s.saveMarks(s.nowMs, true)
	s.cfg.Disk.News(func(n *store.News) {
		if n.Kind == store.NewsWritten {
			s.written(n.Turn)
		}
	})
	for s.dirty.first != 0 && s.handOver() < sliceBytesMax {
	}
	return s.dirty.count + len(s.slices.l) - s.slices.head
}
