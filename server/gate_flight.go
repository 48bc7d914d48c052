package server

import (
	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/netpoll"
)

// greet takes the first flights of a connection that has no keys yet. link is set when it has them now.
func (g *gate) greet(id netpoll.ConnID, b []byte) (consumed int, link *secure.Link) {
	for {
		head, ok, err := secure.ParseHead(b[consumed:])
		if err != nil {
			g.foreign(id, err)
			return len(b), nil
		}
		size := secure.HeadBytes + int(head.Length)
		if !ok || len(b)-consumed < size {
			if !g.partial(id, len(b)-consumed) {
				return len(b), nil
			}
			return consumed, nil
		}
		flight := b[consumed : consumed+size]
		in, granted := g.turn(id, head.Kind, flight)
		switch {
		case in == nil:
			return len(b), nil
		case !granted && in.phase == phasePartial: // this flight was answered, another may follow
			consumed += size
			continue
		case !granted:
			return consumed, nil
		}
		at, link := g.shake(id, in, head.Kind, flight)
		if link != nil {
			return consumed + at, link
		}
		if g.logins[id] == nil { // refused and closing
			return len(b), nil
		}
		consumed += size
	}
}

// foreign answers a flight that this server does not speak. Another version is told so; anything else is not worth a word.
func (g *gate) foreign(id netpoll.ConnID, err error) {
	if err == secure.ErrVersion || err == secure.ErrSuite {
		g.refuse(id, codec.CodeVersion, 0)
		return
	}
	g.offend(id)
}

// partial lets a flight that is not whole wait in the connection's input. Small ones cost the loop's arena a block; those that
// are larger have a row, and all of them together a limit.
func (g *gate) partial(id netpoll.ConnID, have int) bool {
	if have <= PartialFlightBytes {
		return true
	}
	in := g.row(id)
	if in == nil || g.kept+int64(have-in.kept) > FlightBytesKeptMax {
		g.busy(id)
		return false
	}
	g.keep(in, have)
	return true
}

func (g *gate) keep(in *login, have int) {
	g.kept += int64(have - in.kept)
	in.kept = have
}

// row is the connection's place in logins; nil when there are too many.
func (g *gate) row(id netpoll.ConnID) *login {
	in := g.logins[id]
	if in == nil && len(g.logins) < LoginsMax {
		in = &login{}
		g.put(id, in)
	}
	return in
}

// turn decides whether a whole flight is answered now. nil: the connection is closing. in.phase phasePartial and not granted: the flight
// was refused and the client may send another. Otherwise it waits in the queue.
func (g *gate) turn(id netpoll.ConnID, kind secure.FlightKind, flight []byte) (in *login, granted bool) {
	in = g.row(id)
	if in == nil {
		g.busy(id)
		return nil, false
	}
	switch in.phase {
	case phaseGranted:
		return in, true
	case phaseQueued:
		return in, false
	}
	if !g.admission.Handshake(g.loop.Tag(id)) {
		g.busy(id)
		return nil, false
	}
	if kind == secure.FlightResume && !g.ticketGood(flight, nil) {
		return g.again(id, in), false
	}
	if g.desk.free() {
		return in, true
	}
	if g.kept+int64(len(flight)) > FlightBytesKeptMax || !g.desk.queue(id) {
		g.busy(id)
		return nil, false
	}
	in.phase = phaseQueued
	g.keep(in, len(flight))
	return in, false
}

// again refuses a ticket; the client goes on with a contact flight. nil: it has done so too often.
func (g *gate) again(id netpoll.ConnID, in *login) *login {
	g.stats.TicketsBad++
	if in.flights++; in.flights > FlightsMax {
		g.offend(id)
		return nil
	}
	in.phase = phasePartial
	g.send(id, secure.AppendRefusal(g.scratch[:0], uint16(codec.CodeTicket), 0))
	return in
}

// ticketGood opens and judges the ticket of a resume flight; t is filled when it is not nil.
func (g *gate) ticketGood(flight []byte, t *secure.Ticket) bool {
	keys := g.keys.Tickets()
	opened, err := keys.Open(secure.FlightTicket(flight))
	switch {
	case err != nil, g.nowSec() >= int64(opened.Expires):
		return false
	case int64(opened.Issued) < g.registrar.ticketsInvalidBefore(), g.registrar.revoked(opened.User, opened.Device, opened.Gen):
		return false
	}
	if t != nil {
		*t = opened
	}
	return true
}

// shake does one handshake. link is nil when it failed; then the connection is closing (no row any more) or may try again.
func (g *gate) shake(id netpoll.ConnID, in *login, kind secure.FlightKind, flight []byte) (at int, link *secure.Link) {
	g.keep(in, 0)
	in.phase = phasePartial
	began := g.desk.begin()
	if kind == secure.FlightContact {
		at, link = g.contact(id, in, flight)
	} else {
		at, link = g.resume(id, in, flight)
	}
	g.stats.HandshakesNs += uint64(g.desk.end(began, kind == secure.FlightResume))
	return at, link
}

// contact answers a first contact; one for another static key gets the certificate that names the present one.
func (g *gate) contact(id netpoll.ConnID, in *login, flight []byte) (at int, link *secure.Link) {
	reply, peer, l, err := g.responder.Contact(g.scratch[:0], flight)
	if err != nil {
		g.certify(id, in)
		return 0, nil
	}
	g.stats.Contacts++
	g.scratch = reply
	g.send(id, reply)
	in.phase, in.static = phaseKeyed, peer
	return len(flight), g.keyed(id, &l)
}

func (g *gate) certify(id netpoll.ConnID, in *login) {
	g.stats.Certificates++
	if in.flights++; in.flights > FlightsMax {
		g.offend(id)
		return
	}
	c := g.keys.Certificate()
	g.send(id, secure.AppendCertificate(g.scratch[:0], &c))
}

// resume answers a ticket. The early data becomes readable in place; the link gives it as the first thing.
func (g *gate) resume(id netpoll.ConnID, in *login, flight []byte) (at int, link *secure.Link) {
	var t secure.Ticket
	if !g.ticketGood(flight, &t) { // it was good when it was queued
		g.again(id, in)
		return 0, nil
	}
	reply, l, at, err := g.responder.Resume(g.scratch[:0], flight, &t.PSK)
	clear(t.PSK[:])
	if err != nil {
		g.offend(id)
		return 0, nil
	}
	g.stats.Resumes++
	g.scratch = reply
	g.send(id, reply)
	in.user, in.device, in.gen, in.key = t.User, t.Device, t.Gen, t.Key
	in.ticket = g.stale(&t)
	link = g.keyed(id, &l)
	g.identify(id, in)
	return at, link
}

// stale says whether a ticket may end within a rotation: then a fresh one goes out.
func (g *gate) stale(t *secure.Ticket) bool { return int64(t.Expires)-g.nowSec() < g.rotation }

// keyed gives the connection its link.
func (g *gate) keyed(id netpoll.ConnID, l *secure.Link) *secure.Link {
	link := g.links.At(id.Slot())
	*link = *l
	return link
}

// send writes a flight: these are not sealed.
func (g *gate) send(id netpoll.ConnID, flight []byte) {
	g.scratch = flight[:0]
	if g.loop.Send(id, flight) != nil {
		g.loop.Close(id)
	}
}

// busy refuses for the time being, with a place in the order of return.
func (g *gate) busy(id netpoll.ConnID) {
	g.stats.Busy++
	g.refuse(id, codec.CodeBusy, uint32(g.desk.retryAfter().Milliseconds()))
}

// refuse says why before there are keys, and closes.
func (g *gate) refuse(id netpoll.ConnID, code codec.ErrorCode, retryAfterMs uint32) {
	g.remove(id)
	g.send(id, secure.AppendRefusal(g.scratch[:0], uint16(code), retryAfterMs))
	g.loop.CloseFlush(id, FlushTimeout)
}
