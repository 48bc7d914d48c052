package server

import (
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/codec"
)

func TestTenThousandSilentConnectionsLeaveOthersUndisturbed(t *testing.T) {
	noLeaks(t)
	const crowd = 10_000
	r := start(t, func(c *Config) { c.LoginTimeout = Duration(10 * patience) })
	if r.ConnectionsAllowed() < crowd+1000 {
		t.Skipf("the descriptor limit allows %d connections, this test needs %d", r.ConnectionsAllowed(), crowd+1000)
	}
	p := r.converse(t, 1)
	before := r.Status().Memory
	goroutines := runtime.NumGoroutine()
	c := startChild(t, "silent "+r.Addr().String()+" 10000")
	c.expect("ready")
	r.eventually(t, "all are open", func(s Status) bool { return s.Connections == crowd+2 })
	p.talk()
	after := r.Status().Memory
	t.Logf("resident memory went from %d to %d: %d bytes for each connection", before.RSS, after.RSS, (after.RSS-before.RSS)/crowd)
	if grown := runtime.NumGoroutine() - goroutines; grown > 20 {
		t.Errorf("%d goroutines more for %d connections", grown, crowd)
	}
	_ = c.in.Close() // they all leave at once
	r.eventually(t, "all have left", func(s Status) bool { return s.Connections == 2 && s.Sessions == 2 })
	p.talk()
}

func TestConnectionsThatNeverLogInAreClosedByTheThousand(t *testing.T) {
	noLeaks(t)
	r := start(t, quickLogin)
	p := r.converse(t, 1)
	c := startChild(t, "silent "+r.Addr().String()+" 3000")
	c.expect("ready")
	p.talk()
	r.eventually(t, "all are closed", func(s Status) bool {
		return s.Connections == 2 && s.PerLoop[0].Connections+s.PerLoop[1].Connections == 2
	})
	p.talk()
}

func TestWithoutDescriptorsOpenConnectionsStayAndNewOnesAreSentAway(t *testing.T) {
	noLeaks(t)
	const spare = 40
	c := startChild(t, "exhausted 40")
	addr, _, _ := strings.Cut(c.expect("ready"), " ")
	dial := func() *wire {
		t.Helper()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return &wire{t: t, conn: conn}
	}
	p := &pair{t: t, a: dial(), b: dial()}
	p.a.hello(codec.Hello{Version: 1, User: 1})
	p.b.hello(codec.Hello{Version: 1, User: 2})
	p.talk()
	var crowd []*wire
	for range 3 * spare {
		crowd = append(crowd, dial())
	}
	crowd[len(crowd)-1].expectClosed() // there was no descriptor for it
	for range 20 {
		p.talk()
	}
	for _, w := range crowd {
		_ = w.conn.Close()
	}
	waitFor(t, func() bool { return tryLogin(addr) }, func() string { return "a login after the crowd has left" })
	p.talk()
}

// tryLogin logs in and out again.
func tryLogin(addr string) bool {
	c, err := loadLogin(addr, 3)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func TestARoutedMessageAllocatesNothing(t *testing.T) {
	noLeaks(t)
	pairs, messages := 8, 12_500 // 100,000 in all
	if raceDetector {
		messages = 500
	}
	for _, place := range []string{PlaceHome, PlaceAccept} {
		t.Run(place, func(t *testing.T) {
			r := start(t, func(c *Config) { c.Place = place })
			c := startChild(t, "load "+r.Addr().String()+" 8 16")
			c.expect("ready")
			pass := func(n string) uint64 {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				c.say(n)
				c.expect("done")
				runtime.ReadMemStats(&after)
				return after.Mallocs - before.Mallocs
			}
			pass("2000") // buffers and tables reach their size
			passes, each := 0, 1.0
			// On a busy machine more messages are under way at once than before, and buffers grow once more: that is not the
			// steady state, so the best of a few passes counts.
			for ; passes < 4 && each >= 0.01; passes++ {
				mallocs := pass(strconv.Itoa(messages))
				each = float64(mallocs) / float64(pairs*messages)
				t.Logf("%d allocations for %d messages: %.5f each", mallocs, pairs*messages, each)
			}
			if raceDetector {
				t.Log("not judged under the race detector, which allocates")
			} else if each >= 0.01 {
				t.Errorf("%.4f allocations for each routed message, want less than 0.01", each)
			}
			r.eventually(t, "all are acknowledged", func(s Status) bool {
				return s.MessagesAcked == uint64(pairs*(passes*messages+2000)) && s.Panics == 0
			})
		})
	}
}

// BenchmarkPlace measures what a message costs the server when connections move to their user's loop and when they stay.
func BenchmarkPlace(b *testing.B) {
	for _, loops := range []int{2, 8} {
		for _, place := range []string{PlaceHome, PlaceAccept} {
			b.Run(place+"/loops="+strconv.Itoa(loops), func(b *testing.B) { benchmarkPlace(b, place, loops) })
		}
	}
}

func benchmarkPlace(b *testing.B, place string, loops int) {
	b.ReportAllocs()
	r := start(b, func(c *Config) { c.Place, c.Loops = place, loops })
	c := startChild(b, "load "+r.Addr().String()+" 64 4")
	c.expect("ready")
	c.say("200")
	c.expect("done")
	_, cpuBefore := memoryAndCPU()
	before := r.Status()
	from := time.Now()
	b.ResetTimer()
	c.say(strconv.Itoa((b.N + 63) / 64))
	c.expect("done")
	b.StopTimer()
	took := time.Since(from)
	_, cpuAfter := memoryAndCPU()
	after := r.Status()
	n := float64(after.MessagesAcked - before.MessagesAcked)
	b.ReportMetric((cpuAfter.User+cpuAfter.System-cpuBefore.User-cpuBefore.System)*1e6/n, "cpu-us/msg")
	b.ReportMetric(n/took.Seconds(), "msg/s")
	crossed := 0.0
	for _, l := range r.reactor.Stats() {
		crossed += float64(l.MessagesIn)
	}
	b.ReportMetric(crossed/n, "crossings/msg")
}

// BenchmarkLogin measures what a connection costs from accept through login to close.
func BenchmarkLogin(b *testing.B) {
	for _, place := range []string{PlaceHome, PlaceAccept} {
		b.Run(place, func(b *testing.B) {
			b.ReportAllocs()
			r := start(b, func(c *Config) { c.Place = place })
			c := startChild(b, "logins "+r.Addr().String())
			c.expect("ready")
			c.say("100")
			c.expect("done")
			_, before := memoryAndCPU()
			b.ResetTimer()
			c.say(strconv.Itoa(b.N))
			c.expect("done")
			b.StopTimer()
			_, after := memoryAndCPU()
			b.ReportMetric((after.User+after.System-before.User-before.System)*1e6/float64(b.N), "cpu-us/login")
		})
	}
}
