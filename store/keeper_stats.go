package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// KeeperStats are the counters of a Keeper.
type KeeperStats struct {
	Journal        JournalStats
	Offline        OfflineStats
	Trouble        string // why intake is stopped; "": it is not
	Troubles       uint64 // how often it was
	OfflineTrouble string // why what loops wrote back is not on the disk yet, while memory and the journal hold it; "": all is well
	Loads          uint64 // users read
	EntryLoads     uint64 // pieces of mailboxes read
	LoadErrors     uint64
	WriteBacks     uint64 // slices applied
	WrittenHeads   uint64
	Written        uint64 // entries
	WrittenBytes   uint64
	WaitingBytes   int64     // of slices that wait for the writer
	SliceBytes     Quantiles // of WriteBacks; in bytes
	Flushes        uint64
	Truncations    uint64
	Sweeps         uint64 // looks at all mailboxes for what is older than the retention
}

// counts are the counters that the keeper's goroutines raise.
type counts struct {
	loads, entryLoads, loadErrors atomic.Uint64
	flushes, truncations, sweeps  atomic.Uint64

	mu         sync.Mutex // guards the rest
	writeBacks uint64
	heads      uint64
	entries    uint64
	bytes      uint64
	sizes      [slicesRemembered]int
}

// tookSlice counts a slice that was applied.
func (c *counts) tookSlice(s *slice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sizes[c.writeBacks%slicesRemembered] = len(s.b)
	c.writeBacks++
	c.heads += uint64(s.heads)
	c.entries += uint64(s.entries)
	c.bytes += uint64(len(s.b))
}

// addTo fills in what c counts.
func (c *counts) addTo(s *KeeperStats) {
	s.Loads, s.EntryLoads, s.LoadErrors = c.loads.Load(), c.entryLoads.Load(), c.loadErrors.Load()
	s.Flushes, s.Truncations, s.Sweeps = c.flushes.Load(), c.truncations.Load(), c.sweeps.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.WriteBacks, s.WrittenHeads, s.Written, s.WrittenBytes = c.writeBacks, c.heads, c.entries, c.bytes
	s.SliceBytes = quantilesOf(c.sizes[:min(c.writeBacks, slicesRemembered)], c.writeBacks)
}

// quantilesOf sorts a copy.
func quantilesOf(sizes []int, count uint64) Quantiles {
	if len(sizes) == 0 {
		return Quantiles{}
	}
	sorted := slices.Clone(sizes)
	slices.Sort(sorted)
	at := func(percent int) float64 { return float64(sorted[(len(sorted)-1)*percent/100]) }
	return Quantiles{P50: at(50), P90: at(90), P99: at(99), Max: at(100), Count: count}
}

// Stats are the counters now. Any goroutine.
func (k *Keeper) Stats() KeeperStats {
	s := KeeperStats{
		Offline: k.offline.Stats(), Trouble: k.stops.why(), Troubles: k.stops.times(),
		OfflineTrouble: k.writer.trouble(), WaitingBytes: k.writer.waiting.Load(),
	}
	if k.journal != nil {
		s.Journal = k.journal.Stats()
	}
	k.counts.addTo(&s)
	return s
}

// lineLimit lets so many log lines pass in an interval. Any goroutine.
type lineLimit struct {
	mu    sync.Mutex
	since time.Time
	lines int
}

func (l *lineLimit) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= troubleLogEvery {
		l.since, l.lines = now, 0
	}
	l.lines++
	return l.lines <= readLinesMax
}
