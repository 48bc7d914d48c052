package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/store"
)

// fan is a run of which this loop's members do not all have their entries yet: some are being read.
type fan struct {
	place uint64
	round uint64
	loop  int
	left  int

	items  []byte // once for all of them; counted as parked
	parent uint64 // 0, or of which fan this is one item: that one answers
}

// takeFan gives a run to members of this loop.
func (s *Shard) takeFan(now int64) {
	m := &s.current
	s.nowMs = now
	s.out.reset()
	if m.kind == msgFanOne {
		id := uint64(m.conn)
		f, ok := s.fans[id]
		if !ok {
			return // it was given out once more
		}
		s.items = parseItems(s.items[:0], f.items)
		s.deliverRun(m.user, s.users.first(m.user))
		s.fanDone(id)
		return
	}
	whole := *m
	waiting := s.fanMembers(m)
	switch {
	case whole.flags&codec.FlagNoStore != 0:
	case waiting == 0:
		s.answerFan(&whole)
	default:
		f := fan{place: whole.user, round: whole.first, loop: int(whole.from), left: waiting, items: fanItems(whole.payload), parent: uint64(whole.conn)}
		s.parkedBytes += int64(len(f.items))
		s.fans[s.fanNumber] = f
	}
}

// answerFan says that a loop's members have their entries: to the group, or to the fan of which m is one item.
func (s *Shard) answerFan(m *message) {
	if m.conn != 0 {
		s.fanDone(uint64(m.conn))
		return
	}
	s.send(int(m.from), &message{kind: msgFanned, user: m.user, first: m.first})
}

// crashFan gives a run out once more, item by item, before its members on this loop go without what can't be given out.
func (s *Shard) crashFan(m *message) {
	if m.tries == 0 {
		m.tries++
		if m.kind == msgFan && m.flags&codec.FlagNoStore == 0 {
			s.fanSingly(m)
		} else {
			s.local = append(s.local, *m)
		}
		return
	}
	s.stats.GroupMissed++
	switch {
	case m.kind == msgFanOne:
		s.fanDone(uint64(m.conn))
	case m.flags&codec.FlagNoStore == 0:
		s.answerFan(m)
	}
}

// fanSingly makes a run of each item, so that one that can't be given out takes no others with it.
func (s *Shard) fanSingly(m *message) {
	users := m.payload[:fanHeadBytes+8*int(binary.BigEndian.Uint32(m.payload))]
	items := parseItems(nil, m.payload[len(users):])
	s.fanNumber++
	s.fans[s.fanNumber] = fan{place: m.user, round: m.first, loop: int(m.from), left: len(items)}
	for i := range items {
		one := *m
		one.conn, one.payload = Conn(s.fanNumber), appendItem(append([]byte(nil), users...), &items[i])
		s.local = append(s.local, one)
	}
}

// fanMembers walks the members; who has to be read first gets a message of its own. It returns how many those are.
func (s *Shard) fanMembers(m *message) (waiting int) {
	n := int(binary.BigEndian.Uint32(m.payload))
	users := m.payload[fanHeadBytes : fanHeadBytes+8*n]
	s.items = parseItems(s.items[:0], m.payload[fanHeadBytes+8*n:])
	for i := range n {
		user := binary.BigEndian.Uint64(users[8*i:])
		first := s.users.first(user)
		if s.cfg.Disk == nil || first != 0 && s.parked[user] == nil {
			s.deliverRun(user, first)
			continue
		}
		if m.flags&codec.FlagNoStore != 0 {
			continue // nobody is there
		}
		if waiting == 0 {
			s.fanNumber++
		}
		waiting++
		s.fanOne(user, m)
	}
	return waiting
}

// fanOne has a member's share taken when the member is in memory. It carries no payload: as many may be away as a group has members.
func (s *Shard) fanOne(user uint64, m *message) {
	one := *m
	one.kind, one.user, one.conn, one.payload = msgFanOne, user, Conn(s.fanNumber), nil
	s.send(s.cfg.Loop, &one)
}

// fanItems copies the items of a msgFan.
func fanItems(payload []byte) []byte {
	n := int(binary.BigEndian.Uint32(payload))
	return append([]byte(nil), payload[fanHeadBytes+8*n:]...)
}

// fanDone counts a member that has its share.
func (s *Shard) fanDone(id uint64) {
	f, ok := s.fans[id]
	if !ok {
		return
	}
	if f.left--; f.left > 0 {
		s.fans[id] = f
		return
	}
	delete(s.fans, id)
	s.parkedBytes -= int64(len(f.items))
	if f.parent != 0 {
		s.fanDone(f.parent)
		return
	}
	s.send(f.loop, &message{kind: msgFanned, user: f.place, first: f.round})
}

// deliverRun appends s.items to all devices of a member, whose list begins at first. A mailbox that is full misses them, and its client sees the gap.
func (s *Shard) deliverRun(user uint64, first uint32) {
	if len(s.items) == 0 {
		return
	}
	kept := s.items[0].flags&codec.FlagNoStore == 0 // what is kept nowhere goes alone
	if first == 0 {
		if !kept || s.makeMailbox(user, 0) != codec.CodeNone {
			s.stats.GroupMissed += uint64(len(s.items))
			return
		}
		first = s.users.first(user)
	}
	for i := first; i != 0; {
		p := s.mailboxes.At(i)
		index := i
		i = p.next
		switch {
		case ownDevice(p.device), p.state == mailboxGone:
		case !kept:
			if !s.items[0].sentBy(p) {
				s.showItem(p, &s.items[0])
			}
		default:
			s.appendRun(index, p)
		}
		s.applyPosts()
		s.out.posts = s.out.posts[:0]
	}
}

// appendRun steps the copy of one device's mailbox through the items, and commits it once. The frames of all go to its session in one message.
func (s *Shard) appendRun(index uint32, p *mailbox) {
	s.fannedAt = append(s.fannedAt[:0], index) // until it is done: a panic leaves it to be rebuilt
	stepped := &s.mailbox
	*stepped = *p
	s.out.queue, s.out.posts = s.out.queue[:0], s.out.posts[:0]
	s.out.starved, s.out.fetch = false, false
	start, pushes := len(s.out.scratch), 0 // of the push that the next frame may join
	for i := range s.items {
		if it := &s.items[i]; !s.appendItem(stepped, it, i) {
			s.stats.GroupMissed++
			continue
		}
		s.stats.GroupDelivered++
		if len(s.out.posts) == pushes {
			continue // it waits
		}
		s.world.owed += pushCost(len(s.items[i].payload))
		switch end := len(s.out.scratch); {
		case pushes > 0 && end-start <= pushBytesMax:
			joined, with := &s.out.posts[pushes-1].message, &s.out.posts[pushes].message
			joined.last, joined.payload = with.last, s.out.scratch[start:end:end]
			s.out.posts = s.out.posts[:pushes]
		default:
			start = end - len(s.out.posts[pushes].message.payload)
			pushes++
		}
	}
	s.world.owed = 0
	if len(s.out.queue) > 0 {
		s.commitMailbox(index, p, stepped)
	}
	s.fannedAt = s.fannedAt[:0]
	if s.out.starved {
		s.starving = append(s.starving, index)
	}
}

// appendItem adds one item to a mailbox. false: it is full, or memory is, and nothing has changed.
func (s *Shard) appendItem(stepped *mailbox, it *fanItem, lane int) bool {
	payload, own := it.payload, it.sentBy(stepped)
	if stepped.full(len(payload), &s.world) || !it.isEvent() && s.crowded(stepped, it.peer, len(payload)) {
		return false
	}
	e := store.Entry{
		Kind: entryMessage, Flags: uint8(it.flags & (codec.FlagUrgent | codec.FlagGroup)), PayloadTag: it.tag,
		Peer: it.peer, PeerDevice: it.device, Gen: it.gen, First: it.cseq, TimeSec: it.timeSec,
	}
	if own {
		e.PayloadTag, payload = codec.PayloadGroupPlace, payload[:groupHeadBytes]
	}
	before, queued, posted, written := *stepped, len(s.out.queue), len(s.out.posts), len(s.out.scratch)
	stepped.add(&e, payload, &s.world, &s.out)
	if s.keepItem(&s.out.queue[queued], it, own, lane) != nil {
		*stepped, s.out.queue, s.out.posts, s.out.scratch = before, s.out.queue[:queued], s.out.posts[:posted], s.out.scratch[:written]
		return false
	}
	return true
}

// keepItem appends an entry and notes it: all but own ones hold the payload of the first.
func (s *Shard) keepItem(q *queueEffect, it *fanItem, own bool, lane int) (err error) {
	same := !own && it.shared.User != 0 && s.shared != nil
	if same {
		err = s.shared.AppendShared(&q.entry, it.shared, lane)
	} else {
		err = s.cfg.Queue.Append(&q.entry, q.payload)
	}
	if err != nil {
		return err
	}
	s.appended(q)
	if !own {
		it.shared = q.entry.Key
	}
	s.note.Same = same
	s.noteEntry(q)
	s.note.Same = false
	return nil
}

// showItem writes a message that is kept nowhere to who is there.
func (s *Shard) showItem(p *mailbox, it *fanItem) {
	if !p.caughtUp() || !p.windowOpen(len(it.payload)) || s.credit(int(p.loop)) < pushCost(len(it.payload)) {
		s.stats.EphemeralDropped++
		return
	}
	id, gseq, blob := splitGroup(it.payload)
	d := codec.Deliver{
		From: it.peer, Device: it.device, Kind: it.tag, Gen: it.gen, ID: it.cseq, TimeSec: it.timeSec,
		Flags: it.flags & (codec.FlagNoStore | codec.FlagUrgent | codec.FlagGroup), Group: id, GroupSeq: gseq, Blob: blob,
	}
	start := len(s.out.scratch)
	s.out.scratch = must(codec.AppendDeliver(s.out.scratch, &d))
	p.toSession(&s.out, msgPush).payload = s.out.scratch[start:len(s.out.scratch):len(s.out.scratch)]
}
