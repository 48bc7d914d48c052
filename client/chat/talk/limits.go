package talk

import (
	"time"

	"trunkline/client"
)

// Limits of what is kept in memory and shown. The history on disk has none of its own but the disk.
const (
	// PageLines is how many lines of a conversation are read from the history at once. Scrolling up reads the next ones.
	PageLines = 100
	// LinesMax bounds the lines of the open conversation in memory. Over it the oldest leave; scrolling up reads them again.
	LinesMax = 2_000
	// FoundMax bounds what one search shows; the newest are shown.
	FoundMax = 200
	// WatchMax bounds the users whose presence is asked for: what fits a screen. Over it the rest of the list has no dot.
	WatchMax = 100
	// EarlyMax bounds the ticks and rejections that are remembered while a message has no number yet. Over it the oldest goes, and that message's tick is right
	// after the next start.
	EarlyMax = 64
	// NameRunesMax bounds a name where it is shown. A longer one is cut.
	NameRunesMax = 24
	// QuoteRunesMax bounds a message in the title of a page. A longer one is cut.
	QuoteRunesMax = 32
)

const (
	// TypingEvery is how often a user who goes on writing is announced again: not more often than servers pass on.
	TypingEvery = 4 * time.Second
	// TypingLasts is how long an announcement is believed: as long as the SDK believes it. The next one comes before that while the user goes on.
	TypingLasts = client.TypingLasts
	// TypingPause is how long a user who stopped in the middle of a line counts as writing.
	TypingPause = 6 * time.Second
	// IdleAfter is how long after the last key the user counts as away, in a terminal that keeps the focus.
	IdleAfter = 3 * time.Minute
	// NoticeLasts is how long a notice stays in the last row.
	NoticeLasts = 12 * time.Second
	// ProfileLasts is how long a profile is shown before it is asked for again.
	ProfileLasts = time.Hour
)
