package store

const (
	// UserMax is the largest user: 60 bits hold any number of 18 digits, and one is for the end of the tree. Over it Append returns ErrUser.
	UserMax = 1<<60 - 2
	// PayloadBytesMax bounds one payload, so that it and its length fill the arena's 64 KiB class at most. Over it Append
	// returns ErrTooLarge.
	PayloadBytesMax = 64<<10 - lengthBytes
	// lengthBytes is the payload's length, at the front of its block.
	lengthBytes = 2
	// EntriesMax bounds the entries of one Mailboxes: their slots have 28 bits. It is reached long after the memory is (25 GB).
	// Over it Append returns ErrFull.
	EntriesMax = 1<<slotBits - 1
	// ArenaBytesDefault bounds the payload memory of one Mailboxes made by NewMailboxes. It only guards against a shard
	// that has no limit of its own: StoreBytesMax of the shard stops intake well before. Over it Append returns ErrFull.
	ArenaBytesDefault = 64 << 30
	// treeDegree is half the most keys of a node. Measured from 8 to 128: see docs/adr/0005-mailbox-memory.md.
	treeDegree = 64
	// treeBytesPerEntry is what Stats reckons for a key in the tree: nodes are half full when a
	// mailbox only grows, which is when the number matters.
	treeBytesPerEntry = 39
	// dropBatch is how many keys Drop looks up before it takes them out of the tree, so that no iterator sees a change.
	dropBatch = 64
)
