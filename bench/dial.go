package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// dialer makes connections for the loops. It hands over bare descriptors: Go's own network poller must not hold them.
type dialer struct {
	addr    string
	local   netip.AddrPort // the server, where it is on loopback: several source addresses are possible
	tokens  chan struct{}  // one for each connection between dial and login, see dialsMax
	dialed  atomic.Int64
	failure atomic.Pointer[error] // the first; ends the dialing

	unreachable atomic.Int64          // connects of sessions that come back which failed
	trouble     atomic.Pointer[error] // the first of them

	sourceOf func(index int) net.IP // chooses the source address; nil: by connectionsPerSource, on loopback
}

func newDialer(addr string) *dialer {
	d := &dialer{addr: addr, tokens: make(chan struct{}, dialsMax)}
	if ap, err := netip.ParseAddrPort(addr); err == nil && ap.Addr().IsLoopback() && ap.Addr().Is4() {
		d.local = ap
	}
	return d
}

// borrow takes a token if there is one: who comes back does not wait, or a storm would be as gentle as its server.
func (d *dialer) borrow() {
	select {
	case d.tokens <- struct{}{}:
	default:
	}
}

// release says that one connection is ready or has failed. Any goroutine; never blocks.
func (d *dialer) release() {
	select {
	case <-d.tokens:
	default:
	}
}

// err is why dialing ended early, nil when it did not.
func (d *dialer) err() error {
	if p := d.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// run makes connections numbered from..to-1 and gives each to take, which owns the descriptor then. It returns when all
// are handed over, at the first failure, or when ctx ends.
func (d *dialer) run(ctx context.Context, from, to int, take func(fd, index int) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	for range min(dialers, max(to-from, 1)) {
		wg.Add(1)
		// Ends when all numbers are taken, at a failure, or with ctx; run waits for it.
		go func() {
			defer wg.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= to {
					return
				}
				if !d.one(inner, i, take) {
					cancel()
					return
				}
			}
		}()
	}
	wg.Wait()
	if err := d.err(); err != nil {
		return err
	}
	return ctx.Err()
}

// one waits for a token, connects and hands over. False: stop.
func (d *dialer) one(ctx context.Context, index int, take func(fd, index int) error) bool {
	select {
	case d.tokens <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	fd, err := d.connect(ctx, index)
	if err == nil {
		err = take(fd, index)
	}
	if err != nil {
		if ctx.Err() == nil {
			d.failure.CompareAndSwap(nil, &err)
		}
		return false
	}
	d.dialed.Add(1)
	return true
}

// connect dials from the source address of that number. Loopback is reached with as few system calls as there can be; another server, which
// may be named and of any family, by Go's own means, and the descriptor is taken out of its hands.
func (d *dialer) connect(ctx context.Context, index int) (fd int, err error) {
	source, err := d.source(index)
	if err != nil {
		return -1, err
	}
	if d.local.IsValid() && (source.Is4() || !source.IsValid()) {
		if fd, err = plainDial(source, d.local); err != nil {
			return -1, explainDial(err, source)
		}
		return fd, nil
	}
	nd := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	if source.IsValid() {
		nd.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	c, err := nd.DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return -1, explainDial(err, source)
	}
	defer c.Close()
	return takeDescriptor(c.(*net.TCPConn))
}

// source is where a connection leaves from; the zero value leaves that to the system.
func (d *dialer) source(index int) (netip.Addr, error) {
	if d.sourceOf != nil {
		a, _ := netip.AddrFromSlice(d.sourceOf(index))
		return a.Unmap(), nil
	}
	if !d.local.IsValid() {
		return netip.Addr{}, nil
	}
	return sourceOf(index)
}

// explainDial says what to do about the failures that a load generator meets; local is the source address that was asked for.
func explainDial(err error, local netip.Addr) error {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: no descriptor left on this side (ulimit -n): %w", ErrGenerator, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL) && local.IsValid():
		return fmt.Errorf("%w: source address %v: %w (on FreeBSD and macOS add it: ifconfig lo0 alias)", ErrGenerator, local, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: no source port left: %w", ErrGenerator, err)
	}
	return fmt.Errorf("%w: %w", ErrServer, err)
}

// takeDescriptor duplicates c's descriptor, close-on-exec, so that c can be closed without closing the connection.
func takeDescriptor(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	fd = -1
	ctlErr := raw.Control(func(own uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(own)); err == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err = errors.Join(ctlErr, err); err != nil {
		return -1, explainDial(err, netip.Addr{})
	}
	return fd, nil
}

// waitFor polls a condition until it holds, value stops moving for stall (errStalled), or ctx ends. each is called
// at every look; nil: nothing.
func waitFor(ctx context.Context, stall time.Duration, value func() int64, done func() bool, each func()) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last, moved := value(), time.Now()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if v := value(); v != last {
			last, moved = v, time.Now()
		}
		if time.Since(moved) > stall {
			return errStalled
		}
		if each != nil {
			each()
		}
	}
	return nil
}

// errStalled: nothing moved for too long.
var errStalled = errors.New("nothing moves any more")
