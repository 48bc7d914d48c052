package talk

import (
	"trunkline/client"
	"trunkline/codec/iq"
)

// Task is something that package post does for the model, in the order in which tasks were given.
type Task interface{ task() }

// Write keeps what a burst of events brought, in one transaction, and then acknowledges. It is tried again until the disk takes it.
type Write struct {
	Lines   []Line // those with Seen SeenOwed have their read receipts sent after it
	Ticks   []client.Tick
	Rejects []client.Rejected
	Places  []client.GroupPlaced // the lines move behind everything that is kept of their groups. Reported by Moved
	People  []Person
	Groups  []Group
	Ack     *client.Message // the newest of the burst, nil: none
}

// Send keeps an own line and puts it into the outbox. Reported by Sent.
type Send struct{ Line Line }

// See marks all lines of a conversation that are kept by then as seen and sends their read receipts.
type See struct{ Peer Peer }

// Load reads lines of a conversation. Reported by Page. At most one of the rows is not 0; without any it reads the newest lines.
type Load struct {
	Peer   Peer
	Before int64 // the lines before that row
	After  int64 // the lines behind that row
	Around int64 // the lines around that row
}

// Find searches the history. Reported by Found.
type Find struct{ Text string }

// Watch changes whose presence is wanted.
type Watch struct{ Add, Drop []uint64 }

// Typing tells a peer that this user writes, or stopped.
type Typing struct {
	Peer  Peer
	State client.TypingState
}

// Active tells the server whether the user is in front of the screen.
type Active struct{ Yes bool }

// Ask puts a question to the server. Which fields count depends on Op, as in iq.Request. Reported by Answered.
type Ask struct {
	Op      iq.Op
	Show    bool // the user asked: the answer is shown
	Group   uint64
	User    uint64
	Users   []uint64
	Device  uint8
	Seq     uint64
	Text    string
	Code    []byte // an invite code
	Revoke  bool   // OpGroupInvite: end the code, and make none
	Profile client.Profile
}

// Forget removes a conversation from the list and its lines from the history.
type Forget struct{ Peer Peer }

func (Write) task()  {}
func (Send) task()   {}
func (See) task()    {}
func (Load) task()   {}
func (Find) task()   {}
func (Watch) task()  {}
func (Typing) task() {}
func (Active) task() {}
func (Ask) task()    {}
func (Forget) task() {}
