package talk

import (
	"time"

	"trunkline/client"
)

// Person is what is known of a user.
type Person struct {
	User    uint64
	Name    string // as it came; "": the user has none, or it is not known
	About   string
	Picture []byte    // a reference that other clients know what to do with
	Asked   time.Time // when the profile was asked for; zero: never

	// Of this run.
	Known    bool // presence was reported
	Here     bool
	LastSeen time.Time // zero: unknown
	Blocked  bool      // by this user
}

// Group is what is known of a group.
type Group struct {
	Peer    Peer
	Subject string // as it came
	Gone    bool   // this user is no member any more
	Count   int    // of members

	// Of this run.
	Epoch   uint32
	Members []client.Member
	Invite  []byte
}

// Talk is one conversation.
type Talk struct {
	Peer   Peer
	Last   Line // Local and Row 0: nothing was said yet
	Unread int
	Draft  string               // what was typed and not sent
	typing map[uint64]time.Time // until when that user counts as writing

	// Of the open conversation.
	Lines []Line
	More  bool // there are older lines in the history
	Newer bool // there are newer ones: the past is shown
	load  bool // a page was asked for
}
