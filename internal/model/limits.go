package model

// The model's limits are small, so that every one of them is reached in most schedules.
const (
	devices       = 3 // each a user's device 0; its home is loop number % loops
	loops         = 2
	windowEntries = 3            // un-acked mailbox entries of a session; over it the mailbox waits
	uplinkWindow  = 4            // un-ticked SENDs of a client; over it the client waits
	mailboxMax    = 5            // messages of one mailbox, in some schedules fewer; over it a SEND is rejected
	rejectionsMax = 5            // rejections of one mailbox, those that SENDs on their way may become included; over it SENDs wait
	receiptsMax   = 4            // receipts of one mailbox; over it a receipt is dropped
	creditMax     = 4            // SENDs on their way from one loop to another; over it the frame waits
	heldMax       = 8            // rejections of one loop that wait for their mark, in most schedules fewer; over it a SEND is given back
	seenBelow     = uplinkWindow // ids below the last of a stream that a client remembers
	epochBlock    = 3            // connection epochs that a client sets aside at once
	stormSteps    = 800
	outboxMax     = 3 * uplinkWindow // of a client; over it nothing is written
	messagesMax   = 60               // of one schedule
	acts          = 3                // of a plot
	restartsMax   = 3                // of one schedule
	crashesMax    = 6                // of one schedule, by chance
	relapseSteps  = 80               // most steps between a crash and one that follows soon
	livesMax      = 14               // of one schedule
	flightsMax    = 200              // first flights that are overheard in one schedule
	calmRounds    = 120              // until everything must have been delivered
)
