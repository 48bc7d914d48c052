package server

// presenceMetrics are what a loop has told of people who come, go and write.
func presenceMetrics() []loopMetric {
	return []loopMetric{
		{name: "presence_told_total", help: "PRESENCE frames given to sessions.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.PresenceTold) }},
		{name: "presence_merged_total", help: "Changes of presence that a newer one of the same user has replaced before they were told.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.PresenceMerged) }},
		{name: "presence_delayed_total", help: "Times that presence had to wait because of --presence-rate, or for room on the way.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.PresenceDelayed) }},
		{name: "presence_held_total", help: "Presence that a session has kept while nobody looked at its device.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.PresenceHeld) }},
		{name: "presence_waiting", help: "Users of whom watchers are still to be told something.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.PresenceWaiting) }},
		{name: "watches", help: "Sessions that watch users of this loop, each for each user.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.Watches) }},
		{name: "subscriptions", help: "Users that sessions of this loop watch.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.Subscriptions) }},
		{name: "typing_told_total", help: "TYPING frames given to sessions.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.TypingTold) }},
		{name: "typing_hidden_total", help: "TYPING frames that a block or a privacy rule has kept back.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.TypingHidden) }},
		{name: "typing_repeated_total", help: "TYPING frames dropped because the same had passed less than 3 s before.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.TypingRepeated) }},
		{name: "typing_over_rate_total", help: "TYPING frames dropped because of --presence-rate.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.TypingOverRate) }},
	}
}
