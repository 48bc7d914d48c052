//go:build unix

package server

import (
	"flag"
	"net"
	"syscall"
	"testing"
	"time"

	"trunkline/tuning"
)

// silent is how many connections say nothing: go test ./server -run SayNothing -silent 100000 -v
var silent = flag.Int("silent", 0, "connections that finish TCP and say nothing; 0 for as many as the descriptor limit allows, up to 2,000")

// silentFromOne is how many of them one source address opens: past half of its ports, finding another gets slow.
const silentFromOne = 15_000

// hush opens a connection from 127.0.1.n and leaves it to itself, without memory of this process.
func hush(t *testing.T, to *net.TCPAddr, n int) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	from := syscall.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + n/silentFromOne)}}
	if err := syscall.Bind(fd, &from); err != nil {
		t.Fatal(err)
	}
	addr := syscall.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
	if err := syscall.Connect(fd, &addr); err != nil {
		t.Fatalf("connection %d: %v", n, err)
	}
	return fd
}

func TestThoseWhoSayNothingCostTheirRecordsAndAreClosedInTime(t *testing.T) {
	files, err := tuning.RaiseFileLimit()
	if err != nil {
		t.Fatal(err)
	}
	n := *silent
	if n == 0 {
		n = min(2_000, int(files.Soft-500)/2)
	}
	if need := uint64(2*n + 500); files.Soft < need {
		t.Fatalf("%d descriptors are needed, %d are allowed", need, files.Soft)
	}
	noLeaks(t)
	timeout := time.Duration(2_000+n/2) * time.Millisecond // all of them are there before the first is closed
	r := startNoise(t, func(c *Config) {
		c.LoginTimeout, c.MaxConnections = Duration(timeout), n+2
		c.AddressConnections, c.AddressAccepts, c.Accepts = -1, Rate{None: true}, Rate{None: true}
	})
	pair := &pair{t: t, a: r.phone(t, 1, 0).contact(), b: r.phone(t, 2, 0).contact()}
	before := r.Status().Memory
	to := r.Addr().(*net.TCPAddr)
	fds := make([]int, n)
	for i := range fds {
		fds[i] = hush(t, to, i)
		if i%1_000 == 0 {
			pair.talk()
		}
	}
	r.eventually(t, "all are there", func(s Status) bool { return s.Connections == int64(n+2) })
	pair.talk()
	full := r.Status()
	if full.Handshakes.Pending != 0 {
		t.Errorf("%d rows for connections that said nothing", full.Handshakes.Pending)
	}
	grown := full.Memory.RSS - before.RSS
	t.Logf("%d silent connections: %d bytes of RSS more, %d each", n, grown, grown/int64(n))
	if most := int64(n)*silentBytesMax + silentSlack; grown > most {
		t.Errorf("%d bytes more for %d silent connections, want at most %d", grown, n, most)
	}
	one := r.dial(t)
	one.expectSilentClose() // there is no room for one more
	waitWithin(t, timeout+patience, func() bool { return r.Status().Connections == 2 }, func() string { return "the silent ones are closed" })
	for _, fd := range fds {
		if err := syscall.Close(fd); err != nil {
			t.Fatal(err)
		}
	}
	pair.talk()
}

const (
	// silentBytesMax is what a connection may cost that has said nothing: slot 64, session 72, timers and tables rounded up.
	silentBytesMax = 250
	// silentSlack is what the process may take besides: the collector's headroom, and pages that come in larger pieces.
	silentSlack = 24 << 20
)
