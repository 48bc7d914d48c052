package iq

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
	OpGroupList     // Cursor: answer Groups: in which the user is, above the group Cursor
	OpGroupReceipts // Group, Seq (the gseq), Cursor: answer Members: a page of who has and has read it

	// Of a user.
	OpProfileGet    // User (0: the own one): answer Profile
	OpProfileSet    // Profile
	OpContactsGet   // Cursor: answer Users, above the user Cursor
	OpContactsAdd   // Users
	OpContactsDrop  // Users
	OpBlocksGet     // Cursor: answer Users, above the user Cursor
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
