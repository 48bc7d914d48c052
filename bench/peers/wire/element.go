package wire

import (
	"bytes"
	"fmt"
)

// element is one child of an XMPP stream, or the start of the stream, as it came. name is empty for what carries nothing: the XML
// declaration and white space.
type element struct {
	name []byte
	head []byte // the start tag between its angle brackets
	raw  []byte
}

// elementBytesMax bounds an element; a longer one that has not ended is the server's mistake.
const elementBytesMax = 1 << 20

// nextElement splits the first whole element off b; used is 0 when it has not all come. It counts tags and knows quotes, and no more of XML: servers
// write no comments, sections or instructions inside a stream.
func nextElement(b []byte) (e element, used int, err error) {
	depth := 0
	for at := 0; ; {
		open := bytes.IndexByte(b[at:], '<')
		if open < 0 {
			return blank(b, depth)
		}
		if depth == 0 && open > 0 {
			return element{raw: b[:open]}, open, onlySpace(b[:open])
		}
		at += open
		end := tagEnd(b[at:])
		if end < 0 {
			return element{}, 0, tooLong(b)
		}
		tag := b[at+1 : at+end]
		at += end + 1
		switch {
		case len(tag) == 0:
			return element{}, 0, fmt.Errorf("%w: an empty tag", ErrPeer)
		case tag[0] == '?':
			return element{raw: b[:at]}, at, nil
		case tag[0] == '/':
			if depth--; depth < 0 {
				return element{}, 0, fmt.Errorf("%w: it ended the stream", ErrPeer)
			}
		default:
			if depth == 0 {
				e.head, e.name = tag, tagName(tag)
			}
			if string(e.name) == "stream:stream" {
				e.raw = b[:at]
				return e, at, nil
			}
			if tag[len(tag)-1] != '/' {
				depth++
			}
		}
		if depth == 0 {
			e.raw = b[:at]
			return e, at, nil
		}
	}
}

// blank is what is there when no tag is: nothing, white space between elements, or the text of one that goes on.
func blank(b []byte, depth int) (element, int, error) {
	if depth > 0 {
		return element{}, 0, tooLong(b)
	}
	return element{raw: b}, len(b), onlySpace(b)
}

func onlySpace(b []byte) error {
	if len(bytes.TrimSpace(b)) > 0 {
		return fmt.Errorf("%w: text outside of elements: %.100q", ErrPeer, b)
	}
	return nil
}

func tooLong(b []byte) error {
	if len(b) > elementBytesMax {
		return fmt.Errorf("%w: an element of more than %d bytes", ErrPeer, elementBytesMax)
	}
	return nil
}

// tagEnd finds the '>' that ends the tag at the start of b; -1 when it has not come.
func tagEnd(b []byte) int {
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

// tagName is the name at the start of a tag.
func tagName(tag []byte) []byte {
	if i := bytes.IndexAny(tag, " \t\r\n/"); i >= 0 {
		return tag[:i]
	}
	return tag
}

// attr is the value of an attribute of the element itself, nil when it has none. Nothing is unescaped: the names of this generator have nothing to escape.
func (e element) attr(name string) []byte {
	rest := e.head
	for {
		i := bytes.Index(rest, []byte(name))
		if i < 0 {
			return nil
		}
		before, after := rest[:i], rest[i+len(name):]
		if len(after) > 2 && after[0] == '=' && len(before) > 0 && bytes.IndexByte([]byte(" \t\r\n"), before[len(before)-1]) >= 0 {
			if end := bytes.IndexByte(after[2:], after[1]); end >= 0 {
				return after[2 : 2+end]
			}
			return nil
		}
		rest = after
	}
}
