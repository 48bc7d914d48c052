package iq

import "trunkline/codec"

// field is what an operation says of itself, beside its name.
type field uint16

const (
	fieldGroup field = 1 << iota
	fieldUser
	fieldDevice
	fieldToken
	fieldSeq
	fieldCursor
	fieldSubject // Text
	fieldReason  // Text
	fieldInvite  // Bytes: a code, or empty
	fieldCode    // Bytes: a code
	fieldUsers
	fieldProfile
	fieldPrivacy
	fieldDevices
)

// opForm is an operation on the wire: the root's name, its type attribute, and its fields.
type opForm struct {
	root, kind string
	needs      field // have to be there
	takes      field // may be
}

// opForms is indexed by Op. docs/protocol.md, "Requests", is the same table.
var opForms = [opEnd]opForm{
	OpGroupCreate:   {"group", "create", fieldToken, fieldSubject | fieldUsers},
	OpGroupAdd:      {"group", "add", fieldGroup | fieldUsers, 0},
	OpGroupRemove:   {"group", "remove", fieldGroup | fieldUsers, 0},
	OpGroupPromote:  {"group", "promote", fieldGroup | fieldUsers, 0},
	OpGroupDemote:   {"group", "demote", fieldGroup | fieldUsers, 0},
	OpGroupLeave:    {"group", "leave", fieldGroup, 0},
	OpGroupSubject:  {"group", "subject", fieldGroup | fieldSubject, 0},
	OpGroupInvite:   {"group", "invite", fieldGroup | fieldInvite, 0},
	OpGroupJoin:     {"group", "join", fieldGroup | fieldCode, 0},
	OpGroupInfo:     {"group", "get", fieldGroup, fieldCursor},
	OpGroupList:     {"group", "list", 0, fieldCursor},
	OpGroupReceipts: {"group", "receipt", fieldGroup | fieldSeq, fieldCursor},
	OpProfileGet:    {"profile", "get", 0, fieldUser},
	OpProfileSet:    {"profile", "set", fieldProfile, 0},
	OpContactsGet:   {"contacts", "get", 0, fieldCursor},
	OpContactsAdd:   {"contacts", "add", fieldUsers, 0},
	OpContactsDrop:  {"contacts", "remove", fieldUsers, 0},
	OpBlocksGet:     {"block", "get", 0, fieldCursor},
	OpBlocksAdd:     {"block", "add", fieldUsers, 0},
	OpBlocksDrop:    {"block", "remove", fieldUsers, 0},
	OpPrivacyGet:    {"privacy", "get", 0, 0},
	OpPrivacySet:    {"privacy", "set", fieldPrivacy, 0},
	OpDevicesGet:    {"devices", "get", 0, fieldUser},
	OpDevicesSet:    {"devices", "set", fieldDevices, 0},
	OpDeviceRemove:  {"devices", "remove", fieldDevice, 0},
	OpAccountDelete: {"account", "delete", 0, 0},
	OpReport:        {"report", "create", fieldUser, fieldReason | fieldGroup | fieldSeq},
}

// eventOps are the operations that can stand in an event.
const eventOps = 1<<OpGroupCreate | 1<<OpGroupAdd | 1<<OpGroupRemove | 1<<OpGroupPromote | 1<<OpGroupDemote |
	1<<OpGroupLeave | 1<<OpGroupSubject | 1<<OpGroupInvite | 1<<OpGroupJoin

// known says whether o is an operation of this version.
func (o Op) known() bool { return o > OpNone && o < opEnd }

// hasEvent says whether members are told of it.
func (o Op) hasEvent() bool { return o < opEnd && eventOps>>o&1 != 0 }

// String is the operation as it is on the wire, root and type: "group add". It is empty for OpNone and for one that is not known.
func (o Op) String() string {
	if !o.known() {
		return ""
	}
	return opForms[o].root + " " + opForms[o].kind
}

// findOp finds the operation with these names; OpNone: this version has none.
func findOp(root, kind codec.Value) Op {
	for op := OpNone + 1; op < opEnd; op++ {
		if form := &opForms[op]; root.Is(form.root) && kind.Is(form.kind) {
			return op
		}
	}
	return OpNone
}

// about says whether an operation has a field, needed or not.
func (f *opForm) about(x field) bool { return (f.needs|f.takes)&x != 0 }
