package netpoll

import "sync/atomic"

// meter numbers the counters of a loop.
const (
	meterConnections = iota
	meterAccepted
	meterAcceptErrors
	meterAcceptRefused
	meterAdmitRefused
	meterClosed
	meterBytesIn
	meterBytesOut
	meterReads
	meterWrites
	meterWritesStarved
	meterTurns
	meterWakes
	meterMessagesIn
	meterMessagesOut
	meterOutboundRefused
	meterPanics
	meterStaleEvents
	meterMoved
	meterSlotBytes
	meterArenaBytes
	meterCount
)

// sharedMeters is what others may read of a loop's counters. The loop counts in plain words and publishes those that
// have changed before it sleeps, and every 64 turns while it does not.
type sharedMeters struct {
	last  [meterCount]uint64
	value [meterCount]atomic.Uint64
}

// publish makes the counters visible.
func (l *Loop) publish() {
	l.meters[meterSlotBytes] = uint64(l.slots.Bytes())
	l.meters[meterArenaBytes] = uint64(l.arena.Held())
	for i, v := range l.meters {
		if v != l.shared.last[i] {
			l.shared.last[i] = v
			l.shared.value[i].Store(v)
		}
	}
}

// LoopStats are one loop's counters as of its last sleep, or of the last 64 turns when it has not slept.
type LoopStats struct {
	Connections     int64
	Accepted        uint64 // by this loop's listeners, also those it dealt to others
	AcceptErrors    uint64 // EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED
	AcceptRefused   uint64 // over ConnectionsMax
	AdmitRefused    uint64 // by the Doorkeeper
	Closed          uint64
	BytesIn         uint64
	BytesOut        uint64
	Reads           uint64 // read(2) calls
	Writes          uint64 // write(2) and writev(2) calls
	WritesStarved   uint64 // those for which the system had no buffers; written again after a pause
	Turns           uint64
	Wakes           uint64 // of other loops, by this one
	MessagesIn      uint64
	MessagesOut     uint64
	OutboundRefused uint64
	Panics          uint64
	StaleEvents     uint64
	Moved           uint64 // away from here
	SlotBytes       int64  // memory of the slots
	ArenaBytes      int64  // memory of waiting bytes
}

// Stats reads the counters of all loops. Any goroutine; it takes no lock.
func (r *Reactor) Stats() []LoopStats {
	out := make([]LoopStats, len(r.loops))
	for i, l := range r.loops {
		out[i] = l.shared.read()
	}
	return out
}

func (m *sharedMeters) read() LoopStats {
	v := func(i int) uint64 { return m.value[i].Load() }
	return LoopStats{
		Connections:     int64(v(meterConnections)),
		Accepted:        v(meterAccepted),
		AcceptErrors:    v(meterAcceptErrors),
		AcceptRefused:   v(meterAcceptRefused),
		AdmitRefused:    v(meterAdmitRefused),
		Closed:          v(meterClosed),
		BytesIn:         v(meterBytesIn),
		BytesOut:        v(meterBytesOut),
		Reads:           v(meterReads),
		Writes:          v(meterWrites),
		WritesStarved:   v(meterWritesStarved),
		Turns:           v(meterTurns),
		Wakes:           v(meterWakes),
		MessagesIn:      v(meterMessagesIn),
		MessagesOut:     v(meterMessagesOut),
		OutboundRefused: v(meterOutboundRefused),
		Panics:          v(meterPanics),
		StaleEvents:     v(meterStaleEvents),
		Moved:           v(meterMoved),
		SlotBytes:       int64(v(meterSlotBytes)),
		ArenaBytes:      int64(v(meterArenaBytes)),
	}
}
