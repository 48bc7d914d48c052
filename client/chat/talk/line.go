package talk

import (
	"time"

	"trunkline/client"
	"trunkline/codec"
)

// LineKind says what a line is. Values are kept in files and never change.
type LineKind uint8

// The kinds of line.
const (
	LineText   LineKind = 1 // somebody said it
	LineEvent  LineKind = 2 // something happened in the group
	LineOpaque LineKind = 3 // a payload that is no text; Text says how many bytes
)

// Seen says how far this user is with a line of somebody else. Values are kept in files and never change.
type Seen uint8

// The steps. A read receipt that could not be handed to the outbox is owed, also across runs.
const (
	SeenNot  Seen = 0
	SeenOwed Seen = 1 // it was on the screen
	SeenTold Seen = 2 // the receipt is in the outbox, or none is due
)

// Line is one line of a conversation.
type Line struct {
	Row   int64  // place in the history, which rises; 0: not kept yet
	Local uint64 // number in this run, of lines that came or were written in it; 0: read from the history
	Peer  Peer
	From  uint64
	Mine  bool // this user said it, on this device or another
	Kind  LineKind
	Text  string // as it came
	At    time.Time

	// Of a line that came: its stream and place in it.
	Device   uint8
	Gen      uint16
	ID       uint64
	GroupSeq uint64
	Seen     Seen

	// Of an own line of this device.
	Cseq  uint64 // its number; 0: it is not in the outbox yet
	Level client.TickLevel
	Code  codec.ErrorCode // why the server rejected it
}

// Rejected says that the line will never arrive.
func (l *Line) Rejected() bool { return l.Code != codec.CodeNone }

// raise lifts the level of an own line. False: no news.
func (l *Line) raise(level client.TickLevel) bool {
	if level <= l.Level {
		return false
	}
	l.Level = level
	return true
}
