package codec

// Value is one value on a Tape: the root node, an attribute, a content. The zero Value is none: its methods say
// nothing and its kind is ValueNone, so that look-ups can be chained. Valid until the tape's next Parse.
type Value struct {
	tape *Tape
	at   uint32
	end  uint32 // of the list that the value stands in, for Next
}

// Root is the node that was parsed; none when Parse failed.
func (t *Tape) Root() Value {
	if len(t.items) == 0 {
		return Value{}
	}
	return Value{tape: t, end: uint32(len(t.items))}
}

func (v Value) item() item {
	if v.tape == nil {
		return item{}
	}
	return v.tape.items[v.at]
}

// Kind says what the value is.
func (v Value) Kind() ValueKind { return v.item().kind }

// Token is the code of a ValueToken.
func (v Value) Token() (t Token, ok bool) {
	it := v.item()
	if it.kind != ValueToken {
		return 0, false
	}
	return Token(it.num), true
}

// Uint is the number of a ValueUint.
func (v Value) Uint() (n uint64, ok bool) {
	it := v.item()
	if it.kind != ValueUint {
		return 0, false
	}
	return it.num, true
}

// User is the id of a ValueUser.
func (v Value) User() (id uint64, ok bool) {
	it := v.item()
	if it.kind != ValueUser {
		return 0, false
	}
	return it.num, true
}

// Bytes are those of a ValueBytes; they alias the frame or the tape. A text of the dictionary is a token and not
// bytes: use Text or Is for texts.
func (v Value) Bytes() (b []byte, ok bool) {
	it := v.item()
	if it.kind != ValueBytes {
		return nil, false
	}
	return v.tape.bytesOf(&it), true
}

// Text is the text of a token or of bytes, empty for all else. It allocates for bytes; Is does not.
func (v Value) Text() string {
	it := v.item()
	switch it.kind {
	case ValueToken:
		return Token(it.num).String()
	case ValueBytes:
		return string(v.tape.bytesOf(&it))
	}
	return ""
}

// Is says whether the value is that text, as a token or as bytes.
func (v Value) Is(text string) bool {
	it := v.item()
	switch it.kind {
	case ValueToken:
		return Token(it.num).String() == text
	case ValueBytes:
		return string(v.tape.bytesOf(&it)) == text
	}
	return false
}

// Name is a node's name, a token or bytes; none for all else.
func (v Value) Name() Value {
	if v.Kind() != ValueNode {
		return Value{}
	}
	return Value{tape: v.tape, at: v.at + 1}
}

// AttrCount is how many attributes a node has: 0..NodeAttrsMax.
func (v Value) AttrCount() int { return int(v.item().attrs) }

// AttrAt is the i-th attribute in wire order, 0 <= i < AttrCount().
func (v Value) AttrAt(i int) (key, value Value) {
	if i < 0 || i >= v.AttrCount() {
		return Value{}, Value{}
	}
	at := v.at + 2 + 2*uint32(i)
	return Value{tape: v.tape, at: at}, Value{tape: v.tape, at: at + 1}
}

// Attr is the value of the attribute with that key; none when the node has no such attribute.
func (v Value) Attr(key string) Value {
	for i := range v.AttrCount() {
		if k, value := v.AttrAt(i); k.Is(key) {
			return value
		}
	}
	return Value{}
}

// Content is what a node holds: a scalar or a list; none when it is empty.
func (v Value) Content() Value {
	it := v.item()
	if it.kind != ValueNode || !it.full {
		return Value{}
	}
	return Value{tape: v.tape, at: v.at + 2 + 2*uint32(it.attrs)}
}

// First is the first value of a list, or of a node's list; none when there is none.
//
//	for child := node.First(); child.Kind() != codec.ValueNone; child = child.Next() { ... }
func (v Value) First() Value {
	if v.Kind() == ValueNode {
		v = v.Content()
	}
	it := v.item()
	if it.kind != ValueList || it.next == v.at+1 {
		return Value{}
	}
	return Value{tape: v.tape, at: v.at + 1, end: it.next}
}

// Next is the value behind this one in its list; none at the end.
func (v Value) Next() Value {
	next := v.item().next
	if v.tape == nil || next >= v.end {
		return Value{}
	}
	return Value{tape: v.tape, at: next, end: v.end}
}

// Equal says whether two values, of one tape or two, hold the same in the same order.
func (v Value) Equal(w Value) bool {
	a, b := v.item(), w.item()
	if v.tape == nil || w.tape == nil {
		return a.kind == b.kind
	}
	n := a.next - v.at
	if n != b.next-w.at {
		return false
	}
	for i := range n {
		if !itemsEqual(v.tape, v.at+i, w.tape, w.at+i) {
			return false
		}
	}
	return true
}

func itemsEqual(t *Tape, i uint32, u *Tape, j uint32) bool {
	a, b := &t.items[i], &u.items[j]
	return a.kind == b.kind && a.num == b.num && a.attrs == b.attrs && a.full == b.full && a.next-i == b.next-j &&
		string(t.bytesOf(a)) == string(u.bytesOf(b))
}
