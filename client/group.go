package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// Group is a group as one of its members sees it. Groups are known by ids with codec.GroupBit; GroupName writes one for people.
type Group struct {
	ID      uint64
	Epoch   uint32 // rises with each change
	Seq     uint64 // the newest number that a message or a change has in the group
	Creator uint64
	Created time.Time
	Subject string
	Count   int      // of members
	Invite  []byte   // for admins; empty: there is none
	Members []Member // ascending by user
}

// Member is one member of a group.
type Member struct {
	User  uint64
	Admin bool
}

// Outcome says why a user that a call named did not become what was asked for.
type Outcome struct {
	User uint64
	Code codec.ErrorCode
}

// GroupReceipt says how far a message came with one member.
type GroupReceipt struct {
	User  uint64
	Level TickLevel // TickServer: the member has not fetched it yet; TickDelivered; TickRead
}

// CreateGroup makes a group with this user as its admin. Outcomes names those of users who are not in it. Asked again by itself when the
// connection is lost meanwhile: it makes one group. Users above iq.UsersMax are added by further requests; when one of those fails, the group is returned
// with the error. Errors: those of every request, see ErrInterrupted.
func (c *Client) CreateGroup(ctx context.Context, subject string, users ...uint64) (Group, []Outcome, error) {
	token, err := drawToken()
	if err != nil {
		return Group{}, nil, err
	}
	n := min(len(users), iq.UsersMax)
	g, outcomes, err := c.changeGroup(ctx, &iq.Request{Op: iq.OpGroupCreate, Token: token, Text: subject, Users: users[:n]})
	if err != nil || n == len(users) {
		return g, outcomes, err
	}
	more, others, err := c.changeMembers(ctx, iq.OpGroupAdd, g.ID, users[n:])
	if err == nil {
		g = more
	}
	return g, append(outcomes, others...), err
}

// AddMembers has an admin add users. More than iq.UsersMax are sent in several requests: after an error some of them may be in.
// Errors: ErrGroup, those of every request.
func (c *Client) AddMembers(ctx context.Context, group uint64, users ...uint64) (Group, []Outcome, error) {
	return c.changeMembers(ctx, iq.OpGroupAdd, group, users)
}

// RemoveMembers has an admin remove users. Errors: as AddMembers.
func (c *Client) RemoveMembers(ctx context.Context, group uint64, users ...uint64) (Group, []Outcome, error) {
	return c.changeMembers(ctx, iq.OpGroupRemove, group, users)
}

// Promote makes members admins. Errors: as AddMembers.
func (c *Client) Promote(ctx context.Context, group uint64, users ...uint64) (Group, []Outcome, error) {
	return c.changeMembers(ctx, iq.OpGroupPromote, group, users)
}

// Demote makes admins members; one admin always stays. Errors: as AddMembers.
func (c *Client) Demote(ctx context.Context, group uint64, users ...uint64) (Group, []Outcome, error) {
	return c.changeMembers(ctx, iq.OpGroupDemote, group, users)
}

// LeaveGroup takes this user out of a group. Errors: as AddMembers.
func (c *Client) LeaveGroup(ctx context.Context, group uint64) error {
	_, _, err := c.changeGroup(ctx, &iq.Request{Op: iq.OpGroupLeave, Group: group})
	return err
}

// SetSubject has an admin change what a group is about, at most iq.SubjectBytesMax bytes. Errors: as AddMembers.
func (c *Client) SetSubject(ctx context.Context, group uint64, subject string) (Group, error) {
	g, _, err := c.changeGroup(ctx, &iq.Request{Op: iq.OpGroupSubject, Group: group, Text: subject})
	return g, err
}

// NewInvite draws a code with which anybody may join, in place of any earlier one. Admins only. InviteText writes it for people.
// Errors: as AddMembers.
func (c *Client) NewInvite(ctx context.Context, group uint64) (code []byte, err error) {
	code = make([]byte, iq.InviteBytes)
	if _, err := rand.Read(code); err != nil {
		return nil, fmt.Errorf("draw an invite code: %w", err)
	}
	if _, _, err := c.changeGroup(ctx, &iq.Request{Op: iq.OpGroupInvite, Group: group, Bytes: code}); err != nil {
		return nil, err
	}
	return code, nil
}

// RevokeInvite ends the code of a group. Admins only. Errors: as AddMembers.
func (c *Client) RevokeInvite(ctx context.Context, group uint64) error {
	_, _, err := c.changeGroup(ctx, &iq.Request{Op: iq.OpGroupInvite, Group: group})
	return err
}

// JoinGroup makes this user a member by a group's code. Errors: as AddMembers.
func (c *Client) JoinGroup(ctx context.Context, group uint64, code []byte) (Group, error) {
	g, _, err := c.changeGroup(ctx, &iq.Request{Op: iq.OpGroupJoin, Group: group, Bytes: code})
	return g, err
}

// Group asks for a group with all its members. They are asked for page by page: when the group changes meanwhile, it is begun again.
// Errors: as AddMembers.
func (c *Client) Group(ctx context.Context, group uint64) (Group, error) {
	if err := checkGroup(group); err != nil {
		return Group{}, err
	}
	for {
		g, whole, err := c.groupPages(ctx, group)
		if err != nil || whole {
			return g, err
		}
	}
}

// groupPages asks for all pages; whole is false when the group changed in between.
func (c *Client) groupPages(ctx context.Context, group uint64) (g Group, whole bool, err error) {
	for cursor := uint64(0); ; {
		a, err := c.ask(ctx, &iq.Request{Op: iq.OpGroupInfo, Group: group, Cursor: cursor})
		if err != nil {
			return Group{}, false, err
		}
		page := groupOf(&a.Group)
		switch {
		case cursor == 0:
			g = page
		case page.Epoch != g.Epoch:
			return Group{}, false, nil
		default:
			g.Members = append(g.Members, page.Members...)
		}
		if a.More == 0 {
			return g, true, nil
		}
		if cursor, err = further(cursor, a.More); err != nil {
			return Group{}, false, err
		}
	}
}

// GroupList asks in which groups this user is. Errors: those of every request.
func (c *Client) GroupList(ctx context.Context) ([]uint64, error) {
	return c.allPages(ctx, iq.OpGroupList, func(a *iq.Answer) []uint64 { return a.Groups })
}

// GroupReceipts asks who has, and who has read, the message that has the number groupSeq in the group: Message.GroupSeq. Errors: as AddMembers.
func (c *Client) GroupReceipts(ctx context.Context, group, groupSeq uint64) ([]GroupReceipt, error) {
	if err := checkGroup(group); err != nil {
		return nil, err
	}
	var list []GroupReceipt
	for cursor := uint64(0); ; {
		a, err := c.ask(ctx, &iq.Request{Op: iq.OpGroupReceipts, Group: group, Seq: groupSeq, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, m := range a.Members {
			r := GroupReceipt{User: m.User, Level: TickServer}
			switch {
			case m.Read >= groupSeq:
				r.Level = TickRead
			case m.Delivered >= groupSeq:
				r.Level = TickDelivered
			}
			list = append(list, r)
		}
		if a.More == 0 {
			return list, nil
		}
		if cursor, err = further(cursor, a.More); err != nil {
			return nil, err
		}
	}
}

// changeMembers asks for a change that names users, as often as they need.
func (c *Client) changeMembers(ctx context.Context, op iq.Op, group uint64, users []uint64) (g Group, outcomes []Outcome, err error) {
	for first := true; first || len(users) > 0; first = false { // nobody at all is the server's to refuse
		n := min(len(users), iq.UsersMax)
		next, more, err := c.changeGroup(ctx, &iq.Request{Op: op, Group: group, Users: users[:n]})
		outcomes = append(outcomes, more...)
		if err != nil {
			return g, outcomes, err
		}
		g, users = next, users[n:]
	}
	return g, outcomes, nil
}

// changeGroup asks for a change and keeps the epoch that it led to.
func (c *Client) changeGroup(ctx context.Context, r *iq.Request) (Group, []Outcome, error) {
	if r.Op != iq.OpGroupCreate {
		if err := checkGroup(r.Group); err != nil {
			return Group{}, nil, err
		}
	}
	a, err := c.ask(ctx, r)
	if err != nil {
		return Group{}, nil, err
	}
	var outcomes []Outcome
	for _, o := range a.Outcomes {
		outcomes = append(outcomes, Outcome(o))
	}
	return groupOf(&a.Group), outcomes, nil
}

// allPages asks for a list that comes in pages.
func (c *Client) allPages(ctx context.Context, op iq.Op, page func(*iq.Answer) []uint64) ([]uint64, error) {
	var list []uint64
	for cursor := uint64(0); ; {
		a, err := c.ask(ctx, &iq.Request{Op: op, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		list = append(list, page(&a)...)
		if a.More == 0 {
			return list, nil
		}
		if cursor, err = further(cursor, a.More); err != nil {
			return nil, err
		}
	}
}

// further is the cursor of the next page. Cursors rise, or asking would never end.
func further(cursor, more uint64) (uint64, error) {
	if more <= cursor {
		return 0, fmt.Errorf("%w: the page behind %d is at %d", ErrProtocol, cursor, more)
	}
	return more, nil
}

// groupOf is a group as the application sees it.
func groupOf(g *iq.GroupInfo) Group {
	out := Group{
		ID: g.Group, Epoch: g.Epoch, Seq: g.Seq, Creator: g.Creator, Subject: g.Subject, Count: g.Count, Invite: g.Invite,
	}
	if g.CreatedSec != 0 {
		out.Created = seconds(g.CreatedSec)
	}
	for _, m := range g.Members {
		out.Members = append(out.Members, Member{User: m.User, Admin: m.Role == iq.RoleAdmin})
	}
	return out
}

// drawToken is a random number that is not 0.
func drawToken() (uint64, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("draw a number: %w", err)
		}
		n := uint64(0)
		for _, x := range b {
			n = n<<8 | uint64(x)
		}
		if n != 0 {
			return n, nil
		}
	}
}
