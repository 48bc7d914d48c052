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

// sweep closes descriptors that were on their way to a loop that has ended, and runs its last commands.
func (l *Loop) sweep() {
	queue, commands := l.inbox.close()
	for _, f := range commands {
		f()
	}
	for _, p := range append(l.arrived[l.arrivedAt:], queue...) {
		for kind, body, ok := p.next(); ok; kind, body, ok = p.next() {
			if kind == recordConn {
				pass := parsePassage(body)
				_ = unix.Close(pass.fd)
			}
		}
	}
	l.closeAcceptors(-1)
}
