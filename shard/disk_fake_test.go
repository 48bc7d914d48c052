package shard

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

// A start knows messages of groups by the flag that the codec gives them: this does not compile when they differ.
var _ = [1]struct{}{}[uint8(codec.FlagGroup)^store.FlagGroup]

// handDisk is a Disk whose every move a test makes by hand.
type handDisk struct {
	queue   *store.Mailboxes
	turn    uint64
	noted   bool
	durable uint64
	records []store.Record // all of them, in order
	loads   []store.Load
	heads   map[uint64][]store.LoadedHead // by user
	kept    map[store.Key][]handEntry     // by user and device, ascending
	slices  []uint64                      // turns that are not told as written
	news    []*store.News
}

type handEntry struct {
	entry   store.Entry
	payload []byte
}

func (d *handDisk) Note(r *store.Record) {
	d.noted = true
	c := *r
	c.Payload = slices.Clone(r.Payload)
	d.records = append(d.records, c)
}

func (d *handDisk) Turn() uint64       { return d.turn }
func (d *handDisk) Durable() uint64    { return d.durable }
func (d *handDisk) Load(l *store.Load) { d.loads = append(d.loads, *l) }

func (d *handDisk) WriteBack(h *store.Head, above uint64, gone store.SeqRange) int {
	d.noted = true
	if n := len(d.slices); n == 0 || d.slices[n-1] != d.turn {
		d.slices = append(d.slices, d.turn)
	}
	mine := func(l store.LoadedHead) bool { return l.Device == h.Device }
	d.heads[h.User] = slices.DeleteFunc(d.heads[h.User], mine)
	key := store.Key{User: h.User, Device: h.Device}
	if h.Gone {
		delete(d.kept, key)
		return 0
	}
	d.heads[h.User] = append(d.heads[h.User], store.LoadedHead{Head: *h})
	d.kept[key] = slices.DeleteFunc(d.kept[key], func(e handEntry) bool {
		return e.entry.Seq > gone.After && e.entry.Seq <= gone.UpTo || e.entry.Seq > above
	})
	d.queue.Scan(h.User, h.Device, above, func(e *store.Entry, payload []byte) bool {
		d.kept[key] = append(d.kept[key], handEntry{*e, slices.Clone(payload)})
		return true
	})
	return 0
}

func (d *handDisk) News(f func(n *store.News)) {
	news := d.news
	d.news = nil
	for _, n := range news {
		f(n)
	}
}

// submit ends a turn, as the server does behind Tick.
func (d *handDisk) submit() {
	if d.noted {
		d.turn++
		d.noted = false
	}
}

// sync makes all durable that was submitted.
func (d *handDisk) sync() { d.durable = d.turn - 1 }

// write tells that all slices are written.
func (d *handDisk) write() {
	if n := len(d.slices); n > 0 {
		d.news = append(d.news, &store.News{Kind: store.NewsWritten, Turn: d.slices[n-1]})
		d.slices = nil
	}
}

// tellPending tells who has something to go on with, as a start does.
func (d *handDisk) tellPending() {
	for _, user := range slices.Sorted(maps.Keys(d.heads)) {
		for _, l := range d.heads[user] {
			if l.Device == store.DevicePending && l.Waiting() > 0 {
				d.news = append(d.news, &store.News{Kind: store.NewsPending, User: user})
			}
		}
	}
}

// answer answers the loads, entries in pieces of n.
func (d *handDisk) answer(n int) {
	loads := d.loads
	d.loads = nil
	for _, l := range loads {
		if !l.Entries {
			d.news = append(d.news, &store.News{Kind: store.NewsUser, User: l.User, Heads: slices.Clone(d.heads[l.User])})
			continue
		}
		piece := &store.News{Kind: store.NewsEntries, User: l.User, Device: l.Device, After: l.After, UpTo: l.UpTo}
		left := n
		for _, e := range d.kept[store.Key{User: l.User, Device: l.Device}] {
			if e.entry.Seq <= l.After || e.entry.Seq > l.UpTo {
				continue
			}
			if left--; left < 0 {
				break
			}
			piece.Put(&e.entry, e.payload)
			piece.UpTo = e.entry.Seq
		}
		if left >= 0 {
			piece.UpTo = l.UpTo
		}
		d.news = append(d.news, piece)
	}
}

// sheet is what a client of a diskRig was told.
type sheet struct {
	ticks  []uint64 // upHigh of ACKs
	pushed int      // bytes of frames
	seqs   []uint64 // last seqs of pushes
	frames []uint64 // seqs of the DELIVERs in them

	frameBytes, largest int // of all DELIVERs; of the largest push

	refused  []uint8
	attached []uint64 // upHigh of SUCCESS
	answers  []string // of requests
	kicked   []codec.ErrorCode
	ponged   int
}

// diskRig is one loop whose messages to sessions are read as they are posted: everybody sits on another loop.
type diskRig struct {
	*Shard
	disk   *handDisk
	now    int64
	sheets map[Conn]*sheet
	parted []uint64                 // groups that were told that a user left
	said   map[messageKind]*message // the last one of each kind, without its payload
	full   bool                     // the other loop has no room
}

type rigHost struct {
	quietHost
	r *diskRig
}

func (h rigHost) Post(_ int, b []byte) error {
	var m message
	if err := parseMessage(&m, b); err != nil {
		return err
	}
	s := h.r.sheets[m.conn]
	if s == nil {
		s = &sheet{}
		h.r.sheets[m.conn] = s
	}
	last := m
	last.payload = nil
	h.r.said[m.kind] = &last
	switch m.kind {
	case msgFrames:
		s.answers = append(s.answers, string(m.payload))
	case msgKick:
		s.kicked = append(s.kicked, codec.ErrorCode(m.code))
	case msgParted:
		h.r.parted = append(h.r.parted, m.user)
	case msgTicked:
		s.ticks = append(s.ticks, m.first)
	case msgPush:
		s.pushed += len(m.payload)
		s.seqs = append(s.seqs, m.last)
		s.largest = max(s.largest, len(m.payload))
		for b := m.payload; len(b) > 0; {
			f, used, err := codec.Next(b, codec.FrameBytesMax)
			if err != nil || used == 0 {
				return err
			}
			if f.Kind == codec.KindDeliver {
				s.frames = append(s.frames, binary.BigEndian.Uint64(f.Body))
				s.frameBytes += used
			}
			b = b[used:]
		}
	case msgRefused:
		s.refused = append(s.refused, m.code)
	case msgPonged:
		s.ponged++
	case msgAttached:
		s.attached = append(s.attached, m.first)
	}
	return nil
}

func (h rigHost) Credit(int) int {
	if h.r.full {
		return 0
	}
	return math.MaxInt
}

func newDiskRig(t *testing.T, change func(c *Config)) *diskRig {
	t.Helper()
	r := &diskRig{now: testNow, sheets: map[Conn]*sheet{}, said: map[messageKind]*message{}}
	r.disk = &handDisk{queue: store.NewMailboxes(), turn: 1, heads: map[uint64][]store.LoadedHead{}, kept: map[store.Key][]handEntry{}}
	r.start(1, change)
	return r
}

// start makes a shard of an owner epoch; what the one before had in memory is gone.
func (r *diskRig) start(owner uint32, change func(c *Config)) {
	r.disk.queue = store.NewMailboxes()
	c := Config{
		Placement: Placement{Seed: 1, Loops: 2}, Incarnation: 7, OwnerEpoch: owner, Open: true,
		Queue: r.disk.queue, Cache: r.disk.queue, Disk: r.disk, Durable: true, WriteBackMs: 5_000, MailboxIdleMs: 60_000,
	}
	if change != nil {
		change(&c)
	}
	r.Shard = New(c, rigHost{r: r})
	r.disk.tellPending()
	r.tick(0)
}

// tick ends a turn, so much later.
func (r *diskRig) tick(ms int64) {
	r.now += ms
	r.Tick(r.now)
	r.disk.submit()
}

// say gives the shard a message from the other loop, and ends the turn.
func (r *diskRig) say(m message) {
	r.Message(r.now, 1, appendMessage(nil, &m))
	r.tick(0)
}

func (r *diskRig) sheet(conn Conn) *sheet {
	if r.sheets[conn] == nil {
		r.sheets[conn] = &sheet{}
	}
	return r.sheets[conn]
}
