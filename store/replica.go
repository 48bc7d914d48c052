package store

// Base is what a Replica starts from: an Offline, or nothing (nil).
type Base interface {
	Head(user uint64, device uint8) (h Head, ok bool, err error)
	Entries(user uint64, device uint8, after uint64, f func(e *Entry, payload []byte) bool) error
}

// Replica is the mailboxes as a state machine: records in, state out, without a clock, chance or disk of its own. The single node feeds it
// from its journal when it starts; a replicated log can feed it later. Applying any suffix of what was applied once more
// changes nothing, so the base may be newer than the first record.
type Replica struct{}

// NewReplica makes a replica on a base. It keeps only what its records change.
func NewReplica(base Base) *Replica { panic("replica") }

// Apply takes one record. Errors are the base's.
//
// An append with seq <= Last, a replace or a drop with seq <= Acked change nothing; a head sets its fields but raises Last and Acked.
func (r *Replica) Apply(rec *Record) error { panic("replica") }

// Hash is a number that is equal for equal states.
func (r *Replica) Hash() uint64 { panic("replica") }

// WriteTo applies what has changed to an Offline, in batches, and flushes it.
func (r *Replica) WriteTo(o *Offline) error { panic("replica") }
