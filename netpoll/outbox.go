package netpoll

// Post copies msg for another loop (or this one), FIFO for each pair; it leaves at the end of the turn and not before: nobody can
// take it up before OnTick has seen the turn whole.
// ErrInboxFull only above the hard limit of limits.go; callers who can wait look at Credit first.
func (l *Loop) Post(to int, msg []byte) error {
	if uint(to) >= uint(len(l.outboxes)) {
		return ErrLoopUnknown
	}
	if len(msg) > MessageBytesMax {
		return ErrMessageTooLarge
	}
	o := &l.outboxes[to]
	size := int64(recordHead + len(msg))
	if o.posted+size > o.ceiling && !l.roomAt(to, size) {
		return ErrInboxFull
	}
	if o.p != nil && len(o.p.buf) > 0 && len(o.p.buf)+int(size) > parcelBytesJoined {
		o.next()
	}
	p := l.outParcel(o, to)
	p.buf = appendMessage(p.buf, msg)
	o.posted += size
	l.meters[meterMessagesOut]++
	return nil
}

// Credit is how many bytes may be posted to a loop before InboxBytesMax is reached; 0 or less: wait for a later turn.
// A message counts with 4 bytes more than it has. An unknown loop has none.
func (l *Loop) Credit(to int) int {
	if uint(to) >= uint(len(l.outboxes)) {
		return 0
	}
	return l.r.cfg.InboxBytesMax - int(l.outboxes[to].posted-l.r.drained(to, l.index).Load())
}

// outbox is what this turn sends to one loop.
type outbox struct {
	p       *parcel   // nil or empty: nothing yet
	full    []*parcel // go before p; parcels that grow no further can be used again
	spare   []*parcel // empty, for the next turn that fills more than one
	posted  int64     // bytes ever posted
	ceiling int64     // posted may grow up to here without another look at what the other loop has taken
}

// next begins another parcel behind one that is full.
func (o *outbox) next() {
	o.full = append(o.full, o.p)
	o.p = nil
	if n := len(o.spare); n > 0 {
		o.p, o.spare[n-1] = o.spare[n-1], nil
		o.spare = o.spare[:n-1]
	}
}

// roomAt looks anew whether size bytes stay below the hard limit.
func (l *Loop) roomAt(to int, size int64) bool {
	o := &l.outboxes[to]
	o.ceiling = l.r.drained(to, l.index).Load() + inboxHardFactor*int64(l.r.cfg.InboxBytesMax)
	return o.posted+size <= o.ceiling
}

// outParcel is the newest parcel that goes to a loop at the end of this turn.
func (l *Loop) outParcel(o *outbox, to int) *parcel {
	if o.p == nil {
		o.p = &parcel{}
	}
	if len(o.p.buf) == 0 {
		o.p.from = l.index
		l.outDirty = append(l.outDirty, to)
	}
	return o.p
}

// flushOutboxes hands in what was posted in this turn: for each target one lock and at most one wake.
func (l *Loop) flushOutboxes() {
	for _, to := range l.outDirty {
		o := &l.outboxes[to]
		if len(o.p.buf) == 0 {
			continue // handed in: it is on the list once for each parcel
		}
		for i, p := range o.full {
			o.full[i] = nil
			if empty := l.handIn(p, to); len(o.spare) < parcelsHeld {
				o.spare = append(o.spare, empty)
			}
		}
		o.full = o.full[:0]
		o.p = l.handIn(o.p, to)
	}
	l.outDirty = l.outDirty[:0]
}

// handIn gives a loop a parcel that is for it, and takes an empty one. When that loop has ended, what is in it is lost: the reactor goes down.
func (l *Loop) handIn(p *parcel, to int) (empty *parcel) {
	empty, ring, ok := l.r.loops[to].inbox.put(p)
	if !ok {
		l.r.loseParcel(to, p)
		p.buf, p.at = p.buf[:0], 0
		return p
	}
	if ring && to != l.index {
		l.meters[meterWakes]++
		l.r.wake(to)
	}
	return empty
}

// drainInbox delivers what other loops have sent, up to the turn's budget.
func (l *Loop) drainInbox() {
	if l.arrivedAt == len(l.arrived) && !l.takeInbox() {
		return
	}
	messages, bytes := MessageTurnMax, MessageTurnBytesMax
	for l.arrivedAt < len(l.arrived) && messages > 0 && bytes > 0 {
		p := l.arrived[l.arrivedAt]
		start := p.at
		for messages > 0 && bytes > 0 {
			kind, body, ok := p.next()
			if !ok {
				break
			}
			messages--
			bytes -= len(body)
			l.deliverRecord(p.from, kind, body)
		}
		l.light = l.light && messages > MessageTurnMax-lightTurnMessages
		l.credit(p.from, int64(p.at-start))
		if p.at < len(p.buf) {
			return
		}
		l.arrivedAt++
	}
}

// takeInbox fetches what waits in the inbox, runs the commands and gives the parcels back that were read.
func (l *Loop) takeInbox() bool {
	if !l.inbox.waits.Load() {
		return false
	}
	queue, commands := l.inbox.take(l.arrivedSpare, l.arrived)
	clear(l.arrived)
	l.arrivedSpare, l.arrived, l.arrivedAt = l.arrived[:0], queue, 0
	for _, f := range commands {
		f()
	}
	return true
}

// deliverRecord hands one record to the handler, or a connection to its slot.
func (l *Loop) deliverRecord(from int, kind uint32, body []byte) {
	if kind == recordConn {
		p := parsePassage(body)
		l.arrive(&p)
		return
	}
	l.meters[meterMessagesIn]++
	l.call(callMessage, 0, body, from)
}

// credit tells a sender that n bytes of its own have been taken.
func (l *Loop) credit(from int, n int64) {
	if from < 0 {
		l.inbox.external.Add(-n)
		return
	}
	d := l.r.drained(l.index, from)
	d.Store(d.Load() + n)
}
