package codec

// Builder encodes one node behind the bytes of a slice, in canonical form: what it writes, Tape.Parse takes. It
// allocates nothing but the slice's growth. The first error stays and comes out of Finish.
//
//	b := codec.NewBuilder(dst)
//	b.Open("iq")
//	b.Attr("type", "get")
//	b.AttrUser("to", 1002)
//	b.Open("bundle")
//	b.Close()
//	b.Close()
//	dst, err := b.Finish()
type Builder struct {
	dst   []byte
	base  int // where the node starts in dst
	open  [2 * NodeDepthMax]container
	top   int // how many containers are open
	items int
	err   error
}

// container is an open node or list.
type container struct {
	at      int // where its tag stands in dst
	depth   int
	list    bool
	implied bool // a list that was opened by the node's first child and ends with the node
	full    bool // a node that has its content
}

// NewBuilder starts a node behind dst.
func NewBuilder(dst []byte) Builder { return Builder{dst: dst, base: len(dst)} }

// Open starts a node: the root, or a child of the open node or list. A node's first child opens its list of children.
func (b *Builder) Open(name string) {
	if depth := b.place(ValueNode); b.err == nil {
		b.push(container{at: len(b.dst), depth: depth}, tagNode)
		b.dst = append(b.dst, 0)
		b.name(name)
	}
}

// OpenList starts a list as the content of the open node, or inside the open list.
func (b *Builder) OpenList() {
	if depth := b.place(ValueList); b.err == nil {
		b.push(container{at: len(b.dst), depth: depth, list: true}, tagList)
	}
}

// Close ends the innermost open node or list.
func (b *Builder) Close() {
	if b.err != nil {
		return
	}
	if b.top == 0 {
		b.fail(ErrBuilder)
		return
	}
	c := b.open[b.top-1]
	b.top--
	if c.list {
		b.dst = append(b.dst, tagEnd)
	}
	if c.implied {
		b.top-- // the node around it
	}
}

// Finish returns the slice with the node behind what it held. With an error it returns that slice unchanged:
// ErrBuilder (calls in an order that makes no node), ErrNodeLimit, ErrNodeForm (a key twice).
func (b *Builder) Finish() ([]byte, error) {
	if b.err == nil && (b.top != 0 || len(b.dst) == b.base) {
		b.fail(ErrBuilder)
	}
	if b.err == nil && len(b.dst)-b.base > NodeInflatedBytesMax {
		b.fail(ErrNodeLimit)
	}
	if b.err != nil {
		return b.dst[:b.base], b.err
	}
	return b.dst, nil
}

// Text adds a text as the content of the open node, or to the open list.
func (b *Builder) Text(text string) {
	if b.place(ValueBytes); b.err == nil {
		b.text(text)
	}
}

// Bytes is Text for a byte slice.
func (b *Builder) Bytes(raw []byte) {
	if b.place(ValueBytes); b.err == nil {
		b.bytes(raw)
	}
}

// Uint adds a number as the content of the open node, or to the open list.
func (b *Builder) Uint(n uint64) {
	if b.place(ValueBytes); b.err == nil {
		b.number(tagUint, n)
	}
}

// User adds a user or group id as the content of the open node, or to the open list.
func (b *Builder) User(id uint64) {
	if b.place(ValueBytes); b.err == nil {
		b.number(tagUser, id)
	}
}

// Attr adds an attribute to the open node; attributes come before the content.
func (b *Builder) Attr(key, text string) {
	if b.key(key); b.err == nil {
		b.text(text)
	}
}

// AttrBytes is Attr for a byte slice.
func (b *Builder) AttrBytes(key string, raw []byte) {
	if b.key(key); b.err == nil {
		b.bytes(raw)
	}
}

// AttrUint is Attr for a number.
func (b *Builder) AttrUint(key string, n uint64) {
	if b.key(key); b.err == nil {
		b.number(tagUint, n)
	}
}

// AttrUser is Attr for a user or group id.
func (b *Builder) AttrUser(key string, id uint64) {
	if b.key(key); b.err == nil {
		b.number(tagUser, id)
	}
}

// AttrCopy is Attr for a parsed scalar; a list or node is ErrBuilder.
func (b *Builder) AttrCopy(key string, v Value) {
	if b.key(key); b.err == nil {
		b.copyScalar(v)
	}
}

// Copy adds a parsed value, with all that is in it, as Open, OpenList or Text would.
func (b *Builder) Copy(v Value) {
	switch v.Kind() {
	case ValueNode:
		b.copyNode(v)
	case ValueList:
		b.OpenList()
		for item := v.First(); item.Kind() != ValueNone && b.err == nil; item = item.Next() {
			b.Copy(item)
		}
		b.Close()
	default:
		if b.place(ValueBytes); b.err == nil {
			b.copyScalar(v)
		}
	}
}
