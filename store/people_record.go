package store

import (
	"encoding/binary"
	"slices"
)

const (
	profileHeadBytes  = 1 + 8 + 3*2
	settingsHeadBytes = 1 + 3 + 2*4 + 2 + 2*2
)

// appendProfile writes a record: version u8 = 1, changedSec u64, lengths of name, about and picture u16 each, and these.
func appendProfile(dst []byte, p *Profile) []byte {
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint64(dst, p.ChangedSec)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.Name)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.About)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.Picture)))
	dst = append(dst, p.Name...)
	dst = append(dst, p.About...)
	return append(dst, p.Picture...)
}

// parseProfile reads a record; the key named the user. It copies. false: it is not one.
func parseProfile(user uint64, b []byte) (p Profile, ok bool) {
	if len(b) < profileHeadBytes || b[0] != recordVersion {
		return p, false
	}
	name, about, picture := int(binary.BigEndian.Uint16(b[9:])), int(binary.BigEndian.Uint16(b[11:])), int(binary.BigEndian.Uint16(b[13:]))
	rest := b[profileHeadBytes:]
	if len(rest) != name+about+picture {
		return p, false
	}
	p = Profile{User: user, ChangedSec: binary.BigEndian.Uint64(b[1:]), Name: string(rest[:name]), About: string(rest[name : name+about])}
	p.Picture = copied(rest[name+about:])
	return p, p.Check() == nil
}

// appendSettings writes a record: version u8 = 1, presence, lastSeen, profile u8, version, devicesVersion u32, then the counts of devices and of
// the signature's bytes u8, of contacts and blocked u16, and these.
func appendSettings(dst []byte, s *Settings) []byte {
	dst = append(dst, recordVersion, s.Presence, s.LastSeen, s.Profile)
	dst = binary.BigEndian.AppendUint32(dst, s.Version)
	dst = binary.BigEndian.AppendUint32(dst, s.DevicesVersion)
	dst = append(dst, uint8(len(s.Devices)), uint8(len(s.Signature)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s.Contacts)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s.Blocked)))
	dst = append(dst, s.Devices...)
	dst = append(dst, s.Signature...)
	for _, user := range slices.Concat(s.Contacts, s.Blocked) {
		dst = binary.BigEndian.AppendUint64(dst, user)
	}
	return dst
}

// parseSettings reads a record; the key named the user. It copies. false: it is not one.
func parseSettings(user uint64, b []byte) (s Settings, ok bool) {
	if len(b) < settingsHeadBytes || b[0] != recordVersion {
		return s, false
	}
	s = Settings{
		User: user, Presence: b[1], LastSeen: b[2], Profile: b[3],
		Version: binary.BigEndian.Uint32(b[4:]), DevicesVersion: binary.BigEndian.Uint32(b[8:]),
	}
	devices, signature := int(b[12]), int(b[13])
	contacts, blocked := int(binary.BigEndian.Uint16(b[14:])), int(binary.BigEndian.Uint16(b[16:]))
	rest := b[settingsHeadBytes:]
	if s.Version == 0 || len(rest) != devices+signature+8*(contacts+blocked) {
		return s, false
	}
	s.Devices, rest = copied(rest[:devices]), rest[devices:]
	s.Signature, rest = copied(rest[:signature]), rest[signature:]
	s.Contacts, s.Blocked = usersIn(rest[:8*contacts]), usersIn(rest[8*contacts:])
	return s, s.Check() == nil
}

// usersIn reads a list of users; nil for an empty one.
func usersIn(b []byte) (list []uint64) {
	for ; len(b) > 0; b = b[8:] {
		list = append(list, binary.BigEndian.Uint64(b))
	}
	return list
}

// copied is b in memory of its own; nil for an empty one.
func copied(b []byte) []byte { return append([]byte(nil), b...) }
