package shard

// Report tells the guard that a user of this loop was reported by another one.
func (s *Shard) Report(now int64, user, by uint64) {
	s.stats.Reports++
	if s.cfg.Guard != nil {
		s.cfg.Guard.Report(now, user, by)
	}
}
