package iq

import "trunkline/codec"

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
