package bench

import (
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/netpoll"
)

// withVeil makes a loop's sessions speak the encrypted transport.
func (sl *sessionLoop) withVeil(server secure.PublicKey) {
	sl.veil, sl.devices = newVeil(sl.first, server), map[uint32]device{}
}

// greet sends the first flight: a ticket where there is one and the run wants it, else contact.
func (sl *sessionLoop) greet(s *session) {
	sl.veil.open(s.id.Slot())
	s.state = sessionGreeting
	flight, err := sl.firstFlight(s)
	if err == nil {
		err = sl.loop.Send(s.id, flight)
	}
	if err != nil {
		sl.fail("first flight: %v", err)
		sl.loop.Close(s.id)
		s.state = sessionEnded
		sl.fleet.dial.release()
		return
	}
	sl.counts.offered.Add(1)
}

// firstFlight is a prepared flight, a new resume flight, or a contact flight.
func (sl *sessionLoop) firstFlight(s *session) ([]byte, error) {
	v := sl.veil
	if d, ok := sl.devices[s.index]; ok && v.resume && d.hasTicket {
		flight, made := v.ready[s.index]
		if !made {
			var err error
			if flight, err = sl.resumeFlight(s.index); err != nil {
				return nil, err
			}
			v.ready[s.index] = flight // a refused one is sent again as it is: the server has read none of it
		}
		s.resumed = true
		v.pending[s.id] = flight.initiator
		return flight.bytes, nil
	}
	return v.contact(s.id)
}

// resumeFlight makes the flight of a device that holds a ticket, with an epoch of its own.
func (sl *sessionLoop) resumeFlight(index uint32) (preparedFlight, error) {
	d := sl.devices[index]
	d.epoch++
	sl.devices[index] = d
	sl.veil.early = sl.hello(sl.veil.early[:0], index)
	return sl.veil.prepare(&d, sl.veil.early)
}

// records takes the answer to the first flight and then all whole records.
func (sl *sessionLoop) records(s *session, b []byte, now int64) (consumed int) {
	for s.state == sessionGreeting {
		used := sl.answer(s, b[consumed:])
		if used == 0 {
			return consumed
		}
		consumed += used
	}
	if s.state == sessionAway {
		return len(b)
	}
	link := &sl.veil.links[s.id.Slot()]
	for {
		plain, at, err := link.Plain(b[consumed:])
		if err != nil {
			sl.fail("record from the server: %v", err)
			sl.loop.Close(s.id)
			return len(b)
		}
		consumed += at
		if len(plain) == 0 {
			return consumed
		}
		took := sl.frames(s, plain, now)
		if took < len(plain) {
			sl.fail("a record ends within a frame")
			sl.loop.Close(s.id)
			return len(b)
		}
		consumed += took + link.Consume(took)
	}
}

// answer takes one server flight at the front of b; 0: it is not all there.
func (sl *sessionLoop) answer(s *session, b []byte) (used int) {
	r, used, err := secure.ParseReply(b)
	if err != nil {
		sl.fail("answer to a flight: %v", err)
		sl.loop.Close(s.id)
		s.state = sessionEnded
		return len(b)
	}
	if used == 0 {
		return 0
	}
	switch {
	case r.Kind == secure.FlightAccepted:
		err = sl.accepted(s, r.Body)
	case r.Kind == secure.FlightRefusal && codec.ErrorCode(r.Code) == codec.CodeTicket && s.resumed:
		err = sl.contactInstead(s)
	case r.Kind == secure.FlightRefusal && comesBack(codec.ErrorCode(r.Code)):
		sl.counts.refused.Add(1)
		sl.comeBack(s, r.RetryAfterMs)
	default:
		sl.fail("the server answered a flight with %#x, code %d", r.Kind, r.Code)
		sl.loop.Close(s.id)
		s.state = sessionEnded
	}
	if err != nil {
		sl.fail("handshake: %v", err)
		sl.loop.Close(s.id)
		s.state = sessionEnded
	}
	return used
}

// accepted ends a handshake and says the first record: HELLO after a contact flight, nothing after one that carried it.
func (sl *sessionLoop) accepted(s *session, body []byte) error {
	if err := sl.veil.finish(s.id, body); err != nil {
		return err
	}
	s.state = sessionLogin
	sl.counts.admitted.Add(1)
	sl.scratch = sl.scratch[:0]
	if s.resumed {
		delete(sl.veil.ready, s.index)
	} else {
		if d, ok := sl.devices[s.index]; ok {
			d.epoch++
			sl.devices[s.index] = d
		}
		sl.scratch = sl.hello(sl.scratch, s.index)
	}
	sl.send(s.id, sl.scratch)
	return nil
}

// contactInstead goes on with a contact flight on the same connection: the ticket is of no use.
func (sl *sessionLoop) contactInstead(s *session) error {
	sl.counts.stale.Add(1)
	delete(sl.veil.ready, s.index)
	s.resumed = false
	flight, err := sl.veil.contact(s.id)
	if err != nil {
		return err
	}
	return sl.loop.Send(s.id, flight)
}

// comesBack says whether a code asks to return later.
func comesBack(c codec.ErrorCode) bool { return c == codec.CodeBusy || c == codec.CodeDraining }

// comeBack closes the connection and asks for another one when the server wants it.
func (sl *sessionLoop) comeBack(s *session, retryAfterMs uint32) {
	s.state = sessionAway
	sl.loop.Close(s.id)
	pause := time.Duration(retryAfterMs) * time.Millisecond
	sl.fleet.recall.add(s.index, sl.clock.now()+int64(pause))
}

// remember keeps what a device needs to come back.
func (sl *sessionLoop) remember(s *session, v codec.Success) {
	d, had := sl.devices[s.index]
	if had {
		sl.counts.returned.Add(1)
		if s.resumed {
			sl.counts.resumedIn.Add(1)
		}
	}
	if d.incarnation != v.Incarnation {
		d.seen = 0 // seqs of other data mean nothing
	}
	d.gen, d.incarnation, d.ticked = v.Gen, v.Incarnation, max(d.ticked, v.UpHigh)
	sl.devices[s.index] = d
}

// ticket keeps the newest ticket.
func (sl *sessionLoop) ticket(s *session, f codec.Frame) error {
	v, err := codec.ParseTicket(f)
	if err != nil || sl.veil == nil || len(v.Sealed) != secure.TicketBytes {
		return err
	}
	d := sl.devices[s.index]
	d.hasTicket, d.psk = true, v.PSK
	copy(d.ticket[:], v.Sealed)
	sl.devices[s.index] = d
	sl.counts.tickets.Add(1)
	return nil
}

// keepSeen notes with the device what its session has seen.
func (sl *sessionLoop) keepSeen(s *session) {
	if d, ok := sl.devices[s.index]; ok && s.seen > d.seen {
		d.seen = s.seen
		sl.devices[s.index] = d
	}
}

// parted handles the end of an encrypted connection; false: it is a failure like any other.
func (sl *sessionLoop) parted(s *session, reason netpoll.CloseReason) bool {
	delete(sl.veil.pending, s.id)
	sl.keepSeen(s)
	switch {
	case s.state == sessionAway:
		sl.fleet.dial.release()
		return true
	case s.state == sessionGreeting && reason != netpoll.ReasonShutdown:
		// No answer is the shortest refusal: a client comes back after a pause, spread so that not all return at once.
		sl.fleet.dial.release()
		sl.counts.dropped.Add(1)
		pause := int64(unreachablePause) * int64(50+s.index%51) / 100
		sl.fleet.recall.add(s.index, sl.clock.now()+pause)
		return true
	}
	return false
}

// veilCommand takes the orders that only encrypted sessions know.
func (sl *sessionLoop) veilCommand(c byte) {
	switch c {
	case cmdResume, cmdContact:
		sl.veil.resume = c == cmdResume
	case cmdPrepare:
		sl.prepareAll()
	}
}

// prepareAll makes the flights of all devices that hold a ticket, before somebody waits for them.
func (sl *sessionLoop) prepareAll() {
	for index := range sl.devices {
		if d := sl.devices[index]; !d.hasTicket {
			continue
		}
		flight, err := sl.resumeFlight(index)
		if err != nil {
			sl.fail("prepare: %v", err)
			return
		}
		sl.veil.ready[index] = flight
	}
	sl.counts.prepared.Store(int64(len(sl.veil.ready)))
}
