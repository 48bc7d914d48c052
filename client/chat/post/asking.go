package post

import (
	"context"
	"errors"

	"trunkline/client"
	"trunkline/client/chat/talk"
	"trunkline/codec/iq"
)

var errAsk = errors.New("this version can't ask that")

// asker puts questions to a client.
func asker(c *client.Client) func(context.Context, talk.Ask) talk.Answered {
	return func(ctx context.Context, a talk.Ask) talk.Answered {
		out := talk.Answered{Ask: a}
		switch a.Op {
		case iq.OpProfileGet:
			out.Profile, out.Err = c.Profile(ctx, a.User)
		case iq.OpProfileSet:
			out.Err = c.SetProfile(ctx, a.Profile)
		case iq.OpBlocksGet:
			out.Users, out.Err = c.Blocks(ctx)
		case iq.OpBlocksAdd:
			out.Err = c.AddBlocks(ctx, a.Users...)
		case iq.OpBlocksDrop:
			out.Err = c.RemoveBlocks(ctx, a.Users...)
		case iq.OpDevicesGet:
			out.Devices, out.Err = c.Devices(ctx, a.User)
		case iq.OpDeviceRemove:
			out.Err = c.RemoveDevice(ctx, a.Device)
		default:
			askGroup(ctx, c, &out)
		}
		return out
	}
}

// askGroup puts the questions about groups.
func askGroup(ctx context.Context, c *client.Client, out *talk.Answered) {
	a := &out.Ask
	switch a.Op {
	case iq.OpGroupCreate:
		out.Group, out.Outcomes, out.Err = c.CreateGroup(ctx, a.Text, a.Users...)
	case iq.OpGroupAdd:
		out.Group, out.Outcomes, out.Err = c.AddMembers(ctx, a.Group, a.Users...)
	case iq.OpGroupRemove:
		out.Group, out.Outcomes, out.Err = c.RemoveMembers(ctx, a.Group, a.Users...)
	case iq.OpGroupPromote:
		out.Group, out.Outcomes, out.Err = c.Promote(ctx, a.Group, a.Users...)
	case iq.OpGroupDemote:
		out.Group, out.Outcomes, out.Err = c.Demote(ctx, a.Group, a.Users...)
	case iq.OpGroupSubject:
		out.Group, out.Err = c.SetSubject(ctx, a.Group, a.Text)
	case iq.OpGroupInvite:
		if a.Revoke {
			out.Err = c.RevokeInvite(ctx, a.Group)
			return
		}
		out.Code, out.Err = c.NewInvite(ctx, a.Group)
	case iq.OpGroupJoin:
		out.Group, out.Err = c.JoinGroup(ctx, a.Group, a.Code)
	case iq.OpGroupLeave:
		out.Err = c.LeaveGroup(ctx, a.Group)
	case iq.OpGroupInfo:
		out.Group, out.Err = c.Group(ctx, a.Group)
	case iq.OpGroupList:
		out.Groups, out.Err = c.GroupList(ctx)
	case iq.OpGroupReceipts:
		out.Receipts, out.Err = c.GroupReceipts(ctx, a.Group, a.Seq)
	default:
		out.Err = errAsk
	}
}
