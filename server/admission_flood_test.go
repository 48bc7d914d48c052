package server

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline/codec"
)

// crowd is clients on many loopback addresses.
type crowd struct {
	t     testing.TB
	addrs []string

	mu    sync.Mutex
	conns []net.Conn // not known to be refused
	dials int
}

// newCrowd is a crowd on 127.0.16.1, 127.0.16.2 and so on.
func newCrowd(t testing.TB, addresses int) *crowd {
	t.Helper()
	c := &crowd{t: t}
	for i := range addresses {
		c.addrs = append(c.addrs, fmt.Sprintf("127.0.%d.%d", 16+i/200, 1+i%200))
	}
	needLoopback(t, c.addrs[0])
	t.Cleanup(c.leave)
	return c
}

// needLoopback skips a test where the system has only one loopback address.
func needLoopback(t testing.TB, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skipf("this system has no %s: `ifconfig lo0 alias %s` gives it one", addr, addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
}

// flood connects so often from each address, on a few goroutines, and says nothing. It is done when all have connected or were reset.
func (c *crowd) flood(to string, each int) {
	var wg sync.WaitGroup
	const dialers = 8
	for k := range dialers {
		wg.Go(func() {
			for i := k; i < len(c.addrs)*each; i += dialers {
				c.dial(c.addrs[i%len(c.addrs)], to)
			}
		})
	}
	wg.Wait()
}

func (c *crowd) dial(from, to string) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", to)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials++
	if err == nil {
		c.conns = append(c.conns, conn)
	} // else it was reset while it connected: settled finds out whether the server has done that
}

// leave closes all.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		_ = conn.Close() // may be closed before
	}
	c.conns = nil
}

// settled waits until each dial of the crowd has been answered, and says how many were let in and are still there.
func (r *running) settled(t testing.TB, c *crowd, others int) (in int, refused refusals) {
	t.Helper()
	var s admissionStats
	waitFor(t, func() bool {
		s = r.admission.stats()
		return int(s.open)-others+s.allRefusals() == c.dials
	}, func() string { return fmt.Sprintf("%d have dialled, admission counts %+v", c.dials, s) })
	return int(s.open) - others, s.refused
}

// refusals are counts by limit.
type refusals = [refusalCount]uint64

func (s admissionStats) allRefusals() (n int) {
	for _, c := range s.refused {
		n += int(c)
	}
	return n
}

// talkWhile has the pair talk until f has ended, at least once.
func (p *pair) talkWhile(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }() // waited for below
	for {
		p.talk()
		select {
		case <-done:
			p.talk()
			return
		default:
		}
	}
}

// end logs the pair out.
func (p *pair) end() { _, _ = p.a.conn.Close(), p.b.conn.Close() }

func TestAFloodFromOneAddressLeavesOthersUndisturbed(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.AddressConnections = 50 })
	p := r.converse(t, 1)
	c := newCrowd(t, 1)
	p.talkWhile(func() { c.flood(r.Addr().String(), 500) })
	in, refused := r.settled(t, c, 2)
	if in != 50 || refused[refusedAddressConnections] != 450 {
		t.Errorf("%d of 500 are in, refused %v", in, refused)
	}
	other := r.dialFrom(t, "127.0.200.1", r.Addr().String())
	other.hello(codec.Hello{Version: 1, User: 3})
	st := r.Status().Admission
	if st.Addresses != 3 || st.Connections != 53 || st.Shared != 0 || st.Refused["address_connections"] != 450 {
		t.Errorf("three addresses with 53 connections are shown as %+v", st)
	}
	c.leave()
	r.eventually(t, "the crowd has gone", func(s Status) bool { return s.Connections == 3 })
	again := r.dialFrom(t, c.addrs[0], r.Addr().String())
	again.hello(codec.Hello{Version: 1, User: 4})
	p.talk()
	p.end()
	_, _ = other.conn.Close(), again.conn.Close()
	r.left(t)
}

// rated is what a rate allows at most: its burst, and what has been earned since.
func rated(rate Rate, since time.Time) int {
	return rate.Burst + int(time.Since(since).Seconds()*float64(rate.PerSecond)) + 1
}

func TestAddressesThatConnectTooOftenAreRefusedAndOthersAreNot(t *testing.T) {
	noLeaks(t)
	rate := Rate{PerSecond: 1, Burst: 20}
	r := start(t, func(c *Config) { c.AddressAccepts = rate })
	p := r.converse(t, 1)
	c := newCrowd(t, 10)
	began := time.Now()
	p.talkWhile(func() { c.flood(r.Addr().String(), 60) })
	in, refused := r.settled(t, c, 2)
	if most := 10 * rated(rate, began); in < 10*rate.Burst || in > most || int(refused[refusedAddressAccepts]) != 600-in {
		t.Errorf("%d of 600 are in, want %d to %d; refused %v", in, 10*rate.Burst, most, refused)
	}
	other := r.dialFrom(t, "127.0.200.1", r.Addr().String())
	other.hello(codec.Hello{Version: 1, User: 3})
	p.talk()
	p.end()
	_ = other.conn.Close()
	c.leave()
	r.left(t)
}

func TestAFloodFromManyAddressesMeetsTheLimitOfTheProcess(t *testing.T) {
	noLeaks(t)
	rate := Rate{PerSecond: 1, Burst: 200}
	r := start(t, func(c *Config) { c.AddressAccepts, c.Accepts = Rate{PerSecond: 1, Burst: 5}, rate })
	p := r.converse(t, 1)
	c := newCrowd(t, 150)
	began := time.Now()
	p.talkWhile(func() { c.flood(r.Addr().String(), 4) })
	in, refused := r.settled(t, c, 2)
	if in < rate.Burst-2 || in > rated(rate, began) || int(refused[refusedAccepts]) != 600-in {
		t.Errorf("%d of 600 are in, want 198 and what a second earns; refused %v", in, refused)
	}
	c.leave()
	p.talk()
	p.end()
	r.left(t)
}

// TestSilentConnectionsUpToTheLimitCostBoundedMemory fills the server with clients on many addresses that finish TCP and say nothing.
func TestSilentConnectionsUpToTheLimitCostBoundedMemory(t *testing.T) {
	noLeaks(t)
	const most, perAddress = 1500, 20
	r := start(t, func(c *Config) {
		c.MaxConnections, c.AddressConnections, c.LoginTimeout = most, perAddress, Duration(10*patience)
	})
	if r.Limits().Connections != most {
		t.Skipf("the descriptor limit allows %d connections, this test needs %d", r.Limits().Connections, most)
	}
	p := r.converse(t, 1)
	before, goroutines := r.Status().Memory, runtime.NumGoroutine()
	c := newCrowd(t, 80) // 1,600 may come by their addresses: the limit of all is lower
	p.talkWhile(func() { c.flood(r.Addr().String(), perAddress) })
	r.eventually(t, "as many as may be are there", func(s Status) bool { return s.Connections == most && s.AcceptRefused == 102 })
	after := r.Status().Memory
	if after.Waiting > before.Waiting+512<<10 || after.Slots > before.Slots+512<<10 {
		t.Errorf("silent connections hold %d bytes of buffers and %d of slots, before them it was %d and %d",
			after.Waiting, after.Slots, before.Waiting, before.Slots)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 20 {
		t.Errorf("%d goroutines more than before", more)
	}
	if s := r.admission.stats(); s.open != most || s.addresses != 81 || s.allRefusals() != 0 {
		t.Errorf("admission counts %+v", s)
	}
	c.leave()
	r.eventually(t, "they have gone", func(s Status) bool { return s.Connections == 2 })
	p.talk()
	p.end()
	r.left(t)
}

func TestSilentConnectionsAreClosedByTheLoginTimeout(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.LoginTimeout = Duration(time.Second) })
	p := r.converse(t, 1)
	c := newCrowd(t, 40)
	p.talkWhile(func() {
		c.flood(r.Addr().String(), 20)
		r.eventually(t, "they are closed, though none of them closes", func(s Status) bool {
			return s.Connections == 2
		})
	})
	waitFor(t, func() bool { s := r.admission.stats(); return s.open == 2 && s.addresses == 1 }, func() string {
		return fmt.Sprintf("only the pair is left, and admission counts %+v", r.admission.stats())
	})
	c.leave()
	p.end()
	r.left(t)
}

// TestAStormOfLoginsMovesAndDeparturesLeavesNothingCounted has clients on many addresses log in, which moves them to their home loop, talk and
// go in every way, while limits refuse some of them.
func TestAStormOfLoginsMovesAndDeparturesLeavesNothingCounted(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.AddressConnections = 3 })
	p := r.converse(t, 1)
	c := newCrowd(t, 20)
	p.talkWhile(func() {
		var wg sync.WaitGroup
		for k := range 8 {
			wg.Go(func() {
				for i := range 60 {
					r.passBy(c.addrs[(i*7+k)%len(c.addrs)], uint64(100+i*8+k), i)
				}
			})
		}
		wg.Wait()
	})
	r.eventually(t, "connections have moved", func(s Status) bool { return s.PerLoop[0].Moved+s.PerLoop[1].Moved >= 20 })
	p.end()
	r.left(t)
}

// passBy is a short visit; how it ends depends on i. What is refused, or cut off, is no failure here.
func (r *running) passBy(from string, user uint64, i int) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", r.Addr().String())
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience)) // a failure shows as a storm that does not end
	_, _ = conn.Write(must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: user})))
	switch i % 4 {
	case 0:
		return // at once
	case 1:
		_, _ = conn.Read(make([]byte, 100))
		_ = conn.(*net.TCPConn).SetLinger(0) // with a reset
	case 2:
		_, _ = conn.Read(make([]byte, 100))
		_, _ = conn.Write([]byte{0x02, 0x7F, 0x00}) // malformed
		_, _ = conn.Read(make([]byte, 100))
	case 3:
		_, _ = conn.Read(make([]byte, 100))
		_, _ = conn.Write(sendFrame(1, 1, "passing by")[:7])
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = conn.Read(make([]byte, 100))
	}
}
