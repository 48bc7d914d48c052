package bench

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Env is who runs a measurement.
type Env struct {
	// Executable is trunkline's own binary. It is started again as `serve`, and as `bench child ...` (see Child).
	Executable string
	// Progress takes lines about a long run; nil: none.
	Progress io.Writer
}

// progress prints lines about a long run, at most one every progressEvery but for important ones.
type progress struct {
	mu   sync.Mutex
	w    io.Writer
	last time.Time
}

func newProgress(w io.Writer) *progress { return &progress{w: w, last: time.Now()} }

// now prints a line at once.
func (p *progress) now(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(format, args...)
}

// often prints a line unless the last one is fresh.
func (p *progress) often(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last) >= progressEvery {
		p.print(format, args...)
	}
}

func (p *progress) print(format string, args ...any) {
	p.last = time.Now()
	if p.w != nil {
		fmt.Fprintf(p.w, "bench: "+format+"\n", args...)
	}
}

// requireLoopback refuses an address outside loopback: what a run starts itself never leaves the machine.
func requireLoopback(addr string) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("%w: address %q: %w", ErrServer, addr, err)
	}
	if !ap.Addr().IsLoopback() {
		return fmt.Errorf("%w: %s is not a loopback address", ErrServer, addr)
	}
	return nil
}

// freeLoopbackAddr finds a port that is free right now. Somebody may take it before it is used: callers try again.
func freeLoopbackAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("%w: look for a free port: %w", ErrServer, err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
