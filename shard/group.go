package shard

import (
	"trunkline/codec"
	"trunkline/codec/iq"
)

// group is one group as its home loop knows it: who is in it, in which order its messages go out, who has them. It knows of no store and posts
// nothing: what follows from a step is in its answers. It lives while the group is in memory.
//
// Membership and messages are one sequence: gseqs are given to messages and to changes alike. A change is applied only when nothing that was
// taken before it waits to go out (group_home.go sees to that), so what waits always goes to the members that the group has.
type group struct {
	id      uint64 // its place: see placeOf
	epoch   uint32
	seq     uint64 // the newest gseq
	creator uint64
	created uint32 // unix seconds
	token   uint64 // of its creation
	subject string
	invite  []byte // empty: none
	members []member
	ring    ring
}

// member is one user of a group. 40 bytes, no pointers; ascending by user.
type member struct {
	user      uint64
	delivered uint64 // the newest gseq that one of its devices has acknowledged
	read      uint64
	since     uint64 // the gseq of the change that made it a member: it gets what is above
	role      iq.Role
}

// ring holds the newest messages whose senders have not been told yet that everybody has read them: at most groupTicksMax; what is older is never told.
type ring struct{}

// groupOp is a change that a member asks for.
type groupOp struct {
	op      iq.Op
	actor   uint64
	users   []uint64
	text    string
	bytes   []byte
	token   uint64
	timeSec uint32
	max     int // members that a group may have
}

// groupChange is what a change has done. Slices are valid until the next call.
type groupChange struct {
	code     codec.ErrorCode // CodeNone: the group has changed, its epoch and seq are the event's
	event    []byte          // iq.Event, the payload that goes to all members and to left
	joined   []uint64
	left     []uint64
	outcomes []iq.Outcome // of users that the change did not take
	ticks    []groupTick  // what members that left held up
}

// groupTick is what a sender is told: all of its messages up to a cseq were delivered to, or read by, every member.
type groupTick struct {
	user   uint64
	device uint8
	gen    uint16
	kind   codec.ReceiptKind // delivered or read
	first  uint64            // cseqs
	last   uint64
}

// sentBy is the sender of a group's message.
type sentBy struct {
	user   uint64
	device uint8
	gen    uint16
	cseq   uint64
}
