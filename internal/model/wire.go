package model

// frameKind is the kind of a frame between client and session.
type frameKind uint8

const (
	hello frameKind = iota + 1
	success
	send
	tick     // the server's ACK
	ack      // the client's ACK
	deliver  // of the mailbox: a message
	receipt  // of the mailbox: delivered
	reject   // of the mailbox: rejected
	refusal  // soft ERROR: send cseq ref again
	fatal    // ERROR that closes
	accepted // the transport has read a first flight
	confirm  // the client has read that: its flight was no replay
)

// code says why a session was closed.
type code uint8

const (
	codeReplaced code = iota + 1
	codeStale
	codeGap
	codeAckInvalid
	codeWindow
	codeCrashed
)

// frame is any frame; each kind uses some of the fields.
type frame struct {
	kind        frameKind
	code        code
	gen         uint32
	seq         uint64 // deliver, receipt, reject, ack; hello: downSeq, with gen 0 the registration token
	cseq        uint64 // send, refusal; deliver: id; hello: ticked; success, tick: upHigh; receipt, reject: first
	last        uint64 // receipt
	peer        int    // deliver, receipt, reject: the other device; send: the recipient
	msg         int    // send, deliver, reject: which message it is, for the checks
	incarnation uint32
	epoch       uint32 // hello: grows with every connection of a client
	early       bool   // hello: of a first flight, which may be a replay
}

// conn is one connection. Once cut nothing is added; what remains of both directions can still be read.
type conn struct {
	up, down []frame
	cut      bool
	eof      bool // the server has read up to the end
	flight   int  // which first flight it said
	replay   bool // nobody reads what is said to it
	s        session
}

// cutAt breaks the connection and loses a random tail of both directions.
func (w *world) cutAt(c *conn) {
	if c.cut {
		return
	}
	c.cut = true
	w.tell("cut: connection of device %d", c.s.dev)
	c.up = c.up[:w.r.IntN(len(c.up)+1)]
	c.down = c.down[:w.r.IntN(len(c.down)+1)]
}

func (c *conn) toClient(f frame) {
	if !c.cut {
		c.down = append(c.down, f)
	}
}

func (c *conn) toServer(f frame) {
	if !c.cut {
		c.up = append(c.up, f)
	}
}

// pop takes the first of a queue.
func pop[T any](q *[]T) T {
	f := (*q)[0]
	*q = append((*q)[:0], (*q)[1:]...)
	return f
}
