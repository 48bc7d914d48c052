package talk

import "trunkline/client"

// Report is what package post answers. It goes into Model.Update like everything else that happens.
type Report interface{ report() }

// Start is everything that the history knows at the start of a run.
type Start struct {
	Talks  []Summary
	People []Person
	Groups []Group
}

// Summary is a conversation in the list.
type Summary struct {
	Peer   Peer
	Last   Line
	Unread int
}

// Kept answers Write: its lines, with their rows. Row 0: the line was there already, as after a crash.
type Kept struct{ Lines []Line }

// Sent answers Send: the line with its row and number, or why it could not be taken.
type Sent struct {
	Line Line
	Err  error
}

// Moved says that the history has moved an own line to the end of its conversation.
type Moved struct {
	Peer Peer
	Cseq uint64
	Row  int64 // where it is now
}

// Page answers Load. Lines are in the order of their rows.
type Page struct {
	Load  Load
	Lines []Line
	More  bool // there are more before them
	Newer bool // there are more behind them
}

// Found answers Find, newest first.
type Found struct {
	Text  string
	Lines []Line
	Err   error
}

// Answered answers Ask. Which fields count depends on its Op.
type Answered struct {
	Ask      Ask
	Err      error
	Group    client.Group
	Outcomes []client.Outcome
	Groups   []uint64
	Users    []uint64
	Profile  client.Profile
	Devices  client.Devices
	Code     []byte // an invite code; empty: there is none any more
	Receipts []client.GroupReceipt
}

// Trouble says that the history can't be written, or (nil) that it can again.
type Trouble struct{ Err error }

// Ended says that the client has ended for good.
type Ended struct{ Err error }

// Events is a burst of what the SDK reports.
type Events []client.Event

func (Start) report()    {}
func (Kept) report()     {}
func (Sent) report()     {}
func (Moved) report()    {}
func (Page) report()     {}
func (Found) report()    {}
func (Answered) report() {}
func (Trouble) report()  {}
func (Ended) report()    {}
func (Events) report()   {}
