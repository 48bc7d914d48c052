package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/store"
)

// The way of a group's messages to its members. Those that may go out in one turn go as a run: a loop does everything for one member before it
// looks at the next, so that a member's records are fetched once and its frames are written together. Payload of msgFan, big-endian: members u32,
// each u64, then the run's items as in group_item.go. A loop whose intake has stopped, or to which there is no credit, gets it later.

const (
	fanHeadBytes = 4
	// fanUsersMax members are named by one message to a loop: 16 KiB.
	fanUsersMax = 2_048
	// fanItemsMax messages make a run: as many payloads are shared by turns, and the journal tells them apart (store.SharedMax).
	fanItemsMax = store.SharedLanes
	// fanItemBytesMax of payload make a run, unless a single message is larger.
	fanItemBytesMax = 32 << 10
	// fanFrameBytesMax is what a run's frames may come to for all members, about, unless a single message's do.
	fanFrameBytesMax = 4 << 20
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
	for i := 0; i < len(g.pending); {
		if g.pending[i].sent {
			i++
			continue
		}
		n := g.runAt(i, durable)
		if n == 0 {
			return false
		}
		if !s.fanRun(g, g.pending[i:i+n]) {
			s.host.WakeAt(now + starvedRetryMs)
			return false
		}
		i += n
	}
	s.dropSent(g)
	return true
}

// runAt is how many messages from one on go out together: those that do already, or what is durable and goes to the same members.
func (g *groupHome) runAt(at int, durable uint64) (n int) {
	first := &g.pending[at]
	bytes, most := first.bytes, min(fanItemBytesMax, fanFrameBytesMax/max(1, len(g.members)))
	if first.round == 0 && first.turn > durable {
		return 0
	}
	for n = 1; at+n < len(g.pending); n++ {
		o := &g.pending[at+n]
		if o.round != first.round {
			break
		}
		if bytes += o.bytes; first.round == 0 && (n == fanItemsMax || bytes > most || o.turn > durable || len(o.left)+len(first.left) > 0) {
			break
		}
	}
	return n
}

// fanRun gives a run to all loops. false: some have no room now.
func (s *Shard) fanRun(g *groupHome, run []outgoing) bool {
	first, next := &run[0], 0
	s.fanBody = s.fanBody[:0]
	s.cfg.Queue.Scan(g.id, store.DevicePending, first.seq-1, func(e *store.Entry, payload []byte) bool {
		for next < len(run) && run[next].seq < e.Seq {
			next++ // dropped by a repair
		}
		if next < len(run) && run[next].seq == e.Seq { // else a change that did not happen
			next++
			s.fanBody = appendItem(s.fanBody, &fanItem{
				tag: e.PayloadTag, device: e.PeerDevice, gen: e.Gen, peer: e.Peer, cseq: e.First, timeSec: e.TimeSec, flags: codec.Flags(e.Flags),
				payload: payload,
			})
		}
		return next < len(run)
	})
	if first.round == 0 {
		s.fanRounds++
		for i := range run {
			run[i].round = s.fanRounds
		}
	}
	all := true
	if len(s.fanBody) > 0 { // else dropped by a repair: there is nothing to give out
		all = s.fanTo(g, run)
	}
	for i := range run {
		run[i].sent = all
	}
	return all
}

// fanTo gives a run to those loops with members that have not got it. false: some have no room now.
func (s *Shard) fanTo(g *groupHome, run []outgoing) (all bool) {
	if g.byLoop == nil {
		g.byLoop = s.membersByLoop(g)
	}
	all = true
	first := &run[0] // told, answers and left are the same for all
	for to, users := range g.byLoop {
		if len(first.left) > 0 {
			users = s.withLeft(users, first.left, to)
		}
		bit := uint64(1) << (to & 63)
		if len(users) == 0 || first.told[to>>6]&bit != 0 {
			continue
		}
		if s.intakeStopped(to) || s.credit(to) < s.fanBytes(len(users)) {
			all = false
			continue
		}
		messages := s.sendFan(to, g.id, first.round, users)
		for i := range run {
			run[i].told[to>>6] |= bit
			run[i].answers += messages
		}
	}
	return all
}

// fanBytes is the credit that a run to so many members takes.
func (s *Shard) fanBytes(users int) int {
	messages := (users + fanUsersMax - 1) / fanUsersMax
	return messages*(messageBytes+fanHeadBytes+len(s.fanBody)) + 8*users
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

// sendFan posts what is in fanBody for members of a loop, and says in how many messages. round 0: it is kept nowhere.
func (s *Shard) sendFan(to int, place, round uint64, users []uint64) (messages int) {
	flags := codec.FlagGroup
	if round == 0 {
		flags |= codec.FlagNoStore
	}
	for len(users) > 0 {
		n := min(len(users), fanUsersMax)
		b := s.out.scratch // stays until the local queue is empty
		start := len(b)
		b = appendIDs(b, users[:n])
		b = append(b, s.fanBody...)
		s.out.scratch = b
		s.send(to, &message{kind: msgFan, user: place, first: round, flags: flags, payload: b[start:len(b):len(b)]})
		users = users[n:]
		messages++
	}
	return messages
}

// fanAtOnce shows a message that is kept nowhere to those members who are there.
func (s *Shard) fanAtOnce(g *groupHome, m *message, part codec.Part) {
	s.groupBlob = binary.BigEndian.AppendUint64(s.groupBlob[:0], groupID(g.id))
	s.groupBlob = binary.BigEndian.AppendUint64(s.groupBlob, 0)
	s.groupBlob = append(s.groupBlob, part.Blob...)
	s.fanBody = appendItem(s.fanBody[:0], &fanItem{
		tag: part.Kind, device: m.peerDevice, gen: m.peerGen, peer: m.peer, cseq: m.seq, timeSec: m.timeSec,
		flags: m.flags & (codec.FlagUrgent | codec.FlagGroup | codec.FlagNoStore), payload: s.groupBlob,
	})
	if g.byLoop == nil {
		g.byLoop = s.membersByLoop(g)
	}
	for to, users := range g.byLoop {
		if len(users) > 0 && s.credit(to) < s.fanBytes(len(users)) {
			s.stats.EphemeralDropped++
			continue
		}
		s.sendFan(to, g.id, 0, users)
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
