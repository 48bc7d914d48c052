package bench

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/codec"
	"trunkline/netpoll"
)

// sessionState is where one generator session stands.
//
//	none --open--> [greeting --answer-->] login --SUCCESS--> ready --close--> ended
//	                   |                    +----close / ERROR----------------->+
//	                   +--refusal--> away: it comes back on another connection
//
// The greeting is the handshake of the encrypted transport.
type sessionState uint8

const (
	sessionNone sessionState = iota
	sessionGreeting
	sessionLogin
	sessionReady
	sessionAway
	sessionEnded
)

// session is one device of one user: the least client that keeps the protocol's rules. Pointer-free, 56 bytes.
type session struct {
	id        netpoll.ConnID
	opened    int64  // ns of the run's clock
	seen      uint64 // highest seq delivered
	acked     uint64
	upHigh    uint64 // the server's mark at login: the first cseq is one above
	index     uint32
	keepalive uint32 // ms
	window    uint16 // SENDs without a first tick
	state     sessionState
	resumed   bool // its first flight carried a ticket, and HELLO
	cut       bool // closed by the run
	owes      bool // stands among the loop's owed
	hung      bool // the server has said its last
}

// sessionCounts are read by other goroutines while the loop runs; only the loop writes them.
type sessionCounts struct {
	open   atomic.Int64
	ready  atomic.Int64
	failed atomic.Int64 // ended, before or after login

	// Of the encrypted transport.
	offered   atomic.Int64 // first flights sent
	admitted  atomic.Int64 // answered with a handshake
	refused   atomic.Int64 // answered with a refusal
	dropped   atomic.Int64 // closed without an answer
	stale     atomic.Int64 // tickets refused; the contact flights that follow are not counted as offered
	tickets   atomic.Int64 // TICKETs received
	returned  atomic.Int64 // logged in again
	resumedIn atomic.Int64 // of those, by ticket
	prepared  atomic.Int64 // flights made by cmdPrepare
}

// sessionLoop drives the sessions of one loop. Without traffic they log in and keep alive.
type sessionLoop struct {
	quiet
	fleet   *fleet
	loop    *netpoll.Loop
	clock   clock
	first   uint64    // user id of index 0
	slots   []session // by the connection's slot
	counts  sessionCounts
	logins  *hdrhistogram.Histogram
	scratch []byte
	failure atomic.Pointer[string] // the first thing that went wrong
	traffic *traffic               // nil: idle sessions
	veil    *veil                  // nil: the plain transport
	devices map[uint32]device      // by the session's index: what a device keeps between connections
	watch   sessionWatch           // nil: nobody watches
	parting bool                   // the run drains the server: a GOAWAY is what it waits for
	moment  time.Duration          // how long an ACK waits for more to acknowledge; 0: not at all
	owed    []owedAck              // oldest first

	wantLogins atomic.Pointer[chan []byte] // who asked for the login latencies
}

func newSessionLoop(f *fleet, l *netpoll.Loop, c clock, firstUser uint64) *sessionLoop {
	return &sessionLoop{fleet: f, loop: l, clock: c, first: firstUser, logins: newHistogram()}
}

// fail remembers the first thing that went wrong.
func (sl *sessionLoop) fail(format string, args ...any) {
	if sl.failure.Load() == nil {
		text := fmt.Sprintf(format, args...)
		sl.failure.Store(&text)
	}
}

// OnMessage takes a command of the run.
func (sl *sessionLoop) OnMessage(_ int, msg []byte) {
	if msg[0] == cmdAdopt {
		for ; len(msg) >= adoptBytes; msg = msg[adoptBytes-1:] {
			sl.adopt(msg[:adoptBytes])
		}
		return
	}
	if msg[0] == cmdLogins {
		if to := sl.wantLogins.Swap(nil); to != nil {
			*to <- encodeHistogram(sl.logins) // has room for one
			sl.logins.Reset()
		}
		return
	}
	if msg[0] == cmdCut {
		sl.cutAll()
	}
	if sl.veil != nil {
		sl.veilCommand(msg[0])
	}
	if sl.traffic != nil {
		sl.traffic.command(msg[0])
	}
	if sl.watch != nil {
		sl.watch.command(msg)
	}
}

// adopt takes over one connection; of the message it does not look at the first byte.
func (sl *sessionLoop) adopt(msg []byte) {
	if err := sl.fleet.adopt(sl.loop, msg); err != nil {
		sl.fail("take over a connection: %v", err)
		sl.counts.failed.Add(1)
		sl.fleet.dial.release()
	}
}

// OnOpen logs in.
func (sl *sessionLoop) OnOpen(id netpoll.ConnID, info netpoll.OpenInfo) {
	for int(id.Slot()) >= len(sl.slots) {
		sl.slots = append(sl.slots, session{})
	}
	index := indexOf(info)
	sl.slots[id.Slot()] = session{id: id, index: index, state: sessionLogin, opened: sl.clock.now()}
	sl.counts.open.Add(1)
	if sl.veil != nil {
		sl.greet(&sl.slots[id.Slot()])
		return
	}
	sl.scratch = sl.hello(sl.scratch[:0], index)
	sl.send(id, sl.scratch)
}

// hello appends the HELLO of a session: of a new device, or of one that comes back with what it keeps.
func (sl *sessionLoop) hello(dst []byte, index uint32) []byte {
	v := codec.Hello{Version: protocolVersion, User: sl.first + uint64(index)}
	if d, ok := sl.devices[index]; ok {
		v.Gen, v.Incarnation, v.DownSeq, v.Ticked, v.Epoch = d.gen, d.incarnation, d.seen, d.ticked, d.epoch
	} else if sl.devices != nil {
		v.DownSeq = v.User // the token of a registration that may be said twice
	}
	dst, _ = codec.AppendHello(dst, &v) // has no extensions that could be wrong
	return dst
}

// protocolVersion is the version of docs/protocol.md that the generator speaks.
const protocolVersion = 1

// send hands bytes to the loop; a refusal is the generator's own failure, for the windows bound what may wait.
func (sl *sessionLoop) send(id netpoll.ConnID, b []byte) {
	var err error
	if sl.veil != nil {
		b, err = sl.veil.seal(id.Slot(), b)
	}
	if err == nil {
		err = sl.loop.Send(id, b)
	}
	if err != nil && err != netpoll.ErrConnUnknown { // that one is gone: OnClose says why
		sl.fail("send: %v", err)
	}
}

// OnData takes all whole frames and acknowledges once what they delivered.
func (sl *sessionLoop) OnData(id netpoll.ConnID, b []byte) (consumed int) {
	s := &sl.slots[id.Slot()]
	now := sl.clock.now()
	if sl.veil != nil {
		consumed = sl.records(s, b, now)
	} else {
		consumed = sl.frames(s, b, now)
	}
	sl.acknowledge(s, now)
	return consumed
}

// frames takes all whole frames of b.
func (sl *sessionLoop) frames(s *session, b []byte, now int64) (consumed int) {
	for {
		f, used, err := codec.Next(b[consumed:], codec.FrameBytesMax)
		if err != nil {
			sl.fail("frame from the server: %v", err)
			sl.loop.Close(s.id)
			return len(b)
		}
		if used == 0 {
			return consumed
		}
		consumed += used
		sl.frame(s, f, now)
	}
}

// frame takes one frame.
func (sl *sessionLoop) frame(s *session, f codec.Frame, now int64) {
	var err error
	switch f.Kind {
	case codec.KindDeliver:
		err = sl.deliver(s, f, now)
	case codec.KindAck:
		err = sl.tick(s, f, now)
	case codec.KindReceipt:
		err = sl.receipt(s, f)
	case codec.KindSuccess:
		err = sl.success(s, f, now)
	case codec.KindPing:
		sl.send(s.id, codec.AppendPong(sl.scratch[:0]))
	case codec.KindTicket:
		err = sl.ticket(s, f)
	case codec.KindError:
		err = sl.refusal(s, f, now)
	case codec.KindGoAway:
		if !sl.parting {
			sl.fail("the server asked to leave (GOAWAY)")
		}
	}
	if err == nil && sl.watch != nil && s.state == sessionReady {
		err = sl.watch.frame(s, f, now)
	}
	if err != nil {
		sl.fail("frame of kind %#x from the server: %v", f.Kind, err)
		sl.loop.Close(s.id)
	}
}

// success ends the login.
func (sl *sessionLoop) success(s *session, f codec.Frame, now int64) error {
	v, err := codec.ParseSuccess(f)
	if err != nil || s.state != sessionLogin {
		return err
	}
	s.state, s.window, s.upHigh = sessionReady, v.WindowEntries, v.UpHigh
	record(sl.logins, now-s.opened)
	sl.counts.ready.Add(1)
	sl.fleet.dial.release()
	if sl.devices != nil {
		sl.remember(s, v)
	}
	if v.KeepaliveSec > 0 {
		s.keepalive = uint32(v.KeepaliveSec) * 1000
		sl.armKeepalive(s)
	}
	if sl.traffic != nil {
		sl.traffic.ready(s, v)
	}
	if sl.watch != nil {
		sl.watch.ready(s, v)
	}
	return nil
}

// armKeepalive asks for a PING at 60 to 90 % of the server's interval, spread by the session's number.
func (sl *sessionLoop) armKeepalive(s *session) {
	share := 60 + s.index%31
	sl.loop.SetTimer(s.id, time.Duration(s.keepalive*share/100)*time.Millisecond)
}

// OnTimer keeps a session alive.
func (sl *sessionLoop) OnTimer(id netpoll.ConnID) {
	s := &sl.slots[id.Slot()]
	if s.id != id || s.state != sessionReady {
		return
	}
	sl.send(id, codec.AppendPing(sl.scratch[:0]))
	sl.armKeepalive(s)
}

func (sl *sessionLoop) deliver(s *session, f codec.Frame, now int64) error {
	v, err := codec.ParseDeliver(f)
	if err != nil {
		return err
	}
	s.seen = max(s.seen, v.Seq)
	if sl.traffic != nil {
		sl.traffic.delivered(s, &v, now)
	}
	return nil
}

func (sl *sessionLoop) tick(s *session, f codec.Frame, now int64) error {
	v, err := codec.ParseTick(f)
	if err == nil && sl.traffic != nil {
		sl.traffic.ticked(s, v.UpHigh, now)
	}
	return err
}

func (sl *sessionLoop) receipt(s *session, f codec.Frame) error {
	v, err := codec.ParseReceipt(f)
	if err != nil {
		return err
	}
	s.seen = max(s.seen, v.Seq)
	if sl.traffic != nil {
		sl.traffic.receipt(s, &v)
	}
	return nil
}

// refusal takes an ERROR: a soft one concerns one SEND, a hard one ends the connection.
func (sl *sessionLoop) refusal(s *session, f codec.Frame, now int64) error {
	v, err := codec.ParseError(f)
	if err != nil {
		return err
	}
	if sl.traffic != nil && (v.Code == codec.CodeRateLimited || v.Code == codec.CodeServerFull) {
		sl.traffic.refused(s, &v, now)
		return nil
	}
	if w, ok := sl.watch.(refusalWatch); ok && w.refused(s, &v, now) {
		return nil
	}
	if sl.veil != nil && s.state == sessionLogin && comesBack(v.Code) {
		sl.comeBack(s, v.RetryAfterMs)
		return nil
	}
	sl.fail("the server answered with code %d %s", v.Code, v.Text)
	return nil
}

// OnHalfClose: the server has ended the session.
func (sl *sessionLoop) OnHalfClose(id netpoll.ConnID) {
	sl.slots[id.Slot()].hung = true
	sl.loop.Close(id)
}

// OnClose counts an end that the run did not want.
func (sl *sessionLoop) OnClose(id netpoll.ConnID, reason netpoll.CloseReason) {
	s := &sl.slots[id.Slot()]
	sl.counts.open.Add(-1)
	if s.state == sessionReady {
		sl.counts.ready.Add(-1)
	}
	if s.cut || sl.veil != nil && sl.parted(s, reason) {
		s.state = sessionEnded
		return
	}
	if reason != netpoll.ReasonShutdown && !sl.returns(s, reason) {
		sl.fail("the server closed a connection (reason %d)", reason)
		sl.counts.failed.Add(1)
	}
	if s.state == sessionLogin {
		sl.fleet.dial.release()
	}
	s.state = sessionEnded
}

// cutAll closes every session that is logged in, at once; they are not counted as failed.
func (sl *sessionLoop) cutAll() {
	for i := range sl.slots {
		s := &sl.slots[i]
		if s.state != sessionReady {
			continue
		}
		sl.counts.ready.Add(-1)
		s.state, s.cut = sessionAway, true
		sl.keepSeen(s)
		sl.loop.Close(s.id)
	}
}

// OnPanic ends the run: the generator itself is broken.
func (sl *sessionLoop) OnPanic(_ netpoll.ConnID, value any, stack []byte) {
	sl.fail("panic in the generator: %v\n%s", value, stack)
}

// OnTick publishes what the traffic counted.
func (sl *sessionLoop) OnTick() {
	if sl.traffic != nil {
		sl.traffic.publish()
	}
	if sl.watch != nil {
		sl.watch.publish()
	}
}
