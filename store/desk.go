package store

import "encoding/binary"

// Desk is one loop's side of a Keeper. It belongs to the loop's goroutine. It implements shard.Disk.
type Desk struct {
	keeper *Keeper
	loop   int
	mail   *Mailboxes
	tray   *tray

	turn   uint64         // that is being noted
	last   uint64         // the last turn that went to the journal; 0: none
	noted  bool           // parts has something
	parts  []RecordWriter // of this turn, by journal
	handed [][]byte       // the same for the journal: nil where there is nothing
	slice  *slice         // of this turn; nil: none

	told    uint64 // the last turn that news called durable
	written uint64 // the last turn that news called written
	stopped bool   // as news told it
	taken   []*News
	shown   News
}

// Desk makes the desk of one loop, whose waiting entries are in m. A loop has one desk.
func (k *Keeper) Desk(loop int, m *Mailboxes) *Desk {
	n := max(1, len(k.journals))
	d := &Desk{keeper: k, loop: loop, mail: m, tray: k.trays[loop], turn: 1, parts: make([]RecordWriter, n), handed: make([][]byte, n)}
	d.tray.attach()
	return d
}

// Note adds a record to the turn. r and its payload are copied. Appends with one of the last SharedMax payloads and Same write it once to each
// directory of the journal.
func (d *Desk) Note(r *Record) {
	d.noted = true
	if d.keeper.journal == nil {
		return
	}
	part := 0
	if len(d.parts) > 1 {
		part = int(d.keeper.o.Fragment(r.User())) % len(d.parts)
	}
	d.parts[part].Add(r)
}

// Turn is the number of the turn that is being noted. It is durable when NewsDurable names it or a later one. In AckMemory
// mode every turn is at once.
func (d *Desk) Turn() uint64 { return d.turn }

// Durable is the last turn that is durable: a turn in which nothing was noted is durable with the next one. In AckMemory mode it is the
// turn that is being noted, and there is no NewsDurable.
func (d *Desk) Durable() uint64 {
	if d.keeper.journal == nil {
		return d.turn
	}
	return d.keeper.journal.Durable(d.loop)
}

// Load asks for what is on disk. The answer is news. At most one for each mailbox or user is on its way: the shard sees to that.
// With LoadsWaitingMax on their way the answer is LoadRetry.
func (d *Desk) Load(l *Load) {
	if d.keeper.loads.put(d.loop, l) {
		return
	}
	d.tray.answer(l, LoadRetry)
}

// WriteBack adds a mailbox to the slice of this turn: its head, its entries in memory with seq > above, and the removal of entries on
// disk with gone.After < seq <= gone.UpTo; or with h.Gone that the mailbox leaves the disk whole. NewsWritten names the turn when it is applied. It returns how
// many bytes the slice of this turn holds: when it is enough, the shard goes on in the next turn. With
// SliceWaitingMax bytes of slices waiting for the disk, of all loops, it returns at least SliceWaitingMax (and the mailbox is in the slice).
func (d *Desk) WriteBack(h *Head, above uint64, gone SeqRange) (sliceBytes int) {
	if d.slice == nil {
		d.slice = &slice{loop: d.loop}
	}
	n := d.slice.add(h, gone, func(f func(e *Entry, payload []byte) bool) {
		if !h.Gone {
			d.mail.Scan(h.User, h.Device, above, f)
		}
	})
	if d.keeper.writer.full() {
		return max(n, SliceWaitingMax)
	}
	return n
}

// Full says whether SliceWaitingMax bytes of slices wait for the disk: writing back more only takes memory. Any goroutine.
func (d *Desk) Full() bool { return d.keeper.writer.full() }

// Noted says whether something waits for Submit.
func (d *Desk) Noted() bool { return d.noted || d.slice != nil }

// Submit ends the turn: what was noted goes to the journal, the slice to the writer. lowWater is the first turn of which something
// is neither in a slice nor clean: the journal is needed from there on. A turn in which nothing was noted is not ended, but its lowWater counts.
func (d *Desk) Submit(lowWater uint64) {
	lowWater = min(lowWater, d.turn+1)
	if !d.Noted() {
		d.tray.lowWater.Store(min(lowWater, d.turn))
		return
	}
	turn := d.turn
	d.turn++
	if d.noted {
		d.submitNotes(turn)
	}
	if d.slice == nil {
		d.tray.lowWater.Store(lowWater)
		return
	}
	s := d.slice
	d.slice = nil
	s.turn, s.needs, s.lowWater = turn, d.last, lowWater
	d.keeper.writer.hand(s)
}

// submitNotes hands the turn's records to the journal.
func (d *Desk) submitNotes(turn uint64) {
	d.noted, d.last = false, turn
	d.tray.submitted.Store(turn)
	if d.keeper.journal == nil {
		return
	}
	bytes := 0
	for i := range d.parts {
		d.handed[i] = nil
		if part := d.parts[i].Bytes(); len(part) > 0 {
			d.handed[i] = part
			bytes += len(part)
		}
	}
	d.keeper.journal.Submit(d.loop, turn, d.handed)
	for i := range d.parts {
		d.handed[i] = nil
		d.parts[i].Reset(bufferKeptMax)
	}
	d.keeper.writer.grown(bytes)
}

// News calls f for what has happened since the last call. n is valid until f returns. It is cheap when there is none.
func (d *Desk) News(f func(n *News)) {
	if !d.tray.some.Load() {
		return
	}
	d.tray.some.Store(false) // before looking: what comes later wakes again
	if d.keeper.journal != nil {
		if turn := d.keeper.journal.Durable(d.loop); turn > d.told {
			d.told = turn
			d.tell(f, News{Kind: NewsDurable, Turn: turn})
		}
	}
	var now trayMood
	d.taken, now = d.tray.take(d.taken[:0])
	if now.written > d.written {
		d.written = now.written
		d.tell(f, News{Kind: NewsWritten, Turn: now.written})
	}
	if now.stopped != d.stopped {
		d.stopped = now.stopped
		d.tell(f, News{Kind: NewsTrouble, Stopped: now.stopped})
	}
	for _, n := range d.taken {
		f(n)
	}
	if d.tray.back(d.taken) {
		d.keeper.loads.again()
	}
}

func (d *Desk) tell(f func(n *News), n News) {
	d.shown = n
	f(&d.shown)
}

// SeqRange is After < seq <= UpTo; empty when UpTo <= After.
type SeqRange struct{ After, UpTo uint64 }

// Load is a question to the disk.
type Load struct {
	User    uint64
	Device  uint8  // with Entries
	Entries bool   // a piece of a mailbox instead of a user's heads
	After   uint64 // with Entries: seq > After, and at most UpTo
	UpTo    uint64
	// Without Entries: count what is older than this as expired; unix seconds, 0: nothing.
	ExpireBefore uint32
}

// NewsKind says what a News tells.
type NewsKind uint8

// The kinds of news.
const (
	NewsDurable NewsKind = iota + 1 // Turn and all before it are durable
	NewsWritten                     // the slices of Turn and all before it are applied
	NewsUser                        // User, Heads: all devices; none: nobody. Or Failed
	NewsEntries                     // User, Device, After, UpTo: all entries in that range are in the piece. Or Failed
	NewsTrouble                     // Stopped: nothing can be made durable for now
	NewsExpired                     // User has a mailbox with something older than ExpireBefore: load it
	NewsPending                     // User has something in DevicePending from before the start: load it
)

// News is what a Keeper tells a loop.
type News struct {
	Kind    NewsKind
	Turn    uint64
	User    uint64
	Device  uint8
	Failed  Failure
	Stopped bool
	Heads   []LoadedHead
	After   uint64
	UpTo    uint64
	piece   []byte // entries as appendEntry writes them
	entry   Entry  // that Each shows
}

// Failure says how a load has failed.
type Failure uint8

// The failures of a load.
const (
	LoadDone    Failure = iota
	LoadRetry           // the disk does not answer: try again
	LoadDamaged         // what is there is not what was written: it is not served
)

// LoadedHead is a head with what of its mailbox has expired: entries up to ExpiredTo (0: none), which are counted in Head too.
type LoadedHead struct {
	Head
	ExpiredTo uint64
	Expired   Counts
}

// Each calls f for the entries of a piece, ascending. e and payload are valid until f returns.
func (n *News) Each(f func(e *Entry, payload []byte)) {
	n.entry = Entry{Key: Key{User: n.User, Device: n.Device}}
	for b := n.piece; len(b) > 0; {
		var payload []byte
		payload, b = nextEntry(&n.entry, b)
		f(&n.entry, payload)
	}
}

// appendEntry adds an entry without its user and device: seq u64, its fields, length u16, payload. It stays in memory.
func appendEntry(dst []byte, e *Entry, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, e.Seq)
	dst = appendEntryFields(dst, e)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	return append(dst, payload...)
}

// nextEntry reads what appendEntry wrote. payload aliases b; nil when there is none.
func nextEntry(e *Entry, b []byte) (payload, rest []byte) {
	e.Seq = binary.BigEndian.Uint64(b)
	parseEntryFields(e, b[8:])
	n := int(binary.BigEndian.Uint16(b[entryFieldBytes:]))
	b = b[entryFieldBytes+2:]
	if n > 0 {
		payload = b[:n:n]
	}
	return payload, b[n:]
}
