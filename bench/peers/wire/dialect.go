// Package wire says what a crowd of users says to each kind of server: ours, an MQTT broker, NATS and an XMPP server.
//
// It owns the bytes of a login, of a message and of its acknowledgements, and nothing else: no sockets, no clock, no goroutine. One crowd
// (package versus) drives every Dialect over the same event loop, reads all that is there and writes once for each read, so that the servers differ
// and the generator does not. A client library with its own goroutines for each connection would take the processors that the
// server needs, and batch differently for each protocol.
//
// Main types: Dialect, Session, Events. All calls come from one goroutine.
package wire

import "errors"

// ErrPeer: the server said something that the dialect does not expect, or refused.
var ErrPeer = errors.New("wire: the server's answer")

// Session is what a dialect knows of one user. It outlives connections: a user who comes back is the same Session.
type Session struct {
	Index int  // the user's number, from 0
	Keeps bool // the server is to keep messages while the user is away

	stage stage
	sent  uint64 // messages, all connections together
	taken uint64 // of those, taken by the server

	// Of Trunkline.
	gen         uint16
	incarnation uint64
	seen, acked uint64
	owed        int  // second ticks without an ACK
	urgent      bool // a message is without an ACK
	ticked      uint64
	epoch       uint32
}

// stage is how far a login has come; each dialect has its own order.
type stage uint8

const (
	stageNew stage = iota
	stageProven
	stageBinding
	stageReady
)

// Events hears what the server's bytes mean.
type Events interface {
	// Ready: logged in, and messages reach the user.
	Ready(s *Session)
	// Arrived: a message for s. The dialect acknowledges it by itself, in the same write.
	Arrived(s *Session, payload []byte)
	// Accepted: the server has taken n more messages of s (first tick, PUBACK).
	Accepted(s *Session, n int)
	// Confirmed: n more messages of s are known to have reached their users (second tick, reply, receipt).
	Confirmed(s *Session, n int)
}

// Marks says what a sender hears of its messages.
type Marks struct {
	Accepted  bool // the server has it
	Confirmed bool // the receiver has it
}

// Dialect is the least client of one kind of server. Payloads are of the alphabet A-Z a-z 0-9, so that no protocol has to escape them.
type Dialect interface {
	// Marks says which of Events a sender hears for each message.
	Marks() Marks
	// Hello appends what a client says first on a new connection, which may be nothing.
	Hello(dst []byte, s *Session) []byte
	// Take reads whole units of what came in and appends what the client answers; all of dst leaves in one write.
	Take(dst []byte, s *Session, in []byte, to Events) (out []byte, consumed int, err error)
	// Send appends one message from s to a user.
	Send(dst []byte, s *Session, user int, payload []byte) []byte
	// Mark appends what makes the server say that it has taken everything so far, where it does not say so for each message.
	Mark(dst []byte, s *Session) []byte
	// Bye appends a polite end.
	Bye(dst []byte, s *Session) []byte
}
