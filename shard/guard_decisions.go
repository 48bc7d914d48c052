package shard

import "trunkline/codec"

// Decision is one message that a guard did not let through, and why.
type Decision struct {
	AtMs    int64
	User    uint64
	Peer    uint64 // a user, or a group's place
	Device  uint8
	Rule    uint8           // see RuleName
	Young   bool            // the numbers for young devices were used
	Code    codec.ErrorCode // CodeRateLimited: delayed. Else rejected
	Number  uint32          // what had reached the limit
	Limit   uint32
	RetryMs uint32
}

// decisionRing holds the newest guardDecisionsMax of them.
type decisionRing struct {
	list []Decision
	next int // where the next one goes, when the ring is full
}

func (r *decisionRing) add(d *Decision) {
	if len(r.list) < guardDecisionsMax {
		r.list = append(r.list, *d)
		return
	}
	r.list[r.next] = *d
	r.next = (r.next + 1) % guardDecisionsMax
}

// Decisions yields the newest messages that were not let through, the last one first, until yield has had enough.
func (r *Rules) Decisions(yield func(d *Decision) bool) {
	list := r.decisions.list
	for i := len(list); i > 0; i-- {
		if !yield(&list[(r.decisions.next+i-1)%len(list)]) {
			return
		}
	}
}

// PeerID is the peer's id as clients know it: that of a user, or of a group.
func (d *Decision) PeerID() uint64 {
	if isGroup(d.Peer) {
		return groupID(d.Peer)
	}
	return d.Peer
}
