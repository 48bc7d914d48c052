package screen

import "time"

const (
	// narrowBelow is the width below which list and conversation do not stand side by side.
	narrowBelow = 60
	// listMin and listMax bound the list's columns: a quarter of the width lies between.
	listMin, listMax = 22, 34
	// nameMin and nameMax bound the column of names.
	nameMin, nameMax = 3, 14
	// composeRowsMax bounds the rows of the line that is being written. Longer texts scroll.
	composeRowsMax = 6
	// rowsMin is the least height that is drawn.
	rowsMin = 6
	// columnsMin is the least width that is drawn.
	columnsMin = 30
	// saidMax bounds what the arrow keys bring back. Over it the oldest goes.
	saidMax = 100
	// clockEvery is how often time is looked at: for people who stop writing, and notices that end.
	clockEvery = time.Second
)
