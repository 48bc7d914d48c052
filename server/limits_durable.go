package server

import "time"

// Durability: what the first tick costs, and how far the disk may fall behind. Each Default is that of the setting with its name.
const (
	// JournalsMax directories may hold the journal: one writer and one fsync at a time each. More is a ConfigError.
	JournalsMax = 16
	// JournalLingerDefault is how long a round of the journal waits for company before it is synced: on an idle server the first tick
	// comes that much later, on a busy one the rounds are filled by the sync before them anyway.
	JournalLingerDefault = time.Millisecond
	// JournalLingerMin and JournalLingerMax bound it: every first tick waits for it.
	JournalLingerMin = time.Microsecond
	JournalLingerMax = time.Second
	// JournalBytesDefault bounds the journal on disk: as much is read when the server starts after a crash. At it: disk trouble, new
	// messages are refused for a while until the mailboxes were written back.
	JournalBytesDefault = 4 << 30
	// JournalBytesMin is room for the rounds that may be under way.
	JournalBytesMin = 16 << 20
	// WriteBackDefault is how often what has changed in mailboxes is written to the offline store. Shorter: more writing, for what is
	// fetched within it is never written at all. Longer: a longer journal, and a longer start after a crash.
	WriteBackDefault = 5 * time.Second
	// WriteBackMin keeps a small number from writing all the time.
	WriteBackMin = 10 * time.Millisecond
	// WriteBackMax bounds it: the journal has to hold all that happens in between.
	WriteBackMax = time.Hour
	// RetentionDefault is how long a message waits for a device that does not come: 30 days. Then it is dropped and counted; its sender
	// keeps the first tick and never gets the second.
	RetentionDefault = 30 * 24 * time.Hour
	// RetentionMin and RetentionMax bound it.
	RetentionMin = time.Second
	RetentionMax = 10 * 366 * 24 * time.Hour
	// StopTimeout bounds the writing back of a clean stop, after the drain. Over it the process ends as in a crash: in disk mode the next
	// start replays the journal, in memory mode what waits is lost.
	StopTimeout = time.Minute
)
