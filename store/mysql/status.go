package mysql

// Shard is how it stands with one shard. It holds nothing of user or password.
type Shard struct {
	Place       string // host and database
	Reachable   bool   // it answered when it was asked last
	Calls       uint64 // all
	Retries     uint64 // tries after the first
	Refused     uint64 // calls that found too many before them
	Failures    uint64 // calls that ended without an answer
	Inside      int64  // calls that run or wait now
	Connections int    // open now
	Tokens      int64  // used and not expired, as far as this server knows
	Revocations int64
}

// Shards says how it stands with each shard, in their order. It asks nobody and never waits.
func (a *Accounts) Shards() []Shard {
	list := make([]Shard, 0, len(a.shards))
	for _, s := range a.shards {
		list = append(list, Shard{
			Place: s.place.String(), Reachable: s.silentSince.Load() == 0 && !s.gone.Load(),
			Calls: s.calls.Load(), Retries: s.retries.Load(), Refused: s.refused.Load(), Failures: s.failures.Load(),
			Inside: s.inside.Load(), Connections: s.db.Stats().OpenConnections, Tokens: s.tokens.Load(), Revocations: s.revocations.Load(),
		})
	}
	return list
}
