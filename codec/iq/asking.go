package iq

import (
	"trunkline/codec"
)

// AppendRequest adds a request as a NODE frame: the fields that its Op names, and no other.
// Errors: ErrForm (a field that its Op needs is missing or above its limit), the codec's; dst is then returned unchanged.
func AppendRequest(dst []byte, r *Request) ([]byte, error) {
	if !r.Op.known() || !r.valid() {
		return dst, ErrForm
	}
	form := &opForms[r.Op]
	b := codec.NewBuilder(dst)
	b.Open(form.root)
	b.Attr("type", form.kind)
	r.write(&b, form)
	if form.about(fieldUsers) {
		writeIDs(&b, r.Users)
	}
	b.Close()
	return frame(&b, len(dst), r.Ref, false)
}

// write adds the attributes of a request, and its content when that is not its Users.
func (r *Request) write(b *codec.Builder, form *opForm) {
	if form.about(fieldGroup) {
		attrUser(b, "group", r.Group)
	}
	if form.about(fieldUser) {
		attrUser(b, "user", r.User)
	}
	if form.about(fieldDevice) {
		b.AttrUint("device", uint64(r.Device))
	}
	if form.about(fieldToken) {
		b.AttrUint("key", r.Token)
	}
	if form.about(fieldSeq) {
		attrUint(b, "seq", r.Seq)
	}
	if form.about(fieldCursor) {
		attrUint(b, "after", r.Cursor)
	}
	switch {
	case form.about(fieldSubject):
		b.Attr("subject", r.Text)
	case form.about(fieldReason):
		attrText(b, "reason", r.Text)
	case form.about(fieldInvite | fieldCode):
		b.AttrBytes("invite", r.Bytes)
	case form.about(fieldProfile):
		r.Profile.write(b)
	case form.about(fieldPrivacy):
		r.Privacy.write(b)
	case form.about(fieldDevices):
		signed := r.Devices
		signed.Known = nil
		signed.write(b)
	}
}

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

// valid says whether the fields that Op needs are there and none is above its limit.
func (r *Request) valid() bool {
	form := &opForms[r.Op]
	switch {
	case r.Ref == 0,
		form.needs&fieldGroup != 0 && !validGroup(r.Group),
		form.takes&fieldGroup != 0 && r.Group != 0 && !validGroup(r.Group),
		form.needs&fieldUser != 0 && !validUser(r.User),
		form.takes&fieldUser != 0 && r.User != 0 && !validUser(r.User),
		form.about(fieldDevice) && (r.Device == 0 || r.Device > codec.DeviceMax),
		form.about(fieldToken) && r.Token == 0,
		form.needs&fieldSeq != 0 && r.Seq == 0,
		form.needs&fieldUsers != 0 && len(r.Users) == 0,
		form.about(fieldUsers) && !validUsers(r.Users),
		form.about(fieldSubject) && !validText(r.Text, SubjectBytesMax),
		form.about(fieldReason) && !validText(r.Text, ReasonBytesMax),
		form.about(fieldInvite) && len(r.Bytes) != 0 && len(r.Bytes) != InviteBytes,
		form.about(fieldCode) && len(r.Bytes) != InviteBytes,
		form.about(fieldProfile) && !r.Profile.valid(),
		form.about(fieldPrivacy) && !r.Privacy.valid(),
		form.about(fieldDevices) && !(r.Devices.Version > 0 && len(r.Devices.List) > 0 && r.Devices.valid()):
		return false
	}
	return true
}

// validUsers says whether a request can name these: no one twice, at most UsersMax, so that each may be compared with all.
func validUsers(users []uint64) bool {
	if len(users) > UsersMax {
		return false
	}
	rising := true
	for i, user := range users {
		if !validUser(user) {
			return false
		}
		rising = rising && (i == 0 || users[i-1] < user)
	}
	if rising {
		return true
	}
	for i, user := range users {
		for _, other := range users[:i] {
			if user == other {
				return false
			}
		}
	}
	return true
}

// frame turns the node that b has put behind the first start bytes of its slice into a NODE frame in the same place.
func frame(b *codec.Builder, start int, ref uint32, compress bool) ([]byte, error) {
	out, err := b.Finish()
	if err != nil {
		return out, err
	}
	n := codec.Node{Ref: ref, Body: out[start:]}
	if compress {
		n, _ = codec.CompressNode(n, nil)
	}
	whole, err := codec.AppendNode(out, &n)
	if err != nil {
		return whole[:start], err
	}
	return append(whole[:start], whole[len(out):]...), nil
}

// attrUser adds an id, attrUint a number, attrText a text, attrBytes bytes; zero and empty ones are left away.
func attrUser(b *codec.Builder, key string, id uint64) {
	if id != 0 {
		b.AttrUser(key, id)
	}
}

func attrUint(b *codec.Builder, key string, n uint64) {
	if n != 0 {
		b.AttrUint(key, n)
	}
}

func attrText(b *codec.Builder, key, text string) {
	if text != "" {
		b.Attr(key, text)
	}
}

func attrBytes(b *codec.Builder, key string, raw []byte) {
	if len(raw) != 0 {
		b.AttrBytes(key, raw)
	}
}

// writeIDs adds a list of ids as the content of the open node, or nothing when there are none.
func writeIDs(b *codec.Builder, ids []uint64) {
	if len(ids) == 0 {
		return
	}
	b.OpenList()
	for _, id := range ids {
		b.User(id)
	}
	b.Close()
}
