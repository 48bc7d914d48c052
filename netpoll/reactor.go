package netpoll

import (
	"context"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/internal/slab"
)

// Reactor is a group of loops.
type Reactor struct {
	cfg   Config
	born  time.Time
	loops []*Loop
	alarm *alarm

	open   atomic.Int64 // connections of all loops, those on their way between two included
	loads  []padded     // by loop, those on their way to it included
	deals  atomic.Uint32
	drains []padded // bytes that loop `to` has taken from loop `from`, at to*stride+from
	stride int

	mu        sync.Mutex // guards the rest; an inbox is locked inside of it
	state     reactorState
	listeners int
	running   int   // loops that have not ended
	err       error // why the first of them failed
	done      chan struct{}
}

// reactorState goes up only: made, running, closing. Shutdown before Start goes from made to closing.
type reactorState uint8

const (
	reactorMade reactorState = iota
	reactorRunning
	reactorClosing
)

// padded is a counter with a cache line to itself.
type padded struct {
	v atomic.Int64
	_ [56]byte
}

// New builds the loops; newHandler is called once for each, on the caller's goroutine.
// Errors: ErrLoopsRange, ErrPollerUnknown, or the system's.
func New(cfg Config, newHandler func(l *Loop) Handler) (*Reactor, error) {
	cfg = cfg.withDefaults()
	if cfg.Loops < 1 || cfg.Loops > LoopsMax {
		return nil, fmt.Errorf("%w: %d (1 to %d)", ErrLoopsRange, cfg.Loops, LoopsMax)
	}
	if err := holdStandardDescriptors(); err != nil {
		return nil, err
	}
	r := &Reactor{cfg: cfg, born: cfg.Now(), done: make(chan struct{})}
	r.alarm = newAlarm(r)
	r.loads = make([]padded, cfg.Loops)
	r.stride = cfg.Loops
	r.drains = make([]padded, cfg.Loops*r.stride)
	for i := range cfg.Loops {
		l, err := r.newLoop(i)
		if err != nil {
			r.freeLoops()
			return nil, err
		}
		r.loops = append(r.loops, l)
	}
	for _, l := range r.loops {
		l.handler = newHandler(l)
	}
	return r, nil
}

// newLoop makes one loop with its poller.
func (r *Reactor) newLoop(i int) (*Loop, error) {
	p, err := r.cfg.NewPoller(i)
	if err != nil {
		return nil, fmt.Errorf("netpoll: poller of loop %d: %w", i, err)
	}
	l := &Loop{
		r: r, index: i, poller: p, sockets: kernelSockets{}, due: never,
		slots:    slab.NewSlab[slot](r.cfg.ConnectionsMax),
		arena:    slab.NewArena(ArenaBytesMax),
		readBuf:  make([]byte, max(r.cfg.InboundBytesMax, ReadBytesMax)),
		outboxes: make([]outbox, r.cfg.Loops),
		reserve:  openReserve(),
	}
	l.holder, _ = p.(changeHolder)
	l.wheel.slots = l.slots
	l.alarm.at.Store(never)
	l.readClock()
	return l, nil
}

// holdStandardDescriptors opens what is missing of descriptors 0 to 2, so that no socket is ever 0, which a poller
// may take for its own, or 2, where a crash report would go to a peer.
func holdStandardDescriptors() error {
	for {
		fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("netpoll: hold descriptors 0 to 2: %w", err)
		}
		if fd > 2 {
			return unix.Close(fd)
		}
	}
}

// Loops is their number.
func (r *Reactor) Loops() int { return len(r.loops) }

// Start runs the loops, each on a goroutine of its own. Errors: ErrStarted, ErrClosed.
func (r *Reactor) Start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.state {
	case reactorRunning:
		return ErrStarted
	case reactorClosing:
		return ErrClosed
	}
	r.state = reactorRunning
	r.running = len(r.loops)
	go r.alarm.run() // finish ends it
	for _, l := range r.loops {
		go r.run(l) // Shutdown ends it, or its poller's failure
	}
	return nil
}

// run is a loop's goroutine.
func (r *Reactor) run(l *Loop) {
	if err := l.poller.Run(driver{l}); err != nil {
		r.failed(l, fmt.Errorf("netpoll: loop %d: %w", l.index, err))
	}
	l.sweep()
	r.mu.Lock()
	r.running--
	last := r.running == 0
	r.mu.Unlock()
	if last {
		r.finish()
	}
}

// failed ends the reactor because a loop's poller has. Nothing new comes to a reactor that is closing, so what the loop leaves
// behind is all that sweep has to find.
func (r *Reactor) failed(l *Loop, err error) {
	r.cfg.Logger.Error("netpoll: a loop has failed, the reactor ends", "loop", l.index, "error", err)
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.state = reactorClosing
	r.mu.Unlock()
	l.abandon()
	r.endAll((*Loop).kill)
}

// finish frees what the loops leave behind when all of them have ended.
func (r *Reactor) finish() {
	if r.alarm.stop != nil {
		close(r.alarm.stop)
		<-r.alarm.done
	}
	r.freeLoops()
	close(r.done)
}

// freeLoops closes descriptors on their way between loops, then the loops' own.
func (r *Reactor) freeLoops() {
	for _, l := range r.loops {
		l.sweep()
		if l.reserve >= 0 {
			_ = unix.Close(l.reserve)
		}
		_ = l.poller.Close()
	}
}

// Shutdown closes listeners, asks each loop to close its connections (flushing what waits until ctx ends) and waits. The
// error is that of ctx when output was dropped for it, or why a loop failed. Safe to call twice. Not for handlers.
func (r *Reactor) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	before := r.state
	r.state = reactorClosing
	r.mu.Unlock()
	if before == reactorMade {
		r.alarm.stop = nil // it never ran
		r.finish()
		return nil
	}
	r.endAll((*Loop).stop)
	select {
	case <-r.done:
		return r.Wait()
	case <-ctx.Done():
	}
	r.endAll((*Loop).kill)
	if err := r.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// Wait blocks until the loops have ended; the error is why, nil after Shutdown.
func (r *Reactor) Wait() error {
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Post copies msg for a loop's OnMessage, with from -1. Any goroutine, also before Start; FIFO for each goroutine.
// Errors: ErrLoopUnknown, ErrMessageTooLarge, ErrInboxFull, ErrClosed.
func (r *Reactor) Post(to int, msg []byte) error {
	if uint(to) >= uint(len(r.loops)) {
		return ErrLoopUnknown
	}
	if len(msg) > MessageBytesMax {
		return ErrMessageTooLarge
	}
	ring, err := r.loops[to].inbox.post(msg, inboxHardFactor*int64(r.cfg.InboxBytesMax))
	if ring {
		r.wake(to)
	}
	return err
}

// command has a loop run f in one of its next turns. False: it has ended.
func (r *Reactor) command(loop int, f func(l *Loop)) bool {
	l := r.loops[loop]
	ring, ok := l.inbox.command(func() { f(l) })
	if ring {
		r.wake(loop)
	}
	return ok
}

// onLoop has a loop run f soon, at once when the loops do not run yet. Called with the lock held. False: it has ended.
func (r *Reactor) onLoop(loop int, f func(l *Loop)) bool {
	if r.state == reactorMade {
		f(r.loops[loop])
		return true
	}
	return r.command(loop, f)
}

// onLoops runs f on each of the loops and waits until it has run, or the loops have ended.
func (r *Reactor) onLoops(loops []int, f func(l *Loop)) {
	ran := make(chan struct{}, len(loops))
	r.mu.Lock()
	for _, i := range loops {
		if !r.onLoop(i, func(l *Loop) { f(l); ran <- struct{}{} }) {
			ran <- struct{}{}
		}
	}
	r.mu.Unlock()
	for range loops {
		select {
		case <-ran:
		case <-r.done:
			return
		}
	}
}

// endAll runs f on every loop, soon.
func (r *Reactor) endAll(f func(l *Loop)) {
	for i := range r.loops {
		r.command(i, f)
	}
}

// wake rings a loop's bell. A poller that can't be woken is as good as gone; the log says so.
func (r *Reactor) wake(loop int) {
	if err := r.loops[loop].poller.Wake(); err != nil {
		r.cfg.Logger.Error("netpoll: wake", "loop", loop, "error", err)
	}
}

// enter counts a new connection. False: ConnectionsMax are there.
func (r *Reactor) enter() bool {
	if r.open.Add(1) > int64(r.cfg.ConnectionsMax) {
		r.leave(0)
		return false
	}
	return true
}

// leave counts a connection that is gone, and tells the doorkeeper: whatever enter has let in comes out here, once. The last one lets
// loops end that are only waiting for it.
func (r *Reactor) leave(tag uint32) {
	if tag != 0 && r.cfg.Doorkeeper != nil {
		r.cfg.Doorkeeper.Leave(tag)
	}
	if r.open.Add(-1) > 0 {
		return
	}
	for i, l := range r.loops {
		if l.ending.Load() {
			r.wake(i)
		}
	}
}

// leastLoaded is the loop with the fewest connections; among equals the turn goes round.
func (r *Reactor) leastLoaded() int {
	start := int(r.deals.Add(1))
	best, least := 0, int64(math.MaxInt64)
	for k := range r.loops {
		i := (start + k) % len(r.loops)
		if n := r.loads[i].v.Load(); n < least {
			best, least = i, n
		}
	}
	return best
}

// drained is how many bytes loop `to` has taken of what loop `from` has posted: written by the one, read by the other.
func (r *Reactor) drained(to, from int) *atomic.Int64 { return &r.drains[to*r.stride+from].v }
