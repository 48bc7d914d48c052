package shard

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/store"
)

// Requests about groups. Who asks what is decided by the group (group_change.go); here is what it takes: the consent of who is to be added, that
// nothing waits to go out, and that the answer is told when the change is durable.

// asking is a change that waits for the consent of those who are to be added.
type asking struct {
	message  message // the request, with a payload of its own
	left     int     // answers that are still to come
	agreed   []uint64
	outcomes []iq.Outcome
}

// groupPlace is where the group is that a user creates with a token: the same for the same token, so that who asks again creates nothing more.
func (w *world) groupPlace(user, token uint64) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(w.cfg.Placement.Seed)
	var b [17]byte
	b[0] = 'g'
	binary.BigEndian.PutUint64(b[1:], user)
	binary.BigEndian.PutUint64(b[9:], token)
	d.Write(b[:])
	return codec.UserMax + 1 + d.Sum64()%codec.GroupMax
}

// changesGroup says whether a request changes a group, and so takes its turn among what goes out.
func changesGroup(op iq.Op) bool { return op >= iq.OpGroupCreate && op <= iq.OpGroupJoin }

// wantsConsent says whether users are asked before a change.
func wantsConsent(op iq.Op) bool {
	return op == iq.OpGroupCreate || op == iq.OpGroupAdd || op == iq.OpGroupJoin
}

// mustDrain says whether a message is a change of a group whose messages are still on their way.
func (s *Shard) mustDrain(m *message) bool {
	if !isGroup(m.user) {
		return false
	}
	switch {
	case m.kind == msgParted:
	case m.kind == msgAsk && changesGroup(iq.Op(m.code)) && (m.seq != 0 || !wantsConsent(iq.Op(m.code))):
	default:
		return false
	}
	g := s.groupAt(s.nowMs, m.user)
	return g != nil && len(g.pending) > 0
}

// takeAsk takes a request about a group, or about the groups of a user.
func (s *Shard) takeAsk(now int64) {
	m := &s.current
	s.nowMs = now
	s.out.reset()
	frame, _, err := codec.Next(m.payload, codec.FrameBytesMax)
	r := &s.request
	if err != nil || iq.ParseRequest(&s.tape, frame, r) != nil {
		s.stats.Unexpected++ // the session has read it
		return
	}
	if !changesGroup(r.Op) && s.credit(int(m.from)) < StepBytesMax { // a page is much more than the request for it
		s.answerAsk(now, m, codec.CodeRateLimited)
		return
	}
	if !isGroup(m.user) {
		s.answerNow(m, &iq.Answer{Ref: r.Ref, Op: r.Op, Groups: s.groupsOf(m.user)})
		return
	}
	g := s.groupAt(now, m.user)
	if (r.Op == iq.OpGroupInfo || r.Op == iq.OpGroupLeave) && (g == nil || !g.has(m.peer)) && s.asked[m.user] == 0 {
		// A crash may have taken a change that it agreed to before: then its own list is wrong.
		s.send(s.home(m.peer), &message{kind: msgPart, user: m.peer, peer: m.user})
	}
	switch {
	case r.Op == iq.OpGroupInfo, r.Op == iq.OpGroupReceipts:
		s.showGroup(m, g, r)
	case g == nil && r.Op != iq.OpGroupCreate:
		s.answerAsk(now, m, missing(r.Op))
	case m.seq == 0 && s.intakeStopped(s.cfg.Loop): // each change is a whole state that would wait for the disk
		s.answerAsk(now, m, codec.CodeServerFull)
	case m.seq != 0:
		s.agreedOn(now, m, g, r)
	case wantsConsent(r.Op):
		s.askConsent(now, m, g, r)
	default:
		s.changeGroup(now, m, g, &groupOp{op: r.Op, actor: m.peer, users: r.Users, text: r.Text, bytes: r.Bytes}, r.Ref, nil)
	}
}

// missing is the code for a group that is not there: the same as for who may not know.
func missing(op iq.Op) codec.ErrorCode {
	if op == iq.OpGroupJoin {
		return codec.CodeNotFound
	}
	return codec.CodeNotMember
}

// groupsOf lists the ids of a user's groups.
func (s *Shard) groupsOf(user uint64) []uint64 {
	u := s.states[user]
	if u == nil {
		return nil
	}
	ids := make([]uint64, len(u.groups))
	for i, place := range u.groups {
		ids[i] = groupID(place)
	}
	return ids
}

// showGroup answers what a group is like, or who has a message.
func (s *Shard) showGroup(m *message, g *groupHome, r *iq.Request) {
	a := iq.Answer{Ref: r.Ref, Op: r.Op}
	me := (*member)(nil)
	if g != nil {
		me = g.find(m.peer)
	}
	switch {
	case me == nil:
		a.Code = codec.CodeNotMember
	case r.Op == iq.OpGroupInfo:
		a.More = g.fill(&a.Group, r.Cursor, me.role == iq.RoleAdmin)
	case r.Seq > g.seq || r.Seq <= me.since:
		a.Code = codec.CodeNotFound
	default:
		a.Members, a.More = g.receipts(r.Seq, r.Cursor, nil)
	}
	s.answerNow(m, &a)
}

// askConsent asks the homes of those who are to be added. The change goes on when all have answered.
func (s *Shard) askConsent(now int64, m *message, g *groupHome, r *iq.Request) {
	if code := s.mayAsk(m, g, r); code != codec.CodeNone {
		s.answerAsk(now, m, code)
		return
	}
	users := slices.Clone(r.Users)
	if r.Op != iq.OpGroupAdd {
		users = append(users, m.peer)
	}
	slices.Sort(users)
	users = slices.Compact(users)
	s.asks++
	a := &asking{message: *m, left: len(users)}
	a.message.payload = slices.Clone(m.payload)
	a.message.seq = s.asks
	s.asking[s.asks] = a
	s.asked[m.user]++
	if len(users) == 0 {
		s.goOnAsking(s.asks, a)
		return
	}
	for _, user := range users {
		if !validUser(user) {
			s.consent(s.asks, user, codec.CodeNoSuchUser)
			continue
		}
		s.send(s.home(user), &message{kind: msgInvite, user: user, peer: m.peer, first: m.user, seq: s.asks})
	}
}

// mayAsk looks before anybody is asked: what the group would refuse anyway is refused now.
func (s *Shard) mayAsk(m *message, g *groupHome, r *iq.Request) codec.ErrorCode {
	switch {
	case s.asked[m.user] >= groupOpsMax:
		return codec.CodeRateLimited
	case len(s.asking) >= askingMax:
		return codec.CodeServerFull
	case g == nil:
		return codec.CodeNone
	case r.Op == iq.OpGroupCreate && (g.creator != m.peer || g.token != r.Token):
		return codec.CodeNotAllowed
	case r.Op == iq.OpGroupCreate:
		return codec.CodeNone
	}
	return g.refuses(&groupOp{op: r.Op, actor: m.peer, bytes: r.Bytes})
}

// takeInvited takes the answer of one who was asked.
func (s *Shard) takeInvited(now int64, m *message) {
	s.consent(m.seq, m.peer, codec.ErrorCode(m.code))
}

func (s *Shard) consent(number, user uint64, code codec.ErrorCode) {
	a := s.asking[number]
	if a == nil {
		return
	}
	if code == codec.CodeNone {
		a.agreed = append(a.agreed, user)
	} else {
		a.outcomes = append(a.outcomes, iq.Outcome{User: user, Code: code})
	}
	if a.left--; a.left == 0 {
		s.goOnAsking(number, a)
	}
}

// goOnAsking gives the change its turn.
func (s *Shard) goOnAsking(number uint64, a *asking) {
	m := a.message
	s.send(s.cfg.Loop, &m)
}

// agreedOn makes the change with those who agreed.
func (s *Shard) agreedOn(now int64, m *message, g *groupHome, r *iq.Request) {
	a := s.asking[m.seq]
	if a == nil {
		return
	}
	delete(s.asking, m.seq)
	if s.asked[m.user]--; s.asked[m.user] <= 0 {
		delete(s.asked, m.user)
	}
	m.from = a.message.from
	slices.Sort(a.agreed)
	own := r.Op != iq.OpGroupAdd
	if own && !slices.Contains(a.agreed, m.peer) { // who asks can't be in one more group
		s.answerAsk(now, m, codeOf(a.outcomes, m.peer))
		s.part(m.user, g, a.agreed)
		return
	}
	op := groupOp{op: r.Op, actor: m.peer, users: a.agreed, text: r.Text, bytes: r.Bytes, token: r.Token}
	if own {
		op.users = slices.DeleteFunc(slices.Clone(a.agreed), func(user uint64) bool { return user == m.peer })
	}
	s.changeGroup(now, m, g, &op, r.Ref, a)
}

func codeOf(outcomes []iq.Outcome, user uint64) codec.ErrorCode {
	for _, o := range outcomes {
		if o.User == user {
			return o.Code
		}
	}
	return codec.CodeInternal
}

// changeGroup makes a change, if the group lets it be made, keeps it, and has everybody told.
func (s *Shard) changeGroup(now int64, m *message, g *groupHome, op *groupOp, ref uint32, a *asking) {
	op.timeSec, op.max = m.timeSec, s.cfg.GroupMembersMax
	c := &s.change
	if op.op == iq.OpGroupCreate && g == nil {
		made, first := createGroup(m.user, op)
		*c = first
		if c.code == codec.CodeNone {
			g = &groupHome{group: *made}
		}
	} else if op.op == iq.OpGroupCreate {
		*c = groupChange{} // asked again: it is there
	} else {
		g.group.change(op, c)
	}
	answered := iq.Answer{Ref: ref, Op: op.op, Code: c.code}
	if c.code == codec.CodeNone && !s.keepChange(now, m, g, c) {
		answered.Code = codec.CodeServerFull
		g = nil
	}
	if a != nil {
		answered.Outcomes = a.outcomes
		s.part(m.user, g, a.agreed)
	}
	if answered.Code != codec.CodeNone {
		s.answerNow(m, &answered)
		return
	}
	answered.Outcomes = append(answered.Outcomes, c.outcomes...)
	if me := g.find(m.peer); me != nil {
		g.fill(&answered.Group, 0, me.role == iq.RoleAdmin)
	}
	answered.Group.Members = nil
	s.replyLater(Reply{Loop: int(m.from), Conn: m.conn, Frame: must(iq.AppendAnswer(nil, &answered))})
}

// keepChange keeps what a change has made of a group, and puts the event into its order. false: there is no room, and nothing has changed.
func (s *Shard) keepChange(now int64, m *message, g *groupHome, c *groupChange) bool {
	if len(c.event) == 0 {
		return true
	}
	index := s.ownMailbox(m.user, store.DevicePending)
	if index == 0 || s.ownMailbox(m.user, store.DeviceState) == 0 {
		delete(s.groups, m.user) // what was changed in memory is forgotten
		return false
	}
	s.groups[m.user] = g
	g.byLoop = nil
	e := store.Entry{
		Kind: entryMessage, Flags: uint8(codec.FlagGroup), PayloadTag: codec.PayloadGroupEvent,
		Peer: m.peer, First: g.seq, TimeSec: m.timeSec,
	}
	s.enqueue(now, g, index, &e, g.seq, c.event, slices.Clone(c.left))
	s.saveGroup(g) // behind: a panic in between leaves an event that takeUp knows as one that did not happen
	for _, user := range c.left {
		s.send(s.home(user), &message{kind: msgPart, user: user, peer: m.user})
	}
	s.tellTicks(m.user, c.ticks, uint32(now/1000))
	s.stats.GroupChanges++
	return true
}

// part tells those who agreed and did not become members that they are none.
func (s *Shard) part(place uint64, g *groupHome, agreed []uint64) {
	for _, user := range agreed {
		if g == nil || !g.has(user) {
			s.send(s.home(user), &message{kind: msgPart, user: user, peer: place})
		}
	}
}

// takeParted takes a user out whose account is gone, and says that it is done.
func (s *Shard) takeParted(now int64, g *groupHome, m *message) {
	for _, a := range s.asking {
		if a.message.user == m.user { // what it has agreed to does not add it any more
			a.agreed = slices.DeleteFunc(a.agreed, func(user uint64) bool { return user == m.peer })
		}
	}
	if g != nil && g.has(m.peer) {
		c := &s.change
		m.timeSec = uint32(now / 1000)
		g.group.change(&groupOp{op: iq.OpGroupLeave, actor: m.peer, timeSec: m.timeSec}, c)
		if c.code == codec.CodeNone && s.keepChange(now, m, g, c) {
			return // with the others that left
		}
	}
	s.send(s.home(m.peer), &message{kind: msgPart, user: m.peer, peer: m.user})
}
