package shard

import (
	"encoding/binary"
	"slices"

	"trunkline/codec"
)

// userState is what is kept of a user beside its mailboxes: only for those who have something of it. It is a copy of what the user's state
// mailbox has, and is in memory while the user is.
type userState struct {
	policy Policy
	groups []uint64 // places of the groups that the user is in, or is being added to; ascending
}

// policyOf is what a user has decided; nil: nothing.
func (w *world) policyOf(user uint64) *Policy {
	if u := w.states[user]; u != nil {
		return &u.policy
	}
	return nil
}

// shows says whether a rule of a user lets another one see. Who is blocked sees nothing.
func (p *Policy) shows(rule Rule, to uint64) bool {
	if p == nil {
		return true
	}
	if p.blocks(to) {
		return false
	}
	switch rule {
	case RuleNobody:
		return false
	case RuleContacts:
		_, known := slices.BinarySearch(p.Contacts, to)
		return known
	}
	return true
}

// blocks says whether a user has blocked another one.
func (p *Policy) blocks(who uint64) bool {
	if p == nil {
		return false
	}
	_, blocked := slices.BinarySearch(p.Blocked, who)
	return blocked
}

// takeForState gives s.current to the state of a user that is in memory, or that nobody knows.
func (s *Shard) takeForState(now int64) {
	s.nowMs = now
	s.out.reset()
	m := &s.current
	switch m.kind {
	case msgInvite:
		s.takeInvite(m)
	case msgPart:
		s.takePart(now, m)
	case msgPolicy:
		s.takePolicy(now, m)
	case msgRemove:
		s.takeRemove(now, m)
	case msgForget:
		s.takeForget(now, m)
	}
}

// takePolicy keeps what a user has decided.
func (s *Shard) takePolicy(now int64, m *message) {
	var p Policy
	n := int(binary.BigEndian.Uint32(m.payload))
	frame := slices.Clone(m.payload[4+n:])
	then := Reply{Loop: int(m.first), Conn: m.conn, Frame: frame}
	if parsePolicy(&p, m.payload[4:4+n]) != nil {
		s.stats.Unexpected++
		return
	}
	u := s.states[m.user]
	if u == nil {
		u = new(userState)
	}
	if u.policy.Version < p.Version || p.Version == 0 {
		u.policy = p
		if !s.keepUser(m.user, u) {
			s.stats.Unexpected++ // no room for one more user: asked again, it is told again
			return
		}
		s.policyChanged(now, m.user)
	}
	s.replyLater(then)
}

// keepUser saves a user's state, which is in memory from now on. false: there is no room for one more user.
func (s *Shard) keepUser(user uint64, u *userState) bool {
	s.snapshot = s.snapshot[:0]
	if !u.empty() {
		s.snapshot = u.appendSnapshot(s.snapshot)
	}
	if !s.saveState(user, s.snapshot) {
		return false
	}
	if u.empty() {
		delete(s.states, user)
	} else {
		s.states[user] = u
	}
	return true
}

func (u *userState) empty() bool { return len(u.groups) == 0 && u.policy.empty() }

// becomeLoaded makes what is kept of a place of its state mailbox, when it has come into memory.
func (s *Shard) becomeLoaded(now int64, place uint64) {
	if isGroup(place) {
		s.groupAt(now, place)
		return
	}
	s.resumeDeletion(now, place)
	if s.states[place] != nil || s.find(place, stateDevice, 0) == 0 {
		return
	}
	s.snapshot = s.loadState(place, s.snapshot[:0])
	if len(s.snapshot) == 0 {
		return
	}
	u := new(userState)
	if u.parseSnapshot(s.snapshot) != nil {
		s.stats.Unexpected++
		return
	}
	s.states[place] = u
	s.policyChanged(now, place)
}

// leaveMemory forgets what was made of a place's state; the mailbox has it.
func (s *Shard) leaveMemory(place uint64) {
	delete(s.states, place)
	delete(s.groups, place)
}

// takeInvite says whether somebody may be added to a group, and remembers the group for who may.
func (s *Shard) takeInvite(m *message) {
	u := s.states[m.user]
	code := codec.CodeNone
	switch {
	case !s.joins(m.user):
		code = codec.CodeNoSuchUser
	case u == nil:
		u = new(userState)
	case u.policy.blocks(m.peer):
		code = codec.CodeRefused
	case len(u.groups) >= userGroupsMax && !u.in(m.first):
		code = codec.CodeTooMany
	}
	if code == codec.CodeNone && !u.in(m.first) {
		at, _ := slices.BinarySearch(u.groups, m.first)
		u.groups = slices.Insert(u.groups, at, m.first)
		if !s.keepUser(m.user, u) {
			code = codec.CodeServerFull
		}
		s.returnCulled(m.user)
	}
	s.sendInvited(m, code)
}

// joins says whether there is a user who can be in a group: one with a device, or with one that may have been culled.
func (s *Shard) joins(user uint64) bool {
	if n, _ := s.devices(user, 0); n > 0 {
		return true
	}
	_, gone := s.receiver(user, 0)
	return !gone && s.cfg.Open && s.cfg.Disk == nil && s.returns(user, 0)
}

// returnCulled makes the culled mailboxes of one who is in a group now: messages of groups name no devices, so they must be there.
func (s *Shard) returnCulled(user uint64) {
	if s.cfg.Disk != nil || s.stats.Culled == 0 {
		return
	}
	for device := range codec.DeviceMax + 1 {
		if d := uint8(device); s.find(user, d, 0) == 0 && s.returns(user, d) {
			s.makeMailbox(user, d)
		}
	}
}

func (u *userState) in(group uint64) bool {
	_, in := slices.BinarySearch(u.groups, group)
	return in
}

func (s *Shard) sendInvited(m *message, code codec.ErrorCode) {
	s.send(int(m.from), &message{kind: msgInvited, user: m.first, peer: m.user, seq: m.seq, code: uint8(code)})
}

// takePart forgets a group that the user is in no longer.
func (s *Shard) takePart(now int64, m *message) {
	if u := s.states[m.user]; u != nil {
		if at, in := slices.BinarySearch(u.groups, m.peer); in {
			u.groups = slices.Delete(u.groups, at, at+1)
			s.keepUser(m.user, u)
		}
	}
	s.parted(now, m.user, m.peer)
}

// appendSnapshot adds the state: version u8 = 1, groups u32 and each u64, then the policy.
func (u *userState) appendSnapshot(dst []byte) []byte {
	dst = append(dst, userSnapshotVersion)
	dst = appendIDs(dst, u.groups)
	return appendPolicy(dst, &u.policy)
}

func (u *userState) parseSnapshot(b []byte) error {
	if len(b) == 0 || b[0] != userSnapshotVersion {
		return errSnapshot
	}
	groups, rest, err := parseIDs(b[1:])
	if err != nil {
		return err
	}
	u.groups = groups
	return parsePolicy(&u.policy, rest)
}
