package model

// checkReceipt holds a second tick against the truth: every message of the range that this client wrote to that peer was
// stored, or was rejected. Of one whose answer was lost that can't be said.
func (w *world) checkReceipt(c *client, f frame) {
	if f.last < f.cseq {
		w.failf("a receipt for device %d says %d to %d", c.dev, f.cseq, f.last)
	}
	for i := range w.msgs {
		m := &w.msgs[i]
		if m.forgotten || m.life != c.life || m.cseq < f.cseq || m.cseq > f.last || m.to != f.peer && w.rules.has(ReceiptToPeer) {
			continue
		}
		m.second = true
		if !m.stored && !m.refusedForGood && !m.excused && !m.givenBack && (w.mode != Disk || m.storedEra == 0) {
			w.failf("second tick for cseq %d of device %d, which was not stored", m.cseq, c.dev)
		}
	}
}

// others says whether its device ever had another client. Such a one may have taken the first entry of a message of which a
// crash has made two.
func (w *world) others(c *client) bool {
	for _, o := range w.clients {
		if o.dev == c.dev && o != c && o.greeted {
			return true
		}
	}
	return false
}

// checkStale: only another client may end one for good.
func (w *world) checkStale(c *client) {
	if w.others(c) {
		return
	}
	w.failf("the only client that device %d ever had was told not to come back", c.dev)
}

// lastLook is taken when all is calm.
func (w *world) lastLook() {
	if w.err != nil {
		return
	}
	if !w.quiet() {
		w.failf("not quiet after %d rounds: %s", calmRounds, w.unrest())
		return
	}
	shownTo := make([]int, len(w.msgs))     // lives of the recipient that show it
	rejectedTo := make([]bool, len(w.msgs)) // its writer shows the rejection
	for _, c := range w.clients {
		w.checkScreen(c, shownTo, rejectedTo)
	}
	for i := range w.msgs {
		w.checkFate(&w.msgs[i], shownTo[i] > 0, rejectedTo[i])
	}
}

// unrest says what is left over.
func (w *world) unrest() string {
	for _, c := range w.clients {
		if c.alive() && len(c.mem.outbox) > 0 {
			return "an outbox is not empty"
		}
		if c.alive() && !c.open {
			return "a client can't log in"
		}
	}
	return "a mailbox is not empty"
}

// checkScreen looks for what is shown twice or out of order. What a crashed client had not persisted was never shown.
func (w *world) checkScreen(c *client, shownTo []int, rejectedTo []bool) {
	seen := map[shown]bool{}
	newest := map[int]uint64{} // by life of the writer
	for _, line := range c.disk.screen {
		m := &w.msgs[line.msg]
		if seen[line] {
			w.failf("cseq %d of device %d is shown twice to device %d (rejection: %v)", m.cseq, m.from, c.dev, line.rejected)
		}
		seen[line] = true
		if line.rejected {
			rejectedTo[line.msg] = true
			continue
		}
		shownTo[line.msg]++
		if m.cseq < newest[m.life] && !m.again && !(m.twice && w.others(c)) {
			w.failf("cseq %d of device %d is shown after %d to device %d", m.cseq, m.from, newest[m.life], c.dev)
		}
		newest[m.life] = max(newest[m.life], m.cseq)
	}
}

// checkFate: a ticked message was shown, or rejected and its writer knows, or went with the data; and only one of these.
func (w *world) checkFate(m *message, isShown, isRejected bool) {
	writer := w.clients[m.life]
	switch {
	case isShown && isRejected && !m.mayBeBoth:
		w.failf("cseq %d of device %d is shown and rejected", m.cseq, m.from)
	case !m.ticked || isShown || isRejected || m.excused:
	case !m.rejected:
		w.failf("cseq %d of device %d was ticked and is lost", m.cseq, m.from)
	case writer.alive() && !m.toldOther:
		w.failf("cseq %d of device %d was rejected and its writer does not know", m.cseq, m.from)
	}
	if w.mode == Disk && m.fetched && !m.second && !m.untold && !isRejected && writer.alive() && writer.mem.gen == w.srv.boxes[m.from].gen {
		w.failf("cseq %d of device %d was fetched and its writer never hears of it", m.cseq, m.from)
	}
}
