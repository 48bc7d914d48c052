package shard

import "trunkline/store"

// lookUser has a user leave memory whose devices have all been away for long enough and are on the disk, or looks again later.
func (s *Shard) lookUser(now int64, index uint32, m *mailbox) {
	wait := s.cfg.MailboxIdleMs - (now - int64(m.seenSec)*1_000)
	if wait = min(wait, s.cfg.MailboxIdleMs); m.attached() {
		wait = s.cfg.MailboxIdleMs
	}
	if wait > 0 {
		s.armWheel(index, m, wait)
		return
	}
	if s.parked[m.user] != nil || !s.unloadable(now, m.user) {
		s.armWheel(index, m, s.cfg.MailboxIdleMs/unloadRetryPart)
		return
	}
	s.unload(index, m.user)
}

// unloadable says whether all devices of a user are away for long enough, and nothing of them is in memory alone.
func (s *Shard) unloadable(now int64, user uint64) bool {
	if g := s.groups[user]; g != nil && (g.dirtyMs != 0 || s.asked[user] > 0) {
		return false
	}
	for i := s.users.first(user); i != 0; {
		m := s.mailboxes.At(i)
		switch {
		case m.attached(), m.done|m.inflight != 0, m.held != 0, m.flags&(flagTicking|flagStarved) != 0:
			return false
		case now-int64(m.seenSec)*1_000 < s.cfg.MailboxIdleMs:
			return false
		case m.device == store.DevicePending && m.entries+m.notices > 0:
			return false
		case m.ledger != 0 && (!s.ledgers.At(m.ledger).clean() || s.ledgers.At(m.ledger).flags&ledgerLoading != 0):
			return false
		}
		i = m.next
	}
	return true
}

// unload ends all mailboxes of a user; the disk has them. The one that is looked at is off the wheel, the others are not.
func (s *Shard) unload(looked uint32, user uint64) {
	s.stats.Unloaded++
	s.leaveMemory(user)
	first := s.users.first(user)
	s.users.remove(user)
	for i := first; i != 0; {
		m := s.mailboxes.At(i)
		next := m.next
		s.stats.MailboxesIdle -= m.idle()
		if m.entries+m.notices > 0 {
			s.cfg.Queue.Drop(m.user, m.device, m.last, nil)
		}
		if m.ledger != 0 {
			s.ledgers.Free(m.ledger)
		}
		if i == looked {
			s.mailboxes.Free(i)
		} else {
			*m = mailbox{due: m.due} // it is freed when its bucket is due: to look for it there would take long
		}
		i = next
	}
}

// expireHeld drops what has waited in memory for longer than the retention, oldest first, when the device is away and all is in memory.
// What is on the disk alone expires when it is read.
func (s *Shard) expireHeld(now int64, index uint32, p *mailbox) {
	before := now/1_000 - int64(s.cfg.RetentionSec)
	if p.attached() || ownDevice(p.device) || p.entries+p.notices == 0 || s.world.present(p) != everything {
		return
	}
	m, gone := *p, store.Counts{}
	upTo := uint64(0)
	s.cfg.Queue.Scan(m.user, m.device, m.acked, func(e *store.Entry, payload []byte) bool {
		if int64(e.TimeSec) >= before {
			return false
		}
		gone.Add(e.Kind, len(payload))
		upTo = e.Seq
		return true
	})
	if upTo == 0 {
		return
	}
	m.take(gone)
	m.acked, m.sent = upTo, max(m.sent, upTo)
	s.out.reset()
	s.out.queue = append(s.out.queue, queueEffect{
		op: queueDrop, entry: store.Entry{Key: store.Key{User: m.user, Device: m.device, Seq: upTo}},
	})
	s.applyQueue()
	s.commitMailbox(index, p, &m)
	s.stats.Expired += uint64(gone.Messages)
	s.stats.ExpiredNotices += uint64(gone.Notices)
}

// take takes so much off what waits.
func (m *mailbox) take(gone store.Counts) {
	m.entries -= gone.Messages
	m.notices -= gone.Notices
	m.rejections -= uint16(gone.Rejections)
	m.bytes -= uint32(gone.Bytes)
}
