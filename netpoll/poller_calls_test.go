//go:build linux || freebsd || darwin

package netpoll

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkPollerCalls does one thing to a sleeping loop at a time, so that the system calls of the process can be counted from outside:
// what 1,100 of them make more than 100, divided by 1,000, is the price of one. freebsd/poller-calls.sh does that.
// Its times mean nothing: it waits for the loop to fall asleep.
func BenchmarkPollerCalls(b *testing.B) {
	for _, kind := range []string{PollerNative, PollerGnet} {
		for _, c := range []struct {
			name string
			run  func(b *testing.B, r *pollerRig)
		}{
			{"wake", callsWake}, {"message", callsMessage}, {"connection", callsConnection}, {"room", callsRoom},
		} {
			b.Run(kind+"/"+c.name, func(b *testing.B) {
				c.run(b, newPollerRig(b, func() (Poller, error) { return openPoller(kind) }).start())
			})
		}
	}
}

// callsRest lets the loop fall asleep.
func callsRest() { <-time.After(2 * time.Millisecond) }

// callsWake wakes the loop.
func callsWake(b *testing.B, r *pollerRig) {
	for b.Loop() {
		r.turns(1)
		callsRest()
	}
}

// callsMessage has a byte arrive.
func callsMessage(b *testing.B, r *pollerRig) {
	x, y := pollerPair(b)
	r.onEvent = func(uint64) { x.read() }
	r.add(x.fd, 1)
	for n := 1; b.Loop(); n++ {
		y.write("x")
		r.untilReport(1, EventRead, n)
		callsRest()
	}
}

// callsConnection watches a socket from the loop and closes it in a later turn.
func callsConnection(b *testing.B, r *pollerRig) {
	for b.Loop() {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		r.must(err)
		r.add(fds[0], 1)
		r.do(func() { r.must(unix.Close(fds[0])) })
		r.must(unix.Close(fds[1]))
		callsRest()
	}
}

// callsRoom asks for room, which there is, from the loop.
func callsRoom(b *testing.B, r *pollerRig) {
	x, _ := pollerPair(b)
	r.add(x.fd, 1)
	for n := 1; b.Loop(); n++ {
		r.do(func() { r.must(r.p.WantWrite(x.fd, 1)) })
		r.untilReport(1, EventWrite, n)
		callsRest()
	}
}
