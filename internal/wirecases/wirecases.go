package wirecases

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"trunkline/codec"
)

// Case is one row: a frame, or bytes that are none.
type Case struct {
	Name  string          // a sentence about behaviour
	Bytes []byte          // one frame with its length prefix, or the start of one
	Kind  codec.Kind      // of the frame; 0 when the bytes do not get that far
	Dir   codec.Direction // who may send it
	// PreLogin: the frame comes before login and is bound by PreLoginFrameBytesMax.
	PreLogin bool
	// Want says what becomes of the bytes.
	Want Outcome
	// Value is the parsed stanza (codec.Send, not a pointer) of an Accepted row; nil for PING, PONG and RESUME.
	Value any
	// WantErr is the error of a Refused row: of codec.Next when AtHead, else of Parse.
	WantErr error
	// AtHead: codec.Next refuses the bytes.
	AtHead bool
}

// Outcome is what becomes of a row's bytes.
type Outcome uint8

// The outcomes.
const (
	Accepted Outcome = iota + 1
	Refused          // WantErr
	Skipped          // an unknown kind from 0x80: passed over
	Partial          // the start of a frame: more bytes are needed
)

// Cases returns the table.
func Cases() []Case {
	var all []Case
	all = append(all, headCases()...)
	all = append(all, loginCases()...)
	all = append(all, registerCases()...)
	all = append(all, ticketCases()...)
	all = append(all, refusalCases()...)
	all = append(all, sendCases()...)
	all = append(all, deliverCases()...)
	all = append(all, ackCases()...)
	all = append(all, receiptCases()...)
	all = append(all, presenceCases()...)
	all = append(all, nodeCases()...)
	return all
}

// FrameBytesMax is the limit that the row's bytes are read with.
func (c *Case) FrameBytesMax() int {
	if c.PreLogin {
		return codec.PreLoginFrameBytesMax
	}
	return codec.FrameBytesMax
}

// Parse reads a frame's stanza, the inside of a NODE included, as the value that Case.Value holds.
func Parse(f codec.Frame, dir codec.Direction) (any, error) {
	switch f.Kind {
	case codec.KindHello:
		return parsed(codec.ParseHello(f))
	case codec.KindSuccess:
		return parsed(codec.ParseSuccess(f))
	case codec.KindError:
		return parsed(codec.ParseError(f))
	case codec.KindGoAway:
		return parsed(codec.ParseGoAway(f))
	case codec.KindState:
		return parsed(codec.ParseState(f))
	case codec.KindTicket:
		return parsed(codec.ParseTicket(f))
	case codec.KindSend:
		return parsed(codec.ParseSend(f))
	case codec.KindDeliver:
		return parsed(codec.ParseDeliver(f))
	case codec.KindAck:
		if dir == codec.ToServer {
			return parsed(codec.ParseAck(f))
		}
		return parsed(codec.ParseTick(f))
	case codec.KindReceipt:
		return parsed(codec.ParseReceipt(f))
	case codec.KindTyping:
		return parsed(codec.ParseTyping(f))
	case codec.KindPresence:
		return parsed(codec.ParsePresence(f))
	case codec.KindSubscribe:
		return parsed(codec.ParseSubscribe(f))
	case codec.KindNode:
		v, err := codec.ParseNode(f)
		if err == nil {
			err = new(codec.Tape).Parse(&v)
		}
		return parsed(v, err)
	}
	return nil, nil
}

func parsed[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Append encodes a value as Case.Value holds it.
func Append(dst []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case codec.Hello:
		return codec.AppendHello(dst, &v)
	case codec.Success:
		return codec.AppendSuccess(dst, &v)
	case codec.Error:
		return codec.AppendError(dst, &v)
	case codec.GoAway:
		return codec.AppendGoAway(dst, &v)
	case codec.State:
		return codec.AppendState(dst, &v)
	case codec.Ticket:
		return codec.AppendTicket(dst, &v)
	case codec.Send:
		return codec.AppendSend(dst, &v)
	case codec.Deliver:
		return codec.AppendDeliver(dst, &v)
	case codec.Ack:
		return codec.AppendAck(dst, &v)
	case codec.Tick:
		return codec.AppendTick(dst, &v)
	case codec.Receipt:
		return codec.AppendReceipt(dst, &v)
	case codec.Typing:
		return codec.AppendTyping(dst, &v)
	case codec.Presence:
		return codec.AppendPresence(dst, &v)
	case codec.Subscribe:
		return codec.AppendSubscribe(dst, &v)
	case codec.Node:
		return codec.AppendNode(dst, &v)
	}
	return dst, fmt.Errorf("wirecases: no stanza of type %T", value)
}

// unhex reads hex digits; spaces and | are for the eye. A damaged row is a mistake in this package.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		panic(fmt.Sprintf("wirecases: %q: %v", s, err))
	}
	return b
}

// frame puts length prefix, type and flags before a body.
func frame(kind codec.Kind, flags codec.Flags, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	length := len(all) + 2
	var prefix []byte
	for ; length >= 0x80; length >>= 7 {
		prefix = append(prefix, byte(length)|0x80)
	}
	prefix = append(prefix, byte(length), byte(kind), byte(flags))
	return append(prefix, all...)
}

func repeat(c byte, n int) []byte { return bytes.Repeat([]byte{c}, n) }

// good, bad, badHead and badNode build the usual rows.
func good(dir codec.Direction, kind codec.Kind, name, hexBytes string, value any) Case {
	return Case{Name: name, Bytes: unhex(hexBytes), Kind: kind, Dir: dir, Want: Accepted, Value: value}
}

func bad(dir codec.Direction, kind codec.Kind, name, hexBytes string, err error) Case {
	return Case{Name: name, Bytes: unhex(hexBytes), Kind: kind, Dir: dir, Want: Refused, WantErr: err}
}

func badHead(dir codec.Direction, kind codec.Kind, name, hexBytes string, err error) Case {
	c := bad(dir, kind, name, hexBytes, err)
	c.AtHead = true
	return c
}

func badNode(name, hexBody string, err error) Case {
	return Case{
		Name: name, Bytes: frame(codec.KindNode, 0, unhex("00000001"), unhex(hexBody)), Kind: codec.KindNode,
		Dir: codec.ToServer, Want: Refused, WantErr: err,
	}
}

func preLogin(c Case) Case {
	c.PreLogin = true
	return c
}
