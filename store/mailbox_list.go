package store

// The entries of a mailbox are a list, of which the table knows the first. They come at its end and go at its beginning; what is restored from disk
// may come anywhere.

// link puts an entry into its mailbox, before another one; next 0: behind all.
func (m *Mailboxes) link(spot *mailboxSpot, slot uint32, body *entryBody, next uint32) {
	if spot.first == 0 {
		body.prev = slot
		m.table.put(spot, slot)
		return
	}
	after := spot.first // prev of the first is the last
	if next != 0 {
		after = next
	}
	neighbour := m.bodies.At(after)
	body.next, body.prev = next, neighbour.prev
	neighbour.prev = slot
	if next == spot.first {
		m.table.put(spot, slot)
		return
	}
	m.bodies.At(body.prev).next = slot
}

// removeFirst takes the first entry out and lets its payload go.
func (m *Mailboxes) removeFirst(spot *mailboxSpot, body *entryBody) {
	slot := spot.first
	if body.next == 0 {
		m.table.remove(spot)
	} else {
		m.bodies.At(body.next).prev = body.prev
		m.table.put(spot, body.next)
	}
	if body.seq%seekEvery == 0 {
		m.tree.DeleteHint(body.key(slot), &m.hint)
	}
	if body.blob != 0 {
		m.payloads.Free(body.blob)
	}
	m.bodies.Free(slot)
}

// lookUp is the slot of an entry; 0: there is none.
func (m *Mailboxes) lookUp(k *Key) uint32 {
	if k.User > UserMax {
		return 0
	}
	first := m.find(k.User, k.Device).first
	if first == 0 {
		return 0
	}
	if slot := m.seek(first, k.Seq); slot != 0 && m.bodies.At(slot).seq == k.Seq {
		return slot
	}
	return 0
}

// seek is the first entry of a mailbox with that seq or a higher one; 0: there is none. It looks from both ends, for that is where entries are asked
// for, and when that takes too long, from the last entry before that is in the tree.
func (m *Mailboxes) seek(first uint32, seq uint64) uint32 {
	front := m.bodies.At(first)
	slot, last := first, front.prev
	for step := 0; ; step++ {
		if front.seq >= seq {
			return slot
		}
		back := m.bodies.At(last)
		if back.seq < seq {
			return back.next
		}
		slot, last = front.next, back.prev
		if step == seekSteps {
			if near := m.floor(front, seq); near != 0 && m.bodies.At(near).seq > front.seq {
				slot = near
			}
		}
		front = m.bodies.At(slot)
	}
}

// floor is the last entry of a mailbox that is in the tree and has at most that seq; 0: there is none.
func (m *Mailboxes) floor(of *entryBody, seq uint64) uint32 {
	key := newKey(of.user, of.device, seq)
	m.at.Init(m.tree, false)
	found := m.at.SeekHint(key, &m.hint) // endKey at the latest
	if found && (!m.at.Item().sameDevice(key) || m.at.Item().seq() > seq) {
		found = m.at.Prev()
	}
	if !found || !m.at.Item().sameDevice(key) {
		return 0
	}
	return m.at.Item().slot()
}
