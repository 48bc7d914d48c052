package shard

import (
	"bytes"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// A change is planned on the group as it is, written down as an event, and only then made: what can't be told to the members does not happen.
//
// To ask for what is so already is no fault: who asks again because the answer was lost gets the same answer, and nothing happens. So an add
// of a member, a promotion of an admin or a subject that is the present one say nothing. Who was to be removed, promoted or demoted and is no
// member is an outcome (CodeNotMember).

// createGroup makes a group at a place. Its creator is its admin; of o.users, who were asked before, those are members who fit. The creation
// is the group's first change: epoch 1, gseq 1.
func createGroup(place uint64, o *groupOp) (*group, groupChange) {
	g := &group{id: place, creator: o.actor, created: o.timeSec, token: o.token}
	g.seq = 1
	g.enter([]uint64{o.actor}, iq.RoleAdmin)
	g.seq = 0
	var out groupChange
	creation := *o
	creation.op = iq.OpGroupCreate
	g.planJoin(o.users, o.max, &out)
	out.about = append(out.about, out.joined...)
	if g.commit(&creation, &out) {
		at, _ := slices.BinarySearch(out.joined, o.actor)
		out.joined = slices.Insert(out.joined, at, o.actor)
	}
	return g, out
}

// change does what a member asks for, or says why not.
func (g *group) change(o *groupOp, out *groupChange) {
	*out = groupChange{
		event: out.event[:0], joined: out.joined[:0], left: out.left[:0], outcomes: out.outcomes[:0], ticks: out.ticks[:0], about: out.about[:0],
	}
	if out.code = g.refuses(o); out.code != codec.CodeNone {
		return
	}
	if g.plan(o, out) {
		g.commit(o, out)
	}
}

// refuses says why the one who asks may not.
func (g *group) refuses(o *groupOp) codec.ErrorCode {
	actor := g.find(o.actor)
	switch {
	case o.op == iq.OpGroupJoin:
		if !g.opens(o.bytes) {
			return codec.CodeNotFound // the same whether there is no code or another one
		}
	case actor == nil:
		return codec.CodeNotMember
	case o.op == iq.OpGroupLeave:
	case actor.role != iq.RoleAdmin:
		return codec.CodeNotAllowed
	case o.op == iq.OpGroupInvite && len(o.bytes) != 0 && len(o.bytes) != iq.InviteBytes:
		return codec.CodeInvalid
	}
	return codec.CodeNone
}

// plan says whether there is anything to change, and fills in who joins, who leaves and whom the event is about.
func (g *group) plan(o *groupOp, out *groupChange) bool {
	switch o.op {
	case iq.OpGroupAdd:
		g.planJoin(o.users, o.max, out)
		out.about = append(out.about, out.joined...)
	case iq.OpGroupJoin:
		g.planSelf(o, out)
		out.about = append(out.about, out.joined...)
	case iq.OpGroupRemove:
		g.planRemove(o, out)
		out.about = append(out.about, out.left...)
	case iq.OpGroupLeave:
		out.left = append(out.left, o.actor)
		out.about = g.withHeir(append(out.about, o.actor))
	case iq.OpGroupPromote:
		g.planPromote(o, out)
	case iq.OpGroupDemote:
		g.planDemote(o, out)
	case iq.OpGroupSubject:
		return o.text != g.subject
	case iq.OpGroupInvite:
		return !bytes.Equal(o.bytes, g.invite)
	default:
		out.code = codec.CodeUnsupported
	}
	return len(out.about) > 0
}

// planJoin takes those who are no members yet, in the order in which they were named, as long as there is room.
func (g *group) planJoin(users []uint64, most int, out *groupChange) {
	for _, user := range users {
		switch {
		case g.has(user) || slices.Contains(out.joined, user):
		case !validUser(user):
			out.outcomes = append(out.outcomes, iq.Outcome{User: user, Code: codec.CodeNoSuchUser})
		case len(g.members)+len(out.joined) >= most:
			out.outcomes = append(out.outcomes, iq.Outcome{User: user, Code: codec.CodeTooMany})
		default:
			out.joined = append(out.joined, user)
		}
	}
	slices.Sort(out.joined)
}

// planSelf lets in who has the code. Who is a member is told so by the answer.
func (g *group) planSelf(o *groupOp, out *groupChange) {
	if g.has(o.actor) {
		return
	}
	if len(g.members) >= o.max {
		out.code = codec.CodeTooMany
		return
	}
	out.joined = append(out.joined, o.actor)
}

// planRemove takes out who was named. An admin takes itself out by leaving: so an admin is left after each removal.
func (g *group) planRemove(o *groupOp, out *groupChange) {
	for _, user := range o.users {
		switch {
		case user == o.actor:
			out.outcomes = append(out.outcomes, iq.Outcome{User: user, Code: codec.CodeNotAllowed})
		case !g.has(user):
			out.outcomes = append(out.outcomes, iq.Outcome{User: user, Code: codec.CodeNotMember})
		case !slices.Contains(out.left, user):
			out.left = append(out.left, user)
		}
	}
	slices.Sort(out.left)
}

// withHeir adds who becomes admin when the last one leaves: all members can tell from the event.
func (g *group) withHeir(leaver []uint64) []uint64 {
	if g.find(leaver[0]).role != iq.RoleAdmin || g.admins() > 1 {
		return leaver
	}
	if heir, ok := g.eldest(leaver[0]); ok {
		leaver = append(leaver, heir)
	}
	return leaver
}

func (g *group) planPromote(o *groupOp, out *groupChange) {
	for _, user := range o.users {
		if m := g.find(user); m == nil {
			out.outcomes = append(out.outcomes, iq.Outcome{User: user, Code: codec.CodeNotMember})
		} else if m.role != iq.RoleAdmin && !slices.Contains(out.about, user) {
			out.about = append(out.about, user)
		}
	}
}

// planDemote leaves an admin. Alone, the attempt to demote the last one is refused; with others, it is an outcome.
func (g *group) planDemote(o *groupOp, out *groupChange) {
	admins := 0
	for i := range g.members {
		admins += int(g.members[i].role) // an admin is 1
	}
	for _, user := range o.users {
		switch m := g.find(user); {
		case m == nil:
			out.outcomes = append(out.outcomes, iq.Outcome{User: user, Code: codec.CodeNotMember})
		case m.role != iq.RoleAdmin || slices.Contains(out.about, user):
		case len(out.about)+1 == admins:
			out.outcomes = append(out.outcomes, iq.Outcome{User: user, Code: codec.CodeNotAllowed})
			if len(out.about) == 0 {
				out.code = codec.CodeNotAllowed
			}
		default:
			out.about = append(out.about, user)
		}
	}
}

// commit writes the event and makes the change; false: there is no such event, and nothing has changed.
func (g *group) commit(o *groupOp, out *groupChange) bool {
	event := iq.Event{Op: o.op, Epoch: g.epoch + 1, Users: out.about}
	if o.op == iq.OpGroupCreate || o.op == iq.OpGroupSubject {
		event.Text = o.text
	}
	b, err := iq.AppendEvent(out.event[:0], &event)
	if err != nil {
		*out = groupChange{code: codec.CodeInvalid}
		return false
	}
	out.event = b
	g.epoch++
	g.seq++
	switch o.op {
	case iq.OpGroupCreate, iq.OpGroupSubject:
		g.subject = o.text
	case iq.OpGroupInvite:
		g.invite = append(g.invite[:0:0], o.bytes...)
	case iq.OpGroupPromote:
		g.rank(out.about, iq.RoleAdmin)
	case iq.OpGroupDemote:
		g.rank(out.about, iq.RoleMember)
	case iq.OpGroupLeave:
		g.rank(out.about[1:], iq.RoleAdmin)
	}
	g.enter(out.joined, iq.RoleMember)
	out.ticks = g.release(out.left, out.ticks)
	g.drop(out.left)
	return true
}

// rank gives members a role.
func (g *group) rank(users []uint64, role iq.Role) {
	for _, user := range users {
		g.find(user).role = role
	}
}
