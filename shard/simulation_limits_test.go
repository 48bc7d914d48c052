package shard_test

import "trunkline/shard"

// limitSimulated turns on, by the seed, what a shard refuses or forgets: rates that clients reach all the time, or mailboxes that are
// culled while their clients are away for a moment.
func (s *simulation) limitSimulated(c *shard.Config, seed uint64) {
	switch seed % 4 {
	case 1:
		c.MailboxIdleMs = int64(100 + seed%7*100)
		s.sleepy = true
	case 2:
		c.Messages, c.Controls = shard.Rate{PerSecond: 30, Burst: 20}, shard.Rate{PerSecond: 60, Burst: 10}
		c.Conversations = shard.Rate{PerSecond: 2, Burst: 2}
	case 3:
		c.MailboxIdleMs = 500
		c.Messages = shard.Rate{PerSecond: 50, Burst: 5}
	}
}

// asleep lets most turns pass without anything happening to a client, where mailboxes are to be found empty.
func (s *simulation) asleep() bool { return s.sleepy && !s.chance(8) }

// turns are enough for each client to go and come back some ten times.
func (s *simulation) turns() int {
	if s.sleepy {
		return 2 * simulatedTurns
	}
	return simulatedTurns
}
