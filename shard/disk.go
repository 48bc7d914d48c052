package shard

import "trunkline/store"

// Disk is what outlives the process, as the machines use it; *store.Desk is one. nil in Config: nothing does.
//
// The Queue is the truth while the process lives. Every change of it, and of what a mailbox's record must keep, is noted in the turn in
// which it happens; a turn is durable whole or not at all, in the order in which the loops ended theirs. So whoever hears of
// something by a message notes what follows from it in a later turn than its cause, and a promise may be made when its own turn is durable.
type Disk interface {
	// Note adds a record to the turn.
	Note(r *store.Record)
	// Turn numbers the turn that is being noted, Durable is the last one that is durable.
	Turn() uint64
	Durable() uint64
	// Load asks for heads or entries; the answer is news.
	Load(l *store.Load)
	// WriteBack has a mailbox written: its head, its entries above a seq, and the removal of a range that is gone.
	WriteBack(h *store.Head, above uint64, gone store.SeqRange) (sliceBytes int)
	// News calls f for what has happened since the last call.
	News(f func(n *store.News))
}

// Cache takes back into the Queue what was written; *store.Mailboxes is one.
type Cache interface {
	// Restore adds an entry anywhere among those of its device.
	Restore(e *store.Entry, payload []byte) error
}
