package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/store"
)

// The way of a group's message to its members. Payload of msgFan, big-endian: payload tag u8, sender's gen u16, members u32, each
// u64, then the entry's payload. A loop whose intake has stopped, or to which there is no credit, gets it later.

const (
	fanHeadBytes = 1 + 2 + 4
	// fanUsersMax members are named by one message to a loop: 16 KiB.
	fanUsersMax = 2_048
)

// fanOn gives out what is durable and was not given to all loops.
func (s *Shard) fanOn(now int64) {
	if len(s.markedGroups) > 0 {
		s.saveMarks(now, false)
	}
	if len(s.fanning) == 0 {
		return
	}
	durable := uint64(everything)
	if s.cfg.Disk != nil {
		durable = s.cfg.Disk.Durable()
	}
	for n := len(s.fanning); n > 0; n-- {
		place := s.fanning[0]
		s.fanning = s.fanning[1:]
		g := s.groups[place]
		if g == nil {
			continue // thrown away: it takes itself up again
		}
		s.current = message{kind: msgFanned, user: place} // for a panic
		s.doing = doing{machine: doingUser}
		if !s.fanGroup(now, g, durable) {
			s.fanning = append(s.fanning, place)
		}
		s.doing.machine = doingNothing
	}
	s.drainLocal(now)
}

// fanGroup goes on with one group. true: nothing is left to be given out.
func (s *Shard) fanGroup(now int64, g *groupHome, durable uint64) (done bool) {
	for i := range g.pending {
		o := &g.pending[i]
		if o.sent {
			continue
		}
		if o.turn > durable {
			return false
		}
		if !s.fanMessage(now, g, o) {
			s.host.WakeAt(now + starvedRetryMs)
			return false
		}
	}
	s.dropSent(g)
	return true
}

// fanMessage gives one message to all loops with members. false: some have no room now.
func (s *Shard) fanMessage(now int64, g *groupHome, o *outgoing) bool {
	found := false
	s.cfg.Queue.Scan(g.id, store.DevicePending, o.seq-1, func(e *store.Entry, payload []byte) bool {
		if found = e.Seq == o.seq; found {
			s.fanEntry, s.fanPayload = *e, append(s.fanPayload[:0], payload...)
		}
		return false
	})
	if !found {
		o.sent = true // dropped by a repair: there is nothing to give out
		return true
	}
	if g.byLoop == nil {
		g.byLoop = s.membersByLoop(g)
	}
	if o.round == 0 {
		s.fanRounds++
		o.round = s.fanRounds
	}
	all := true
	for to, users := range g.byLoop {
		if len(o.left) > 0 {
			users = s.withLeft(users, o.left, to)
		}
		bit := uint64(1) << (to & 63)
		if len(users) == 0 || o.told[to>>6]&bit != 0 {
			continue
		}
		if s.intakeStopped(to) || s.credit(to) < s.fanBytes(len(users)) {
			all = false
			continue
		}
		o.told[to>>6] |= bit
		for len(users) > 0 {
			n := min(len(users), fanUsersMax)
			s.sendFan(to, g.id, o.round, &s.fanEntry, users[:n])
			o.answers++
			users = users[n:]
		}
	}
	o.sent = all
	return all
}

// fanBytes is the credit that a message to so many members takes.
func (s *Shard) fanBytes(users int) int {
	messages := (users + fanUsersMax - 1) / fanUsersMax
	return messages*(messageBytes+fanHeadBytes+len(s.fanPayload)) + 8*users
}

func (s *Shard) membersByLoop(g *groupHome) [][]uint64 {
	by := make([][]uint64, s.cfg.Placement.Loops)
	for i := range g.members {
		user := g.members[i].user
		to := s.home(user)
		by[to] = append(by[to], user)
	}
	return by
}

// withLeft adds those who left and live on a loop.
func (s *Shard) withLeft(users, left []uint64, loop int) []uint64 {
	users = users[:len(users):len(users)]
	for _, user := range left {
		if s.home(user) == loop {
			users = append(users, user)
		}
	}
	return users
}

// sendFan posts a message for members of a loop.
func (s *Shard) sendFan(to int, place, round uint64, e *store.Entry, users []uint64) {
	b := s.out.scratch // stays until the local queue is empty
	start := len(b)
	b = append(b, e.PayloadTag)
	b = binary.BigEndian.AppendUint16(b, e.Gen)
	b = appendIDs(b, users)
	b = append(b, s.fanPayload...)
	s.out.scratch = b
	s.send(to, &message{
		kind: msgFan, user: place, peer: e.Peer, peerDevice: e.PeerDevice, first: round, last: e.First, timeSec: e.TimeSec,
		flags: codec.Flags(e.Flags), payload: b[start:len(b):len(b)],
	})
}

// fanAtOnce shows a message that is kept nowhere to those members who are there.
func (s *Shard) fanAtOnce(g *groupHome, m *message, part codec.Part) {
	e := store.Entry{
		Flags: uint8(m.flags & (codec.FlagUrgent | codec.FlagGroup | codec.FlagNoStore)), PayloadTag: part.Kind,
		Peer: m.peer, PeerDevice: m.peerDevice, Gen: m.peerGen, First: m.seq, TimeSec: m.timeSec,
	}
	s.fanPayload = binary.BigEndian.AppendUint64(s.fanPayload[:0], groupID(g.id))
	s.fanPayload = binary.BigEndian.AppendUint64(s.fanPayload, 0)
	s.fanPayload = append(s.fanPayload, part.Blob...)
	if g.byLoop == nil {
		g.byLoop = s.membersByLoop(g)
	}
	for to, users := range g.byLoop {
		if len(users) == 0 {
			continue
		}
		if s.credit(to) < s.fanBytes(len(users)) {
			s.stats.EphemeralDropped++
			continue
		}
		for len(users) > 0 {
			n := min(len(users), fanUsersMax)
			s.sendFan(to, g.id, 0, &e, users[:n])
			users = users[n:]
		}
	}
}

// takeFanned counts the answers; with the last one the message has done its way.
func (s *Shard) takeFanned(now int64, g *groupHome, m *message) {
	if g == nil {
		return
	}
	for i := range g.pending {
		if o := &g.pending[i]; o.round == m.first {
			o.answers--
			break
		}
	}
	s.dropSent(g)
}

// dropSent drops what has done its way, oldest first, and lets a change go on that has waited for it.
func (s *Shard) dropSent(g *groupHome) {
	n := 0
	for n < len(g.pending) && g.pending[n].sent && g.pending[n].answers <= 0 {
		n++
	}
	if n > 0 {
		if index := s.find(g.id, store.DevicePending, 0); index != 0 {
			s.dropOwn(index, g.pending[n-1].seq)
		}
		g.pending = g.pending[:copy(g.pending, g.pending[n:])]
	}
	if len(g.pending) > 0 {
		return
	}
	if p := s.parked[g.id]; p != nil && p.drain {
		p.drain = false
		s.ready = append(s.ready, g.id)
		s.host.WakeAt(s.nowMs)
	}
	if g.over() && s.parked[g.id] == nil {
		delete(s.groups, g.id)
	}
}

// fan is a group's message of which this loop's members do not all have their entry yet: some are being read.
type fan struct {
	place uint64
	round uint64
	loop  int
	left  int

	payload []byte // once for all of them, without their ids; counted as parked
}

// takeFan gives a group's message to members of this loop.
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
		m.payload = f.payload
		s.deliverFan(now, m.user, m)
		s.applyPosts()
		s.fanDone(id)
		return
	}
	from, place, round, store := int(m.from), m.user, m.first, m.flags&codec.FlagNoStore == 0
	waiting := s.fanMembers(now, m)
	s.applyPosts()
	switch {
	case !store:
	case waiting == 0:
		s.send(from, &message{kind: msgFanned, user: place, first: round})
	default:
		f := fan{place: place, round: round, loop: from, left: waiting, payload: fanShare(m.payload)}
		s.parkedBytes += int64(len(f.payload))
		s.fans[s.fanNumber] = f
	}
}

// fanMembers walks the members; who has to be read first gets a message of its own. It returns how many those are.
func (s *Shard) fanMembers(now int64, m *message) (waiting int) {
	n := int(binary.BigEndian.Uint32(m.payload[3:]))
	users, rest := m.payload[fanHeadBytes:fanHeadBytes+8*n], m.payload[fanHeadBytes+8*n:]
	s.fanShared = store.Key{}
	for i := range n {
		user := binary.BigEndian.Uint64(users[8*i:])
		if s.cfg.Disk == nil || s.parked[user] == nil && s.users.first(user) != 0 {
			s.deliverTo(now, user, m, rest)
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

// fanShare copies the payload of a msgFan without the members.
func fanShare(payload []byte) []byte {
	n := int(binary.BigEndian.Uint32(payload[3:]))
	b := appendIDs(append([]byte(nil), payload[:3]...), nil)
	return append(b, payload[fanHeadBytes+8*n:]...)
}

func (s *Shard) deliverFan(now int64, user uint64, m *message) {
	s.fanShared = store.Key{}
	s.deliverTo(now, user, m, m.payload[fanHeadBytes:])
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
	s.parkedBytes -= int64(len(f.payload))
	s.send(f.loop, &message{kind: msgFanned, user: f.place, first: f.round})
}

// deliverTo appends a group's message to all devices of a member. A mailbox that is full misses it, and its client sees the gap.
func (s *Shard) deliverTo(now int64, user uint64, m *message, payload []byte) {
	if s.users.first(user) == 0 && (m.flags&codec.FlagNoStore != 0 || s.makeMailbox(user, 0) != codec.CodeNone) {
		s.stats.GroupMissed++
		return
	}
	for i := s.users.first(user); i != 0; {
		p := s.mailboxes.At(i)
		index := i
		i = p.next
		switch {
		case ownDevice(p.device), p.state == mailboxGone:
		case m.flags&codec.FlagNoStore != 0:
			if !p.sentIt(m) {
				s.showFan(p, m, payload)
			}
		case p.full(len(payload), &s.world), m.payload[0] != codec.PayloadGroupEvent && s.crowded(p, m.peer, len(payload)):
			s.stats.GroupMissed++
		default:
			s.appendFan(now, index, p, m, payload)
		}
	}
}

// sentIt says whether a device is the one that has sent a group's message: it gets the message's place in the order instead.
func (p *mailbox) sentIt(m *message) bool {
	return p.user == m.peer && p.device == m.peerDevice && m.payload[0] != codec.PayloadGroupEvent
}

// appendFan steps the copy of one device's mailbox and commits it.
func (s *Shard) appendFan(now int64, index uint32, p *mailbox, m *message, payload []byte) {
	s.fannedAt = append(s.fannedAt[:0], index) // until it is done: a panic leaves it to be rebuilt
	e := store.Entry{
		Kind: entryMessage, Flags: uint8(m.flags & (codec.FlagUrgent | codec.FlagGroup)), PayloadTag: m.payload[0],
		Peer: m.peer, PeerDevice: m.peerDevice, Gen: binary.BigEndian.Uint16(m.payload[1:]), First: m.last, TimeSec: m.timeSec,
	}
	own := p.sentIt(m)
	if own {
		e.PayloadTag, payload = codec.PayloadGroupPlace, payload[:groupHeadBytes]
	}
	stepped := &s.mailbox
	*stepped = *p
	s.out.queue = s.out.queue[:0]
	s.out.starved, s.out.fetch = false, false
	stepped.add(&e, payload, &s.world, &s.out)
	q := &s.out.queue[0]
	if s.keepFan(q, own) != nil {
		s.stats.GroupMissed++ // memory is full
		s.fannedAt = s.fannedAt[:0]
		return
	}
	s.commitMailbox(index, p, stepped)
	s.fannedAt = s.fannedAt[:0]
	if s.out.starved {
		s.starving = append(s.starving, index)
	}
	s.stats.GroupDelivered++
}

// keepFan appends an entry and notes it: all but own ones hold the payload of the first.
func (s *Shard) keepFan(q *queueEffect, own bool) (err error) {
	same := !own && s.fanShared.User != 0 && s.shared != nil
	if same {
		err = s.shared.AppendShared(&q.entry, s.fanShared)
	} else {
		err = s.cfg.Queue.Append(&q.entry, q.payload)
	}
	if err != nil {
		return err
	}
	s.appended(q)
	if !own {
		s.fanShared = q.entry.Key
	}
	s.note.Same = same
	s.noteEntry(q)
	s.note.Same = false
	return nil
}

// showFan writes a message that is kept nowhere to who is there.
func (s *Shard) showFan(p *mailbox, m *message, payload []byte) {
	if !p.caughtUp() || !p.windowOpen(len(payload)) || s.credit(int(p.loop)) < pushCost(len(payload)) {
		s.stats.EphemeralDropped++
		return
	}
	id, gseq, blob := splitGroup(payload)
	d := codec.Deliver{
		From: m.peer, Device: m.peerDevice, Kind: m.payload[0], Gen: binary.BigEndian.Uint16(m.payload[1:]), ID: m.last, TimeSec: m.timeSec,
		Flags: m.flags & (codec.FlagNoStore | codec.FlagUrgent | codec.FlagGroup), Group: id, GroupSeq: gseq, Blob: blob,
	}
	start := len(s.out.scratch)
	s.out.scratch = must(codec.AppendDeliver(s.out.scratch, &d))
	p.toSession(&s.out, msgPush).payload = s.out.scratch[start:len(s.out.scratch):len(s.out.scratch)]
}
