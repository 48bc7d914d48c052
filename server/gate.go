package server

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/internal/slab"
	"trunkline/netpoll"
	"trunkline/shard"
)

// gate is one loop's encrypted transport: it stands between the loop's connections and the loop's shard. Below it are
// flights and records, above it frames of clients whose identity is proved. It belongs to the loop's goroutine.
//
// A connection's way through it:
//
//	            flight                     HELLO                 answer
//	(nothing) ----------> queued -> keyed ---------> asking ---------------> identified -> (open)
//	                        |  contact                  registrar                ^
//	                        +----------------------------------------------------+
//	                           resume: the ticket says who it is; early until its first record
//
// What an open connection keeps here is its secure.Link, 80 bytes, and nothing else. Everybody before that who has sent a
// whole flight, or more than PartialFlightBytes of one, has a row in logins, whose number is limited.
type gate struct {
	loop      *netpoll.Loop
	shard     *shard.Shard
	admission *admission
	registrar *registrar
	desk      *handshakeDesk
	keys      *Keyring
	rotation  int64 // seconds between two ticket keys

	responder *secure.Responder
	links     *slab.Table[secure.Link]
	logins    map[netpoll.ConnID]*login
	loginHigh int   // most rows since the map was made
	kept      int64 // bytes of flights that wait, as far as rows count them
	moving    moving
	out       sealer
	stats     gateStats
	scratch   []byte
	nowSec    func() int64
}

// loginPhase says where a connection that is not open yet stands. See gate.
type loginPhase uint8

const (
	phasePartial    loginPhase = iota // a large flight that is not whole yet
	phaseQueued                       // a whole flight waits for its turn
	phaseGranted                      // its turn has come: the next OnData does the handshake
	phaseKeyed                        // contact flight answered, HELLO is due
	phaseAsking                       // the registrar looks the device up
	phaseIdentified                   // the shard has the client; SUCCESS is due
)

// login is a connection on its way to SUCCESS.
type login struct {
	phase   loginPhase
	device  uint8
	gen     uint16
	flights uint8 // contact flights for a wrong key, and refused tickets
	ticket  bool  // a fresh ticket goes out behind SUCCESS
	kept    int   // bytes of input that are counted in gate.kept
	user    uint64
	static  secure.PublicKey
	key     [8]byte // secure.KeyName of static
}

// moving is a Move that the shard asked for while its input was being read: it is carried out behind that.
type moving struct {
	conn   netpoll.ConnID
	to     int
	inside bool // a call of Data is running
	asked  bool
}

// gateStats are what a gate counts.
type gateStats struct {
	Contacts     uint64 // IK handshakes done
	Resumes      uint64 // NNpsk0 handshakes done
	HandshakesNs uint64 // time they took
	Certificates uint64 // flights for another static key
	Tickets      uint64 // issued
	TicketsBad   uint64 // refused: forged, of another server, expired, revoked
	Busy         uint64 // refused with a retry-after: queue, rate or tables full
	Malformed    uint64 // flights, records and logins that are not of the protocol
	Refused      uint64 // by the registrar
	Records      uint64 // sealed
	Replays      uint64 // early sessions that never confirmed: replays, and clients that died
	Queued       int64  // flights that wait for their turn
	Pending      int64  // rows of logins
	LinkBytes    int64  // memory of the links
}

// gateShared is what the gates of all loops have in common.
type gateShared struct {
	admission *admission
	registrar *registrar
	capacity  *capacity
	keys      *Keyring
	rotation  int64        // seconds between two ticket keys
	share     int          // percent of a loop's time for handshakes
	nowSec    func() int64 // tests; nil: the loop's clock
}

// newGate makes a loop's gate; the shard behind it is set by the caller, who builds it with the gate as its host.
func newGate(l *netpoll.Loop, shared *gateShared) (*gate, error) {
	static := shared.keys.Static()
	r, err := secure.NewResponder(&static, rand.Reader)
	clear(static[:])
	if err != nil {
		return nil, err
	}
	g := &gate{
		loop: l, admission: shared.admission, registrar: shared.registrar, keys: shared.keys, rotation: shared.rotation, nowSec: shared.nowSec,
		responder: r, links: slab.NewTable[secure.Link](linksMax), logins: map[netpoll.ConnID]*login{},
	}
	if g.nowSec == nil {
		g.nowSec = func() int64 { return l.Now() / 1000 }
	}
	g.desk = newHandshakeDesk(l.Index(), shared.share, shared.capacity, time.Now)
	g.out.loop, g.out.links = l, g.links
	return g, nil
}

// movedStateBytes is what travels with a connection: the link, and who the client is while SUCCESS is due.
const movedStateBytes = 80 + 8 + 1 + 2 + 1 + 8

// opened takes a new connection; one that was moved here brings its link.
func (g *gate) opened(id netpoll.ConnID, info netpoll.OpenInfo) {
	conn := shard.Conn(id)
	g.shard.Open(g.loop.Now(), conn, info.Origin == netpoll.OriginMoved)
	if len(info.State) == 0 {
		return
	}
	in, link, err := parseMoved(info.State)
	p := g.links.At(id.Slot())
	if err != nil || p == nil {
		g.loop.Close(id)
		return
	}
	*p = link
	if in.user != 0 {
		g.put(id, &in)
		g.identify(id, &in)
	}
}

// identify tells the shard who the client is.
func (g *gate) identify(id netpoll.ConnID, in *login) {
	in.phase = phaseIdentified
	early := !g.links.Peek(id.Slot()).Confirmed()
	g.shard.Identify(g.loop.Now(), shard.Conn(id), shard.Identity{User: in.user, Device: in.device, Gen: in.gen, Early: early})
}

// closed forgets a connection.
func (g *gate) closed(id netpoll.ConnID) {
	g.out.drop(id)
	if p := g.links.Peek(id.Slot()); p != nil && p.Keyed() && !p.Confirmed() {
		g.stats.Replays++
	}
	g.links.Clear(id.Slot())
	g.remove(id)
}

// recovered clears what a step that panicked has left half done. The loop closes its connection.
func (g *gate) recovered(netpoll.ConnID) {
	g.moving = moving{}
	g.out.direct = false
}

// report is the counters now.
func (g *gate) report() gateStats {
	st := g.stats
	st.Records = g.out.records
	st.Queued, st.Pending = int64(g.desk.length()), int64(len(g.logins))
	st.LinkBytes = g.links.Bytes()
	return st
}

// put and remove keep the rows of logins. The map is made anew when it has become empty after a storm: Go's maps never shrink.
func (g *gate) put(id netpoll.ConnID, in *login) {
	g.logins[id] = in
	g.loginHigh = max(g.loginHigh, len(g.logins))
}

func (g *gate) remove(id netpoll.ConnID) {
	in := g.logins[id]
	if in == nil {
		return
	}
	if in.phase == phaseQueued {
		g.desk.leave()
	}
	g.kept -= int64(in.kept)
	delete(g.logins, id)
	if len(g.logins) == 0 && g.loginHigh > loginRowsKept {
		g.logins, g.loginHigh = map[netpoll.ConnID]*login{}, 0
	}
}

// data takes what a client sent: b is opened in place, and what is left unread stays opened.
func (g *gate) data(id netpoll.ConnID, b []byte) (consumed int) {
	link := g.links.Peek(id.Slot())
	if link == nil {
		consumed, link = g.greet(id, b)
		if link == nil {
			return consumed
		}
	}
	for {
		was := link.Confirmed()
		plain, at, err := link.Plain(b[consumed:])
		if err != nil {
			g.offend(id)
			return len(b)
		}
		consumed += at
		if !was && link.Confirmed() {
			g.confirmed(id)
		}
		if len(plain) == 0 {
			return consumed
		}
		n := g.frames(id, plain)
		tag := link.Consume(n)
		switch {
		case g.leaveMoved(id):
			return consumed + n + tag
		case n < len(plain):
			g.look(id, link, plain[n:], b[consumed+n:])
			return consumed + n
		}
		consumed += n + tag
	}
}

// frames hands opened frames to whom they are for: the registrar's questions come before the shard.
func (g *gate) frames(id netpoll.ConnID, plain []byte) (consumed int) {
	if in := g.logins[id]; in != nil && in.phase < phaseIdentified {
		if in.phase == phaseAsking {
			return 0
		}
		if consumed = g.hello(id, in, plain); in.phase != phaseIdentified {
			return consumed
		}
	}
	g.moving = moving{conn: id, inside: true}
	return consumed + g.shard.Data(g.loop.Now(), shard.Conn(id), plain[consumed:])
}

// look checks what was left unread. A frame never goes on in another record, so half of one is malformed; and behind early
// data the first record may be waiting that proves it.
func (g *gate) look(id netpoll.ConnID, link *secure.Link, rest, b []byte) {
	if _, used, err := codec.Next(rest, codec.FrameBytesMax); err == nil && used == 0 {
		g.offend(id)
		return
	}
	if link.Confirmed() {
		return
	}
	switch ok, err := link.Confirm(b); {
	case err != nil:
		g.offend(id)
	case ok:
		g.confirmed(id)
	}
}

// confirmed tells the shard that a first flight was no replay. Who came with a contact flight has no early data to confirm.
func (g *gate) confirmed(id netpoll.ConnID) {
	if in := g.logins[id]; in == nil || in.phase == phaseIdentified {
		g.shard.Confirm(g.loop.Now(), shard.Conn(id))
	}
}

// offend ends a connection whose bytes are not of the protocol, without a word, and counts it against its address.
func (g *gate) offend(id netpoll.ConnID) {
	g.stats.Malformed++
	g.admission.Offence(g.loop.Tag(id))
	g.remove(id)
	g.loop.Close(id)
}

// leaveMoved carries out the Move that the shard asked for while it read. true: the connection is on its way.
func (g *gate) leaveMoved(id netpoll.ConnID) bool {
	m := g.moving
	g.moving = moving{}
	if !m.asked || m.conn != id {
		return false
	}
	g.move(id, m.to)
	return true
}

// move sends a connection and its link to another loop. One that can't take it costs the connection: the client comes back.
func (g *gate) move(id netpoll.ConnID, to int) {
	g.out.flush(id)
	in := g.logins[id]
	if in == nil {
		in = &login{}
	}
	g.scratch = appendMoved(g.scratch[:0], in, g.links.Peek(id.Slot()))
	err := g.loop.Move(id, to, g.scratch)
	clear(g.scratch)
	if err != nil {
		g.loop.Close(id)
		return
	}
	g.links.Clear(id.Slot())
	g.remove(id)
}

// appendMoved writes what travels with a connection.
// Layout, big-endian: link 80, user u64, device u8, gen u16, ticket u8, key 8 = 100 bytes.
func appendMoved(dst []byte, in *login, link *secure.Link) []byte {
	dst = link.Append(dst)
	dst = binary.BigEndian.AppendUint64(dst, in.user)
	dst = append(dst, in.device)
	dst = binary.BigEndian.AppendUint16(dst, in.gen)
	owed := byte(0)
	if in.ticket {
		owed = 1
	}
	dst = append(dst, owed)
	return append(dst, in.key[:]...)
}

func parseMoved(b []byte) (login, secure.Link, error) {
	if len(b) != movedStateBytes {
		return login{}, secure.Link{}, secure.ErrLink
	}
	link, err := secure.ParseLink(b[:80])
	b = b[80:]
	return login{
		user: binary.BigEndian.Uint64(b), device: b[8], gen: binary.BigEndian.Uint16(b[9:]), ticket: b[11] == 1, key: [8]byte(b[12:20]),
	}, link, err
}
