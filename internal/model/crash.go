package model

// fall ends the process: mostly without a warning, sometimes cleanly; and perhaps it ends again before long.
func (w *world) fall() {
	w.crashes++
	clean := w.r.IntN(w.clean) == 0
	w.cutAll()
	if clean {
		w.finish()
	}
	if w.next = 0; w.r.IntN(w.relapse) == 0 {
		w.next = 1 + w.r.IntN(relapseSteps)
	}
	kept := w.keptNotes()
	w.tell("the server ends (cleanly: %v): %d of %d notes are kept, %d were durable", clean, kept, len(w.disk.notes), w.disk.durable)
	w.fate.forgotten += len(w.disk.notes) - kept
	states, again := w.rebuild(kept)
	if clean {
		w.fate.clean++
		again = nil
	}
	w.judge(&states)
	w.rise(clean, states)
	w.tellAgain(again)
	w.rushBack()
}

// rushBack lets clients say HELLO before they persist what they read.
func (w *world) rushBack() {
	for _, c := range w.clients {
		if !c.alive() || c.conn == nil || c.nap > 0 || w.r.IntN(w.rush) != 0 {
			continue
		}
		for c.conn != nil && len(c.conn.down) > 0 {
			c.receive()
		}
		c.conn, c.open = nil, false
		if c.alive() {
			c.connect()
		}
	}
}

// finish is a clean stop: what travels arrives, and everything is written.
func (w *world) finish() {
	for moved := true; moved; {
		moved = false
		for from := range loops {
			moved = w.travel(from, (from+1)%loops) || moved
		}
	}
	for l := range loops {
		w.handOver(l)
	}
	w.disk.durable = len(w.disk.notes)
}

// keptNotes is how much of the journal a crash leaves: what was durable, and as much of the rest as the disk likes.
func (w *world) keptNotes() int {
	d := &w.disk
	n := d.durable + w.r.IntN(len(d.notes)-d.durable+1)
	for i := n; i > d.durable && w.r.IntN(8) != 0; i-- {
		if one := &d.notes[i-1]; one.kind == noteAppend && one.f.seq <= w.srv.boxes[one.dev].shown {
			n = i - 1 // somebody has seen it
			break
		}
	}
	for n > d.durable && n < len(d.notes) && d.sameTurn(n) && w.rules.has(TurnWhole) {
		n--
	}
	return n
}

// rebuild puts the journal on top of the offline store. It returns the messages that the journal drops: whether their second
// ticks were told is not known.
func (w *world) rebuild(kept int) (states [devices]saved, again []part) {
	d := &w.disk
	for i := range states {
		states[i] = d.base[i]
		states[i].entries = append([]frame(nil), d.base[i].entries...)
	}
	for i := range d.notes[:kept] {
		n := &d.notes[i]
		for _, f := range states[n.dev].apply(n, w.rules) {
			again = append(again, part{kind: delivered, dev: f.peer, from: n.dev, gen: f.gen, first: f.cseq, last: f.cseq})
		}
	}
	return states, again
}

// rise starts the next process.
func (w *world) rise(clean bool, states [devices]saved) {
	d := &w.disk
	owner, ownerKept, inc := d.ownerKept, d.ownerKept, w.srv.inc
	if !clean && w.rules.has(SeqEpochRaised) {
		owner++
	}
	if w.rules.has(EpochRaisedFirst) {
		ownerKept = owner
	}
	if !clean && !w.rules.has(IncarnationKept) {
		inc++
	}
	*d = disk{owner: owner, ownerKept: ownerKept, base: states}
	w.srv = server{inc: inc, era: w.srv.era + 1, nonces: w.srv.nonces}
	for l := range loops {
		d.turns[l] = 1
	}
	for i := range w.srv.boxes {
		w.srv.boxes[i].load(w, i, states[i])
	}
}

// tellAgain makes second ticks of what the journal has dropped. They are durable before the journal goes.
func (w *world) tellAgain(again []part) {
	if !w.rules.has(SecondTickAgain) {
		return
	}
	for _, p := range again {
		w.srv.boxes[p.dev].takeReceipt(p)
		w.settle(home(p.dev))
	}
	if !w.rules.has(SecondTickBeforeDrop) {
		return
	}
	w.diskCatchesUp()
	for i := range w.srv.boxes {
		w.disk.base[i], w.disk.baseAt[i] = w.srv.boxes[i].save(), len(w.disk.notes)
	}
	w.applySlices()
}

// judge notes what has become of the messages: the disk has no excuse for what was promised.
func (w *world) judge(states *[devices]saved) {
	for id := range w.msgs {
		m := &w.msgs[id]
		sender, box := &states[m.from], &states[m.to]
		settled := m.ticked || sender.gen == m.gen && sender.mark >= m.cseq
		if m.stored {
			m.stored = m.storedSeq <= box.acked || box.holds(m.storedSeq)
		}
		if m.rejected {
			m.rejected = m.rejectedSeq <= sender.acked || sender.holds(m.rejectedSeq)
		}
		if settled && m.storedEra == w.srv.era {
			m.storedEra++
		}
		m.again = m.again || !settled && m.refusedForGood
	}
}

func (s *saved) holds(seq uint64) bool {
	for _, f := range s.entries {
		if f.seq == seq {
			return true
		}
	}
	return false
}

// untold excuses second ticks for which there was no room, or nobody.
func (w *world) untold(p part) {
	for i := range w.msgs {
		m := &w.msgs[i]
		if m.from == p.dev && m.to == p.from && m.gen == p.gen && m.cseq >= p.first && m.cseq <= p.last {
			m.untold = true
		}
	}
}
