package shard

import "trunkline/codec"

// Guard decides whether a SEND may go on, beside the rates of Config. It belongs to the loop's goroutine, must not block, and must depend on
// nothing but what it is told: a run can then be replayed. Rules is the one that is embedded.
type Guard interface {
	// Judge is asked once for each new SEND, before it is routed, in the order of the device's cseqs.
	Judge(now int64, a *Attempt) Verdict
	// Report tells that a user was reported by another one.
	Report(now int64, user, by uint64)
}

// Attempt is a SEND that is about to be routed.
type Attempt struct {
	User    uint64
	Device  uint8
	Peer    uint64 // a user, or a group (see isGroup)
	Bytes   int    // of all parts
	First   bool   // the two have not exchanged messages lately, as far as the sender's loop knows
	SeenSec uint32 // when the sender's device was first seen by this data, unix seconds; 0: not known
}

// Verdict is what becomes of it.
type Verdict struct {
	Code    codec.ErrorCode // CodeNone: it goes on. CodeRateLimited: come again after RetryMs. CodeRefused: rejected for good
	RetryMs uint32
	Rule    uint8 // which rule said so, for counters and traces; see RuleNames
}
