package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/bench/peers/wire"
	"trunkline/netpoll"
)

// job is what a crowd does when something happens to one of its users. All calls come on the crowd's loop.
type job interface {
	wire.Events
	// pace looks at the clock and sends what is due.
	pace(now int64)
}

// crowd is users of one server on one event loop: the same for every kind of server.
type crowd struct {
	addr    string
	dialect wire.Dialect
	reactor *netpoll.Reactor
	loop    *netpoll.Loop
	base    time.Time
	tokens  chan struct{} // one for each connection between dial and login
	stall   time.Duration // how long nothing may move

	ready   atomic.Int64
	failure atomic.Pointer[error]

	// Of the loop.
	members []*member
	bySlot  []*member
	job     job
	out     []byte
	spare   []byte

	mu    sync.Mutex
	calls []func() // to be run on the loop
}

// member is one user and the connection it has.
type member struct {
	wire.Session
	id      netpoll.ConnID // 0: none
	ready   bool
	leaving bool
}

const (
	cmdAdopt byte = iota + 1 // fd u32, index u32
	cmdCall                  // run what waits in calls
	cmdPace
)

const (
	// loginsMax is how many connections may be between dial and login. More would measure the listen queue.
	loginsMax = 64
	// stallTimeout is how long nothing may move before a run is given up.
	stallTimeout = 30 * time.Second
	// lookEvery is how often progress is looked at.
	lookEvery = 5 * time.Millisecond
)

// newCrowd makes `users` users of the server at addr; nobody is connected.
func newCrowd(addr string, d wire.Dialect, users int) (*crowd, error) {
	c := &crowd{addr: addr, dialect: d, base: time.Now(), tokens: make(chan struct{}, loginsMax), stall: stallTimeout, job: idle{}}
	for i := range users {
		c.members = append(c.members, &member{Session: wire.Session{Index: i}})
	}
	r, err := netpoll.New(netpoll.Config{Loops: 1, ConnectionsMax: users + 1}, func(l *netpoll.Loop) netpoll.Handler {
		c.loop = l
		return c
	})
	if err != nil {
		return nil, err
	}
	c.reactor = r
	return c, r.Start()
}

// idle is the job of a crowd that has nothing to do.
type idle struct{}

func (idle) Ready(*wire.Session)           {}
func (idle) Arrived(*wire.Session, []byte) {}
func (idle) Accepted(*wire.Session, int)   {}
func (idle) Confirmed(*wire.Session, int)  {}
func (idle) pace(int64)                    {}

// now is the crowd's clock in nanoseconds.
func (c *crowd) now() int64 { return int64(time.Since(c.base)) }

// close ends all connections and the loop.
func (c *crowd) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.reactor.Shutdown(ctx) // there is nobody to tell that a flush took too long
}

// fail remembers the first thing that went wrong.
func (c *crowd) fail(err error) { c.failure.CompareAndSwap(nil, &err) }

// err is what went wrong.
func (c *crowd) err() error {
	if p := c.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// post hands a message to the loop; a full inbox is waited for.
func (c *crowd) post(msg []byte) {
	for c.reactor.Post(0, msg) == netpoll.ErrInboxFull {
		time.Sleep(time.Millisecond)
	}
}

// on runs f on the loop and waits for it.
func (c *crowd) on(f func()) {
	done := make(chan struct{})
	c.mu.Lock()
	c.calls = append(c.calls, func() { f(); close(done) })
	c.mu.Unlock()
	c.post([]byte{cmdCall})
	select {
	case <-done:
	case <-time.After(c.stall):
		c.fail(fmt.Errorf("the generator's loop does not answer"))
	}
}

// begin gives the crowd a job.
func (c *crowd) begin(j job) { c.on(func() { c.job = j }) }

// enter logs in the members from..to-1, and waits until all are ready.
func (c *crowd) enter(ctx context.Context, from, to int) error {
	want := c.ready.Load() + int64(to-from)
	for i := from; i < to; i++ {
		if err := c.come(ctx, i); err != nil {
			return err
		}
	}
	return c.until(ctx, c.ready.Load, func() bool { return c.ready.Load() >= want }, "logins")
}

// come connects one member.
func (c *crowd) come(ctx context.Context, i int) error {
	select {
	case c.tokens <- struct{}{}:
	case <-time.After(c.stall):
		return errors.Join(fmt.Errorf("logins: %w", errStalled), c.err())
	case <-ctx.Done():
		return ctx.Err()
	}
	fd, err := dial(c.addr)
	if err != nil {
		return err
	}
	var msg [9]byte
	msg[0] = cmdAdopt
	binary.BigEndian.PutUint32(msg[1:], uint32(fd))
	binary.BigEndian.PutUint32(msg[5:], uint32(i))
	c.post(msg[:])
	return c.err()
}

// until waits for a condition; it fails when the crowd has failed, or value does not move any more.
func (c *crowd) until(ctx context.Context, value func() int64, done func() bool, what string) error {
	last, moved := value(), time.Now()
	for !done() {
		if err := c.err(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
		if v := value(); v != last {
			last, moved = v, time.Now()
		}
		if time.Since(moved) > c.stall {
			return fmt.Errorf("%s: %w at %d", what, errStalled, last)
		}
	}
	return c.err()
}

// untilOrLost is until for messages: what does not come any more is lost, which is a result and not an error.
func (c *crowd) untilOrLost(ctx context.Context, value func() int64, done func() bool) error {
	err := c.until(ctx, value, done, "messages")
	if errors.Is(err, errStalled) {
		return nil
	}
	return err
}

// errStalled: nothing moved for stallTimeout.
var errStalled = errors.New("nothing moves any more")

// leave closes the connections of the members from..to-1, and waits until they are gone.
func (c *crowd) leave(ctx context.Context, from, to int) error {
	left := c.ready.Load()
	c.on(func() {
		for _, m := range c.members[from:to] {
			if m.ready {
				left--
			}
			c.part(m)
		}
	})
	return c.until(ctx, c.ready.Load, func() bool { return c.ready.Load() <= left }, "leaving")
}

// part ends one member's connection in good order.
func (c *crowd) part(m *member) {
	if m.id == 0 || m.leaving {
		return
	}
	m.leaving = true
	if c.out = c.dialect.Bye(c.out[:0], &m.Session); len(c.out) > 0 {
		_ = c.loop.Send(m.id, c.out) // it is closed in any case
		c.loop.CloseFlush(m.id, time.Second)
		return
	}
	c.loop.Close(m.id)
}

// say sends bytes of a member.
func (c *crowd) say(m *member, b []byte) {
	if len(b) == 0 || m.id == 0 || m.leaving {
		return
	}
	if err := c.loop.Send(m.id, b); err != nil {
		c.fail(fmt.Errorf("the generator's send: %w", err))
	}
}

// dial connects from this process; descriptors stay out of Go's own network poller.
func dial(addr string) (fd int, err error) {
	var host [4]byte
	var port int
	if _, err := fmt.Sscanf(addr, "%d.%d.%d.%d:%d", &host[0], &host[1], &host[2], &host[3], &port); err != nil {
		return -1, fmt.Errorf("address %q: %w", addr, err)
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: host})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return fd, nil
}

// OnMessage implements netpoll.Handler.
func (c *crowd) OnMessage(_ int, msg []byte) {
	switch msg[0] {
	case cmdAdopt:
		if _, err := c.loop.Adopt(int(binary.BigEndian.Uint32(msg[1:])), msg[5:9], nil, nil); err != nil {
			c.fail(fmt.Errorf("take over a connection: %w", err))
		}
	case cmdCall:
		c.mu.Lock()
		calls := c.calls
		c.calls = nil
		c.mu.Unlock()
		for _, f := range calls {
			f()
		}
	case cmdPace:
		c.job.pace(c.now())
	}
}

// OnOpen implements netpoll.Handler: the member says hello.
func (c *crowd) OnOpen(id netpoll.ConnID, info netpoll.OpenInfo) {
	for int(id.Slot()) >= len(c.bySlot) {
		c.bySlot = append(c.bySlot, nil)
	}
	m := c.members[binary.BigEndian.Uint32(info.State)]
	m.id, m.ready, m.leaving = id, false, false
	c.bySlot[id.Slot()] = m
	c.spare = c.dialect.Hello(c.spare[:0], &m.Session)
	c.say(m, c.spare)
}

// OnData implements netpoll.Handler: everything is read, and answered with one write.
func (c *crowd) OnData(id netpoll.ConnID, b []byte) int {
	m := c.bySlot[id.Slot()]
	if m == nil || m.id != id || m.leaving {
		return len(b)
	}
	answer, consumed, err := c.dialect.Take(c.spare[:0], &m.Session, b, (*hearing)(c))
	c.spare = answer
	if err != nil {
		c.fail(fmt.Errorf("user %d: %w", m.Index, err))
		c.loop.Close(id)
		return len(b)
	}
	c.say(m, answer)
	return consumed
}

// hearing is the crowd as a dialect's Events.
type hearing crowd

// Ready implements wire.Events.
func (h *hearing) Ready(s *wire.Session) {
	m := h.members[s.Index]
	if m.ready {
		return
	}
	m.ready = true
	h.ready.Add(1)
	select {
	case <-h.tokens:
	default:
	}
	h.job.Ready(s)
}

// Arrived implements wire.Events.
func (h *hearing) Arrived(s *wire.Session, payload []byte) { h.job.Arrived(s, payload) }

// Accepted implements wire.Events.
func (h *hearing) Accepted(s *wire.Session, n int) { h.job.Accepted(s, n) }

// Confirmed implements wire.Events.
func (h *hearing) Confirmed(s *wire.Session, n int) { h.job.Confirmed(s, n) }

// OnHalfClose implements netpoll.Handler.
func (c *crowd) OnHalfClose(id netpoll.ConnID) { c.loop.Close(id) }

// OnClose implements netpoll.Handler: an end that the run did not want is a failure.
func (c *crowd) OnClose(id netpoll.ConnID, reason netpoll.CloseReason) {
	m := c.bySlot[id.Slot()]
	if m == nil || m.id != id {
		return
	}
	if !m.leaving && reason != netpoll.ReasonShutdown {
		c.fail(fmt.Errorf("the server closed the connection of user %d (reason %d)", m.Index, reason))
	}
	m.id = 0
	if m.ready {
		m.ready = false
		c.ready.Add(-1)
	}
}

// OnPanic implements netpoll.Handler.
func (c *crowd) OnPanic(_ netpoll.ConnID, value any, stack []byte) {
	c.fail(fmt.Errorf("panic in the generator: %v\n%s", value, stack))
}

// OnWritable implements netpoll.Handler: windows keep the output small.
func (c *crowd) OnWritable(netpoll.ConnID) {}

// OnTimer implements netpoll.Handler: no timers are set.
func (c *crowd) OnTimer(netpoll.ConnID) {}

// OnTick implements netpoll.Handler.
func (c *crowd) OnTick() {}
