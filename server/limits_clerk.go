package server

import "time"

// The clerk.
const (
	// clerkWorkers is how many requests are worked on at once: they wait for the disk of the accounts, or for another machine.
	clerkWorkers = 4
	// clerkQueueMax requests may wait, and clerkQueueBytesMax bytes of them. Over either a client is told to come again.
	clerkQueueMax      = 4096
	clerkQueueBytesMax = 16 << 20
	// clerkChangesMax is how often a change of settings is made anew when somebody else was first. Over it: CodeServerFull.
	clerkChangesMax = 8
	// clerkPostPatience is how long an answer waits for a loop that is overrun, looked at every clerkPostEvery. Over it the answer is lost and
	// counted: the client asks again.
	clerkPostPatience = 2 * time.Second
	clerkPostEvery    = 5 * time.Millisecond
	// clerkRetryAfter is when a client asks again whose request the accounts could not answer: spread over half to one and a half of it.
	clerkRetryAfter = 10 * time.Second
	// clerkLogEvery is the least time between two log lines about accounts that can't be used.
	clerkLogEvery = 5 * time.Second
)

// ReportsMax reports of users are remembered for operators, half a KiB each. Over it the oldest is forgotten.
const ReportsMax = 1024

// Bounds and defaults of devices and groups.
const (
	// CompanionsDefault companions may be registered beside a user's primary device, CompanionsMax at most: with the primary they are as many as the
	// accounts keep of a user. Over it a registration is refused (not_authorized).
	CompanionsDefault = 4
	CompanionsMax     = 31
	// GroupMembersDefault users may be in a group, GroupMembersMax at most: an addition that does not fit is answered with too_many.
	GroupMembersDefault = 1024
	GroupMembersMin     = 2
	GroupMembersMax     = 16_384
)
