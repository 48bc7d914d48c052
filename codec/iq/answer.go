package iq

import "trunkline/codec"

// Answer is what comes back for a request, under the same ref. Code CodeNone: done, and the fields that its Op names say more.
type Answer struct {
	Ref          uint32
	Op           Op              // of the request
	Code         codec.ErrorCode // below 64
	RetryAfterMs uint32          // with CodeRateLimited and CodeServerFull
	Text         string          // with a code: for people, at most codec.TextBytesMax bytes
	Group        GroupInfo
	Outcomes     []Outcome // of those that were named and did not become what was asked for
	Groups       []uint64
	Users        []uint64
	Members      []Member
	More         uint64 // 0, or the cursor of the next page
	Profile      Profile
	Privacy      Privacy
	Devices      DeviceList
}

// GroupInfo is a group as a member sees it.
type GroupInfo struct {
	Group      uint64
	Epoch      uint32 // rises with each change of the group
	Seq        uint64 // the newest gseq
	Creator    uint64
	CreatedSec uint32
	Subject    string
	Count      int      // of members
	Invite     []byte   // for admins; empty: there is none
	Members    []Member // a page; without marks
}

// Role is what a member may do.
type Role uint8

// The roles.
const (
	RoleMember Role = iota
	RoleAdmin
	roleEnd
)

// Member is one member of a group.
type Member struct {
	User      uint64
	Role      Role
	Delivered uint64 // OpGroupReceipts: the newest gseq that one of its devices has
	Read      uint64 // and that it has read
}

// Outcome says why somebody that a request named did not become what was asked for.
type Outcome struct {
	User uint64
	Code codec.ErrorCode // CodeRefused: it wants not to be added by this user; CodeNoSuchUser; CodeTooMany; CodeNotMember; ...
}

// Notice is what a server says unasked (ref 0). A client that does not know one passes it over.
type Notice struct {
	Devices DeviceList // User not 0: this is the present list of that user; a SEND named an older one
	Group   GroupInfo  // Group not 0: the present group; a SEND named an older epoch. The first page of members; More as in Answer
	More    uint64
}

// Event is what happened in a group: the payload of a DELIVER whose kind is codec.PayloadGroupEvent, made by the server. From is who did it.
type Event struct {
	Op    Op // OpGroupCreate, Add, Remove, Promote, Demote, Leave, Subject, Invite (changed; the code is not told), Join
	Epoch uint32
	Users []uint64 // whom it is about
	Text  string   // the subject
}

// AppendAnswer adds an answer as a NODE frame, compressed where that saves bytes. Errors: ErrForm, the codec's.
func AppendAnswer(dst []byte, a *Answer) ([]byte, error) { return dst, ErrForm }

// AppendNotice adds a notice as a NODE frame. Errors: ErrForm, the codec's.
func AppendNotice(dst []byte, n *Notice) ([]byte, error) { return dst, ErrForm }

// ParseReply reads a NODE frame that a server sent: an answer (notice false), or a notice. Slices are new.
// Errors: ErrUnknown (passed over by clients), ErrForm, the codec's.
func ParseReply(tape *codec.Tape, f codec.Frame, a *Answer, n *Notice) (notice bool, err error) {
	return false, ErrUnknown
}

// AppendEvent adds an event's bytes: a bare node. Errors: ErrForm.
func AppendEvent(dst []byte, e *Event) ([]byte, error) { return dst, ErrForm }

// ParseEvent reads them. Slices are new. Errors: ErrUnknown, ErrForm, the codec's.
func ParseEvent(tape *codec.Tape, payload []byte, e *Event) error { return ErrUnknown }
