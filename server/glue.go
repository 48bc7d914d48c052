package server

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/store"
)

// Messages that the server itself posts to a loop (from == -1): one byte, then what it needs.
const (
	askStats = 1 // fill loopHandler.asked
	askDrain = 2 // u32 period in milliseconds, big-endian
	askLogin = 3 // a loginAnswer
	askNews  = 4 // there is news from the disk: the turn's OnTick takes it

	// Of the clerk, see clerk_posts.go.
	askAnswer    = 5  // an answer to a request
	askPolicy    = 6  // what a user has decided
	askRemove    = 7  // a device was removed
	askForget    = 8  // an account is to be deleted
	askForgotten = 9  // the accounts know a user no longer
	askReport    = 10 // a user was reported

	askGuard = 11 // fill loopHandler.guardAsked
)

// loopHandler is one loop's share of the server: it hands the loop's events to the loop's shard, and the shard's wishes to
// the loop. It belongs to the loop's goroutine, but for asked.
type loopHandler struct {
	host      loopHost
	gate      *gate // the encrypted transport; nil: plain
	shard     *shard.Shard
	mailboxes *store.Mailboxes
	durable   *durable
	desk      *store.Desk // nil: nothing is kept
	panics    *panicCounter
	proxy     *proxyDoor
	asked     atomic.Pointer[loopReport] // set by whoever wants counters, taken by the loop

	rules      *shard.Rules                // nil: all of them are off
	guardAsked atomic.Pointer[guardReport] // as asked
}

// loopReport is what one loop tells about itself. The loop fills it and closes done; before that only the loop touches it.
type loopReport struct {
	done  chan struct{}
	nowMs int64 // the loop's clock
	shard shard.Stats
	store store.Stats
	gate  gateStats
}

// newLoopHandler builds the shard that l drives, behind a gate when the transport is encrypted.
func newLoopHandler(l *netpoll.Loop, cfg shard.Config, s *Server, shared *gateShared) (*loopHandler, error) {
	h := &loopHandler{host: loopHost{l}, mailboxes: store.NewMailboxes(), durable: s.durable, panics: s.panics, proxy: newProxyDoor(l, s.admission)}
	cfg.Loop = l.Index()
	h.openDesk(&cfg)
	cfg.Clerk = loopClerk{s.clerk, cfg.Loop}
	if h.rules = s.cfg.guardRules(cfg.Placement.Seed); h.rules != nil {
		cfg.Guard = h.rules
	}
	if cfg.Queue = shard.Queue(h.mailboxes); s.cfg.hooks != nil && s.cfg.hooks.queue != nil {
		cfg.Queue = s.cfg.hooks.queue(h.mailboxes)
	}
	if shared == nil {
		h.shard = shard.New(cfg, h.host)
		return h, nil
	}
	gate, err := newGate(l, shared)
	if err != nil {
		return nil, err
	}
	h.gate, h.shard = gate, shard.New(cfg, gate)
	gate.shard = h.shard
	return h, nil
}

// OnOpen starts a session.
func (h *loopHandler) OnOpen(id netpoll.ConnID, info netpoll.OpenInfo) {
	h.proxy.opened(id, info)
	if h.gate != nil {
		h.gate.opened(id, info)
		return
	}
	h.shard.Open(h.host.loop.Now(), shard.Conn(id), info.Origin == netpoll.OriginMoved)
}

// OnData hands over what waits; the shard, or the gate before it, says how much of it it took.
func (h *loopHandler) OnData(id netpoll.ConnID, b []byte) (consumed int) {
	used, enter := h.proxy.data(id, b)
	switch {
	case !enter:
		return used
	case h.gate != nil:
		return used + h.gate.data(id, b[used:])
	}
	return used + h.shard.Data(h.host.loop.Now(), shard.Conn(id), b[used:])
}

// OnHalfClose tells that no more input comes.
func (h *loopHandler) OnHalfClose(id netpoll.ConnID) {
	h.shard.HalfClosed(h.host.loop.Now(), shard.Conn(id))
}

// OnWritable tells that the output has drained.
func (h *loopHandler) OnWritable(id netpoll.ConnID) {
	h.shard.Writable(h.host.loop.Now(), shard.Conn(id))
	h.submitLate()
}

// OnClose ends the session, whatever the reason was.
func (h *loopHandler) OnClose(id netpoll.ConnID, _ netpoll.CloseReason) {
	h.proxy.closed(id)
	if h.gate == nil {
		h.shard.Closed(h.host.loop.Now(), shard.Conn(id))
		h.submitLate()
		return
	}
	h.gate.out.direct = true // it may come behind OnTick: what the shard says to others is sealed at once
	h.shard.Closed(h.host.loop.Now(), shard.Conn(id))
	h.gate.out.direct = false
	h.gate.closed(id)
	h.submitLate()
}

// OnMessage takes the messages of other shards, and of the server itself.
func (h *loopHandler) OnMessage(from int, msg []byte) {
	if from >= 0 {
		h.shard.Message(h.host.loop.Now(), from, msg)
		return
	}
	switch {
	case len(msg) == 1 && msg[0] == askStats:
		h.report()
	case len(msg) == 1 && msg[0] == askGuard:
		h.reportGuard()
	case len(msg) == loginAnswerBytes && msg[0] == askLogin && h.gate != nil:
		h.gate.answered(parseLoginAnswer(msg))
	case len(msg) > 1 && msg[0] >= askAnswer:
		takePost(h.shard, h.host.loop.Now(), msg)
	case len(msg) == 5 && msg[0] == askDrain:
		h.shard.Drain(h.host.loop.Now(), shard.DrainPlan{PeriodMs: int64(binary.BigEndian.Uint32(msg[1:]))})
	}
}

// OnTimer is the connection's one timer.
func (h *loopHandler) OnTimer(id netpoll.ConnID) {
	h.shard.Timer(h.host.loop.Now(), shard.Conn(id))
}

// OnTick ends the turn.
func (h *loopHandler) OnTick() {
	h.durable.heard(h.host.loop.Index())
	h.shard.Tick(h.host.loop.Now())
	h.submit()
	if h.gate != nil {
		h.gate.tick()
	}
}

// OnPanic lets the shard forget the step that crashed. The loop closes the connection.
func (h *loopHandler) OnPanic(id netpoll.ConnID, value any, stack []byte) {
	h.panics.note(h.host.loop.Index(), id, value, stack)
	if h.gate != nil {
		h.gate.recovered(id)
	}
	h.shard.Recover(h.host.loop.Now())
	if h.gate != nil {
		h.gate.out.flushAll() // a panic of OnTick has kept it from doing so
	}
	h.submit()
}

// report answers askStats. A report that nobody waits for any more is filled all the same: nobody reads it.
func (h *loopHandler) report() {
	r := h.asked.Swap(nil)
	if r == nil {
		return
	}
	r.nowMs = h.host.loop.Now()
	r.shard = h.shard.Stats()
	r.store = h.mailboxes.Stats()
	if h.gate != nil {
		r.gate = h.gate.report()
	}
	close(r.done)
}

// loopHost is the loop as the shard sees it. It is one pointer, so that passing it as an interface allocates nothing.
type loopHost struct{ loop *netpoll.Loop }

// Send implements shard.Host. A connection that has ended in this turn takes everything: OnClose follows and ends its session, which is no slow
// consumer for that.
func (h loopHost) Send(conn shard.Conn, frame []byte) error {
	if err := h.loop.Send(netpoll.ConnID(conn), frame); err != netpoll.ErrConnUnknown {
		return err
	}
	return nil
}

// Close implements shard.Host: what waits is written first.
func (h loopHost) Close(conn shard.Conn) { h.loop.CloseFlush(netpoll.ConnID(conn), FlushTimeout) }

// Move implements shard.Host. A loop that cannot take the connection costs it: the client comes back.
func (h loopHost) Move(conn shard.Conn, to int) {
	if h.loop.Move(netpoll.ConnID(conn), to, nil) != nil {
		h.loop.Close(netpoll.ConnID(conn))
	}
}

// SetTimer implements shard.Host.
func (h loopHost) SetTimer(conn shard.Conn, ms int64) {
	h.loop.SetTimer(netpoll.ConnID(conn), time.Duration(ms)*time.Millisecond)
}

// Redeliver implements shard.Host.
func (h loopHost) Redeliver(conn shard.Conn) { h.loop.Redeliver(netpoll.ConnID(conn)) }

// Post implements shard.Mesh.
func (h loopHost) Post(to int, msg []byte) error { return h.loop.Post(to, msg) }

// Credit implements shard.Mesh.
func (h loopHost) Credit(to int) int { return h.loop.Credit(to) }

// WakeAt implements shard.Mesh.
func (h loopHost) WakeAt(unixMs int64) { h.loop.WakeAt(unixMs) }
