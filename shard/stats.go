package shard

// Stats are one shard's counters, filled by Shard.Stats on the loop.
type Stats struct {
	Sessions         int64 // connections with a record, logged in or not
	LoggedIn         int64 // sessions in state open: from SUCCESS on until they close
	Users            int64
	Logins           uint64
	Resumes          uint64
	Replaced         uint64
	EarlyTaken       uint64 // first flights taken before they were confirmed
	EarlyHeld        uint64 // first flights that had to wait for Confirm
	EarlyUnconfirmed uint64 // first flights that were taken and not confirmed within the login timeout
	MessagesIn       uint64 // SENDs taken (ticked)
	MessagesOut      uint64 // DELIVERs written
	MessagesAcked    uint64 // mailbox entries dropped by a device's ACK
	GroupMessages    uint64 // taken by groups of this loop
	GroupDelivered   uint64 // entries that they have become in mailboxes of this loop
	GroupMissed      uint64 // mailboxes of members that were full, or can't be read: their clients see a gap
	GroupChanges     uint64 // changes of groups of this loop
	RepliesDropped   uint64 // answers to requests that were too many to wait for the journal
	Blocked          uint64 // messages whose receiver has blocked the sender: ticked and not kept
	ReceiptsIn       uint64
	ReceiptsOut      uint64
	ReceiptsDropped  uint64     // for a user, device or generation that is not here, or over ReceiptEntriesMax
	EphemeralDropped uint64     // typing, no-store: nobody there, or no room; watchers that were not remembered
	Rejections       [64]uint64 // by code
	Refusals         uint64     // temporary
	MalformedFrames  uint64
	Closes           [128]uint64 // by code
	Unexpected       uint64      // events a state had no use for
	Panics           uint64
	MessagesLost     uint64    // between loops, against the host's promise: 0 or a fault of ours
	RateLimited      uint64    // SENDs and read receipts refused for a while because of Config.Messages; also in Refusals
	Conversations    uint64    // first messages that were counted
	NotConversing    uint64    // messages refused for a while because of Config.Conversations; also in Refusals
	Throttled        uint64    // times that a session was not read on because of Config.Controls
	SessionLimited   uint64    // logins refused because of Config.UserSessionsMax
	Removed          uint64    // devices removed from their accounts
	Forgotten        uint64    // accounts deleted
	Reports          uint64    // of users of this loop
	Guarded          [8]uint64 // SENDs that the guard has delayed or rejected, by rule: see RuleName
	Vanished         uint64    // mailboxes of removed devices that have left memory and disk
	Culled           uint64    // mailboxes dropped because their devices stayed away
	CullBacklog      int64     // mailboxes that are due to be looked at for that
	MailboxesIdle    int64     // mailboxes of absent devices with nothing waiting and nothing in flight
	Mailboxes        int64
	QueueEntries     int64
	QueueBytes       int64

	PresenceTold    uint64 // to sessions
	PresenceMerged  uint64 // changes that came before the last one of the same user was told
	PresenceDelayed uint64 // turns and first answers that waited for Config.PresenceRate, or for room on the way
	PresenceHeld    uint64 // values that a session kept while nobody looked
	PresenceWaiting int64  // users of whom there is something to tell
	TypingTold      uint64 // to sessions
	TypingHidden    uint64 // that the privacy rules of one of the two kept back
	TypingRepeated  uint64 // that came again too soon
	TypingOverRate  uint64 // dropped because of Config.PresenceRate
	Watches         int64
	Subscriptions   int64

	MessagesWaited uint64 // DELIVERs written of messages that had waited
	CacheMisses    uint64 // messages that had to be read back from the disk for it
	Loads          uint64 // users asked for
	EntryLoads     uint64 // pieces of mailboxes asked for
	LoadsFailed    uint64 // and tried again
	LoadsDamaged   uint64 // what was read is not what was written
	Parked         uint64 // messages that waited for a load
	ParkingFull    uint64 // logins and receipts that found no room to wait
	Evicted        uint64 // entries that left memory and stay on the disk
	Unloaded       uint64 // users that left memory and stay on the disk
	Crowded        uint64 // messages rejected because their sender has too large a part of a mailbox
	Crowds         int64  // mailboxes that are filling up
	Expired        uint64 // messages that waited for longer than the retention
	ExpiredNotices uint64 // receipts and rejections, the same
	ParkedUsers    int64
	ParkedBytes    int64
	Dirty          int64 // mailboxes that are not on the disk as they are
	DirtyBytes     int64 // payloads, about
	Ledgers        int64
	Awaiting       int64 // promises that wait for the journal
}
