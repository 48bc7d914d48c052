package shard

// Policy is what a user's home loop must know of its settings, so that no message waits for the accounts: a copy of store.Settings that the
// server pushes with SetPolicy, kept in the user's state mailbox.
type Policy struct {
	Version  uint32 // of the settings
	Presence Rule
	LastSeen Rule
	Blocked  []uint64 // ascending
	Contacts []uint64 // ascending; only when a rule asks for them
	Devices  DeviceList
}

// Rule says who may see something; iq.Rule's values.
type Rule uint8

// The rules.
const (
	RuleEveryone Rule = iota
	RuleContacts
	RuleNobody
)

// DeviceList is the list of devices that a user's primary has signed. Version 0: none was.
type DeviceList struct {
	Version   uint32
	List      []uint8 // ascending
	Signature []byte
}
