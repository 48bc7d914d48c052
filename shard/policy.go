package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/store"
)

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
	privacyEnd
)

// DeviceList is the list of devices that a user's primary has signed. Version 0: none was.
type DeviceList struct {
	Version   uint32
	List      []uint8 // ascending
	Signature []byte
}

const (
	userSnapshotVersion = 1
	stateDevice         = store.DeviceState
)

// empty says whether the user has decided nothing that differs from the default.
func (p *Policy) empty() bool {
	return p.Presence == RuleEveryone && p.LastSeen == RuleEveryone && len(p.Blocked) == 0 && p.Devices.Version == 0 && p.Version == 0
}

// appendPolicy adds a policy: version u32, two rules, devices version u32, devices u8 and each u8, signature u8 and its bytes, blocked, contacts.
func appendPolicy(dst []byte, p *Policy) []byte {
	dst = binary.BigEndian.AppendUint32(dst, p.Version)
	dst = append(dst, byte(p.Presence), byte(p.LastSeen))
	dst = binary.BigEndian.AppendUint32(dst, p.Devices.Version)
	dst = append(dst, byte(len(p.Devices.List)))
	dst = append(dst, p.Devices.List...)
	dst = append(dst, byte(len(p.Devices.Signature)))
	dst = append(dst, p.Devices.Signature...)
	dst = appendIDs(dst, p.Blocked)
	return appendIDs(dst, p.Contacts)
}

// parsePolicy reads what appendPolicy wrote, to the end. Nothing aliases b. Errors: errSnapshot.
func parsePolicy(p *Policy, b []byte) (err error) {
	const fixed = 4 + 2 + 4
	if len(b) < fixed || Rule(b[4]) >= privacyEnd || Rule(b[5]) >= privacyEnd {
		return errSnapshot
	}
	*p = Policy{Version: binary.BigEndian.Uint32(b), Presence: Rule(b[4]), LastSeen: Rule(b[5])}
	p.Devices.Version = binary.BigEndian.Uint32(b[6:])
	rest := b[fixed:]
	if p.Devices.List, rest, err = parseShort(rest); err != nil {
		return err
	}
	if p.Devices.Signature, rest, err = parseShort(rest); err != nil {
		return err
	}
	if p.Blocked, rest, err = parseIDs(rest); err != nil {
		return err
	}
	if p.Contacts, rest, err = parseIDs(rest); err != nil {
		return err
	}
	if len(rest) != 0 {
		return errSnapshot
	}
	return nil
}

func parseShort(b []byte) (value, rest []byte, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, errSnapshot
	}
	n := 1 + int(b[0])
	return append([]byte(nil), b[1:n]...), b[n:], nil
}

func appendIDs(dst []byte, ids []uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(ids)))
	for _, id := range ids {
		dst = binary.BigEndian.AppendUint64(dst, id)
	}
	return dst
}

// parseIDs reads an ascending list.
func parseIDs(b []byte) (ids []uint64, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errSnapshot
	}
	n := int(binary.BigEndian.Uint32(b))
	if b = b[4:]; n > len(b)/8 {
		return nil, nil, errSnapshot
	}
	if n == 0 {
		return nil, b, nil
	}
	ids = make([]uint64, n)
	for i := range ids {
		ids[i] = binary.BigEndian.Uint64(b[8*i:])
		if i > 0 && ids[i] <= ids[i-1] {
			return nil, nil, errSnapshot
		}
	}
	return ids, b[8*n:], nil
}

// devicesStale says whether a sender knows an older list of a user's devices than the present one.
func (p *Policy) devicesStale(m *message) bool {
	return p != nil && m.last == namesVersion && m.flags&codec.FlagGroup == 0 && uint32(m.first) < p.Devices.Version
}

// namesVersion is `last` of a SEND or route that names, in `first`, the list of devices or the epoch that its sender knows.
const namesVersion = 1
