package server

import "time"

// The guard. The defaults are those of the settings with that name; docs/operations.md says what they do.
const (
	// GuardYoungDefault is how long a device counts as new.
	GuardYoungDefault = 24 * time.Hour
	// GuardYoungMax bounds it: births are remembered for as many devices as shard's limits say, whatever this is.
	GuardYoungMax = 30 * 24 * time.Hour
	// GuardSlowReportsDefault others within a day are more than a quarrel.
	GuardSlowReportsDefault = 10
	// GuardSlowEveryDefault still lets somebody who was reported wrongly talk.
	GuardSlowEveryDefault = 30 * time.Second
	// GuardSlowEveryMax bounds it: a client must not be told to come back in a week.
	GuardSlowEveryMax = 24 * time.Hour
	// GuardHourlyMax bounds the numbers of an hour.
	GuardHourlyMax = 10_000_000
	// GuardAnswerMax decisions are in one answer of /guard, the newest of all loops.
	GuardAnswerMax = 1_024
)
