package codec

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Direction says which way a frame goes: an ACK looks different in each.
type Direction uint8

// The directions.
const (
	ToServer Direction = 1
	ToClient Direction = 2
)

// String is "c>s" or "s>c", as debug output shows it.
func (d Direction) String() string {
	if d == ToServer {
		return "c>s"
	}
	return "s>c"
}

// xmlBlobBytesMax is how much of a payload or of a damaged frame is shown; its whole length stands beside it.
const xmlBlobBytesMax = 256

// AppendXML adds one line to dst that shows the frame as XMPP-looking XML, for people who debug. It shows any frame:
// unknown kinds and damaged bodies as hex. The line is well-formed XML, is no wire format and may change.
// Fixed stanzas allocate nothing but dst's growth; a NODE, and what happened in a group, is parsed onto a tape of its own.
func AppendXML(dst []byte, f Frame, dir Direction) []byte {
	x := xmlWriter{dst: dst, dir: dir}
	if err := x.frame(f); err != nil {
		x.dst = x.dst[:len(dst)]
		x.open("malformed")
		x.attrText("kind", f.Kind.String())
		x.attrHex("flags", uint64(f.Flags))
		x.attrText("error", err.Error())
		x.blob(f.Body)
		x.close("malformed")
	}
	return x.dst
}

// xmlWriter writes elements. An element's tag stays open for attributes until end or empty.
type xmlWriter struct {
	dst []byte
	dir Direction
}

// frame shows a frame, or returns why it can't be parsed.
func (x *xmlWriter) frame(f Frame) error {
	if err := checkHead(f.Kind, f.Flags, len(f.Body)); err != nil {
		return err
	}
	switch f.Kind {
	case KindPing:
		x.raw(`<iq type="get"><ping/></iq>`)
	case KindPong:
		x.raw(`<iq type="result"><ping/></iq>`)
	case KindHello:
		return x.hello(f)
	case KindSuccess:
		return x.success(f)
	case KindError:
		return x.refusal(f)
	case KindGoAway:
		return x.goAway(f)
	case KindState:
		return x.state(f)
	case KindTicket:
		return x.ticket(f)
	case KindSend:
		return x.send(f)
	case KindDeliver:
		return x.deliver(f)
	case KindAck:
		return x.ack(f)
	case KindReceipt:
		return x.receipt(f)
	case KindTyping:
		return x.typing(f)
	case KindPresence:
		return x.presence(f)
	case KindSubscribe:
		return x.subscribe(f)
	case KindNode:
		return x.nodeFrame(f)
	default:
		x.open("frame")
		x.attrHex("kind", uint64(f.Kind))
		x.attrHex("flags", uint64(f.Flags))
		x.blob(f.Body)
		x.close("frame")
	}
	return nil
}

func (x *xmlWriter) raw(s string) { x.dst = append(x.dst, s...) }

func (x *xmlWriter) open(name string) {
	x.dst = append(x.dst, '<')
	x.raw(name)
}

func (x *xmlWriter) end() { x.dst = append(x.dst, '>') }

func (x *xmlWriter) close(name string) {
	x.raw("</")
	x.raw(name)
	x.end()
}

// finish ends an element that holds nothing but an extension block.
func (x *xmlWriter) finish(name string, e Ext) {
	if len(e) == 0 {
		x.raw("/>")
		return
	}
	x.end()
	x.ext(e)
	x.close(name)
}

func (x *xmlWriter) ext(e Ext) {
	for item, rest, ok := e.Next(); ok; item, rest, ok = rest.Next() {
		x.open("ext")
		x.attr("t", uint64(item.Type))
		x.blob(item.Value)
		x.close("ext")
	}
}

func (x *xmlWriter) key(key string) {
	x.dst = append(x.dst, ' ')
	x.raw(key)
	x.raw(`="`)
}

func (x *xmlWriter) attr(key string, v uint64) {
	x.key(key)
	x.dst = strconv.AppendUint(x.dst, v, 10)
	x.dst = append(x.dst, '"')
}

// attrSome leaves a zero out.
func (x *xmlWriter) attrSome(key string, v uint64) {
	if v != 0 {
		x.attr(key, v)
	}
}

func (x *xmlWriter) attrHex(key string, v uint64) {
	x.key(key)
	x.raw("0x")
	x.dst = strconv.AppendUint(x.dst, v, 16)
	x.dst = append(x.dst, '"')
}

func (x *xmlWriter) attrText(key, text string) {
	x.key(key)
	x.text([]byte(text))
	x.dst = append(x.dst, '"')
}

// attrUser writes a user id in decimal, a group id as g and its number.
func (x *xmlWriter) attrUser(key string, id uint64) {
	x.key(key)
	x.user(id)
	x.dst = append(x.dst, '"')
}

func (x *xmlWriter) user(id uint64) {
	if id&GroupBit != 0 {
		x.dst = append(x.dst, 'g')
	}
	x.dst = strconv.AppendUint(x.dst, id&^GroupBit, 10)
}

func (x *xmlWriter) flags(f Flags) {
	if f&FlagNoStore != 0 {
		x.attrText("store", "false")
	}
	if f&FlagUrgent != 0 {
		x.attrText("urgent", "true")
	}
}

// blob ends the tag and shows bytes: text as text, all else as hex, both cut at xmlBlobBytesMax.
func (x *xmlWriter) blob(b []byte) {
	x.attr("bytes", uint64(len(b)))
	cut := b[:min(len(b), xmlBlobBytesMax)]
	if len(cut) < len(b) {
		for i := 0; i < utf8.UTFMax-1 && !utf8.RuneStart(b[len(cut)]); i++ {
			cut = cut[:len(cut)-1]
		}
		x.attr("shown", uint64(len(cut)))
	}
	if printable(cut) {
		x.end()
		x.text(cut)
		return
	}
	x.attrText("enc", "hex")
	x.end()
	x.hex(cut)
}

func (x *xmlWriter) hex(b []byte) {
	const digits = "0123456789abcdef"
	for _, c := range b {
		x.dst = append(x.dst, digits[c>>4], digits[c&15])
	}
}

// printable says whether bytes are UTF-8 that a terminal can show and an XML text can hold.
func printable(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError || r != '\n' && !unicode.IsPrint(r) {
			return false
		}
		b = b[size:]
	}
	return true
}

// text escapes what XML gives a meaning and what a terminal might obey.
func (x *xmlWriter) text(b []byte) {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == '&':
			x.raw("&amp;")
		case r == '<':
			x.raw("&lt;")
		case r == '>':
			x.raw("&gt;")
		case r == '"':
			x.raw("&quot;")
		case r == '\n':
			x.raw("&#10;")
		case r == utf8.RuneError || !unicode.IsPrint(r):
			x.dst = utf8.AppendRune(x.dst, utf8.RuneError)
		default:
			x.dst = append(x.dst, b[:size]...)
		}
		b = b[size:]
	}
}
