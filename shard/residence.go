package shard

import (
	"trunkline/codec"
	"trunkline/store"
)

// Residence: which mailboxes, and which of their entries, are in memory.
//
// A user is in memory with all devices or with none. Who is not is loaded when somebody logs in or something comes for it; what comes
// meanwhile is parked. Entries come back in pieces, as far as the window of a device that is there needs them; those of a device that is
// away leave memory when memory is short, those first that have waited on the disk for longest.

// takeNews hears what the disk has done.
func (s *Shard) takeNews(now int64) {
	s.newsNow = now
	s.cfg.Disk.News(s.onNews)
}

// hear takes one piece of news; it is made a function value once.
func (s *Shard) hear(n *store.News) {
	now := s.newsNow
	switch n.Kind {
	case store.NewsDurable:
		s.durable(now, n.Turn)
	case store.NewsWritten:
		s.written(n.Turn)
	case store.NewsUser:
		s.userCame(now, n)
	case store.NewsEntries:
		s.entriesCame(now, n)
	case store.NewsTrouble:
		if s.trouble = n.Stopped; !s.trouble {
			s.noted = 0
		}
	case store.NewsExpired, store.NewsPending:
		if s.users.first(n.User) == 0 && s.parked[n.User] == nil && len(s.parked) < parkedUsersMax {
			s.parkFor(n.User)
			s.fetchUser(now, n.User)
		}
	}
}

// fetchUser asks for the heads of a user.
func (s *Shard) fetchUser(now int64, user uint64) {
	s.stats.Loads++
	load := store.Load{User: user}
	if s.cfg.RetentionSec > 0 {
		load.ExpireBefore = uint32(max(now/1_000-int64(s.cfg.RetentionSec), 0))
	}
	s.cfg.Disk.Load(&load)
}

// userCame takes a user into memory, and then what was parked.
func (s *Shard) userCame(now int64, n *store.News) {
	p := s.parked[n.User]
	if p == nil {
		return
	}
	switch {
	case n.Failed == store.LoadRetry, len(n.Heads) > 0 && s.users.len() >= s.cfg.UsersMax:
		s.stats.LoadsFailed++
		s.retryLater(now, retry{user: n.User})
		return
	case n.Failed == store.LoadDamaged:
		s.stats.LoadsDamaged++
		p.damaged = true
	case s.users.first(n.User) == 0:
		for i := range n.Heads {
			s.install(now, &n.Heads[i])
		}
		if s.fetchOwn(n.User) {
			p.own = true
			return
		}
		p.fresh = true
	}
	s.ready = append(s.ready, n.User)
}

// fetchOwn asks for what is not in memory of a place's own mailboxes. false: all is.
func (s *Shard) fetchOwn(place uint64) bool {
	asked := false
	for i := s.users.first(place); i != 0; {
		m := s.mailboxes.At(i)
		if ownDevice(m.device) && m.ledger != 0 && s.ledgers.At(m.ledger).partly() {
			asked = true
			s.fetchEntries(m)
		}
		i = m.next
	}
	return asked
}

// ownCame takes a piece of a state into memory; with the last one the place goes on.
func (s *Shard) ownCame(now int64, m *mailbox, l *ledger, n *store.News) {
	before := l.loaded
	s.restore(m, l, n)
	p := s.parked[n.User]
	switch {
	case p == nil || !p.own:
	case l.partly() && l.loaded == before: // there was no room in memory
		l.flags |= ledgerLoading
		s.retryLater(now, retry{user: n.User, device: n.Device, entries: true})
	case !s.fetchOwn(n.User):
		p.own, p.fresh = false, true
		s.ready = append(s.ready, n.User)
	}
}

// coldCounts is what of a mailbox is not in the Queue.
func (s *Shard) coldCounts(m *mailbox) store.Counts {
	if m.ledger == 0 {
		return store.Counts{}
	}
	return s.ledgers.At(m.ledger).counts
}

// install makes a mailbox of what the disk has.
func (s *Shard) install(now int64, h *store.LoadedHead) {
	index, m := s.mailboxes.Alloc()
	if m == nil {
		s.stats.Unexpected++
		return
	}
	*m = mailbox{
		user: h.User, device: h.Device, state: mailboxOffline, flags: mailboxFlags(h.Flags) & flagAccount,
		gen: h.Gen, registered: h.Registered, token: h.Token, epoch: h.Epoch, seenSec: h.SeenSec,
		mark: h.Mark, last: max(h.Last, h.Acked), acked: h.Acked,
		entries: h.Messages, notices: h.Notices, rejections: uint16(h.Rejections), bytes: uint32(h.Bytes),
		next: s.users.first(h.User),
	}
	m.sent = m.last // a client may have seen all of it: no receipt joins what it has
	if h.Owner != s.cfg.OwnerEpoch {
		m.flags |= flagDoubt
	}
	if h.Flags&store.HeadGone != 0 {
		m.state = mailboxGone
	}
	s.users.put(h.User, index)
	s.stats.MailboxesIdle += m.idle()
	s.armWheel(index, m, s.cfg.MailboxIdleMs)
	if h.Waiting() == 0 {
		m.acked, m.sent = m.last, m.last
		s.offerGone(index, m)
	} else {
		l := s.ledgerOf(index, m)
		l.handed, l.above = m.last, m.last
		l.cold, l.loaded, l.counts = m.last, m.acked, h.Counts
	}
	if h.ExpiredTo > m.acked {
		s.expire(index, h.ExpiredTo, h.Expired)
	}
}

// expire ends what has waited on the disk for longer than the retention: entries up to a seq, which are so many.
func (s *Shard) expire(index uint32, upTo uint64, gone store.Counts) {
	p := s.mailboxes.At(index)
	m := *p
	m.take(gone)
	m.acked, m.sent = upTo, max(m.sent, upTo)
	s.out.reset()
	s.out.queue = append(s.out.queue, queueEffect{
		op: queueDrop, entry: store.Entry{Key: store.Key{User: m.user, Device: m.device, Seq: upTo}},
	})
	l := s.ledgers.At(m.ledger)
	l.counts.Messages -= gone.Messages
	l.counts.Notices -= gone.Notices
	l.counts.Rejections -= gone.Rejections
	l.counts.Bytes -= gone.Bytes
	l.loaded = upTo
	s.noteEntry(&s.out.queue[0])
	s.commitMailbox(index, p, &m)
	s.stats.Expired += uint64(gone.Messages)
	s.stats.ExpiredNotices += uint64(gone.Notices)
}

// fetchEntries asks for the next piece of a mailbox, up to a seq at least.
func (s *Shard) fetchEntries(m *mailbox) {
	l := s.ledgers.At(m.ledger)
	if l.flags&ledgerLoading != 0 || !l.partly() {
		return
	}
	l.flags |= ledgerLoading
	s.stats.EntryLoads++
	s.cfg.Disk.Load(&store.Load{User: m.user, Device: m.device, Entries: true, After: max(l.loaded, m.acked), UpTo: l.cold})
}

// entriesCame takes a piece of a mailbox into memory and pushes it, and lets a login go on that waited for it.
func (s *Shard) entriesCame(now int64, n *store.News) {
	index := s.find(n.User, n.Device, 0)
	if index == 0 || s.mailboxes.At(index).ledger == 0 {
		return
	}
	m := s.mailboxes.At(index)
	l := s.ledgers.At(m.ledger)
	l.flags &^= ledgerLoading
	switch {
	case n.Failed == store.LoadDamaged && ownDevice(n.Device) && s.parked[n.User] != nil:
		s.stats.LoadsDamaged++
		s.parked[n.User].damaged, s.parked[n.User].own = true, false
		s.ready = append(s.ready, n.User)
		return
	case n.Failed != store.LoadDone:
		s.failedEntries(now, m, n)
		return
	case ownDevice(n.Device):
		s.ownCame(now, m, l, n)
		s.freeLedger(m)
		return
	case m.attached() || s.parked[n.User] != nil:
		s.restore(m, l, n)
	}
	if p := s.parked[n.User]; p != nil && p.entries {
		p.entries = false
		s.ready = append(s.ready, n.User)
	}
	if m.attached() {
		s.loaded = append(s.loaded, index)
	}
	s.freeLedger(m)
}

// restore puts a piece into the Queue.
func (s *Shard) restore(m *mailbox, l *ledger, n *store.News) {
	full := false
	upTo := n.UpTo
	n.Each(func(e *store.Entry, payload []byte) {
		if full || e.Seq <= m.acked || e.Seq <= l.loaded {
			return
		}
		if s.cfg.Cache.Restore(e, payload) != nil {
			full, upTo = true, e.Seq-1 // the rest comes when there is room
			return
		}
		l.counts.Sub(e.Kind, len(payload))
		if e.Kind == entryMessage {
			s.stats.CacheMisses++
		}
	})
	if l.loaded = max(l.loaded, upTo); l.loaded >= l.cold {
		s.becomeWarm(l)
	}
}

// becomeWarm: all entries are in the Queue.
func (s *Shard) becomeWarm(l *ledger) {
	l.cold, l.loaded, l.counts = 0, 0, store.Counts{}
}

// failedEntries tries again later; what is damaged is asked for seldom, until somebody repairs it.
func (s *Shard) failedEntries(now int64, m *mailbox, n *store.News) {
	r := retry{user: n.User, device: n.Device, entries: true}
	if n.Failed == store.LoadDamaged {
		s.stats.LoadsDamaged++
		r.slow = true
	} else {
		s.stats.LoadsFailed++
	}
	s.ledgers.At(m.ledger).flags |= ledgerLoading // nobody else asks
	if m.flags&flagPinged != 0 {
		s.unread = append(s.unread, s.find(m.user, m.device, 0))
	}
	s.retryLater(now, r)
}

// evictable says whether a mailbox has entries in memory that may leave it.
func (s *Shard) evictable(m *mailbox, l *ledger) bool {
	return !m.attached() && !ownDevice(m.device) && l.clean() && l.flags&ledgerLoading == 0 && int(m.entries+m.notices) > l.counts.Waiting()
}

// evict makes room: entries of devices that are away, which the disk has, leave memory.
func (s *Shard) evict() {
	limit := s.cfg.StoreBytesMax / evictDen * evictNum
	for n := 0; n < evictsMax && len(s.evictables) > 0 && s.held() > limit; n++ {
		i := s.evictables[0]
		s.evictables = s.evictables[1:]
		if !s.ledgers.Live(i) {
			continue
		}
		l := s.ledgers.At(i)
		if l.flags&ledgerEvictable == 0 {
			continue // another one has its place
		}
		l.flags &^= ledgerEvictable
		if m := s.mailboxes.At(l.index); s.evictable(m, l) && s.parked[m.user] == nil {
			s.cool(m, l)
		}
	}
}

// cool lets the entries of a mailbox leave memory; the disk has them.
func (s *Shard) cool(m *mailbox, l *ledger) {
	s.stats.Evicted += uint64(s.cfg.Queue.Drop(m.user, m.device, m.last, nil))
	l.cold, l.loaded = m.last, m.acked
	l.counts = store.Counts{Messages: m.entries, Notices: m.notices, Rejections: uint32(m.rejections), Bytes: uint64(m.bytes)}
}

// held is the memory that counts against StoreBytesMax.
func (s *Shard) held() int64 {
	q := s.cfg.Queue.Stats()
	return q.PayloadBytes + int64(q.Entries)*storeEntryBytes + s.parkedBytes
}

// retry is a load that has failed.
type retry struct {
	atMs    int64
	user    uint64
	device  uint8
	entries bool
	slow    bool
}

// retryLater keeps a failed load. There is one for each parked user and each loading mailbox at most.
func (s *Shard) retryLater(now int64, r retry) {
	r.atMs = now + loadRetryMs
	if r.slow {
		r.atMs = now + damagedRetryMs
	}
	s.retries = append(s.retries, r)
	s.host.WakeAt(r.atMs)
}

// retryLoads asks again for what is due.
func (s *Shard) retryLoads(now int64) {
	left := s.retries[:0]
	for _, r := range s.retries {
		switch {
		case now < r.atMs && now > r.atMs-2*damagedRetryMs:
			left = append(left, r)
			s.host.WakeAt(r.atMs) // an earlier Tick has used up the one that was asked for
		case !r.entries:
			s.fetchUser(now, r.user)
		default:
			if index := s.find(r.user, r.device, 0); index != 0 {
				s.retryEntries(s.mailboxes.At(index))
			}
		}
	}
	s.retries = left
}

func (s *Shard) retryEntries(m *mailbox) {
	if m.ledger == 0 {
		return
	}
	s.ledgers.At(m.ledger).flags &^= ledgerLoading
	if m.attached() || s.parked[m.user] != nil {
		s.fetchEntries(m)
	}
}

// refuseDamaged answers for a mailbox that can't be read: nothing of it is served, and nothing is put behind it.
func (s *Shard) refuseDamaged(now int64) {
	switch m := &s.current; m.kind {
	case msgAttach:
		s.refuseLogin(m, codec.CodeBusy, damagedRetryMs)
	case msgRoute:
		s.out.reset()
		answer(m, msgRejected, &s.out).code = uint8(codec.CodeInternal)
		s.applyPosts()
	case msgReceipt:
		s.stats.ReceiptsDropped++
		s.answerReceipt(m)
	default:
		s.refuseAsked(now, m)
	}
	s.drainLocal(now)
}
