package shard

import "trunkline/codec"

// Times. All are milliseconds.
const (
	// KeepaliveMsDefault is how often an idle client sends something: two million sessions are 8,300 pings a second.
	KeepaliveMsDefault = 240_000
	// keepaliveSecMin and keepaliveSecMax bound what SUCCESS can carry in whole seconds.
	keepaliveSecMin, keepaliveSecMax = 1, 65_535
	// idleNum / idleDen of the keepalive without a byte from the client: CodeIdle, close.
	idleNum, idleDen = 3, 2
	// LoginTimeoutMsDefault is how long a connection may stay without a finished login. Over it: close without a word.
	LoginTimeoutMsDefault = 10_000
	// AckTimeoutMsDefault is how long something may stay delivered and not acknowledged without any ACK. Over it:
	// CodeAckTimeout, close; the mailbox stays.
	AckTimeoutMsDefault = 60_000
	// refusalRetryMs is the least retry-after of a temporary refusal; as much again is spread over clients.
	refusalRetryMs = 1_000
	// starvedRetryMs is when a mailbox that found no credit to push tries again.
	starvedRetryMs = 1
)

// The uplink: what a client may have sent without a first tick.
const (
	// UplinkEntriesMax is the window of cseqs above the mark. A frame above it is left unread until the mark moves.
	UplinkEntriesMax = 64
	// UplinkBytesMax is what SUCCESS tells the client as its window in bytes. It is advice: memory is bounded by the
	// loop's input limit, because a SEND is either routed at once or left unread.
	UplinkBytesMax = 256 << 10
)

// The window: what a device may have got without acknowledging it.
const (
	// WindowEntriesMax entries may be un-acknowledged. Over it entries wait in the mailbox, ephemeral frames are dropped.
	WindowEntriesMax = 64
	// WindowBytesMax is the same in bytes of payload and windowEntryBytes for each entry. An entry always fits an empty window.
	WindowBytesMax = 256 << 10
	// windowEntryBytes is what an entry counts beside its payload: header, length and kind of its frame, rounded up.
	windowEntryBytes = 64
)

// Mailboxes and users.
const (
	// MailboxEntriesMaxDefault messages may wait for one device. Over it: rejection CodeMailboxFull.
	MailboxEntriesMaxDefault = 10_000
	// MailboxBytesMaxDefault is the same in bytes of payload.
	MailboxBytesMaxDefault = 16 << 20
	// crowdPart of either is where it begins to count who has written what waits: over crowdShare times the room that is left for others, a
	// sender's message is rejected as if the mailbox were full.
	// Below crowdMin messages nobody is counted.
	crowdPart, crowdShare, crowdMin = 8, 8, 128
	// MailboxBytesLimit is the most that MailboxBytesMax can be set to: a mailbox counts its bytes in 32 bits.
	MailboxBytesLimit = 1<<32 - 1
	// ReceiptEntriesMax receipts may wait for one device beside its messages. Over it a receipt is dropped and counted.
	ReceiptEntriesMax = 4_096
	// RejectionEntriesMax rejections may wait for one device, those included that its SENDs on their way may become. A
	// SEND over it is refused for a while (CodeRateLimited): the device has to acknowledge first.
	RejectionEntriesMax = 256
	// UsersMaxDefault is how many users one loop holds: 8 million heads of 112 bytes are 900 MB. Over it a message to
	// somebody new is rejected with CodeNoSuchUser, a login of somebody new refused with CodeBusy.
	UsersMaxDefault = 8 << 20
	// DevicesMax is how many devices one user has. Over it: CodeNotAuthorized at login.
	DevicesMax = 32
	// StoreBytesMaxDefault is the memory of one loop's waiting entries. Over it intake stops: SENDs to users of that loop are
	// refused for a while (CodeServerFull) and nothing that was taken is dropped.
	StoreBytesMaxDefault = 1 << 30
	// storeEntryBytes is what an entry counts beside its payload: its place in the tree.
	storeEntryBytes = 96
	// storeResumeNum / storeResumeDen of StoreBytesMax must be reached again before intake goes on, so that it does not flutter.
	storeResumeNum, storeResumeDen = 7, 8
)

// The disk.
const (
	// WriteBackMsDefault is how long a mailbox may be dirty: by then most of what came is acknowledged and never gets there.
	WriteBackMsDefault = 5_000
	// dirtyPart of StoreBytesMax may be dirty before mailboxes are written back whatever their age.
	dirtyPart = 8
	// sliceMailboxesMax mailboxes or sliceBytesMax bytes are written back in one turn; a single mailbox may be more.
	sliceMailboxesMax = 256
	sliceBytesMax     = 256 << 10
	// diskFullRetryMs is when a mailbox is handed over again after the disk was found too far behind.
	diskFullRetryMs = 250
	// evictNum / evictDen of StoreBytesMax is where entries begin to leave memory, evictsMax mailboxes a turn.
	evictNum, evictDen = 3, 4
	evictsMax          = 64
	// parkedUsersMax users of one loop may be loading at once. Over it logins of others are refused for a while, and receipts for them are
	// dropped and counted. What is parked counts against StoreBytesMax, so intake stops before it is much.
	parkedUsersMax = 1 << 16
	// parkedAsksBytesMax bytes may be parked for a user or group when a client's request comes behind them: it is answered with
	// CodeRateLimited then. What has a cseq is bounded by the senders' windows.
	parkedAsksBytesMax = 256 << 10
	// unloadRetryPart of MailboxIdleMs is when a user is looked at again that was not on the disk yet.
	unloadRetryPart = 32
	// troubleNotesMax records of a loop, some 60 bytes each, may pile up while the disk refuses. Over it logins are refused for a while and
	// acknowledgements are left unread: both would be noted.
	troubleNotesMax = 1 << 20
	// loadTriesMax is how often a state that panics is read: a fault of ours. Then its user or group goes on without it.
	loadTriesMax = 3
	// loadRetryMs is when a load that failed is tried again, damagedRetryMs when the disk could not read what was written.
	loadRetryMs    = 1_000
	damagedRetryMs = 60_000
	// forgetRetryMs is when the accounts are asked again to forget a user, if they have not answered.
	forgetRetryMs = 10_000
)

// Rates.
const (
	// repeatPart: 2^repeatPart repeated SENDs count like one control stanza. A refusal has a whole window of them sent again.
	repeatPart = 4
	// rateSpreadPart is the part of a retry-after that is spread over clients on top of it.
	rateSpreadPart = 8
	// conversationsMax pairs of users are remembered by a loop as having exchanged messages lately, 4 bytes each. Over it the
	// pair that was quiet for longest among four is forgotten; its next message counts as a first one.
	conversationsMax = 1 << 20
	// sessionLimitRetryMs is the least retry-after of a login that UserSessionsMax refuses; as much again is spread over clients.
	sessionLimitRetryMs = 30_000
)

// Culling.
const (
	// wheelBuckets is the size of the wheel; wheelSpan of them are MailboxIdleMs, the others are room for rounding.
	wheelBuckets, wheelSpan = 64, 60
	// cullsMax is how many mailboxes one turn looks at, half a microsecond each when they are culled. What is left waits for the
	// next turn, a millisecond later, and is counted (Stats.CullBacklog).
	cullsMax = 64
	// generationsMax is how many generations a device may have been given for its mailbox to be culled: above it the floor for
	// all others would rise too far. Its mailbox stays.
	generationsMax = 32_768
	// companionsMax culled mailboxes of companions are remembered by a loop, some 40 bytes each. Over it companions stay.
	companionsMax = 1 << 20
)

// drainStepMs is how often a drain tells the next sessions.
const drainStepMs = 10

// Presence.
const (
	// SubscriptionsMaxDefault is how many users one session may watch. Over it: soft ERROR CodeTooMany.
	SubscriptionsMaxDefault = 256
	// WatchersMax is how many sessions may watch one user: it bounds what one login makes the loop say. Over it a watcher
	// gets the presence of this moment and no changes; counted.
	WatchersMax = 1_024
	// watchesMax bounds all watchers on one loop: 16 million cells of 24 bytes, and at most as many users that are watched, of 32 bytes. Over
	// it the same happens.
	watchesMax = 16 << 20
	// subscriptionsMax bounds all subscriptions on one loop, 16 bytes each. Over it: soft ERROR CodeTooMany.
	subscriptionsMax = 16 << 20
	// namedUsersPart users of a SUBSCRIBE or a request count like one control stanza: to find a watcher among WatchersMax takes some
	// microseconds, and who is asked whether it may be added to a group may have to be read from disk.
	namedUsersPart = 8
	// PresenceWindowMsDefault is how long watchers of a user are told nothing new after they were told something. What happens meanwhile is told
	// at its end, the newest only.
	PresenceWindowMsDefault = 2_000
	// presenceTurnMax watchers are looked at in a turn of the loop, a tenth of a millisecond; who is left comes in the next one, a millisecond
	// later. presenceSliceMax of them are of one user before the next user has its turn.
	presenceTurnMax, presenceSliceMax = 128, 32
	// flushSessionsMax sessions write in a turn what they have held while nobody looked, flushFramesMax frames each. The rest comes in the next
	// turns.
	flushSessionsMax, flushFramesMax = 32, 64
	// typingRepeatMs is how often a device may tell one peer that it writes, and again how often that it has paused. What comes sooner is
	// dropped and counted.
	typingRepeatMs = 3_000
	// typingCells pairs are remembered for that by a loop, 8 bytes each: 20,000 TYPINGs a second fit. Over it some pass too soon.
	typingCells = 1 << 16
)

// Groups.
const (
	// GroupMembersMaxDefault members in a group, 40 bytes each in memory. Over it: an add is answered with CodeTooMany for who did not fit.
	GroupMembersMaxDefault = 1_024
	// GroupMembersLimit is the most that GroupMembersMax can be set to.
	GroupMembersLimit = 16_384
	// groupTicksMax messages of a group are remembered until everybody has read them, 40 bytes each. Over it the oldest is forgotten: its sender
	// is not told of the rest; who has it can still be asked.
	groupTicksMax = 1_024
	// repliesMax answers of a loop may wait for the journal, and repliesBytesMax of their frames. Over it they are dropped and counted: their
	// clients ask again.
	repliesMax      = 1 << 16
	repliesBytesMax = 16 << 20
	// groupOpsMax changes of a group may wait for their turn. Over it: CodeRateLimited.
	groupOpsMax = 64
	// askingMax changes of all groups of a loop may wait for the consent of those who are to be added, 3 KB each. Over it: CodeServerFull.
	askingMax = 4_096
	// markSaveMs is how long the marks of a group may be in memory alone. After a crash what they said in that time is told with the next ones.
	markSaveMs = 5_000
	// userGroupsMax groups may a user be in. Over it: CodeTooMany.
	userGroupsMax = 1_024
)

// The guard, for each loop. Its tables have a fixed size and no page of them is real before it is used; over it the user of four that was quiet
// for longest is given up: its counts begin anew (Rules.Lost).
const (
	// guardSendersMax users are counted for the hourly limits, 556 bytes each.
	guardSendersMax = 16_384
	// guardReportedMax users who were reported are remembered, 532 bytes each.
	guardReportedMax = 2_048
	// guardBirthsMax devices that are new are remembered as such, 16 bytes each. One that is given up counts as known for long.
	guardBirthsMax = 65_536
	// GuardReportersMax others who have reported one user are told apart. Over it the oldest report is forgotten.
	GuardReportersMax = 64
	// GuardReceiversMax is the most distinct receivers that can be a limit: above it a sender's filter of 4,096 bits can't tell them apart.
	GuardReceiversMax = 512
	// guardDecisionsMax of the newest messages that were not let through are remembered for the operator, 56 bytes each.
	guardDecisionsMax = 1_024
)

// Between loops.
const (
	// LoopsMax is how many loops a process may have: a loop's number is one byte in the records.
	LoopsMax = 256
	// StepBytesMax is the most that one step may post to one loop for what it takes in: a whole frame, or the receipts of a
	// whole window, with their headers. A frame is left unread until every loop it may post to has that credit.
	//
	// Answers (stored, rejected, attached, second ticks) are posted without looking at credit. They are bounded by what
	// credit let in: each takes no more room than the message that it answers, and second ticks come from ACKs,
	// which wait for credit at all loops. So at most one InboxBytesMax of answers lies beyond another loop's credit.
	StepBytesMax = codec.FrameBytesMax + 2*UplinkEntriesMax*messageBytes
	// controlBytesMax is the credit that a small message needs (attach, watch, typing).
	controlBytesMax = 4 * messageBytes
	// pushBytesMax is how many bytes of frames go into one message to a session, unless a single frame is larger.
	pushBytesMax = 32 << 10
	// backlogBytesMax bounds the messages that a loop refused although they were promised room: they wait here in order and
	// count against credit. Over it a message is dropped and counted (Stats.MessagesLost); by the bound above
	// that takes a host that breaks its contract.
	backlogBytesMax = 16 << 20
	// scratchBytesMax is how much memory for encoded frames a shard keeps between events. What was more is given back.
	scratchBytesMax = 4 << 20
	// localMessagesMax is how many slots of the local queue a shard keeps between events. What was more is given back.
	localMessagesMax = 16_384
)

// heldMax bounds the rejections of one loop that wait for their mark (rare: 64 for each device at most). Over it the session
// is closed (CodeCrashed): its client returns and sends that message again.
const heldMax = 1 << 16

// sessionsMax bounds the slot numbers of connections: twice the most that one process is meant to hold.
const sessionsMax = 1 << 24
