package bench

// durabilityStatus is what the generator reads of /status about what outlives the server (server.DurabilityStatus). Servers that do
// not know of it leave it empty.
type durabilityStatus struct {
	Ack     string `json:"ack"`
	Stopped bool   `json:"stopped"`
	Journal struct {
		Rounds       uint64  `json:"rounds"`
		Bytes        uint64  `json:"bytes"`
		RecordBytes  uint64  `json:"record_bytes"`
		WaitingBytes int64   `json:"waiting_bytes"`
		DiskBytes    int64   `json:"disk_bytes"`
		LagSeconds   float64 `json:"lag_seconds"`
		Fsync        struct {
			P50   float64 `json:"p50_seconds"`
			P99   float64 `json:"p99_seconds"`
			Max   float64 `json:"max_seconds"`
			Count uint64  `json:"count"`
		} `json:"fsync"`
	} `json:"journal"`
	OfflineCache offlineCacheStatus `json:"offline_cache"`
}

// offlineCacheStatus says how often what had waited was still in memory.
type offlineCacheStatus struct {
	Waited  uint64 `json:"waited"` // messages written to devices that had waited for them
	Misses  uint64 `json:"misses"` // of them: had to be read back from the disk
	Loads   uint64 `json:"loads"`
	Evicted uint64 `json:"evicted"`
}

// hitRatio is the share of messages that were in memory when their recipient came; nil when nobody came for anything.
func (c offlineCacheStatus) hitRatio() *float64 {
	if c.Waited == 0 {
		return nil
	}
	return ptr(round(1-float64(min(c.Misses, c.Waited))/float64(c.Waited), 5))
}

// minus is what happened since d.
func (c offlineCacheStatus) minus(d offlineCacheStatus) offlineCacheStatus {
	c.Waited -= min(d.Waited, c.Waited)
	c.Misses -= min(d.Misses, c.Misses)
	c.Loads -= min(d.Loads, c.Loads)
	c.Evicted -= min(d.Evicted, c.Evicted)
	return c
}
