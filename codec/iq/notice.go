package iq

import "trunkline/codec"

// Notice is what a server says unasked (ref 0). A client that does not know one passes it over.
type Notice struct {
	Devices DeviceList // User not 0: this is the present list of that user; a SEND named an older one
	Group   GroupInfo  // Group not 0: the present group; a SEND named an older epoch. The first page of members; More as in Answer
	More    uint64
}

// AppendNotice adds a notice as a NODE frame, compressed where that is worth it. Errors: ErrForm (also: it says nothing), the codec's;
// dst is then returned unchanged.
func AppendNotice(dst []byte, n *Notice) ([]byte, error) {
	if !n.valid() {
		return dst, ErrForm
	}
	b := codec.NewBuilder(dst)
	b.Open("notification")
	attrUint(&b, "next", n.More)
	if n.Devices.User != 0 {
		n.Devices.writePart(&b)
	}
	if n.Group.Group != 0 {
		n.Group.writePart(&b)
	}
	b.Close()
	return frame(&b, len(dst), 0, worthDeflate(n.Group.Members))
}

func (n *Notice) valid() bool {
	if n.Devices.User == 0 && n.Group.Group == 0 {
		return false
	}
	return (n.Devices.User == 0 || n.Devices.valid()) && (n.Group.Group == 0 || n.Group.valid())
}

// read takes a notice over. Errors: ErrUnknown (nothing in it that this version knows), ErrForm.
func (n *Notice) read(root codec.Value) error {
	a := attributes{node: root}
	n.More = a.number("next", ^uint64(0))
	devices, group := child(root, "devices"), child(root, "group")
	switch {
	case a.bad,
		devices.Kind() != codec.ValueNone && !n.Devices.readPart(devices),
		group.Kind() != codec.ValueNone && !n.Group.readPart(group):
		return ErrForm
	case devices.Kind() == codec.ValueNone && group.Kind() == codec.ValueNone:
		return ErrUnknown
	}
	return nil
}
