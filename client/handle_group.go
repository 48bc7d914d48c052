package client

import (
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// handleGroupEvent takes what the server has made of a change of a group. It is settled at once, and so is what this version does not know. The mutex
// is held on entry and not on return.
func (c *Client) handleGroupEvent(l *link, v *codec.Deliver) error {
	if v.Kind == codec.PayloadGroupPlace {
		return c.handlePlace(l, v)
	}
	kept := c.keeps(v)
	arrival, before, fresh := c.down.accept(v)
	var ev GroupEvent
	if fresh {
		c.down.settleNewest()
		if ev, fresh = c.groupEvent(v); fresh && kept {
			c.keep(v, arrival, before)
		}
	}
	if fresh {
		c.learnEpoch(v.Group, ev.Epoch)
		c.leftGroup(&ev)
	}
	if c.down.settle(c.journal.staged) {
		c.urgently(c.cfg.now())
	}
	c.poke()
	c.mu.Unlock()
	if fresh {
		c.emit(l, ev)
	}
	return nil
}

// handlePlace takes the place of a message that this device has sent. The mutex is held on entry and not on return.
func (c *Client) handlePlace(l *link, v *codec.Deliver) error {
	_, _, fresh := c.down.accept(v)
	if fresh {
		c.down.settleNewest()
	}
	if c.down.settle(c.journal.staged) {
		c.urgently(c.cfg.now())
	}
	mine := v.Group != 0 && v.From == c.cfg.user && v.Device == c.cfg.device && v.Gen == c.generation
	if fresh && mine {
		c.up.held.of(v.Group).release(0, v.Group, v.ID, v.ID)
	}
	id := c.again.root(v.ID)
	if fresh && mine {
		c.sent.raise(v.Group, id, id, TickServer, c.journal.staged) // whatever is said of a second copy, it is taken
	}
	c.poke()
	c.mu.Unlock()
	if fresh && mine {
		c.emit(l, GroupPlaced{Group: v.Group, ID: id, GroupSeq: v.GroupSeq})
	}
	return nil
}

// ofServer says whether a payload was made by the server.
func ofServer(kind uint8) bool {
	return kind >= codec.PayloadServerMin && kind <= codec.PayloadServerMax
}

// groupEvent reads what the server has made; ok is false for what this version does not know. It uses the reader's tape.
func (c *Client) groupEvent(v *codec.Deliver) (ev GroupEvent, ok bool) {
	if v.Group == 0 || v.Kind != codec.PayloadGroupEvent {
		return ev, false
	}
	var e iq.Event
	if err := iq.ParseEvent(&c.tape, v.Blob, &e); err != nil {
		c.log.Info("event of a group passed over", "group", GroupName(v.Group), "err", err)
		return ev, false
	}
	return GroupEvent{
		Group: v.Group, GroupSeq: v.GroupSeq, Change: changeOf(e.Op), Epoch: e.Epoch, By: v.From, Users: e.Users, Subject: e.Text,
		Time: seconds(v.TimeSec),
	}, true
}

// leftGroup forgets a group that this user is in no longer. The mutex is held.
func (c *Client) leftGroup(ev *GroupEvent) {
	left := ev.Change == GroupLeft && ev.By == c.cfg.user
	if left || (ev.Change == GroupRemoved || ev.Change == GroupLeft) && slices.Contains(ev.Users, c.cfg.user) {
		c.known.dropGroup(ev.Group, c.journal.staged)
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
