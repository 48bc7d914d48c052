package post

import "time"

// Limits of the office.
const (
	// burstMax is how many events go into one transaction of the history.
	burstMax = 256
	// tasksHigh is how many tasks may wait before no more events are taken: the SDK then stops reading its socket. Acts of the user are
	// not counted out: one person types them.
	tasksHigh = 64
	// owedMax is how many read receipts one round hands to the outbox.
	owedMax = 1_000
	// scanMax is how many numbers above the highest known one are looked at for a line that a crash came between. Read receipts, copies and
	// repetitions take numbers too.
	scanMax = 1 << 16
	// asksMax is how many background questions may wait. Over it the oldest is dropped: a name stays a number until the next run.
	asksMax = 512
)

const (
	// retryAfter is the wait after a write that the disk did not take.
	retryAfter = 2 * time.Second
	// askWait bounds one question, a lost connection included.
	askWait = 20 * time.Second
	// closeWait bounds the tasks that are still done at the end.
	closeWait = 2 * time.Second
)
