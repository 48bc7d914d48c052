package client

import (
	"context"
	"fmt"
	"slices"

	"trunkline/codec"
)

// sendRoom is what a SEND with one extension has for its parts, and partHead what each of them takes beside its payload.
const (
	sendRoom = codec.FrameBytesMax - codec.LengthPrefixBytesMax - 2 - 17 - (2 + 2 + 4)
	partHead = 4
)

// Send puts a message for to into the outbox and returns its id when State has it; ticks come as events that carry the id. It goes to all devices that
// the receiver's primary has signed, as far as this client knows; the server says when there are others, and then it is sent again by itself, under
// the same id for the application. Other devices of this user get a copy. The payload is copied, and compressed when that saves bytes.
// Errors: ErrTooLarge, ErrReceiver, ErrOutboxFull, ErrClosed, ErrState, or ctx's when it has ended before.
func (c *Client) Send(ctx context.Context, to uint64, payload []byte) (id uint64, err error) {
	if to == 0 || to > codec.UserMax {
		return 0, fmt.Errorf("%w: %d", ErrReceiver, to)
	}
	return c.post(ctx, Entry{Kind: EntrySend, Peer: to}, payload)
}

// SendGroup is Send for a group that this user is in: one message to all its members. When the group changes before the message is taken, it is sent
// again by itself, under the same id for the application. Errors: as Send, ErrGroup for an id that is no group's.
func (c *Client) SendGroup(ctx context.Context, group uint64, payload []byte) (id uint64, err error) {
	if err := checkGroup(group); err != nil {
		return 0, err
	}
	return c.post(ctx, Entry{Kind: EntrySend, Group: group}, payload)
}

// post puts a message into the outbox, with what goes to own other devices.
func (c *Client) post(ctx context.Context, draft Entry, payload []byte) (id uint64, err error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if len(payload) > PayloadBytesMax {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(payload), PayloadBytesMax)
	}
	draft.Payload, draft.PayloadKind = packPayload(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return 0, err
	}
	drafts := []Entry{draft}
	if draft.Group == 0 {
		list, version := c.known.list(draft.Peer)
		drafts = address(draft, list, version)
	}
	copies := c.copies(&draft, c.up.last()+1)
	if !c.up.room(len(drafts)*len(draft.Payload)+len(copies)*(copyHeadBytes+len(draft.Payload)), len(drafts)+len(copies)) {
		return 0, ErrOutboxFull
	}
	id = c.stage(drafts[0])
	c.sent.add(id, draft.Peer|draft.Group, c.journal.staged)
	for _, d := range drafts[1:] {
		c.again.add(Again{ID: c.stage(d), Root: id, Part: true, Devices: d.Devices}, c.journal.staged)
	}
	for i, first := 0, uint64(0); i < len(copies); i++ {
		n := c.stage(copies[i])
		if i == 0 {
			first = n
		} else {
			c.again.add(Again{ID: n, Root: first, Part: true, Devices: copies[i].Devices}, c.journal.staged)
		}
	}
	if err := c.commit(); err != nil {
		c.cancel() // nothing can be promised any more
		return 0, err
	}
	c.poke()
	return id, nil
}

// stage puts an entry into the outbox. The mutex is held.
func (c *Client) stage(e Entry) (cseq uint64) {
	e.Time = c.cfg.now()
	e.Cseq = c.up.add(e)
	c.journal.staged.Put = append(c.journal.staged.Put, e)
	c.journal.touch(e.Time)
	return e.Cseq
}

// copies are the entries that show a direct message to this user's other devices. A companion that knows no list yet knows that there is a primary; the
// server then says which list there is.
func (c *Client) copies(e *Entry, id uint64) []Entry {
	list, version := c.known.list(c.cfg.user)
	if version == 0 && c.cfg.device != 0 {
		list = []uint8{0}
	}
	others := slices.DeleteFunc(slices.Clone(list), func(d uint8) bool { return d == c.cfg.device })
	if e.Group != 0 || e.Peer == c.cfg.user || len(others) == 0 {
		return nil
	}
	payload := appendCopy(nil, &copied{to: e.Peer, id: id, kind: e.PayloadKind, payload: e.Payload})
	return address(Entry{Kind: EntrySend, Peer: c.cfg.user, PayloadKind: PayloadCopy, Payload: payload}, others, version)
}

// address makes the entries that carry a draft to devices: as few as hold it. Without a list it goes to the primary.
func address(draft Entry, devices []uint8, version uint32) []Entry {
	draft.Known = version
	if version == 0 {
		return []Entry{draft}
	}
	n := max(min(sendRoom/(partHead+len(draft.Payload)), codec.PartsMax), 1)
	var list []Entry
	for chunk := range slices.Chunk(devices, n) {
		e := draft
		e.Devices = slices.Clone(chunk)
		list = append(list, e)
	}
	return list
}

// appendEntryFrame adds the frame of e to b. epoch is that of the group which a message goes to. parts is scratch.
func appendEntryFrame(b []byte, e *Entry, epoch uint32, parts codec.Parts) ([]byte, codec.Parts, error) {
	if e.Kind == EntryReceipt {
		b, err := appendReceiptFrame(b, e)
		return b, parts, err
	}
	v := codec.Send{Cseq: e.Cseq, To: e.Peer, N: 1}
	var ext [6]byte
	switch {
	case e.Group != 0:
		v.To, v.Flags = e.Group, codec.FlagGroup
		if epoch != 0 {
			v.Ext = knownExt(ext[:0], codec.ExtEpoch, epoch)
		}
	default:
		v.Ext = knownExt(ext[:0], codec.ExtDevices, e.Known)
	}
	if len(e.Devices) == 0 {
		v.Parts = parts[:0].Append(codec.Part{Kind: e.PayloadKind, Blob: e.Payload})
	} else {
		v.N, v.Parts = uint8(len(e.Devices)), parts[:0]
		for _, device := range e.Devices {
			v.Parts = v.Parts.Append(codec.Part{Device: device, Kind: e.PayloadKind, Blob: e.Payload})
		}
	}
	b, err := codec.AppendSend(b, &v)
	return b, v.Parts, err
}

// appendReceiptFrame adds the frame of a receipt.
func appendReceiptFrame(b []byte, e *Entry) ([]byte, error) {
	r := codec.Receipt{
		Seq: e.Cseq, Kind: codec.ReceiptKind(e.ReceiptKind), Device: e.Device, Gen: e.Gen, Peer: e.Peer,
		First: e.First, Last: e.Last, TimeSec: uint32(e.Time.Unix()), Group: e.Group,
	}
	if e.Group != 0 {
		r.Flags = codec.FlagGroup
	}
	return codec.AppendReceipt(b, &r)
}

// knownExt adds an extension that says which version of something the sender knows.
func knownExt(ext codec.Ext, kind uint8, version uint32) codec.Ext {
	return append(ext, kind, 4, byte(version>>24), byte(version>>16), byte(version>>8), byte(version))
}
