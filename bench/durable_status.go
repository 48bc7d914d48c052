package bench

// durabilityStatus is what the generator reads of /status about what outlives the server (server.Durability). Servers that do
// not know of it leave it empty.
type durabilityStatus struct {
	Ack      string `json:"ack"`
	Kept     bool   `json:"kept"`
	Trouble  string `json:"trouble"`
	Recovery struct {
		Rounds    uint64  `json:"rounds"`
		Records   uint64  `json:"records"`
		Bytes     int64   `json:"bytes"`
		Mailboxes int     `json:"mailboxes"`
		Seconds   float64 `json:"seconds"`
	} `json:"recovery"`
	Journal struct {
		Rounds     uint64  `json:"rounds"`
		Bytes      uint64  `json:"bytes"`
		Fsyncs     uint64  `json:"fsyncs"`
		LagSeconds float64 `json:"lag_seconds"`
		DiskBytes  int64   `json:"disk_bytes"`
		Fsync      struct {
			P50 float64 `json:"p50"`
			P99 float64 `json:"p99"`
			Max float64 `json:"max"`
		} `json:"fsync_seconds"`
	} `json:"journal"`
	WriteBack struct {
		Dirty        int64  `json:"dirty"` // mailboxes
		WaitingBytes int64  `json:"waiting_bytes"`
		Entries      uint64 `json:"entries"`
		DiskBytes    int64  `json:"disk_bytes"`
	} `json:"write_back"`
}

// offlineCacheStatus says how often what had waited was still in memory (server.OfflineCache).
type offlineCacheStatus struct {
	Hits    uint64 `json:"hits"`
	Misses  uint64 `json:"misses"`
	Loads   uint64 `json:"loads"` // users
	Evicted uint64 `json:"evicted"`
	Entries int64  `json:"entries"` // in memory now
}

// waited is how many messages that had waited were fetched.
func (c offlineCacheStatus) waited() uint64 { return c.Hits + c.Misses }

// hitRatio is the share of messages that were in memory when their recipient came; nil when nobody came for anything.
func (c offlineCacheStatus) hitRatio() *float64 {
	if c.waited() == 0 {
		return nil
	}
	return ptr(round(float64(c.Hits)/float64(c.waited()), 5))
}

// minus is what happened since d. Entries are those of now.
func (c offlineCacheStatus) minus(d offlineCacheStatus) offlineCacheStatus {
	c.Hits -= min(d.Hits, c.Hits)
	c.Misses -= min(d.Misses, c.Misses)
	c.Loads -= min(d.Loads, c.Loads)
	c.Evicted -= min(d.Evicted, c.Evicted)
	return c
}
