package shard

import "slices"

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
