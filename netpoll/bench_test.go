//go:build linux || freebsd || darwin

package netpoll

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkCrossLoopMessage sends messages of 64 bytes between two loops, a burst each turn, and reports the CPU of the whole
// process for each message: post, hand over, wakes, delivery, and the turns of both loops. One way, the receiver is often asleep
// and most of the cost is waking it; both ways, as on a server at work, the loops keep each other awake.
func BenchmarkCrossLoopMessage(b *testing.B) {
	for _, kind := range []string{PollerNative, PollerGnet} {
		for _, burst := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("%s/oneway/burst=%d", kind, burst), func(b *testing.B) { benchCrossLoop(b, kind, burst, 1) })
			b.Run(fmt.Sprintf("%s/bothways/burst=%d", kind, burst), func(b *testing.B) { benchCrossLoop(b, kind, burst, 2) })
		}
	}
}

// benchCrossLoop keeps the sending loops turning by a message to themselves; a sender waits when its credit is used up.
func benchCrossLoop(b *testing.B, kind string, burst, senders int) {
	msg := make([]byte, 64)
	again := []byte{1}
	share := (b.N + senders - 1) / senders
	done := make(chan struct{}, senders)
	g := newRig(b, Config{Poller: kind}, func(s *script) {
		n := &struct { // on cache lines of its own: loops that count side by side would measure each other
			_         [64]byte
			sent, got int
			_         [64]byte
		}{}
		other := 1 - s.l.Index()
		s.message = func(from int, m []byte) {
			if from == other {
				if n.got++; n.got == share {
					done <- struct{}{}
				}
				return
			}
			for k := 0; k < burst && n.sent < share && s.l.Credit(other) > 0; k++ {
				if s.l.Post(other, msg) != nil {
					b.Error("a message was refused")
				}
				n.sent++
			}
			if n.sent < share && s.l.Post(s.l.Index(), again) != nil {
				b.Error("a message was refused")
			}
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	cpu := processCPU()
	for i := range senders {
		must(b, g.r.Post(i, again))
	}
	for range senders {
		<-done
	}
	b.ReportMetric(float64(processCPU()-cpu)/float64(b.N), "cpu-ns/op")
}

// BenchmarkPostAndDeliver is the same without another loop: one loop is stepped by hand and posts to itself.
func BenchmarkPostAndDeliver(b *testing.B) {
	fake := NewFakePoller()
	g := newIdleRig(b, Config{Loops: 1, NewPoller: func(int) (Poller, error) { return fake, nil }}, nil)
	l := g.r.loops[0]
	msg := make([]byte, 64)
	b.ReportAllocs()
	for n := 0; n < b.N; n += 16 {
		for range 16 {
			if l.Post(0, msg) != nil {
				b.Fatal("a message was refused")
			}
		}
		driver{l}.OnBatch()
	}
}

// BenchmarkEcho sends one byte string back and forth on one connection, with 1 and with 16 in flight.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range []string{PollerNative, PollerGnet} {
		for _, flight := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/inflight=%d", kind, flight), func(b *testing.B) {
				g := newRig(b, Config{Poller: kind, Loops: 1}, echo)
				benchPings(b, g.dial(), flight)
			})
		}
	}
}

// benchPings sends 64 bytes back and forth, so many at a time, and reports the CPU of both ends for each.
func benchPings(b *testing.B, c net.Conn, flight int) {
	_ = c.SetDeadline(time.Time{})
	piece := make([]byte, 64)
	buf := make([]byte, 64*flight)
	b.ReportAllocs()
	b.ResetTimer()
	cpu := processCPU()
	for n := 0; n < b.N; n += flight {
		for range flight {
			if _, err := c.Write(piece); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processCPU()-cpu)/float64(b.N), "cpu-ns/op")
	b.StopTimer()
}

// BenchmarkSocketCalls compares the raw calls of the hot path with those of x/sys, which tell the scheduler.
func BenchmarkSocketCalls(b *testing.B) {
	x, y := socketPair(b)
	defer closeFD(b, x)
	defer closeFD(b, y)
	buf := make([]byte, 64)
	run := func(name string, write func() bool, read func() bool) {
		b.Run(name, func(b *testing.B) {
			cpu := processCPU()
			for range b.N {
				if !write() || !read() {
					b.Fatal("the bytes did not come at once")
				}
			}
			b.ReportMetric(float64(processCPU()-cpu)/float64(b.N), "cpu-ns/op")
		})
	}
	run("raw", func() bool { _, e := writeSocket(y, buf); return e == 0 }, func() bool { n, _ := readSocket(x, buf); return n > 0 })
	run("xsys", func() bool { _, e := unix.Write(y, buf); return e == nil }, func() bool { n, _ := unix.Read(x, buf); return n > 0 })
}

// BenchmarkIdleConnectionMemory reports the resident memory of one idle connection as the slope between 5,000 and 15,000;
// the clients are another process.
func BenchmarkIdleConnectionMemory(b *testing.B) {
	const low, high = 5_000, 15_000
	if openFilesMax() < high+500 {
		b.Skipf("the limit of %d descriptors is too low for %d connections", openFilesMax(), high)
	}
	if residentBytes() == 0 {
		b.Skip("this system does not tell the resident memory of a process")
	}
	g := newRig(b, Config{}, echo)
	client := startChild(b, "TestChildClient")
	addr := g.ln.Addr().String()
	rss := func(n int) int64 {
		g.until("all are open", func() bool { return g.connections() == n })
		debug.FreeOSMemory()
		return residentBytes()
	}
	client.dial(addr, low)
	before := rss(low)
	client.dial(addr, high-low)
	b.ReportMetric(float64(rss(high)-before)/(high-low), "B/connection")
}

// BenchmarkCollectorWithAMillionSlots reports the CPU of one forced collection while a loop holds a million connections.
func BenchmarkCollectorWithAMillionSlots(b *testing.B) {
	g := newIdleRig(b, Config{Loops: 1}, nil)
	l := g.r.loops[0]
	for i := range 1_000_000 {
		_, s := l.acquire(i)
		s.state = stateOpen
	}
	runtime.GC()
	b.ResetTimer()
	cpu := processCPU()
	for range b.N {
		runtime.GC()
	}
	b.ReportMetric(float64(processCPU()-cpu)/float64(b.N)/1e6, "cpu-ms/op")
	b.StopTimer()
	g.r.loops[0].slotsEnd = 0 // their descriptors are none: nothing to close
	g.r.open.Store(0)
}

// processCPU is the CPU time of this process in nanoseconds, user and system.
func processCPU() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// residentBytes is the resident memory of this process, 0 where the system does not tell.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "Rss: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}
