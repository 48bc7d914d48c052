package netpoll

import "golang.org/x/sys/unix"

// stop begins the end of a loop: no new connections, and each goes when its output is written.
func (l *Loop) stop() {
	l.stopping = true
	l.ending.Store(true)
	l.closeAcceptors(-1)
	l.endEach()
}

// kill is stop for those who can't wait: what is not written is dropped.
func (l *Loop) kill() {
	l.killing = true
	l.stop()
}

func (l *Loop) endEach() {
	for i := uint32(1); i < l.slotsEnd; i++ {
		if s := l.slots.At(i); s != nil && s.gen != 0 {
			l.endOne(connID(l.index, s.gen, i), s)
		}
	}
}

// endOne ends a connection because the reactor goes down.
func (l *Loop) endOne(id ConnID, s *slot) {
	switch {
	case l.killing || s.state != stateDraining && s.outLen == 0:
		l.becomeClosed(id, s, ReasonShutdown)
	case s.state != stateDraining && s.state != stateClosed:
		l.becomeDraining(id, s, ReasonShutdown)
		l.wheel.stop(id.Slot(), s) // the end of Shutdown's context is the deadline
	}
}

// abandon ends everything on a loop whose poller has failed.
func (l *Loop) abandon() {
	l.kill()
	l.release()
	l.settle()
	l.flushOutboxes()
	l.publish()
}

// sweep ends the inbox of a loop that has ended, runs its last commands and closes the descriptors that were on their way to it.
// Safe to call twice.
func (l *Loop) sweep() {
	queue, commands := l.inbox.close()
	for _, f := range commands {
		f()
	}
	waiting := append(l.arrived[l.arrivedAt:], queue...)
	l.arrived, l.arrivedAt = nil, 0
	for _, p := range waiting {
		l.r.loseParcel(l.index, p)
	}
	l.closeAcceptors(-1)
}

// loseParcel closes the connections in a parcel whose receiver has ended. They are no longer counted: what is counted keeps the
// other loops alive.
func (r *Reactor) loseParcel(to int, p *parcel) {
	for kind, body, ok := p.next(); ok; kind, body, ok = p.next() {
		if kind == recordConn {
			pass := parsePassage(body)
			_ = unix.Close(pass.fd)
			r.loads[to].v.Add(-1)
			r.leave(pass.tag)
		}
	}
}
