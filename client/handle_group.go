package client

import (
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// handleGroupEvent takes what the server has made of a change of a group. It is settled at once, and so is what this version does not know. The mutex
// is held on entry and not on return.
func (c *Client) handleGroupEvent(l *link, v *codec.Deliver) error {
	_, _, fresh := c.down.accept(v)
	var ev iq.Event
	if fresh {
		c.down.settleNewest()
		if v.Group == 0 || v.Kind != codec.PayloadGroupEvent {
			fresh = false
		} else if err := iq.ParseEvent(&c.tape, v.Blob, &ev); err != nil {
			c.log.Info("event of a group passed over", "group", GroupName(v.Group), "err", err)
			fresh = false
		} else {
			c.learnEpoch(v.Group, ev.Epoch)
			c.leftGroup(v.Group, &ev, v.From)
		}
	}
	if c.down.settle(c.journal.staged) {
		c.urgently(c.cfg.now())
	}
	c.poke()
	c.mu.Unlock()
	if fresh {
		c.emit(l, GroupEvent{
			Group: v.Group, GroupSeq: v.GroupSeq, Change: changeOf(ev.Op), Epoch: ev.Epoch, By: v.From, Users: ev.Users, Subject: ev.Text,
			Time: seconds(v.TimeSec),
		})
	}
	return nil
}

// leftGroup forgets a group that this user is in no longer. The mutex is held.
func (c *Client) leftGroup(group uint64, ev *iq.Event, by uint64) {
	left := ev.Op == iq.OpGroupLeave && by == c.cfg.user
	if left || (ev.Op == iq.OpGroupRemove || ev.Op == iq.OpGroupLeave) && slices.Contains(ev.Users, c.cfg.user) {
		c.known.dropGroup(group, c.journal.staged)
	}
}

// changeOf is what an operation has done; 0: nothing that this version knows.
func changeOf(op iq.Op) GroupChange {
	switch op {
	case iq.OpGroupCreate:
		return GroupCreated
	case iq.OpGroupAdd:
		return GroupAdded
	case iq.OpGroupRemove:
		return GroupRemoved
	case iq.OpGroupPromote:
		return GroupPromoted
	case iq.OpGroupDemote:
		return GroupDemoted
	case iq.OpGroupLeave:
		return GroupLeft
	case iq.OpGroupSubject:
		return GroupSubject
	case iq.OpGroupInvite:
		return GroupInvite
	case iq.OpGroupJoin:
		return GroupJoined
	}
	return 0
}
