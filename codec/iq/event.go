package iq

import "trunkline/codec"

// Event is what happened in a group: the payload of a DELIVER whose kind is codec.PayloadGroupEvent, made by the server. From is who did it.
type Event struct {
	Op    Op // OpGroupCreate, Add, Remove, Promote, Demote, Leave, Subject, Invite (changed; the code is not told), Join
	Epoch uint32
	Users []uint64 // whom it is about
	Text  string   // the subject
}

// AppendEvent adds an event's bytes: a bare node. Errors: ErrForm; the codec's; dst is then returned unchanged.
func AppendEvent(dst []byte, e *Event) ([]byte, error) {
	if !e.Op.hasEvent() || !validText(e.Text, SubjectBytesMax) || !validIDs(e.Users, validUser) {
		return dst, ErrForm
	}
	b := codec.NewBuilder(dst)
	b.Open(opForms[e.Op].root)
	b.Attr("type", opForms[e.Op].kind)
	b.AttrUint("epoch", uint64(e.Epoch))
	attrText(&b, "subject", e.Text)
	writeIDs(&b, e.Users)
	b.Close()
	return b.Finish()
}

// ParseEvent reads them. Slices are new. Errors: ErrUnknown, ErrForm; the codec's. Source: docs/protocol.md, "Group events".
func ParseEvent(tape *codec.Tape, payload []byte, e *Event) error {
	*e = Event{}
	if err := tape.Parse(&codec.Node{Body: payload}); err != nil {
		return err
	}
	root := tape.Root()
	if e.Op = findOp(root.Name(), root.Attr("type")); !e.Op.hasEvent() {
		return ErrUnknown
	}
	a := attributes{node: root}
	e.Epoch = uint32(a.number("epoch", 1<<32-1))
	e.Text = a.text("subject", SubjectBytesMax)
	e.Users = a.ids(nil, root, PageMax, validUser)
	return formError(!a.bad)
}
