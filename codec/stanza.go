package codec

import "unicode/utf8"

// The fixed stanzas live in files of their own: hello, success, refusal (ERROR, GOAWAY), send, deliver, ack, receipt,
// presence (STATE, TYPING, PRESENCE, SUBSCRIBE), node. Byte layouts are in docs/protocol.md and beside each type.
// Slices in a parsed stanza alias the frame's body. Append functions add one whole frame, its length prefix included;
// a value that breaks a rule of the wire is the caller's error and returns dst unchanged with the error.

// is refuses frames of another kind and flags that the kind does not take (Next has looked already; a frame made by
// hand has not been through Next). extra are the kind's flags besides FlagExt.
func (f *Frame) is(kind Kind, extra Flags) error {
	if f.Kind != kind {
		return ErrKind
	}
	if f.Flags&^(FlagExt|extra) != 0 {
		return ErrFlags
	}
	return nil
}

// checkText holds the tail of ERROR and GOAWAY against its limit.
func checkText(text []byte) error {
	if len(text) > TextBytesMax || !utf8.Valid(text) {
		return ErrText
	}
	return nil
}
