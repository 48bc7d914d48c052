package client

import (
	"cmp"
	"slices"

	"trunkline/codec"
)

// downlink is what was received: duplicates, and how far the server may be told. Pure; the client's mutex guards it.
//
// Every mailbox entry becomes one pending row in order of arrival. Receipts and duplicates are settled at once, a
// message when the application acknowledges it. ACK goes up to the last settled row with nothing unsettled before
// it: an ACK is cumulative, and must not cover a message that nobody keeps yet.
type downlink struct {
	incarnation uint64
	received    uint64 // highest seq seen in this incarnation: what is not above was handed over already
	last        uint64 // highest seq settled: what HELLO and ACK say
	acked       uint64 // highest seq that the server was told on this connection, by HELLO or ACK
	delivered   uint64 // highest seq that came on this connection, or HELLO said: no ACK above it
	arrivals    uint64 // number of the newest pending row
	pending     []pendingRow
	streams     map[StreamKey]*streamRow
	uses        uint64 // newest Stream.Used
}

type pendingRow struct {
	arrival     uint64
	incarnation uint64
	seq         uint64
	settled     bool
	message     bool // the fields below are set
	key         StreamKey
	id          uint64
}

// streamRow is a stream as this process sees it: handed is what went to the application, kept what it acknowledged.
type streamRow struct {
	handed, kept idSet
	used         uint64
}

// idSet remembers the highest id and which of the 64 below it were seen. What is further below counts as seen. The
// highest alone is not enough: after a server lost its data, a message that was rejected the first time may be
// taken the second time, behind one that was taken both times.
type idSet struct {
	last  uint64
	below uint64 // bit i: last-i-1 was seen
}

// take adds id; fresh is false when it was seen.
func (s *idSet) take(id uint64) (fresh bool) {
	if id > s.last {
		s.below = (s.below<<1 | 1) << (id - s.last - 1)
		s.last = id
		return true
	}
	d := s.last - id
	if d == 0 || d > 64 || s.below&(1<<(d-1)) != 0 {
		return false
	}
	s.below |= 1 << (d - 1)
	return true
}

// newDownlink continues with what a State held. Messages of the inbox have their number as arrival.
func newDownlink(m Marks, streams []Stream, inbox []Received) downlink {
	d := downlink{incarnation: m.Incarnation, received: m.LastSeq, last: m.LastSeq, streams: map[StreamKey]*streamRow{}}
	for _, s := range streams {
		seen := idSet{last: s.ID, below: s.Below}
		d.streams[s.StreamKey] = &streamRow{handed: seen, kept: seen, used: s.Used}
		d.uses = max(d.uses, s.Used)
	}
	if n := len(inbox); n > 0 {
		d.arrivals = inbox[n-1].No
	}
	return d
}

// begin starts a connection to data of that incarnation; said is what HELLO called kept. lost is true when it is not the
// data that last belongs to: then everything is forgotten but the streams.
func (d *downlink) begin(incarnation, said uint64) (lost bool) {
	d.acked, d.delivered = 0, 0
	if incarnation == d.incarnation {
		d.acked, d.delivered = said, said
		return false
	}
	lost = d.incarnation != 0
	d.incarnation, d.received, d.last = incarnation, 0, 0
	return lost
}

// idle says that nothing waits for the application.
func (d *downlink) idle() bool { return len(d.pending) == 0 }

// full says that the server sent more than any window allows.
func (d *downlink) full() bool { return len(d.pending) >= PendingMax }

// accept decides about a DELIVER. fresh: hand it over with that arrival number, and before, the id that preceded it in
// its stream. Otherwise it is a duplicate. A message that was never stored (seq 0) is always fresh, with arrival 0.
func (d *downlink) accept(v *codec.Deliver) (arrival, before uint64, fresh bool) {
	if v.Seq == 0 {
		return 0, 0, true
	}
	d.delivered = max(d.delivered, v.Seq)
	if v.Seq <= d.received {
		return 0, 0, false
	}
	d.received = v.Seq
	key, id := streamOf(v)
	row := d.streams[key]
	if row == nil {
		row = &streamRow{}
		d.streams[key] = row
	}
	if id > row.handed.last {
		before = row.handed.last
	}
	duplicate := !row.handed.take(id)
	d.arrivals++
	d.uses++
	row.used = d.uses
	d.pending = append(d.pending, pendingRow{
		arrival: d.arrivals, incarnation: d.incarnation, seq: v.Seq, settled: duplicate, message: !duplicate,
		key: key, id: id,
	})
	if duplicate {
		return 0, 0, false
	}
	return d.arrivals, before, true
}

// streamOf is to which stream a DELIVER belongs, and its number there. What a server has made for a group is a stream of its own: it has no sender, and
// its numbers are the group's.
func streamOf(v *codec.Deliver) (StreamKey, uint64) {
	if v.Group != 0 && ofServer(v.Kind) {
		return StreamKey{Group: v.Group}, v.GroupSeq
	}
	return StreamKey{User: v.From, Device: v.Device, Gen: v.Gen, Group: v.Group}, v.ID
}

// settleNewest settles the entry that was accepted last, which waits for no application.
func (d *downlink) settleNewest() {
	if n := len(d.pending); n > 0 {
		d.pending[n-1].settled = true
	}
}

// forgetEvents drops the streams of what servers have made for groups.
func (d *downlink) forgetEvents(c *Change) {
	for k := range d.streams {
		if k.User == 0 {
			delete(d.streams, k)
			c.Streams = slices.DeleteFunc(c.Streams, func(s Stream) bool { return s.StreamKey == k })
			c.StreamsGone = append(c.StreamsGone, k)
		}
	}
}

// acceptReceipt decides about a RECEIPT of the mailbox; it is settled at once. False: a duplicate.
func (d *downlink) acceptReceipt(seq uint64) (fresh bool) {
	d.delivered = max(d.delivered, seq)
	if seq <= d.received {
		return false
	}
	d.received = seq
	d.arrivals++
	d.pending = append(d.pending, pendingRow{arrival: d.arrivals, incarnation: d.incarnation, seq: seq, settled: true})
	return true
}

// acknowledge settles every row up to that arrival. ok is false for a number that was never given.
func (d *downlink) acknowledge(arrival uint64) (ok bool) {
	if arrival == 0 || arrival > d.arrivals {
		return false
	}
	for i := range d.pending {
		if d.pending[i].arrival > arrival {
			break
		}
		d.pending[i].settled = true
	}
	return true
}

// settle removes the settled rows at the front, raises last and adds to c what State must know of them.
func (d *downlink) settle(c *Change) (moved bool) {
	n := 0
	for n < len(d.pending) && d.pending[n].settled {
		r := &d.pending[n]
		if r.incarnation == d.incarnation {
			d.last = r.seq
		}
		if r.message {
			d.keep(r, c)
		}
		n++
	}
	d.pending = slices.Delete(d.pending, 0, n)
	if len(d.streams) > StreamsMax {
		d.forget(c)
	}
	return n > 0
}

// keep adds the row's stream to c, in place of an earlier state of it in the same change.
func (d *downlink) keep(r *pendingRow, c *Change) {
	row := d.streams[r.key] // there: forget spares what is pending
	row.kept.take(r.id)
	s := Stream{StreamKey: r.key, ID: row.kept.last, Below: row.kept.below, Used: row.used}
	for i := range c.Streams {
		if c.Streams[i].StreamKey == r.key {
			c.Streams[i] = s
			return
		}
	}
	c.Streams = append(c.Streams, s)
}

// forget drops the sixteenth of the streams that was silent longest. Streams with pending messages are in use.
func (d *downlink) forget(c *Change) {
	busy := map[StreamKey]bool{}
	for i := range d.pending {
		busy[d.pending[i].key] = true
	}
	for i := range c.Streams {
		busy[c.Streams[i].StreamKey] = true
	}
	keys := make([]StreamKey, 0, len(d.streams))
	for k := range d.streams {
		if !busy[k] {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b StreamKey) int { return cmp.Compare(d.streams[a].used, d.streams[b].used) })
	for _, k := range keys[:min(len(keys), StreamsMax/16)] {
		delete(d.streams, k)
		c.StreamsGone = append(c.StreamsGone, k)
	}
}
