package testkit

import (
	"slices"

	"trunkline/shard"
)

// Conn is a connection as the client holds it: bytes to write, bytes to read, no socket.
type Conn struct {
	id    shard.Conn
	loop  *Loop
	timer int64 // when it is due; 0: not armed

	arriving []byte // written by the client, not yet seen by the loop
	in       []byte // seen, not yet consumed
	out      []byte // written by the server, not yet read by the client
	pieces   []int  // sizes in which what is written arrives; then all at once

	identity   *shard.Identity // what the transport has proved; nil: nothing
	identified bool            // that was told on this loop
	flight     []byte          // what was written before Confirm: whoever listens can replay it
	early      int             // bytes of it that have not arrived
	confirming bool            // the client has answered the server's flight
	confirmed  bool            // that has arrived

	opened    bool
	moved     bool
	redeliver bool
	fin       bool // the client has sent its last byte
	finTold   bool
	gone      bool // the client or the network has dropped the connection
	closing   bool // the server has asked to close
	closed    bool
}

// Write sends bytes to the server. On a connection that is closed they are lost.
func (c *Conn) Write(b []byte) {
	c.arriving = append(c.arriving, b...)
	if c.identity != nil && c.identity.Early && !c.confirming {
		c.flight = append(c.flight, b...)
		c.early += len(b)
	}
}

// Identify says what the transport proves about the client, before anything is written. What is written after it is early data
// when the identity is Early, until Confirm.
func (c *Conn) Identify(id shard.Identity) { c.identity = &id }

// Confirm is the client's first record: the early data before it was no replay.
func (c *Conn) Confirm() { c.confirming = true }

// Flight is the connection's first flight as a listener has it.
func (c *Conn) Flight() Flight {
	return Flight{Identity: *c.identity, Bytes: slices.Clone(c.flight)}
}

// Flight is a first flight with early data. Whoever has it can send it again, and can't read the answer.
type Flight struct {
	Identity shard.Identity
	Bytes    []byte
}

// Pieces sets in which sizes the next bytes arrive.
func (c *Conn) Pieces(sizes ...int) { c.pieces = append(c.pieces, sizes...) }

// Output is what the server has written so far; it is empty afterwards. The slice is valid until the next turn.
func (c *Conn) Output() []byte {
	b := c.out
	c.out = c.out[:0]
	return b
}

// CloseWrite sends FIN behind what was written.
func (c *Conn) CloseWrite() { c.fin = true }

// Drop breaks the connection: what is on the way is lost, in both directions.
func (c *Conn) Drop() {
	c.gone = true
	c.arriving, c.out = nil, nil
}

// Closed says whether the server has closed it, or it was dropped.
func (c *Conn) Closed() bool { return c.closed || c.gone }

// Loop is the number of the loop that holds it.
func (c *Conn) Loop() int { return c.loop.Index }

// Held is how many bytes the server has seen and left unread.
func (c *Conn) Held() int { return len(c.in) }

func (c *Conn) busy(now int64) bool {
	return !c.opened || c.gone || c.closing || c.redeliver || len(c.arriving) > 0 ||
		c.fin && !c.finTold || c.identity != nil && !c.identified || c.confirming && !c.confirmed || c.timer != 0 && c.timer <= now
}

// piece is how many of the arriving bytes come now.
func (c *Conn) piece(w *World) int {
	n := len(c.arriving)
	if c.early > 0 {
		n = min(n, c.early)
	}
	switch {
	case n == 0:
	case len(c.pieces) > 0:
		n = min(n, c.pieces[0])
		c.pieces = c.pieces[1:]
	case w.opts.Chaos:
		n = min(n, w.Random.IntN(1<<w.Random.IntN(chunkBitsMax)+1))
	}
	return n
}
