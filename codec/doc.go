// Package codec turns bytes into frames and stanzas and back.
//
// It owns the wire format of docs/protocol.md: the length-prefixed frame, the fixed stanzas of the message path, and the
// binary node with its token dictionary for everything that is rare. It refuses to do I/O, to read a clock and to
// keep state between frames.
//
// Main types: Frame, the fixed stanzas (Hello, Send, Deliver, ...), Tape and Value (a parsed node), Builder (one to
// encode). Any goroutine may call any function; a Tape or Builder belongs to one goroutine at a time.
// Decoding and encoding allocate nothing: results alias the input, encoders append to the caller's slice. Only DEFLATE
// and AppendXML of a NODE may allocate.
//
// Source: docs/protocol.md.
package codec
