package shard

import (
	"encoding/binary"

	"trunkline/store"
)

// State mailboxes: what a shard must remember of a user or a group beside its devices lies in two mailboxes of the place that no client can
// log in to, so that journal, write-back, loading, backup and repair need not know of it.
//
//	(place, store.DeviceState)    the newest snapshot of the place's state, in chunks
//	(place, store.DevicePending)  what has been taken and must be gone on with after a crash
//
// A snapshot replaces the one before in the same turn: new chunks are appended, then the old ones are dropped. So after a crash there is one of
// them, whole. Each chunk begins with how many follow it.

// stateChunkBytes of a snapshot go into one entry, behind two bytes of count.
const stateChunkBytes = 32 << 10

// stateHeadBytes of an entry say how many follow it.
const stateHeadBytes = 2

// stateTime is the time of state entries: they never expire.
const stateTime = 1<<32 - 1

// ownDevice says whether a mailbox is the server's own.
func ownDevice(device uint8) bool { return device >= store.DevicePending }

// ownMailbox is one of the two of a place, made when it is missing. 0: there is no room for one more user.
func (s *Shard) ownMailbox(place uint64, device uint8) uint32 {
	if index := s.find(place, device, 0); index != 0 {
		return index
	}
	if s.users.first(place) == 0 && s.users.len() >= s.cfg.UsersMax {
		return 0
	}
	index, m := s.mailboxes.Alloc()
	if m == nil {
		return 0
	}
	s.initMailbox(index, m, place, device)
	return index
}

// appendOwn adds an entry to a mailbox of the server's own and returns its seq. payload may alias the caller's memory.
func (s *Shard) appendOwn(index uint32, e *store.Entry, payload []byte) (seq uint64) {
	return s.appendPlaced(index, e, payload, s.mailboxes.At(index).mark)
}

// appendPlaced does so and raises the mailbox's mark, which outlives the entry: for a group's order.
func (s *Shard) appendPlaced(index uint32, e *store.Entry, payload []byte, mark uint64) (seq uint64) {
	p := s.mailboxes.At(index)
	m := *p
	m.mark = mark
	s.own.reset()
	m.add(e, payload, &s.world, &s.own)
	s.commitOwn(index, p, &m)
	return m.last
}

// dropOwn drops the entries of a mailbox of the server's own up to a seq.
func (s *Shard) dropOwn(index uint32, upTo uint64) {
	p := s.mailboxes.At(index)
	if upTo <= p.acked {
		return
	}
	m := *p
	s.cfg.Queue.Scan(m.user, m.device, m.acked, func(e *store.Entry, payload []byte) bool {
		if e.Seq > upTo {
			return false
		}
		m.uncount(e.Kind, len(payload))
		return true
	})
	m.acked, m.sent = upTo, max(m.sent, upTo)
	s.own.reset()
	s.own.queue = append(s.own.queue, queueEffect{
		op: queueDrop, entry: store.Entry{Key: store.Key{User: m.user, Device: m.device, Seq: upTo}},
	})
	s.commitOwn(index, p, &m)
}

// commitOwn applies what s.own asks of the Queue. The effects of the step that is running, s.out, stay as they are.
func (s *Shard) commitOwn(index uint32, p, stepped *mailbox) {
	s.out, s.own = s.own, s.out
	s.applyQueue()
	s.commitMailbox(index, p, stepped)
	s.out, s.own = s.own, s.out
}

// uncount takes an entry off what waits.
func (m *mailbox) uncount(kind store.EntryKind, payloadBytes int) {
	if kind == entryMessage {
		m.entries--
		m.bytes -= uint32(payloadBytes)
		return
	}
	m.notices--
	if kind == entryRejected {
		m.rejections--
	}
}

// saveState makes a snapshot the state of a place; an empty one leaves none. false: there is no room for one more user.
func (s *Shard) saveState(place uint64, snapshot []byte) bool {
	index := s.find(place, store.DeviceState, 0)
	if index == 0 && len(snapshot) == 0 {
		return true
	}
	if index = s.ownMailbox(place, store.DeviceState); index == 0 {
		return false
	}
	before := s.mailboxes.At(index).last
	chunks := (len(snapshot) + stateChunkBytes - 1) / stateChunkBytes
	for i := range chunks {
		part := snapshot[i*stateChunkBytes : min((i+1)*stateChunkBytes, len(snapshot))]
		s.chunk = binary.BigEndian.AppendUint16(s.chunk[:0], uint16(chunks-1-i))
		s.chunk = append(s.chunk, part...)
		s.appendOwn(index, &store.Entry{Kind: store.KindState, TimeSec: stateTime}, s.chunk)
	}
	s.dropOwn(index, before)
	return true
}

// loadState adds the state of a place to dst; nothing when it has none. A panic may have left a snapshot in pieces, or the one before: the last
// whole one counts.
func (s *Shard) loadState(place uint64, dst []byte) []byte {
	start, from, whole := len(dst), len(dst), len(dst)
	open := false
	s.cfg.Queue.Scan(place, store.DeviceState, 0, func(e *store.Entry, payload []byte) bool {
		if len(payload) < stateHeadBytes {
			return true
		}
		if !open {
			dst = dst[:whole]
			from, open = whole, true
		}
		dst = append(dst, payload[stateHeadBytes:]...)
		if binary.BigEndian.Uint16(payload) == 0 {
			whole = start + copy(dst[start:], dst[from:])
			dst, open = dst[:whole], false
		}
		return true
	})
	return dst[:whole]
}

// activate keeps a place in memory for a while, as somebody's being there would.
func (s *Shard) activate(now int64, place uint64) {
	if index := s.find(place, store.DeviceState, 0); index != 0 && isGroup(place) {
		s.mailboxes.At(index).seenSec = uint32(now / 1000) // in memory only: nothing is noted for it alone
	}
}

// StateEntries is how many entries states take in memory, for tests: those of users and groups that are there.
func (s *Shard) StateEntries() (n int) {
	for place := range s.states {
		n += s.waitingOwn(place)
	}
	for place := range s.groups {
		n += s.waitingOwn(place)
	}
	return n
}

func (s *Shard) waitingOwn(place uint64) int {
	index := s.find(place, store.DeviceState, 0)
	if index == 0 {
		return 0
	}
	m := s.mailboxes.At(index)
	return int(m.entries + m.notices)
}
