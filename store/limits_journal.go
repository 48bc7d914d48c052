package store

import "time"

// Limits of the journal.
const (
	// JournalsMax bounds the directories of a journal: one bit each in a round's header. More: OpenJournal returns an error.
	JournalsMax = 16
	// JournalRoundBytes is the size from which a round does not wait for company. Measured: larger ones are not synced faster by the byte.
	JournalRoundBytes = 256 << 10
	// JournalSegmentBytes is the size from which a segment file is followed by a new one. It is what an unlink can free at a time, and about
	// what a start reads too much.
	JournalSegmentBytes = 64 << 20
	// JournalWaitingMax is how many bytes may wait for the disk. Over it there is trouble, until half of it waits. Nothing is refused then: what was
	// noted has happened. What bounds the bytes is that shards take no new messages while there is trouble: what is noted then is the end of what
	// waits in memory already (a drop of 18 bytes each, a mark, a notice), so it stays below what the mailboxes hold.
	JournalWaitingMax = 64 << 20
	// JournalSlowSync is how long a sync may take. Over it there is trouble while it lasts: a disk that hangs would let senders wait for
	// their ticks without a word.
	JournalSlowSync = 5 * time.Second
	// FsyncsRemembered is how many syncs the quantiles of JournalStats are of.
	FsyncsRemembered = 1024
	// SharedMax payloads of sharedLeast bytes and more, those that were written last, can be named by the appends behind them. A power of two.
	// One that is farther back is written again, and then all that take turns with it are: so there is room for as many as take turns, and for
	// as many others that are noted meanwhile.
	SharedMax = 2 * SharedLanes
	// sharedLeast is how many bytes a payload has at least that is named: of a shorter one there is next to nothing to save. A group's sender
	// gets a place of 16 bytes instead of the message: places push out none of the payloads that the other members share.
	sharedLeast = 17
	// journalRetry is the time between two tries to write what could not be written.
	journalRetry = time.Second
	// journalRoundMax is the size from which what is handed over goes to a round after the next: a round's length has 32 bits, and a start holds a whole
	// round in memory. One turn is never split.
	journalRoundMax = 64 << 20
	// journalBufferKept is the largest buffer that is kept for another round; larger ones are of times of trouble.
	journalBufferKept = 4 << 20
	// journalRotateShare: Truncate begins a new segment when the current one has this share of JournalSegmentBytes, so that the next call can remove it.
	journalRotateShare = 16
	// journalWindowBytes is what a reader of segments reads at a time.
	journalWindowBytes = 256 << 10
)
