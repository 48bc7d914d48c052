package server

import (
	"fmt"

	"trunkline/store"
)

// Durability says what becomes of messages when the process ends, and how the disk keeps up.
type Durability struct {
	Ack         string         `json:"ack"`         // "disk", "memory"
	Kept        bool           `json:"kept"`        // there is a data directory
	Incarnation string         `json:"incarnation"` // of the data, 16 hexadecimal digits: another one means that data was lost
	OwnerEpoch  uint32         `json:"owner_epoch"` // rises with each start after an unclean end
	Trouble     string         `json:"trouble"`     // why messages are refused; "": they are not
	Troubles    uint64         `json:"troubles"`    // how often they were
	CleanStart  bool           `json:"clean_start"`
	Recovery    RecoveryStatus `json:"recovery"`
	Journal     JournalStatus  `json:"journal"`
	WriteBack   WriteBack      `json:"write_back"`
}

// RecoveryStatus is what the start has found.
type RecoveryStatus struct {
	New       bool     `json:"new"`       // there were no mailboxes
	DataLost  bool     `json:"data_lost"` // memory mode, and the last server did not stop cleanly
	Restored  bool     `json:"restored"`  // the data was a backup
	Rounds    uint64   `json:"rounds"`    // of the journal, replayed
	Records   uint64   `json:"records"`
	Bytes     int64    `json:"bytes"`
	Mailboxes int      `json:"mailboxes"` // that this has changed
	Receipts  int      `json:"receipts"`  // second ticks told once more
	Cut       []CutEnd `json:"cut"`       // ends of the journal that were never whole
	Seconds   float64  `json:"seconds"`
}

// CutEnd is where a journal was not written whole: nothing behind it was ever promised.
type CutEnd struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	Why    string `json:"why"`
}

// JournalStatus is the journal.
type JournalStatus struct {
	Directories  []string  `json:"directories"`
	Rounds       uint64    `json:"rounds"` // synced since the start
	Bytes        uint64    `json:"bytes"`  // written since the start
	RecordBytes  uint64    `json:"record_bytes"`
	WaitingBytes int64     `json:"waiting_bytes"` // handed over and not durable
	LagSeconds   float64   `json:"lag_seconds"`   // age of the oldest of them
	DiskBytes    int64     `json:"disk_bytes"`
	Segments     int       `json:"segments"`
	Errors       uint64    `json:"errors"`
	Fsyncs       uint64    `json:"fsyncs"`
	FsyncSeconds Quantiles `json:"fsync_seconds"` // of the last ones
}

// Quantiles of what was measured last.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// WriteBack is the way of mailboxes to the offline store.
type WriteBack struct {
	Trouble       string    `json:"trouble"`       // why nothing is written, while memory and the journal hold it; "": all is well
	Dirty         int64     `json:"dirty"`         // mailboxes that are not on disk as they are
	DirtyBytes    int64     `json:"dirty_bytes"`   // payloads of them, about
	WaitingBytes  int64     `json:"waiting_bytes"` // handed over and not written
	Slices        uint64    `json:"slices"`        // written since the start
	SliceBytes    Quantiles `json:"slice_bytes"`
	Mailboxes     uint64    `json:"mailboxes"` // heads written
	Entries       uint64    `json:"entries"`
	Bytes         uint64    `json:"bytes"`
	Flushes       uint64    `json:"flushes"`
	Truncations   uint64    `json:"truncations"` // of the journal
	DiskBytes     int64     `json:"disk_bytes"`  // of the offline store
	Errors        uint64    `json:"errors"`
	Reopened      uint64    `json:"reopened"` // times that the offline store was opened anew after an error
	OfflineFailed bool      `json:"offline_failed"`
}

// OfflineCache is how far memory spares the disk: a hit is a message that had waited and was still in memory when its device came.
type OfflineCache struct {
	Hits         uint64            `json:"hits"`
	Misses       uint64            `json:"misses"`
	HitRatio     float64           `json:"hit_ratio"` // 1 before the first
	Entries      int64             `json:"entries"`   // in memory now
	Bytes        int64             `json:"bytes"`
	ParkedUsers  int64             `json:"parked_users"` // that are being loaded
	ParkedBytes  int64             `json:"parked_bytes"` // what has come for them
	Awaiting     int64             `json:"awaiting"`     // promises that wait for the journal
	Loads        uint64            `json:"loads"`        // users read
	EntryLoads   uint64            `json:"entry_loads"`  // pieces of mailboxes read
	LoadsFailed  uint64            `json:"loads_failed"` // and tried again
	LoadsDamaged uint64            `json:"loads_damaged"`
	Parked       uint64            `json:"parked"`   // messages that waited for a load
	Evicted      uint64            `json:"evicted"`  // entries that left memory and stay on disk
	Unloaded     uint64            `json:"unloaded"` // users, the same
	Dropped      map[string]uint64 `json:"dropped"`  // by reason, all of them
}

// The reasons in OfflineCache.Dropped.
const (
	droppedExpired        = "expired"         // messages that waited for longer than the retention
	droppedExpiredNotices = "expired_notices" // receipts and rejections, the same
	droppedParkingFull    = "parking_full"    // logins and receipts for users that could not be loaded: too many are
)

// Durability says what becomes of messages when the process ends, and how the disk keeps up. Any goroutine but those of the loops.
func (s *Server) Durability() Durability {
	d := s.durable
	st := Durability{Ack: s.cfg.Ack, Kept: d.keeper != nil, Incarnation: hex64(d.incarnation), OwnerEpoch: d.owner, CleanStart: true}
	st.Recovery.Cut, st.Journal.Directories = []CutEnd{}, []string{}
	if d.keeper == nil {
		return st
	}
	k := d.keeper.Stats()
	st.Troubles = k.Troubles
	st.Trouble, st.CleanStart = k.Trouble, d.recovery.New || d.recovery.Clean
	st.Recovery = recoveryStatus(&d.recovery)
	st.Journal = journalStatus(&k.Journal)
	st.Journal.Directories = d.journals(s.cfg.Data)
	st.WriteBack = WriteBack{
		Trouble: k.OfflineTrouble, WaitingBytes: k.WaitingBytes, Slices: k.WriteBacks, SliceBytes: quantiles(&k.SliceBytes), Mailboxes: k.WrittenHeads, Entries: k.Written, Bytes: k.WrittenBytes,
		Flushes: k.Flushes, Truncations: k.Truncations, DiskBytes: k.Offline.DiskBytes, Errors: k.Offline.Errors, Reopened: k.Offline.Reopened,
		OfflineFailed: k.Offline.Failed,
	}
	return st
}

func recoveryStatus(r *store.Recovery) RecoveryStatus {
	st := RecoveryStatus{
		New: r.New, DataLost: r.DataLost, Restored: r.Restored, Rounds: r.Journal.Rounds, Records: r.Journal.Records, Bytes: r.Journal.Bytes,
		Mailboxes: r.Mailboxes, Receipts: r.Receipts, Cut: []CutEnd{}, Seconds: seconds(r.Took),
	}
	for _, c := range r.Journal.Cut {
		st.Cut = append(st.Cut, CutEnd(c))
	}
	return st
}

func journalStatus(j *store.JournalStats) JournalStatus {
	return JournalStatus{
		Rounds: j.Rounds, Bytes: j.Bytes, RecordBytes: j.Records, WaitingBytes: j.WaitingBytes, LagSeconds: round(j.LagSeconds),
		DiskBytes: j.DiskBytes, Segments: j.Segments, Errors: j.Errors, Fsyncs: j.Fsync.Count, FsyncSeconds: quantiles(&j.Fsync),
	}
}

func quantiles(q *store.Quantiles) Quantiles {
	return Quantiles{P50: q.P50, P90: q.P90, P99: q.P99, Max: q.Max}
}

// hex64 is how the incarnation is written: JSON's numbers have 53 bits.
func hex64(v uint64) string { return fmt.Sprintf("%016x", v) }

// addDurability adds the loops' part of it.
func (st *Status) addDurability(snap *snapshot) {
	w, c := &st.Durability.WriteBack, &st.OfflineCache
	waited := uint64(0)
	c.Dropped = map[string]uint64{droppedExpired: 0, droppedExpiredNotices: 0, droppedParkingFull: 0}
	for i := range snap.loops {
		l := &snap.loops[i]
		w.Dirty += l.shard.Dirty
		w.DirtyBytes += l.shard.DirtyBytes
		waited += l.shard.MessagesWaited
		c.Misses += l.shard.CacheMisses
		c.Entries += int64(l.store.Entries)
		c.Bytes += l.store.PayloadBytes
		c.ParkedUsers += l.shard.ParkedUsers
		c.ParkedBytes += l.shard.ParkedBytes
		c.Awaiting += l.shard.Awaiting
		c.Loads += l.shard.Loads
		c.EntryLoads += l.shard.EntryLoads
		c.LoadsFailed += l.shard.LoadsFailed
		c.LoadsDamaged += l.shard.LoadsDamaged
		c.Parked += l.shard.Parked
		c.Evicted += l.shard.Evicted
		c.Unloaded += l.shard.Unloaded
		c.Dropped[droppedExpired] += l.shard.Expired
		c.Dropped[droppedExpiredNotices] += l.shard.ExpiredNotices
		c.Dropped[droppedParkingFull] += l.shard.ParkingFull
	}
	c.Hits, c.HitRatio = hitsOf(waited, c.Misses)
}

// hitsOf says how many of the messages that had waited were still in memory. A message that was read back and is not written yet counts as a miss.
func hitsOf(waited, misses uint64) (hits uint64, ratio float64) {
	if hits = waited - min(misses, waited); hits+misses == 0 {
		return 0, 1
	}
	return hits, round(float64(hits) / float64(hits+misses))
}
