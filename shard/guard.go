package shard

import "trunkline/codec"

// Guard decides whether a SEND may go on, beside the rates of Config. It belongs to the loop's goroutine, must not block, and must depend on
// nothing but what it is told: a run can then be replayed. Rules is the one that is embedded.
type Guard interface {
	// Judge is asked once for each new SEND, before it is routed, in the order of the device's cseqs. One that was delayed and comes again is
	// a new one.
	Judge(now int64, a *Attempt) Verdict
	// Report tells that a user was reported by another one.
	Report(now int64, user, by uint64)
}

// Attempt is a SEND that is about to be routed.
type Attempt struct {
	User    uint64
	Device  uint8
	Peer    uint64 // a user, or a group's place
	Bytes   int    // of all parts
	First   bool   // the two have not exchanged messages lately, as far as the sender's loop knows
	SeenSec uint32 // when the sender's device was first seen by this data, unix seconds; 0: not known; 1: longer ago than is remembered
}

// Verdict is what becomes of it.
type Verdict struct {
	Code    codec.ErrorCode // CodeNone: it goes on. CodeRateLimited: come again after RetryMs. Any other: rejected for good
	RetryMs uint32
	Rule    uint8 // which rule said so, for counters and traces; see RuleName
}

// guarded asks the guard. A SEND that does not go on begins no conversation.
func (m *mailbox) guarded(now int64, msg *message, w *world, out *effects) Verdict {
	if w.cfg.Guard == nil || msg.kind != msgSend || msg.code != 0 {
		return Verdict{}
	}
	first := out.hasMet && !w.pairs.knows(out.met)
	w.attempt = Attempt{User: m.user, Device: m.device, Peer: msg.peer, Bytes: len(msg.payload), First: first, SeenSec: w.births.seen(m.user, m.device)}
	v := w.cfg.Guard.Judge(now, &w.attempt)
	if v.Code != codec.CodeNone {
		w.stats.Guarded[min(int(v.Rule), len(w.stats.Guarded)-1)]++
		out.hasMet = false
		if first {
			w.stats.Conversations--
		}
	}
	return v
}
