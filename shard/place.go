package shard

import "trunkline/codec"

// A place is what fragments, mailboxes and the disk know a user or a group by: a user's is its id, a group's lies above all users, so that both
// fit 60 bits. On the wire a group has codec.GroupBit and its number.

// placeOf is the place of a group id. ok is false for an id that can't name a group.
func placeOf(id uint64) (place uint64, ok bool) {
	n := id &^ codec.GroupBit
	if id&codec.GroupBit == 0 || n == 0 || n > codec.GroupMax {
		return 0, false
	}
	return codec.UserMax + n, true
}

// isGroup says whether a place is a group's.
func isGroup(place uint64) bool { return place > codec.UserMax }

// groupID is the id of a group on the wire.
func groupID(place uint64) uint64 { return place - codec.UserMax | codec.GroupBit }
