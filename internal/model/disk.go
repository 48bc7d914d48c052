package model

// saved is what the disk has of a mailbox.
type saved struct {
	exists          bool
	gen, registered uint32
	token, mark     uint64
	epoch           uint32
	owner           uint64
	last, acked     uint64 // every entry has acked < seq <= last
	entries         []frame
}

// noteKind says what a note changes.
type noteKind uint8

const (
	noteAppend  noteKind = iota + 1 // f is new
	noteReplace                     // f has other fields from now on
	noteDrop                        // what is up to f.seq is gone
	noteMark                        // head.mark
	noteHead                        // head, but for last, acked and entries
)

// note is one change of one mailbox.
type note struct {
	kind noteKind
	dev  int
	turn uint64 // of its home
	f    frame
	head saved
}

// slice is a mailbox on its way to the offline store.
type slice struct {
	dev   int
	state saved
	at    int // number of notes that it has seen
	told  int // number of notes when the second ticks of all that it has dropped were noted; 0: they are not yet
}

// fate counts what has happened to the disk.
type fate struct{ clean, forgotten, truncated, writtenBack int }

// disk outlives the server.
type disk struct {
	owner, ownerKept uint64 // the owner epoch, and the one that a crash would find
	base             [devices]saved
	baseAt           [devices]int // how many notes it has seen
	first            int          // number of notes that were truncated
	notes            []note       // the journal: what the loops have handed over, in that order
	durable          int          // so many of them are
	slices           []slice

	noted [loops][]note // of the turn that is not handed over yet
	turns [loops]uint64 // the number of that turn
	done  [loops]uint64 // the last turn that is durable
}

// diskMood is what a schedule's disk likes.
type diskMood struct {
	sloth     int // the journal gets on in one step of so many
	writeBack int // a mailbox is written to the offline store in one step of so many
	clean     int // one end of the process in so many is a clean stop
	relapse   int // one crash in so many is followed by another one soon
	next      int // steps until that one; 0: none
	rush      int // one client in so many is back at once, and persists later what it had read
}

func (w *world) newDisk() {
	w.disk.owner, w.disk.ownerKept = 1, 1
	for l := range loops {
		w.disk.turns[l] = 1
	}
	w.diskMood = diskMood{
		sloth:     []int{3, 20, 100, 400}[w.r.IntN(4)],
		writeBack: []int{5, 30, 200}[w.r.IntN(3)],
		clean:     []int{4, 10}[w.r.IntN(2)],
		relapse:   []int{2, 5}[w.r.IntN(2)],
		next:      1 + w.r.IntN(stormSteps),
		rush:      []int{1, 4}[w.r.IntN(2)],
	}
}

// jot notes a change of the mailbox.
func (b *mailbox) jot(n note) {
	if b.w.mode != Disk {
		return
	}
	n.dev, n.turn = b.dev, b.turn()
	l := home(b.dev)
	b.w.disk.noted[l] = append(b.w.disk.noted[l], n)
}

// turn is the turn in which the mailbox notes.
func (b *mailbox) turn() uint64 { return b.w.disk.turns[home(b.dev)] }

// pending says whether a turn is not durable yet.
func (b *mailbox) pending(turn uint64) bool {
	return b.w.mode == Disk && turn > b.w.disk.done[home(b.dev)]
}

// endTurn hands the loop's turn over to the journal: before its messages leave, so that an entry is there before the mark of
// another loop that passes it.
func (w *world) endTurn(loop int) {
	if !w.rules.has(MarkBehindEntry) && !w.calm && w.r.IntN(4) != 0 {
		return
	}
	w.handOver(loop)
}

func (w *world) handOver(loop int) {
	d := &w.disk
	if len(d.noted[loop]) == 0 {
		return
	}
	d.notes = append(d.notes, d.noted[loop]...)
	d.noted[loop] = d.noted[loop][:0]
	d.turns[loop]++
}

// diskTurns is what the disk does beside everything else.
func (w *world) diskTurns() {
	d := &w.disk
	if w.r.IntN(w.sloth) == 0 {
		w.journalTo(w.wholeTurns(d.durable + w.r.IntN(len(d.notes)-d.durable+1)))
	}
	if w.r.IntN(w.writeBack) == 0 {
		w.takeSlice(w.r.IntN(devices))
	}
	w.applySlices()
	if w.next > 0 {
		if w.next--; w.next == 0 && w.mayRestart() {
			w.fall()
		}
	}
}

// diskCatchesUp makes everything durable.
func (w *world) diskCatchesUp() {
	for l := range loops {
		w.handOver(l)
	}
	w.journalTo(len(w.disk.notes))
	w.applySlices()
}

// wholeTurns is n or the end of the turn that n lies in.
func (w *world) wholeTurns(n int) int {
	for n > 0 && n < len(w.disk.notes) && w.disk.sameTurn(n) {
		n++
	}
	return n
}

// sameTurn says whether note n and the one before it are of one turn.
func (d *disk) sameTurn(n int) bool {
	a, b := &d.notes[n-1], &d.notes[n]
	return a.turn == b.turn && home(a.dev) == home(b.dev)
}

// journalTo makes the first n notes durable, and lets the loops know.
func (w *world) journalTo(n int) {
	d := &w.disk
	if n <= d.durable {
		return
	}
	for _, one := range d.notes[d.durable:n] {
		d.done[home(one.dev)] = one.turn
	}
	d.durable, d.ownerKept = n, d.owner
	for i := range w.srv.boxes {
		w.srv.boxes[i].durable()
		w.settle(home(i))
	}
}

// takeSlice begins to write a mailbox back.
func (w *world) takeSlice(dev int) {
	w.handOver(home(dev))
	d := &w.disk
	s := slice{dev: dev, state: w.srv.boxes[dev].save(), at: d.first + len(d.notes)}
	d.slices = append(d.slices, s)
}

// applySlices brings slices to the offline store, in order, as soon as all they have seen is durable, and removes what
// the journal need not have any more.
func (w *world) applySlices() {
	d := &w.disk
	for i := range d.slices {
		if s := &d.slices[i]; s.told == 0 && !w.secondTicksTravel() {
			s.told = d.first + len(d.notes)
		}
	}
	for len(d.slices) > 0 {
		s := d.slices[0]
		durable := d.first + d.durable
		late := s.at <= durable && (s.told != 0 && s.told <= durable || !w.rules.has(SecondTickBeforeDrop))
		if !late && w.rules.has(WriteBackBehind) {
			break
		}
		d.base[s.dev], d.baseAt[s.dev] = s.state, s.at
		d.slices = d.slices[1:]
		w.fate.writtenBack++
	}
	n := 0
	for n < d.durable && d.baseAt[d.notes[n].dev] > d.first+n {
		n++
	}
	w.fate.truncated += n
	d.first, d.durable, d.notes = d.first+n, d.durable-n, append([]note(nil), d.notes[n:]...)
}

// secondTicksTravel says whether any second tick is between loops, or noted in a turn that is not handed over.
func (w *world) secondTicksTravel() bool {
	for l := range loops {
		for _, p := range w.srv.queues[l][(l+1)%loops] {
			if p.kind == delivered {
				return true
			}
		}
		if len(w.disk.noted[l]) > 0 {
			return true
		}
	}
	return false
}

// apply takes a note into what is saved; it returns the messages that it drops. What was taken before changes nothing.
func (s *saved) apply(n *note, rules Rules) (dropped []frame) {
	switch n.kind {
	case noteAppend:
		if n.f.seq > s.last {
			s.last, s.entries = n.f.seq, append(s.entries, n.f)
		}
	case noteReplace:
		for i := range s.entries {
			if s.entries[i].seq == n.f.seq {
				s.entries[i] = n.f
			}
		}
	case noteDrop:
		if n.f.seq <= s.acked {
			return nil
		}
		s.acked = n.f.seq
		for len(s.entries) > 0 && s.entries[0].seq <= n.f.seq {
			if s.entries[0].kind == deliver {
				dropped = append(dropped, s.entries[0])
			}
			s.entries = s.entries[1:]
		}
	case noteMark:
		if rules.has(MarkDurable) {
			s.mark = n.head.mark
		}
	case noteHead:
		mark, epoch := s.mark, s.epoch
		last, acked, entries := s.last, s.acked, s.entries
		*s = n.head
		s.last, s.acked, s.entries = last, acked, entries
		if !rules.has(MarkDurable) {
			s.mark = mark
		}
		if !rules.has(HelloEpochKept) {
			s.epoch = epoch
		}
	}
	return dropped
}
