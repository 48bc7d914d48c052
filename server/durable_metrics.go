package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"trunkline/store"
)

// residenceMetrics are what a loop counts of mailboxes that come from the disk and go there.
func residenceMetrics() []loopMetric {
	return []loopMetric{
		{name: "offline_delivered_total", help: "Messages written to recipients after they had waited.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.MessagesWaited) }},
		{name: "offline_misses_total", help: "Messages that had to be read back from the disk.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.CacheMisses) }},
		{name: "offline_loads_total", help: "Users read from the offline store.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Loads) }},
		{name: "offline_entry_loads_total", help: "Pieces of mailboxes read from the offline store.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.EntryLoads) }},
		{name: "offline_loads_failed_total", help: "Reads of the offline store that failed and were tried again.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.LoadsFailed) }},
		{name: "offline_loads_damaged_total", help: "Reads of the offline store that found damage: what is damaged is not served.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.LoadsDamaged) }},
		{name: "offline_parked_total", help: "Logins, messages and receipts that waited for a user to be read.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Parked) }},
		{name: "offline_parking_full_total", help: "Logins and receipts that found no room to wait: too many users are being read.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.ParkingFull) }},
		{name: "offline_evicted_total", help: "Entries that left memory and stay on the disk.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Evicted) }},
		{name: "offline_unloaded_total", help: "Users that left memory and stay on the disk.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Unloaded) }},
		{name: "crowded_total", help: "Messages rejected because their sender has too large a part of a mailbox that fills up; also in trunkline_rejections_total.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Crowded) }},
		{name: "expired_total", help: "Messages dropped because they waited for longer than --retention.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.Expired) }},
		{name: "expired_notices_total", help: "Receipts and rejections dropped because they waited for longer than --retention.", kind: counter, get: func(l *loopCounters) float64 { return float64(l.shard.ExpiredNotices) }},
		{name: "parked_users", help: "Users that are being read.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.ParkedUsers) }},
		{name: "parked_bytes", help: "Memory of what has come for users that are being read.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.ParkedBytes) }},
		{name: "dirty_mailboxes", help: "Mailboxes that are not in the offline store as they are.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.Dirty) }},
		{name: "dirty_bytes", help: "Payloads that are not in the offline store, about.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.DirtyBytes) }},
		{name: "awaiting_journal", help: "Promises, such as first ticks, that wait for the journal.", kind: gauge, get: func(l *loopCounters) float64 { return float64(l.shard.Awaiting) }},
	}
}

// keeperMetric is one row of the table of what the disk does for all loops.
type keeperMetric struct {
	name, help string
	kind       prometheus.ValueType
	get        func(*store.KeeperStats) float64
	desc       *prometheus.Desc
}

// keeperTable are the rows without labels.
func keeperTable() []keeperMetric {
	return []keeperMetric{
		{name: "disk_trouble", help: "1 while the disk can't keep messages, and new ones are refused.", kind: gauge, get: func(k *store.KeeperStats) float64 { return oneIf(k.Trouble != "") }},
		{name: "disk_troubles_total", help: "How often that began.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Troubles) }},
		{name: "journal_rounds_total", help: "Rounds of the journal synced.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.Rounds) }},
		{name: "journal_bytes_total", help: "Bytes written to the journal.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.Bytes) }},
		{name: "journal_record_bytes_total", help: "Bytes of records among them.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.Records) }},
		{name: "journal_waiting_bytes", help: "Bytes of records handed over and not durable.", kind: gauge, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.WaitingBytes) }},
		{name: "journal_lag_seconds", help: "Age of the oldest of them.", kind: gauge, get: func(k *store.KeeperStats) float64 { return k.Journal.LagSeconds }},
		{name: "journal_disk_bytes", help: "Size of the journal on disk.", kind: gauge, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.DiskBytes) }},
		{name: "journal_segments", help: "Files of the journal.", kind: gauge, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.Segments) }},
		{name: "journal_errors_total", help: "Writes and syncs of the journal that the disk refused.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.Errors) }},
		{name: "journal_fsyncs_total", help: "Syncs of the journal.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Journal.Fsync.Count) }},
		{name: "write_back_trouble", help: "1 while the offline store takes nothing, and memory and the journal hold it.", kind: gauge, get: func(k *store.KeeperStats) float64 { return oneIf(k.OfflineTrouble != "") }},
		{name: "write_back_waiting_bytes", help: "Bytes handed over to be written to the offline store and not written.", kind: gauge, get: func(k *store.KeeperStats) float64 { return float64(k.WaitingBytes) }},
		{name: "write_back_slices_total", help: "Groups of mailboxes written to the offline store.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.WriteBacks) }},
		{name: "write_back_mailboxes_total", help: "Mailboxes written to the offline store.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.WrittenHeads) }},
		{name: "write_back_entries_total", help: "Entries written to the offline store.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Written) }},
		{name: "write_back_bytes_total", help: "Bytes written to the offline store.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.WrittenBytes) }},
		{name: "offline_flushes_total", help: "Times that what was written to the offline store was made durable.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Flushes) }},
		{name: "offline_disk_bytes", help: "Size of the offline store on disk.", kind: gauge, get: func(k *store.KeeperStats) float64 { return float64(k.Offline.DiskBytes) }},
		{name: "offline_errors_total", help: "Writes of the offline store that the disk refused.", kind: counter, get: func(k *store.KeeperStats) float64 { return float64(k.Offline.Errors) }},
		{name: "offline_failed", help: "1 while the offline store can't be used.", kind: gauge, get: func(k *store.KeeperStats) float64 { return oneIf(k.Offline.Failed) }},
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// durableMetrics are the metrics of the process's disk.
type durableMetrics struct {
	rows  []keeperMetric
	fsync *prometheus.Desc
	owner *prometheus.Desc
}

func newDurableMetrics() durableMetrics {
	m := durableMetrics{
		rows:  keeperTable(),
		fsync: prometheus.NewDesc("trunkline_journal_fsync_seconds", "How long the last syncs of the journal took, by quantile.", []string{"quantile"}, nil),
		owner: prometheus.NewDesc("trunkline_owner_epoch", "Rises with each start after an unclean end.", []string{"ack"}, nil),
	}
	for i := range m.rows {
		m.rows[i].desc = prometheus.NewDesc("trunkline_"+m.rows[i].name, m.rows[i].help, nil, nil)
	}
	return m
}

func (m *durableMetrics) describe(out chan<- *prometheus.Desc) {
	for i := range m.rows {
		out <- m.rows[i].desc
	}
	out <- m.fsync
	out <- m.owner
}

// collect writes them, also without a data directory: a rate needs a zero.
func (m *durableMetrics) collect(out chan<- prometheus.Metric, s *Server) {
	var k store.KeeperStats
	if keeper := s.durable.keeper; keeper != nil {
		k = keeper.Stats()
	}
	for i := range m.rows {
		out <- prometheus.MustNewConstMetric(m.rows[i].desc, m.rows[i].kind, m.rows[i].get(&k))
	}
	for _, q := range []struct {
		name  string
		value float64
	}{{"0.5", k.Journal.Fsync.P50}, {"0.9", k.Journal.Fsync.P90}, {"0.99", k.Journal.Fsync.P99}, {"1", k.Journal.Fsync.Max}} {
		out <- prometheus.MustNewConstMetric(m.fsync, gauge, q.value, q.name)
	}
	out <- prometheus.MustNewConstMetric(m.owner, gauge, float64(s.durable.owner), s.cfg.Ack)
}
