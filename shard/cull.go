package shard

// Culling: the mailbox of a device that is away, with nothing waiting and nothing in flight, leaves memory when the device stays away for
// Config.MailboxIdleMs. The record and, with the user's last one, the place in the index are free again. Nothing that a client could
// notice is lost with it:
//
//   - a later login brings its marks along and is adopted, as after a loss of data, and a message to the device makes the mailbox anew.
//     New mailboxes start above the highest seq that a culled one has given out (seqFloor): no seq comes twice;
//   - generations that this shard gives out start above those that a culled mailbox has given out (genFloor). A mailbox that would lift
//     that floor over generationsMax stays;
//   - a receipt for a culled device, or a message to a culled companion, makes its mailbox anew too: companions are remembered, for
//     those that never were must stay no_such_device. Over companionsMax a companion's mailbox stays;
//   - a group's message names no devices: the mailboxes of who is in a group stay, and are made anew when it is added to one;
//   - what is forgotten: when the user was last seen, and an unused rate.
//
// With a Disk nothing is forgotten, and none of the above is needed: a user whose devices are all away leaves memory whole, with whatever
// waits, and comes back when something comes (residence.go).
//
// Every mailbox is on the wheel from its first moment on, and is looked at when its bucket is due: that it was busy meanwhile is seen
// only then, so nothing on a message's way knows the wheel. A look costs one record, and a mailbox gets one or two in MailboxIdleMs.
type wheel struct {
	bucketMs int64 // 0: nothing is culled
	cursor   int64 // the bucket that is worked off: all below are empty
	present  int64 // the bucket of the last turn's time
	wakeMs   int64 // when the host was asked to wake, 0: not at all
	first    [wheelBuckets]uint32
	count    [wheelBuckets]uint32

	seqFloor   uint64
	genFloor   uint16
	companions map[companion]struct{} // whose mailboxes are culled
}

// companion is a device that is not the primary.
type companion struct {
	user   uint64
	device uint8
}

func newWheel(idleMs int64) wheel {
	if idleMs <= 0 {
		return wheel{}
	}
	return wheel{bucketMs: max(idleMs/wheelSpan, 1), companions: make(map[companion]struct{})}
}

// armWheel has a mailbox looked at after that many milliseconds, give or take a bucket.
func (s *Shard) armWheel(index uint32, m *mailbox, ms int64) {
	w := &s.wheel
	if w.bucketMs == 0 {
		return
	}
	b := (w.cursor + min(max(ms/w.bucketMs, 0)+1, wheelBuckets-1)) % wheelBuckets
	m.due, w.first[b] = w.first[b], index
	w.count[b]++
}

// cull works off the buckets that are due, at most cullsMax mailboxes a turn.
func (s *Shard) cull(now int64) {
	w := &s.wheel
	if w.bucketMs == 0 {
		return
	}
	w.present = now / w.bucketMs
	if s.mailboxes.Len() == 0 {
		w.cursor = w.present
		return
	}
	w.cursor = max(w.cursor, w.present-wheelBuckets) // once round is enough
	left := cullsMax
	for ; w.cursor < w.present; w.cursor++ {
		for b := w.cursor % wheelBuckets; w.first[b] != 0; left-- {
			if left == 0 {
				s.host.WakeAt(now + starvedRetryMs)
				return
			}
			index := w.first[b]
			m := s.mailboxes.At(index)
			w.first[b] = m.due
			w.count[b]--
			s.look(now, index, m)
		}
	}
	s.wakeForWheel(now)
}

// wakeForWheel asks for a turn when the next bucket is due that holds anything.
func (s *Shard) wakeForWheel(now int64) {
	w := &s.wheel
	if now < w.wakeMs && w.wakeMs <= now+(wheelBuckets+1)*w.bucketMs {
		s.host.WakeAt(w.wakeMs) // an earlier Tick has used up the one that was asked for
		return
	}
	w.wakeMs = 0
	for n := w.cursor; n < w.cursor+wheelBuckets; n++ {
		if w.first[n%wheelBuckets] != 0 {
			w.wakeMs = (n + 1) * w.bucketMs
			s.host.WakeAt(w.wakeMs)
			return
		}
	}
}

// look culls a mailbox or puts it back on the wheel.
func (s *Shard) look(now int64, index uint32, m *mailbox) {
	if m.state == mailboxFree {
		s.mailboxes.Free(index) // unloaded with another device of its user
		return
	}
	if s.cfg.RetentionSec > 0 {
		s.expireHeld(now, index, m)
	}
	if s.cfg.Disk != nil {
		s.lookUser(now, index, m)
		return
	}
	wait := s.cfg.MailboxIdleMs
	switch {
	case m.flags&(flagTicking|flagStarved) != 0 || m.held != 0:
	case m.state == mailboxGone:
		wait = 0
	case m.idle() == 1:
		wait = min(wait-(now-int64(m.seenSec)*1_000), wait)
	}
	if wait <= 0 && s.forgettable(m) {
		s.drop(index, m)
		return
	}
	if wait <= 0 {
		wait = s.cfg.MailboxIdleMs
	}
	s.armWheel(index, m, wait)
}

// idle is 1 for a mailbox that nobody needs just now, else 0. Stats.MailboxesIdle follows it where records change.
func (m *mailbox) idle() int64 {
	if m.state == mailboxOffline && m.entries|m.notices == 0 && m.done|m.inflight == 0 {
		return 1
	}
	return 0
}

// forgettable says whether all can be kept that must outlive a mailbox.
func (s *Shard) forgettable(m *mailbox) bool {
	if m.remembered() && len(s.wheel.companions) >= companionsMax {
		return false
	}
	if u := s.states[m.user]; u != nil && len(u.groups) > 0 && m.state != mailboxGone {
		return false
	}
	return m.givenOut(&s.world) <= generationsMax
}

// givenOut is how many generations this shard has given to the device, those below the floor included.
func (m *mailbox) givenOut(w *world) int {
	if m.registered == 0 || m.flags&flagAccount != 0 {
		return 0 // accounts count theirs
	}
	first := m.firstGen(0, w)
	if m.registered >= first {
		return int(m.registered-first) + 1
	}
	return int(generations-(first-m.registered)) + 1
}

// drop ends a mailbox.
func (s *Shard) drop(index uint32, m *mailbox) {
	w := &s.wheel
	w.seqFloor = max(w.seqFloor, m.last)
	w.genFloor = max(w.genFloor, uint16(m.givenOut(&s.world)))
	if m.remembered() {
		w.companions[companion{m.user, m.device}] = struct{}{}
	}
	s.stats.Culled++
	s.stats.MailboxesIdle -= m.idle()
	s.takeOut(index, m)
	s.mailboxes.Free(index)
}

// remembered says whether a device is still known when its mailbox is culled: a companion that was not removed.
func (m *mailbox) remembered() bool {
	return m.device != 0 && m.state != mailboxGone && !ownDevice(m.device)
}

// unlink takes a mailbox that is not the first out of its user's list.
func (s *Shard) unlink(first, index uint32, m *mailbox) {
	s.handSeen(first, m)
	for i := first; i != 0; {
		p := s.mailboxes.At(i)
		if p.next == index {
			p.next = m.next
			return
		}
		i = p.next
	}
}

// handSeen keeps when a user was last seen with the mailbox that stays.
func (s *Shard) handSeen(index uint32, m *mailbox) {
	stays := s.mailboxes.At(index)
	stays.seenSec = max(stays.seenSec, m.seenSec)
}

// returns says whether a device without a mailbox may have had one that was culled. A primary is made for whoever writes to
// it, so it need not be known.
func (s *Shard) returns(user uint64, device uint8) bool {
	if s.stats.Culled == 0 || device == 0 {
		return s.stats.Culled > 0
	}
	_, culled := s.wheel.companions[companion{user, device}]
	return culled
}

// due is how many mailboxes should have been looked at by the last turn and were not.
func (w *wheel) due() (n int64) {
	for b := w.cursor; b < w.present; b++ {
		n += int64(w.count[b%wheelBuckets])
	}
	return n
}
