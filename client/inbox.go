package client

import (
	"slices"

	"trunkline/codec"
)

// inbox is what State holds of received messages: the server may be told that this device has them though no application has
// acknowledged them. Pure; the client's mutex guards it. Messages leave in the order in which they came.
type inbox struct {
	rows  []inboxRow
	bytes int // of payload
}

// inboxRow is a message, or a change of a group, whose payload only State has.
type inboxRow struct {
	no    uint64
	bytes int
	shown bool // a change that was handed out where it is not kept again: it leaves when everything before it has left
}

// newInbox continues with what a State held.
func newInbox(list []Received) inbox {
	var b inbox
	for i := range list {
		b.rows = append(b.rows, inboxRow{no: list[i].No, bytes: len(list[i].Payload)})
		b.bytes += len(list[i].Payload)
	}
	return b
}

// room says whether one more message with that payload fits.
func (b *inbox) room(payloadBytes, entriesMax int) bool {
	return len(b.rows) < entriesMax && b.bytes+payloadBytes <= InboxBytesMax
}

// add puts r behind all others. The caller has asked room.
func (b *inbox) add(r Received, c *Change) {
	b.rows = append(b.rows, inboxRow{no: r.No, bytes: len(r.Payload)})
	b.bytes += len(r.Payload)
	c.Inbox = append(c.Inbox, r)
}

// drop takes away every message up to that number. One that is only in c is not written at all.
func (b *inbox) drop(no uint64, c *Change) (dropped bool) {
	n := 0
	for n < len(b.rows) && (b.rows[n].no <= no || b.rows[n].shown) {
		b.bytes -= b.rows[n].bytes
		no = max(no, b.rows[n].no)
		n++
	}
	if n == 0 {
		return false
	}
	b.rows = b.rows[n:] // append moves them to a new array now and then
	c.Inbox = slices.DeleteFunc(c.Inbox, func(r Received) bool { return r.No <= no })
	c.InboxGone = max(c.InboxGone, no)
	return true
}

// show notes that a change of a group was handed out: nobody acknowledges it.
func (b *inbox) show(no uint64, c *Change) (dropped bool) {
	for i := range b.rows {
		if b.rows[i].no == no {
			b.rows[i].shown = true
		}
	}
	return b.drop(0, c)
}

// message is what the application of that user gets of r.
func (r *Received) message(user uint64) Message {
	payload, kind := unpackPayload(r.Payload, r.Kind)
	return ownMessage(Message{
		ID: r.ID, From: r.User, Device: r.Device, Gen: r.Gen, Seq: r.Seq, Group: r.Group, GroupSeq: r.GroupSeq,
		Time: r.Time, Kind: kind, Payload: payload, arrival: r.No, before: r.Before,
	}, user)
}

// keeps says whether the message of v goes into the inbox when it is accepted now. Where there is no room, or something before
// it waits for the application, it waits too: a later message must not be kept before an earlier one. The mutex is held.
func (c *Client) keeps(v *codec.Deliver) bool {
	return c.cfg.inbox && v.Seq != 0 && c.down.idle() && c.inbox.room(len(v.Blob), c.cfg.inboxEntries)
}

// keep puts a message that was just accepted into the inbox: it waits for nobody any more. The mutex is held.
func (c *Client) keep(v *codec.Deliver, arrival, before uint64) {
	c.inbox.add(Received{
		No: arrival, StreamKey: StreamKey{User: v.From, Device: v.Device, Gen: v.Gen, Group: v.Group}, ID: v.ID, Before: before,
		Seq: v.Seq, GroupSeq: v.GroupSeq, Time: seconds(v.TimeSec), Kind: v.Kind, Payload: append([]byte(nil), v.Blob...),
	}, c.journal.staged)
	c.down.acknowledge(arrival)
}

// handOut gives the application what an earlier client has put into the inbox, before anything that the server sends.
func (c *Client) handOut(l *link) {
	for i := range c.backlog {
		if c.ctx.Err() != nil {
			return
		}
		if r := &c.backlog[i]; ofServer(r.Kind) {
			c.handOutChange(l, r)
		} else {
			c.emit(l, r.message(c.cfg.user))
		}
		c.backlog[i].Payload = nil
	}
	c.backlog = nil
}

// handOutChange gives the application a change of a group. It leaves the inbox unless this client keeps what comes: then the next one shows it too.
func (c *Client) handOutChange(l *link, r *Received) {
	ev, ok := c.groupEvent(&codec.Deliver{
		From: r.User, Group: r.Group, GroupSeq: r.GroupSeq, Kind: r.Kind, TimeSec: uint32(r.Time.Unix()), Blob: r.Payload,
	})
	if ok {
		c.emit(l, ev)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cfg.inbox && c.inbox.show(r.No, c.journal.staged) {
		c.urgently(c.cfg.now())
	}
}
