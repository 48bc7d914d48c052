package iq

import "trunkline/codec"

// ParseReply reads a NODE frame that a server sent: an answer (notice false), or a notice. Slices are new.
// Errors: ErrUnknown (passed over by clients), ErrForm; the codec's. The ref of what is no notice is in a.Ref with all errors that come
// after the frame's head. Source: docs/protocol.md, "Answers".
func ParseReply(tape *codec.Tape, f codec.Frame, a *Answer, n *Notice) (notice bool, err error) {
	*a, *n = Answer{}, Notice{}
	v, err := codec.ParseNode(f)
	a.Ref = v.Ref
	if err != nil {
		return false, err
	}
	if err := tape.Parse(&v); err != nil {
		return false, err
	}
	root := tape.Root()
	switch {
	case v.Ref == 0 && root.Name().Is("notification"):
		return true, n.read(root)
	case v.Ref == 0:
		return false, ErrUnknown
	case root.Name().Is("error"):
		a.Op = findOp(root.Attr("query"), root.Attr("type"))
		return false, formError(a.readError(root))
	case root.Name().Is("result"):
		if a.Op = findOp(root.Attr("query"), root.Attr("type")); a.Op != OpNone {
			return false, formError(a.readResult(root))
		}
	}
	return false, ErrUnknown
}

func formError(ok bool) error {
	if ok {
		return nil
	}
	return ErrForm
}
