package netpoll

import "net/netip"

// OpenInfo describes a new connection.
type OpenInfo struct {
	Origin   Origin
	Listener int            // number of the listener that accepted it, from 0; -1 when adopted or moved
	Remote   netip.AddrPort // zero when moved
	Tag      uint32         // of the Doorkeeper, 0: none
	State    []byte         // what Adopt or Move was given; valid during OnOpen
}

// ConnHandler takes the events of connections. All calls come on the loop's goroutine.
type ConnHandler interface {
	OnOpen(id ConnID, info OpenInfo)
	// OnData gives all bytes that wait in order, left-overs of earlier calls first. It returns how many it has consumed;
	// the rest is kept (at most InboundBytesMax, over it the loop stops reading) and comes again with the next bytes
	// or after Redeliver. b is valid until OnData returns. It may be changed in place (decrypted, say): what is not consumed
	// is kept as it was left, and comes again like that, on this loop or on another after Move.
	OnData(id ConnID, b []byte) (consumed int)
	// OnHalfClose: the peer sent FIN after the bytes seen so far. The connection can still be written; call CloseFlush to
	// end it, or keep writing. A handler that does nothing leaves it open until the peer resets it.
	OnHalfClose(id ConnID)
	// OnWritable: pending output of a connection whose Send was refused, or that had to wait for the socket, fell to zero.
	OnWritable(id ConnID)
	OnClose(id ConnID, reason CloseReason)
}

// LoopHandler takes the events of the loop itself.
type LoopHandler interface {
	// OnMessage takes one message, in the order in which `from` posted them. from is -1 for Reactor.Post.
	// msg is valid until OnMessage returns.
	OnMessage(from int, msg []byte)
	OnTimer(id ConnID)
	// OnTick ends each turn of the loop, before the coalesced writes. Output it produces goes out in the same turn.
	OnTick()
	// OnPanic reports a panic in a callback. id is the connection on whose behalf the callback ran, or zero.
	// The loop closes that connection with ReasonPanic afterwards (OnClose follows) and goes on.
	OnPanic(id ConnID, value any, stack []byte)
}

// Handler is what one loop drives. Each loop has its own; none is called from two goroutines.
type Handler interface {
	ConnHandler
	LoopHandler
}
