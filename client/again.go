package client

import (
	"slices"

	"trunkline/codec"
)

// Again is another number under which a message went: it was sent again because its group or its receiver's devices had changed, or it was too long to
// go to all devices at once.
type Again struct {
	ID      uint64
	Root    uint64  // the number that the application knows
	Tries   uint8   // how often it was sent again
	Part    bool    // it went beside Root, to more devices, and not in place of it
	Devices []uint8 // of a part: whom it went to
}

// againTable remembers the newest AgainMax. Pure; the client's mutex guards it.
type againTable struct {
	rows []Again // ids rise
}

// span is numbers first..last.
type span struct{ first, last uint64 }

// add remembers one; ids come in order.
func (t *againTable) add(a Again, c *Change) {
	if len(t.rows) >= AgainMax {
		n := len(t.rows) - AgainMax + 1
		c.AgainGone = t.rows[n-1].ID
		t.rows = t.rows[n:] // append moves them to a new array now and then
	}
	t.rows = append(t.rows, a)
	c.Again = append(c.Again, a)
}

// find is the row of a number.
func (t *againTable) find(id uint64) (Again, bool) {
	i, ok := slices.BinarySearchFunc(t.rows, id, func(a Again, id uint64) int {
		switch {
		case a.ID < id:
			return -1
		case a.ID > id:
			return 1
		}
		return 0
	})
	if !ok {
		return Again{}, false
	}
	return t.rows[i], true
}

// root is the number that the application knows a message by.
func (t *againTable) root(id uint64) uint64 {
	if a, again := t.find(id); again {
		return a.Root
	}
	return id
}

// newest is the number that stands for a message now; its root when it was never sent again.
func (t *againTable) newest(root uint64) uint64 {
	for i := len(t.rows) - 1; i >= 0; i-- {
		if t.rows[i].Root == root && !t.rows[i].Part {
			return t.rows[i].ID
		}
	}
	return root
}

// known says what numbers first..last mean to the application: those of messages that were sent again are left out, since what is said of them is said of
// what was refused; a message whose newest number is among them is added, with parts also one of which a part is.
func (t *againTable) known(first, last uint64, parts bool) []span {
	if len(t.rows) == 0 {
		return []span{{first, last}}
	}
	var cut []uint64
	var more []span
	for _, a := range t.rows {
		if !a.Part && a.Root >= first && a.Root <= last {
			cut = append(cut, a.Root)
		}
		within := a.ID >= first && a.ID <= last
		if within && (a.Part && parts || !a.Part && t.newest(a.Root) == a.ID) {
			more = append(more, span{a.Root, a.Root})
		}
	}
	slices.Sort(cut)
	return append(without(first, last, slices.Compact(cut)), more...)
}

// without is first..last but for some numbers, which rise.
func without(first, last uint64, cut []uint64) []span {
	var list []span
	for _, id := range cut {
		if id > first {
			list = append(list, span{first, id - 1})
		}
		first = id + 1
	}
	if first <= last {
		list = append(list, span{first, last})
	}
	return list
}

// held keeps messages behind their first tick: a rejection that asks for a repetition may still come. Those to users stay until they are delivered,
// which may take days; those to groups have their own table, so that nobody's absence lets them go before the group has placed them.
type held struct {
	users, groups heldTable
}

// of is where messages to a receiver are kept; group is 0 for users.
func (h *held) of(group uint64) *heldTable {
	if group != 0 {
		return &h.groups
	}
	return &h.users
}

// heldTable is one of them. Pure; the client's mutex guards it.
type heldTable struct {
	rows  []Entry // numbers rise
	bytes int
}

// add keeps a message that got its first tick.
func (t *heldTable) add(e *Entry) {
	t.rows = append(t.rows, *e)
	t.bytes += len(e.Payload)
	for len(t.rows) > heldEntriesMax || t.bytes > heldBytesMax {
		t.bytes -= len(t.rows[0].Payload)
		t.rows[0] = Entry{} // the payload may go
		t.rows = t.rows[1:]
	}
}

// release lets go of messages to one receiver that were delivered or rejected.
func (t *heldTable) release(peer, group, first, last uint64) {
	t.rows = slices.DeleteFunc(t.rows, func(e Entry) bool {
		gone := e.Cseq >= first && e.Cseq <= last && e.Peer == peer && e.Group == group
		if gone {
			t.bytes -= len(e.Payload)
		}
		return gone
	})
}

// repeat sends again what a rejection names, where that is of use: what it was addressed by is old. It returns nothing: what could not be sent again is
// found by the caller, under its old number. The mutex is held.
func (c *Client) repeat(v *codec.Receipt) {
	if code := codec.ErrorCode(v.Code); code != codec.CodeEpochStale && code != codec.CodeDevicesStale {
		return
	}
	peer, group := receiver(v)
	var list []Entry
	for _, rows := range [][]Entry{c.up.held.of(group).rows, c.up.entries} {
		for i := range rows {
			if e := &rows[i]; e.Kind == EntrySend && e.Cseq >= v.First && e.Cseq <= v.Last && e.Peer == peer && e.Group == group {
				list = append(list, *e)
			}
		}
	}
	for i := range list {
		c.repeatOne(&list[i])
	}
}

// repeatOne stages one entry once more, addressed by what is known now.
func (c *Client) repeatOne(e *Entry) {
	row, again := c.again.find(e.Cseq)
	root, part := e.Cseq, again && row.Part
	if again {
		root = row.Root
	}
	if row.Tries >= RepeatsMax || c.sent.placed(root) {
		return
	}
	draft := Entry{Kind: EntrySend, Peer: e.Peer, Group: e.Group, PayloadKind: e.PayloadKind, Payload: e.Payload}
	drafts := []Entry{draft}
	if e.Group == 0 {
		list, version := c.known.list(e.Peer)
		devices := c.stillDue(e, list, root, part)
		if version != 0 && len(devices) == 0 {
			return // nobody is left whom it is due to
		}
		drafts = address(draft, devices, version)
	}
	if !c.up.room(len(drafts)*len(e.Payload), len(drafts)) {
		return
	}
	for i := range drafts {
		id := c.stage(drafts[i])
		a := Again{ID: id, Root: root, Tries: row.Tries + 1, Part: part || i > 0}
		if a.Part {
			a.Devices = drafts[i].Devices
		}
		c.again.add(a, c.journal.staged)
	}
	c.sent.refused(root, c.journal.staged)
}

// stillDue is to which devices of a list an entry goes that was refused because it named an older one.
func (c *Client) stillDue(e *Entry, list []uint8, root uint64, part bool) []uint8 {
	var others []uint8 // who gets it by another entry, or needs none
	if isCopy(e, c.cfg.user) {
		others = append(others, c.cfg.device)
	}
	for i := range c.again.rows {
		if a := &c.again.rows[i]; a.Root == root && a.Part && a.ID != e.Cseq {
			others = append(others, a.Devices...)
		}
	}
	var due []uint8
	for _, device := range list {
		if part && !slices.Contains(e.Devices, device) || !part && slices.Contains(others, device) {
			continue
		}
		due = append(due, device)
	}
	return due
}
