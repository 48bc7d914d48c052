package client

import (
	"time"

	"trunkline/codec/secure"
)

// uplink is the outbox and how far it came: pure, no I/O, no clock. The client's mutex guards it.
//
//	entries[0]      ticked+1                next                durable           nextCseq
//	   |----------- in flight --------------|------ may be sent ---|-- committing ---|
//
// Entries are contiguous in cseq, so place = cseq - ticked - 1. A rejection is a tick too: the server's mark has passed
// what it rejects.
type uplink struct {
	entries  []Entry
	ticked   uint64 // the first tick covers all up to here
	kept     uint64 // the tick that State has, at or below ticked: after a crash everything above is sent again
	durable  uint64 // State has all up to here; nothing above is sent, or a crash could give its number to another message
	next     uint64 // the next to write on this connection
	written  uint64 // the highest ever written by this process: what lies above may still be changed
	loaded   uint64 // the highest that came from State: an earlier process may have written it
	bytes    int    // payload bytes in entries
	inFlight int    // payload bytes in [ticked+1, next)
	held     held

	windowEntries int
	windowBytes   int
	refusedUntil  time.Time // nothing is sent before; zero: not refused
	early         bool      // [ticked+1, next) went with the first flight of the connection that begins
}

// newUplink continues with what a State held.
func newUplink(m Marks, outbox []Entry) uplink {
	u := uplink{entries: outbox, ticked: m.Ticked, kept: m.Ticked, next: m.Ticked + 1, windowEntries: 1}
	for i := range outbox {
		u.bytes += len(outbox[i].Payload)
	}
	u.durable = u.last()
	u.loaded = u.last()
	return u
}

// last is the highest cseq given out.
func (u *uplink) last() uint64 { return u.ticked + uint64(len(u.entries)) }

// outstanding is how many entries have no first tick.
func (u *uplink) outstanding() int { return len(u.entries) }

// room says whether n more entries with so much payload fit.
func (u *uplink) room(payloadBytes, n int) bool {
	return len(u.entries)+n <= OutboxEntriesMax && u.bytes+payloadBytes <= OutboxBytesMax
}

// add appends e under the next cseq, which it returns. The caller has asked room.
func (u *uplink) add(e Entry) uint64 {
	e.Cseq = u.last() + 1
	u.entries = append(u.entries, e)
	u.bytes += len(e.Payload)
	return e.Cseq
}

// extendReceipt widens the newest entry when it is a receipt like e that nobody has written yet, and e begins right
// behind it in the stream (before is the message id that precedes e's). The widened entry is returned.
func (u *uplink) extendReceipt(e *Entry, before uint64) (Entry, bool) {
	if len(u.entries) == 0 || u.last() <= u.written || u.last() <= u.loaded {
		return Entry{}, false
	}
	o := &u.entries[len(u.entries)-1]
	same := o.Kind == EntryReceipt && o.ReceiptKind == e.ReceiptKind && o.Peer == e.Peer && o.Group == e.Group &&
		o.Device == e.Device && o.Gen == e.Gen
	if same && e.Group != 0 { // a group's number covers all below it
		o.First, o.Last, o.Time = max(o.First, e.First), max(o.Last, e.Last), e.Time
		return *o, true
	}
	if !same || before == 0 || o.Last != before || e.Last <= o.Last {
		return Entry{}, false
	}
	o.Last = e.Last
	o.Time = e.Time
	return *o, true
}

// tick takes the cumulative first tick and returns the range that is new. ok is false for a number never sent. Of the messages in the range, those stay
// in held that keep is true for.
func (u *uplink) tick(upHigh uint64, keep func(e *Entry) bool) (first, last uint64, ok bool) {
	if upHigh <= u.ticked {
		return 0, 0, true
	}
	if upHigh > u.durable {
		return 0, 0, false
	}
	first, last = u.ticked+1, upHigh
	n := int(upHigh - u.ticked)
	for i := range u.entries[:n] {
		size := len(u.entries[i].Payload)
		u.bytes -= size
		if u.entries[i].Cseq < u.next {
			u.inFlight -= u.entries[i].weight()
		}
		if u.entries[i].Kind == EntrySend && keep(&u.entries[i]) {
			u.held.of(u.entries[i].Group).add(&u.entries[i])
		}
		u.entries[i] = Entry{} // the payload may go
	}
	u.entries = u.entries[n:]
	u.ticked = upHigh
	u.next = max(u.next, upHigh+1)
	return first, last, true
}

// beginEarly starts a connection whose first flight carries entries, before the server has named its window.
func (u *uplink) beginEarly() {
	u.begin(InFlightMax, secure.EarlyBytesMax)
	u.rewind(u.ticked + 1)
	u.early = true
}

// takeEarly is take for the first flight, which carries messages only: a receipt and what is behind it wait for SUCCESS.
func (u *uplink) takeEarly(now time.Time) (Entry, bool) {
	if u.next <= u.durable && u.entries[u.next-u.ticked-1].Kind != EntrySend {
		return Entry{}, false
	}
	return u.take(now)
}

// begin starts a connection: everything un-ticked that did not go with its first flight is sent again, in order.
func (u *uplink) begin(windowEntries, windowBytes int) {
	u.windowEntries = min(max(windowEntries, 1), InFlightMax)
	u.windowBytes = windowBytes
	if !u.early {
		u.rewind(u.ticked + 1)
	}
	u.early = false
	u.refusedUntil = time.Time{}
}

// refuse takes a temporary refusal: from cseq on everything is sent again, not before until. False for a cseq that is
// not in flight: an old refusal, or nonsense.
func (u *uplink) refuse(cseq uint64, until time.Time) bool {
	if cseq <= u.ticked || cseq >= u.next {
		return false
	}
	u.rewind(cseq)
	u.refusedUntil = until
	return true
}

func (u *uplink) rewind(next uint64) {
	u.next = next
	u.inFlight = 0
	for i := range u.entries {
		if u.entries[i].Cseq >= next {
			break
		}
		u.inFlight += u.entries[i].weight()
	}
}

// waitsForState says that the next entry is too far above the tick that State has. A crash now would send everything above
// that again, and receivers know ids one by one only in the newest InFlightMax of a stream: what was sent beyond would make
// them take a message for a duplicate that they had never seen, if the server loses its data too.
func (u *uplink) waitsForState() bool { return u.next <= u.durable && u.next > u.kept+InFlightMax }

// take returns the next entry that may be sent now and counts it as in flight.
func (u *uplink) take(now time.Time) (Entry, bool) {
	if u.next > u.durable || u.waitsForState() || now.Before(u.refusedUntil) {
		return Entry{}, false
	}
	e := u.entries[u.next-u.ticked-1]
	flying := int(u.next - u.ticked - 1)
	if flying >= u.windowEntries || flying > 0 && u.inFlight+e.weight() > u.windowBytes {
		return Entry{}, false
	}
	u.next++
	u.written = max(u.written, e.Cseq)
	u.inFlight += e.weight()
	return e, true
}

// flying is how many entries wait for their tick on this connection.
func (u *uplink) flying() int { return int(u.next - u.ticked - 1) }
