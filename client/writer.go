package client

import (
	"net"
	"time"

	"trunkline/codec"
)

// writer is the second goroutine: it writes everything that is sent after HELLO, and commits what nobody else waits for.
type writer struct {
	c     *Client
	buf   []byte
	parts codec.Parts
}

// idleWait is how long the writer waits when nothing is due: until it is poked.
const idleWait = 24 * time.Hour

// writeLoop runs until the client ends, then finishes: state, last ACK, close.
func (c *Client) writeLoop() {
	defer c.wg.Done()
	w := writer{c: c}
	timer := time.NewTimer(idleWait)
	defer timer.Stop()
	for {
		timer.Reset(w.step())
		select {
		case <-c.wake:
		case <-timer.C:
		case <-c.ctx.Done():
			w.finish()
			return
		}
	}
}

// step writes and commits until nothing is due, and returns how long nothing will be.
func (w *writer) step() time.Duration {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ctx.Err() == nil {
		if w.write() {
			continue
		}
		now := c.cfg.now()
		c.expireTypers(now)
		// A commit under way pokes the writer at its end: what became durable by it is sent before the next one begins.
		if j := &c.journal; j.idle() && (j.urgent || now.Sub(j.since) >= lazyCommitDelay) {
			if c.commitOnce(); j.err != nil {
				c.cancel()
			}
			continue
		}
		return w.wait(now)
	}
	return idleWait
}

// write fills the buffer with what may be sent and writes it; false when there was nothing. The mutex is held, and let
// go during the write.
func (w *writer) write() bool {
	c, l := w.c, w.c.link
	if l == nil || l.broken != nil {
		return false
	}
	now := c.cfg.now()
	if w.silent(l, now) {
		l.broken = ErrPongTimeout
		dropConn(l.conn)
		return true
	}
	w.fill(l, now)
	if len(w.buf) == 0 {
		w.leave(l)
		return false
	}
	w.flush(l, now)
	return true
}

// leave closes this side of a connection that the server wants to be rid of, once no tick is missing and the server
// knows what was acknowledged. The reader goes on until the server closes, for goAwayLinger at most.
func (w *writer) leave(l *link) {
	c := w.c
	if l.away == nil || c.up.flying() > 0 || c.journal.urgent || c.journal.busy {
		return
	}
	l.broken = l.away
	closeWrite(l.conn)
}

// closeWrite says that nothing more will come; a connection that can't say so is closed.
func closeWrite(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		dropConn(conn)
	}
}

// flush writes the buffer. The mutex is held, and let go during the write.
func (w *writer) flush(l *link, now time.Time) {
	c := w.c
	if !c.closing && c.ctx.Err() == nil {
		_ = l.conn.SetWriteDeadline(now.Add(WriteTimeout))
	}
	l.wrote = now
	c.mu.Unlock()
	_, err := l.conn.Write(w.buf)
	c.mu.Lock()
	w.buf = w.buf[:0]
	if cap(w.buf) > 2*writeBufferBytes {
		w.buf = nil // a burst of large messages does not stay in memory
	}
	if err != nil && l.broken == nil {
		l.broken = err
		dropConn(l.conn)
	}
}

// fill collects one burst: the ACK for what is durable, presence and typing, then the outbox as far as the window goes.
func (w *writer) fill(l *link, now time.Time) {
	c := w.c
	w.appendAck()
	if l.away == nil {
		w.buf = append(w.buf, c.ephemeral...)
		c.ephemeral = c.ephemeral[:0]
		w.appendState()
		w.buf = c.appendWatch(w.buf)
		w.appendQuestions()
		w.appendOutbox(l, now)
	}
	if c.fenceDue(l) {
		l.fence.open(c.catchUps)
		w.ping(l)
		l.pinged = now
	}
	if len(w.buf) == 0 && l.pinged.IsZero() && !l.blocked && !now.Before(w.pingAt(l)) {
		w.ping(l)
		l.pinged = now
	}
	if len(w.buf) == 0 && !now.Before(l.wrote.Add(l.keepalive)) {
		w.ping(l)
	}
}

func (w *writer) ping(l *link) {
	w.buf = codec.AppendPing(w.buf)
	l.fence.pings++
}

// appendAck adds one cumulative ACK when State holds more than the server was told. What came on an earlier connection only
// must not be acknowledged before it has come on this one.
func (w *writer) appendAck() {
	c := w.c
	seq := min(c.durableLast, c.down.delivered)
	if c.durableIncarnation != c.down.incarnation || seq <= c.down.acked {
		return
	}
	b, err := codec.AppendAck(w.buf, &codec.Ack{Seq: seq})
	if err != nil {
		c.log.Error("ack", "err", err)
	}
	w.buf = b
	c.down.acked = seq
}

func (w *writer) appendOutbox(l *link, now time.Time) {
	c := w.c
	for len(w.buf) < writeBufferBytes {
		if c.up.flying() == 0 {
			l.waiting = now
		}
		e, ok := c.up.take(now)
		if !ok {
			if c.up.waitsForState() && c.up.kept < c.up.ticked {
				c.journal.urgent = true // the tick that makes room is staged
			}
			return
		}
		b, parts, err := appendEntryFrame(w.buf, &e, c.known.epoch(e.Group), w.parts)
		if err != nil {
			c.log.Error("outbox entry does not fit a frame", "cseq", e.Cseq, "err", err) // it was checked: a bug
			return
		}
		w.buf, w.parts = b, parts
	}
}

// pingAt is when the server must be asked whether it is there: after keepalive without a word either way, and sooner when
// ticks are missing.
func (w *writer) pingAt(l *link) time.Time {
	at := l.heard.Add(l.keepalive)
	if w.c.up.flying() > 0 {
		since := l.heard
		if l.waiting.After(since) {
			since = l.waiting
		}
		at = since.Add(min(l.keepalive, PongTimeout))
	}
	if keep := l.wrote.Add(l.keepalive); keep.Before(at) {
		at = keep
	}
	return at
}

// silent says that a ping was not answered in time.
func (w *writer) silent(l *link, now time.Time) bool {
	return !l.pinged.IsZero() && !l.blocked && !now.Before(l.pinged.Add(PongTimeout))
}

// wait is the time until something is due without being poked. The mutex is held.
func (w *writer) wait(now time.Time) time.Duration {
	c, l := w.c, w.c.link
	at := now.Add(idleWait)
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if c.journal.idle() {
		sooner(c.journal.since.Add(lazyCommitDelay))
	}
	if at, ok := c.typers.next(); ok {
		sooner(at)
	}
	if l != nil && l.broken == nil {
		sooner(l.wrote.Add(l.keepalive))
		if !l.blocked {
			if l.pinged.IsZero() {
				sooner(w.pingAt(l))
			} else {
				sooner(l.pinged.Add(PongTimeout))
			}
		}
		if c.up.next <= c.up.durable && now.Before(c.up.refusedUntil) {
			sooner(c.up.refusedUntil)
		}
	}
	return max(at.Sub(now), 0)
}

// finish writes the state, tells the server the last of it and closes its side, then gives the reader closeLinger to see
// the server close. A connection closed with unread input would be reset, and the last ACK could be lost on the way.
func (w *writer) finish() {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.commit() != nil {
		c.log.Error("state not written at close", "err", c.journal.err)
	}
	l := c.link
	if l == nil {
		return
	}
	now := c.cfg.now()
	l.hurry(now)
	if l.broken == nil {
		w.fill(l, now)
		if len(w.buf) > 0 {
			w.flush(l, now)
		}
	}
	_ = l.conn.SetReadDeadline(now.Add(closeLinger))
	closeWrite(l.conn)
}
