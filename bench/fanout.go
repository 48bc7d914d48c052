package bench

import (
	"encoding/binary"
	"io"
	"slices"

	"trunkline/codec"
	"trunkline/netpoll"
)

// The children that write what a group's server writes, and do nothing else: the cost of the sockets themselves.
const (
	fanoutBare    = "fanout-bare"    // over bare system calls
	fanoutNetpoll = "fanout-netpoll" // on our reactor
)

// deliverFixedBytes are the fields of a group's DELIVER before its blob; the seq is the first.
const deliverFixedBytes = 48

// fanout gives each SEND that it reads to all who have logged in, as one DELIVER of a group: the frame is made once, each gets it with its own seq in
// one write. Who has sent it gets its tick and the place. It reads ACKs and forgets them. It keeps nothing, checks nothing and knows no groups: the
// measure, not a server. It belongs to one loop.
type fanout struct {
	write func(conn uint32, b []byte)
	conns []fanConn // by descriptor or slot
	there []uint32  // who has logged in
	gseq  uint64
	frame []byte // of all messages of one read
	seqs  []int  // where each has its seq
	own   []byte // for the sender
	tick  uint64 // highest cseq of this read
}

type fanConn struct {
	user  uint64
	seq   uint64
	carry []byte // the begin of a frame whose end has not come
}

func (o *fanout) at(conn uint32) *fanConn {
	for int(conn) >= len(o.conns) {
		o.conns = append(o.conns, fanConn{})
	}
	return &o.conns[conn]
}

// left forgets a connection.
func (o *fanout) left(conn uint32) {
	*o.at(conn) = fanConn{}
	if i := slices.Index(o.there, conn); i >= 0 {
		o.there = slices.Delete(o.there, i, i+1)
	}
}

// take reads what has come of a connection, and keeps the rest.
func (o *fanout) take(conn uint32, b []byte) {
	c := o.at(conn)
	if len(c.carry) > 0 {
		c.carry = append(c.carry, b...)
		used := o.read(conn, c.carry)
		c = o.at(conn)
		c.carry = c.carry[:copy(c.carry, c.carry[used:])]
		return
	}
	if used := o.read(conn, b); used < len(b) {
		o.at(conn).carry = append([]byte(nil), b[used:]...)
	}
}

// read takes all whole frames and answers them. What is no frame is thrown away: the generator misses the answer.
func (o *fanout) read(conn uint32, b []byte) (used int) {
	o.frame, o.seqs, o.own, o.tick = o.frame[:0], o.seqs[:0], o.own[:0], 0
	for {
		f, n, err := codec.Next(b[used:], codec.FrameBytesMax)
		if err != nil {
			return len(b)
		}
		if n == 0 {
			break
		}
		used += n
		switch f.Kind {
		case codec.KindHello:
			o.hello(conn, f)
		case codec.KindSend:
			o.send(conn, f)
		case codec.KindPing:
			o.own = codec.AppendPong(o.own)
		}
	}
	if o.tick > 0 {
		o.own, _ = codec.AppendTick(o.own, &codec.Tick{UpHigh: o.tick}) // no extensions that could be wrong
	}
	if len(o.own) > 0 {
		o.write(conn, o.own)
	}
	if len(o.seqs) > 0 {
		o.spread(conn)
	}
	return used
}

func (o *fanout) hello(conn uint32, f codec.Frame) {
	v, err := codec.ParseHello(f)
	if err != nil {
		return
	}
	o.at(conn).user = v.User
	o.there = append(o.there, conn)
	o.own, _ = codec.AppendSuccess(o.own, &codec.Success{Incarnation: 1, Gen: 1, KeepaliveSec: 240, WindowEntries: 64, WindowBytes: 256 << 10})
}

// send makes the frame for all, and the sender's place.
func (o *fanout) send(conn uint32, f codec.Frame) {
	v, err := codec.ParseSend(f)
	if err != nil {
		return
	}
	part, _, _ := v.Parts.Next()
	o.gseq++
	c := o.at(conn)
	d := codec.Deliver{Seq: 1, From: c.user, Gen: 1, ID: v.Cseq, Flags: codec.FlagGroup, Group: v.To, GroupSeq: o.gseq, Blob: part.Blob}
	o.frame, _ = codec.AppendDeliver(o.frame, &d)
	o.seqs = append(o.seqs, len(o.frame)-len(part.Blob)-deliverFixedBytes)
	c.seq++
	d.Seq, d.Kind, d.Blob = c.seq, codec.PayloadGroupPlace, nil
	o.own, _ = codec.AppendDeliver(o.own, &d)
	o.tick = v.Cseq
}

// spread writes the frames to all but their sender.
func (o *fanout) spread(from uint32) {
	for _, conn := range o.there {
		if conn == from {
			continue
		}
		c := &o.conns[conn]
		for _, at := range o.seqs {
			c.seq++
			binary.BigEndian.PutUint64(o.frame[at:], c.seq)
		}
		o.write(conn, o.frame)
	}
}

// runBareFanout is the child process fanoutBare.
func runBareFanout(stdin io.Reader, stdout io.Writer) error {
	e := &bareEcho{fan: &fanout{write: func(conn uint32, b []byte) { bareWrite(int(conn), b) }}}
	return runBare(e, stdin, stdout)
}

// fanoutHandler is a fanout on our reactor.
type fanoutHandler struct {
	echoHandler
	fan *fanout
	ids []netpoll.ConnID // by slot
}

// OnOpen notes the connection.
func (h *fanoutHandler) OnOpen(id netpoll.ConnID, info netpoll.OpenInfo) {
	for int(id.Slot()) >= len(h.ids) {
		h.ids = append(h.ids, 0)
	}
	h.ids[id.Slot()] = id
	h.echoHandler.OnOpen(id, info)
}

// OnData takes everything; what is not whole the fanout keeps.
func (h *fanoutHandler) OnData(id netpoll.ConnID, b []byte) int {
	h.fan.take(id.Slot(), b)
	return len(b)
}

// OnClose forgets the connection.
func (h *fanoutHandler) OnClose(id netpoll.ConnID, reason netpoll.CloseReason) {
	h.fan.left(id.Slot())
	h.echoHandler.OnClose(id, reason)
}

// write hands bytes to the reactor; a client that does not read until the outbound cap is reached is closed.
func (h *fanoutHandler) write(conn uint32, b []byte) {
	if err := h.loop.Send(h.ids[conn], b); err != nil {
		h.loop.Close(h.ids[conn])
	}
}

// runNetpollFanout is the child process fanoutNetpoll: one loop.
func runNetpollFanout(stdin io.Reader, stdout io.Writer) error {
	return runOneLoop("", stdin, stdout, func(echo echoHandler) netpoll.Handler {
		h := &fanoutHandler{echoHandler: echo}
		h.fan = &fanout{write: h.write}
		return h
	})
}
