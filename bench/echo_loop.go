package bench

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/netpoll"
)

// echoConn is one connection of the generator.
type echoConn struct {
	id     netpoll.ConnID
	index  uint32
	sent   uint32
	closed bool
	stream stream
}

// echoLoop sends messages to an echo server and checks what comes back. Raw idle connections are one that never begins.
type echoLoop struct {
	quiet
	fleet    *fleet
	loop     *netpoll.Loop
	clock    clock
	bytes    int           // of one message
	inflight int           // closed loop: on each connection
	interval time.Duration // paced: between two messages, on one connection after the other; 0: closed loop
	payload  payloadCodec

	slots   []uint32 // connection's slot to its place in conns
	conns   []echoConn
	running bool
	start   int64
	issued  uint64

	open, ready, failed atomic.Int64 // read by other goroutines, as those below
	arrived, sent       atomic.Int64
	stopped             atomic.Bool
	failure             atomic.Pointer[string]
	issuedAll           uint64 // messages sent on all connections
	latency             *hdrhistogram.Histogram
	late                *hdrhistogram.Histogram
	tally               tally
	scratch             []byte
}

func newEchoLoop(f *fleet, l *netpoll.Loop, c clock, bytes int) *echoLoop {
	return &echoLoop{
		fleet: f, loop: l, clock: c, bytes: bytes, payload: newPayloadCodec(),
		latency: newHistogram(), late: newHistogram(),
	}
}

func (e *echoLoop) fail(format string, args ...any) {
	if e.failure.Load() == nil {
		text := fmt.Sprintf(format, args...)
		e.failure.Store(&text)
	}
}

// OnMessage takes a command of the run.
func (e *echoLoop) OnMessage(_ int, msg []byte) {
	switch msg[0] {
	case cmdAdopt:
		if err := e.fleet.adopt(e.loop, msg); err != nil {
			e.fail("take over a connection: %v", err)
			e.failed.Add(1)
			e.fleet.dial.release()
		}
	case cmdBegin:
		e.begin()
	case cmdPace:
		e.issue(e.clock.now())
	case cmdMeasure:
		e.latency.Reset()
		e.late.Reset()
	case cmdStop:
		e.running = false
	}
}

// OnOpen keeps the connection for the traffic to come.
func (e *echoLoop) OnOpen(id netpoll.ConnID, info netpoll.OpenInfo) {
	for int(id.Slot()) >= len(e.slots) {
		e.slots = append(e.slots, 0)
	}
	e.slots[id.Slot()] = uint32(len(e.conns))
	e.conns = append(e.conns, echoConn{id: id, index: indexOf(info)})
	e.open.Add(1)
	e.ready.Add(1)
	e.fleet.dial.release()
}

// begin starts the traffic.
func (e *echoLoop) begin() {
	e.running = true
	if e.interval > 0 {
		return
	}
	now := e.clock.now()
	for i := range e.conns {
		e.batch(&e.conns[i], e.inflight, now)
	}
}

// issue sends what is due: message n goes to connection n mod their number.
func (e *echoLoop) issue(now int64) {
	for e.running && e.interval > 0 {
		at := e.start + int64(float64(e.issued)*float64(e.interval))
		if at > now {
			return
		}
		e.batch(&e.conns[e.issued%uint64(len(e.conns))], 1, at)
		record(e.late, now-at)
		e.issued++
	}
}

// batch sends n messages that are due at one time, in one piece.
func (e *echoLoop) batch(c *echoConn, n int, at int64) {
	if c.closed {
		return
	}
	if need := n * e.bytes; len(e.scratch) < need {
		e.scratch = make([]byte, need)
	}
	for i := range n {
		c.sent++
		e.issuedAll++
		e.payload.fill(e.scratch[i*e.bytes:(i+1)*e.bytes], c.index, payload{seq: c.sent, at: at})
	}
	if err := e.loop.Send(c.id, e.scratch[:n*e.bytes]); err != nil {
		e.fail("send: %v", err)
	}
}

// OnData checks whole messages and, in a closed loop, sends as many again.
func (e *echoLoop) OnData(id netpoll.ConnID, b []byte) (consumed int) {
	c := &e.conns[e.slots[id.Slot()]]
	now := e.clock.now()
	n := len(b) / e.bytes
	for i := range n {
		m, ok := e.payload.parse(b[i*e.bytes:(i+1)*e.bytes], c.index)
		if !ok || !e.tally.count(c.stream.take(m.seq, c.sent)) {
			e.fail("an echo is not what was sent")
			continue
		}
		record(e.latency, now-m.at)
	}
	if n > 0 && e.running && e.interval == 0 {
		e.batch(c, n, now)
	}
	return n * e.bytes
}

// OnTick publishes the counts.
func (e *echoLoop) OnTick() {
	e.sent.Store(int64(e.issuedAll))
	e.arrived.Store(int64(e.tally.Delivered))
	e.stopped.Store(!e.running)
}

// OnClose counts an end that the run did not want.
func (e *echoLoop) OnClose(id netpoll.ConnID, reason netpoll.CloseReason) {
	e.open.Add(-1)
	e.ready.Add(-1)
	e.conns[e.slots[id.Slot()]].closed = true
	if reason != netpoll.ReasonShutdown {
		e.fail("the server closed a connection (reason %d)", reason)
		e.failed.Add(1)
	}
}

// OnPanic ends the run: the generator itself is broken.
func (e *echoLoop) OnPanic(_ netpoll.ConnID, value any, stack []byte) {
	e.fail("panic in the generator: %v\n%s", value, stack)
}
