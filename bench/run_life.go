package bench

import (
	"context"
	"math"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/netpoll"
)

// OnOpen logs in. On the plain transport each attempt has an epoch of its own, as the encrypted one's have.
func (p *people) OnOpen(id netpoll.ConnID, info netpoll.OpenInfo) {
	if index := indexOf(info); p.veil == nil {
		if d, ok := p.devices[index]; ok {
			d.epoch++
			p.devices[index] = d
		}
	}
	p.sessionLoop.OnOpen(id, info)
}

// ready implements sessionWatch: a user is there. What it has to send goes out, from behind what the server has.
func (p *people) ready(s *session, v codec.Success) {
	u, now := p.local(s), p.clock.now()
	f := &p.folk[u]
	p.n[countLogins]++
	if f.state == citizenComing {
		p.n[countComing]--
	}
	d := p.devices[s.index]
	if f.last > 0 {
		p.n[countReturned]++
		if d.seen == 0 {
			p.fail("the server has lost its data: its incarnation changed")
			p.n[countLostData]++
			f.last = 0
		}
	}
	s.seen, s.acked = f.last, f.last
	f.state, f.conn, f.since, f.tries, f.sent, f.held = citizenThere, s.id, now, 0, 0, false
	bySize := max(int(v.WindowBytes)/max(p.o.Bytes, 1), 1)
	f.window = uint32(max(min(int(v.WindowEntries), bySize), 1))
	if f.dueBack > 0 {
		record(p.back, now-f.dueBack)
		f.dueBack = 0
		p.n[countBack]--
	}
	p.tick(u, f, v.UpHigh, now)
	p.greetCell(u, f)
	p.push(u, f, now)
	if p.registering {
		p.n[countRegistered]++
		p.leave(u, f)
	}
}

// greetCell asks for the presence of those whom a user knows, and says that it looks.
func (p *people) greetCell(u int, f *citizen) {
	if p.o.State == 0 || p.registering {
		return
	}
	v := codec.Subscribe{Op: 1}
	for pos := range p.o.Cell {
		if peer := p.userAt(u, pos); peer != u {
			v.N++
			v.Peers = v.Peers.Append(p.first + uint64(p.index(peer)))
		}
	}
	frames, err := codec.AppendSubscribe(p.frames[:0], &v)
	if p.frames = frames; err != nil {
		p.fail("encode SUBSCRIBE: %v", err)
		return
	}
	p.n[countSubscribed]++
	p.send(f.conn, frames)
	p.state(f, 1)
}

// OnClose notes who is gone. A session that the server or the network ended comes back after a while.
func (p *people) OnClose(id netpoll.ConnID, reason netpoll.CloseReason) {
	s := &p.slots[id.Slot()]
	p.sessionLoop.counts.open.Add(-1)
	if s.state == sessionReady {
		p.sessionLoop.counts.ready.Add(-1)
	}
	if p.veil != nil {
		delete(p.veil.pending, id)
	}
	if s.state != sessionReady && !s.cut {
		p.fleet.dial.release()
	}
	u := p.local(s)
	f := &p.folk[u]
	p.keep(s.index, f)
	wanted := s.state == sessionAway && !s.cut // comeBack has asked for another connection
	s.state, f.conn = sessionEnded, 0
	if f.stalled {
		f.stalled = false
		p.n[countStalled]--
	}
	switch {
	case f.state == citizenLeaving:
		f.state = citizenAway
		p.away = append(p.away, uint32(u))
		p.n[countLeft]++
	case reason == netpoll.ReasonShutdown, f.state == citizenDenied, wanted, s.cut:
	default:
		p.closed(u, f)
	}
}

// closed has a user come back whose connection somebody else has ended.
func (p *people) closed(u int, f *citizen) {
	if f.state != citizenThere {
		p.n[countRefused]++ // no answer is the shortest refusal of a login
	} else {
		p.n[countClosed]++
		f.state = citizenComing
		p.n[countComing]++
		f.wasCut = true
	}
	pause := min(int64(runRetryMin)<<min(f.tries, 10), int64(runRetryMax))
	f.tries = min(f.tries+1, math.MaxUint8-1)
	p.fleet.recall.add(p.index(u), p.clock.now()+pause/2+p.rng.Int64N(pause))
}

// keep notes what a device needs to come back.
func (p *people) keep(index uint32, f *citizen) {
	if d, ok := p.devices[index]; ok {
		d.seen, d.ticked = max(d.seen, f.last), max(d.ticked, f.mark)
		p.devices[index] = d
	}
}

// leave ends a user's session.
func (p *people) leave(u int, f *citizen) {
	if p.o.State > 1 && !p.registering {
		p.state(f, 0)
	}
	f.state = citizenLeaving
	s := &p.slots[f.conn.Slot()]
	p.sessionLoop.counts.ready.Add(-1)
	s.state, s.cut = sessionAway, true
	p.loop.CloseFlush(s.id, dialTimeout)
}

// coming says that a user is on its way.
func (p *people) coming(u int) uint32 {
	if f := &p.folk[u]; f.state == citizenAway {
		f.state = citizenComing
		p.n[countComing]++
	}
	return p.index(u)
}

// swap has one user leave and another come.
func (p *people) swap(now int64) {
	if len(p.away) == 0 {
		return
	}
	gone, ok := p.pick(func(f *citizen) bool { return f.state == citizenThere && len(f.outbox) == 0 && !f.stalled })
	if !ok {
		return
	}
	at := p.rng.IntN(len(p.away))
	u := int(p.away[at])
	p.away[at] = p.away[len(p.away)-1]
	p.away = p.away[:len(p.away)-1]
	p.leave(gone, &p.folk[gone])
	p.fleet.recall.add(p.coming(u), now)
}

// register lists those who are to be away: they come once, so that the server knows them, and leave.
func (p *people) register() []uint32 {
	p.registering = true
	list := make([]uint32, 0, len(p.away))
	for _, u := range p.away {
		list = append(list, p.coming(int(u)))
	}
	p.away = p.away[:0]
	return list
}

// come lists those who are to be there.
func (p *people) come() []uint32 {
	p.registering = false
	list := make([]uint32, 0, p.o.Connections)
	for u := range p.folk {
		if f := &p.folk[u]; f.state == citizenAway && !p.awayFirst(u) {
			list = append(list, p.coming(u))
		}
	}
	return list
}

// fetch lists those who are away and have not got everything. For each of them one leaves who has, so that no more are there than before.
func (p *people) fetch() []uint32 {
	p.looked.sentTo, p.looked.sentAll = append(p.looked.sentTo[:0], p.sentTo...), append(p.looked.sentAll[:0], p.sentAll...)
	var list []uint32
	left := p.away[:0]
	for _, u := range p.away {
		if p.missing(int(u)) > 0 {
			list = append(list, p.coming(int(u)))
		} else {
			left = append(left, u)
		}
	}
	p.away = left
	p.makeRoom(len(list))
	return list
}

// makeRoom has n users leave who have everything, or as many as there are.
func (p *people) makeRoom(n int) {
	for u := range p.folk {
		if n == 0 {
			return
		}
		if f := &p.folk[u]; f.state == citizenThere && len(f.outbox) == 0 && p.missing(u) == 0 {
			p.leave(u, f)
			n--
		}
	}
}

// cut ends the sessions of all who do not talk, and lists them.
func (p *people) cut(now int64) []uint32 {
	var list []uint32
	for u := p.o.Talk * p.o.Cell; u < len(p.folk); u++ {
		f := &p.folk[u]
		if f.state != citizenThere {
			continue
		}
		p.keep(p.index(u), f)
		p.cutOne(&p.slots[f.conn.Slot()])
		f.state, f.conn, f.dueBack = citizenComing, 0, now
		p.n[countComing]++
		p.n[countBack]++
		p.n[countCut]++
		list = append(list, p.index(u))
	}
	return list
}

// stall has the readers of the first cells stop reading.
func (p *people) stall() {
	for cell := range p.o.Stalled {
		f := &p.folk[cell*p.o.Cell+1]
		if f.state == citizenThere && !f.stalled {
			f.stalled = true
			p.n[countStalled]++
			p.loop.Pause(f.conn)
		}
	}
}

// unstall has them read on.
func (p *people) unstall() {
	for cell := range p.o.Stalled {
		if f := &p.folk[cell*p.o.Cell+1]; f.stalled {
			f.stalled = false
			p.n[countStalled]--
			p.loop.Resume(f.conn)
		}
	}
}

// makeGroups asks for the groups of cells that have none, a few at a time.
func (p *people) makeGroups() {
	for ; p.asked < len(p.groups) && p.asked-int(p.n[countGroups]) < runGroupsAhead; p.asked++ {
		if !p.askGroup(p.asked) {
			p.fail("no user of circle %d is there to make its group", p.asked)
		}
	}
}

// askGroup has the first user of a cell who is there make its group. The request's number says for which cell it is: twice its number and 1, and 2 for
// the one that adds the others.
func (p *people) askGroup(cell int) bool {
	for pos := range p.o.Cell {
		u := cell*p.o.Cell + pos
		if p.folk[u].state == citizenThere {
			p.ask(u, &iq.Request{Ref: uint32(2*cell + 1), Op: iq.OpGroupCreate, Token: p.first + uint64(p.index(u)), Text: "bench"})
			return true
		}
	}
	return false
}

func (p *people) ask(u int, q *iq.Request) {
	frame, err := iq.AppendRequest(p.frames[:0], q)
	if err != nil {
		p.fail("encode a request: %v", err)
		return
	}
	p.send(p.folk[u].conn, frame)
}

// answered takes the answers of makeGroups; notices have no number.
func (p *people) answered(s *session, f codec.Frame) error {
	var a iq.Answer
	var n iq.Notice
	notice, err := iq.ParseReply(&p.tape, f, &a, &n)
	if err != nil || notice || a.Ref == 0 {
		return err
	}
	cell := int(a.Ref-1) / 2
	if a.Code != 0 || len(a.Outcomes) > 0 || cell >= len(p.groups) {
		p.fail("the group of circle %d: the server answered with code %d %s, %d users refused", cell, a.Code, a.Text, len(a.Outcomes))
		p.n[countDenied]++
		return nil
	}
	if a.Ref%2 == 0 {
		p.n[countGroups]++
		p.makeGroups()
		return nil
	}
	p.groups[cell] = a.Group.Group
	q := iq.Request{Ref: a.Ref + 1, Op: iq.OpGroupAdd, Group: a.Group.Group}
	for pos := range p.o.Cell {
		if u := cell*p.o.Cell + pos; u != p.local(s) {
			q.Users = append(q.Users, p.first+uint64(p.index(u)))
		}
	}
	p.ask(p.local(s), &q)
	return nil
}

// atOnce has bring begin all connections without a pause, whether those before are logged in or not.
const atOnce = -1

// bring makes connections of the listed users, so many a second; 0: as fast as they log in. It returns when all are begun or ctx ends.
func (p *people) bring(ctx context.Context, list []uint32, perSecond float64) {
	switch {
	case perSecond == atOnce:
		p.fleet.recall.addPaced(list, p.clock.now(), 0)
		return
	case perSecond > 0:
		p.fleet.recall.addPaced(list, p.clock.now(), time.Duration(float64(time.Second)/perSecond))
		return
	}
	from := p.o.From
	err := p.fleet.dial.run(ctx, from, from+len(list), func(fd, k int) error { return p.fleet.handOver(ctx, fd, int(list[k-from]), 0) })
	if err != nil && ctx.Err() == nil {
		p.fail("%v", err)
		p.broken.CompareAndSwap(nil, &err)
	}
}
