package codec

import (
	"encoding/hex"
	"strconv"
)

func (x *xmlWriter) hello(f Frame) error {
	v, err := ParseHello(f)
	if err != nil {
		return err
	}
	x.open("hello")
	x.attr("version", uint64(v.Version))
	x.attrUser("user", v.User)
	x.attr("device", uint64(v.Device))
	x.attr("gen", uint64(v.Gen))
	x.attrHex("incarnation", v.Incarnation)
	x.attr("downseq", v.DownSeq)
	x.attr("ticked", v.Ticked)
	x.attrSome("features", uint64(v.Features))
	x.attr("epoch", uint64(v.Epoch))
	x.finish("hello", v.Ext)
	return nil
}

func (x *xmlWriter) success(f Frame) error {
	v, err := ParseSuccess(f)
	if err != nil {
		return err
	}
	x.open("success")
	x.attr("gen", uint64(v.Gen))
	x.attrHex("incarnation", v.Incarnation)
	x.attr("uphigh", v.UpHigh)
	x.attr("keepalive", uint64(v.KeepaliveSec))
	x.attr("window", uint64(v.WindowEntries))
	x.attr("windowbytes", uint64(v.WindowBytes))
	x.attr("timems", v.TimeMs)
	x.attrSome("features", uint64(v.Features))
	x.finish("success", v.Ext)
	return nil
}

func (x *xmlWriter) refusal(f Frame) error {
	v, err := ParseError(f)
	if err != nil {
		return err
	}
	x.open("error")
	x.attr("code", uint64(v.Code))
	x.attrText("name", v.Code.String())
	x.attr("ref", v.Ref)
	x.attrSome("retryafterms", uint64(v.RetryAfterMs))
	x.end()
	x.ext(v.Ext)
	x.text(v.Text)
	x.close("error")
	return nil
}

func (x *xmlWriter) goAway(f Frame) error {
	v, err := ParseGoAway(f)
	if err != nil {
		return err
	}
	x.open("goaway")
	x.attr("code", uint64(v.Code))
	x.attrText("name", v.Code.String())
	x.attr("retryafterms", uint64(v.RetryAfterMs))
	x.attrText("host", string(v.Host))
	x.finish("goaway", v.Ext)
	return nil
}

func (x *xmlWriter) state(f Frame) error {
	v, err := ParseState(f)
	if err != nil {
		return err
	}
	name := "inactive"
	if v.Active != 0 {
		name = "active"
	}
	x.open(name)
	x.finish(name, v.Ext)
	return nil
}

// ticket leaves the psk out: debug output goes where secrets must not.
func (x *xmlWriter) ticket(f Frame) error {
	v, err := ParseTicket(f)
	if err != nil {
		return err
	}
	x.open("ticket")
	x.attr("lifetime", uint64(v.LifetimeSec))
	x.blob(v.Sealed)
	x.close("ticket")
	return nil
}

func (x *xmlWriter) send(f Frame) error {
	v, err := ParseSend(f)
	if err != nil {
		return err
	}
	x.open("message")
	x.attr("id", v.Cseq)
	x.attrUser("to", v.To)
	x.flags(v.Flags)
	x.end()
	x.ext(v.Ext)
	for part, rest, ok := v.Parts.Next(); ok; part, rest, ok = rest.Next() {
		x.body(part.Device, part.Kind, part.Blob)
	}
	x.close("message")
	return nil
}

func (x *xmlWriter) body(device, kind uint8, blob []byte) {
	x.open("body")
	if x.dir == ToServer {
		x.attr("device", uint64(device))
	}
	x.attr("kind", uint64(kind&^PayloadCompressed))
	if kind&PayloadCompressed != 0 {
		x.attrText("compressed", "true")
	}
	if kind != PayloadGroupEvent || x.dir == ToServer || !x.event(blob) {
		x.blob(blob)
	}
	x.close("body")
}

// event shows a payload that is a node; false: it is none, and nothing was written.
func (x *xmlWriter) event(blob []byte) bool {
	var tape Tape
	if tape.Parse(&Node{Body: blob}) != nil {
		return false
	}
	x.attr("bytes", uint64(len(blob)))
	x.end()
	x.value(tape.Root())
	return true
}

func (x *xmlWriter) deliver(f Frame) error {
	v, err := ParseDeliver(f)
	if err != nil {
		return err
	}
	x.open("message")
	x.attrSome("seq", v.Seq)
	x.attrUser("from", v.From)
	x.attr("device", uint64(v.Device))
	x.attr("gen", uint64(v.Gen))
	x.attr("id", v.ID)
	x.attr("ts", uint64(v.TimeSec))
	if v.Flags&FlagGroup != 0 {
		x.attrUser("group", v.Group)
		x.attr("gseq", v.GroupSeq)
	}
	x.flags(v.Flags)
	x.end()
	x.ext(v.Ext)
	x.body(0, v.Kind, v.Blob)
	x.close("message")
	return nil
}

func (x *xmlWriter) ack(f Frame) error {
	if x.dir == ToServer {
		v, err := ParseAck(f)
		if err != nil {
			return err
		}
		x.open("ack")
		x.attr("seq", v.Seq)
		x.finish("ack", v.Ext)
		return nil
	}
	v, err := ParseTick(f)
	if err != nil {
		return err
	}
	x.open("ack")
	x.attr("id", v.UpHigh)
	x.attr("ts", uint64(v.TimeSec))
	x.finish("ack", v.Ext)
	return nil
}

func (x *xmlWriter) receipt(f Frame) error {
	v, err := ParseReceipt(f)
	if err != nil {
		return err
	}
	x.open("receipt")
	x.attrText("type", [...]string{"", "delivered", "read", "played", "rejected"}[v.Kind])
	if v.Kind == ReceiptRejected {
		x.attrText("name", ErrorCode(v.Code).String())
	}
	peer := "from"
	if x.dir == ToServer {
		peer = "to"
	}
	x.attr("seq", v.Seq)
	x.attrUser(peer, v.Peer)
	x.attr("device", uint64(v.Device))
	x.attr("gen", uint64(v.Gen))
	x.attr("first", v.First)
	x.attr("last", v.Last)
	x.attr("ts", uint64(v.TimeSec))
	if v.Flags&FlagGroup != 0 {
		x.attrUser("group", v.Group)
	}
	x.finish("receipt", v.Ext)
	return nil
}

func (x *xmlWriter) typing(f Frame) error {
	v, err := ParseTyping(f)
	if err != nil {
		return err
	}
	peer := "from"
	if x.dir == ToServer {
		peer = "to"
	}
	x.open("message")
	x.attrUser(peer, v.Peer)
	x.attrSome("device", uint64(v.Device))
	x.end()
	x.open([...]string{"paused", "composing", "recording"}[v.State])
	x.raw("/>")
	x.ext(v.Ext)
	x.close("message")
	return nil
}

func (x *xmlWriter) presence(f Frame) error {
	v, err := ParsePresence(f)
	if err != nil {
		return err
	}
	x.open("presence")
	x.attrUser("from", v.Peer)
	x.attrText("type", [...]string{"unavailable", "available"}[v.State])
	x.attrSome("lastseen", uint64(v.LastSeenSec))
	x.finish("presence", v.Ext)
	return nil
}

func (x *xmlWriter) subscribe(f Frame) error {
	v, err := ParseSubscribe(f)
	if err != nil {
		return err
	}
	x.open("presence")
	x.attrText("type", [...]string{"unsubscribe", "subscribe"}[v.Op])
	x.end()
	x.ext(v.Ext)
	for i := range v.Peers.Len() {
		x.open("item")
		x.attrUser("to", v.Peers.At(i))
		x.raw("/>")
	}
	x.close("presence")
	return nil
}

func (x *xmlWriter) nodeFrame(f Frame) error {
	v, err := ParseNode(f)
	if err != nil {
		return err
	}
	var tape Tape
	if err := tape.Parse(&v); err != nil {
		return err
	}
	x.open("node")
	x.attr("ref", uint64(v.Ref))
	if v.Flags&FlagDeflate != 0 {
		x.attrText("compressed", "true")
	}
	x.end()
	x.ext(v.Ext)
	x.value(tape.Root())
	x.close("node")
	return nil
}

// value shows a value of a node. Lists inside lists and scalars inside lists get an element of their own.
func (x *xmlWriter) value(v Value) {
	switch v.Kind() {
	case ValueNode:
		x.node(v)
	case ValueList:
		for item := v.First(); item.Kind() != ValueNone; item = item.Next() {
			if item.Kind() == ValueNode {
				x.node(item)
				continue
			}
			x.raw("<_>")
			x.value(item)
			x.raw("</_>")
		}
	default:
		x.scalar(v)
	}
}

func (x *xmlWriter) node(v Value) {
	name, odd := xmlName(v.Name().Text())
	x.open(name)
	if odd {
		x.key("_name")
		x.scalar(v.Name())
		x.raw(`"`)
	}
	for i := range v.AttrCount() {
		key, value := v.AttrAt(i)
		text, odd := xmlName(key.Text())
		if odd {
			text = "_" + hex.EncodeToString([]byte(key.Text()))
		}
		x.key(text)
		x.scalar(value)
		x.raw(`"`)
	}
	content := v.Content()
	if content.Kind() == ValueNone {
		x.raw("/>")
		return
	}
	x.end()
	x.value(content)
	x.close(name)
}

// scalar shows a value that holds no other: text as text, bytes that are none as hex: and digits.
func (x *xmlWriter) scalar(v Value) {
	if n, ok := v.Uint(); ok {
		x.dst = strconv.AppendUint(x.dst, n, 10)
		return
	}
	if id, ok := v.User(); ok {
		x.user(id)
		return
	}
	if b, ok := v.Bytes(); ok && !printable(b) {
		x.raw("hex:")
		x.hex(b)
		return
	}
	x.text([]byte(v.Text()))
}

// xmlName says whether a text can be an XML name; else it returns a stand-in.
func xmlName(text string) (name string, odd bool) {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			return "_", true
		}
	}
	return text, false
}
