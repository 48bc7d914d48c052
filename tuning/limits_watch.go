package tuning

// When Watch warns, in percent of a limit.
const (
	// WatchNearPercent leaves an hour at the pace of a busy evening.
	WatchNearPercent = 80
	// WatchWallPercent leaves minutes.
	WatchWallPercent = 95
)
