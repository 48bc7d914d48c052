package client

import (
	"slices"

	"trunkline/codec"
)

// sentTable remembers how far the newest SentMax messages came. Pure; the client's mutex guards it.
type sentTable struct {
	rows []Sent // ids rise
}

// find returns the place of id, or where it would stand.
func (t *sentTable) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(t.rows, id, func(r Sent, id uint64) int {
		switch {
		case r.ID < id:
			return -1
		case r.ID > id:
			return 1
		}
		return 0
	})
}

// add remembers a new message; ids come in order. The oldest is forgotten when the table is full.
func (t *sentTable) add(id, peer uint64, c *Change) {
	if len(t.rows) >= SentMax {
		n := len(t.rows) - SentMax + 1
		c.SentGone = t.rows[n-1].ID
		t.rows = t.rows[n:] // append moves them to a new array now and then
	}
	r := Sent{ID: id, Peer: peer}
	t.rows = append(t.rows, r)
	c.Sent = append(c.Sent, r)
}

// raise lifts the messages to peer in first..last to level. news is false when all of the range is remembered and
// none rose: a receipt that came twice, or after a stronger one.
func (t *sentTable) raise(peer, first, last uint64, level TickLevel, c *Change) (news bool) {
	i, _ := t.find(first)
	if len(t.rows) == 0 || first < t.rows[0].ID {
		news = true // older than what is remembered
	}
	for ; i < len(t.rows) && t.rows[i].ID <= last; i++ {
		if r := &t.rows[i]; r.Peer == peer && r.raise(level) {
			c.Sent = append(c.Sent, *r)
			news = true
		}
	}
	return news
}

// pass is raise for what lies between the ends of a range of a group's ticks. There a message without a place may be one whose rejection is still on its
// way, so it is only noted what would be true of it.
func (t *sentTable) pass(group, first, last uint64, level TickLevel, c *Change) (news bool) {
	i, _ := t.find(first)
	for ; i < len(t.rows) && t.rows[i].ID <= last; i++ {
		r := &t.rows[i]
		switch {
		case r.Peer != group:
			continue
		case r.placed():
			if !r.raise(level) {
				continue
			}
		case r.Unless < level:
			r.Unless = level
		default:
			continue
		}
		c.Sent = append(c.Sent, *r)
		news = true
	}
	return news
}

// raise says whether the level rose.
func (r *Sent) raise(level TickLevel) bool {
	level = max(level, r.Unless)
	rises := level > r.Level
	r.Level = max(level, r.Level)
	return rises
}

// refused takes back what a range noted of a message that is sent again: it spoke of the number that was refused.
func (t *sentTable) refused(id uint64, c *Change) {
	if i, ok := t.find(id); ok && t.rows[i].Unless != TickNone {
		t.rows[i].Unless = TickNone
		c.Sent = append(c.Sent, t.rows[i])
	}
}

// placed says that a message to a group is in the group's order. A rejection of it then speaks of a second copy: the server was killed between taking it
// and remembering so, and the group has changed since.
func (t *sentTable) placed(id uint64) bool {
	i, ok := t.find(id)
	return ok && t.rows[i].placed()
}

func (r *Sent) placed() bool { return r.Peer&codec.GroupBit != 0 && r.Level != TickNone }

// reject marks the messages to peer in first..last that are not taken, and calls f for each that was not marked yet.
func (t *sentTable) reject(peer, first, last uint64, code codec.ErrorCode, c *Change, f func(id uint64)) {
	i, _ := t.find(first)
	for ; i < len(t.rows) && t.rows[i].ID <= last; i++ {
		r := &t.rows[i]
		if r.Peer != peer || r.Rejected != 0 || r.placed() {
			continue
		}
		r.Rejected = uint8(code)
		c.Sent = append(c.Sent, *r)
		f(r.ID)
	}
}

// forgotten says whether id is older than everything remembered.
func (t *sentTable) forgotten(id uint64) bool { return len(t.rows) == 0 || id < t.rows[0].ID }
