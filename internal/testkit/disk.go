package testkit

import (
	"cmp"
	"fmt"
	"slices"

	"trunkline/store"
)

// Disk is what outlives the processes of a World: a journal that becomes durable bit by bit, the mailboxes that are written back behind
// it, and the owner epoch. It does what store.Keeper does, without goroutines and files: chance decides when anything happens.
//
// A turn that a loop hands over is behind all that were handed over before. After a crash the journal has those that were durable and
// by chance more of them, whole and in order; the mailboxes are as they were at the last flush.
type Disk struct {
	Owner     uint32
	Crashes   int
	Stops     int  // clean ones
	Again     int  // second ticks told again
	Lost      int  // records that a crash took
	LostTicks int  // of them second ticks
	Stopped   bool // nothing becomes durable: there is trouble
	Calm      bool // everything goes well and at once

	w       *World
	desks   []*Desk
	journal []diskTurn
	durable int // so many turns of the journal are
	cut     int // so many turns were cut off
	applied map[boxName]*diskBox
	flushed map[boxName]*diskBox
	slices  []diskSlice // handed over and not applied, in order
	loads   []diskLoad
}

// boxName names a mailbox.
type boxName struct {
	user   uint64
	device uint8
}

// diskBox is a mailbox on the disk. It never changes: what changes it makes another one.
type diskBox struct {
	head    store.Head
	entries []diskEntry // ascending
}

type diskEntry struct {
	entry   store.Entry
	payload []byte
}

// diskTurn is what a loop has noted in a turn.
type diskTurn struct {
	loop    int
	turn    uint64
	records []byte
}

// diskSlice is what a loop writes back in a turn.
type diskSlice struct {
	loop     int
	turn     uint64
	needs    uint64 // the turn that must be durable before
	lowWater uint64
	behind   int // turns of the journal, from the first on, that have the second ticks of what it has dropped; 0: they travel
	boxes    []writtenBox
}

type writtenBox struct {
	head    store.Head
	gone    store.SeqRange
	entries []diskEntry
}

type diskLoad struct {
	loop int
	load store.Load
}

func newDisk(w *World) *Disk {
	d := &Disk{Owner: 1, w: w, applied: map[boxName]*diskBox{}, flushed: map[boxName]*diskBox{}}
	d.newDesks()
	return d
}

// newDesks forgets whatever was on its way.
func (d *Disk) newDesks() {
	d.desks, d.journal, d.durable, d.cut, d.slices, d.loads = nil, nil, 0, 1, nil, nil
	d.Stopped = false
	for i := range d.w.opts.Loops {
		d.desks = append(d.desks, &Desk{d: d, loop: i, turn: 1, low: 1})
	}
}

// chance is true once in n times, and always when all is calm.
func (d *Disk) chance(n int) bool { return d.Calm || d.w.Random.IntN(n) == 0 }

// step is what the disk does between the turns of loops.
func (d *Disk) step() {
	if d.Calm {
		d.Stopped = false
	} else if d.w.opts.DiskTrouble > 0 && d.chance(d.troubleOdds()) {
		d.Stopped = !d.Stopped
	}
	if !d.Stopped && d.chance(3) {
		d.sync()
	}
	d.settleSlices()
	for len(d.slices) > 0 && d.chance(2) && d.apply() {
	}
	if d.chance(10) {
		d.flush()
	}
	loads := d.loads
	d.loads = nil
	for _, l := range loads {
		if d.chance(3) {
			d.answer(l)
		} else {
			d.loads = append(d.loads, l)
		}
	}
}

func (d *Disk) troubleOdds() int {
	if d.Stopped {
		return 20
	}
	return d.w.opts.DiskTrouble
}

// sync makes more of the journal durable.
func (d *Disk) sync() {
	n := len(d.journal)
	if !d.Calm {
		n = d.durable + d.w.Random.IntN(n-d.durable+1)
	}
	for _, t := range d.journal[d.durable:n] {
		d.desks[t.loop].durable = t.turn
	}
	d.durable = n
}

// settleSlices notes which slices the messages between loops have overtaken: a write-back takes seconds, they take a turn. So what a
// slice has dropped, and the second tick that follows on another loop, reach the disk in this order only.
func (d *Disk) settleSlices() {
	for _, l := range d.w.Loops {
		for i := range l.inbox {
			if l.inbox[i].waiting() > 0 {
				return
			}
		}
	}
	for i := range d.slices {
		if s := &d.slices[i]; s.behind == 0 {
			s.behind = d.cut + len(d.journal)
		}
	}
}

// apply brings the first slice to the mailboxes, when all that it has seen is durable.
func (d *Disk) apply() bool {
	s := d.slices[0]
	desk := d.desks[s.loop]
	if s.needs > desk.durable || s.behind == 0 || s.behind > d.cut+d.durable {
		return false
	}
	for i := range s.boxes {
		b := &s.boxes[i]
		d.put(d.applied, b)
	}
	desk.low, desk.written = s.lowWater, s.turn
	d.slices = d.slices[1:]
	return true
}

// put writes a mailbox over what is there.
func (d *Disk) put(boxes map[boxName]*diskBox, b *writtenBox) {
	name := boxName{b.head.User, b.head.Device}
	if b.head.Gone {
		delete(boxes, name)
		return
	}
	n := &diskBox{head: b.head}
	if old := boxes[name]; old != nil {
		for _, e := range old.entries {
			if e.entry.Seq <= b.gone.After || e.entry.Seq > b.gone.UpTo {
				n.entries = append(n.entries, e)
			}
		}
	}
	for _, e := range b.entries {
		i, there := slices.BinarySearchFunc(n.entries, e.entry.Seq, func(o diskEntry, seq uint64) int { return cmp.Compare(o.entry.Seq, seq) })
		if there {
			n.entries[i] = e
		} else {
			n.entries = slices.Insert(n.entries, i, e)
		}
	}
	boxes[name] = n
}

// flush makes durable what was applied, and cuts the journal behind what every loop still needs.
func (d *Disk) flush() {
	d.flushed = cloneBoxes(d.applied)
	for d.durable > 0 {
		t := d.journal[0]
		if t.turn >= d.desks[t.loop].low {
			return
		}
		d.journal, d.durable, d.cut = d.journal[1:], d.durable-1, d.cut+1
	}
}

func cloneBoxes(boxes map[boxName]*diskBox) map[boxName]*diskBox {
	c := make(map[boxName]*diskBox, len(boxes))
	for name, b := range boxes {
		c[name] = b
	}
	return c
}

// answer reads, or by chance fails to.
func (d *Disk) answer(l diskLoad) {
	n := &store.News{Kind: store.NewsUser, User: l.load.User}
	if l.load.Entries {
		n.Kind, n.Device, n.After, n.UpTo = store.NewsEntries, l.load.Device, l.load.After, l.load.UpTo
	}
	switch {
	case !d.Calm && d.chance(8):
		n.Failed = store.LoadRetry
	case l.load.Entries:
		d.piece(n)
	default:
		for device := range 256 {
			if b := d.applied[boxName{n.User, uint8(device)}]; b != nil {
				n.Heads = append(n.Heads, store.LoadedHead{Head: b.head})
			}
		}
	}
	desk := d.desks[l.loop]
	desk.news = append(desk.news, n)
}

// piece is as much of a mailbox as chance gives.
func (d *Disk) piece(n *store.News) {
	b := d.applied[boxName{n.User, n.Device}]
	if b == nil {
		return
	}
	room := 1 + d.w.Random.IntN(20)
	for _, e := range b.entries {
		if e.entry.Seq <= n.After || e.entry.Seq > n.UpTo {
			continue
		}
		n.Put(&e.entry, e.payload)
		if room--; room == 0 {
			n.UpTo = e.entry.Seq
			return
		}
	}
}

// busy says whether anything is still on its way.
func (d *Disk) busy() bool {
	return d.durable < len(d.journal) || len(d.slices) > 0 || len(d.loads) > 0
}

// crash leaves what a power cut leaves, and recovers.
func (d *Disk) crash() error {
	d.Crashes++
	kept := d.durable + d.w.Random.IntN(len(d.journal)-d.durable+1)
	r := store.NewReplica(diskBase(d.flushed))
	for i, t := range d.journal {
		var reader store.RecordReader
		for b := t.records; len(b) > 0; {
			var rec store.Record
			n, err := reader.Next(&rec, b)
			if err != nil {
				return err
			}
			b = b[n:]
			if i >= kept {
				d.Lost++
				if rec.Kind == store.RecordAppend && rec.Entry.Kind == store.KindDelivered {
					d.LostTicks++
				}
			} else if err := r.Apply(&rec); err != nil {
				return err
			}
		}
	}
	d.Owner++
	again, err := r.TellAgain(d.Owner, uint32(d.w.Now/1000))
	if err != nil {
		return err
	}
	d.Again += again
	sink := diskSink{}
	r.PutInto(&sink)
	for _, b := range sink.boxes {
		d.put(d.flushed, b)
	}
	d.applied = cloneBoxes(d.flushed)
	d.newDesks()
	d.tellPending()
	return d.Check()
}

// tellPending tells the loops who has something to go on with from before the start.
func (d *Disk) tellPending() {
	var users []uint64
	for name, b := range d.applied {
		if name.device == store.DevicePending && b.head.Waiting() > 0 {
			users = append(users, name.user)
		}
	}
	slices.Sort(users)
	for _, user := range users {
		desk := d.desks[d.w.Placement().Home(user)]
		desk.news = append(desk.news, &store.News{Kind: store.NewsPending, User: user})
	}
}

// stop is the end of a process that has written everything.
func (d *Disk) stop() error {
	if d.busy() {
		return fmt.Errorf("a clean stop leaves %d turns that are not durable, %d slices and %d loads", len(d.journal)-d.durable, len(d.slices), len(d.loads))
	}
	d.flushed = cloneBoxes(d.applied)
	d.newDesks()
	d.tellPending()
	return d.Check()
}

// Check says what is wrong with the mailboxes on the disk.
func (d *Disk) Check() error {
	for _, b := range d.applied {
		var counts store.Counts
		last := b.head.Acked
		for _, e := range b.entries {
			if e.entry.Seq <= last || e.entry.Seq > b.head.Last {
				return fmt.Errorf("disk of %d/%d: entry %d, acknowledged %d, last %d, before it %d", b.head.User, b.head.Device, e.entry.Seq, b.head.Acked, b.head.Last, last)
			}
			last = e.entry.Seq
			counts.Add(e.entry.Kind, len(e.payload))
		}
		if counts != b.head.Counts {
			return fmt.Errorf("disk of %d/%d: counted %+v, there are %+v", b.head.User, b.head.Device, b.head.Counts, counts)
		}
	}
	return nil
}

// Waiting is how many entries are on the disk.
func (d *Disk) Waiting() (n int) {
	for _, b := range d.applied {
		n += len(b.entries)
	}
	return n
}

// diskBase is the mailboxes as a Replica reads them.
type diskBase map[boxName]*diskBox

// Head implements store.Base.
func (d diskBase) Head(user uint64, device uint8) (h store.Head, ok bool, err error) {
	if b := d[boxName{user, device}]; b != nil {
		return b.head, true, nil
	}
	return h, false, nil
}

// Entries implements store.Base.
func (d diskBase) Entries(user uint64, device uint8, after uint64, f func(e *store.Entry, payload []byte) bool) error {
	b := d[boxName{user, device}]
	if b == nil {
		return nil
	}
	for i := range b.entries {
		e := b.entries[i].entry
		if e.Seq > after && !f(&e, b.entries[i].payload) {
			return nil
		}
	}
	return nil
}

// diskSink collects what a Replica has changed.
type diskSink struct {
	boxes []*writtenBox
	gone  store.SeqRange // of the next head
}

// DropEntries implements store.Sink.
func (s *diskSink) DropEntries(_ uint64, _ uint8, after, upTo uint64) {
	s.gone = store.SeqRange{After: after, UpTo: upTo}
}

// PutHead implements store.Sink.
func (s *diskSink) PutHead(h *store.Head) {
	s.boxes = append(s.boxes, &writtenBox{head: *h, gone: s.gone})
	s.gone = store.SeqRange{}
}

// PutEntry implements store.Sink. Those of the base that have other fields keep their payload, of which they have none.
func (s *diskSink) PutEntry(e *store.Entry, payload []byte) {
	b := s.boxes[len(s.boxes)-1]
	b.entries = append(b.entries, diskEntry{*e, slices.Clone(payload)})
}
