package server

import (
	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/internal/slab"
	"trunkline/netpoll"
	"trunkline/shard"
)

// The gate is the shard's Host: it seals what the shard sends.

// Send implements shard.Host: the frames wait until the turn ends, so that several share one record.
func (g *gate) Send(conn shard.Conn, frames []byte) error {
	id := netpoll.ConnID(conn)
	if err := g.out.stage(id, frames); err != nil {
		return err
	}
	if in := g.logins[id]; in != nil {
		g.loggedIn(id, in, frames)
	}
	if g.out.direct {
		g.out.flush(id)
	}
	return nil
}

// loggedIn ends a login when SUCCESS goes out. Anything else that the shard says before is a refusal, and the connection closes.
func (g *gate) loggedIn(id netpoll.ConnID, in *login, frames []byte) {
	f, used, err := codec.Next(frames, codec.FrameBytesMax)
	if err != nil || used == 0 || f.Kind != codec.KindSuccess {
		return
	}
	if in.ticket {
		g.issueTicket(id, in)
	}
	g.remove(id)
}

// Close implements shard.Host: what waits is written first. A connection without keys is closed without a word: there is none
// that it could read.
func (g *gate) Close(conn shard.Conn) {
	id := netpoll.ConnID(conn)
	g.out.flush(id)
	g.loop.CloseFlush(id, FlushTimeout)
}

// Move implements shard.Host.
func (g *gate) Move(conn shard.Conn, to int) {
	id := netpoll.ConnID(conn)
	if g.moving.inside && g.moving.conn == id {
		g.moving.to, g.moving.asked = to, true
		return
	}
	g.move(id, to)
}

// SetTimer implements shard.Host.
func (g *gate) SetTimer(conn shard.Conn, ms int64) { loopHost{g.loop}.SetTimer(conn, ms) }

// Redeliver implements shard.Host.
func (g *gate) Redeliver(conn shard.Conn) { g.loop.Redeliver(netpoll.ConnID(conn)) }

// Post implements shard.Mesh.
func (g *gate) Post(to int, msg []byte) error { return g.loop.Post(to, msg) }

// Credit implements shard.Mesh.
func (g *gate) Credit(to int) int { return g.loop.Credit(to) }

// WakeAt implements shard.Mesh.
func (g *gate) WakeAt(unixMs int64) { g.loop.WakeAt(unixMs) }

// tick ends a turn: records are sealed, and the next handshakes get their turn.
func (g *gate) tick() {
	g.out.flushAll()
	if g.desk.grant(g.granted) {
		g.loop.WakeAt(g.loop.Now() + 1)
	}
}

func (g *gate) granted(id netpoll.ConnID) bool {
	in := g.logins[id]
	if in == nil || in.phase != phaseQueued {
		return false
	}
	in.phase = phaseGranted
	g.loop.Redeliver(id)
	return true
}

// sealer gathers what a turn sends to each connection and seals it as one record, or as few as it fits.
type sealer struct {
	loop   *netpoll.Loop
	links  *slab.Table[secure.Link]
	direct bool // the turn's records are sealed already: what comes now is sealed at once
	record []byte

	frames  []byte // of all connections, in order of staging
	pieces  []piece
	queues  []queue // one for each connection that has something
	index   []int32 // open addressing by connection: place in queues, from 1
	records uint64
}

// piece is one Send: frames[from:to], and the next piece of the same connection.
type piece struct {
	from, to int32
	next     int32 // place in pieces, from 1; 0: none
}

// queue is what one connection has waiting.
type queue struct {
	conn        netpoll.ConnID // 0: closed meanwhile
	first, last int32          // places in pieces, from 1
	bytes       int32
}

// stage copies whole frames behind what waits for the connection. ErrOutboundFull when all of it would pass the connection's cap.
func (s *sealer) stage(id netpoll.ConnID, frames []byte) error {
	q := s.queueOf(id)
	want := int(q.bytes) + len(frames)
	sealed := want + secure.RecordOverhead*(2+want/(secure.RecordPlainMax/2))
	if s.loop.Pending(id)+sealed > netpoll.OutboundBytesMaxDefault {
		return netpoll.ErrOutboundFull
	}
	from := int32(len(s.frames))
	s.frames = append(s.frames, frames...)
	s.pieces = append(s.pieces, piece{from: from, to: int32(len(s.frames))})
	n := int32(len(s.pieces))
	if q.first == 0 {
		q.first = n
	} else {
		s.pieces[q.last-1].next = n
	}
	q.last, q.bytes = n, int32(want)
	return nil
}

// queueOf finds or makes the queue of a connection.
func (s *sealer) queueOf(id netpoll.ConnID) *queue {
	if 2*(len(s.queues)+1) > len(s.index) {
		s.grow()
	}
	for i := hashConn(id) & uint32(len(s.index)-1); ; i = (i + 1) & uint32(len(s.index)-1) {
		n := s.index[i]
		if n == 0 {
			s.queues = append(s.queues, queue{conn: id})
			s.index[i] = int32(len(s.queues))
			return &s.queues[len(s.queues)-1]
		}
		if s.queues[n-1].conn == id {
			return &s.queues[n-1]
		}
	}
}

// find is the queue of a connection, nil when it has none.
func (s *sealer) find(id netpoll.ConnID) *queue {
	if len(s.queues) == 0 {
		return nil
	}
	for i := hashConn(id) & uint32(len(s.index)-1); s.index[i] != 0; i = (i + 1) & uint32(len(s.index)-1) {
		if q := &s.queues[s.index[i]-1]; q.conn == id {
			return q
		}
	}
	return nil
}

// hashConn spreads slots. Nobody outside chooses them, so it needs no seed.
func hashConn(id netpoll.ConnID) uint32 {
	return uint32(uint64(id)*0x9e3779b97f4a7c15>>32) ^ uint32(id)
}

func (s *sealer) grow() {
	s.index = make([]int32, max(64, 2*len(s.index)))
	for n := range s.queues {
		i := hashConn(s.queues[n].conn) & uint32(len(s.index)-1)
		for s.index[i] != 0 {
			i = (i + 1) & uint32(len(s.index)-1)
		}
		s.index[i] = int32(n + 1)
	}
}

// flush seals and sends what waits for one connection.
func (s *sealer) flush(id netpoll.ConnID) {
	if q := s.find(id); q != nil && q.first != 0 {
		s.seal(q)
	}
}

// flushAll ends the turn's staging.
func (s *sealer) flushAll() {
	for i := range s.queues {
		if q := &s.queues[i]; q.first != 0 {
			s.seal(q)
		}
	}
	if len(s.queues) > 0 {
		clear(s.index)
	}
	s.frames, s.pieces, s.queues = s.frames[:0], s.pieces[:0], s.queues[:0]
	if cap(s.frames) > stagedBytesKept {
		s.frames, s.pieces, s.queues, s.index = nil, nil, nil, nil
	}
	if cap(s.record) > stagedBytesKept {
		s.record = nil
	}
}

// drop forgets what waits for a connection that is gone.
func (s *sealer) drop(id netpoll.ConnID) {
	if q := s.find(id); q != nil {
		q.first, q.last, q.bytes = 0, 0, 0
	}
}

// seal turns a queue into records. A frame lies whole in one record.
func (s *sealer) seal(q *queue) {
	id, link := q.conn, s.links.Peek(q.conn.Slot())
	next := q.first
	q.first, q.last, q.bytes = 0, 0, 0
	if link == nil || !link.Keyed() {
		return // refused before there were keys, or gone
	}
	s.record = append(s.record[:0], 0, 0)
	for next != 0 {
		p := s.pieces[next-1]
		next = p.next
		for frames := s.frames[p.from:p.to]; len(frames) > 0; {
			n := wholeFrames(frames, secure.RecordPlainMax-(len(s.record)-2))
			if n == 0 {
				s.send(id, link)
				continue
			}
			s.record = append(s.record, frames[:n]...)
			frames = frames[n:]
		}
	}
	s.send(id, link)
}

// wholeFrames is how many bytes of frames, whole ones, fit into room.
func wholeFrames(frames []byte, room int) (n int) {
	if len(frames) <= room {
		return len(frames)
	}
	for {
		_, used, err := codec.Next(frames[n:], codec.FrameBytesMax)
		if err != nil || used == 0 || n+used > room {
			return n
		}
		n += used
	}
}

// send seals s.record, which has room for the length in front, and begins the next. Keys that have sealed a record that was not
// sent are out of step: the connection ends.
func (s *sealer) send(id netpoll.ConnID, link *secure.Link) {
	if len(s.record) == 2 {
		return
	}
	sealed, err := link.Seal(s.record[:0], s.record[2:])
	if err == nil {
		err = s.loop.Send(id, sealed)
	}
	if err != nil && err != netpoll.ErrConnUnknown {
		s.loop.Close(id)
	}
	s.records++
	s.record = append(sealed[:0], 0, 0)
}
