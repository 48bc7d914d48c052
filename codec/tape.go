package codec

import (
	"encoding/binary"
	"math/bits"
)

// The first byte of each value of a node. docs/protocol.md, "Nodes".
const (
	tagTokenMax  = 0xD7 // 0x01..0xD7: a one-byte token
	tagPageMin   = 0xD8 // 0xD8..0xDF and one more byte: a two-byte token
	tagPageMax   = 0xDF
	tagUint      = 0xE0 // 0xE0..0xE7: an unsigned integer of 1..8 bytes
	tagUser      = 0xE8 // 0xE8..0xEF: a user or group id of 1..8 bytes
	tagUserMax   = 0xEF
	tagBytes8    = 0xF0 // u8 length, bytes
	tagBytes16   = 0xF1 // u16 length (256 or more), bytes
	tagBytes24   = 0xF2 // u24 length (65,536 or more), bytes
	tagList      = 0xFA // values, end
	tagEnd       = 0xFB // ends a list
	tagNode      = 0xFC // n u8, name, n x (key, value)
	tagNodeValue = 0xFD // the same, then the content
)

// ValueKind says what a value of a node is.
type ValueKind uint8

// The kinds of value.
const (
	ValueNone  ValueKind = iota // no value: a missing attribute, the end of a list
	ValueToken                  // a text from the dictionary
	ValueBytes                  // other text or raw bytes
	ValueUint
	ValueUser // a user id, or a group id with GroupBit
	ValueList
	ValueNode
)

// item is one value on the tape. A container's values follow it at once.
type item struct {
	num   uint64 // the number, or the token's code
	off   uint32 // of the bytes in src
	size  uint32
	next  uint32 // the index behind this value and all that is in it
	kind  ValueKind
	attrs uint8 // of a node
	full  bool  // a node with content
}

// Tape is a parsed node: all its values in one flat slice, in wire order. It is reused from node to node without
// allocating; a loop needs one. Its values alias the frame that was parsed (or the tape, when the node was
// compressed) and are valid until the next Parse. A tape belongs to one goroutine at a time.
type Tape struct {
	items []item
	src   []byte
	pos   int
	buf   []byte // an inflated node: up to NodeInflatedBytesMax, kept for the next one
}

// Parse reads the body of a NODE, undoing DEFLATE when its flag says so. After an error the tape is empty.
//
// Only the canonical form is taken, so that a node has one encoding: a text that the dictionary has is a token,
// numbers and lengths have their shortest form, no key stands twice in a node.
// Errors: ErrInflate, ErrInflateTooLarge, ErrNodeLength, ErrNodeTag, ErrNodePlace, ErrNodeForm, ErrNodeLimit (all the
// peer's fault). Allocates nothing once the tape has grown, except inside DEFLATE.
// Source: docs/protocol.md, "Nodes".
func (t *Tape) Parse(n *Node) error {
	t.items, t.pos, t.src = t.items[:0], 0, n.Body
	err := t.undoDeflate(n)
	if err == nil {
		err = t.parseRoot()
	}
	if err != nil {
		t.items, t.src = t.items[:0], nil
	}
	return err
}

func (t *Tape) undoDeflate(n *Node) error {
	if n.Flags&FlagDeflate == 0 {
		return nil
	}
	out, err := inflate(t.buf[:0], n.Body, NodeInflatedBytesMax)
	if err != nil {
		return err
	}
	t.buf, t.src = out, out
	if len(out) < NodeDeflateBytesMin || len(out) <= len(n.Body) {
		return ErrNodeForm
	}
	return nil
}

func (t *Tape) parseRoot() error {
	tag, err := t.takeByte()
	if err != nil {
		return err
	}
	if tag != tagNode && tag != tagNodeValue {
		return ErrNodePlace
	}
	if err := t.parseNode(tag, 1); err != nil {
		return err
	}
	if t.pos != len(t.src) {
		return ErrNodeLength
	}
	return nil
}

// parseNode reads a node whose tag was taken. depth counts the node itself.
func (t *Tape) parseNode(tag byte, depth int) error {
	at, err := t.openItem(ValueNode, depth)
	if err != nil {
		return err
	}
	n, err := t.takeByte()
	if err != nil {
		return err
	}
	if n > NodeAttrsMax {
		return ErrNodeLimit
	}
	if err := t.parseText(); err != nil {
		return err
	}
	for range n {
		if err := t.parseAttr(at + 2); err != nil {
			return err
		}
	}
	if tag == tagNodeValue {
		if err := t.parseContent(depth); err != nil {
			return err
		}
	}
	it := &t.items[at]
	it.attrs, it.full, it.next = n, tag == tagNodeValue, uint32(len(t.items))
	return nil
}

// parseText reads a name or a key: a token, or bytes that are not empty.
func (t *Tape) parseText() error {
	tag, err := t.takeByte()
	if err != nil {
		return err
	}
	if err := t.parseScalar(tag); err != nil {
		return err
	}
	it := &t.items[len(t.items)-1]
	if it.kind == ValueToken || it.kind == ValueBytes && it.size > 0 {
		return nil
	}
	return ErrNodePlace
}

// parseAttr reads a key and a value. first is the index of the node's first key.
func (t *Tape) parseAttr(first int) error {
	at := len(t.items)
	if err := t.parseText(); err != nil {
		return err
	}
	for i := first; i < at; i += 2 {
		if t.scalarsEqual(i, at) {
			return ErrNodeForm
		}
	}
	tag, err := t.takeByte()
	if err != nil {
		return err
	}
	return t.parseScalar(tag)
}

func (t *Tape) parseContent(depth int) error {
	tag, err := t.takeByte()
	if err != nil {
		return err
	}
	if tag == tagList {
		return t.parseList(depth)
	}
	return t.parseScalar(tag)
}

// parseList reads a list whose tag was taken. depth counts the list; a node's content list counts as the node.
func (t *Tape) parseList(depth int) error {
	at, err := t.openItem(ValueList, depth)
	if err != nil {
		return err
	}
	for {
		tag, err := t.takeByte()
		if err != nil {
			return err
		}
		switch tag {
		case tagEnd:
			t.items[at].next = uint32(len(t.items))
			return nil
		case tagNode, tagNodeValue:
			err = t.parseNode(tag, depth+1)
		case tagList:
			err = t.parseList(depth + 1)
		default:
			err = t.parseScalar(tag)
		}
		if err != nil {
			return err
		}
	}
}

// parseScalar reads a value that holds no other value.
func (t *Tape) parseScalar(tag byte) error {
	switch {
	case tag == 0:
		return ErrNodeTag
	case tag <= tagTokenMax:
		return t.pushToken(Token(tag))
	case tag <= tagPageMax:
		low, err := t.takeByte()
		if err != nil {
			return err
		}
		return t.pushToken(Token(tag)<<8 | Token(low))
	case tag < tagUser:
		return t.pushNumber(ValueUint, int(tag-tagUint)+1)
	case tag <= tagUserMax:
		return t.pushNumber(ValueUser, int(tag-tagUser)+1)
	case tag <= tagBytes24:
		return t.pushBytes(int(tag-tagBytes8) + 1)
	case tag >= tagList && tag <= tagNodeValue:
		return ErrNodePlace
	}
	return ErrNodeTag
}

func (t *Tape) pushToken(code Token) error {
	if !code.known() {
		return ErrNodeTag
	}
	return t.push(ValueToken, uint64(code), 0, 0)
}

func (t *Tape) pushNumber(kind ValueKind, size int) error {
	if len(t.src)-t.pos < size {
		return ErrNodeLength
	}
	num := uint64(0)
	for _, c := range t.src[t.pos : t.pos+size] {
		num = num<<8 | uint64(c)
	}
	if numberBytes(num) != size {
		return ErrNodeForm
	}
	t.pos += size
	return t.push(kind, num, 0, 0)
}

// pushBytes reads a length of lenBytes bytes and the bytes.
func (t *Tape) pushBytes(lenBytes int) error {
	rest := t.src[t.pos:]
	if len(rest) < lenBytes {
		return ErrNodeLength
	}
	size := 0
	for _, c := range rest[:lenBytes] {
		size = size<<8 | int(c)
	}
	if lenBytes > 1 && size>>(8*(lenBytes-1)) == 0 {
		return ErrNodeForm
	}
	rest = rest[lenBytes:]
	if len(rest) < size {
		return ErrNodeLength
	}
	if size <= tokenBytesMax {
		if _, ok := dictionary.codes[string(rest[:size])]; ok {
			return ErrNodeForm
		}
	}
	off := t.pos + lenBytes
	t.pos = off + size
	return t.push(ValueBytes, 0, off, size)
}

// push adds a value. Its fields come one by one: an item copied through memory costs more than the parsing.
func (t *Tape) push(kind ValueKind, num uint64, off, size int) error {
	n := len(t.items)
	if n >= NodeItemsMax {
		return ErrNodeLimit
	}
	t.items = append(t.items, item{})
	it := &t.items[n]
	it.kind, it.num, it.off, it.size, it.next = kind, num, uint32(off), uint32(size), uint32(n+1)
	return nil
}

func (t *Tape) openItem(kind ValueKind, depth int) (at int, err error) {
	if depth > NodeDepthMax {
		return 0, ErrNodeLimit
	}
	return len(t.items), t.push(kind, 0, 0, 0)
}

func (t *Tape) takeByte() (byte, error) {
	if t.pos >= len(t.src) {
		return 0, ErrNodeLength
	}
	c := t.src[t.pos]
	t.pos++
	return c, nil
}

func (t *Tape) scalarsEqual(i, j int) bool {
	a, b := &t.items[i], &t.items[j]
	return a.kind == b.kind && a.num == b.num && string(t.bytesOf(a)) == string(t.bytesOf(b))
}

func (t *Tape) bytesOf(it *item) []byte { return t.src[it.off : it.off+it.size : it.off+it.size] }

// numberBytes is how many bytes the shortest form of v has: 1 for 0.
func numberBytes(v uint64) int { return max(1, (bits.Len64(v)+7)/8) }

// appendNumber adds the shortest form of v behind its tag; tag is that of one byte.
func appendNumber(dst []byte, tag byte, v uint64) []byte {
	n := numberBytes(v)
	dst = append(dst, tag+byte(n-1))
	var be [8]byte
	binary.BigEndian.PutUint64(be[:], v)
	return append(dst, be[8-n:]...)
}
