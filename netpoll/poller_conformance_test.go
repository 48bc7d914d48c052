//go:build linux || freebsd || darwin

package netpoll

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// pollerBackend is one implementation under the suite. The fake has no kernel: cases about sockets leave it out.
type pollerBackend struct {
	name   string
	open   func() (Poller, error)
	kernel bool
	short  map[string]string // the cases that it does not meet, and why; they must fail
}

func pollerBackends() []pollerBackend {
	return []pollerBackend{
		{PollerNative, func() (Poller, error) { return openPoller(PollerNative) }, true, nil},
		{PollerGnet, func() (Poller, error) { return openPoller(PollerGnet) }, true, gnetShortfalls()},
		{"fake", func() (Poller, error) { return NewFakePoller(), nil }, false, nil},
	}
}

// pollerCase is one thing that the contract asks for.
type pollerCase struct {
	name   string
	kernel bool // needs sockets
	run    func(t testing.TB, open func() (Poller, error))
}

// TestPollerConformance holds every backend to the contract in poller.go. A case that a backend is known not to meet must fail: when it
// does not, the test says so.
func TestPollerConformance(t *testing.T) {
	cases := []pollerCase{
		{"a socket is reported when data arrives", true, pollerCaseData},
		{"a socket that was ready before Add is reported", true, pollerCaseReadyBefore},
		{"one arrival is one report, the next arrival another one", true, pollerCaseEdge},
		{"a listening socket is reported for each burst of connections", true, pollerCaseListener},
		{"room is reported after a full buffer was read by the peer", true, pollerCaseFullBuffer},
		{"WantWrite on a socket with room is answered at once, as often as it is asked", true, pollerCaseRoom},
		{"a peer that closes is a hangup after its last bytes", true, pollerCaseHangup},
		{"a peer that half-closes is a hangup, and the socket still takes bytes", true, pollerCaseHalfClose},
		{"a reset is a hangup", true, pollerCaseReset},
		{"a removed descriptor is silent while it stays open, and can be added again", true, pollerCaseRemove},
		{"a removed descriptor works in another poller", true, pollerCaseMove},
		{"removing what is not watched is an error", false, pollerCaseRemoveUnknown},
		{"a closed descriptor's number comes back with the new tag only", true, pollerCaseReuse},
		{"a descriptor that is closed before the poll is not watched for its next owner", true, pollerCaseClosedEarly},
		{"an event that is stale by the middle of its batch keeps its tag", true, pollerCaseStale},
		{"a registration that fails does not take others along", true, pollerCaseFailedAdd},
		{"a removed descriptor does not rouse the loop", true, pollerCaseRemovedQuiet},
		{"an end that comes after the data is one more report", true, pollerCaseEndLater},
		{"the sockets of one port share its connections, and one that closes leaves them to the rest", true, pollerCaseShared},
		{"a tag keeps all its 64 bits through a collection", true, pollerCaseTags},
		{"ten thousand descriptors are all reported", true, pollerCaseMany},
		{"descriptor 0 is a socket like any other", true, pollerCaseZero},
		{"the events of a batch come before its one OnBatch", true, pollerCaseBatch},
		{"OnBatch comes before the events of the next poll", true, pollerCaseBatchInTime},
		{"PollAgain looks at the sockets each time", true, pollerCaseAgain},
		{"the first poll does not wait", false, pollerCaseFirst},
		{"a thousand wakes while the loop is busy are one batch", false, pollerCaseWakeBusy},
		{"a wake finds a sleeping loop, a thousand times", false, pollerCaseWakeAsleep},
		{"wakes from many goroutines are never lost", false, pollerCaseWakeMany},
		{"a sleeping loop does not hold up a collection", false, pollerCaseCollect},
		{"PollStop ends Run, and a later Wake does nothing", false, pollerCaseStop},
	}
	for _, b := range pollerBackends() {
		for name := range b.short {
			if !slices.ContainsFunc(cases, func(c pollerCase) bool { return c.name == name }) {
				t.Errorf("%s is said not to meet %q, which is no case", b.name, name)
			}
		}
		for _, c := range cases {
			if c.kernel && !b.kernel {
				continue
			}
			t.Run(b.name+"/"+c.name, func(t *testing.T) {
				if why, short := b.short[c.name]; short {
					mustFail(t, why, func(t testing.TB) { c.run(t, b.open) })
				} else {
					c.run(t, b.open)
				}
			})
		}
	}
}

func pollerCaseData(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 7)
	b.write("hello")
	r.untilReport(7, EventRead, 1)
	if n := a.read(); n != 5 {
		t.Errorf("read %d bytes, want 5", n)
	}
	if n := r.count(7, EventHangup); n != 0 {
		t.Errorf("%d hangups of a healthy connection", n)
	}
}

func pollerCaseReadyBefore(t testing.TB, open func() (Poller, error)) {
	a, b := pollerPair(t)
	b.write("early")
	r := newPollerRig(t, open)
	r.must(r.p.Add(a.fd, 8))
	r.start()
	r.untilReport(8, EventRead, 1)
}

func pollerCaseEdge(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 9)
	b.write("x")
	r.untilReport(9, EventRead, 1)
	r.turns(50)
	seen := r.count(9, EventRead)
	if seen > 2 {
		t.Errorf("%d reports of one arrival in 50 batches: not edge-triggered", seen)
	}
	b.write("y") // the first byte is still unread
	r.untilReport(9, EventRead, seen+1)
}

func pollerCaseListener(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	ln, addr := pollerListen(t)
	r.add(ln.fd, 10)
	for i := 1; i <= 3; i++ {
		before := r.count(10, EventRead)
		pollerConnect(t, addr)
		r.untilReport(10, EventRead, before+1)
		fd, _, err := unix.Accept(ln.fd)
		if err != nil {
			t.Fatalf("accept %d: %v", i, err)
		}
		newPollerEnd(t, fd)
	}
}

func pollerCaseFullBuffer(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 11)
	for round := range 3 {
		sent := a.fill()
		before := r.count(11, EventWrite)
		r.do(func() { r.must(r.p.WantWrite(a.fd, 11)) })
		for got := 0; got < sent; {
			got += b.read()
		}
		r.untilReport(11, EventWrite, before+1)
		if n := a.fill(); n == 0 {
			t.Fatalf("round %d: room was reported and there is none", round)
		} else {
			for got := 0; got < n; {
				got += b.read()
			}
		}
	}
	seen := r.count(11, EventRead)
	b.write("x")
	r.untilReport(11, EventRead, seen+1) // the interest in input outlived all that
}

func pollerCaseRoom(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, _ := pollerPair(t)
	r.add(a.fd, 12)
	for i := 1; i <= 5; i++ {
		before := r.count(12, EventWrite)
		r.do(func() { r.must(r.p.WantWrite(a.fd, 12)) })
		r.untilReport(12, EventWrite, before+1)
	}
}

func pollerCaseHangup(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 13)
	b.write("last words")
	b.close()
	r.untilReport(13, EventHangup|EventRead, 1)
	if n := a.read(); n != len("last words") {
		t.Errorf("read %d bytes after the hangup, want %d", n, len("last words"))
	}
}

func pollerCaseHalfClose(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 14)
	if err := unix.Shutdown(b.fd, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	r.untilReport(14, EventHangup|EventRead, 1)
	before := r.count(14, EventWrite)
	r.do(func() { r.must(r.p.WantWrite(a.fd, 14)) })
	r.untilReport(14, EventWrite, before+1)
	a.write("still here")
}

func pollerCaseReset(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 15)
	if err := unix.SetsockoptLinger(b.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		t.Fatal(err)
	}
	b.close()
	r.untilReport(15, EventHangup|EventRead, 1)
}

func pollerCaseRemove(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, b := pollerPair(t)
	r.add(a.fd, 16)
	r.do(func() { r.must(r.p.WantWrite(a.fd, 16)) })
	r.untilReport(16, EventWrite, 1)
	r.do(func() { r.must(r.p.Remove(a.fd)) })
	r.turns(1)
	reads, writes := r.count(16, EventRead), r.count(16, EventWrite)
	b.write("nobody listens")
	r.turns(20)
	if n := r.count(16, EventRead) + r.count(16, EventWrite); n != reads+writes {
		t.Errorf("%d reports after Remove", n-reads-writes)
	}
	r.add(a.fd, 17)
	r.untilReport(17, EventRead, 1)
	r.do(func() { // added and removed before a poll could see it
		r.must(r.p.Remove(a.fd))
		r.must(r.p.Add(a.fd, 18))
		r.must(r.p.Remove(a.fd))
	})
	r.turns(20)
	if n := r.count(18, 0); n != 0 {
		t.Errorf("%d reports of a descriptor that was removed before the poll", n)
	}
}

func pollerCaseMove(t testing.TB, open func() (Poller, error)) {
	from, to := newPollerRig(t, open).start(), newPollerRig(t, open).start()
	a, b := pollerPair(t)
	for i := range 20 {
		here, there := uint64(2*i+1), uint64(2*i+2)
		from.add(a.fd, here)
		b.write("x")
		from.untilReport(here, EventRead, 1)
		from.do(func() { from.must(from.p.Remove(a.fd)) })
		to.add(a.fd, there) // the byte is still there
		to.untilReport(there, EventRead, 1)
		a.read()
		before := from.count(here, 0)
		b.write("y")
		to.untilReport(there, EventRead, 2)
		from.turns(2)
		if n := from.count(here, 0); n != before {
			t.Fatalf("the poller that was left still reports: %d", n-before)
		}
		a.read()
		to.do(func() { to.must(to.p.Remove(a.fd)) })
	}
}

func pollerCaseRemoveUnknown(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	a, _ := pollerPair(t)
	r.do(func() {
		if err := r.p.Remove(a.fd); !errors.Is(err, unix.ENOENT) {
			t.Errorf("Remove of an unknown descriptor: %v, want ENOENT", err)
		}
		if err := r.p.Add(-1, 1); err == nil {
			t.Error("Add(-1) is no error")
		}
	})
}

func pollerCaseReuse(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	for i := range 50 {
		oldTag, newTag := uint64(100+2*i), uint64(101+2*i)
		a, b := pollerPair(t)
		c, d := pollerPair(t)
		if i%2 == 0 {
			r.add(a.fd, oldTag) // watched for a while
		}
		r.do(func() {
			if i%2 == 1 {
				r.must(r.p.Add(a.fd, oldTag)) // closed before the poll could see it
			}
			c.takeNumber(a.fd)
			r.must(r.p.Add(a.fd, newTag))
		})
		before := r.count(oldTag, 0)
		d.write("to the new one")
		r.untilReport(newTag, EventRead, 1)
		b.close()
		r.turns(3)
		if n := r.count(oldTag, 0); n != before {
			t.Fatalf("round %d: %d reports with the old tag", i, n-before)
		}
		a.close()
		c.close()
		d.close()
	}
}

func pollerCaseTags(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	tags := []uint64{1, 1 << 31, 1 << 32, 1 << 63, math.MaxUint32, math.MaxUint64, 0x0102030405060708,
		0xc000000000, 0xc000010008, 0xc000400001} // the last three look like Go's heap
	var ends []*pollerEnd
	for _, tag := range tags {
		a, b := pollerPair(t)
		r.add(a.fd, tag)
		ends = append(ends, b)
	}
	for range 3 {
		runtime.GC()
		for _, b := range ends {
			b.write("x")
		}
		r.turns(2)
	}
	for _, tag := range tags {
		r.untilReport(tag, EventRead, 1)
	}
	runtime.GC()
}

func pollerCaseMany(t testing.TB, open func() (Poller, error)) {
	const pairs = 5_000
	r := newPollerRig(t, open)
	ends := make([]int, 0, 2*pairs)
	t.Cleanup(func() {
		for _, fd := range ends {
			r.must(unix.Close(fd))
		}
	})
	for range pairs {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatalf("%d descriptors, then %v", len(ends), err)
		}
		ends = append(ends, fds[0], fds[1])
	}
	r.start()
	r.do(func() {
		for i, fd := range ends {
			r.must(r.p.Add(fd, uint64(i+1)))
		}
	})
	for _, fd := range ends {
		if _, err := unix.Write(fd, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[uint64]bool, len(ends))
	next := 0
	r.until("reports of all", func() bool {
		for ; next < len(r.reports); next++ {
			seen[r.reports[next].tag] = true
		}
		return len(seen) == len(ends)
	})
}

func pollerCaseZero(t testing.TB, open func() (Poller, error)) {
	saved, err := unix.Dup(0)
	if err != nil {
		t.Fatalf("dup of descriptor 0: %v", err)
	}
	t.Cleanup(func() {
		newPollerEnd(t, saved).takeNumber(0)
	})
	r := newPollerRig(t, open)
	a, b := pollerPair(t)
	a.takeNumber(0)
	a.close()
	if err := r.p.Add(0, 19); err != nil {
		r.must(r.p.Close())
		t.Fatal(err)
	}
	r.start()
	b.write("x")
	r.untilReport(19, EventRead, 1)
	r.turns(3) // the bell is not mixed up with it
	r.do(func() { r.must(r.p.WantWrite(0, 19)) })
	r.untilReport(19, EventWrite, 1)
	r.do(func() { r.must(r.p.Remove(0)) })
}

func pollerCaseBatch(t testing.TB, open func() (Poller, error)) {
	const sockets = 300 // fewer than pollBatchEvents
	r := newPollerRig(t, open)
	for i := range sockets {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		a, b := newPollerEnd(t, fds[0]), newPollerEnd(t, fds[1])
		b.write("x")
		r.must(r.p.Add(a.fd, uint64(i+1)))
	}
	r.start()
	r.until("all reports", func() bool { return len(r.reports) >= sockets })
	r.mu.Lock()
	defer r.mu.Unlock()
	// Native takes them in one system call; gnet in growing calls of 128.
	if last := r.reports[sockets-1].batch; last > 4 {
		t.Errorf("%d ready sockets took %d batches", sockets, last+1)
	}
	if _, gnet := r.p.(*gnetPoller); !gnet && r.reports[0].batch != r.reports[sockets-1].batch {
		t.Error("OnBatch came in the middle of a batch")
	}
}

// pollerCaseBatchInTime has the report of one socket make another one ready: its report belongs to the next batch.
func pollerCaseBatchInTime(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open)
	var ends [2][2]*pollerEnd
	for i := range ends {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = [2]*pollerEnd{newPollerEnd(t, fds[0]), newPollerEnd(t, fds[1])}
		r.must(r.p.Add(fds[0], uint64(i+1)))
	}
	r.onEvent = func(tag uint64) {
		if tag == 1 {
			ends[1][1].write("x")
		}
	}
	r.start()
	r.turns(3)
	ends[0][1].write("x")
	r.untilReport(1, EventRead, 1)
	r.untilReport(2, EventRead, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	var batches [3]int
	for _, rep := range r.reports {
		batches[rep.tag] = rep.batch
	}
	if batches[1] == batches[2] {
		t.Error("an event of the next poll came before OnBatch")
	}
}

func pollerCaseAgain(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open)
	a, b := pollerPair(t)
	r.must(r.p.Add(a.fd, 20))
	turn := 0
	r.onBatch = func() Next { // never sleeps until its own writes were reported
		turn++
		if turn <= 50 { // nothing happens, yet the next batch must come
			return PollAgain
		}
		if turn <= 60 {
			b.write("x")
		}
		if r.count(20, EventRead) < 5 {
			return PollAgain
		}
		return PollBlock
	}
	r.start()
	r.untilReport(20, EventRead, 5)
}

func pollerCaseFirst(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	r.until("a first batch without an event", func() bool { return r.batches >= 1 })
}

func pollerCaseWakeBusy(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	r.turns(3)
	var before int
	r.do(func() {
		r.mu.Lock()
		before = r.batches
		r.mu.Unlock()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range 100 {
					r.must(r.p.Wake())
				}
			})
		}
		wg.Wait()
	})
	r.until("a batch after the wakes", func() bool { return r.batches > before })
	r.turns(1) // its own wake is one more, and a spurious batch of the bell is allowed
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.batches - before; n > 3 {
		t.Errorf("1,000 wakes made %d batches", n)
	}
}

func pollerCaseWakeAsleep(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	r.turns(1000)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.batches < 1000 {
		t.Errorf("%d batches for 1,000 wakes that each waited for theirs", r.batches)
	}
}

func pollerCaseWakeMany(t testing.TB, open func() (Poller, error)) {
	const goroutines, rounds = 8, 1000
	var asked atomic.Int64
	var seen int64
	r := newPollerRig(t, open)
	r.onBatch = func() Next {
		r.mu.Lock()
		defer r.mu.Unlock()
		seen = asked.Load()
		r.changed.Broadcast()
		return PollBlock
	}
	r.start()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				mine := asked.Add(1)
				r.must(r.p.Wake())
				r.until("a batch that sees the wake", func() bool { return seen >= mine })
			}
		})
	}
	wg.Wait()
	if n := asked.Load(); n != goroutines*rounds {
		t.Errorf("%d of %d wakes were answered", n, goroutines*rounds)
	}
}

func pollerCaseCollect(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open).start()
	r.turns(1)
	collected := make(chan struct{})
	go func() {
		for range 3 {
			runtime.GC()
		}
		close(collected)
	}()
	<-collected // a raw blocking call would hang here until the test binary's own deadline
	r.turns(1)
	if r.batches == 0 {
		t.Error("no batch at all")
	}
}

func pollerCaseStop(t testing.TB, open func() (Poller, error)) {
	r := newPollerRig(t, open)
	go func() { r.done <- r.p.Run(r) }()
	r.turns(2)
	r.do(func() {
		r.mu.Lock()
		r.stop = true
		r.mu.Unlock()
	})
	r.end()
	r.must(r.p.Close())
	for range 3 {
		r.must(r.p.Wake())
	}
	select {
	case err := <-r.done:
		t.Errorf("Run returned twice: %v", err)
	default:
	}
}

func TestOpenPollerRefusesAnUnknownName(t *testing.T) {
	if _, err := openPoller("iocp"); !errors.Is(err, ErrPollerUnknown) {
		t.Errorf("openPoller: %v, want ErrPollerUnknown", err)
	}
}
