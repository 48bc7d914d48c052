package store

import "time"

// Limits of a Keeper.
const (
	// OwnerEpochMax is the largest owner epoch: it has the upper 24 bits of a seq. One unclean end takes one: with an end every minute they last for
	// 31 years. Over it OpenKeeper returns ErrOwnerEpochs.
	OwnerEpochMax  = 1<<ownerEpochBits - 1
	ownerEpochBits = 24
	// StateBytesMax bounds the state file: JournalsMax paths of 4096 bytes fit. A longer one is damaged.
	StateBytesMax = 1 << 20
	// KeeperReaders is how many users are read from the disk at once: enough to keep an SSD's queue busy, and few goroutines.
	KeeperReaders = 4
	// LoadsWaitingMax bounds the loads of one loop that wait for a reader, 56 bytes each. Over it a load is answered with LoadRetry.
	LoadsWaitingMax = 1 << 16
	// InboxBytesMax bounds what was read for one loop and not yet taken by it. At it the readers turn to other loops.
	InboxBytesMax = 16 << 20
	// PieceEntriesMax and PieceBytesMax bound the entries that one load brings, so that a loop's step stays short. The rest takes another load.
	PieceEntriesMax = 128
	PieceBytesMax   = 512 << 10
	// SliceWaitingMax bounds the bytes of slices that wait for the writer, of all loops. At it WriteBack returns at least SliceWaitingMax, whatever the
	// slice holds: the shard goes on in a later turn.
	SliceWaitingMax = 32 << 20
	// ApplyBytesMax is the size at which one batch of the offline store ends and the next begins; a mailbox is never split.
	ApplyBytesMax = 1 << 20
	// applyTurn is how many slices the writer applies before it looks whether a flush is due or somebody waits for it.
	applyTurn = 64
	// FlushEvery is how often what was applied is made durable and the journal truncated: a start after a crash reads what the journal got
	// in about twice that time.
	FlushEvery = 5 * time.Second
	// FlushBytes is the size of what was applied and not flushed, kept in memory to be applied again, at which a flush does not wait for
	// FlushEvery.
	FlushBytes = 64 << 20
	// journalChecks is how often, while a journal grows by JournalBytes, its size is looked at.
	journalChecks = 64
	// JournalBytesDefault bounds the journal on disk when KeeperOptions say nothing. Over it there is trouble until it was truncated.
	JournalBytesDefault = 4 << 30
	// keeperRetry is how long the writer waits before it tries again what the disk refused; it doubles up to keeperRetryMax.
	keeperRetry    = 50 * time.Millisecond
	keeperRetryMax = 5 * time.Second
	// BackupSettleMax is how long a backup waits until what was handed over before it is on the disk. Then it fails: the disk has trouble.
	BackupSettleMax = time.Minute
	// CloseSettleMax is how long Close(true) waits for the disk. Then the end is not a clean one.
	CloseSettleMax = 10 * time.Second
	// SweepEvery is how often mailboxes are looked through for what is older than the retention, and SweepLookEvery how often the clock is asked.
	SweepEvery     = time.Hour
	SweepLookEvery = time.Minute
	// SweepHeadsPerSecond bounds the pace of a sweep: ten million mailboxes take 17 minutes, and a reader's share of the disk stays small.
	SweepHeadsPerSecond = 10_000
	// sweepPiece is how many heads one iterator of a sweep looks at: an old iterator keeps files that nobody needs.
	sweepPiece = 500
	// pendingPiece is how many users with something to go on with a start tells at once, and pendingPause the time to the next ones: 25,000 in a second,
	// each of which its loop then loads.
	pendingPiece = 512
	pendingPause = 20 * time.Millisecond
	// pendingTrayBytes is how much news a loop may have waiting, about 1,600, before such users wait for it to take some.
	pendingTrayBytes = 256 << 10
	// readLinesMax bounds the log lines about reads that fail, in troubleLogEvery: a damaged table concerns thousands of users. Others are only counted.
	readLinesMax = 10
	// slicesRemembered is of how many slices the quantiles of sizes are.
	slicesRemembered = 256
	// bufferKeptMax is the largest buffer that is kept to be used again.
	bufferKeptMax = 1 << 20
	// newsKeptMax bounds the answers of one desk that are kept to be used again.
	newsKeptMax = 64
	// backupRoomSlack is what must be free beside the copy.
	backupRoomSlack = 16 << 20
)
