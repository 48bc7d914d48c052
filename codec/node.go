package codec

import "encoding/binary"

// Node is a cold stanza. Layout: ref u32 (the asker's number, repeated in the answer), [ext], node bytes (see Tape).
type Node struct {
	Ref   uint32
	Flags Flags // FlagDeflate
	Ext   Ext
	Body  []byte // never empty; what it holds is checked by Tape.Parse
}

const (
	nodeBytes = 4
	nodeFlags = FlagDeflate
)

// ParseNode reads the head of a NODE; Tape.Parse reads the rest. Ext and Body alias the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical (the stanza is then returned whole). Allocates nothing.
func ParseNode(f Frame) (v Node, err error) {
	if err = f.is(KindNode, nodeFlags); err != nil {
		return v, err
	}
	ext, body, err := splitTail(f.Flags, f.Body, nodeBytes)
	if err != nil && err != ErrExtCritical {
		return v, err
	}
	if len(body) == 0 {
		return v, ErrBodyLength
	}
	v.Ref = binary.BigEndian.Uint32(f.Body)
	v.Flags = f.Flags &^ FlagExt
	v.Ext, v.Body = ext, body
	return v, err
}

// AppendNode adds a NODE frame to dst: 7 bytes and the node without extensions. Body is taken as it is.
// Errors: ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical, ErrFrameTooLarge; dst is then returned unchanged.
func AppendNode(dst []byte, v *Node) ([]byte, error) {
	flags := v.Flags &^ FlagExt
	if flags&^nodeFlags != 0 {
		return dst, ErrFlags
	}
	if len(v.Body) == 0 {
		return dst, ErrBodyLength
	}
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	bodyLen := nodeBytes + extLen + len(v.Body)
	if bodyLen > bodyBytesMax {
		return dst, ErrFrameTooLarge
	}
	dst = appendHead(dst, KindNode, flags|flag, bodyLen)
	dst = binary.BigEndian.AppendUint32(dst, v.Ref)
	dst = appendExt(dst, v.Ext)
	return append(dst, v.Body...), nil
}

// CompressNode compresses the body of a node that has NodeDeflateBytesMin bytes or more when that saves bytes. The
// result's Body then lies in scratch's array, which is returned to be used again; else the node is returned as it is.
func CompressNode(n Node, scratch []byte) (Node, []byte) {
	if n.Flags&FlagDeflate != 0 || len(n.Body) < NodeDeflateBytesMin {
		return n, scratch
	}
	out, ok := deflate(scratch[:0], n.Body)
	if !ok {
		return n, scratch
	}
	n.Body, n.Flags = out, n.Flags|FlagDeflate
	return n, out
}
