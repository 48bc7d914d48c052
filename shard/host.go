package shard

import (
	"trunkline/codec"
	"trunkline/store"
)

// Conn names a connection of this loop. Its low 32 bits are a dense slot index; zero is none. (netpoll.ConnID's shape.)
// No two connections of the process have the same Conn at the same time.
type Conn uint64

func (c Conn) slot() uint32 { return uint32(c) }

// Host is the loop that a Shard runs on.
type Host interface {
	// Send copies frame behind the connection's waiting output. An error means the outbound cap was reached.
	Send(conn Conn, frame []byte) error
	// Close flushes what waits and closes. Closed follows.
	Close(conn Conn)
	// Move gives the connection and its unconsumed input to another loop when the current call returns; Open follows there
	// with moved set; Closed does not follow here.
	Move(conn Conn, to int)
	// SetTimer arms the connection's one timer; 0 stops it. Timer follows.
	SetTimer(conn Conn, ms int64)
	// Redeliver has Data called again in the next turn with what was not consumed.
	Redeliver(conn Conn)
	Mesh
}

// Mesh is the way to other loops.
type Mesh interface {
	// Post copies msg for the shard of another loop; FIFO for each pair.
	Post(to int, msg []byte) error
	// Credit is how many bytes may be posted before that loop's inbox is full.
	Credit(to int) int
	// WakeAt asks for a Tick no later than that time.
	WakeAt(unixMs int64)
}

// Queue is the mailbox memory as the machines use it; *store.Mailboxes is one.
type Queue interface {
	Append(e *store.Entry, payload []byte) error
	Replace(e *store.Entry) error
	Scan(user uint64, device uint8, after uint64, f func(e *store.Entry, payload []byte) bool)
	Drop(user uint64, device uint8, upTo uint64, f func(e *store.Entry, payloadBytes int)) (dropped int)
	Last(user uint64, device uint8) (e store.Entry, ok bool)
	Stats() store.Stats
}

// sharing is what a Queue may offer besides: one payload for several entries.
type sharing interface {
	AppendShared(e *store.Entry, of store.Key, lane int) error
}

// Clerk answers requests about users (iq.OpProfileGet and up), away from the loop.
type Clerk interface {
	// Ask takes a request of a logged-in session. frame is valid until it returns; the answer comes with Shard.Answer. false: too many wait,
	// the client is to come again. With conn 0 the shard asks for the rest of a deletion: the answer is Shard.Forgotten.
	Ask(conn Conn, user uint64, device uint8, frame codec.Frame) bool
}
