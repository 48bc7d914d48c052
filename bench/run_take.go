package bench

import (
	"trunkline/codec"
)

// frame implements sessionWatch.
func (p *people) frame(s *session, f codec.Frame, now int64) error {
	u := p.local(s)
	switch f.Kind {
	case codec.KindDeliver:
		v, err := codec.ParseDeliver(f)
		if err == nil {
			p.delivered(u, &v, now)
		}
		return err
	case codec.KindAck:
		v, err := codec.ParseTick(f)
		if err == nil {
			p.ticked(u, v.UpHigh, now)
		}
		return err
	case codec.KindReceipt:
		v, err := codec.ParseReceipt(f)
		if err == nil {
			p.told(u, &v)
		}
		return err
	case codec.KindTyping:
		p.n[countTypingGot]++
	case codec.KindPresence:
		p.n[countPresenceGot]++
	case codec.KindNode:
		return p.answered(s, f)
	}
	return nil
}

// delivered checks one message.
func (p *people) delivered(u int, v *codec.Deliver, now int64) {
	f := &p.folk[u]
	if v.Seq != 0 && v.Seq <= f.last {
		return // the device has it: what was told twice because an ACK was lost on the way
	}
	f.last = max(f.last, v.Seq)
	if v.Kind == codec.PayloadGroupEvent || v.Kind == codec.PayloadGroupPlace {
		return
	}
	from := int(v.From) - int(p.first) - p.o.From
	if from < 0 || from >= len(p.folk) || from/p.o.Cell != u/p.o.Cell || from == u {
		p.n[countCorrupted]++
		return
	}
	all := v.Flags&codec.FlagGroup != 0
	pos, sent := u%p.o.Cell, uint32(0)
	if all {
		pos = letterGroup
	}
	m, ok := p.payload.parse(v.Blob, sealOf(from, pos, p.o.Cell))
	if !ok || all && (p.groups == nil || v.Group != p.groups[u/p.o.Cell]) {
		p.n[countCorrupted]++
		return
	}
	got, key := p.gotFrom, uint64(u*p.o.Cell+from%p.o.Cell)<<1
	if all {
		got, key, sent = p.gotAll, key|1, p.sentAll[from]
	} else {
		sent = p.sentTo[from*p.o.Cell+pos]
	}
	if !p.count(f, p.check(got, u*p.o.Cell+from%p.o.Cell, key, m.seq, sent)) {
		return
	}
	p.arrived(u, f, m.at, now)
	if !all && p.o.Read > 0 && f.state == citizenThere && !p.ended && p.rng.Float64() < p.o.Read {
		p.n[countReadsSent]++
		p.enqueue(u, f, letter{at: now, id: v.ID, gen: v.Gen, pos: uint8(from % p.o.Cell), ack: true}, now)
	}
}

// arrived measures a message that is new. What was due before its reader was there waited for the reader.
func (p *people) arrived(u int, f *citizen, due, now int64) {
	if due < f.since {
		p.n[countFetched]++
		return
	}
	if s := p.spanOf(due); s != nil && !p.stalls(u) {
		record(s.latency, now-due)
	}
}

// check holds a message against its stream: `last` numbers are kept in got, streams with gaps in odd.
func (p *people) check(got []uint32, at int, key uint64, seq, sent uint32) verdict {
	st := p.odd[key]
	if st == nil {
		if seq == got[at]+1 && seq <= sent {
			got[at] = seq
			return inOrder
		}
		st = &stream{next: got[at] + 1}
		p.odd[key] = st
	}
	v := st.take(seq, sent)
	got[at] = max(st.next, 1) - 1
	return v
}

// count adds a verdict; false: the message is not new.
func (p *people) count(f *citizen, v verdict) bool {
	switch v {
	case inOrder, ahead:
		p.n[countDelivered]++
		return true
	case late:
		p.n[countDelivered]++
		p.n[countReordered]++
		return true
	case repeated:
		if f.wasCut {
			p.n[countRedelivered]++
		} else {
			p.n[countDuplicated]++
		}
	case fabricated:
		p.n[countCorrupted]++
	}
	return false
}

// ticked takes a first tick: everything up to upHigh leaves the outbox.
func (p *people) ticked(u int, upHigh uint64, now int64) {
	f := &p.folk[u]
	p.tick(u, f, upHigh, now)
	p.push(u, f, now)
}

func (p *people) tick(u int, f *citizen, upHigh uint64, now int64) {
	if upHigh > f.mark+uint64(len(f.outbox)) {
		p.fail("first tick %d for a user that has sent %d", upHigh, f.mark+uint64(len(f.outbox)))
		p.n[countCorrupted]++
		return
	}
	if upHigh <= f.mark {
		return
	}
	n := int(upHigh - f.mark)
	for i := range n {
		l := &f.outbox[i]
		if s := p.spanOf(l.at); s != nil && !l.ack && !p.stalls(u) {
			record(s.tick, now-l.at)
		}
	}
	p.n[countTicked] += int64(n)
	p.n[countWaiting] -= int64(n)
	f.mark = upHigh
	f.sent -= min(f.sent, uint32(n))
	if f.outbox = f.outbox[n:]; len(f.outbox) == 0 {
		f.outbox = nil // memory of users who are quiet
	}
}

// told takes receipts: second ticks, read, and rejections.
func (p *people) told(u int, v *codec.Receipt) {
	f := &p.folk[u]
	if v.Seq <= f.last {
		return
	}
	f.last = v.Seq
	n := int64(v.Last-v.First) + 1
	switch v.Kind {
	case codec.ReceiptDelivered:
		p.n[countSecond] += n
	case codec.ReceiptRead:
		p.n[countReadsGot] += n
	case codec.ReceiptRejected:
		p.fail("the server rejected a message with code %d", v.Code)
		if v.Flags&codec.FlagGroup != 0 {
			n *= int64(p.o.Cell - 1)
		}
		p.n[countRejected] += n
	}
}

// refused takes an ERROR; true: it is dealt with.
func (p *people) refused(s *session, v *codec.Error, now int64) bool {
	u := p.local(s)
	f := &p.folk[u]
	switch {
	case s.state == sessionLogin && comesBack(v.Code):
		p.n[countRefused]++
		p.comeBack(s, v.RetryAfterMs)
	case s.state == sessionLogin:
		p.fail("login: the server answered with code %d %s", v.Code, v.Text)
		p.n[countDenied]++
		f.state = citizenDenied
	case v.Code == codec.CodeRateLimited || v.Code == codec.CodeServerFull:
		p.n[countRefused]++
		if v.Ref > f.mark && v.Ref <= f.mark+uint64(f.sent) {
			f.sent = uint32(v.Ref-f.mark) - 1
			p.hold(u, f, now+int64(v.RetryAfterMs)*1e6+1)
		}
	case f.stalled || f.wasCut || p.stalls(u):
		// what a reader that had stopped reads when it reads on: why its session was ended
	default:
		p.fail("the server answered with code %d %s", v.Code, v.Text)
	}
	return true
}

// overdue counts what was sent before the last look, has its first tick, and has not come to users who have been there since. It remembers what was
// sent by now for the next look.
func (p *people) overdue(now int64) int64 {
	var n int64
	if p.looked.at > 0 {
		for u := range p.folk {
			if f := &p.folk[u]; f.state == citizenThere && f.since < p.looked.at && !f.stalled {
				n += p.missing(u)
			}
		}
	}
	p.looked.at = now
	p.looked.sentTo = append(p.looked.sentTo[:0], p.sentTo...)
	p.looked.sentAll = append(p.looked.sentAll[:0], p.sentAll...)
	for u := range p.folk { // what is still in an outbox has no first tick: nothing was promised
		for _, l := range p.folk[u].outbox {
			switch {
			case l.ack:
			case l.pos == letterGroup:
				p.looked.sentAll[u] = min(p.looked.sentAll[u], l.seq-1)
			default:
				at := u*p.o.Cell + int(l.pos)
				p.looked.sentTo[at] = min(p.looked.sentTo[at], l.seq-1)
			}
		}
	}
	return n
}

// snapshot is what had a first tick when it was looked at last.
type snapshot struct {
	at      int64
	sentTo  []uint32
	sentAll []uint32
}

// missing is what user u should have of its cell, and has not.
func (p *people) missing(u int) (n int64) {
	cell := p.o.Cell
	for pos := range cell {
		from := p.userAt(u, pos)
		if from == u {
			continue
		}
		at := u*cell + pos
		n += p.lacking(uint64(at)<<1, p.gotFrom[at], p.looked.sentTo[from*cell+u%cell])
		if p.sentAll != nil {
			n += p.lacking(uint64(at)<<1|1, p.gotAll[at], p.looked.sentAll[from])
		}
	}
	return n
}

// lacking is how many of the first `sent` numbers of a stream have not come.
func (p *people) lacking(key uint64, got, sent uint32) int64 {
	n := int64(sent) - int64(min(got, sent))
	if st := p.odd[key]; st != nil {
		for _, g := range st.gaps {
			n += max(int64(min(g.last, sent))-int64(g.first)+1, 0)
		}
	}
	return n
}
