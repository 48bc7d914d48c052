package bench

// Crowd counts what encrypted sessions did, since they began.
type Crowd struct {
	Offered     int64 `json:"offered"`     // first flights sent
	Admitted    int64 `json:"admitted"`    // answered with a handshake
	Refused     int64 `json:"refused"`     // answered with a refusal
	Dropped     int64 `json:"dropped"`     // closed without an answer
	Unreachable int64 `json:"unreachable"` // no connection was made
	Stale       int64 `json:"stale"`       // tickets refused
	Tickets     int64 `json:"tickets"`     // tickets received
	Returned    int64 `json:"returned"`    // logged in again
	Resumed     int64 `json:"resumed"`     // of those, with a ticket
	Prepared    int64 `json:"prepared"`    // flights that wait to be sent
}

// crowd reads the counters of one loop.
func (c *sessionCounts) crowd() Crowd {
	return Crowd{
		Offered: c.offered.Load(), Admitted: c.admitted.Load(), Refused: c.refused.Load(), Dropped: c.dropped.Load(),
		Stale: c.stale.Load(), Tickets: c.tickets.Load(), Returned: c.returned.Load(), Resumed: c.resumedIn.Load(),
		Prepared: c.prepared.Load(),
	}
}

// plus adds another crowd.
func (c Crowd) plus(d Crowd) Crowd {
	c.Offered += d.Offered
	c.Admitted += d.Admitted
	c.Refused += d.Refused
	c.Dropped += d.Dropped
	c.Unreachable += d.Unreachable
	c.Stale += d.Stale
	c.Tickets += d.Tickets
	c.Returned += d.Returned
	c.Resumed += d.Resumed
	c.Prepared += d.Prepared
	return c
}

// minus is what happened since d.
func (c Crowd) minus(d Crowd) Crowd {
	c.Offered -= d.Offered
	c.Admitted -= d.Admitted
	c.Refused -= d.Refused
	c.Dropped -= d.Dropped
	c.Unreachable -= d.Unreachable
	c.Stale -= d.Stale
	c.Tickets -= d.Tickets
	c.Returned -= d.Returned
	c.Resumed -= d.Resumed
	return c
}
