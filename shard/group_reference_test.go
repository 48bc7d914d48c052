package shard

import (
	"cmp"
	"maps"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// plainGroup is a group as one would write it down without a thought for its cost: maps, everything ever sent, and all that follows from it
// worked out anew each time. The machine is held against it.
type plainGroup struct {
	epoch   uint32
	seq     uint64
	subject string
	invite  string
	members map[uint64]*plainMember
	sent    []*plainMessage
}

type plainMember struct {
	admin                  bool
	since, delivered, read uint64
}

type plainMessage struct {
	gseq            uint64
	by              sentBy
	to              map[uint64]bool // who is to get it and is still there
	got, seen       bool            // by anybody, ever
	toldGot, toldIt bool
	gone            bool // its sender has left
}

// plainChange is what a change should do.
type plainChange struct {
	code         codec.ErrorCode
	changed      bool
	joined, left []uint64
	outcomes     []iq.Outcome
}

func (p *plainGroup) sorted() []uint64 { return slices.Sorted(maps.Keys(p.members)) }

func (p *plainGroup) countAdmins() (n int) {
	for _, m := range p.members {
		if m.admin {
			n++
		}
	}
	return n
}

func (p *plainGroup) apply(o *groupOp) (c plainChange) {
	m := p.members[o.actor]
	if o.op == iq.OpGroupJoin {
		switch {
		case p.invite == "" || p.invite != string(o.bytes):
			c.code = codec.CodeNotFound
		case m != nil:
		case len(p.members) >= o.max:
			c.code = codec.CodeTooMany
		default:
			c.joined = []uint64{o.actor}
		}
		return p.finish(c, len(c.joined) > 0)
	}
	if m == nil {
		c.code = codec.CodeNotMember
		return c
	}
	if !m.admin && o.op != iq.OpGroupLeave {
		c.code = codec.CodeNotAllowed
		return c
	}
	no := func(user uint64, code codec.ErrorCode) {
		c.outcomes = append(c.outcomes, iq.Outcome{User: user, Code: code})
	}
	changed := false
	switch o.op {
	case iq.OpGroupAdd:
		there := len(p.members)
		for _, u := range o.users {
			if p.members[u] != nil || slices.Contains(c.joined, u) {
				continue
			}
			if there >= o.max {
				no(u, codec.CodeTooMany)
				continue
			}
			there++
			c.joined = append(c.joined, u)
		}
	case iq.OpGroupRemove:
		for _, u := range o.users {
			if u == o.actor {
				no(u, codec.CodeNotAllowed)
			} else if p.members[u] == nil {
				no(u, codec.CodeNotMember)
			} else if !slices.Contains(c.left, u) {
				c.left = append(c.left, u)
			}
		}
	case iq.OpGroupLeave:
		c.left = []uint64{o.actor}
	case iq.OpGroupPromote, iq.OpGroupDemote:
		for _, u := range o.users {
			switch t := p.members[u]; {
			case t == nil:
				no(u, codec.CodeNotMember)
			case o.op == iq.OpGroupPromote && !t.admin:
				t.admin, changed = true, true
			case o.op == iq.OpGroupDemote && t.admin && p.countAdmins() == 1:
				if !changed {
					c.code = codec.CodeNotAllowed
				}
				no(u, codec.CodeNotAllowed)
			case o.op == iq.OpGroupDemote && t.admin:
				t.admin, changed = false, true
			}
		}
	case iq.OpGroupSubject:
		changed = p.subject != o.text
		p.subject = o.text
	case iq.OpGroupInvite:
		changed = p.invite != string(o.bytes)
		p.invite = string(o.bytes)
	}
	return p.finish(c, changed || len(c.joined)+len(c.left) > 0)
}

func (p *plainGroup) finish(c plainChange, changed bool) plainChange {
	if !changed {
		return c
	}
	c.changed = true
	p.epoch++
	p.seq++
	slices.Sort(c.joined)
	slices.Sort(c.left)
	for _, u := range c.joined {
		p.members[u] = &plainMember{since: p.seq, delivered: p.seq, read: p.seq}
	}
	for _, u := range c.left {
		delete(p.members, u)
		for _, s := range p.sent {
			delete(s.to, u)
			s.gone = s.gone || s.by.user == u
		}
	}
	if len(p.members) > 0 && p.countAdmins() == 0 {
		users := p.sorted()
		slices.SortStableFunc(users, func(a, b uint64) int { return cmp.Compare(p.members[a].since, p.members[b].since) })
		p.members[users[0]].admin = true
	}
	return c
}

func (p *plainGroup) send(by sentBy) {
	p.seq++
	s := &plainMessage{gseq: p.seq, by: by, to: map[uint64]bool{}}
	for u := range p.members {
		if u != by.user {
			s.to[u] = true
		}
	}
	p.sent = append(p.sent, s)
}

func (p *plainGroup) mark(user uint64, kind codec.ReceiptKind, gseq uint64) {
	m := p.members[user]
	if m == nil || gseq > p.seq || gseq <= m.since {
		return
	}
	m.delivered = max(m.delivered, gseq)
	if kind != codec.ReceiptDelivered {
		m.read = max(m.read, gseq)
	}
	for _, s := range p.sent {
		s.got = s.got || s.to[user] && m.delivered >= s.gseq
		s.seen = s.seen || s.to[user] && m.read >= s.gseq
	}
}

// told is one message and kind.
type told struct {
	gseq uint64
	kind codec.ReceiptKind
}

// due is what is to be told now and was not before.
func (p *plainGroup) due() (list []told) {
	for _, s := range p.sent {
		got, seen := s.got && !s.gone, s.seen && !s.gone
		for u := range s.to {
			got = got && p.members[u].delivered >= s.gseq
			seen = seen && p.members[u].read >= s.gseq
		}
		if got && !s.toldGot {
			s.toldGot = true
			list = append(list, told{s.gseq, codec.ReceiptDelivered})
		}
		if seen && !s.toldIt {
			s.toldIt = true
			list = append(list, told{s.gseq, codec.ReceiptRead})
		}
	}
	return list
}

// expand is which messages ticks speak of.
func (p *plainGroup) expand(ticks []groupTick) (list []told) {
	for _, t := range ticks {
		for _, s := range p.sent {
			if s.by.user == t.user && s.by.device == t.device && s.by.gen == t.gen && s.by.cseq >= t.first && s.by.cseq <= t.last {
				list = append(list, told{s.gseq, t.kind})
			}
		}
	}
	return list
}
