package testkit

import (
	"encoding/binary"
	"errors"
	"math"

	"trunkline/shard"
)

// Errors of the Host side.
var (
	errOutboundFull = errors.New("testkit: outbound cap reached")
	errInboxFull    = errors.New("testkit: inbox is full")
)

// Loop is one loop of a World: the Host of its shard.
type Loop struct {
	w     *World
	Index int
	Shard *shard.Shard
	Queue *FaultyQueue // what the shard's Config says, behind a fault that can be armed
	// Hook, when set, runs before each call that the shard makes; a panic in it is a panic in the shard.
	Hook func(call string)
	// Panics is what came out of the shard.
	Panics []any

	conns  []*Conn
	gens   []uint32
	inbox  []inbox // by the loop that posted
	wakeAt int64   // 0: none
	fresh  bool    // the first turn is still to come
	moving int     // where the connection of the current call goes to; -1: nowhere
}

// inbox is what one loop has posted to another: messages behind their lengths, or connections that move.
type inbox struct {
	b     []byte
	head  int
	conns []*Conn
}

const movedMark = math.MaxUint32

func (q *inbox) waiting() int { return len(q.b) - q.head }

// adopt takes a connection into the lowest free slot.
func (l *Loop) adopt(c *Conn, moved bool) {
	slot := 0
	for slot < len(l.conns) && l.conns[slot] != nil {
		slot++
	}
	if slot == len(l.conns) {
		l.conns = append(l.conns, nil)
		l.gens = append(l.gens, 0)
	}
	l.gens[slot]++
	l.conns[slot] = c
	c.loop = l
	c.id = shard.Conn(uint64(l.Index)<<56 | uint64(l.gens[slot])<<32 | uint64(slot))
	c.timer = 0
	c.redeliver = len(c.in) > 0
	c.opened, c.moved, c.identified = false, moved, false
}

func (l *Loop) find(id shard.Conn) *Conn {
	if slot := uint32(id); int(slot) < len(l.conns) && l.conns[slot] != nil && l.conns[slot].id == id {
		return l.conns[slot]
	}
	return nil
}

// busy says whether a turn would do anything.
func (l *Loop) busy() bool {
	if !l.fresh || l.wakeAt != 0 && l.wakeAt <= l.w.Now {
		return true
	}
	if l.w.Disk != nil && l.desk().busy() {
		return true
	}
	for i := range l.inbox {
		if l.inbox[i].waiting() > 0 {
			return true
		}
	}
	for _, c := range l.conns {
		if c != nil && c.busy(l.w.Now) {
			return true
		}
	}
	return false
}

// nextDue is when the first timer or wake-up is due, at most end.
func (l *Loop) nextDue(end int64) int64 {
	if l.wakeAt > l.w.Now {
		end = min(end, l.wakeAt)
	}
	for _, c := range l.conns {
		if c != nil && c.timer > l.w.Now {
			end = min(end, c.timer)
		}
	}
	return end
}

// turn is what a loop of netpoll does: messages, input, timers, the tick.
func (l *Loop) turn() {
	l.fresh = true
	if l.wakeAt <= l.w.Now {
		l.wakeAt = 0
	}
	for from := range l.inbox {
		l.takeMessages(from)
	}
	for slot := 0; slot < len(l.conns); slot++ {
		if c := l.conns[slot]; c != nil {
			l.serve(c)
		}
	}
	l.call(callTick, nil, 0, nil)
	if l.w.Disk != nil {
		l.desk().submit(l.Shard.LowWater()) // before any other loop sees what this one has posted
	}
}

// desk is the loop's side of the Disk.
func (l *Loop) desk() *Desk { return l.w.Disk.desks[l.Index] }

// takeMessages takes what another loop has posted, or by chance only a part of it.
func (l *Loop) takeMessages(from int) {
	q := &l.inbox[from]
	budget := math.MaxInt
	if l.w.opts.Chaos {
		budget = l.w.Random.IntN(8)
	}
	for ; q.waiting() > 0 && budget > 0; budget-- {
		n := binary.BigEndian.Uint32(q.b[q.head:])
		q.head += 4
		if n == movedMark {
			c := q.conns[0]
			q.conns = q.conns[1:]
			l.adopt(c, true)
			continue
		}
		msg := q.b[q.head : q.head+int(n)]
		q.head += int(n)
		l.call(callMessage, nil, from, msg)
	}
	if q.waiting() == 0 {
		q.b, q.head = q.b[:0], 0
	}
}

// serve gives one connection its events.
func (l *Loop) serve(c *Conn) {
	if !c.opened {
		c.opened = true
		l.call(callOpen, c, 0, nil)
	}
	l.identify(c)
	if c.gone || c.closing {
		l.release(c)
		return
	}
	if n := c.piece(l.w); n > 0 {
		c.in = append(c.in, c.arriving[:n]...)
		c.arriving = append(c.arriving[:0], c.arriving[n:]...)
		c.early = max(c.early-n, 0)
		c.redeliver = true
	}
	if c.redeliver {
		c.redeliver = false
		l.call(callData, c, 0, nil)
	}
	if c.loop == l && !c.closing && c.fin && len(c.arriving) == 0 && !c.finTold {
		c.finTold = true
		l.call(callHalfClosed, c, 0, nil)
	}
	if c.loop == l && !c.closing && c.timer != 0 && c.timer <= l.w.Now {
		c.timer = 0
		l.call(callTimer, c, 0, nil)
	}
	if c.loop == l && c.closing {
		l.release(c)
	}
}

// identify does what a transport does before input: it says who the client is, on each loop, and when its first record has come.
func (l *Loop) identify(c *Conn) {
	if c.gone || c.closing {
		return
	}
	if c.identity != nil && !c.identified {
		c.identified = true
		l.call(callIdentify, c, 0, nil)
		if c.confirmed {
			l.call(callConfirm, c, 0, nil)
		}
	}
	if c.confirming && !c.confirmed && c.early == 0 {
		c.confirmed = true
		l.call(callConfirm, c, 0, nil)
	}
}

// release ends a connection: Closed, and the slot is free.
func (l *Loop) release(c *Conn) {
	if l.find(c.id) != c {
		return
	}
	l.conns[uint32(c.id)] = nil
	c.closed = true
	l.call(callClosed, c, 0, nil)
}

type callKind uint8

const (
	callOpen callKind = iota
	callIdentify
	callConfirm
	callData
	callHalfClosed
	callClosed
	callMessage
	callTimer
	callTick
)

// call is the one place where the shard is entered; like netpoll it ends the connection on whose behalf the shard panicked.
func (l *Loop) call(kind callKind, c *Conn, from int, msg []byte) {
	l.moving = -1
	l.guarded(kind, c, from, msg)
	if l.moving >= 0 {
		l.move(c)
	}
}

func (l *Loop) guarded(kind callKind, c *Conn, from int, msg []byte) {
	defer func() {
		if v := recover(); v != nil {
			l.Panics = append(l.Panics, v)
			l.Shard.Recover(l.w.Now)
			if c != nil {
				c.closing = true
			}
		}
	}()
	now := l.w.Now
	switch kind {
	case callOpen:
		l.Shard.Open(now, c.id, c.moved)
	case callIdentify:
		l.Shard.Identify(now, c.id, *c.identity)
	case callConfirm:
		l.Shard.Confirm(now, c.id)
	case callData:
		n := l.Shard.Data(now, c.id, c.in)
		c.in = append(c.in[:0], c.in[n:]...)
	case callHalfClosed:
		l.Shard.HalfClosed(now, c.id)
	case callClosed:
		l.Shard.Closed(now, c.id)
	case callMessage:
		l.Shard.Message(now, from, msg)
	case callTimer:
		l.Shard.Timer(now, c.id)
	case callTick:
		l.Shard.Tick(now)
	}
}

// move puts the connection of the current call into the other loop's inbox, in order with messages.
func (l *Loop) move(c *Conn) {
	l.conns[uint32(c.id)] = nil
	q := &l.w.Loops[l.moving].inbox[l.Index]
	q.b = binary.BigEndian.AppendUint32(q.b, movedMark)
	q.conns = append(q.conns, c)
	c.loop = l.w.Loops[l.moving]
	l.moving = -1
}

func (l *Loop) hook(call string) {
	if l.Hook != nil {
		l.Hook(call)
	}
}

// Send implements shard.Host.
func (l *Loop) Send(conn shard.Conn, frame []byte) error {
	l.hook("send")
	c := l.find(conn)
	if c == nil || c.closing || c.gone {
		return nil
	}
	if len(c.out)+len(frame) > l.w.opts.OutboundBytesMax {
		return errOutboundFull
	}
	c.out = append(c.out, frame...)
	return nil
}

// Close implements shard.Host.
func (l *Loop) Close(conn shard.Conn) {
	if c := l.find(conn); c != nil {
		c.closing = true
	}
}

// Move implements shard.Host.
func (l *Loop) Move(_ shard.Conn, to int) { l.moving = to }

// SetTimer implements shard.Host.
func (l *Loop) SetTimer(conn shard.Conn, ms int64) {
	c := l.find(conn)
	switch {
	case c == nil:
	case ms == 0:
		c.timer = 0
	default:
		c.timer = l.w.Now + ms
	}
}

// Redeliver implements shard.Host.
func (l *Loop) Redeliver(conn shard.Conn) {
	if c := l.find(conn); c != nil {
		c.redeliver = true
	}
}

// Post implements shard.Mesh.
func (l *Loop) Post(to int, msg []byte) error {
	l.hook("post")
	q := &l.w.Loops[to].inbox[l.Index]
	if q.waiting()+len(msg) > inboxHardFactor*l.w.opts.InboxBytesMax {
		return errInboxFull
	}
	q.b = binary.BigEndian.AppendUint32(q.b, uint32(len(msg)))
	q.b = append(q.b, msg...)
	return nil
}

// Credit implements shard.Mesh.
func (l *Loop) Credit(to int) int {
	l.hook("credit")
	return l.w.opts.InboxBytesMax - l.w.Loops[to].inbox[l.Index].waiting()
}

// WakeAt implements shard.Mesh.
func (l *Loop) WakeAt(unixMs int64) {
	if l.wakeAt == 0 || unixMs < l.wakeAt {
		l.wakeAt = unixMs
	}
}
