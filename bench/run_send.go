package bench

import (
	"slices"

	"trunkline/codec"
)

// start begins messages and comings and goings.
func (p *people) start() {
	at := p.clock.now() + int64(paceLead)
	p.messages.begin(at, p.o.Rate)
	p.swaps.begin(at, p.o.Logins)
}

// stop sends nothing new; what users have to send still goes out.
func (p *people) stop() { p.messages.running, p.swaps.running, p.ended = false, false, true }

// issue does what is due.
func (p *people) issue(now int64) {
	for range runBurstMax {
		at, k, ok := p.messages.due(now)
		if !ok {
			break
		}
		p.writeOne(at, k, now)
	}
	for range runBurstMax {
		if _, _, ok := p.swaps.due(now); !ok {
			break
		}
		p.swap(now)
	}
	p.unhold(now)
}

// writeOne has somebody write the message that was due.
func (p *people) writeOne(at int64, k uint64, now int64) {
	if p.o.Mixed == 0 {
		p.write(int(k%uint64(p.o.Talk))*p.o.Cell, 1, at, now)
		return
	}
	u, ok := p.pick(func(f *citizen) bool { return f.state == citizenThere })
	if !ok {
		p.n[countUnsent]++
		return
	}
	if p.o.GroupShare > 0 && p.rng.Float64() < p.o.GroupShare && p.groups[u/p.o.Cell] != 0 {
		p.write(u, letterGroup, at, now)
		return
	}
	pos := p.rng.IntN(p.o.Cell - 1)
	if pos >= u%p.o.Cell {
		pos++
	}
	if p.o.Typing > 0 && p.rng.Float64() < p.o.Typing {
		p.typing(u, pos)
	}
	p.write(u, pos, at, now)
}

// pick draws a user who suits.
func (p *people) pick(suits func(f *citizen) bool) (u int, ok bool) {
	for range runPicks {
		if u = p.rng.IntN(len(p.folk)); suits(&p.folk[u]) {
			return u, true
		}
	}
	return 0, false
}

// write puts a message into a user's outbox, and sends it when the window allows.
func (p *people) write(u, pos int, at, now int64) {
	f := &p.folk[u]
	if len(f.outbox) >= runOutboxMax || f.state == citizenDenied {
		p.n[countUnsent]++
		return
	}
	l := letter{at: at, pos: uint8(pos)}
	if pos == letterGroup {
		p.sentAll[u]++
		l.seq = p.sentAll[u]
		p.n[countExpected] += int64(p.o.Cell - 1)
	} else {
		p.sentTo[u*p.o.Cell+pos]++
		l.seq = p.sentTo[u*p.o.Cell+pos]
		p.n[countExpected]++
	}
	p.n[countSent]++
	p.enqueue(u, f, l, now)
}

func (p *people) enqueue(u int, f *citizen, l letter, now int64) {
	f.outbox = append(f.outbox, l)
	p.n[countWaiting]++
	if f.state == citizenThere {
		p.push(u, f, now)
	}
}

// push sends what the window lets go.
func (p *people) push(u int, f *citizen, now int64) {
	for !f.held && f.conn != 0 && f.sent < f.window && int(f.sent) < len(f.outbox) {
		p.frames = p.frames[:0]
		for f.sent < f.window && int(f.sent) < len(f.outbox) && len(p.frames) < runFramesMax {
			l := &f.outbox[f.sent]
			f.sent++
			p.encode(u, l, f.mark+uint64(f.sent))
			if s := p.spanOf(l.at); s != nil && !l.ack && !p.stalls(u) {
				record(s.late, now-l.at)
			}
		}
		p.send(f.conn, p.frames)
	}
}

// encode appends an outbox entry to the frames.
func (p *people) encode(u int, l *letter, cseq uint64) {
	var err error
	to := codec.Send{Cseq: cseq, N: 1}
	switch {
	case l.ack:
		peer := p.first + uint64(p.index(p.userAt(u, int(l.pos))))
		p.frames, err = codec.AppendReceipt(p.frames, &codec.Receipt{Seq: cseq, Kind: codec.ReceiptRead, Gen: l.gen, Peer: peer, First: l.id, Last: l.id})
	case l.pos == letterGroup:
		to.To, to.Flags = p.groups[u/p.o.Cell], codec.FlagGroup
		p.payload.fill(p.blob, sealOf(u, letterGroup, p.o.Cell), payload{seq: l.seq, at: l.at})
	default:
		to.To = p.first + uint64(p.index(p.userAt(u, int(l.pos))))
		p.payload.fill(p.blob, sealOf(u, int(l.pos), p.o.Cell), payload{seq: l.seq, at: l.at})
	}
	if !l.ack {
		p.parts = p.parts[:0].Append(codec.Part{Blob: p.blob})
		to.Parts = p.parts
		p.frames, err = codec.AppendSend(p.frames, &to)
	}
	if err != nil {
		p.fail("encode a message: %v", err)
	}
}

// sealOf is the number that goes into the checksum of a stream's payloads: a message that comes to the wrong user is seen.
func sealOf(from, pos, cell int) uint32 {
	if pos == letterGroup {
		return ^uint32(from)
	}
	return uint32(from*cell + pos)
}

// typing says that u writes.
func (p *people) typing(u, pos int) {
	frame, err := codec.AppendTyping(p.frames[:0], &codec.Typing{Peer: p.first + uint64(p.index(p.userAt(u, pos))), State: 1})
	if p.frames = frame; err != nil {
		p.fail("encode TYPING: %v", err)
		return
	}
	p.n[countTypingSent]++
	p.send(p.folk[u].conn, frame)
}

// state says that a user looks, or has put its device away.
func (p *people) state(f *citizen, active uint8) {
	p.n[countStateSent]++
	p.frames, _ = codec.AppendState(p.frames[:0], &codec.State{Active: active}) // 0 or 1, no extensions
	p.send(f.conn, p.frames)
}

// hold waits as long as the server asked.
func (p *people) hold(u int, f *citizen, until int64) {
	f.heldUntil = until
	if !f.held {
		f.held = true
		p.unheld = append(p.unheld, uint32(u))
	}
}

// unhold goes on with users whose pause is over.
func (p *people) unhold(now int64) {
	p.unheld = slices.DeleteFunc(p.unheld, func(u uint32) bool {
		f := &p.folk[u]
		if f.heldUntil > now {
			return false
		}
		f.held = false
		if f.state == citizenThere {
			p.push(int(u), f, now)
		}
		return true
	})
}
