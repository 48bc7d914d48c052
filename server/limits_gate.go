package server

import "time"

// The gate: what clients cost before they are known.
const (
	// LoginsMax bounds the connections of one loop between their first flight and SUCCESS. Over it they are refused with a retry-after.
	LoginsMax = 16_384
	// PartialFlightBytes of a flight may wait for the rest without a row in the gate's table.
	PartialFlightBytes = 1 << 10
	// FlightBytesKeptMax bounds the flights that wait on one loop, whole or not. Over it: refused with a retry-after.
	FlightBytesKeptMax = 32 << 20
	// FlightsMax is how often one connection may be told that its ticket or its server key is wrong. Over it: close.
	FlightsMax = 3
	// HandshakeTurn is the most time that one turn of a loop gives to handshakes, but for the one that passes it: so one in a turn.
	HandshakeTurn = 50 * time.Microsecond
	// HandshakeBurst is how much of its share a loop without handshakes saves up.
	HandshakeBurst = 5 * time.Millisecond
	// HandshakeWaitMax bounds the queue by the time that it takes to serve it. Over it: refused with a retry-after.
	HandshakeWaitMax = time.Second
	// TicketLifeMin is the shortest life, in seconds, of a ticket that is worth giving out.
	TicketLifeMin = 30
	// handshakeCostGuess is the cost of a handshake, in nanoseconds, until the first ones are measured.
	handshakeCostGuess = 250_000
	// linksMax bounds the slots of connections, as the shard's table does.
	linksMax = 1 << 24
	// loginRowsKept, queueRowsKept and stagedBytesKept are what a loop keeps of its scratch memory when a storm is over.
	loginRowsKept   = 1_024
	queueRowsKept   = 1_024
	stagedBytesKept = 1 << 20
)
