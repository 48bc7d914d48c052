package iq

import "trunkline/codec"

// ParseRequest reads a NODE frame that a client sent into r. tape is the caller's, to be reused; r aliases the frame.
// Errors: ErrUnknown (well formed, and no operation of this version: CodeUnsupported), ErrForm (CodeInvalid; r.Op is set too); the codec's
// (CodeMalformed). r.Ref is set with all errors that come after the frame's head. Allocates nothing but texts once tape and r have grown.
// Source: docs/protocol.md, "Requests".
func ParseRequest(tape *codec.Tape, f codec.Frame, r *Request) error {
	*r = Request{Users: r.Users[:0], Devices: DeviceList{List: r.Devices.List[:0]}}
	n, err := codec.ParseNode(f)
	r.Ref = n.Ref
	if err != nil {
		return err
	}
	if err := tape.Parse(&n); err != nil {
		return err
	}
	root := tape.Root()
	if r.Op = findOp(root.Name(), root.Attr("type")); r.Op == OpNone {
		return ErrUnknown
	}
	if !r.read(root, &opForms[r.Op]) || !r.valid() {
		return ErrForm
	}
	return nil
}

// read takes over the fields of an operation; ok is false when one of them is nothing that can stand there.
func (r *Request) read(root codec.Value, form *opForm) (ok bool) {
	a := attributes{node: root}
	if form.about(fieldGroup) {
		r.Group = a.id("group", validGroup)
	}
	if form.about(fieldUser) {
		r.User = a.id("user", validUser)
	}
	if form.about(fieldDevice) {
		r.Device = uint8(a.number("device", codec.DeviceMax))
		a.bad = a.bad || !a.is("device")
	}
	if form.about(fieldToken) {
		r.Token = a.number("key", ^uint64(0))
	}
	if form.about(fieldSeq) {
		r.Seq = a.number("seq", ^uint64(0))
	}
	if form.about(fieldCursor) {
		r.Cursor = a.number("after", ^uint64(0))
	}
	if form.about(fieldUsers) {
		r.Users = a.ids(r.Users, root, UsersMax, validUser)
	}
	switch {
	case form.about(fieldSubject):
		r.Text = a.text("subject", SubjectBytesMax)
		a.bad = a.bad || form.needs&fieldSubject != 0 && !a.is("subject")
	case form.about(fieldReason):
		r.Text = a.text("reason", ReasonBytesMax)
	case form.about(fieldInvite | fieldCode):
		r.Bytes = a.bytes("invite", InviteBytes)
		a.bad = a.bad || !a.is("invite")
	case form.about(fieldProfile):
		r.Profile.read(&a)
	case form.about(fieldPrivacy):
		r.Privacy.read(&a)
	case form.about(fieldDevices):
		r.Devices.read(&a)
	}
	return !a.bad
}
