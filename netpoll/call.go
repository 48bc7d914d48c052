package netpoll

import "runtime/debug"

// callback names a method of Handler.
type callback uint8

const (
	callOpen callback = iota
	callData
	callHalfClose
	callWritable
	callClose
	callMessage
	callTimer
	callTick
	callPanic
)

// invoke is the loop's only call of its handler, and the only place with a recover: a panic ends the callback, not the loop.
// b and arg mean what the callback needs.
func (l *Loop) invoke(c callback, id ConnID, b []byte, arg int) (n int) {
	defer l.rescue(c, id)
	switch c {
	case callOpen:
		l.handler.OnOpen(id, l.opening)
	case callData:
		n = l.handler.OnData(id, b)
	case callHalfClose:
		l.handler.OnHalfClose(id)
	case callWritable:
		l.handler.OnWritable(id)
	case callClose:
		l.handler.OnClose(id, CloseReason(arg))
	case callMessage:
		l.handler.OnMessage(arg, b)
	case callTimer:
		l.handler.OnTimer(id)
	case callTick:
		l.handler.OnTick()
	case callPanic:
		l.handler.OnPanic(id, l.panicked, b)
	}
	return n
}

// rescue turns a panic of a callback into a report and the end of the connection it was about. A panic of the report
// itself is logged and goes no further.
func (l *Loop) rescue(c callback, id ConnID) {
	v := recover()
	if v == nil {
		return
	}
	l.meters[meterPanics]++
	stack := debug.Stack()
	if c == callPanic {
		l.r.cfg.Logger.Error("netpoll: the report of a panic has panicked", "loop", l.index, "panic", v, "stack", string(stack))
		return
	}
	l.panicked = v
	l.invoke(callPanic, id, stack, 0)
	l.panicked = nil
	if s := l.lookup(id); s != nil && id != 0 {
		l.becomeClosed(id, s, ReasonPanic)
	}
}

// call is invoke and what the callback has left to do behind it.
func (l *Loop) call(c callback, id ConnID, b []byte, arg int) int {
	n := l.invoke(c, id, b, arg)
	l.settle()
	return n
}

// settle does what callbacks have asked for but must not happen inside of one: arrivals open, departures leave.
func (l *Loop) settle() {
	for {
		switch {
		case len(l.moves) > 0:
			l.leaveMoved()
		case len(l.adopted) > 0:
			l.openAdopted()
		default:
			return
		}
	}
}
