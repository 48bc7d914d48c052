//go:build linux || freebsd || darwin

package netpoll

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// answer is what one system call says: so many bytes, or an error.
type answer struct {
	n     int
	errno unix.Errno
}

// recordedSockets answer a loop's system calls from lists, as a kernel has answered or its manual says. A list that has ended says
// EAGAIN. The descriptors are real, so that close(2) has something to close.
type recordedSockets struct {
	t       *testing.T
	accepts []answer // an errno, or a connection
	reads   []answer
	writes  []answer
	owed    unix.Errno // SO_ERROR

	accepted    []int
	readCalls   int
	writeCalls  int
	acceptCalls int
	written     []byte
}

func (r *recordedSockets) next(list *[]answer) answer {
	if len(*list) == 0 {
		return answer{errno: unix.EAGAIN}
	}
	a := (*list)[0]
	*list = (*list)[1:]
	return a
}

func (r *recordedSockets) read(_ int, b []byte) (int, unix.Errno) {
	r.readCalls++
	a := r.next(&r.reads)
	if a.errno != 0 {
		return -1, a.errno
	}
	n := min(a.n, len(b))
	for i := range b[:n] {
		b[i] = 'x'
	}
	return n, 0
}

func (r *recordedSockets) write(_ int, b []byte) (int, unix.Errno) {
	r.writeCalls++
	a := r.next(&r.writes)
	if a.errno != 0 {
		return -1, a.errno
	}
	n := min(a.n, len(b))
	r.written = append(r.written, b[:n]...)
	return n, 0
}

func (r *recordedSockets) writeVector(fd int, v []unix.Iovec) (int, unix.Errno) {
	r.t.Error("output of one block is written by writev")
	return -1, unix.EINVAL
}

func (r *recordedSockets) accept(int) (int, netip.AddrPort, error) {
	r.acceptCalls++
	a := r.next(&r.accepts)
	if a.errno != 0 {
		return -1, netip.AddrPort{}, a.errno
	}
	fd, peer := socketPair(r.t)
	r.t.Cleanup(func() { closeFD(r.t, peer) })
	r.accepted = append(r.accepted, fd)
	return fd, netip.MustParseAddrPort("192.0.2.1:5222"), nil
}

func (r *recordedSockets) pending(int) unix.Errno { return r.owed }

// recordedRig is one loop that is not started but stepped, over a fake poller, recorded sockets and a clock that stands.
type recordedRig struct {
	t       *testing.T
	now     time.Time
	poller  *FakePoller
	sockets *recordedSockets
	l       *Loop
	script  *script
	opened  []ConnID
	ends    []CloseReason
	got     int // bytes of OnData
	finned  int // calls of OnHalfClose
	roomed  int // calls of OnWritable
}

func newRecordedRig(t *testing.T) *recordedRig {
	t.Helper()
	r := &recordedRig{t: t, now: time.Now(), poller: NewFakePoller(), sockets: &recordedSockets{t: t}}
	g := newIdleRig(t, Config{
		Loops: 1, NewPoller: func(int) (Poller, error) { return r.poller, nil }, Now: func() time.Time { return r.now },
	}, func(s *script) {
		r.script = s
		s.open = func(id ConnID, _ OpenInfo) { r.opened = append(r.opened, id) }
		s.data = func(_ ConnID, b []byte) int { r.got += len(b); return len(b) }
		s.halfClose = func(ConnID) { r.finned++ }
		s.writable = func(ConnID) { r.roomed++ }
		s.close = func(_ ConnID, reason CloseReason) { r.ends = append(r.ends, reason) }
	})
	r.l = g.r.loops[0]
	r.l.sockets = r.sockets
	_, err := g.r.Listen(ListenConfig{Addr: "127.0.0.1:0"})
	must(t, err)
	r.step() // the listener is watched, its backlog is empty
	r.sockets.acceptCalls = 0
	return r
}

// step is one turn.
func (r *recordedRig) step(events ...FakeEvent) Next {
	if len(events) > 0 {
		r.poller.Push(events...)
	}
	return r.poller.Step(driver{r.l})
}

// knock is the event of the listener.
func (r *recordedRig) knock() FakeEvent {
	return FakeEvent{FD: r.l.acceptors[0].fd, Events: EventRead}
}

// connect accepts one connection.
func (r *recordedRig) connect() ConnID {
	r.t.Helper()
	r.sockets.accepts = []answer{{}}
	r.step(r.knock())
	if len(r.opened) == 0 {
		r.t.Fatal("the connection was not opened")
	}
	return r.opened[len(r.opened)-1]
}

// wait moves the clock to when the loop has asked to be woken, and says how far that was.
func (r *recordedRig) wait() time.Duration {
	r.t.Helper()
	due := r.l.alarm.at.Load()
	if due == never {
		r.t.Fatal("the loop waits for nothing")
	}
	d := time.Duration(due-r.l.mono) * time.Millisecond
	r.now = r.now.Add(d)
	return d
}
