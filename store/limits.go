package store

import "time"

const (
	// UserMax is the largest user: 60 bits hold any number of 18 digits, and one is for the end of the tree. Over it Append returns ErrUser.
	UserMax = 1<<60 - 2
	// personMax is the last place that is a user's; those above are groups'. For what tools count only: nothing is refused over it.
	personMax = 1_000_000_000_000_000_000 - 1
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
	// tableParts is into how many hash tables the mailboxes are divided: with ten million, one that grows moves 40,000, in 0.2 ms.
	tablePartBits = 8
	tableParts    = 1 << tablePartBits
	// tableBucketsMin is how many buckets of 8 bytes the first mailbox takes, and tableBucketsKept how many a part does not give back: mailboxes
	// that come and go by the thousand, as a group's message does, allocate nothing.
	tableBucketsMin  = 8
	tableBucketsKept = 64
	// tableDeviceStep sets the devices of a user apart: any odd number with bits everywhere.
	tableDeviceStep = 0x9e3779b97f4a7c15
	// SharedLanes is how many payloads may be shared by turns before AppendShared looks their entries up again. Lanes above share one of these.
	SharedLanes = 16
	// seekEvery is of how many entries one is in the tree, by its seq; seekSteps is how far a mailbox is looked through from both ends before that.
	seekEvery = 64
	seekSteps = 32
	// treeDegree is half the most keys of a node: see docs/adr/0005-mailbox-memory.md.
	treeDegree = 64
	// treeBytesPerEntry is what Stats reckons for a key in the tree: nodes are half full when a mailbox only grows.
	treeBytesPerEntry = 39
)

// Limits of accounts.
const (
	// UserDevicesMax bounds the devices of one user: what a shard holds for one. Over it Apply returns ErrDevicesFull.
	UserDevicesMax = 32
	// TokenUsesMax bounds the records of used registration tokens, about 60 bytes each on the disk. Only holders of valid
	// tokens make them. Over it, and when none has expired, Apply returns ErrTokensFull.
	TokenUsesMax = 1 << 20
	// RevocationsMax bounds the devices with a revocation: the server keeps each in memory, in about 40 bytes. Over it, and
	// when none has expired, Apply returns ErrRevocationsFull: the caller refuses all tickets by time instead.
	RevocationsMax = 1 << 18
	// purgeSlackSec is how long what has expired is kept: a clock that was an hour ahead must not free used tokens.
	purgeSlackSec = 24 * 60 * 60
	// purgeEverySec is how often, by the callers' clock, expired records are looked for; purgeFullEverySec, when a limit is reached.
	purgeEverySec     = 60 * 60
	purgeFullEverySec = 60
	// applyGroupMax bounds the changes that are synced together; the next ones wait for the next sync.
	applyGroupMax = 64
	// noteEvery is after how many changes the note beside the database is written anew: two more syncs.
	noteEvery = 256
	// purgeBatchMax bounds the records that one batch of a purge deletes.
	purgeBatchMax = 1024
	// ballastBytes is the room that a full disk finds given up: several times what one change makes the engine write.
	ballastBytes = 8 << 20
	// engineCacheBytes and engineMemTableBytes keep the engine small: two million devices are 400 MB on the disk, and each is
	// read once a login. engineFilesMax bounds its open files; a login that finds them all in use opens one more for itself.
	engineCacheBytes    = 8 << 20
	engineMemTableBytes = 4 << 20
	engineFilesMax      = 64
	// troubleLogEvery is the least time between two log lines about work that the engine tries again.
	troubleLogEvery = 5 * time.Second
)
