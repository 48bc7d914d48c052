package shard

import (
	"crypto/subtle"
	"math/bits"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// group is one group as its home loop knows it: who is in it, in which order its messages go out, who has them. It knows of no store and posts
// nothing: what follows from a step is in its answers. It lives while the group is in memory.
//
// Membership and messages are one sequence: gseqs are given to messages and to changes alike. A change is applied only when nothing that was
// taken before it waits to go out (group_home.go sees to that), so what waits always goes to the members that the group has.
type group struct {
	id      uint64 // its place: see placeOf
	epoch   uint32
	seq     uint64 // the newest gseq
	creator uint64
	created uint32 // unix seconds
	token   uint64 // of its creation
	subject string
	invite  []byte // empty: none
	members []member
	ring    ring
}

// member is one user of a group. 40 bytes, no pointers; ascending by user. Always since <= read <= delivered <= the group's seq.
type member struct {
	user      uint64
	delivered uint64 // the newest gseq that one of its devices has acknowledged; at first since
	read      uint64
	since     uint64 // the gseq of the change that made it a member: it gets what is above
	role      iq.Role
}

// groupOp is a change that a member asks for.
type groupOp struct {
	op      iq.Op
	actor   uint64
	users   []uint64
	text    string
	bytes   []byte
	token   uint64
	timeSec uint32
	max     int // members that a group may have
}

// groupChange is what a change has done. Slices are valid until the next call.
type groupChange struct {
	code     codec.ErrorCode // CodeNone and an event: the group has changed, its epoch and seq are the event's
	event    []byte          // iq.Event, the payload that goes to all members and to left; empty: nothing has changed
	joined   []uint64        // ascending
	left     []uint64        // ascending
	outcomes []iq.Outcome    // of users that the change did not take
	ticks    []groupTick     // what members that left held up
	about    []uint64        // scratch: the users of the event
}

// groupTick is what a sender is told: its messages of this group from a cseq to a cseq were delivered to, or read by, every member.
type groupTick struct {
	user   uint64
	device uint8
	gen    uint16
	kind   codec.ReceiptKind // delivered or read
	first  uint64            // cseqs
	last   uint64
}

// sentBy is the sender of a group's message.
type sentBy struct {
	user   uint64
	device uint8
	gen    uint16
	cseq   uint64
}

// over says that nobody is left.
func (g *group) over() bool { return len(g.members) == 0 }

// find is a member, or nil. It is valid until the next change.
func (g *group) find(user uint64) *member {
	if at := g.below(user); at < len(g.members) && g.members[at].user == user {
		return &g.members[at]
	}
	return nil
}

// has says whether a user is a member.
func (g *group) has(user uint64) bool { return g.find(user) != nil }

// below is how many members have a smaller id. A mark is little more than this search, so it asks at three places at once, and comparisons are
// numbers: as branches every second one would be guessed wrong.
func (g *group) below(user uint64) (at int) {
	members, n := g.members, len(g.members)
	for n >= 4 { // it is between at and at + n
		quarter := n >> 2
		_, first := bits.Sub64(members[at+quarter-1].user, user, 0)
		_, second := bits.Sub64(members[at+2*quarter-1].user, user, 0)
		_, third := bits.Sub64(members[at+3*quarter-1].user, user, 0)
		at += quarter * int(first+second+third)
		n -= 3 * quarter
	}
	for end := at + n; at < end && members[at].user < user; {
		at++
	}
	return at
}

// admit says whether a user may send to the group, knowing it as it was at epoch. named is false for one that does not say what it knows.
func (g *group) admit(user uint64, epoch uint32, named bool) codec.ErrorCode {
	switch {
	case !g.has(user):
		return codec.CodeNotMember
	case named && epoch < g.epoch:
		return codec.CodeEpochStale
	}
	return codec.CodeNone
}

// opens says whether an invite code is the group's. It takes as long for a wrong code as for the right one.
func (g *group) opens(code []byte) bool {
	return len(g.invite) > 0 && subtle.ConstantTimeCompare(g.invite, code) == 1
}

// fill writes the group as a member sees it, with the page of members above cursor; more is the cursor of the next page, or 0.
func (g *group) fill(info *iq.GroupInfo, cursor uint64, forAdmin bool) (more uint64) {
	members := info.Members[:0]
	*info = iq.GroupInfo{
		Group: groupID(g.id), Epoch: g.epoch, Seq: g.seq, Creator: g.creator, CreatedSec: g.created, Subject: g.subject, Count: len(g.members),
	}
	if forAdmin {
		info.Invite = g.invite
	}
	page, more := g.page(cursor)
	for i := range page {
		members = append(members, iq.Member{User: page[i].user, Role: page[i].role})
	}
	info.Members = members
	return more
}

// receipts adds the page above cursor of those who have a message, with their marks. Who became a member after it is not among them.
func (g *group) receipts(gseq, cursor uint64, out []iq.Member) (page []iq.Member, more uint64) {
	members, more := g.page(cursor)
	for i := range members {
		if m := &members[i]; m.since < gseq && m.delivered >= gseq {
			e := iq.Member{User: m.user, Role: m.role, Delivered: m.delivered}
			if m.read > m.since { // else it has read nothing yet
				e.Read = m.read
			}
			out = append(out, e)
		}
	}
	return out, more
}

// page is at most iq.PageMax members above a user.
func (g *group) page(cursor uint64) (page []member, more uint64) {
	page = g.members[g.below(cursor+1):]
	if len(page) > iq.PageMax {
		page = page[:iq.PageMax]
		more = page[iq.PageMax-1].user
	}
	return page, more
}

// admins counts them, up to two: whether there is one, and whether it is the last one.
func (g *group) admins() (n int) {
	for i := range g.members {
		if g.members[i].role == iq.RoleAdmin {
			if n++; n == 2 {
				break
			}
		}
	}
	return n
}

// eldest is the member who is there for longest, but for one.
func (g *group) eldest(but uint64) (user uint64, ok bool) {
	var since uint64
	for i := range g.members {
		if m := &g.members[i]; m.user != but && (!ok || m.since < since) {
			user, since, ok = m.user, m.since, true
		}
	}
	return user, ok
}

// enter adds users that are not members, ascending, as of the newest gseq. From behind, so that each member moves once.
func (g *group) enter(users []uint64, role iq.Role) {
	end := len(g.members)
	g.members = slices.Grow(g.members, len(users))
	all := g.members[:end+len(users)]
	for i := len(users) - 1; i >= 0; i-- {
		g.members = g.members[:end]
		at := g.below(users[i])
		copy(all[at+i+1:], all[at:end])
		all[at+i] = member{user: users[i], delivered: g.seq, read: g.seq, since: g.seq, role: role}
		end = at
	}
	g.members = all
}

// drop takes users out, ascending; all of them are members. Each member that stays moves once.
func (g *group) drop(users []uint64) {
	if len(users) == 0 {
		return
	}
	to := g.below(users[0])
	for i, from := 0, to+1; i < len(users); i++ {
		next := len(g.members)
		if i+1 < len(users) {
			next = g.below(users[i+1]) // what has moved, and what it has left behind, is all below it
		}
		to += copy(g.members[to:], g.members[from:next])
		from = next + 1
	}
	g.members = g.members[:to]
}
