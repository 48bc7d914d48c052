package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/store"
)

// groupHome is a group on its home loop: the machine, what it waits for, and where its members live. It is made of the group's state mailbox when
// it is first needed, and can be thrown away at any time but for marks that are not saved yet.
//
//	SEND -> takeGroupSend -> append to (group, DevicePending), answer stored
//	turn durable -> fanOn -> msgFan to each loop with members -> msgFanned from each -> drop from (group, DevicePending)
//	request -> takeAsk -> [msgInvite to who is to be added -> msgInvited] -> nothing waits -> change, event -> as a SEND
//	msgMark -> mark -> RECEIPTs into the senders' mailboxes
type groupHome struct {
	group
	pending []outgoing // in the order of gseqs
	byLoop  [][]uint64 // members by home loop; nil: to be made anew
	dirtyMs int64      // since when marks are not saved; 0: all are
}

// outgoing is a message on its way to the members.
type outgoing struct {
	seq     uint64 // of its entry in the pending mailbox
	gseq    uint64
	turn    uint64    // durable with this turn
	round   uint64    // of giving it out: an answer to an earlier round does not count
	told    [4]uint64 // loops it was given to, one bit each
	answers int       // that are still to come
	left    []uint64  // who gets it though they are members no longer: the change that has removed them
	sent    bool      // to all loops
	bytes   int       // of its payload
}

// groupHeadBytes stand before the blob in a group's payloads: group id u64, gseq u64.
const groupHeadBytes = 16

// splitGroup takes the head off a group's payload.
func splitGroup(payload []byte) (id, gseq uint64, blob []byte) {
	return binary.BigEndian.Uint64(payload), binary.BigEndian.Uint64(payload[8:]), payload[groupHeadBytes:]
}

// groupAt is a group of this loop that is in memory; nil: there is none.
func (s *Shard) groupAt(now int64, place uint64) *groupHome {
	if g := s.groups[place]; g != nil {
		return g
	}
	s.snapshot = s.loadState(place, s.snapshot[:0])
	if len(s.snapshot) == 0 {
		if index := s.find(place, store.DevicePending, 0); index != 0 {
			s.dropOwn(index, s.mailboxes.At(index).last) // a creation that did not happen
		}
		return nil
	}
	g := new(groupHome)
	if parseSnapshot(s.snapshot, &g.group) != nil {
		s.stats.Unexpected++
		return nil
	}
	s.groups[place] = g
	s.takeUp(now, g)
	return g
}

// takeUp goes on with what has waited: after a crash some loops may have it already, and their clients drop it.
func (s *Shard) takeUp(now int64, g *groupHome) {
	undone := uint64(0)
	s.cfg.Queue.Scan(g.id, store.DevicePending, 0, func(e *store.Entry, payload []byte) bool {
		if len(payload) < groupHeadBytes {
			return true
		}
		_, gseq, blob := splitGroup(payload)
		o := outgoing{seq: e.Seq, gseq: gseq, turn: s.notedIn, bytes: len(payload)} // after a panic it may not be durable yet
		if e.PayloadTag == codec.PayloadGroupEvent && gseq > g.seq {
			undone = e.Seq // the state is saved with each change: this one did not happen
			return true
		}
		g.pending = append(g.pending, o)
		switch {
		case e.PayloadTag == codec.PayloadGroupEvent:
			left := s.leftBy(blob)
			g.pending[len(g.pending)-1].left = left
			s.part(g.id, g, left) // the crash may have taken that
		case gseq > g.seq: // taken after the state was saved
			g.seq = gseq - 1
			g.take(sentBy{user: e.Peer, device: e.PeerDevice, gen: e.Gen, cseq: e.First})
		}
		return true
	})
	if index := s.find(g.id, store.DevicePending, 0); index != 0 {
		g.seq = max(g.seq, s.mailboxes.At(index).mark) // what has done its way since
		if undone != 0 && len(g.pending) == 0 {
			s.dropOwn(index, undone)
		}
	}
	if len(g.pending) > 0 {
		s.fanning = append(s.fanning, g.id)
		s.host.WakeAt(now)
	}
}

// leftBy is whom a change has removed.
func (s *Shard) leftBy(event []byte) []uint64 {
	var e iq.Event
	if iq.ParseEvent(&s.tape, event, &e) != nil || e.Op != iq.OpGroupRemove && e.Op != iq.OpGroupLeave {
		return nil
	}
	if e.Op == iq.OpGroupLeave {
		return e.Users[:min(1, len(e.Users))] // the other one is the new admin
	}
	return e.Users
}

// takeGroupSend takes a message to a group, or refuses it for good.
func (s *Shard) takeGroupSend(now int64) {
	m := &s.current
	s.nowMs = now
	s.out.reset()
	g := s.groupAt(now, m.user)
	code := codec.CodeNotMember
	if g != nil {
		code = g.admit(m.peer, uint32(m.first), m.last == namesVersion)
	}
	part, _, _ := codec.Parts(m.payload).Next()
	switch {
	case code == codec.CodeEpochStale:
		s.tellGroup(now, g, m)
	case code != codec.CodeNone:
	case m.flags&codec.FlagNoStore != 0:
		s.fanAtOnce(g, m, part)
	case s.pendingFull(g, len(part.Blob)):
		code = codec.CodeMailboxFull
	default:
		if !s.appendPending(now, g, m, part) {
			code = codec.CodeServerFull
		}
	}
	if code != codec.CodeNone {
		answer(m, msgRejected, &s.out).code = uint8(code)
	} else {
		answer(m, msgStored, &s.out).parts = m.parts
	}
	s.applyPosts()
}

// pendingFull says whether as much of a group waits to go out as may wait in a mailbox.
func (s *Shard) pendingFull(g *groupHome, blobBytes int) bool {
	index := s.find(g.id, store.DevicePending, 0)
	return len(g.pending) >= s.cfg.MailboxEntriesMax ||
		index != 0 && s.mailboxes.At(index).full(groupHeadBytes+blobBytes, &s.world)
}

// appendPending keeps a message and gives it its place in the group's order. false: there is no room.
func (s *Shard) appendPending(now int64, g *groupHome, m *message, part codec.Part) bool {
	index := s.ownMailbox(g.id, store.DevicePending)
	if index == 0 {
		return false
	}
	s.dirtyGroup(now, g)
	gseq := g.take(sentBy{user: m.peer, device: m.peerDevice, gen: m.peerGen, cseq: m.seq})
	e := store.Entry{
		Kind: entryMessage, Flags: uint8(m.flags&codec.FlagUrgent | codec.FlagGroup), PayloadTag: part.Kind,
		Peer: m.peer, PeerDevice: m.peerDevice, Gen: m.peerGen, First: m.seq, TimeSec: m.timeSec,
	}
	s.enqueue(now, g, index, &e, gseq, part.Blob, nil)
	s.stats.GroupMessages++
	return true
}

// enqueue appends an entry of the group's order to what waits to go out.
func (s *Shard) enqueue(now int64, g *groupHome, index uint32, e *store.Entry, gseq uint64, blob []byte, left []uint64) {
	s.groupBlob = binary.BigEndian.AppendUint64(s.groupBlob[:0], groupID(g.id))
	s.groupBlob = binary.BigEndian.AppendUint64(s.groupBlob, gseq)
	s.groupBlob = append(s.groupBlob, blob...)
	o := outgoing{gseq: gseq, left: left, bytes: groupHeadBytes + len(blob)}
	o.seq = s.appendPlaced(index, e, s.groupBlob, gseq)
	if s.cfg.Disk != nil {
		o.turn = s.cfg.Disk.Turn()
	}
	g.pending = append(g.pending, o)
	if len(g.pending) == 1 || g.pending[len(g.pending)-2].sent {
		s.fanning = append(s.fanning, g.id)
	}
	s.activate(now, g.id)
}

// tellGroup shows a sender that knows an older epoch what the group is like now, unless there is no room for that: it can ask.
func (s *Shard) tellGroup(now int64, g *groupHome, m *message) {
	if s.credit(s.home(m.peer)) < StepBytesMax {
		return
	}
	n := iq.Notice{}
	n.More = g.fill(&n.Group, 0, false)
	s.show(m.peer, m.peerDevice, must(iq.AppendNotice(nil, &n)))
}

// show has frames shown to a device, if it is there.
func (s *Shard) show(user uint64, device uint8, frames []byte) {
	s.send(s.home(user), &message{kind: msgTell, user: user, device: device, payload: frames})
}

// takeForGroup takes what members' loops say.
func (s *Shard) takeForGroup(now int64) {
	s.nowMs = now
	s.out.reset()
	m := &s.current
	g := s.groupAt(now, m.user)
	switch m.kind {
	case msgFanned:
		s.takeFanned(now, g, m)
	case msgMark:
		s.takeMark(now, g, m)
	case msgInvited:
		s.takeInvited(now, m)
	case msgParted:
		s.takeParted(now, g, m)
	}
}

// takeMark notes how far a member is, and tells the senders who waited for it.
func (s *Shard) takeMark(now int64, g *groupHome, m *message) {
	if m.seq != 0 {
		a := answer(m, msgStored, &s.out)
		a.user, a.device, a.gen, a.hint = m.peer, m.peerDevice, m.peerGen, m.hint
		m.seq = 0 // a panic from here on need not answer
	}
	s.applyPosts()
	if g == nil {
		return
	}
	who := g.find(m.peer)
	if who == nil {
		return
	}
	before := *who
	s.groupTicks = g.mark(m.peer, codec.ReceiptKind(m.code), m.first, s.groupTicks[:0])
	s.tellTicks(g.id, s.groupTicks, uint32(now/1000))
	if *who != before { // else a stranger could have the group saved as often as it likes
		s.dirtyGroup(now, g)
	}
}

// dirtyGroup has a group's marks and messages saved in a while.
func (s *Shard) dirtyGroup(now int64, g *groupHome) {
	if g.dirtyMs == 0 {
		g.dirtyMs = now
		s.markedGroups = append(s.markedGroups, g.id)
		s.host.WakeAt(now + markSaveMs)
	}
}

// tellTicks puts the group's receipts into the senders' mailboxes.
func (s *Shard) tellTicks(place uint64, ticks []groupTick, timeSec uint32) {
	for i := range ticks {
		t := &ticks[i]
		s.send(s.home(t.user), &message{
			kind: msgReceipt, user: t.user, device: t.device, gen: t.gen, peer: place, flags: codec.FlagGroup,
			first: t.first, last: t.last, timeSec: timeSec, code: uint8(t.kind),
		})
	}
}

// saveMarks saves the groups whose marks have moved for long enough.
func (s *Shard) saveMarks(now int64, all bool) {
	left := s.markedGroups[:0]
	for _, place := range s.markedGroups {
		g := s.groups[place]
		switch {
		case g == nil || g.dirtyMs == 0:
		case !all && s.trouble:
			left = append(left, place) // the news that it is over wakes us
		case !all && now < g.dirtyMs+markSaveMs && now >= g.dirtyMs:
			left = append(left, place)
			s.host.WakeAt(g.dirtyMs + markSaveMs)
		default:
			s.saveGroup(g)
		}
	}
	s.markedGroups = left
}

// saveGroup makes what the group is now its state.
func (s *Shard) saveGroup(g *groupHome) bool {
	s.snapshot = s.snapshot[:0]
	if !g.over() {
		s.snapshot = g.appendSnapshot(s.snapshot)
	}
	g.dirtyMs = 0
	return s.saveState(g.id, s.snapshot)
}
