package wire

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

// XMPP is a client of RFC 6120 and 6121 without TLS, with SASL PLAIN, and message delivery receipts (XEP-0184). User n is un@localhost/r with
// the password XMPPPassword. A server says nothing of messages that it stores, so Mark asks with a ping (XEP-0199), which it answers in order.
type XMPP struct{}

// XMPPHost and XMPPPassword belong to every user.
const (
	XMPPHost     = "localhost"
	XMPPPassword = "secret"
)

const xmppStream = `<?xml version='1.0'?><stream:stream to='` + XMPPHost + `' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`

// XMPPUser is the local part of a user's address.
func XMPPUser(user int) string { return "u" + strconv.Itoa(user) }

// Marks implements Dialect.
func (XMPP) Marks() Marks { return Marks{Confirmed: true} }

// Hello implements Dialect.
func (XMPP) Hello(dst []byte, _ *Session) []byte { return append(dst, xmppStream...) }

// Take implements Dialect.
func (x XMPP) Take(dst []byte, s *Session, in []byte, to Events) ([]byte, int, error) {
	consumed := 0
	for {
		e, used, err := nextElement(in[consumed:])
		if err != nil || used == 0 {
			return dst, consumed, err
		}
		consumed += used
		if dst, err = x.element(dst, s, e, to); err != nil {
			return dst, consumed, err
		}
	}
}

// element takes one child of the stream, or the stream's own start.
func (x XMPP) element(dst []byte, s *Session, e element, to Events) ([]byte, error) {
	switch string(e.name) {
	case "", "stream:stream":
		return dst, nil
	case "message":
		return x.message(dst, e, s, to)
	case "iq":
		return x.iq(dst, s, e, to)
	case "presence":
		if s.stage == stageBinding { // the user's own, given back
			s.stage = stageReady
			to.Ready(s)
		}
		return dst, nil
	case "stream:features":
		return x.features(dst, s, e), nil
	case "success":
		s.stage = stageProven
		return append(dst, xmppStream...), nil
	}
	return dst, fmt.Errorf("%w: %.300q", ErrPeer, e.raw)
}

// features goes on with the login.
func (XMPP) features(dst []byte, s *Session, _ element) []byte {
	if s.stage == stageProven {
		return append(dst, `<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>`...)
	}
	proof := "\x00" + XMPPUser(s.Index) + "\x00" + XMPPPassword
	dst = append(dst, `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>`...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(proof))
	return append(dst, `</auth>`...)
}

// iq takes an answer to a bind or a ping, and answers what the server asks.
func (XMPP) iq(dst []byte, s *Session, e element, to Events) ([]byte, error) {
	id := string(e.attr("id"))
	switch kind := string(e.attr("type")); {
	case kind == "result" && id == "bind":
		s.stage = stageBinding
		return append(dst, `<presence/>`...), nil
	case kind == "result":
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil || n > s.sent || n < s.taken {
			return dst, fmt.Errorf("%w: %.300q", ErrPeer, e.raw)
		}
		more := int(n - s.taken)
		s.taken = n
		to.Accepted(s, more)
		return dst, nil
	case kind == "get" || kind == "set":
		dst = append(dst, `<iq type='result' to='`+XMPPHost+`' id='`...)
		dst = append(dst, id...)
		return append(dst, `'/>`...), nil
	}
	return dst, fmt.Errorf("%w: %.300q", ErrPeer, e.raw)
}

// message takes a message, and answers with a receipt, or takes a receipt.
func (XMPP) message(dst []byte, e element, s *Session, to Events) ([]byte, error) {
	if string(e.attr("type")) == "error" {
		return dst, fmt.Errorf("%w: %.600q", ErrPeer, e.raw)
	}
	body, ok := between(e.raw, "<body>", "</body>")
	if !ok {
		if bytes.Contains(e.raw, []byte("<received ")) {
			to.Confirmed(s, 1)
		}
		return dst, nil
	}
	to.Arrived(s, body)
	dst = append(dst, `<message type='chat' to='`...)
	dst = append(dst, e.attr("from")...)
	dst = append(dst, `'><received xmlns='urn:xmpp:receipts' id='`...)
	dst = append(dst, e.attr("id")...)
	return append(dst, `'/></message>`...), nil
}

// between finds what stands between two marks.
func between(b []byte, from, until string) ([]byte, bool) {
	_, rest, ok := bytes.Cut(b, []byte(from))
	if !ok {
		return nil, false
	}
	inner, _, ok := bytes.Cut(rest, []byte(until))
	return inner, ok
}

// Send implements Dialect: to the full address, as a client does that knows where the other is; while there is nobody the server keeps it for the user.
func (XMPP) Send(dst []byte, s *Session, user int, payload []byte) []byte {
	s.sent++
	dst = append(dst, `<message type='chat' to='`...)
	dst = append(dst, XMPPUser(user)...)
	dst = append(dst, `@`+XMPPHost+`/r' id='m`...)
	dst = strconv.AppendUint(dst, s.sent, 10)
	dst = append(dst, `'><body>`...)
	dst = append(dst, payload...)
	return append(dst, `</body><request xmlns='urn:xmpp:receipts'/></message>`...)
}

// Mark implements Dialect.
func (XMPP) Mark(dst []byte, s *Session) []byte {
	dst = append(dst, `<iq type='get' to='`+XMPPHost+`' id='`...)
	dst = strconv.AppendUint(dst, s.sent, 10)
	return append(dst, `'><ping xmlns='urn:xmpp:ping'/></iq>`...)
}

// Bye implements Dialect.
func (XMPP) Bye(dst []byte, s *Session) []byte {
	s.stage = stageNew
	return append(dst, `</stream:stream>`...)
}
