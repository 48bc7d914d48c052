package model

// markTurn is a mark and the turn in which it was noted.
type markTurn struct{ mark, turn uint64 }

// seqEpochBits is how far apart the seqs of two owner epochs are.
const seqEpochBits = 20

// given bounds the seqs that were given out. A crash forgets the newest of them: all below the owner epoch may have been.
func (b *mailbox) given() uint64 {
	if b.w.mode == Disk && b.w.rules.has(EpochBoundsDownSeq) {
		return max(b.counter, b.w.disk.owner<<seqEpochBits)
	}
	return b.counter
}

// seen bounds the seqs of entries that a client may have, with the fields that they have now.
func (b *mailbox) seen() uint64 {
	if b.w.rules.has(ReceiptJoinsUnshown) {
		return b.shown
	}
	return b.sent
}

// pushed bounds the seqs that an ACK can name: what was pushed on this connection. But the client may have kept an entry of an
// earlier connection, which a crash took, after its HELLO: it is below the owner epoch.
func (b *mailbox) pushed() uint64 {
	if b.w.mode == Disk && b.w.rules.has(EpochBoundsAck) {
		return max(b.sent, b.w.disk.owner<<seqEpochBits)
	}
	return b.sent
}

func (b *mailbox) nextSeq() uint64 {
	if b.w.mode == Disk {
		b.counter = max(b.counter, b.w.disk.owner<<seqEpochBits)
	}
	b.counter++
	return b.counter
}

// noteMark notes the mark if it has moved.
func (b *mailbox) noteMark(before uint64) {
	if b.w.mode != Disk || b.mark == before {
		return
	}
	b.jot(note{kind: noteMark, head: saved{mark: b.mark}})
	b.marks = append(b.marks, markTurn{b.mark, b.turn()})
}

// adoptMark is a mark that the client itself has named: it needs no promise.
func (b *mailbox) adoptMark() {
	b.marks, b.kept, b.told = nil, b.mark, 0
}

// promised is the mark that may be told.
func (b *mailbox) promised(rule Rule) uint64 {
	if b.w.mode != Disk || !b.w.rules.has(rule) {
		return b.mark
	}
	for len(b.marks) > 0 && !b.pending(b.marks[0].turn) {
		b.kept, b.marks = b.marks[0].mark, b.marks[1:]
	}
	return b.kept
}

// noteHead notes what a login has changed.
func (b *mailbox) noteHead() { b.jot(note{kind: noteHead, head: b.head()}) }

func (b *mailbox) head() saved {
	return saved{exists: b.exists, gen: b.gen, registered: b.registered, token: b.token, mark: b.mark, epoch: b.epoch, owner: b.owner}
}

// genPending says whether SUCCESS has to wait: a generation that a crash takes back would be given to another client.
func (b *mailbox) genPending() bool { return b.pending(b.genTurn) && b.w.rules.has(GenerationDurable) }

// welcomeNow answers the HELLO of whoever is attached, if that need not wait.
func (b *mailbox) welcomeNow() {
	if b.waits {
		return
	}
	b.told = 0
	b.toSession(attached, frame{kind: success, gen: b.gen, incarnation: b.w.srv.inc, cseq: b.promised(SuccessTellsDurableMark)})
	b.push()
}

// durable is news: more is.
func (b *mailbox) durable() {
	if b.waits && !b.genPending() {
		b.waits = false
		b.welcomeNow()
		return
	}
	b.push()
}

// save is all that the mailbox would have on disk.
func (b *mailbox) save() saved {
	s := b.head()
	s.last, s.acked = b.counter, b.gone
	for _, e := range b.entries {
		s.entries = append(s.entries, e.f)
	}
	return s
}

// load is a mailbox as the disk has it.
func (b *mailbox) load(w *world, dev int, s saved) {
	*b = mailbox{w: w, dev: dev, exists: s.exists, gen: s.gen, registered: s.registered, token: s.token, mark: s.mark, epoch: s.epoch, owner: s.owner}
	b.counter, b.kept, b.gone, b.shown = s.last, s.mark, s.acked, s.last
	for _, f := range s.entries {
		b.entries = append(b.entries, entry{f: f})
	}
	if !w.rules.has(LastKept) {
		b.counter = 0
		if n := len(b.entries); n > 0 {
			b.counter = b.entries[n-1].f.seq
		}
	}
}
