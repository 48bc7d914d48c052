package shard

import (
	"math"

	"trunkline/store"
)

// ledger is what a mailbox owes the disk, and what of it lies there alone: 104 bytes while there is something of either. Mailboxes
// that are as on the disk, and have nothing waiting there, have none.
//
// On disk lie the entries of (freed, handed] that still wait. Of them those of (loaded, cold] are not in the Queue: when cold is 0, all are.
type ledger struct {
	since      uint64 // dirty: the first turn that changed it after its last slice
	handed     uint64 // entries up to here were handed to the disk
	above      uint64 // entries above go into the next slice
	freed      uint64 // entries up to here are gone from the disk, or on their way
	cold       uint64 // entries up to here may be on the disk alone; 0: none is
	loaded     uint64 // with cold: entries up to here are in the Queue again
	gated      uint64 // entries from here on that must not be told before the journal has them wait for it; 0: none
	counts     store.Counts
	index      uint32 // its mailbox
	next       uint32 // the next dirty ledger
	dirtyMs    uint32 // moment at which it became dirty
	dirtyBytes uint32 // of payloads appended since
	awaits     uint32 // promises that wait for the journal
	writing    uint16 // slices on their way
	flags      ledgerFlags
}

// ledgerFlags are one-bit facts of a ledger.
type ledgerFlags uint8

const (
	ledgerDirty     ledgerFlags = 1 << iota // on the list of those to be written back
	ledgerEvictable                         // on the list of those whose entries may leave memory
	ledgerLoading                           // a piece of it is asked for
)

// clean says whether the disk has everything.
func (l *ledger) clean() bool { return l.flags&ledgerDirty == 0 && l.writing == 0 && l.awaits == 0 }

// partly says whether entries are still on the disk alone.
func (l *ledger) partly() bool { return l.cold != 0 && l.loaded < l.cold }

// ledgerList is a list of ledgers, oldest first.
type ledgerList struct {
	first, last uint32
	count       int
}

// ledgerOf is a mailbox's ledger, made when it has none.
func (s *Shard) ledgerOf(index uint32, m *mailbox) *ledger {
	if m.ledger == 0 {
		i, l := s.ledgers.Alloc() // as many as mailboxes
		*l = ledger{index: index, handed: m.acked, above: m.acked, freed: m.acked}
		m.ledger = i
	}
	return s.ledgers.At(m.ledger)
}

// touch has a mailbox written back in its time.
func (s *Shard) touch(index uint32, m *mailbox) *ledger {
	l := s.ledgerOf(index, m)
	if l.flags&ledgerDirty != 0 {
		return l
	}
	l.flags |= ledgerDirty
	l.since, l.dirtyMs, l.next = s.cfg.Disk.Turn(), moment(s.nowMs), 0
	if d := &s.dirty; d.first == 0 {
		d.first, d.last = m.ledger, m.ledger
	} else {
		s.ledgers.At(d.last).next = m.ledger
		d.last = m.ledger
	}
	s.dirty.count++
	return l
}

// freeLedger gives a ledger back that says nothing any more.
func (s *Shard) freeLedger(m *mailbox) {
	if m.ledger == 0 {
		return
	}
	l := s.ledgers.At(m.ledger)
	if l.clean() && l.cold == 0 && l.flags&ledgerLoading == 0 && l.freed >= l.handed {
		s.ledgers.Free(m.ledger)
		m.ledger = 0
	}
}

// kept is what a mailbox's record must keep beside mark, last and acked, which have records of their own.
func (m *mailbox) kept() (k store.Head) {
	k = store.Head{
		User: m.user, Device: m.device, Flags: uint8(m.flags & flagAccount), Gen: m.gen, Registered: m.registered,
		Token: m.token, Epoch: m.epoch, SeenSec: m.seenSec,
	}
	if m.state == mailboxGone {
		k.Flags |= store.HeadGone
	}
	return k
}

// head is all that outlives the process of a mailbox's record.
func (m *mailbox) head(w *world) store.Head {
	h := m.kept()
	h.Owner, h.Mark, h.Last, h.Acked = w.cfg.OwnerEpoch, m.mark, m.last, m.acked
	if m.flags&flagDoubt != 0 {
		h.Owner-- // not ours before somebody has logged in: the doubt outlives a clean stop
	}
	h.Counts = store.Counts{Messages: m.entries, Notices: m.notices, Rejections: uint32(m.rejections), Bytes: uint64(m.bytes)}
	return h
}

// noteHead notes what of a record has changed. false: nothing that is kept.
func (s *Shard) noteHead(p, stepped *mailbox) bool {
	switch {
	case p.kept() != stepped.kept():
		s.note.Kind, s.note.Head = store.RecordHead, stepped.head(&s.world)
	case p.mark != stepped.mark:
		s.note.Kind, s.note.Head = store.RecordMark, store.Head{User: stepped.user, Device: stepped.device, Mark: stepped.mark}
	default:
		return p.last != stepped.last || p.acked != stepped.acked // by records of entries
	}
	s.noteRecord()
	return true
}

// noteRecord puts s.note into the turn.
func (s *Shard) noteRecord() {
	s.cfg.Disk.Note(&s.note)
	s.notedIn = s.cfg.Disk.Turn()
	if s.trouble {
		s.noted++
	}
}

// overNoted says whether so much waits for a disk that refuses that nothing may be added but what can't be avoided.
func (s *Shard) overNoted() bool { return s.noted >= troubleNotesMax }

// noteEntry notes a change of the Queue.
func (s *Shard) noteEntry(q *queueEffect) {
	if s.cfg.Disk == nil || q.op == queueDiscard {
		return
	}
	s.note.Entry, s.note.Payload = q.entry, q.payload
	switch q.op {
	case queueAppend:
		s.note.Kind = store.RecordAppend
	case queueReplace:
		s.note.Kind = store.RecordReplace
	case queueDrop:
		s.note.Kind = store.RecordDrop
	}
	s.noteRecord()
	s.note.Payload = nil
}

// keep notes what a step has made of a record, and what follows for the disk and for promises. *p still is what was before.
func (s *Shard) keep(index uint32, p, stepped *mailbox) {
	changed := s.noteHead(p, stepped)
	moved := stepped.unticked > 0 && (stepped.mark != p.mark || stepped.gen != p.gen) || stepped.flags&^p.flags&flagUnsettled != 0
	gated := uint64(0)
	for i := range s.out.queue {
		q := &s.out.queue[i]
		if q.entry.User != stepped.user || q.entry.Device != stepped.device {
			continue
		}
		changed = true
		l := s.touch(index, stepped)
		switch q.op {
		case queueAppend:
			l.dirtyBytes += uint32(len(q.payload))
			s.dirtyBytes += int64(len(q.payload))
			if gated == 0 && s.cfg.Durable && isGated(&q.entry) {
				gated = q.entry.Seq
			}
		case queueReplace:
			l.above = min(l.above, q.entry.Seq-1)
		}
	}
	if changed {
		if l := s.touch(index, stepped); l.cold != 0 && stepped.acked >= l.cold {
			s.becomeWarm(l)
		}
	}
	if moved || gated != 0 {
		s.await(index, stepped, gated)
	}
}

// isGated says whether an entry must not be shown before the journal has it: a rejection, which its client takes for a tick. A group's message,
// whose place among the others must survive, is durable at the group's home before it goes out.
func isGated(e *store.Entry) bool { return e.Kind == entryRejected }

// awaited is a promise that is made when its turn is durable: the first tick of a mark, and what is gated up to a seq.
type awaited struct {
	turn, mark, seq uint64
	index           uint32
	gen             uint16
}

// awaitList is a queue of promises; turns only rise in it. It is bounded by what the journal takes before there is trouble.
type awaitList struct {
	l    []awaited
	head int
}

// await puts off what a mailbox promises until this turn is durable.
func (s *Shard) await(index uint32, m *mailbox, gated uint64) {
	l := s.ledgerOf(index, m)
	if gated != 0 && l.gated == 0 {
		l.gated = gated
	}
	a := awaited{turn: s.cfg.Disk.Turn(), mark: m.mark, seq: m.last, index: index, gen: m.gen}
	if n := len(s.awaits.l); n > s.awaits.head && s.awaits.l[n-1].index == index && s.awaits.l[n-1].turn == a.turn {
		s.awaits.l[n-1] = a // mostly a mailbox moves several times in a row
		return
	}
	l.awaits++
	s.awaits.l = append(s.awaits.l, a)
}

// durable makes the promises of every turn up to that one.
func (s *Shard) durable(now int64, turn uint64) {
	q := &s.awaits
	for q.head < len(q.l) && q.l[q.head].turn <= turn {
		a := q.l[q.head]
		q.head++
		m := s.mailboxes.At(a.index)
		l := s.ledgers.At(m.ledger)
		l.awaits--
		if l.gated = 0; l.awaits > 0 {
			l.gated = a.seq + 1
		}
		s.mailboxEv = mailboxEvent{kind: evDurable, index: a.index, promised: promised{gen: a.gen, mark: a.mark}}
		s.stepMailbox(now)
		s.freeLedger(s.mailboxes.At(a.index))
		s.drainLocal(now)
	}
	if q.head == len(q.l) {
		if cap(q.l) > localMessagesMax {
			q.l = nil
		}
		q.l, q.head = q.l[:0], 0
	} else if q.head > len(q.l)/2 {
		q.l, q.head = q.l[:copy(q.l, q.l[q.head:])], 0
	}
}

// promised is the mark that became durable, of a generation.
type promised struct {
	mark uint64
	gen  uint16
}

// ticked is the mark that may be told. The difference is at most UplinkEntriesMax: SENDs above it are left unread until it moves.
func (m *mailbox) ticked() uint64 { return m.mark - uint64(m.unticked) }

// tickTo raises the mark that may be told.
func (m *mailbox) tickTo(mark uint64) {
	if mark = min(mark, m.mark); mark > m.ticked() {
		m.unticked = uint8(m.mark - mark)
	}
}

// becomeDurable tells what had to wait for the journal. Who is away hears of it in the next SUCCESS.
func (m *mailbox) becomeDurable(ev *mailboxEvent, w *world, out *effects) {
	greet := false
	if ev.promised.gen == m.gen {
		greet = m.flags&flagUnsettled != 0
		m.flags &^= flagUnsettled
	}
	mark := ev.promised.of(m)
	told := mark > m.ticked()
	m.tickTo(mark)
	switch {
	case !m.attached():
	case greet:
		m.greet(ev.index, w, out)
	default:
		if told {
			m.oweTick(out)
		}
		m.push(w, out)
		m.pong(out)
	}
}

// of is the mark of a mailbox that became durable; 0: of an earlier generation, which nobody is told any more.
func (p promised) of(m *mailbox) uint64 {
	if p.gen != m.gen {
		return 0
	}
	return p.mark
}

// settled is the seq up to which everything may be pushed, gated or not.
func (w *world) settled(m *mailbox) uint64 {
	if m.ledger == 0 {
		return everything
	}
	if l := w.ledgers.At(m.ledger); l.gated != 0 {
		return l.gated - 1
	}
	return everything
}

// everything is above every seq.
const everything = math.MaxUint64

// present is the seq up to which all that waits is in the Queue.
func (w *world) present(m *mailbox) uint64 {
	if m.ledger == 0 {
		return everything
	}
	if l := w.ledgers.At(m.ledger); l.partly() {
		return max(l.loaded, m.acked)
	}
	return everything
}

// behind says whether the disk holds up what a session's mailbox would push.
func (w *world) behind(s *session) bool {
	if w.cfg.Disk == nil {
		return false
	}
	index := w.find(s.user, s.device, s.mailbox)
	return index != 0 && w.mailboxes.At(index).flags&flagBehind != 0
}
