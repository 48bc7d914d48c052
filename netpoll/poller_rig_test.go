//go:build linux || freebsd || darwin

package netpoll

import (
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pollerPatience is how long a condition may take before a test gives up.
const pollerPatience = 20 * time.Second

// pollerReport is one call of OnEvent and the number of the batch it came in.
type pollerReport struct {
	tag   uint64
	ev    Events
	batch int
}

// pollerRig runs a poller on a goroutine of its own and records what it reports.
type pollerRig struct {
	t       testing.TB
	p       Poller
	done    chan error
	mu      sync.Mutex
	changed sync.Cond
	todo    []func()
	reports []pollerReport
	batches int
	stop    bool
	onBatch func() Next // instead of PollBlock; on the loop, without the lock
	onEvent func(tag uint64)
}

// newPollerRig starts nothing yet; the test may add descriptors first.
func newPollerRig(t testing.TB, open func() (Poller, error)) *pollerRig {
	t.Helper()
	p, err := open()
	if err != nil {
		t.Fatalf("open poller: %v", err)
	}
	r := &pollerRig{t: t, p: p, done: make(chan error, 1)}
	r.changed.L = &r.mu
	return r
}

// start runs the poller until the test ends.
func (r *pollerRig) start() *pollerRig {
	go func() { r.done <- r.p.Run(r) }()
	r.t.Cleanup(func() {
		r.mu.Lock()
		r.stop = true
		r.mu.Unlock()
		r.end()
	})
	return r
}

// end waits for Run and closes the poller.
func (r *pollerRig) end() {
	r.t.Helper()
	r.must(r.p.Wake())
	select {
	case err := <-r.done:
		r.must(err)
	case <-time.After(patienceOf(r.t)):
		r.t.Fatal("Run did not return after PollStop")
	}
	r.must(r.p.Close())
}

func (r *pollerRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Error(err)
	}
}

func (r *pollerRig) OnEvent(tag uint64, ev Events) {
	r.mu.Lock()
	r.reports = append(r.reports, pollerReport{tag, ev, r.batches})
	r.mu.Unlock()
	if r.onEvent != nil {
		r.onEvent(tag)
	}
}

func (r *pollerRig) OnBatch() Next {
	r.mu.Lock()
	todo := r.todo
	r.todo = nil
	r.batches++
	r.changed.Broadcast()
	stop, again := r.stop, r.onBatch
	r.mu.Unlock()
	for _, f := range todo {
		f()
	}
	switch {
	case stop:
		return PollStop
	case again != nil:
		return again()
	}
	return PollBlock
}

// do runs f on the loop and waits for it.
func (r *pollerRig) do(f func()) {
	r.t.Helper()
	ran := make(chan struct{})
	r.mu.Lock()
	r.todo = append(r.todo, func() { f(); close(ran) })
	r.mu.Unlock()
	r.must(r.p.Wake())
	select {
	case <-ran:
	case <-time.After(patienceOf(r.t)):
		r.t.Fatal("a wake was lost")
	}
}

// turns makes the loop take n batches, one after the other.
func (r *pollerRig) turns(n int) {
	r.t.Helper()
	for range n {
		r.do(func() {})
	}
}

// until waits for a condition, asked with the lock held after each batch.
func (r *pollerRig) until(what string, ok func() bool) {
	r.t.Helper()
	late := false
	timer := time.AfterFunc(patienceOf(r.t), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.changed.Broadcast()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !ok() {
		if late {
			r.t.Fatalf("not in %v: %s; reports: %v", patienceOf(r.t), what, r.reports)
		}
		r.changed.Wait()
	}
}

// quiet does something and sees that the loop has no batch of its own for a while, after it has none left from before.
func (r *pollerRig) quiet(d time.Duration, f func()) {
	r.t.Helper()
	for !r.still(d/4, func() {}) {
	}
	if !r.still(d, f) {
		r.t.Error("the loop had a batch that nobody has asked for")
	}
}

// still does something and says whether no batch follows within d.
func (r *pollerRig) still(d time.Duration, f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, over := r.batches, false
	timer := time.AfterFunc(d, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		over = true
		r.changed.Broadcast()
	})
	defer timer.Stop()
	f()
	for !over && r.batches == before {
		r.changed.Wait()
	}
	return r.batches == before
}

// untilReport waits until tag was reported with all the bits of ev at least n times.
func (r *pollerRig) untilReport(tag uint64, ev Events, n int) {
	r.t.Helper()
	r.until("report", func() bool { return r.countLocked(tag, ev) >= n })
}

func (r *pollerRig) countLocked(tag uint64, ev Events) (n int) {
	for _, rep := range r.reports {
		if rep.tag == tag && rep.ev&ev == ev {
			n++
		}
	}
	return n
}

// count is how often tag was reported with all the bits of ev.
func (r *pollerRig) count(tag uint64, ev Events) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.countLocked(tag, ev)
}

// add watches fd, on the loop.
func (r *pollerRig) add(fd int, tag uint64) {
	r.t.Helper()
	r.do(func() { r.must(r.p.Add(fd, tag)) })
}

// pollerPair is a TCP connection over loopback, both ends non-blocking, closed when the test ends unless it did so.
func pollerPair(t testing.TB) (a, b *pollerEnd) {
	t.Helper()
	ln, addr := pollerListen(t)
	b = pollerConnect(t, addr)
	for deadline := time.Now().Add(pollerPatience); ; {
		fd, _, err := unix.Accept(ln.fd)
		if err == nil {
			a = newPollerEnd(t, fd)
			break
		}
		if err != unix.EAGAIN && err != unix.EINTR || time.Now().After(deadline) {
			t.Fatalf("accept: %v", err)
		}
	}
	ln.close()
	return a, b
}

func pollerListen(t testing.TB) (*pollerEnd, unix.Sockaddr) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatalf("socket: %v", err)
	}
	ln := newPollerEnd(t, fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatalf("bind: %v", err)
	}
	if err := unix.Listen(fd, 16); err != nil {
		t.Fatalf("listen: %v", err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatalf("getsockname: %v", err)
	}
	return ln, addr
}

func pollerConnect(t testing.TB, addr unix.Sockaddr) *pollerEnd {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatalf("socket: %v", err)
	}
	if err := unix.Connect(fd, addr); err != nil {
		t.Fatalf("connect: %v", err)
	}
	return newPollerEnd(t, fd)
}

// pollerEnd is one descriptor of a test.
type pollerEnd struct {
	t    testing.TB
	fd   int
	open bool
}

func newPollerEnd(t testing.TB, fd int) *pollerEnd {
	t.Helper()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatalf("set non-blocking: %v", err)
	}
	e := &pollerEnd{t: t, fd: fd, open: true}
	t.Cleanup(e.close)
	return e
}

func (e *pollerEnd) close() {
	if e.open {
		e.open = false
		if err := unix.Close(e.fd); err != nil {
			e.t.Errorf("close: %v", os.NewSyscallError("close", err))
		}
	}
}

func (e *pollerEnd) write(b string) {
	e.t.Helper()
	if n, err := unix.Write(e.fd, []byte(b)); err != nil || n != len(b) {
		e.t.Errorf("write: %d of %d, %v", n, len(b), err)
	}
}

// read takes what is there, up to EAGAIN or the end.
func (e *pollerEnd) read() (n int) {
	buf := make([]byte, 64<<10)
	for {
		k, err := unix.Read(e.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || k <= 0 {
			return n
		}
		n += k
	}
}

// fill writes until the socket takes no more and returns how much it took.
func (e *pollerEnd) fill() (n int) {
	buf := make([]byte, 64<<10)
	for {
		k, err := unix.Write(e.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n
		}
		n += k
	}
}

// untilReadable waits until what was sent is there.
func (e *pollerEnd) untilReadable() {
	e.t.Helper()
	fds := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
	for end := time.Now().Add(patienceOf(e.t)); time.Now().Before(end); {
		if n, err := unix.Poll(fds, 1000); n == 1 && err == nil {
			return
		}
	}
	e.t.Fatal("nothing to read")
}

// becomeNumber moves e's socket to a number that is free.
func (e *pollerEnd) becomeNumber(fd int) {
	e.t.Helper()
	got, err := unix.FcntlInt(uintptr(e.fd), unix.F_DUPFD, fd)
	if err != nil || got != fd {
		e.t.Fatalf("dup to %d: %d, %v", fd, got, err)
	}
	e.close()
	e.fd, e.open = fd, true
}

// takeNumber closes what is open under the number fd and makes it a second name of e's socket.
func (e *pollerEnd) takeNumber(fd int) {
	e.t.Helper()
	if err := unix.Close(fd); err != nil {
		e.t.Errorf("close %d: %v", fd, err)
	}
	if got, err := unix.FcntlInt(uintptr(e.fd), unix.F_DUPFD, fd); err != nil || got != fd {
		e.t.Errorf("dup to %d: %d, %v", fd, got, err)
	}
}

// writeRaw writes without the cost of looking like a test.
func (e *pollerEnd) writeRaw(b []byte) { _, _ = unix.Write(e.fd, b) }
