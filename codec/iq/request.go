package iq

import "trunkline/codec"

// Op is what a request asks for.
type Op uint8

// The operations. Values are of this program; on the wire an operation is the root's name and its type attribute.
const (
	OpNone Op = iota

	// Of a group. Members ask, admins change.
	OpGroupCreate   // Token, Text (subject), Users: answer Group
	OpGroupAdd      // Group, Users (at most UsersMax): answer Group, Outcomes. Admins
	OpGroupRemove   // Group, Users: answer Group, Outcomes. Admins
	OpGroupPromote  // Group, Users: they are admins from now on. Admins
	OpGroupDemote   // Group, Users. Admins; the last admin can't be demoted
	OpGroupLeave    // Group. When the last admin leaves, the member who is there for longest is one
	OpGroupSubject  // Group, Text. Admins
	OpGroupInvite   // Group, Bytes: the invite code, InviteBytes long, drawn by the client; empty: none any more. Admins
	OpGroupJoin     // Group, Bytes: with the code
	OpGroupInfo     // Group, Cursor: answer Group with a page of members above the user Cursor
	OpGroupList     // answer Groups: in which the user is
	OpGroupReceipts // Group, Seq (the gseq), Cursor: answer Members: a page of who has and has read it

	// Of a user.
	OpProfileGet    // User (0: the own one): answer Profile
	OpProfileSet    // Profile
	OpContactsGet   // answer Users
	OpContactsAdd   // Users
	OpContactsDrop  // Users
	OpBlocksGet     // answer Users
	OpBlocksAdd     // Users
	OpBlocksDrop    // Users
	OpPrivacyGet    // answer Privacy
	OpPrivacySet    // Privacy
	OpDevicesGet    // User (0: the own ones): answer Devices
	OpDevicesSet    // Devices: the primary signs a new list
	OpDeviceRemove  // Device: the primary removes a companion, or a companion itself
	OpAccountDelete // of the primary: leaves nothing behind
	OpReport        // User, Text (a reason), Group (or 0), Seq (of a message, or 0)
	opEnd
)

// Request is one question. Which fields count is said beside its Op; the others are zero. Slices alias the tape's frame after Parse,
// but for Users, which is reused.
type Request struct {
	Ref     uint32 // the asker's number, not 0: the answer repeats it
	Op      Op
	Group   uint64 // with codec.GroupBit
	User    uint64
	Device  uint8
	Token   uint64
	Seq     uint64
	Cursor  uint64
	Text    string
	Bytes   []byte
	Users   []uint64
	Profile Profile
	Privacy Privacy
	Devices DeviceList
}

// Profile is what a user says of itself. Texts are UTF-8.
type Profile struct {
	User       uint64
	Name       string // at most NameBytesMax
	About      string // at most AboutBytesMax
	Picture    []byte // an opaque reference, at most PictureBytesMax
	ChangedSec uint64 // in answers
}

// Rule says who may see something.
type Rule uint8

// The rules.
const (
	RuleEveryone Rule = iota
	RuleContacts      // whom the user has among its contacts
	RuleNobody
	ruleEnd
)

// Privacy says who sees what of a user.
type Privacy struct {
	Presence Rule // that the user is there, and that it writes
	LastSeen Rule // when it was
	Profile  Rule
}

// DeviceList is the devices of a user as its primary has signed them, beside those that the server knows.
type DeviceList struct {
	User    uint64
	Version uint32 // rises by one or more with each list; 0: none was signed
	List    []uint8
	// Signature is the primary's Ed25519 signature over SignedBytes; 64 bytes, empty with version 0.
	Signature []byte
	// Known is what is registered, in answers: the server says so, nobody has signed it.
	Known []KnownDevice
}

// KnownDevice is a registered device.
type KnownDevice struct {
	Device        uint8
	Gen           uint16
	Static        [32]byte
	Sign          [32]byte
	RegisteredSec uint64
}

// AppendRequest adds a request as a NODE frame. Errors: ErrForm (a field that its Op needs is missing or above its limit), the codec's.
func AppendRequest(dst []byte, r *Request) ([]byte, error) { return dst, ErrForm }

// ParseRequest reads a NODE frame that a client sent into r. tape is the caller's, to be reused; r aliases the frame.
// Errors: ErrUnknown (well formed, and no operation of this version: CodeUnsupported), ErrForm (CodeInvalid), both with r.Ref
// set; the codec's (CodeMalformed).
func ParseRequest(tape *codec.Tape, f codec.Frame, r *Request) error { return ErrUnknown }

// SignedBytes adds what a primary signs for a list: "trunkline devices 1", user u64, version u32, count u8, the devices ascending.
func SignedBytes(dst []byte, l *DeviceList) []byte { return dst }
