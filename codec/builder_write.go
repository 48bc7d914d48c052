package codec

import "bytes"

// fail keeps the first error.
func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// count books one value against NodeItemsMax.
func (b *Builder) count() {
	if b.items++; b.items > NodeItemsMax {
		b.fail(ErrNodeLimit)
	}
}

// place makes room for a value of that kind (ValueBytes stands for any scalar) and says how deep a container there is.
func (b *Builder) place(kind ValueKind) (depth int) {
	if b.err != nil {
		return 0
	}
	if b.top == 0 {
		if kind != ValueNode || len(b.dst) != b.base {
			b.fail(ErrBuilder)
		}
		return 1
	}
	c := &b.open[b.top-1]
	if c.list {
		return c.depth + 1
	}
	if c.full {
		b.fail(ErrBuilder)
		return 0
	}
	c.full = true
	b.dst[c.at] = tagNodeValue
	if kind != ValueNode {
		return c.depth
	}
	b.push(container{at: len(b.dst), depth: c.depth, list: true, implied: true}, tagList)
	return c.depth + 1
}

// push opens a container. The stack holds a node and its list for each depth, so the depth bounds it too.
func (b *Builder) push(c container, tag byte) {
	if c.depth > NodeDepthMax {
		b.fail(ErrNodeLimit)
		return
	}
	b.count()
	b.open[b.top] = c
	b.top++
	b.dst = append(b.dst, tag)
}

// key starts an attribute of the open node.
func (b *Builder) key(key string) {
	if b.err != nil {
		return
	}
	if b.top == 0 || b.open[b.top-1].list || b.open[b.top-1].full {
		b.fail(ErrBuilder)
		return
	}
	at := b.open[b.top-1].at
	if b.dst[at+1] >= NodeAttrsMax {
		b.fail(ErrNodeLimit)
		return
	}
	start := len(b.dst)
	b.name(key)
	if b.err == nil && b.keyStands(at, start) {
		b.fail(ErrNodeForm)
	}
	b.dst[at+1]++
}

// keyStands says whether the key at start is one of those that the node at `at` has.
func (b *Builder) keyStands(at, start int) bool {
	key, pos := b.dst[start:], skipScalar(b.dst, at+2)
	for range b.dst[at+1] {
		end := skipScalar(b.dst, pos)
		if bytes.Equal(b.dst[pos:end], key) {
			return true
		}
		pos = skipScalar(b.dst, end)
	}
	return false
}

// skipScalar returns where the scalar at pos, written by a Builder, ends.
func skipScalar(b []byte, pos int) int {
	tag := b[pos]
	switch {
	case tag <= tagTokenMax:
		return pos + 1
	case tag <= tagPageMax:
		return pos + 2
	case tag < tagUser:
		return pos + 2 + int(tag-tagUint)
	case tag <= tagUserMax:
		return pos + 2 + int(tag-tagUser)
	}
	size, end := 0, pos+2+int(tag-tagBytes8)
	for _, c := range b[pos+1 : end] {
		size = size<<8 | int(c)
	}
	return end + size
}

func (b *Builder) name(text string) {
	if text == "" {
		b.fail(ErrBuilder)
		return
	}
	b.text(text)
}

func (b *Builder) text(text string) {
	if len(text) <= tokenBytesMax {
		if code, ok := dictionary.codes[text]; ok {
			b.token(code)
			return
		}
	}
	if b.size(len(text)); b.err == nil {
		b.dst = append(b.dst, text...)
	}
}

func (b *Builder) bytes(raw []byte) {
	if len(raw) <= tokenBytesMax {
		if code, ok := dictionary.codes[string(raw)]; ok {
			b.token(code)
			return
		}
	}
	if b.size(len(raw)); b.err == nil {
		b.dst = append(b.dst, raw...)
	}
}

func (b *Builder) token(code Token) {
	b.count()
	b.dst = appendToken(b.dst, code)
}

func (b *Builder) number(tag byte, v uint64) {
	b.count()
	b.dst = appendNumber(b.dst, tag, v)
}

// size starts bytes with their length.
func (b *Builder) size(n int) {
	b.count()
	switch {
	case n > NodeInflatedBytesMax:
		b.fail(ErrNodeLimit)
	case n < 1<<8:
		b.dst = append(b.dst, tagBytes8, byte(n))
	case n < 1<<16:
		b.dst = append(b.dst, tagBytes16, byte(n>>8), byte(n))
	default:
		b.dst = append(b.dst, tagBytes24, byte(n>>16), byte(n>>8), byte(n))
	}
}

func (b *Builder) copyScalar(v Value) {
	it := v.item()
	switch it.kind {
	case ValueToken:
		b.token(Token(it.num))
	case ValueBytes:
		b.bytes(v.tape.bytesOf(&it))
	case ValueUint:
		b.number(tagUint, it.num)
	case ValueUser:
		b.number(tagUser, it.num)
	default:
		b.fail(ErrBuilder)
	}
}

// copyNode is Open, the attributes, Copy of the content and Close.
func (b *Builder) copyNode(v Value) {
	depth := b.place(ValueNode)
	if b.err != nil {
		return
	}
	at := len(b.dst)
	if b.push(container{at: at, depth: depth}, tagNode); b.err != nil {
		return
	}
	b.dst = append(b.dst, byte(v.AttrCount()))
	b.copyScalar(v.Name())
	for i := range v.AttrCount() {
		key, value := v.AttrAt(i)
		b.copyScalar(key)
		b.copyScalar(value)
	}
	if content := v.Content(); content.Kind() != ValueNone {
		b.Copy(content)
	}
	b.Close()
}
